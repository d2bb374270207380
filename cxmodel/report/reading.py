"""A thin reader of ``results.json``: a part, an estimate, rows, and what was not run."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cxmodel.errors import ReportError
from cxmodel.results import ESTIMATE_FIELDS, Estimate

Results = Mapping[str, Any]
STAGES = (
    "audit",
    "kpis",
    "lift",
    "checks",
    "evidence",
    "churn",
    "retention",
    "cltv",
    "drivers",
    "journey",
    "segments",
    "programmes",
    "portfolio",
)


def read_values(path: str | Path) -> dict[str, Any]:
    """Read ``results.json``, or the folder that holds it, as dictionaries.

    Raises
    ------
    ReportError
        If the file is missing or is no results file.
    """
    path = Path(path)
    path = path / "results.json" if path.is_dir() else path
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ReportError(
            f"{path.name} is not in the folder. Name a folder that cxmodel run has written."
        ) from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ReportError(f"{path.name} cannot be read: {error}. Run the study again.") from error
    if not isinstance(values, dict) or "study" not in values:
        raise ReportError(f"{path.name} is no results file of cxmodel. Run the study again.")
    return values


def plain_values(results: Any) -> dict[str, Any]:
    """Take results as dictionaries, whether they come as an object or already plain."""
    return dict(results.to_dict()) if hasattr(results, "to_dict") else dict(results)


def part(results: Results, path: str) -> Any:
    """Give what stands at a dotted path, or None where it is missing or was not run.

    Examples
    --------
    >>> results = {"lift": {"revenue": {"status": "not_run", "reason": "no ledger"}}}
    >>> part(results, "lift.revenue.per_rating_point") is None
    True
    """
    found: Any = results
    for step in path.split("."):
        if not isinstance(found, Mapping) or is_not_run(found):
            return None
        found = found.get(step)
    return None if is_not_run(found) else found


def is_not_run(value: Any) -> bool:
    """Say whether this is something that was not run."""
    return isinstance(value, Mapping) and value.get("status") == "not_run"


def reason(results: Results, path: str) -> str:
    """Give why what stands at a path was not run: its own reason, or that of the part above."""
    found: Any = results
    for step in path.split("."):
        found = found.get(step) if isinstance(found, Mapping) else None
        if isinstance(found, Mapping) and is_not_run(found):
            return str(found.get("reason") or "No reason is given.")
    return ""


def estimate(results: Results, path: str) -> Estimate | None:
    """Give the estimate at a path, or None where there is none."""
    return as_estimate(part(results, path))


def as_estimate(value: Any) -> Estimate | None:
    """Read an estimate from a row or a leaf; None where there is no number.

    Examples
    --------
    >>> as_estimate({"estimate": None}) is None
    True
    """
    if not isinstance(value, Mapping) or value.get("estimate") is None:
        return None
    fields = {name: value.get(name) for name in ESTIMATE_FIELDS}
    fields["unit"] = str(fields["unit"] or "")
    fields["conf_level"] = fields["conf_level"] or 0.95
    return Estimate.from_dict(fields)


def figure_of(value: Any) -> float | None:
    """Read a number that stands alone or as an estimate."""
    if isinstance(value, Mapping):
        value = value.get("estimate")
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if is_number else None


def rows(results: Results, path: str) -> list[dict[str, Any]]:
    """Give the rows at a path, none where it is missing or was not run.

    Examples
    --------
    >>> rows({"checks": {"status": "ok", "rows": [{"name": "join"}]}}, "checks")
    [{'name': 'join'}]
    """
    found = part(results, path)
    if isinstance(found, Mapping):
        found = found.get("rows")
    return [dict(row) for row in found if isinstance(row, Mapping)] if found else []


def currency(results: Results) -> str | None:
    """Give the currency of the study, if there is one."""
    code = part(results, "study.currency")
    return str(code) if code else None


def not_run_parts(results: Results) -> list[tuple[str, str]]:
    """List every part that was not run as (dotted path, reason), in the order of the stages."""
    found: list[tuple[str, str]] = []
    for stage in STAGES:
        if stage in results:
            found.extend(_walk(results[stage], stage))
    return found


def _walk(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Yield what was not run at or below a part; of rows, those that have a name."""
    if is_not_run(value):
        yield path, str(value.get("reason") or "No reason is given.")
    elif isinstance(value, Mapping):
        for name, below in value.items():
            yield from _walk(below, path if name in ("rows", "not_run") else f"{path}.{name}")
    elif isinstance(value, list):
        for row in value:
            if isinstance(row, Mapping) and row.get("name"):
                # A dot inside a name would read as a step of the path.
                yield from _walk(row, f"{path}.{str(row['name']).replace('.', ' ')}")
