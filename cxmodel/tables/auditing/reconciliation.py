"""Is all the money there? Each booking of the ledger counted once, beside its total.

The total is summed over the ledger alone, the parts through the joins, both in whole units, so that
their difference is a check: it is 0 unless a join lost or multiplied rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cxmodel.tables.auditing.questions import whole_numbers, wide_sum
from cxmodel.tables.joining.history import Horizon
from cxmodel.tables.joining.scratch import scratch_tables
from cxmodel.tables.joining.subscriptions import days_in_window, overlap
from cxmodel.tables.observation_table import Windows
from cxmodel.tables.times.calendar_days import Calendar
from cxmodel.tables.windows import Window, after, before, shifted

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from cxmodel.tables.engines.engine import Session

PARTS = ("in_windows", "outside_windows", "unmatched", "after_as_of")


@dataclass(frozen=True, kw_only=True)
class Reconciliation:
    """A ledger's total and its parts, in whole units.

    Parameters
    ----------
    total : int
        Of the whole ledger.
    parts : mapping of str to int
        ``in_windows`` (inside a window of an observation), ``outside_windows`` (other bookings of
        customers with an observation), ``unmatched`` (of customers without one, or without an id),
        ``after_as_of``.
    """

    total: int
    parts: Mapping[str, int]

    @property
    def difference(self) -> int:
        """What the parts lack: 0 unless a join lost or multiplied rows."""
        return self.total - sum(self.parts.values())


def windows_in_use(windows: Windows) -> list[Window]:
    """List the windows whose revenue stands in the observation table."""
    return [before(windows, 1), before(windows, 2), before(windows, 3), after(windows)]


def reconcile_bookings(
    session: Session, revenue: ir.Table, responses: ir.Table, windows: Windows, horizon: Horizon
) -> Reconciliation:
    """Place each booking once.

    Parameters
    ----------
    session : Session
        The engine.
    revenue : ibis table
        The whole ledger: ``customer_id``, ``booked_at``, ``amount_units``.
    responses : ibis table
        The observations: ``customer_id``, ``responded_at``.
    windows : Windows
        Which windows are in use.
    horizon : Horizon
        Bookings after its end count as ``after_as_of`` and nothing else.
    """
    import ibis

    # A booking without a date is in no window, and not late.
    is_late = (
        (revenue.booked_at >= ibis.literal(horizon.ends_at, "timestamp(6)")).fill_null(False)
        if horizon.ends_at is not None
        else ibis.literal(False)
    )
    bookings = revenue.select("customer_id", "booked_at", "amount_units", is_late=is_late)
    spans = union_of_spans(_time_spans(responses, windows)).rename(who="customer_id")
    with scratch_tables(session) as scratch:
        # Kept, as an engine that cannot tell how many there are may loop over them.
        parts = _placed_bookings(session, bookings, responses, scratch.keep(spans, "spans"))
    total = whole_numbers(session, {"total": revenue.amount_units.sum()})["total"]
    return Reconciliation(total=total, parts=parts)


def _placed_bookings(
    session: Session, bookings: ir.Table, responses: ir.Table, spans: ir.Table
) -> dict[str, int]:
    """Add up the bookings of each place, in one pass."""
    people = responses.select(person="customer_id").distinct()
    known = bookings.left_join(people, bookings.customer_id == people.person)
    # Spans of a customer do not overlap: a booking meets one of them, or none.
    placed = known.left_join(
        spans,
        [
            known.person == spans.who,
            known.booked_at >= spans.begin,
            known.booked_at < spans.past,
        ],
    )
    is_known, is_observed = ~placed.is_late, placed.person.notnull()
    is_inside = placed.who.notnull()
    places = {
        "in_windows": is_known & is_inside,
        "outside_windows": is_known & is_observed & ~is_inside,
        "unmatched": is_known & ~is_observed,
        "after_as_of": placed.is_late,
    }
    sums = {name: wide_sum(placed.amount_units, where=place) for name, place in places.items()}
    found = session.one_row(placed.aggregate(**sums))
    return {name: int(found[name] or 0) for name in PARTS}


def reconcile_subscriptions(
    session: Session,
    subscriptions: ir.Table,
    responses: ir.Table,
    windows: Windows,
    calendar: Calendar,
    ends_before: int,
) -> Reconciliation:
    """Place each day of each subscription once, in money units x days.

    Parameters
    ----------
    session : Session
        The engine.
    subscriptions : ibis table
        The whole ledger, as `covered_days` gives it.
    responses : ibis table
        The observations: ``customer_id``, ``responded_at``.
    windows : Windows
        Which windows are in use.
    calendar : Calendar
        Whose midnights count.
    ends_before : int
        The day after ``as_of``.
    """
    import ibis

    cut = ibis.least(ibis.greatest(subscriptions.start_day, ends_before), subscriptions.end_day)
    parts = subscriptions.select(
        "customer_id",
        "monthly_units",
        start_day=subscriptions.start_day,
        end_day=cut,
        late_units=subscriptions.monthly_units * (subscriptions.end_day - cut),
    )
    people = responses.select("customer_id").distinct()
    unmatched = parts.anti_join(people, "customer_id")
    # Whoever has spans is observed, and the other way round.
    spans = union_of_spans(_day_spans(responses, windows, calendar))
    pairs = parts.join(spans, "customer_id")
    in_windows = pairs.monthly_units * overlap(
        pairs.start_day, pairs.end_day, pairs.begin, pairs.past
    )
    gaps = _between_spans(parts, spans)
    outside = gaps.monthly_units * overlap(gaps.start_day, gaps.end_day, gaps.begin, gaps.past)
    of_others = unmatched.end_day - unmatched.start_day
    days = subscriptions.end_day - subscriptions.start_day
    found = whole_numbers(
        session,
        {
            "total": (subscriptions.monthly_units * days).sum(),
            "in_windows": in_windows.sum(),
            "outside_windows": outside.sum(),
            "unmatched": (unmatched.monthly_units * of_others).sum(),
            "after_as_of": parts.late_units.sum(),
        },
    )
    return Reconciliation(total=found["total"], parts={name: found[name] for name in PARTS})


def _time_spans(responses: ir.Table, windows: Windows) -> ir.Table:
    """List the windows of all responses as half-open spans of time."""
    import ibis

    # Times are whole microseconds: (a, b] holds the same ones as [a + 1, b + 1).
    step = ibis.interval(microseconds=1)
    spans = []
    for window in windows_in_use(windows):
        begin = shifted(responses.responded_at, window.start)
        past = shifted(responses.responded_at, window.end)
        if window.is_after:
            begin, past = begin + step, past + step
        spans.append(responses.select("customer_id", begin=begin, past=past))
    return ibis.union(*spans, distinct=False)


def _day_spans(responses: ir.Table, windows: Windows, calendar: Calendar) -> ir.Table:
    """List the windows of all responses as half-open spans of days."""
    import ibis

    spans = []
    for window in windows_in_use(windows):
        begin, past = days_in_window(responses.responded_at, window, calendar)
        spans.append(responses.select("customer_id", begin=begin, past=past))
    return ibis.union(*spans, distinct=False)


def union_of_spans(spans: ir.Table) -> ir.Table:
    """Merge each customer's half-open spans so that none overlap.

    Parameters
    ----------
    spans : ibis table
        ``customer_id``, ``begin``, ``past``.
    """
    import ibis

    # Without equal spans the order is one and the same in both windows below.
    spans = spans.distinct()
    in_order = {"group_by": "customer_id", "order_by": ["begin", "past"]}
    reached = spans.past.max().over(ibis.window(**in_order, preceding=(None, 1)))
    spans = spans.mutate(reached=reached)
    begins = ibis.ifelse(spans.reached.isnull() | (spans.begin > spans.reached), 1, 0)
    spans = spans.mutate(begins=begins)
    island = spans.begins.sum().over(ibis.window(**in_order, preceding=(None, 0)))
    spans = spans.mutate(island=island)
    merged = spans.group_by("customer_id", "island").aggregate(
        begin=spans.begin.min(), past=spans.past.max()
    )
    return merged.select("customer_id", "begin", "past")


def _between_spans(observed: ir.Table, spans: ir.Table) -> ir.Table:
    """Pair subscriptions with the days before, between and after their customer's spans."""
    import ibis

    in_order = ibis.window(group_by="customer_id", order_by="begin")
    far = 10_000_000  # days: beyond any date
    starts = spans.past.lag().over(in_order)
    before_each = spans.select("customer_id", begin=ibis.coalesce(starts, -far), past=spans.begin)
    after_last = spans.group_by("customer_id").aggregate(begin=spans.past.max())
    after_last = after_last.mutate(past=ibis.literal(far, "int64"))
    holes = ibis.union(
        before_each.cast({"begin": "int64", "past": "int64"}),
        after_last.cast({"begin": "int64"}),
        distinct=False,
    )
    return observed.join(holes, "customer_id")


def totals_as_money(
    bookings: Reconciliation | None,
    subscriptions: Reconciliation | None,
    in_money: Callable[[int, int], float],
) -> dict[str, Any]:
    """Write both reconciliations as the ``audit`` has them: in currency, converted once each.

    Parameters
    ----------
    bookings, subscriptions : Reconciliation, optional
        In money units, and in money units x days.
    in_money : callable
        Turns money units, and money units x days, into one amount of money.

    Returns
    -------
    dict
        ``revenue_total`` and ``revenue_reconciled``; both null without a ledger.
    """
    if bookings is None and subscriptions is None:
        return {"revenue_total": None, "revenue_reconciled": None}

    def both(pick: Callable[[Reconciliation], int]) -> float:
        return in_money(
            pick(bookings) if bookings is not None else 0,
            pick(subscriptions) if subscriptions is not None else 0,
        )

    parts = {name: both(_part(name)) for name in PARTS}
    return {
        "revenue_total": both(lambda r: r.total),
        "revenue_reconciled": {**parts, "difference": both(lambda r: r.difference)},
    }


def _part(name: str) -> Callable[[Reconciliation], int]:
    return lambda reconciliation: reconciliation.parts[name]
