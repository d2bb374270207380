"""What it means that a purchase model ran to the edge of its family, and what to do about it."""

from __future__ import annotations

from cxmodel.value.purchases.fitting import Fitted

_LEAVING = {"a": "low", "s": "low", "gamma": "low"}
_EDGES: tuple[tuple[dict[str, str], str], ...] = (
    ({"r": "high", "alpha": "high"}, "customers do not differ in how often they buy"),
    (_LEAVING, "nobody is seen to leave, so that all count as active"),
    (
        {"a": "high", "s": "high", "gamma": "high"},
        "customers do not differ in how readily they leave",
    ),
    (
        {"b": "high", "beta": "high", "delta": "high"},
        "nobody is seen to leave, so that all count as active",
    ),
    ({"b": "low", "delta": "low"}, "nearly all leave at the first chance"),
    ({"r": "low", "alpha": "low"}, "a few customers make all of the repeat purchases"),
    ({"p": "high"}, "the purchases of a customer all cost nearly the same"),
    ({"q": "high", "v": "high"}, "customers do not differ in what they spend"),
    ({"q": "low", "v": "low"}, "a few customers spend nearly everything"),
)
_SIDES = {"low": "near 0", "high": "without end"}


def edge_caveats(fitted: Fitted, title: str) -> tuple[str, ...]:
    """Say in words which edge a fit ran to, and which parameters the data leave open."""
    said = []
    if fitted.at_limit:
        shown = ", ".join(f"{name} {_SIDES[side]}" for name, side in fitted.at_limit)
        said.append(
            f"{title} ran to the edge of its family: {_meaning(dict(fitted.at_limit))} ({shown}). "
            "What is expected is that of this limit, and the values of these parameters mean "
            "nothing. Bring a longer history or more customers, try another family, and hold the "
            "forecast against a holdout."
        )
    if fitted.vague:
        said.append(
            f"{title}: the data hardly determine {' and '.join(fitted.vague)}; values tens of "
            "times as large or as small fit as well. Use what the model expects, not these "
            "parameters, and bring a longer history or more customers."
        )
    return tuple(said)


def _meaning(limits: dict[str, str]) -> str:
    """Choose the words for an edge: the first that has a parameter on the side it ran to."""
    for edges, words in _EDGES:
        if any(limits.get(name) == side for name, side in edges.items()):
            return words
    return "one of its parameters has no finite best value"
