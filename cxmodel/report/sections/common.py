"""Words that several sections share: the rating, the outcomes, the grades, the groups."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from statistics import NormalDist
from typing import Any

from cxmodel.report import amounts, words
from cxmodel.report.reading import Results, as_estimate, estimate, figure_of, part, rows
from cxmodel.results import Estimate

OUTCOMES = ("revenue", "retention")
SERVICE_KPIS = (
    "response_rate",
    "late_rate",
    "first_contact_resolution",
    "handle_time",
    "time_to_resolution",
    "first_response_time",
)
MOST_GROUPS = 12
LONG_HOURS = 72.0  # from here on a time is said in days
GRADE_NAMES = {
    "association": "association",
    "adjusted": "adjusted",
    "within_customer": "within customers",
    "experiment": "experiment",
}
GRADE_MEANING = {
    "association": (
        "The rating and the outcome move together; it is not shown that raising the rating "
        "raises the outcome."
    ),
    "adjusted": (
        "The checks that could be run found nothing against reading it as an effect; they "
        "cannot see everything."
    ),
    "within_customer": "The same customers are compared with themselves at other ratings.",
    "experiment": "It comes from a randomised experiment.",
}
BAND_NAMES = {
    "detractor": "Detractors",
    "passive": "Passives",
    "promoter": "Promoters",
    "top_box": "Top box",
    "rest": "Below the top box",
}


def grade_meaning(results: Results, outcome: str, grade: str) -> str:
    """Say what a grade means for an outcome, naming the checks that failed without lowering it."""
    failed = [
        words.name(str(row["name"]))
        for row in rows(results, "checks")
        if row.get("verdict") == "fail" and row.get("outcome") == outcome
    ]
    if grade != "adjusted" or not failed:
        return GRADE_MEANING[grade]
    return (
        "The checks that this grade rests on found nothing against reading it as an effect, but "
        f"{words.listing(failed)} failed; they cannot see everything."
    )


def rating_name(results: Results) -> str:
    """Name the rating of the study: NPS, or its key."""
    return words.name(part(results, "study.rating") or "rating")


def rating_point(results: Results) -> str:
    """Name one step of the rating."""
    key = part(results, "study.rating")
    return f"{words.name(key)} rating point" if key else "rating point"


def grade(results: Results, outcome: str | None = None) -> str:
    """Give the evidence grade of an outcome, else of the study; association where none is given."""
    path = f"evidence.by_outcome.{outcome}.grade" if outcome else "evidence.grade"
    found = part(results, path) or part(results, "evidence.grade")
    return str(found) if found in GRADE_NAMES else "association"


def lift_of(results: Results, outcome: str) -> Estimate | None:
    """Give the lift of the first sentence: the headline, or the one within customers."""
    if is_within_first(results, outcome):
        return estimate(results, f"lift.{outcome}.within_customer_per_rating_point")
    return estimate(results, f"lift.{outcome}.per_rating_point")


def is_within_first(results: Results, outcome: str) -> bool:
    """Say whether grade and first place are those of the lift within customers.

    Only then does the first sentence speak of it: the grade in a sentence is that of its number,
    and without the grade it would say of one number what was checked of another.
    """
    is_first = stands_first(results, outcome) == "within_customer"
    return grade(results, outcome) == "within_customer" and is_first


def stands_first(results: Results, outcome: str) -> str:
    """Name the estimate that Mundlak's test puts first: "adjusted", or "within_customer"."""
    return str(part(results, f"lift.{outcome}.within_customer.stands_first") or "adjusted")


def headline_outcome(results: Results) -> str | None:
    """Name the outcome that the first page speaks of: revenue, else retention, else none."""
    return next((outcome for outcome in OUTCOMES if lift_of(results, outcome)), None)


def size(estimate: Estimate) -> str:
    """Write an estimate without its sign."""
    return words.quantity(abs(estimate.estimate), estimate.unit)


def group_label(group: Any) -> str:
    """Name a group: its value, or ``column: value`` where several columns make it.

    Examples
    --------
    >>> group_label({"segment": "Small business"}), group_label({"a": 1, "b": None})
    ('Small business', 'a: 1, b: none')
    """
    if not isinstance(group, dict) or not group:
        return "All"
    texts = {str(key): _value(value) for key, value in group.items()}
    if len(texts) == 1:
        return next(iter(texts.values()))
    return ", ".join(f"{key}: {text}" for key, text in texts.items())


def _value(value: Any) -> str:
    return "none" if value is None or value == "" else str(value)


