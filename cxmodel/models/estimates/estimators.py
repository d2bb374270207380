"""All estimates of one lift side by side: what each is called, means and takes into account."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

HEADLINE = "per_rating_point"
WITHIN = "within_customer_per_rating_point"
FIRST = " (read first)"
CONTROLS, DIFFERS, WEIGHTS = "Controls", "Slopes differ", "Weights"
CUSTOMER, NOISE = "Same customer", "Answer noise"
# What an estimate may take into account, in the order of the columns of the picture, and in words.
CHOICES = {
    CONTROLS: "what was known before held equal",
    DIFFERS: "slopes that differ between customers",
    WEIGHTS: "weights for those who did not answer",
    CUSTOMER: "a customer compared with itself",
    NOISE: "noise in the answers",
}
PER_POINT = "_per_rating_point"


@dataclass(frozen=True)
class Estimator:
    """One way to estimate the lift per rating point.

    Parameters
    ----------
    term : str
        Its name in the results.
    label : str
        Its name for a reader.
    meaning : str
        What it does, in words.
    choices : tuple of str
        Which of `CHOICES` it takes into account.
    follows : bool
        Whether it is the headline's model otherwise, so that it has the headline's choices too.
    """

    term: str
    label: str
    meaning: str
    choices: tuple[str, ...] = ()
    follows: bool = False


ESTIMATORS = (
    Estimator(
        "unadjusted_per_rating_point",
        "Unadjusted",
        "the plain difference, shown so that nobody mistakes it for the answer",
    ),
    Estimator(
        "additive_per_rating_point",
        "Additive",
        "given the same, one slope for everyone",
        (CONTROLS,),
    ),
    Estimator(
        HEADLINE,
        "Adjusted (headline)",
        "given what was known before, averaged over the customers",
        follows=True,
    ),
    Estimator(
        "unweighted_per_rating_point",
        "Without response weights",
        "those who answered, as they are",
        follows=True,
    ),
    Estimator(
        "weighted_per_rating_point",
        "With response weights",
        "weighted to stand for those who did not answer too",
        (WEIGHTS,),
        follows=True,
    ),
    Estimator(
        "plus_one_below_top",
        "One rating point up, below the top",
        "the mean step among those not yet at the top of the scale",
        (CONTROLS,),
    ),
    Estimator(
        "winsorised_per_rating_point",
        "Extreme revenue drawn in",
        "a sensitivity: the largest amounts cut to a limit",
        follows=True,
    ),
    Estimator("two_part_per_rating_point", "Two-part", "any revenue, times how much", (CONTROLS,)),
    Estimator(
        "flexible_per_rating_point",
        "Flexible",
        "machine-learnt controls, a second opinion",
        (CONTROLS,),
    ),
    Estimator(
        "within_customer_per_rating_point",
        "Within customers",
        "the same customer at other ratings",
        (CUSTOMER,),
    ),
    Estimator(
        "reliability_corrected_per_rating_point",
        "Corrected for noise in answers",
        "as if one answer held no noise",
        (NOISE,),
        follows=True,
    ),
    Estimator(
        "reliability_corrected_within_customer_per_rating_point",
        "Within customers, corrected for noise",
        "the same customer at other ratings, as if one answer held no noise",
        (CUSTOMER, NOISE),
    ),
    Estimator(
        "instrumented_per_rating_point",
        "From an instrument",
        "what moved the rating as if by lot, if it did nothing else",
        (CONTROLS,),
    ),
    Estimator(
        "percent_per_rating_point",
        "In percent",
        "the change of the mean in percent; another unit, so not in the picture",
        (CONTROLS,),
    ),
)


def specification_rows(
    terms: Mapping[str, Any], *, is_interacted: bool, within_first: bool = False
) -> list[dict[str, Any]]:
    """List every estimate per rating point with its name, meaning and choices.

    Parameters
    ----------
    terms : mapping
        Of ``lift.<outcome>`` in plain form: estimates, and things not run, by name.
    is_interacted : bool
        Whether the headline lets the slope differ with the controls.
    within_first : bool
        Whether Mundlak's test puts the estimate within customers before the headline, which keeps
        its name: it is the one that everything else is counted with.

    Returns
    -------
    list of dict
        In the order of `ESTIMATORS`, then any other term per rating point: ``term, label,
        meaning, is_headline, choices``, and the estimate's fields or ``reason``. The same estimate
        without response weights is left out where there are none.

    Examples
    --------
    >>> row, = specification_rows({"per_rating_point": {"estimate": 4.0}}, is_interacted=True)
    >>> row["label"], row["choices"]["Slopes differ"], row["choices"]["Same customer"]
    ('Adjusted (headline)', True, False)
    """
    base = {CONTROLS, DIFFERS} if is_interacted else {CONTROLS}
    headline, weighted = (terms.get(t) or {} for t in (HEADLINE, "weighted_per_rating_point"))
    is_weighted = _value(weighted) is not None
    rows = []
    for estimator in _known_and_others(terms, within_first):
        found = terms[estimator.term]
        if estimator.term == "unweighted_per_rating_point" and not is_weighted:
            continue
        choices = {*estimator.choices, *(base if estimator.follows else ())}
        if is_weighted and _value(weighted) == _value(headline) and _has_weights(estimator):
            choices.add(WEIGHTS)
        rows.append(
            {
                "term": estimator.term,
                "label": estimator.label
                + (FIRST if within_first and estimator.term == WITHIN else ""),
                "meaning": estimator.meaning,
                "is_headline": estimator.term == HEADLINE,
                "choices": {choice: choice in choices for choice in CHOICES},
                **_fields(found),
            }
        )
    return rows


def in_one_unit(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Keep the estimates in the headline's unit, the largest first, for one axis.

    Without a headline the unit is that of the first.
    """
    known = [dict(row) for row in rows if row.get("estimate") is not None]
    if not known:
        return []
    first = next((row for row in known if row["is_headline"]), known[0])
    alike = [row for row in known if row.get("unit") == first.get("unit")]
    return sorted(alike, key=lambda row: -float(row["estimate"]))


def telling_choices(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """List the choices in which some estimates differ from others."""
    rows = list(rows)
    return [
        choice for choice in CHOICES if len({bool(row["choices"][choice]) for row in rows}) == 2
    ]


def _known_and_others(terms: Mapping[str, Any], within_first: bool) -> list[Estimator]:
    known = [estimator for estimator in ESTIMATORS if estimator.term in terms]
    if within_first:
        within = [estimator for estimator in known if estimator.term == WITHIN]
        rest = [estimator for estimator in known if estimator.term != WITHIN]
        at = next((i for i, each in enumerate(rest) if each.term == HEADLINE), 0)
        known = [*rest[:at], *within, *rest[at:]]
    names = {estimator.term for estimator in ESTIMATORS}
    others = [
        Estimator(term, _words(term), "")
        for term in terms
        if term.endswith(PER_POINT) and term not in names
    ]
    return [*known, *others]


def _words(term: str) -> str:
    return term.removesuffix(PER_POINT).replace("_", " ").capitalize()


def _has_weights(estimator: Estimator) -> bool:
    return estimator.follows and estimator.term != "unweighted_per_rating_point"


def _value(found: Mapping[str, Any]) -> Any:
    return found.get("estimate")


def _fields(found: Mapping[str, Any]) -> dict[str, Any]:
    """Give an estimate's fields, or the reason why it was not run."""
    if found.get("status") == "not_run":
        return {"estimate": None, "reason": found.get("reason")}
    return {**found, "reason": None}
