"""What the ledger held and where it went: the money part of the audit, and what is odd in it."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

from cxmodel.tables.auditing.reconciliation import (
    reconcile_bookings,
    reconcile_subscriptions,
    totals_as_money,
)
from cxmodel.tables.joining.churn_rule import long_gaps
from cxmodel.tables.joining.observation_join import ObservationJoin
from cxmodel.tables.joining.subscriptions import DAILY_SHARE_DENOMINATOR, DAILY_SHARE_NUMERATOR

if TYPE_CHECKING:
    import ibis.expr.types as ir

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
        source; ``n_customers_observed``; and where there is a ledger
        ``n_customers_without_bookings``, ``refunds``, ``unknown_customers``,
        ``revenue_after_churn``, ``rounding`` (what more digits than the ledger's were worth),
        ``long_gaps`` (inactivity only). Money in currency.
    """

    def in_money(units: int, unit_days: int = 0) -> float:
        share = Fraction(DAILY_SHARE_NUMERATOR * unit_days, DAILY_SHARE_DENOMINATOR)
        return float((units + share) / units_per_money)

    audit = _reconciled(join, in_money)
    audit["rows_after_as_of"] = _rows_after(join)
    people = join.responses.select("customer_id").distinct()
    audit["n_customers_observed"] = int(people.count().to_pyarrow().as_py())
    ledger_ids = [
        table.select("customer_id")
        for table in (join.bookings, join.subscription_days)
        if table is not None
    ]
    if ledger_ids:
        silent = people
        for ids in ledger_ids:
            silent = silent.anti_join(ids, "customer_id")
        audit["n_customers_without_bookings"] = int(silent.count().to_pyarrow().as_py())
    rounding = _rounding(join, units_per_money)
    if rounding:
        audit["rounding"] = rounding
    if join.bookings is not None:
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
        bookings = reconcile_bookings(revenue.table, join.responses, join.windows, join.horizon)
    if subscriptions is not None:
        recurring = reconcile_subscriptions(
            subscriptions, join.responses, join.windows, join.calendar, join.ends_before
        )
    return totals_as_money(bookings, recurring, in_money)


def _rows_after(join: ObservationJoin) -> dict[str, int]:
    """Count the rows of each source that lie after ``as_of`` and were left out."""
    import ibis

    ends_at = join.horizon.ends_at
    if ends_at is None:
        return {}
    end = ibis.literal(ends_at, "timestamp(6)")
    counts = {}
    for kind, at in _TIMES.items():
        source = join.sources.get(kind)
        if source is not None:
            late = source.table.filter(source.table[at] >= end).count()
            counts[kind] = int(late.to_pyarrow().as_py())
    return counts


def _oddities(join: ObservationJoin, bookings: ir.Table, in_money: Any) -> dict[str, Any]:
    revenue = join.sources.by_kind["revenue"]
    refunds = revenue.table.filter(revenue.table.amount_units < 0)
    found = {"refunds": _n_and_total(refunds, in_money)}
    customers = join.sources.get("customers")
    if customers is not None:
        strangers = revenue.table.anti_join(customers.table, "customer_id")
        n_ids = strangers.customer_id.nunique().to_pyarrow().as_py()
        found["unknown_customers"] = {
            "n_customers": int(n_ids or 0),
            **_n_and_total(strangers, in_money),
        }
    events = join.departures.events
    if events is not None:
        first = events.group_by("customer_id").aggregate(left_at=events.left_at.min())
        first = first.semi_join(join.responses, "customer_id")
        later = bookings.inner_join(
            first,
            [bookings.customer_id == first.customer_id, bookings.booked_at > first.left_at],
        )
        found["revenue_after_churn"] = _n_and_total(later, in_money)
    if join.departures.rule == "inactivity":
        found["long_gaps"] = long_gaps(bookings, join.windows.inactive_days or 0)
    return found


def _n_and_total(bookings: ir.Table, in_money: Any) -> dict[str, Any]:
    found = (
        bookings.aggregate(n=bookings.count(), units=bookings.amount_units.sum())
        .to_pyarrow()
        .to_pylist()[0]
    )
    return {"n": int(found["n"]), "total": in_money(int(found["units"] or 0))}