def shown_rows(found: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leave out suppressed rows and those without a number."""
    return [row for row in found if not row.get("suppressed") and as_estimate(row) is not None]


def kpi_rows(
    results: Results, kpi: str, *, column: str | None = None, by_period: bool = False
) -> list[dict[str, Any]]:
    """Give the rows of a KPI: overall or by a column's groups, over all time or by period."""
    found = [row for row in rows(results, "kpis") if row.get("kpi") == kpi]
    columns = [] if column is None else [column]
    found = [row for row in found if list(row.get("group") or {}) == columns]
    found = [row for row in found if (row.get("period") is not None) == by_period]
    if by_period:
        found.sort(key=lambda row: str(row["period"]))
    in_days = any(_is_long(row) for row in rows(results, "kpis") if row.get("kpi") == kpi)
    return [_in_days(row) if in_days else row for row in shown_rows(found)]


def _is_long(row: dict[str, Any]) -> bool:
    """Say whether a time overall is better said in days than in hours."""
    hours = figure_of(row) if str(row.get("unit")).startswith("hours") else None
    is_overall = not row.get("group") and row.get("period") is None
    return is_overall and hours is not None and hours >= LONG_HOURS


def _in_days(row: dict[str, Any]) -> dict[str, Any]:
    """Turn a row in hours into one in days."""
    keys = ("estimate", "std_error", "conf_low", "conf_high", "mean", "median", "target")
    known = {key: row[key] / 24 for key in keys if figure_of(row.get(key)) is not None}
    return {**row, **known, "unit": str(row["unit"]).replace("hours", "days", 1)}


def kpi_overall(results: Results, kpi: str) -> dict[str, Any] | None:
    """Give the row of a KPI over all customers and all time."""
    found = kpi_rows(results, kpi)
    return found[0] if found else None


def rating_kpis(results: Results) -> list[str]:
    """Name the KPIs that are ratings, the study's own first."""
    names = dict.fromkeys(str(row.get("kpi")) for row in rows(results, "kpis"))
    found = [name for name in names if name not in SERVICE_KPIS]
    own = part(results, "study.rating")
    return sorted(found, key=lambda name: name != own)


def kpi_label(row: dict[str, Any]) -> str:
    """Name a KPI with what its number means.

    Examples
    --------
    >>> kpi_label({"kpi": "review", "unit": "percent in the top box, 0-100"})
    'review (top box)'
    """
    name = words.name(row.get("kpi"))
    return f"{name} (top box)" if "top box" in str(row.get("unit")) else name


def is_flat(results: Results) -> bool:
    """Say whether the study reads one table that came already joined, a row per customer."""
    return bool(part(results, "study.churn_rule") == "observed")


def is_chained(results: Results) -> bool:
    """Say whether retention is chained from customers seen in one window only."""
    window = part(results, "study.window_words")
    return is_flat(results) and window is not None and window != "observation window"


def within_words(results: Results) -> str:
    """Name the outcome window: ``within 180 days``, or ``in the observation window``."""
    window = part(results, "study.window_words")
    if not window:
        days = part(results, "study.windows.outcome_days")
        window = f"{days} days" if days else "outcome window"
    return f"in the {window}" if "window" in str(window) else f"within {window}"


def kpi_sentence(row: dict[str, Any]) -> str:
    """Say what a KPI is, without a full stop.

    Examples
    --------
    >>> kpi_sentence({"kpi": "nps", "estimate": 41.0, "unit": "NPS, -100 to 100"})
    'NPS is 41.0'
    >>> kpi_sentence({"kpi": "csat", "estimate": 66.3, "unit": "percent in the top box, 0-100"})
    '66.3% of CSAT ratings are in the top box'
    """
    found = as_estimate(row)
    value = words.with_interval(found) if found else "not known"
    if "top box" in str(row.get("unit")):
        share, space, ends = value.partition(" ")
        return f"{share} of {words.name(row.get('kpi'))} ratings are in the top box{space}{ends}"
    return f"{words.sentence(kpi_label(row))} is {value}"


def difference_is_shown(
    first: dict[str, Any], second: dict[str, Any], *, n_pairs: int = 1
) -> float | None:
    """Give the difference of two estimates where it exceeds its noise, else None.

    Both are taken as independent. With many pairs to choose from, the level is divided by their
    number (Bonferroni).

    Examples
    --------
    >>> a, b = {"estimate": 30.0, "std_error": 1.0}, {"estimate": 34.0, "std_error": 1.0}
    >>> difference_is_shown(a, b)
    4.0
    >>> difference_is_shown(a, b, n_pairs=100) is None
    True
    """
    apart = _lies_apart(first, second)
    if apart:
        return float(second["estimate"]) - float(first["estimate"])
    errors = [figure_of(row.get("std_error")) for row in (first, second)]
    if None in errors:
        return None
    noise = math.hypot(*(error for error in errors if error is not None))
    critical = NormalDist().inv_cdf(1 - 0.025 / max(1, n_pairs))
    difference = float(second["estimate"]) - float(first["estimate"])
    return difference if abs(difference) > critical * noise > 0 else None


def _lies_apart(first: dict[str, Any], second: dict[str, Any]) -> bool:
    """Say whether two intervals do not touch, as where a share of 0% or 100% has no error."""
    if figure_of(first.get("std_error")) and figure_of(second.get("std_error")):
        return False
    ends = [figure_of(row.get(key)) for row in (first, second) for key in ("conf_low", "conf_high")]
    known = [end for end in ends if end is not None]
    return len(known) == 4 and (known[1] < known[2] or known[3] < known[0])


def is_separated(results: Results) -> bool:
    """Say whether the outcome is told apart so well that no forecast can be claimed."""
    failed = any(
        row.get("name") == "separation" and row.get("verdict") == "fail"
        for row in rows(results, "checks")
    )
    auc = figure_of(part(results, "churn.metrics.roc_auc"))
    return failed or (auc is not None and auc > 0.95)


def writer(unit: str | None, ends: Iterable[float | None]) -> Callable[[float], str]:
    """Give a function that writes values of a unit on an axis, without the words of the unit."""
    known = [abs(end) for end in ends if end is not None]
    like = max(known, default=0.0)
    code = amounts.currency_of(unit)
    text = unit or ""
    if code:
        return lambda value: amounts.money(value, code, like=like)
    if text.startswith(("probability", "share", "fraction")):
        digits = 1 if like < 0.2 else 0
        return lambda value: f"{words.number(100 * value, digits)}%"
    if text.startswith("percent") or "0-100" in text:
        return lambda value: f"{words.number(value, 1)}%"
    return lambda value: words.number(value, 1 if like >= 1 else 3)


def ends_of(found: Iterable[dict[str, Any]]) -> list[float | None]:
    """Give every end of every interval, to choose one unit for an axis."""
    keys = ("estimate", "conf_low", "conf_high")
    return [figure_of(row.get(key)) for row in found for key in keys]
