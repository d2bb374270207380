"""Years, quarters, months and weeks in the study's time zone, cut on the engine."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Literal

from cxmodel.tables.engines.engine import rows_of
from cxmodel.tables.times.zones import is_utc, to_local

if TYPE_CHECKING:
    import ibis.expr.types as ir

UNITS = {"year": "Y", "quarter": "Q", "month": "M", "week": "W"}


def period_label(start: dt.date, period: Literal["year", "quarter", "month", "week"]) -> str:
    """Name a period by its first day: 2026, 2026-Q1, 2026-01 or 2026-W05 (ISO 8601 weeks).

    Examples
    --------
    >>> period_label(dt.date(2026, 4, 1), "quarter"), period_label(dt.date(2025, 12, 29), "week")
    ('2026-Q2', '2026-W01')
    """
    if period == "year":
        return f"{start.year:04d}"
    if period == "quarter":
        return f"{start.year:04d}-Q{(start.month + 2) // 3}"
    if period == "month":
        return f"{start.year:04d}-{start.month:02d}"
    year, week, _ = start.isocalendar()
    return f"{year:04d}-W{week:02d}"


def check_period(period: str | None) -> None:
    """Refuse a period that is not known.

    Raises
    ------
    ValueError
        With the known ones.
    """
    if period is not None and period not in UNITS:
        raise ValueError(f"period must be one of {', '.join(UNITS)}, not {period!r}.")


def period_starts(local: ir.TimestampColumn, period: str) -> ir.DateColumn:
    """Give the first day of the period of each local time."""
    return local.truncate(UNITS[period]).date()


def local_time(table: ir.Table, column: str, time_zone: str) -> ir.TimestampColumn:
    """Move naive UTC times to the clock of a zone.

    Parameters
    ----------
    table : ibis table
        Read once for its first and last time, unless the zone is UTC.
    column : str
        The times.
    time_zone : str
        An IANA name.
    """
    times = table[column]
    if is_utc(time_zone):
        return times
    span = rows_of(table.aggregate(first=times.min(), last=times.max()))[0]
    if span["first"] is None:
        return times
    return to_local(times, time_zone, span["first"], span["last"])
