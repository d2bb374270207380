"""Whether the rows that a model is asked about are spread as those that it was fitted to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from cxmodel.errors import InsufficientDataError
from cxmodel.models.profile import Ints, Profile
from cxmodel.results import TIDY_COLUMNS, Result
from cxmodel.stats.stability import (
    population_stability_index,
    stability_p_value,
    stability_verdict,
)


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class ModelDrift(Result):
    """How far columns and scores have moved since a model was fitted.

    Parameters
    ----------
    rows : tuple of dict
        ``column, index, p_value, verdict, is_score, text``, what the model gives (of churn
        ``prob_churn``) first.
    n_obs : int
        Rows compared.
    """

    rows: tuple[dict[str, Any], ...]
    n_obs: int

    title = "Drift"

    def __repr__(self) -> str:
        return f"ModelDrift({self.verdict}; {self.n_obs:,} rows)"

    @property
    def verdict(self) -> Literal["pass", "warn", "fail"]:
        """The worst of all columns."""
        found = {row["verdict"] for row in self.rows}
        return "fail" if "fail" in found else "warn" if "warn" in found else "pass"

    def to_frame(self) -> pd.DataFrame:
        """Give one row a column; the estimate is the population stability index."""
        table = pd.DataFrame(
            [
                {
                    "group": None,
                    "term": row["column"],
                    "unit": "population stability index",
                    "estimate": row["index"],
                    "p_value": row["p_value"],
                    "n_obs": self.n_obs,
                    "verdict": row["verdict"],
                }
                for row in self.rows
            ]
        )
        return table.reindex(columns=[*TIDY_COLUMNS, "verdict"])

    def to_section(self) -> dict[str, Any]:
        """Give the rows as plain values."""
        return {"status": "ok", "n_obs": self.n_obs, "rows": [dict(row) for row in self.rows]}


def compare(profile: Profile, counts: Mapping[str, Ints]) -> ModelDrift:
    """Compare counts of today with those of the fit, by the population stability index.

    Over 0.1 warns and over 0.25 fails (Siddiqi 2006), where chance brings so much in under 1 of 100
    samples (Yurdakul 2018); see `population_stability_index`.

    Parameters
    ----------
    profile : Profile
        Of the fit.
    counts : mapping of str to numpy.ndarray
        Of today, in the classes of the profile; those of some columns may be left out.

    Raises
    ------
    InsufficientDataError
        If there are no rows.
    """
    n_obs = max((int(found.sum()) for found in counts.values()), default=0)
    if not n_obs:
        raise InsufficientDataError("There are no rows to compare with those of the fit.")
    parts = [
        (name, seen.counts, is_score)
        for profiles, is_score in ((profile.scores, True), (profile.columns, False))
        for name, seen in profiles.items()
        if name in counts
    ]
    rows = [_row(name, then, counts[name], is_score) for name, then, is_score in parts]
    return ModelDrift(rows=tuple(rows), n_obs=n_obs)


def _row(name: str, then: Ints, now: Ints, is_score: bool) -> dict[str, Any]:
    expected, observed = then.astype(float), now.astype(float)
    # a class that was and is empty says nothing; half a case would be added to it for nothing
    some = (expected > 0) | (observed > 0)
    expected, observed = expected[some], observed[some]
    index = population_stability_index(expected, observed)
    p_value = stability_p_value(index, expected.sum(), observed.sum(), len(expected))
    verdict = stability_verdict(index, p_value)
    return {
        "column": name,
        "index": index,
        "p_value": p_value,
        "verdict": verdict,
        "is_score": is_score,
        "text": _words(name, index, verdict, is_score),
    }


_SCORES = {
    "prob_churn": "The predicted probabilities",
    "prob_alive": "The predicted probabilities of still being a customer",
    "prob_stays": "The predicted probabilities of staying",
    "expected_purchases": "The predicted purchases",
    "expected_spend": "The predicted spending per purchase",
    "cltv": "The predicted values",
}
_MOVED = {
    "pass": "are spread as where the model was fitted",
    "warn": "have moved since the model was fitted",
    "fail": "are spread as in another population than the one that the model was fitted to, so "
    "what it foretells may not hold here",
}


def _words(name: str, index: float, verdict: str, is_score: bool) -> str:
    what = f"The values of {name!r}"
    if is_score:
        what = _SCORES.get(name, what)
    return f"{what} {_MOVED[verdict]} (population stability index {index:.2f})."


def drift_lines(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Say what has moved: what is foretold by itself, columns of one verdict in one sentence.

    Examples
    --------
    >>> row = {"index": 0.22, "verdict": "warn", "is_score": False, "text": "It moved."}
    >>> drift_lines([{**row, "column": "age"}])
    ['It moved.']
    >>> drift_lines([{**row, "column": "age"}, {**row, "column": "plan"}])[0][63:]
    'age (population stability index 0.22) and plan (0.22).'
    """
    rows = [row for row in rows if row["verdict"] != "pass"]
    said = [str(row["text"]) for row in rows if row["is_score"]]
    for verdict in ("fail", "warn"):
        moved = [row for row in rows if row["verdict"] == verdict and not row["is_score"]]
        if len(moved) == 1:
            said.append(str(moved[0]["text"]))
        elif moved:
            names = [f"{row['column']} ({row['index']:.2f})" for row in moved]
            names[0] = names[0].replace("(", "(population stability index ", 1)
            listed = f"{', '.join(names[:-1])} and {names[-1]}"
            said.append(f"The values of {len(moved)} columns {_MOVED[verdict]}: {listed}.")
    return said
