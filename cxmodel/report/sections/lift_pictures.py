"""Figures of the lift: estimators side by side, and the outcome at each rating."""

from __future__ import annotations

from typing import Any

from cxmodel.report import amounts, words
from cxmodel.report.blocks import Picture, picture
from cxmodel.report.reading import Results, as_estimate, estimate, part, rows
from cxmodel.report.sections import common

_ESTIMATORS = {
    "unadjusted_per_rating_point": "Unadjusted",
    "additive_per_rating_point": "Additive",
    "per_rating_point": "Adjusted (headline)",
    "unweighted_per_rating_point": "Without response weights",
    "weighted_per_rating_point": "With response weights",
    "plus_one_below_top": "One rating point up, below the top",
    "winsorised_per_rating_point": "Extreme revenue drawn in",
    "two_part_per_rating_point": "Two-part",
    "flexible_per_rating_point": "Flexible",
    "within_customer_per_rating_point": "Within customers",
    "reliability_corrected_per_rating_point": "Corrected for noise in answers",
    "instrumented_per_rating_point": "From an instrument",
}
_MEANING = {
    "unadjusted_per_rating_point": (
        "the plain difference, shown so that nobody mistakes it for the answer"
    ),
    "additive_per_rating_point": "given the same, one slope for everyone",
    "per_rating_point": "given what was known before, averaged over the customers",
    "unweighted_per_rating_point": "those who answered, as they are",
    "weighted_per_rating_point": "weighted to those who were asked",
    "plus_one_below_top": "the mean step among those not yet at the top of the scale",
    "winsorised_per_rating_point": "a sensitivity: the largest amounts cut to a limit",
    "two_part_per_rating_point": "any revenue, times how much",
    "flexible_per_rating_point": "machine-learnt controls, a second opinion",
    "within_customer_per_rating_point": "the same customer at other ratings",
    "reliability_corrected_per_rating_point": "as if one answer held no noise",
    "instrumented_per_rating_point": "what moved the rating as if by lot, if it did nothing else",
}


def estimator_pictures(results: Results, outcome: str) -> list[Picture]:
    """Draw the estimators side by side, the headline in colour."""
    found = _estimators(results, outcome)
    if len(found) < 2:
        return []
    from cxmodel.plots.lift import plot_estimators

    unit = found[-1]["unit"]
    figure = plot_estimators(
        found, axis_label=_axis(outcome, unit), format_value=_slope_writer(unit, found)
    )
    values = words.listing([f"{row['label']} {_in_words(row)}" for row in found])
    is_first = outcome == next(o for o in common.OUTCOMES if common.lift_of(results, o))
    meanings = "; ".join(f"{row['label']}: {_MEANING[row['key']]}" for row in found)
    return [
        picture(
            figure,
            headline=_estimator_headline(found),
            caption=f"Lift of {outcome} per {common.rating_point(results)} by estimator, with "
            f"intervals.{f' {meanings}.' if is_first else ''}",
            alt=f"Dots with intervals: {values}.",
            source=_source(found),
        )
    ]


def _estimators(results: Results, outcome: str) -> list[dict[str, Any]]:
    """Give every slope that was computed; weights only where they changed something."""
    found = []
    weighted = estimate(results, f"lift.{outcome}.weighted_per_rating_point")
    for key, label in _ESTIMATORS.items():
        value = part(results, f"lift.{outcome}.{key}")
        if as_estimate(value) is None:
            continue
        if key == "unweighted_per_rating_point" and weighted is None:
            continue
        if key == "instrumented_per_rating_point" and _is_weak(results, outcome):
            continue
        found.append({**value, "key": key, "label": label, "is_headline": _is_headline(key)})
    return found


def _is_weak(results: Results, outcome: str) -> bool:
    """Say whether the interval of the instrument means nothing, and would dwarf the others."""
    return bool(part(results, f"lift.{outcome}.instrument.diagnostics.is_weak"))


def _is_headline(key: str) -> bool:
    return key == "per_rating_point"


