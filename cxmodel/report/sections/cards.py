"""The big numbers of the first page."""

from __future__ import annotations

from cxmodel.report import words
from cxmodel.report.blocks import Card, Tone
from cxmodel.report.reading import Results, as_estimate, estimate, figure_of, part
from cxmodel.report.sections import common
from cxmodel.results import Estimate

MOST_CARDS = 4


def key_figures(results: Results) -> list[Card]:
    """Choose the big numbers of the first page."""
    cards = [
        _kpi_card(results),
        *(_lift_card(results, outcome) for outcome in common.OUTCOMES),
        _churn_card(results),
        _cltv_card(results),
        *(_other_kpi_cards(results)),
    ]
    return [card for card in cards if card is not None][:MOST_CARDS]


def _kpi_card(results: Results, kpi: str | None = None) -> Card | None:
    key = kpi or part(results, "study.rating") or next(iter(common.rating_kpis(results)), None)
    row = common.kpi_overall(results, str(key)) if key else None
    found = as_estimate(row)
    if row is None or found is None:
        return None
    target = figure_of(row.get("target"))
    note, tone = _against_target(found, target)
    return Card(
        label=words.sentence(common.kpi_label(row)),
        value=words.central(found),
        detail=_interval_words(found),
        note=note,
        tone=tone,
    )


def _against_target(found: Estimate, target: float | None) -> tuple[str, Tone]:
    """Say on which side of the target the interval lies."""
    if target is None:
        return "", "neutral"
    goal = words.quantity(target, found.unit)
    if found.conf_low is not None and found.conf_low >= target:
        return f"at or above the target of {goal}", "good"
    if found.conf_high is not None and found.conf_high < target:
        return f"below the target of {goal}", "warn"
    return f"about the target of {goal}", "neutral"


def _interval_words(found: Estimate) -> str:
    ends = words.short(words.interval(found))
    return f"{ends} ({words.level(found)})" if ends else ""


def _lift_card(results: Results, outcome: str) -> Card | None:
    lift = common.lift_of(results, outcome)
    if lift is None:
        return None
    what = "Revenue" if outcome == "revenue" else "Retention"
    is_points = outcome == "retention"
    value = words.central(lift)
    short = value.replace(" percentage points", " pp") if is_points else value
    ends = _interval_words(lift)
    shown = words.shown(lift)
    note = "includes zero: no lift is shown" if shown == "not shown" else ""
    grade = common.GRADE_NAMES[common.grade(results, outcome)]
    return Card(
        label=f"{what} per {common.rating_point(results)}, {words.window_of(lift.unit)}",
        value=short,
        detail=ends,
        note=note or f"evidence: {grade}",
        tone="bad" if shown == "lower" else "neutral",
    )


def _churn_card(results: Results) -> Card | None:
    rate = figure_of(part(results, "churn.base_rate"))
    if rate is None:
        return None
    events, n = part(results, "churn.n_events"), part(results, "churn.n_obs")
    what = "customers" if common.is_flat(results) else "responses"
    note = f"{words.count(events)} of {words.count(n)} {what}" if events and n else ""
    when = common.within_words(results)
    return Card(
        label=f"Left {when}" if common.is_flat(results) else f"Left {when} of a response",
        value=words.percent(rate),
        note=note,
    )


def _cltv_card(results: Results) -> Card | None:
    found = estimate(results, "cltv.per_customer")
    if found is None or common.is_chained(results):
        # A value chained from one window is no number to put in large type.
        return None
    months = figure_of(part(results, "cltv.horizon_months"))
    return Card(
        label=f"Value per customer{f' over {months:g} months' if months else ''}",
        value=words.central(found),
        detail=_interval_words(found),
    )


def _other_kpi_cards(results: Results) -> list[Card | None]:
    own = part(results, "study.rating")
    names = [name for name in common.rating_kpis(results) if name != own]
    return [_kpi_card(results, name) for name in (*names, *common.SERVICE_KPIS)]
