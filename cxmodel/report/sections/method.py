"""The method in brief, and what it takes to make the same numbers again."""

from __future__ import annotations

from typing import Any

from cxmodel.report import words
from cxmodel.report.blocks import Block, Bullets, Column, Heading, Table, Words, strong
from cxmodel.report.reading import Results, part, rows
from cxmodel.report.sections import common
from cxmodel.report.sections.churn import churn_rule_words


def method_section(results: Results) -> list[Block]:
    """Give the method in brief, as far as this study used it."""
    items = [
        *_kpi_items(results),
        *_window_items(results),
        *_lift_items(results),
        *_value_items(results),
    ]
    caveats = _caveats(results)
    if not items and not caveats:
        return []
    return [
        Heading(text="How the numbers were made", topic="Method"),
        *([Bullets(items=items)] if items else []),
        *(
            [Heading(text="What to keep in mind", level=2), Bullets(items=caveats)]
            if caveats
            else []
        ),
    ]


def _caveats(results: Results) -> list[Words]:
    """Give the caveats of the results, each once."""
    found = part(results, "caveats")
    found = found.get("rows", []) if isinstance(found, dict) else found or []
    return [words.sentence(str(text)) for text in dict.fromkeys(str(item) for item in found)]


def _kpi_items(results: Results) -> list[Words]:
    units = {str(row.get("unit")) for row in rows(results, "kpis")}
    has_nps = any(unit.startswith("NPS") for unit in units)
    has_box = any("top box" in unit for unit in units)
    if not has_nps and not has_box:
        return []
    nps = "NPS is the share of promoters minus that of detractors. " if has_nps else ""
    box = "The top box holds the best ratings of a scale. " if has_box else ""
    return [
        [
            strong("KPIs. "),
            f"{nps}{box}Intervals allow for customers who answered more than once; those of NPS "
            "are adjusted Wald (Rocks 2016), those of shares are Wilson's."
            if has_nps
            else f"{box}Intervals are Wilson's and allow for customers who answered more than "
            "once.",
        ]
    ]


def _window_items(results: Results) -> list[Words]:
    windows = part(results, "study.windows") or {}
    before, after = windows.get("lookback_days"), windows.get("outcome_days")
    if not after or not common.headline_outcome(results):
        return []
    if common.is_flat(results):
        return [
            [
                strong("Before and after. "),
                "The table came already joined, a row per customer: what was known before the "
                "rating, and what happened after it, is as its makers left it.",
            ]
        ]
    gap = windows.get("gap_days") or 0
    start = f"from {words.plural(gap, 'day')} after it" if gap else "from the response"
    text = f"The outcome is what happened in the {after} days {start} on"
    if before:
        text += f"; the controls are what was known in the {before} days before it and earlier"
    return [[strong("Before and after. "), f"{text}. Nothing known only afterwards is a control."]]


def _lift_items(results: Results) -> list[Words]:
    if not common.headline_outcome(results):
        return []
    items: list[Words] = [
        [
            strong("Lift. "),
            "The headline is the slope of the outcome in the rating, averaged over the customers, "
            "given the controls. Responses of one customer share one weight, and the interval "
            "allows for customers who answered more than once.",
        ]
    ]
    grades = [
        f"{common.GRADE_NAMES[key]} ({common.GRADE_MEANING[key][:1].lower()}"
        f"{common.GRADE_MEANING[key][1:].rstrip('.')})"
        for key in common.GRADE_NAMES
    ]
    items.append([strong("Evidence grade. "), f"From weak to strong: {'; '.join(grades)}."])
    return items


def _value_items(results: Results) -> list[Words]:
    if not part(results, "cltv") and not rows(results, "programmes"):
        return []
    model = str(part(results, "retention.model") or "")
    continued = (
        f" Retention is continued beyond what was observed by a {model} model." if model else ""
    )
    return [
        [
            strong("Money. "),
            "Values are margin per customer by month, times the share of customers still there, "
            "discounted to today. Programmes add their costs; lift, gain and costs are drawn "
            "jointly, and the interval and the probability of a loss come from the draws."
            f"{continued}",
        ]
    ]


def reproducibility_section(results: Results) -> list[Block]:
    """Give what it takes to make the same numbers again."""
    study = results.get("study", {})
    windows = study.get("windows") or {}
    facts = [
        ("Seed", study.get("seed")),
        ("Time zone", study.get("time_zone")),
        ("Engine", study.get("engine")),
        ("Plan of the joins", study.get("plan_reason") or study.get("plan")),
        ("Route of the fits", study.get("route_reason") or study.get("route")),
        ("Windows", _windows_words(results, windows)),
        ("Churn rule", churn_rule_words(results) or None),
    ]
    return [
        Heading(text="The same data and seed give the same bytes", topic="Reproducibility"),
        Table(
            caption="Settings of this run, and the tables read, with a fingerprint of their rows.",
            columns=[
                Column(key="name", label="Setting"),
                Column(key="value", label="Value", wide=True),
            ],
            rows=[
                *({"name": k, "value": v} for k, v in facts if v not in (None, "")),
                *(_input_row(row) for row in rows(results, "study.inputs")),
            ],
            note="Every figure stands in results.json and in the folders tables and figures.",
        ),
    ]


def _input_row(row: dict[str, Any]) -> dict[str, Any]:
    mark = str(row.get("fingerprint") or "")[:16]
    return {
        "name": f"Table {row.get('table')}",
        "value": f"{words.plural(row.get('n_rows') or 0, 'row')}, {mark}".rstrip(", "),
    }


def _windows_words(results: Results, windows: dict[str, Any]) -> str:
    if common.is_flat(results):
        return str(part(results, "study.window_words") or "")
    names = (
        ("lookback_days", "lookback"),
        ("gap_days", "gap"),
        ("outcome_days", "outcome"),
        ("inactive_days", "inactive"),
    )
    known = [f"{label} {windows[key]} days" for key, label in names if windows.get(key) is not None]
    return ", ".join(known)