def _estimator_headline(found: list[dict[str, Any]]) -> str:
    """Compare the unadjusted slope with the headline."""
    by_key = {row["key"]: row for row in found}
    raw, head = by_key.get("unadjusted_per_rating_point"), by_key.get("per_rating_point")
    if raw is None or head is None or not raw["estimate"]:
        return "Several estimators side by side"
    seen = [as_estimate(row) for row in (raw, head)]
    if all(found and words.shown(found) == "not shown" for found in seen):
        return "Neither the plain difference nor the adjusted one is shown"
    share = head["estimate"] / raw["estimate"]
    if share < 0:
        return "Adjusting for what was known before turns the sign of the lift"
    if share < 0.95:
        gone = words.percent(1 - share, 0)
        return f"Adjusting for what was known before takes away {gone} of the plain difference"
    if share > 1.05:
        return "Adjusting for what was known before makes the plain difference larger"
    return "Adjusting for what was known before hardly changes the plain difference"


def level_pictures(results: Results, outcome: str) -> list[Picture]:
    """Draw the adjusted mean of the outcome at each rating."""
    all_rows = rows(results, f"lift.{outcome}.by_rating")
    found = common.shown_rows(all_rows)
    if len(found) < 2:
        return []
    from cxmodel.plots.lift import plot_rating_levels

    unit = str(found[0].get("unit") or "")
    name = common.rating_name(results)
    write = common.writer(unit, common.ends_of(found))
    is_adjusted = common.lift_of(results, outcome) is not None
    label = _level_label(outcome, is_adjusted=is_adjusted)
    figure = plot_rating_levels(
        found,
        axis_label=f"{label}{', adjusted' if is_adjusted else ''}",
        rating_label=f"{name} rating",
        format_value=write,
    )
    ordered = sorted(found, key=lambda row: row["rating"])
    values = words.listing([f"{_plain(r['rating'])}: {write(r['estimate'])}" for r in ordered])
    return [
        picture(
            figure,
            headline=_level_headline(label, ordered, write, is_adjusted=is_adjusted),
            caption=f"{label} at each rating, {_held_equal(is_adjusted)}, with "
            f"{100 * (found[0].get('conf_level') or 0.95):g}% intervals."
            f"{_left_out(found, all_rows)}",
            alt=f"{label} by rating: {values}.",
            source=_source(found),
        )
    ]


def _level_label(outcome: str, *, is_adjusted: bool) -> str:
    if outcome == "revenue":
        return "Revenue per customer"
    return "Probability of staying" if is_adjusted else "Share who stayed"


def _held_equal(is_adjusted: bool) -> str:
    if is_adjusted:
        return "as if customers were alike in the controls"
    return "as observed, with nothing held equal"


def _left_out(found: list[dict[str, Any]], all_rows: list[dict[str, Any]]) -> str:
    """Name the ratings that too few gave to be drawn."""
    drawn = {row["rating"] for row in found}
    few = [_plain(row.get("rating")) for row in all_rows if row.get("rating") not in drawn]
    return f" Too few gave {words.listing(few, last='or')}." if few else ""


def _level_headline(
    label: str, ordered: list[dict[str, Any]], write: Any, *, is_adjusted: bool
) -> str:
    low, high = ordered[0], ordered[-1]
    change = common.difference_is_shown(low, high)
    subject = words.sentence(f"adjusted {words.lower_first(label)}" if is_adjusted else label)
    ends = f"{write(low['estimate'])} at {_plain(low['rating'])}"
    tops = f"{write(high['estimate'])} at {_plain(high['rating'])}"
    doubt = ", too uncertain to tell the two apart" if change is None else ""
    return f"{subject} is {ends} and {tops}{doubt}"


def _plain(rating: Any) -> str:
    return f"{rating:g}" if isinstance(rating, (int, float)) else str(rating)


def _axis(outcome: str, unit: str) -> str:
    code = amounts.currency_of(unit)
    what = code if code else "percentage points of staying"
    return f"{what} per rating point per customer, {words.window_of(unit)}"


def _slope_writer(unit: str, found: list[dict[str, Any]]) -> Any:
    """Write slopes: money as money, probabilities as percentage points without the words."""
    if amounts.currency_of(unit):
        return common.writer(unit, common.ends_of(found))
    return lambda value: words.number(100 * value, 2)


def _in_words(row: dict[str, Any]) -> str:
    found = as_estimate(row)
    return words.with_interval(found) if found else ""


def _source(found: list[dict[str, Any]]) -> str:
    sizes = [row["n_obs"] for row in found if row.get("n_obs") is not None]
    if not sizes:
        return "responses joined to what happened after them"
    n = sum(sizes) if "rating" in found[0] else max(sizes)
    return f"responses joined to what happened after them, n = {words.count(n)}"
