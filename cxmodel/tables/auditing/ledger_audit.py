"""What the ledger held and where it went: the money part of the audit, and what is odd in it."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

from cxmodel.tables.auditing.questions import whole_numbers
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
    audit |= _counted(join)
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


def _counted(join: ObservationJoin) -> dict[str, Any]:
    """Count customers, and the rows of each source that were left out, in one query."""
    people = join.responses.select("customer_id").distinct()
    counts = {"n_customers_observed": people.count()}
    counts |= {f"after {kind}": late for kind, late in _rows_after(join).items()}
    counts |= {f"without {kind}": bare for kind, bare in _rows_without_key(join).items()}
    ledgers = [table for table in (join.bookings, join.subscription_days) if table is not None]
    if ledgers:
        silent = people
        for table in ledgers:
            silent = silent.anti_join(table.select("customer_id"), "customer_id")
        counts["n_customers_without_bookings"] = silent.count()
    found = whole_numbers(join.sources.session, counts)
    by_kind = {
        key: {name.removeprefix(word): n for name, n in found.items() if name.startswith(word)}
        for key, word in (("rows_after_as_of", "after "), ("rows_without_key", "without "))
    }
    return {name: n for name, n in found.items() if name.startswith("n_")} | by_kind


def _rows_after(join: ObservationJoin) -> dict[str, ir.IntegerScalar]:
    """Count the rows of each source that lie after ``as_of`` and were left out."""
    import ibis

    ends_at = join.horizon.ends_at
    if ends_at is None:
        return {}
    end = ibis.literal(ends_at, "timestamp(6)")
    return {
        kind: source.table.filter(source.table[_TIMES[kind]] >= end).count()
        for kind, source in _dated(join)
    }


def _rows_without_key(join: ObservationJoin) -> dict[str, ir.IntegerScalar]:
    """Count the rows of each source that have no customer or no time, so count for nobody."""
    return {
        kind: source.table.filter(
            source.table.customer_id.isnull() | source.table[_TIMES[kind]].isnull()
        ).count()
        for kind, source in _dated(join)
    }


def _dated(join: ObservationJoin) -> list[tuple[str, Source]]:
    sources = join.sources.by_kind
    return [(kind, sources[kind]) for kind in _TIMES if kind in sources]


def _oddities(join: ObservationJoin, bookings: ir.Table, in_money: Any) -> dict[str, Any]:
    """Count what is odd about bookings, with what it is worth, in one query."""
    revenue = join.sources.by_kind["revenue"].table
    odd = {"refunds": revenue.filter(revenue.amount_units < 0)}
    customers, events = join.sources.get("customers"), join.departures.events
    if customers is not None:
        odd["unknown_customers"] = revenue.anti_join(customers.table, "customer_id")
    if events is not None:
        odd["revenue_after_churn"] = _after_churn(join, bookings, events)
    asked: dict[str, ir.IntegerScalar] = {}
    for name, rows in odd.items():
        asked |= {f"n {name}": rows.count(), f"units {name}": rows.amount_units.sum()}
    if customers is not None:
        asked["n_customers"] = odd["unknown_customers"].customer_id.nunique()
    numbers = whole_numbers(join.sources.session, asked)
    found: dict[str, Any] = {
        name: {"n": numbers[f"n {name}"], "total": in_money(numbers[f"units {name}"])}
        for name in odd
    }
    if customers is not None:
        found["unknown_customers"] = {
            "n_customers": numbers["n_customers"],
            **found["unknown_customers"],
        }
    if join.departures.rule == "inactivity":
        days = join.windows.inactive_days or 0
        found["long_gaps"] = long_gaps(join.sources.session, bookings, days)
    return found


def _after_churn(join: ObservationJoin, bookings: ir.Table, events: ir.Table) -> ir.Table:
    """List the bookings of observed customers after they first left."""
    first = events.group_by("customer_id").aggregate(left_at=events.left_at.min())
    first = first.semi_join(join.responses, "customer_id")
    return bookings.inner_join(
        first,
        [bookings.customer_id == first.customer_id, bookings.booked_at > first.left_at],
    )
