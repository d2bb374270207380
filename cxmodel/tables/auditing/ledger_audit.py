"""What the ledger held and where it went: the money part of the audit, and what is odd in it."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

from cxmodel.tables.auditing.questions import whole_numbers, wide_sum
from cxmodel.tables.auditing.reconciliation import (
    reconcile_bookings,
    reconcile_subscriptions,
    totals_as_money,
)
from cxmodel.tables.joining.churn_rule import long_gaps
from cxmodel.tables.joining.observation_join import ObservationJoin
from cxmodel.tables.joining.subscriptions import DAILY_SHARE_DENOMINATOR, DAILY_SHARE_NUMERATOR
from cxmodel.tables.opening.convert import count_if

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from cxmodel.tables.sources import Source

_TIMES = {
    "revenue": "booked_at",
    "subscriptions": "started_at",
    "churn": "churned_at",
    "interactions": "started_at",
    "invitations": "invited_at",
}


def audit_ledger(join: ObservationJoin, units_per_money: int) -> dict[str, Any]:
    """Reconcile the money, and count what a reader of the table should know.

    Returns
    -------
    dict
        ``revenue_total`` and ``revenue_reconciled`` as in ``results.json``; ``rows_after_as_of`` by
        source; ``rows_without_key`` (no customer or no time) by source;
        ``n_customers_observed``; and where there is a ledger
        ``n_customers_without_bookings``, ``refunds``, ``unknown_customers``,
        ``revenue_after_churn``, ``rounding`` (what more digits than the ledger's were worth),
        ``long_gaps`` (inactivity only). Money in currency.
    """

    def in_money(units: int, unit_days: int = 0) -> float:
        share = Fraction(DAILY_SHARE_NUMERATOR * unit_days, DAILY_SHARE_DENOMINATOR)
        return float((units + share) / units_per_money)

    audit = _reconciled(join, in_money)
    seen = {kind: _seen_in(join, kind, source) for kind, source in _dated(join)}
    if join.horizon.ends_at is not None:
        audit["rows_after_as_of"] = {kind: found["n_late"] for kind, found in seen.items()}
    else:
        audit["rows_after_as_of"] = {}
    audit["rows_without_key"] = {kind: found["n_bare"] for kind, found in seen.items()}
    audit |= _customers(join)
    rounding = _rounding(join, units_per_money)
    if rounding:
        audit["rounding"] = rounding
    if join.bookings is not None:
        refunds = seen["revenue"]
        audit["refunds"] = {"n": refunds["n"], "total": in_money(refunds["units"])}
        audit |= _oddities(join, join.bookings, in_money)
    return audit


def _rounding(join: ObservationJoin, units_per_money: int) -> dict[str, float]:
    """Say by how much the amounts as they came exceed those that were summed, by source."""
    columns = {"revenue": "amount_units", "subscriptions": "monthly_units"}
    found = {}
    for kind, column in columns.items():
        source = join.sources.get(kind)
        if source is not None and "rounding" in source.facts.get(column, {}):
            millionths = int(source.facts[column]["rounding"] or 0)
            found[kind] = float(Fraction(millionths, 1_000_000 * units_per_money))
    return found


def _reconciled(join: ObservationJoin, in_money: Any) -> dict[str, Any]:
    revenue, subscriptions = join.sources.get("revenue"), join.subscription_days
    bookings = recurring = None
    if revenue is not None:
        bookings = reconcile_bookings(
            join.sources.session, revenue.table, join.responses, join.windows, join.horizon
        )
    if subscriptions is not None:
        recurring = reconcile_subscriptions(
            join.sources.session,
            subscriptions,
            join.responses,
            join.windows,
            join.calendar,
            join.ends_before,
        )
    return totals_as_money(bookings, recurring, in_money)


def _dated(join: ObservationJoin) -> list[tuple[str, Source]]:
    sources = join.sources.by_kind
    return [(kind, sources[kind]) for kind in _TIMES if kind in sources]


def _seen_in(join: ObservationJoin, kind: str, source: Source) -> dict[str, int]:
    """Look at a source once: rows after ``as_of``, without customer or time, and refunds."""
    import ibis

    table, at = source.table, source.table[_TIMES[kind]]
    asked = {"n_bare": count_if(table.customer_id.isnull() | at.isnull())}
    if join.horizon.ends_at is not None:
        asked["n_late"] = count_if(at >= ibis.literal(join.horizon.ends_at, "timestamp(6)"))
    if kind == "revenue":
        is_refund = table.amount_units < 0
        asked["n"] = count_if(is_refund)
        asked["units"] = wide_sum(table.amount_units, where=is_refund)
    found = join.sources.session.one_row(table.aggregate(**asked))
    return {name: int(n or 0) for name, n in found.items()}


def _customers(join: ObservationJoin) -> dict[str, int]:
    """Count the customers who answered, and those of them in no ledger."""
    people = join.responses.select("customer_id").distinct()
    counts = {"n_customers_observed": people.count()}
    ledgers = [table for table in (join.bookings, join.subscription_days) if table is not None]
    if ledgers:
        silent = people
        for table in ledgers:
            silent = silent.anti_join(table.select("customer_id"), "customer_id")
        counts["n_customers_without_bookings"] = silent.count()
    return whole_numbers(join.sources.session, counts)


def _oddities(join: ObservationJoin, bookings: ir.Table, in_money: Any) -> dict[str, Any]:
    """Count bookings that make a reader wonder, with what they are worth."""
    session = join.sources.session

    def of(rows: ir.Table, **more: ir.IntegerScalar) -> dict[str, Any]:
        asked = {**more, "n": rows.count(), "units": wide_sum(rows.amount_units)}
        counts = {name: int(n or 0) for name, n in session.one_row(rows.aggregate(**asked)).items()}
        units = counts.pop("units")
        return {**counts, "total": in_money(units)}

    found: dict[str, Any] = {}
    customers, events = join.sources.get("customers"), join.departures.events
    if customers is not None:
        revenue = join.sources.by_kind["revenue"].table
        strangers = revenue.anti_join(customers.table, "customer_id")
        found["unknown_customers"] = of(strangers, n_customers=strangers.customer_id.nunique())
    if events is not None:
        found["revenue_after_churn"] = of(_after_churn(join, bookings, events))
    if join.departures.rule == "inactivity":
        found["long_gaps"] = long_gaps(session, bookings, join.windows.inactive_days or 0)
    return found


def _after_churn(join: ObservationJoin, bookings: ir.Table, events: ir.Table) -> ir.Table:
    """List the bookings of observed customers after they first left."""
    first = events.group_by("customer_id").aggregate(left_at=events.left_at.min())
    first = first.semi_join(join.responses, "customer_id")
    return bookings.inner_join(
        first,
        [bookings.customer_id == first.customer_id, bookings.booked_at > first.left_at],
    )
