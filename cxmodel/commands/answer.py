"""The short answer that a run prints: headline figures, what did not run, where the report is."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from cxmodel.results import CONF_LEVEL
from cxmodel.study_results import LEFT_OUT

_BESIDE = {
    "reliability_corrected_per_rating_point": "corrected for noise in the answers",
    "instrumented_per_rating_point": "from the instrument",
}
# parts of a stage that run, or not, by themselves
_PARTS = {
    "lift": {"revenue": "lift of revenue", "retention": "lift of retention"},
    "retention": {"hazard": "hazard of leaving"},
}
_NOT_STAGES = ("schema_version", "cxmodel_version", "study", "audit", "caveats", "inputs")


def short_answer(results: Mapping[str, Any], folder: Path, *, report: Sequence[str] = ()) -> str:
    """Write the lines that end a run.

    Parameters
    ----------
    results : mapping
        ``results.json`` as a dictionary.
    folder : Path
        Where the outputs are.
    report : sequence of {"html", "pdf"}
        The forms of the report that were rendered.

    Examples
    --------
    >>> kpi = {"kpi": "nps", "group": {}, "period": None, "estimate": 31.25, "conf_low": 28.0,
    ...        "conf_high": 34.5, "conf_level": 0.95, "unit": "NPS, -100 to 100", "n_obs": 2000}
    >>> print(short_answer({"kpis": {"status": "ok", "rows": [kpi]}}, Path("out")))
    KPI nps (NPS, -100 to 100): 31.2 (95% interval 28.0 to 34.5; n = 2,000)
    Results: out/results.json
    """
    lines = [*_kpis(results), *_lifts(results), *_checks(results)]
    lines += [*_churn(results), *_retention(results), *_value(results), *_programmes(results)]
    lines += _not_run(results)
    lines.append(f"Results: {folder / 'results.json'}")
    lines += [
        f"Model: {folder / row['file']} ({row['gives']})"
        for row in _part(results, "study", "models").get("rows") or ()
    ]
    lines += [f"Report: {folder / f'report.{form}'}" for form in report]
    return "\n".join(lines)


def number(value: float | None) -> str:
    """Write a number with about three figures, and thousands apart.

    Examples
    --------
    >>> number(1234.5), number(31.4159), number(3.14159), number(0.0123456), number(0.0)
    ('1,234', '31.4', '3.14', '0.0123', '0')
    """
    if value is None:
        return "unknown"
    if value == 0:
        return "0"
    size = abs(value)
    if size < 1:
        return f"{value:.{2 - math.floor(math.log10(size))}f}"
    return f"{value:,.0f}" if size >= 100 else f"{value:.1f}" if size >= 10 else f"{value:.2f}"


def with_interval(estimate: Mapping[str, Any], *, with_unit: bool = True) -> str:
    """Write an estimate with its unit, interval and number of observations."""
    parts = []
    if estimate.get("conf_low") is not None and estimate.get("conf_high") is not None:
        ends = f"{number(estimate['conf_low'])} to {number(estimate['conf_high'])}"
        parts.append(f"{100 * estimate['conf_level']:g}% interval {ends}")
    if estimate.get("n_obs") is not None:
        parts.append(f"n = {estimate['n_obs']:,}")
    inside = f" ({'; '.join(parts)})" if parts else ""
    unit = f" {estimate['unit']}" if with_unit and estimate.get("unit") else ""
    return number(estimate["estimate"]) + unit + inside


def _part(results: Mapping[str, Any], *path: str) -> Mapping[str, Any]:
    found: Any = results
    for step in path:
        found = found.get(step) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _rows(results: Mapping[str, Any], stage: str) -> list[Mapping[str, Any]]:
    return list(_part(results, stage).get("rows") or ())


def _kpis(results: Mapping[str, Any]) -> Iterator[str]:
    for row in _rows(results, "kpis"):
        is_overall = not row.get("group") and row.get("period") is None
        if is_overall and row.get("estimate") is not None:
            yield f"KPI {row['kpi']} ({row['unit']}): {with_interval(row, with_unit=False)}"


def _lifts(results: Mapping[str, Any]) -> Iterator[str]:
    for outcome in ("revenue", "retention"):
        headline = _part(results, "lift", outcome, "per_rating_point")
        if headline.get("estimate") is None:
            continue
        grade = _part(results, "evidence", "by_outcome", outcome).get("grade")
        evidence = f"; evidence: {str(grade).replace('_', ' ')}" if grade else ""
        yield f"Lift of {outcome}: {with_interval(headline)}{evidence}"
        yield from _beside(results, outcome)


def _beside(results: Mapping[str, Any], outcome: str) -> Iterator[str]:
    """Give what was asked for beside the headline: noise in answers, lots, instruments."""
    lift = _part(results, "lift", outcome)
    for name, words in _BESIDE.items():
        found = _part(lift, name)
        if found.get("estimate") is not None:
            yield f"  {words}: {with_interval(found)}"
    for row in _part(lift, "experiment", "arms").get("rows") or ():
        effect = row.get("outcome_effect") or {}
        if effect.get("estimate") is not None:
            yield f"  effect of arm {row['arm']}: {with_interval(effect)}"
    complier = _part(lift, "experiment", "complier_per_rating_point")
    if complier.get("estimate") is not None:
        yield f"  lift from the arm: {with_interval(complier)}"
    rollout = _part(lift, "rollout", "outcome", "effect")
    if rollout.get("estimate") is not None:
        yield f"  effect of the roll-out: {with_interval(rollout)}"


def _checks(results: Mapping[str, Any]) -> Iterator[str]:
    failed = [
        f"{row['name']} ({row['outcome']})" if row.get("outcome") else str(row["name"])
        for row in _rows(results, "checks")
        if row.get("verdict") == "fail"
    ]
    if failed:
        yield f"Failed checks: {', '.join(failed)}"


def _churn(results: Mapping[str, Any]) -> Iterator[str]:
    churn = _part(results, "churn")
    if churn.get("base_rate") is None:
        return
    within = _part(results, "study").get("window_words")
    yield (
        f"Churn: {100 * churn['base_rate']:.1f}% left{f' within {within}' if within else ''} "
        f"({churn['n_events']:,} of {churn['n_obs']:,})"
    )
    area = _part(churn, "metrics", "roc_auc")
    if area.get("estimate") is not None:
        yield f"  AUC on rows held out: {with_interval(area, with_unit=False)}"
    leaks = _part(churn, "leaks").get("rows") or ()
    if leaks:
        named = ", ".join(row["column"] for row in leaks)
        yield f"  columns that seem to know the outcome: {named}"


def _retention(results: Mapping[str, Any]) -> Iterator[str]:
    rows = {row["month"]: row for row in _part(results, "retention", "curve").get("rows") or ()}
    shown = [month for month in (12, max(rows, default=0)) if month in rows and month > 0]
    for month in dict.fromkeys(shown):
        row = rows[month]
        ends = ""
        if row.get("conf_low") is not None and row.get("conf_high") is not None:
            low, high = (f"{100 * row[end]:.1f}%" for end in ("conf_low", "conf_high"))
            level = _part(results, "study").get("conf_level", CONF_LEVEL)
            ends = f" ({100 * level:g}% interval {low} to {high})"
        how = "" if row["observed"] else ", by the model beyond the data"
        yield f"Retention after {month} months{how}: {100 * row['retention']:.1f}%{ends}"
    ratio = _part(results, "retention", "hazard", "hazard_ratio_per_rating_point")
    if ratio.get("estimate") is not None:
        yield f"Hazard of leaving, ratio per rating point: {with_interval(ratio, with_unit=False)}"


def _value(results: Mapping[str, Any]) -> Iterator[str]:
    value = _part(results, "cltv", "per_customer")
    if value.get("estimate") is None:
        return
    yield f"Lifetime value: {with_interval(value)}"
    change = _part(results, "cltv", "change_per_rating_point", "total")
    if change.get("estimate") is not None:
        yield f"  change: {with_interval(change)}"
    equity = _part(results, "cltv", "customer_equity")
    if equity.get("estimate") is not None:
        yield f"  all customers together: {with_interval(equity)}"


def _programmes(results: Mapping[str, Any]) -> Iterator[str]:
    for row in _rows(results, "programmes"):
        npv = row.get("npv")
        if isinstance(npv, Mapping) and npv.get("estimate") is not None:
            yield f"Programme {row['name']}: NPV {with_interval(npv)}"


def _not_run(results: Mapping[str, Any]) -> Iterator[str]:
    for stage, section in results.items():
        if stage in _NOT_STAGES or not isinstance(section, Mapping):
            continue
        if section.get("status") == "not_run" and section.get("reason") != LEFT_OUT:
            yield f"Not run: {stage}: {section.get('reason')}"
        for part, words in _PARTS.get(stage, {}).items():
            found = section.get(part)
            if isinstance(found, Mapping) and found.get("status") == "not_run":
                yield f"Not run: {words}: {found.get('reason')}"
