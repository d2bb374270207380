"""The tables of a study as CSV files that a spreadsheet can open without running anything."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from cxmodel.display import safe_cell
from cxmodel.errors import OutputError
from cxmodel.report.reading import Results, as_estimate, not_run_parts, part, plain_values, rows
from cxmodel.report.sections.common import OUTCOMES
from cxmodel.report.sections.estimators import estimator_rows
from cxmodel.report.tables_experiments import experiment_tables

_ROWS = {
    "kpis": "kpis",
    "checks": "checks",
    "churn_leaks": "churn.leaks",
    "churn_coefficients": "churn.coefficients",
    "churn_gain": "churn.gain",
    "churn_calibration": "churn.calibration",
    "churn_decision_curve": "churn.decision_curve",
    "churn_importance": "churn.importance",
    "churn_partial_dependence": "churn.partial_dependence",
    "churn_method_choice": "churn.method_choice",
    "retention_curve": "retention.curve",
    "retention_families": "retention.families",
    "retention_by_band": "retention.by_band",
    "hazard_terms": "retention.hazard.terms",
    "hazard_by_band": "retention.hazard.by_band",
    "hazard_baseline": "retention.hazard.baseline",
    "cltv_by_band": "cltv.by_band",
    "cltv_by_group": "cltv.by_group",
    "cltv_by_cohort": "cltv.by_cohort",
    "cltv_backtest_deciles": "cltv.backtest.deciles",
    "cltv_later_windows": "cltv.later_windows",
    "cltv_change_uncertainty": "cltv.change.drivers_of_uncertainty",
    "drivers": "drivers",
    "journey": "journey",
    "segments": "segments",
    "audit_dropped": "audit.dropped",
    "audit_not_used": "audit.not_used",
    "inputs": "study.inputs",
}
_OF_ESTIMATES = (
    "per_kpi_point",
    "reliability_corrected_per_kpi_point",
    "change_per_rating_point",
)
_LIFT_ROWS = ("by_rating", "by_band", "plus_one_by_band", "curve", "by_group")


def write_tables(results: Any, folder: str | Path) -> list[Path]:
    """Write every table of the results as ``<name>.csv``.

    Text that a spreadsheet would take for a formula gets an apostrophe in front; numbers stay
    numbers.

    Parameters
    ----------
    results : StudyResults or mapping
        The sections of ``results.json``.
    folder : str or Path
        Made if missing.

    Returns
    -------
    list of Path
        What was written, in order of name.

    Raises
    ------
    OutputError
        If the folder cannot be written.
    """
    folder = Path(folder)
    found = tables(plain_values(results))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        written = []
        for name, table in sorted(found.items()):
            path = folder / f"{name}.csv"
            path.write_bytes(to_csv(table).encode("utf-8"))
            written.append(path)
    except OSError as error:
        raise OutputError(f"{folder} cannot be written: {error.strerror or error}.") from error
    return written


def tables(results: Results) -> dict[str, list[dict[str, Any]]]:
    """Gather every table that has rows, by name."""
    found = {name: rows(results, path) for name, path in _ROWS.items()}
    for outcome in OUTCOMES:
        found[f"lift_{outcome}"] = _estimates(part(results, f"lift.{outcome}"))
        found[f"lift_{outcome}_estimators"] = _specifications(results, outcome)
        found[f"lift_{outcome}_curve_comparison"] = rows(
            results, f"lift.{outcome}.curve.comparison"
        )
        found |= experiment_tables(results, outcome)
        for kind in _LIFT_ROWS:
            found[f"lift_{outcome}_{kind}"] = rows(results, f"lift.{outcome}.{kind}")
    found["churn_metrics"] = _named(part(results, "churn.metrics"))
    found["churn_added"] = _added_by(results)
    found["churn_at_depth"] = _estimates(part(results, "churn.at_depth"))
    found["churn_sample_size"] = _named(part(results, "churn.sample_size"))
    found["cltv"] = _estimates(part(results, "cltv"))
    found["cltv_backtest"] = _estimates(part(results, "cltv.backtest"))
    found["revenue_reconciled"] = _named(part(results, "audit.revenue_reconciled"))
    programmes = rows(results, "programmes")
    found["programmes"] = [_programme(row) for row in programmes]
    found["programmes_cash_flow"] = _below(programmes, "cash_flow")
    found["programmes_uncertainty"] = _below(programmes, "drivers_of_uncertainty")
    found["not_run"] = [{"what": path, "reason": why} for path, why in not_run_parts(results)]
    return {name: [_flat(row) for row in table] for name, table in found.items() if table}


def _estimates(section: Any, prefix: str = "") -> list[dict[str, Any]]:
    """Give a row per estimate of a section, also of those one level below."""
    found: list[dict[str, Any]] = []
    for term, value in section.items() if isinstance(section, Mapping) else ():
        if as_estimate(value) is not None:
            found.append({"term": f"{prefix}{term}", **value})
        elif term in _OF_ESTIMATES:
            found.extend(_estimates(value, prefix=f"{term}."))
    return found


def _added_by(results: Results) -> list[dict[str, Any]]:
    """Give what the rating adds to behaviour, and the model to a rule of one column."""
    paths = {"rating": "churn.added_by_rating", "model": "churn.one_column.added_by_model"}
    return [
        {"added_by": name, **row}
        for name, path in paths.items()
        for row in _estimates(part(results, path))
    ]


def _specifications(results: Results, outcome: str) -> list[dict[str, Any]]:
    """Give the specification curve: a row per estimate, with what it takes into account."""
    return [
        {**row, **{name.lower().replace(" ", "_"): held for name, held in row["choices"].items()}}
        for row in estimator_rows(results, outcome)
    ]


def _named(section: Any) -> list[dict[str, Any]]:
    """Give a row per number of a section."""
    if not isinstance(section, Mapping):
        return []
    return [
        {"term": name, "value": value.get("estimate") if isinstance(value, Mapping) else value}
        for name, value in section.items()
        if not isinstance(value, list)
    ]


def _programme(row: Mapping[str, Any]) -> dict[str, Any]:
    """Give a programme in one row: each estimate with the ends of its interval."""
    found: dict[str, Any] = {}
    for name, value in row.items():
        if as_estimate(value) is not None:
            found[name] = value["estimate"]
            found[f"{name}_conf_low"] = value.get("conf_low")
            found[f"{name}_conf_high"] = value.get("conf_high")
            found[f"{name}_unit"] = value.get("unit")
        elif not isinstance(value, (Mapping, list)):
            found[name] = value
    return found


def _below(programmes: Iterable[Mapping[str, Any]], key: str) -> list[dict[str, Any]]:
    """Give the rows of a part of every programme, with its name in front."""
    found: list[dict[str, Any]] = []
    for row in programmes:
        inner = row.get(key) or []
        inner = inner.get("rows") or [] if isinstance(inner, Mapping) else inner
        found.extend({"programme": row.get("name"), **step} for step in inner)
    return found


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    """Write a group as text and an estimate within a row as columns."""
    found: dict[str, Any] = {}
    for name, value in row.items():
        if name == "group" and isinstance(value, Mapping):
            found[name] = ", ".join(f"{column}: {level}" for column, level in value.items())
        elif isinstance(value, Mapping) and "estimate" in value:
            inner = dict(value)
            found[name] = inner.pop("estimate")
            is_named = name == "estimate"
            found.update({k if is_named else f"{name}_{k}": v for k, v in inner.items()})
        elif isinstance(value, Mapping) and value.get("status") == "not_run":
            found[name] = None
            found[f"{name}_not_run"] = value.get("reason")
        elif not isinstance(value, (Mapping, list)):
            found[name] = value
    return found


def to_csv(table: Iterable[Mapping[str, Any]]) -> str:
    r"""Write rows as CSV (RFC 4180, UTF-8), the columns in the order in which they appear.

    Examples
    --------
    >>> to_csv([{"segment": "=cmd()", "n": -3}])
    "segment,n\n'=cmd(),-3\n"
    """
    lines = list(table)
    names = list(dict.fromkeys(name for row in lines for name in row))
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([safe_cell(name) for name in names])
    writer.writerows([[safe_cell(row.get(name)) for name in names] for row in lines])
    return stream.getvalue()
