"""The lift: what higher ratings go with, per rating point, per KPI point, by group."""

from __future__ import annotations

from typing import Any

from cxmodel.report import amounts, words
from cxmodel.report.amounts import in_symbols
from cxmodel.report.blocks import Block, Callout, Column, Heading, Table, Text
from cxmodel.report.reading import Results, as_estimate, estimate, part, reason, rows
from cxmodel.report.sections import common
from cxmodel.report.sections.curve import curve_blocks
from cxmodel.report.sections.estimators import estimator_pictures, estimator_table
from cxmodel.report.sections.experiments import experiment_blocks
from cxmodel.report.sections.lift_pictures import level_pictures
from cxmodel.report.sections.summary import lift_sentence
from cxmodel.results import Estimate

_PATHS = {
    "uniform_shift": "Everyone moves a little",
    "detractor_to_passive": "Detractors become passives",
    "passive_to_promoter": "Passives become promoters",
    "detractor_to_promoter": "Detractors become promoters",
    "rest_to_top_box": "Customers move into the top box",
}


def lift_section(results: Results) -> list[Block]:
    """Give the lift of each outcome that could be computed."""
    blocks: list[Block] = []
    for outcome in common.OUTCOMES:
        lift = common.lift_of(results, outcome)
        if lift is not None:
            blocks.extend(_lift_of(results, outcome, lift))
        elif part(results, f"lift.{outcome}") is not None:
            blocks.extend(_levels_only(results, outcome))
    return blocks


def _lift_of(results: Results, outcome: str, lift: Estimate) -> list[Block]:
    percent = estimate(results, f"lift.{outcome}.percent_per_rating_point")
    also = (
        [Text(words=["In percent: ", _percent_words(results, percent, outcome)])] if percent else []
    )
    return [
        Heading(text=lift_headline(results, outcome, lift), topic=f"Lift of {outcome}"),
        Text(words=lift_sentence(results, outcome, lift)),
        *also,
        *_unexpected(results, outcome, lift),
        *estimator_pictures(results, outcome),
        *_within_blocks(results, outcome),
        *estimator_table(results, outcome),
        *level_pictures(results, outcome),
        *curve_blocks(results, outcome),
        *_path_table(results, outcome),
        *_group_blocks(results, outcome),
        *experiment_blocks(results, outcome),
    ]


def _unexpected(results: Results, outcome: str, lift: Estimate) -> list[Block]:
    """Say what may explain that higher ratings go with less, which few would expect."""
    if words.shown(lift) != "lower" or common.grade(results, outcome) == "experiment":
        return []
    return [
        Callout(
            title=f"Higher ratings go with less {outcome}: what may explain it",
            words="The scale may run the other way: check that a high rating is a good one. The "
            "rating may have been asked, or answered, because of what had happened before it, as "
            "after a complaint that was settled. Customers who are about to go may answer "
            "otherwise, or not at all. Something left out of the controls may move both. The "
            "figure is reported as it is.",
            tone="warn",
        )
    ]


def _levels_only(results: Results, outcome: str) -> list[Block]:
    """Show the outcome by rating where no slope could be fitted."""
    pictures = level_pictures(results, outcome)
    if not pictures:
        return []
    why = reason(results, f"lift.{outcome}.per_rating_point")
    return [
        Heading(text=f"{_what(outcome)} per rating point has no estimate", topic=_topic(outcome)),
        Text(words=words.sentence(why)),
        *pictures,
    ]


def _topic(outcome: str) -> str:
    return f"Lift of {outcome}"


def _what(outcome: str) -> str:
    return "Revenue" if outcome == "revenue" else "Retention"


def lift_headline(results: Results, outcome: str, lift: Estimate) -> str:
    """Say what the lift shows, no more strongly than its interval and grade allow."""
    shown = words.shown(lift)
    name = common.rating_name(results)
    if shown == "not shown":
        return f"No lift of {outcome} is shown: the interval includes zero"
    if shown == "no interval":
        return f"The lift of {outcome} has no interval, so nothing is shown"
    if common.grade(results, outcome) == "experiment":
        verb = "raise" if shown == "higher" else "lower"
        return f"Higher {name} ratings {verb} {outcome}"
    return f"Higher {name} ratings go with {shown} {outcome}"


def _percent_words(results: Results, found: Estimate, outcome: str) -> str:
    side = "more" if found.estimate >= 0 else "less"
    size = words.number(abs(found.estimate), 1)
    ends = words.interval(found)
    tail = " The interval includes zero." if words.shown(found) == "not shown" else ""
    return (
        f"{size}% {side} {outcome} per {common.rating_point(results)} "
        f"({words.level(found)} interval {ends}).{tail}"
    )


def _path_table(results: Results, outcome: str) -> list[Block]:
    """Give the lift per KPI point by the way in which the KPI rises."""
    found = part(results, f"lift.{outcome}.per_kpi_point") or {}
    known = [(path, e) for path, value in found.items() if (e := as_estimate(value))]
    if not known:
        return []
    return [
        Table(
            caption=f"Lift of {outcome} per KPI point of {common.rating_name(results)}, per "
            f"customer, {words.window_of(known[0][1].unit)}, by the way in which the KPI rises.",
            columns=[
                Column(key="path", label="Path"),
                Column(
                    key="value", label=f"Per KPI point{_in_points(known[0][1].unit)}", align="right"
                ),
                Column(key="interval", label=f"{words.level(known[0][1])} interval", align="right"),
                *_corrected_column(results, outcome),
                Column(key="note", label="Shown"),
            ],
            rows=[
                {
                    "corrected": _corrected_value(results, outcome, path),
                    "path": _PATHS.get(path, words.name(path)),
                    "value": words.short(words.quantity(e.estimate, e.unit)),
                    "interval": words.short(words.interval(e)),
                    "note": _side(e),
                    "_tone": "neutral" if words.shown(e) == "not shown" else "good",
                }
                for path, e in known
            ],
            note="A rating point is one step of one customer's answer; a KPI point is one unit of "
            "the headline statistic. Paths between bands assume that those who move become "
            "average members of their new band.",
        )
    ]


