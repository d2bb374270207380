"""Spells built where the observations lie: each answer holds from its date on until the next.

The rule is that of ``models/retention/spells.py``; here it is window functions, so that a table of
any size gives spells without leaving its engine.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from cxmodel.tables.engines.functions import epoch_micros

if TYPE_CHECKING:
    import ibis.expr.types as ir

_ROUNDING = 1e-9  # of a period: what lies on a border stays on it
_MICROS_A_DAY = 86_400_000_000.0


def spells_of(table: ir.Table, *, period_days: float, as_of: dt.date | None) -> ir.Table:
    """Cut the time of each customer into spells of whole periods.

    Parameters
    ----------
    table : ibis table
        Of `Observations`: ``customer_id, responded_at, row_number, duration_days, _event`` and what
        explains; only customers at risk. With ``tenure_days`` known throughout, periods count from
        the start of the customer.
    period_days : float
        How long a period is.
    as_of : datetime.date, optional
        The data are complete to the end of this day.

    Returns
    -------
    ibis table
        The same columns, with ``spell_first``, ``spell_last`` and ``spell_left``; answers that hold
        at the start of no period are left out.
    """
    import ibis

    rows = _in_stays(table, period_days)
    final = (rows.stay_end - _ROUNDING).ceil() - 1
    limit = rows.stay_end + 1.0
    if as_of is not None:
        last = dt.datetime.combine(as_of + dt.timedelta(days=1), dt.time())
        ends_at = epoch_micros(ibis.literal(last, "timestamp(6)")).cast("float64")
        limit = ends_at / (_MICROS_A_DAY * period_days) - rows.stay_origin
    is_left = rows.stay_left == 1
    is_seen = is_left & (final + 1 <= limit + _ROUNDING)
    whole = (ibis.least(rows.stay_end, limit) + _ROUNDING).floor() - 1
    seen_final = ibis.greatest(final, ibis.literal(0.0))
    rows = rows.mutate(
        stay_final=is_seen.ifelse(seen_final, is_left.ifelse(final - 1, whole)),
        stay_seen=is_seen,
        own_first=(rows.own_time - rows.stay_origin - _ROUNDING).ceil(),
        next_first=(rows.next_time - rows.stay_origin - _ROUNDING).ceil(),
    )
    until = rows.closes.ifelse(ibis.null("float64"), rows.next_first - 1)
    last_period = ibis.least(until.fill_null(rows.stay_final), rows.stay_final)
    left = rows.stay_seen & (rows.own_first <= rows.stay_final)
    left = left & (rows.stay_final <= until.fill_null(rows.stay_final))
    shift = rows.stay_shift
    spells = rows.mutate(
        spell_first=(rows.own_first + shift).cast("int64"),
        spell_last=(last_period + shift).cast("int64"),
        spell_left=left,
    )
    return spells.filter(spells.spell_first <= spells.spell_last)


def _in_stays(table: ir.Table, period_days: float) -> ir.Table:
    """Sort answers into stays that end with leaving: origin, end, and how they ended."""
    import ibis

    micros = epoch_micros(table.responded_at).cast("float64")
    rows = table.mutate(
        own_time=micros / (_MICROS_A_DAY * period_days),
        own_length=table.duration_days.cast("float64") / period_days,
        own_left=table["_event"].cast("boolean"),
    )
    in_order = ibis.window(group_by="customer_id", order_by=["responded_at", "row_number"])
    rows = rows.mutate(next_time=rows.own_time.lead(1).over(in_order))
    gone = rows.own_left & (rows.own_time + rows.own_length <= rows.next_time + _ROUNDING)
    rows = rows.mutate(closes=rows.next_time.isnull() | gone.fill_null(False))
    rows = rows.mutate(begins=rows.closes.lag(1).over(in_order).fill_null(True))
    so_far = ibis.window(
        group_by="customer_id", order_by=["responded_at", "row_number"], preceding=None, following=0
    )
    rows = rows.mutate(stay=rows.begins.ifelse(1, 0).sum().over(so_far))
    stay = ibis.window(group_by=["customer_id", "stay"])
    none = ibis.null("float64")
    origin = rows.own_time.min().over(stay)
    tenure = none
    if "tenure_days" in rows.columns:
        tenure = rows.begins.ifelse(rows.tenure_days.cast("float64"), none)
    end = rows.closes.ifelse(rows.own_time + rows.own_length, none)
    rows = rows.mutate(
        stay_origin=origin,
        stay_end=end.max().over(stay) - origin,
        stay_left=(rows.closes & rows.own_left).ifelse(1, 0).max().over(stay),
        own_tenure=tenure,
    )
    shift = (rows.own_tenure.max().over(stay) / period_days + _ROUNDING).floor()
    return rows.mutate(stay_shift=shift.fill_null(0.0))
