"""Purchases on the engine: bookings of a day merged, refunds taken off, histories of customers."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cxmodel.errors import InsufficientDataError
from cxmodel.tables.auditing.questions import wide_sum
from cxmodel.tables.sources import Sources
from cxmodel.tables.times.calendar_days import Calendar, day_number
from cxmodel.tables.times.zones import as_of_end, zone

if TYPE_CHECKING:
    import ibis.expr.types as ir

_EPOCH = dt.date(1970, 1, 1)


@dataclass(frozen=True, kw_only=True)
class Days:
    """The days that matter, numbered from 1970-01-01, and the calendar that numbers them."""

    calendar: Calendar
    last: int
    learnt_until: int

    @classmethod
    def of(cls, sources: Sources, as_of: dt.date | None, holdout_from: dt.date | None) -> Days:
        """Find the last day where none is given, and hold both against the bookings.

        Raises
        ------
        ValueError
            If there is no booking before the end of what is learnt from, or the holdout is empty.
        InsufficientDataError
            If no booking has a date.
        """
        calendar, first, latest = _reach(sources)
        last = latest if as_of is None else day_number(as_of)
        if last is None:
            raise ValueError(
                f"Every booking lies after today (the first: {day_of(first)}). Give as_of, the "
                "last day of the data."
            )
        if last < first:
            raise ValueError(
                f"as_of ({as_of}) lies before all bookings: the first is of {day_of(first)}. Set "
                "it to the last day of the data."
            )
        until = last if holdout_from is None else day_number(holdout_from) - 1
        if until < first or (holdout_from is not None and until >= last):
            raise ValueError(
                f"holdout_from ({holdout_from}) must lie after the first booking "
                f"({day_of(first)}) and not after as_of ({day_of(last)})."
            )
        return cls(calendar=calendar, last=last, learnt_until=until)

    @property
    def has_holdout(self) -> bool:
        """Whether purchases are kept apart."""
        return self.learnt_until < self.last


def _reach(sources: Sources) -> tuple[Calendar, int, int | None]:
    """Find the first day with a booking, and the last one that is not later than today."""
    import ibis

    revenue = sources.by_kind["revenue"]
    name, at = revenue.time_zone, revenue.table.booked_at
    tomorrow = as_of_end(dt.datetime.now(zone(name)).date(), name)
    span = sources.session.one_row(
        revenue.table.aggregate(
            low=at.min(),
            high=at.max(),
            latest=at.max(where=at < ibis.literal(tomorrow, "timestamp(6)")),
        )
    )
    if span["low"] is None:
        raise InsufficientDataError(
            "Purchases: no booking has a date. Map sources.revenue.booked_at."
        )
    calendar = Calendar(time_zone=name, low=span["low"], high=span["high"])
    latest = None if span["latest"] is None else _local_day(span["latest"], name)
    return calendar, _local_day(span["low"], name), latest


def _local_day(time: dt.datetime, time_zone: str) -> int:
    return day_number(time.replace(tzinfo=dt.UTC).astimezone(zone(time_zone)).date())


def day_of(number: int) -> dt.date:
    """Give the day of a number."""
    return _EPOCH + dt.timedelta(days=number)


def by_day(bookings: ir.Table, days: Days) -> ir.Table:
    """Merge the bookings of a customer on one day."""
    known = bookings.filter(
        bookings.customer_id.notnull(),
        bookings.booked_at.notnull(),
        bookings.amount_units.notnull(),
    )
    dated = known.select(
        "customer_id", day=days.calendar.day(known.booked_at), units=known.amount_units
    )
    dated = dated.filter(dated.day <= days.last)
    is_refund = dated.units < 0
    return (
        dated.group_by("customer_id", "day")
        .aggregate(
            n_bought=(~is_refund).ifelse(1, 0).sum().cast("int64"),
            n_refunds=is_refund.ifelse(1, 0).sum().cast("int64"),
            units=dated.units.sum().cast("int64"),
            refund_units=is_refund.ifelse(dated.units, 0).sum().cast("int64"),
        )
        .mutate(is_holdout=_is_after(days))
    )


def _is_after(days: Days) -> Any:
    import ibis

    return ibis._.day > days.learnt_until


def numbered_purchases(booked: ir.Table) -> ir.Table:
    """Give purchases their number within a customer, and take refunds off the one before.

    What the model learns from and the holdout are numbered apart: a later refund is not known yet.
    ``number`` 0 holds refunds before any purchase.
    """
    import ibis

    so_far = ibis.window(
        group_by=["customer_id", "is_holdout"], order_by="day", preceding=(None, 0)
    )
    placed = booked.mutate(
        number=(booked.n_bought > 0).ifelse(1, 0).sum().over(so_far).cast("int64")
    )
    merged = placed.group_by("customer_id", "is_holdout", "number").aggregate(
        day=placed.day.min(),
        units=placed.units.sum().cast("int64"),
        n_refunds=placed.n_refunds.sum().cast("int64"),
        n_days=placed.count().cast("int64"),
    )
    # free purchases count; those given back in full do not
    return merged.mutate(
        is_kept=(merged.number > 0) & ((merged.units > 0) | (merged.n_refunds == 0))
    )


def histories_of(kept: ir.Table, days: Days) -> ir.Table:
    """Give one row a customer with a purchase that the model learns from."""
    import ibis

    learnt, held = ~kept.is_holdout, kept.is_holdout
    later = learnt & (kept.place > 0)
    per_customer = kept.group_by("customer_id").aggregate(
        n=learnt.ifelse(1, 0).sum().cast("int64"),
        first=kept.day.min(where=learnt),
        last=kept.day.max(where=learnt),
        spend_units=later.ifelse(kept.units, 0).sum().cast("int64"),
        holdout_n=held.ifelse(1, 0).sum().cast("int64"),
        holdout_units=held.ifelse(kept.units, 0).sum().cast("int64"),
    )
    per_customer = per_customer.filter(per_customer.n > 0)
    until = ibis.literal(days.learnt_until, "int64")
    return per_customer.select(
        "customer_id",
        frequency=per_customer.n - 1,
        recency_days=per_customer["last"] - per_customer["first"],
        age_days=until - per_customer["first"],
        spend_units=per_customer.spend_units,
        holdout_n=per_customer.holdout_n,
        holdout_units=per_customer.holdout_units,
    )


def lasting(purchases: ir.Table) -> ir.Table:
    """Keep purchases that lasted, with their place among those of the customer's period."""
    import ibis

    kept = purchases.filter(purchases.is_kept)
    order = ibis.window(group_by=["customer_id", "is_holdout"], order_by="day")
    return kept.mutate(place=ibis.row_number().over(order).cast("int64"))