def _corrected_column(results: Results, outcome: str) -> list[Column]:
    """Show the lift per KPI point as if answers held no noise, where some path has one."""
    found = part(results, f"lift.{outcome}.reliability_corrected_per_kpi_point") or {}
    if not any(as_estimate(value) for value in found.values()):
        return []
    return [Column(key="corrected", label="As if answers held no noise", align="right")]


def _corrected_value(results: Results, outcome: str, path: str) -> str:
    found = estimate(results, f"lift.{outcome}.reliability_corrected_per_kpi_point.{path}")
    return "none" if found is None else words.short(words.quantity(found.estimate, found.unit))


def _side(found: Estimate) -> str:
    return {
        "higher": "above zero",
        "lower": "below zero",
        "not shown": "includes zero",
        "no interval": "no interval",
    }[words.shown(found)]


def _within_blocks(results: Results, outcome: str) -> list[Block]:
    """Say what the comparison of customers with themselves rests on."""
    text = part(results, f"lift.{outcome}.within_customer.text")
    return [Text(words=in_symbols(str(text)))] if text else []


def _group_blocks(results: Results, outcome: str) -> list[Block]:
    """Give the lift within groups, with what many comparisons leave of it."""
    every = [{**row, **_nested(row)} for row in rows(results, f"lift.{outcome}.by_group")]
    found = common.shown_rows(every)
    if not found:
        return []
    has_q = any(row.get("q_value") is not None for row in found)
    has_shrunken = any(_shrunken(row) is not None for row in found)
    first = as_estimate(found[0])
    return [
        Table(
            caption=f"Lift of {outcome} per {common.rating_point(results)} within groups.",
            columns=[
                Column(key="group", label="Group"),
                Column(key="value", label=f"Lift{_in_points(found[0].get('unit'))}", align="right"),
                Column(
                    key="interval",
                    label=f"{words.level(first) if first else '95%'} interval",
                    align="right",
                ),
                *([Column(key="shrunk", label="Shrunken", align="right")] if has_shrunken else []),
                *([Column(key="q", label="q-value", align="right")] if has_q else []),
                Column(key="n", label="n", align="right"),
            ],
            rows=[_group_row(row) for row in found],
            note=" ".join(_group_notes(results, outcome, every, has_q, has_shrunken)),
        )
    ]


def _group_notes(
    results: Results, outcome: str, every: list[dict[str, Any]], has_q: bool, has_shrunken: bool
) -> list[str]:
    """Say what the test of equal lifts found, and how to read the columns."""
    tests = rows(results, f"lift.{outcome}.by_group.equal_lifts")
    said = [str(test["text"]) for test in tests if test.get("text")]
    if has_q:
        said.append(
            "The q-value tests each group against the rest, allowing for their number; above 0.05 "
            "the group is not shown to differ."
        )
    if has_shrunken:
        said.append(
            "Shrunken: the lift drawn towards the mean of the groups, the further the noisier it "
            "is (empirical Bayes); the better guess of what a group would show again."
        )
    if has_shrunken and any(_shrunken(row) is None for row in common.shown_rows(every)):
        said.append("Blank where fewer than three groups of a column have a lift to be drawn to.")
    return [*said, *_left_out_words(every)]


def _left_out_words(every: list[dict[str, Any]]) -> list[str]:
    """Say which groups have no lift: too few customers to be named, or too few to be fitted."""
    hidden = [row for row in every if row.get("suppressed")]
    unfit = [row for row in every if not row.get("suppressed") and as_estimate(row) is None]
    said = []
    if hidden:
        said.append(f"Not shown because too small: {words.plural(len(hidden), 'group')}.")
    for row in unfit:
        label = common.group_label(row.get("group"))
        said.append(f"{label} has no lift of its own: {row.get('reason') or 'too few rows'}.")
    return said


def _in_points(unit: Any) -> str:
    """Add the unit to a heading where the cells leave it out."""
    return "" if amounts.currency_of(unit) else ", percentage points"


def _nested(row: dict[str, Any]) -> dict[str, Any]:
    """Take an estimate that stands below ``estimate`` up into the row."""
    inner = row.get("estimate")
    return dict(inner) if isinstance(inner, dict) else {}


def _shrunken(row: dict[str, Any]) -> float | None:
    value = row.get("shrunken")
    value = value.get("estimate") if isinstance(value, dict) else value
    return float(value) if isinstance(value, (int, float)) else None


def _group_row(row: dict[str, Any]) -> dict[str, Any]:
    found = as_estimate(row)
    shrunken = _shrunken(row)
    q_value = row.get("q_value")
    return {
        "group": common.group_label(row.get("group")),
        "value": words.short(words.quantity(found.estimate, found.unit)) if found else "",
        "interval": words.short(words.interval(found)) if found else "",
        "shrunk": ""
        if shrunken is None
        else words.short(words.quantity(shrunken, row.get("unit"))),
        "q": words.number(q_value, 3) if q_value is not None else "",
        "n": words.count(row["n_obs"]) if row.get("n_obs") is not None else "",
    }
