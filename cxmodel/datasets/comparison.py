"""Estimates beside the truth."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_STEP = re.compile(r"(?P<name>[^\[\]]+)(\[(?P<wanted>[^\]]+)\])?")


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One estimate beside its true value.

    `holds` says whether the interval holds the truth; None where there is no interval.
    """

    path: str
    truth: float
    estimate: float | None
    conf_low: float | None
    conf_high: float | None
    holds: bool | None


def compare_with_truth(results: Mapping[str, Any], truth: Mapping[str, float]) -> list[Comparison]:
    """Set every true value beside its estimate in the results.

    A path is a way through ``results.json`` with dots; ``rows[kpi=nps]`` is the first row whose
    `kpi` is ``nps`` and that is of no group and no period.

    Parameters
    ----------
    results : mapping
        ``results.json`` as a dictionary.
    truth : mapping
        Path -> true value: `Simulation.truth`, or ``truth.json``.

    Examples
    --------
    >>> found = {"estimate": 4.8, "std_error": 1.0, "conf_low": 2.8, "conf_high": 6.8}
    >>> results = {"lift": {"revenue": {"per_rating_point": found}}}
    >>> row, = compare_with_truth(results, {"lift.revenue.per_rating_point": 5.0})
    >>> row.estimate, row.holds
    (4.8, True)
    """
    return [_compare(path, value, _find(results, path)) for path, value in truth.items()]


def _compare(path: str, truth: float, found: Any) -> Comparison:
    estimate = low = high = None
    if isinstance(found, Mapping):
        estimate, low, high = (found.get(name) for name in ("estimate", "conf_low", "conf_high"))
    elif isinstance(found, int | float):
        estimate = float(found)
    holds = None if low is None or high is None else bool(low <= truth <= high)
    return Comparison(
        path=path, truth=truth, estimate=estimate, conf_low=low, conf_high=high, holds=holds
    )


def _find(results: Mapping[str, Any], path: str) -> Any:
    """Follow a path, to None where it leads nowhere; a row's number takes the row's interval."""
    here: Any = results
    for step in _steps(path):
        match = _STEP.fullmatch(step)
        name = match["name"] if match else step
        above, here = here, here.get(name) if isinstance(here, Mapping) else None
        if match and match["wanted"]:
            key, _, value = match["wanted"].partition("=")
            here = _row(here, key, value)
        elif isinstance(here, int | float) and isinstance(above, Mapping) and "conf_low" in above:
            here = {"estimate": here} | {k: above.get(k) for k in ("conf_low", "conf_high")}
    return here


def _steps(path: str) -> list[str]:
    return re.findall(r"[^.\[\]]+(?:\[[^\]]*\])?", path)


def _row(rows: Any, key: str, value: str) -> Any:
    if not isinstance(rows, list):
        return None
    for row in rows:
        is_wanted = isinstance(row, Mapping) and _reads_as(row.get(key), value)
        if is_wanted and not row.get("group") and not row.get("period"):
            return row
    return None


def _reads_as(found: Any, value: str) -> bool:
    if isinstance(found, int | float):
        return str(float(found)) == value or float(found) == _number(value)
    return str(found) == value


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
