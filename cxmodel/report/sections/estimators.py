"""The specification curve: every estimate of a lift in one picture and one table."""

from __future__ import annotations

from typing import Any

from cxmodel.models.estimates.estimators import (
    CHOICES,
    in_one_unit,
    specification_rows,
    telling_choices,
)
from cxmodel.report import amounts, words
from cxmodel.report.blocks import Block, Column, Picture, Table, picture
from cxmodel.report.reading import Results, as_estimate, part
from cxmodel.report.sections import common


def estimator_rows(results: Results, outcome: str) -> list[dict[str, Any]]:
    """Give every estimate per rating point with its name; those of a later version are left out."""
    section = part(results, f"lift.{outcome}")
    if not isinstance(section, dict):
        return []
    found = specification_rows(
        section,
        is_interacted=bool(section.get("interacted")),
        within_first=common.stands_first(results, outcome) == "within_customer",
    )
    return [row for row in found if not words.is_of_later_version(row["reason"] or "")]


def estimator_pictures(results: Results, outcome: str) -> list[Picture]:
    """Draw the estimates in the headline's unit side by side, the headline in colour."""
    found = in_one_unit(_drawn(results, outcome))
    if len(found) < 2:
        return []
    from cxmodel.plots.lift import plot_estimators

    unit = found[0]["unit"]
    choices = telling_choices(found)
    figure = plot_estimators(
        found, choices=choices, axis_label=_axis(outcome, unit),
        format_value=slope_writer(unit, found),
    )  # fmt: skip
    values = words.listing([f"{row['label']} {_in_words(row)}" for row in found])
    marks = (
        f" Marks at the right say what an estimate takes into account: "
        f"{words.listing([CHOICES[choice] for choice in choices])}."
        if choices
        else ""
    )
    return [
        picture(
            figure,
            headline=_headline(found),
            caption=f"Lift of {outcome} per {common.rating_point(results)} by estimator, with "
            f"intervals; the shaded band is the headline's.{marks}",
            alt=f"Dots with intervals: {values}.",
            source=_source(found),
        )
    ]


def _drawn(results: Results, outcome: str) -> list[dict[str, Any]]:
    """Leave out a weak instrument: its interval means nothing, and would dwarf the others."""
    is_weak = bool(part(results, f"lift.{outcome}.instrument.diagnostics.is_weak"))
    weak = {"instrumented_per_rating_point"} if is_weak else set()
    return [row for row in estimator_rows(results, outcome) if row["term"] not in weak]


def estimator_table(results: Results, outcome: str) -> list[Block]:
    """Give every estimate in a table, also those in another unit or not run."""
    found = estimator_rows(results, outcome)
    if sum(row["estimate"] is not None for row in found) < 2:
        return []
    first = next(row for row in found if row["estimate"] is not None)
    return [
        Table(
            caption=f"Every estimate of the lift of {outcome} per {common.rating_point(results)}; "
            "the headline is the one that KPI points, groups and programmes are counted with.",
            columns=[
                Column(key="label", label="Estimate"),
                Column(key="meaning", label="What it does", wide=True),
                Column(key="value", label=f"Lift{_in_points(first)}", align="right"),
                Column(key="interval", label=f"{_level(first)} interval", align="right"),
                Column(key="n", label="n", align="right"),
            ],
            rows=[_table_row(row) for row in found],
        )
    ]


def _table_row(row: dict[str, Any]) -> dict[str, Any]:
    found = as_estimate(row)
    return {
        "label": row["label"],
        "meaning": words.sentence(row["meaning"]).rstrip("."),
        "value": words.short(words.quantity(found.estimate, found.unit)) if found else "not run",
        "interval": words.short(words.interval(found)) if found else "",
        "n": words.count(row["n_obs"]) if found and row.get("n_obs") is not None else "",
        "_tone": "good" if row["is_headline"] else "neutral",
    }


def _in_points(row: dict[str, Any]) -> str:
    return "" if amounts.currency_of(row.get("unit")) else ", percentage points"


def _level(row: dict[str, Any]) -> str:
    found = as_estimate(row)
    return words.level(found) if found else "95%"


def _headline(found: list[dict[str, Any]]) -> str:
    """Compare the unadjusted slope with the headline."""
    by_term = {row["term"]: row for row in found}
    raw, head = by_term.get("unadjusted_per_rating_point"), by_term.get("per_rating_point")
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


def _axis(outcome: str, unit: str) -> str:
    code = amounts.currency_of(unit)
    what = code if code else "percentage points of staying"
    return f"{what} per rating point per customer, {words.window_of(unit)}"


def slope_writer(unit: str, found: list[dict[str, Any]]) -> Any:
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
    return f"responses joined to what happened after them, n = {words.count(max(sizes))}"