def grouped(histories: ir.Table) -> ir.Table:
    """Count customers whose histories are equal, in the order of these."""
    columns = [name for name in histories.columns if name != "customer_id"]
    return histories.group_by(columns).aggregate(n_customers=histories.count()).order_by(columns)


def repeats_by_day(kept: ir.Table, histories: ir.Table) -> ir.Table:
    """Count repeat purchases by day, in the holdout too, of the customers with a history."""
    theirs = kept.semi_join(histories, "customer_id")
    repeats = theirs.filter(theirs.is_holdout | (theirs.place > 0))
    return repeats.group_by("day").aggregate(n=repeats.count()).order_by("day")


def questions(
    bookings: ir.Table, booked: ir.Table, purchases: ir.Table, days: Days
) -> dict[str, Any]:
    """Ask for the counts of the audit, all at once."""
    no_customer = bookings.customer_id.isnull()
    no_date = ~no_customer & bookings.booked_at.isnull()
    no_amount = ~no_customer & bookings.booked_at.notnull() & bookings.amount_units.isnull()
    late = (
        ~no_customer
        & bookings.amount_units.notnull()
        & (days.calendar.day(bookings.booked_at) > days.last).fill_null(False)
    )
    before = purchases.number == 0
    returned = (purchases.number > 0) & ~purchases.is_kept
    negative = returned & (purchases.units < 0)
    return {
        "n_bookings": bookings.count(),
        "missing_customer_id": no_customer.sum(),
        "missing_booked_at": no_date.sum(),
        "missing_amount": no_amount.sum(),
        "after_as_of": late.sum(),
        "n_bought": booked.n_bought.sum(),
        "n_days": (booked.n_bought > 0).sum(),
        "n_refunds": booked.n_refunds.sum(),
        "refunds": wide_sum(booked.refund_units),
        "n_returned": returned.sum(),
        "n_negative": negative.sum(),
        "negative": wide_sum(purchases.units, negative),
        "n_refunds_before": purchases.n_days.sum(where=before),
        "refunds_before": wide_sum(purchases.units, before),
    }
