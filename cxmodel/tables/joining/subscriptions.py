"""Recurring amounts over an interval, prorated by day.

A subscription covers the days from its start up to but not including its end; an open one runs to
the end of ``as_of``. A day belongs to the window that holds its midnight in the study's time zone,
so days are whole numbers, and amount x days adds up exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cxmodel.tables.joining.exact import floor_divided, remainder
from cxmodel.tables.times.calendar_days import Calendar
from cxmodel.tables.windows import Total, Window, shifted

if TYPE_CHECKING:
    import ibis.expr.types as ir

# 12 months in 365.25 days: a monthly amount is worth 16/487 of itself a day.
DAILY_SHARE_NUMERATOR, DAILY_SHARE_DENOMINATOR = 16, 487


def days_in_window(
    responded_at: ir.Value, window: Window, calendar: Calendar
) -> tuple[ir.IntegerValue, ir.IntegerValue]:
    """Give the first day whose midnight a window holds, and the first one past it."""
    first = calendar.first_day_after if window.is_after else calendar.first_day_from
    return first(shifted(responded_at, window.start)), first(shifted(responded_at, window.end))


def covered_days(subscriptions: ir.Table, calendar: Calendar, ends_before: int) -> ir.Table:
    """Turn starts and ends into day numbers.

    Parameters
    ----------
    subscriptions : ibis table
        ``customer_id``, ``started_at``, ``ended_at`` (null while open), ``monthly_units``.
    calendar : Calendar
        Whose midnights count.
    ends_before : int
        The day after ``as_of``, where open subscriptions stop.

    Returns
    -------
    ibis table
        ``customer_id``, ``started_at``, ``monthly_units``, ``start_day`` and ``end_day``
        (exclusive, never before ``start_day``).
    """
    import ibis

    start_day = calendar.day(subscriptions.started_at)
    end_day = ibis.coalesce(calendar.day(subscriptions.ended_at), ends_before)
    return subscriptions.select(
        "customer_id",
        "started_at",
        "monthly_units",
        start_day=start_day,
        end_day=ibis.greatest(start_day, end_day),
    )


def unit_days_in_windows(
    responses: ir.Table, subscriptions: ir.Table, totals: Sequence[Total], calendar: Calendar
) -> ir.Table:
    """Add up monthly amount x days of overlap for windows around each response.

    Parameters
    ----------
    responses : ibis table
        ``row_number``, ``customer_id``, ``responded_at``.
    subscriptions : ibis table
        As `covered_days` gives it, cut at ``as_of``.
    totals : sequence of Total
        The windows, and the columns that come out (their ``value`` is not looked at).
    calendar : Calendar
        Whose midnights count.

    Returns
    -------
    ibis table
        ``row_number`` and a whole number for each total: money units x days. See `prorated`.
    """
    bounds: dict[str, ir.IntegerValue] = {}
    for total in totals:
        first, past = days_in_window(responses.responded_at, total.window, calendar)
        bounds |= {f"{total.name}_first": first, f"{total.name}_past": past}
    probes = responses.select("row_number", "customer_id", **bounds)
    pairs = probes.join(subscriptions, "customer_id")
    return pairs.group_by("row_number").aggregate(
        **{
            total.name: (
                pairs.monthly_units
                * overlap(
                    pairs.start_day,
                    pairs.end_day,
                    pairs[f"{total.name}_first"],
                    pairs[f"{total.name}_past"],
                )
            )
            .sum()
            .cast("int64")
            for total in totals
        }
    )


def overlap(
    start: ir.IntegerValue, end: ir.IntegerValue, first: ir.IntegerValue, past: ir.IntegerValue
) -> ir.IntegerValue:
    """Count the days that ``[start, end)`` and ``[first, past)`` share."""
    import ibis

    return ibis.greatest(0, ibis.least(end, past) - ibis.greatest(start, first))


def prorated(unit_days: ir.IntegerValue) -> ir.IntegerValue:
    """Turn monthly amount x days into money: times 12 / 365.25, rounded once, half to even.

    Parameters
    ----------
    unit_days : int64 expression
        Sums of money units x days, up to 2^62 on either side of 0.

    Returns
    -------
    int64 expression
        Money units. (487 is odd, so an exact half never occurs.)

    Examples
    --------
    >>> import ibis
    >>> share = prorated(ibis.literal(30 * 1_000_000, "int64"))
    >>> ibis.duckdb.connect().to_pyarrow(share).as_py()
    985626
    """
    share, whole = DAILY_SHARE_NUMERATOR, DAILY_SHARE_DENOMINATOR
    # Sixteen for each whole 487, so that nothing grows, then the share of what is left over.
    rest = remainder(unit_days, whole)
    return share * floor_divided(unit_days, whole) + floor_divided(
        2 * share * rest + whole, 2 * whole
    )
