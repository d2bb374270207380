"""From a ledger to purchase histories, on the engine: a day with a purchase is one purchase.

Money stays in whole units, days are whole numbers, and equal histories are grouped before they
leave the engine: a ledger of any size becomes a table of what differs.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cxmodel.errors import InsufficientDataError, SchemaError, nearest
from cxmodel.tables.auditing.questions import whole_numbers, wide_sum
from cxmodel.tables.joining.scratch import Scratch, scratch_tables
from cxmodel.tables.one_engine import check_kinds, one_engine
from cxmodel.tables.opening.money import money, unit_digits
from cxmodel.tables.purchase_summary import PurchaseAudit, PurchaseSummary
from cxmodel.tables.sources import Source, Sources
from cxmodel.tables.times.calendar_days import Calendar, day_number

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa

_EPOCH = dt.date(1970, 1, 1)
_MEAN = "mean_rating"


def summarize_purchases(
    revenue: Source,
    *,
    as_of: dt.date | str | None = None,
    unit_days: float = 1.0,
    holdout_from: dt.date | str | None = None,
    covariates: str | Sequence[str] = (),
    customers: Source | None = None,
    surveys: Source | None = None,
) -> PurchaseSummary:
    """Summarise what each customer bought: how often, how recently, for how long and how much.

    All bookings of a customer on one day are one purchase. A refund is taken off the purchase on
    its day, or the last one before it; a purchase that was given back in full does not count. All
    of it is counted in `PurchaseSummary.audit`.

    Parameters
    ----------
    revenue : Source
        From `cxmodel.read_revenue`.
    as_of : date or ISO text, optional
        The last day of the data, in the time zone of the source. Default: the day of the latest
        booking. Bookings after it are counted and left out.
    unit_days : float
        Days in a unit of time: 7 for weeks.
    holdout_from : date or ISO text, optional
        Purchases from this day on are kept apart, to test a model with.
    covariates : str or sequence of str
        Attributes of `customers` that are numbers, or keys of ratings of `surveys` (the mean answer
        of a customer until the holdout begins). Customers without one are left out and counted.
    customers, surveys : Source, optional
        Where covariates come from.

    Returns
    -------
    PurchaseSummary
        Equal histories together.

    Raises
    ------
    TypeError
        If a source is none, or of another kind.
    ValueError
        If `unit_days` is not positive, or the holdout does not lie inside the data.
    SchemaError
        If a covariate is not there, or is no number.
    InsufficientDataError
        If no customer has a purchase.

    Examples
    --------
    >>> import pandas as pd
    >>> import cxmodel as cx
    >>> ledger = pd.DataFrame({
    ...     "customer_id": ["a", "a", "a", "b"],
    ...     "booked_at": ["2026-01-01", "2026-01-15", "2026-01-15", "2026-01-08"],
    ...     "amount": [10.0, 20.0, 5.0, 7.0],
    ... })
    >>> rfm = cx.summarize_purchases(cx.read_revenue(ledger), as_of="2026-01-29", unit_days=7)
    >>> rfm.to_frame()
       frequency  recency    T  monetary_value  n_customers
    0        0.0      0.0  3.0             NaN            1
    1        1.0      2.0  4.0            25.0            1
    """
    given = {"revenue": revenue, "customers": customers, "surveys": surveys}
    sources = {kind: source for kind, source in given.items() if source is not None}
    check_kinds(sources)
    if not (math.isfinite(unit_days) and unit_days > 0):
        raise ValueError(f"unit_days must be a positive number of days, not {unit_days}.")
    joined = one_engine(sources)
    days = PurchaseDays.of(joined, as_of, holdout_from)
    names = (covariates,) if isinstance(covariates, str) else tuple(covariates)
    session, bookings = joined.session, joined.by_kind["revenue"].table
    with scratch_tables(session) as scratch:
        booked, purchases = merged_purchases(scratch, bookings, days)
        histories = histories_of(purchases, days)
        whole = histories.count()
        histories = _with_covariates(histories, joined, names, days)
        found = session.arrow(_grouped(histories, names))
        repeats = session.arrow(_repeats_by_day(purchases))
        counted = whole_numbers(session, questions(bookings, booked, purchases, days, whole))
    return summary_of(found, repeats, counted, days, joined, unit_days, names)


@dataclass(frozen=True, kw_only=True)
class PurchaseDays:
    """The days that matter, numbered from 1970-01-01, and the calendar that numbers them."""

    calendar: Calendar
    last: int
    learnt_until: int

    @classmethod
    def of(
        cls, sources: Sources, as_of: dt.date | str | None, holdout_from: dt.date | str | None
    ) -> PurchaseDays:
        """Read the days of a ledger; text is ISO 8601."""
        as_of, holdout_from = _as_date(as_of), _as_date(holdout_from)
        revenue = sources.by_kind["revenue"]
        table = revenue.table
        span = sources.session.one_row(
            table.aggregate(low=table.booked_at.min(), high=table.booked_at.max())
        )
        if span["low"] is None:
            raise InsufficientDataError(
                "Purchases: no booking has a date. Map sources.revenue.booked_at."
            )
        calendar = Calendar(time_zone=revenue.time_zone, low=span["low"], high=span["high"])
        ends = sources.session.one_row(
            table.aggregate(
                first=calendar.day(table.booked_at).min(), last=calendar.day(table.booked_at).max()
            )
        )
        last = int(ends["last"]) if as_of is None else day_number(as_of)
        if last < int(ends["first"]):
            raise ValueError(
                f"as_of ({as_of}) lies before all bookings: the first is of "
                f"{_day(int(ends['first']))}. Set it to the last day of the data."
            )
        until = last if holdout_from is None else day_number(holdout_from) - 1
        if not int(ends["first"]) <= until or (holdout_from is not None and until >= last):
            raise ValueError(
                f"holdout_from ({holdout_from}) must lie after the first booking "
                f"({_day(int(ends['first']))}) and not after as_of ({_day(last)})."
            )
        return cls(calendar=calendar, last=last, learnt_until=until)

    @property
    def has_holdout(self) -> bool:
        """Whether some days are kept apart."""
        return self.learnt_until < self.last


def _day(number: int) -> dt.date:
    return _EPOCH + dt.timedelta(days=number)


def _as_date(day: dt.date | str | None) -> dt.date | None:
    if isinstance(day, str):
        return dt.date.fromisoformat(day)
    return day.date() if isinstance(day, dt.datetime) else day


# -- On the engine ---------------------------------------------------------------------------------


def _by_day(bookings: ir.Table, days: PurchaseDays) -> ir.Table:
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


def _is_after(days: PurchaseDays) -> Any:
    import ibis

    return ibis._.day > days.learnt_until


def _purchases(booked: ir.Table) -> ir.Table:
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


def merged_purchases(
    scratch: Scratch, bookings: ir.Table, days: PurchaseDays
) -> tuple[ir.Table, ir.Table]:
    """Keep the days with bookings, and the purchases they make, on the engine."""
    booked = scratch.keep(_by_day(bookings, days), "purchase_days")
    return booked, scratch.keep(_purchases(booked), "purchases")


def histories_of(purchases: ir.Table, days: PurchaseDays) -> ir.Table:
    """Give one row a customer with a purchase that the model learns from."""
    import ibis

    kept = _numbered(purchases)
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


def _numbered(purchases: ir.Table) -> ir.Table:
    """Keep purchases that lasted, with their place among those of the customer's period."""
    import ibis

    kept = purchases.filter(purchases.is_kept)
    order = ibis.window(group_by=["customer_id", "is_holdout"], order_by="day")
    return kept.mutate(place=ibis.row_number().over(order).cast("int64"))


def _grouped(histories: ir.Table, names: tuple[str, ...]) -> ir.Table:
    columns = [name for name in histories.columns if name != "customer_id"]
    return histories.group_by(columns).aggregate(n_customers=histories.count()).order_by(columns)


def _repeats_by_day(purchases: ir.Table) -> ir.Table:
    """Count repeat purchases by day, of customers who had bought before the holdout."""
    import ibis

    kept = _numbered(purchases)
    whole = ibis.window(group_by="customer_id")
    kept = kept.mutate(n_learnt=(~kept.is_holdout).ifelse(1, 0).sum().over(whole))
    repeats = kept.filter((kept.n_learnt > 0) & (kept.is_holdout | (kept.place > 0)))
    return repeats.group_by("day").aggregate(n=repeats.count()).order_by("day")


def _with_covariates(
    histories: ir.Table, sources: Sources, names: tuple[str, ...], days: PurchaseDays
) -> ir.Table:
    """Join what is known of customers; those of whom something is not known are left out."""
    for name in names:
        known = _covariate(sources, name, days)
        joined = histories.join(known, histories.customer_id == known.covariate_of, how="inner")
        histories = joined.select(*histories.columns, _covariate_column(name, known))
    return histories


def _covariate_column(name: str, known: ir.Table) -> Any:
    return known[_MEAN].name(_own(name))


def _own(name: str) -> str:
    """Keep the name of a covariate apart from our own columns."""
    return f"covariate_{name}"


def _covariate(sources: Sources, name: str, days: PurchaseDays) -> ir.Table:
    import ibis

    surveys, customers = sources.get("surveys"), sources.get("customers")
    if surveys is not None and name in surveys.ratings:
        rated = surveys.table.filter(surveys.table[f"rating_{name}"].notnull())
        if "responded_at" in surveys.columns:
            rated = rated.filter(days.calendar.day(rated.responded_at) <= days.learnt_until)
        rated = rated.filter(rated.customer_id.notnull())
        return rated.group_by(covariate_of=rated.customer_id).aggregate(
            **{_MEAN: rated[f"rating_{name}"].mean()}
        )
    offered = (*(surveys.ratings if surveys else ()), *(customers.attributes if customers else ()))
    if customers is None or name not in customers.attributes:
        raise SchemaError(
            f"There is no covariate {name!r}: give it as an attribute of customers= or as a rating "
            f"of surveys=. {nearest(name, offered)}"
        )
    if "valid_from" in customers.columns:
        raise SchemaError(
            "customers has versions (valid_from): a covariate of purchases must not change. Read "
            "customers with one row each."
        )
    column = customers.table[name]
    if not (column.type().is_numeric() or column.type().is_boolean()):
        raise SchemaError(
            f"Covariate {name!r} is {column.type()}, not a number. Make one 0/1 column per level."
        )
    known = customers.table.select(
        covariate_of=customers.table.customer_id, **{_MEAN: column.cast("float64")}
    )
    value = known[_MEAN]
    return known.filter(value.notnull() & (value.abs() < ibis.literal(1e300, "float64")))


def questions(
    bookings: ir.Table, booked: ir.Table, purchases: ir.Table, days: PurchaseDays, whole: Any
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
        "n_customers": whole,
        "n_people": booked.customer_id.nunique(),
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


# -- Off the engine --------------------------------------------------------------------------------


def summary_of(
    found: pa.Table,
    repeats: pa.Table | None,
    counted: dict[str, int],
    days: PurchaseDays,
    sources: Sources,
    unit_days: float,
    names: tuple[str, ...],
) -> PurchaseSummary:
    """Put what left the engine into a summary."""
    numbers = [name for name in found.column_names if name != "customer_id"]
    column = {name: np.asarray(found[name].to_numpy()) for name in numbers}
    n_customers = column["n_customers"].astype(np.int64)
    if not n_customers.size:
        raise InsufficientDataError(
            f"Purchases: no customer has a purchase until {_day(days.learnt_until)} that lasted"
            f"{' and all covariates' if names else ''}. Check as_of, the amounts and the keys."
        )
    audit = _audit(counted, int(n_customers.sum()), sources.currency)
    per_unit = 10.0 ** unit_digits(sources.currency)
    frequency = column["frequency"].astype(float)
    held = column["holdout_n"].astype(float)
    return PurchaseSummary(
        frequency=frequency,
        recency=column["recency_days"] / unit_days,
        T=column["age_days"] / unit_days,
        monetary_value=_means(column["spend_units"], frequency, per_unit),
        n_customers=n_customers,
        unit_days=float(unit_days),
        as_of=_day(days.last),
        learnt_until=_day(days.learnt_until),
        currency=sources.currency,
        holdout_frequency=held if days.has_holdout else None,
        holdout_monetary_value=(
            _means(column["holdout_units"], held, per_unit) if days.has_holdout else None
        ),
        holdout_duration=(days.last - days.learnt_until) / unit_days,
        covariates={name: column[_own(name)].astype(float) for name in names},
        repeats_by_day=None
        if repeats is None
        else (
            repeats["day"].to_numpy().astype(np.int64),
            repeats["n"].to_numpy().astype(np.int64),
        ),
        audit=audit,
        caveats=audit.sentences(sources.currency),
    )


def _means(units: Any, count: Any, per_unit: float) -> Any:
    """Give the mean amount, NaN of nothing."""
    return np.where(count > 0, units / per_unit / np.maximum(count, 1), np.nan)


def _audit(counted: dict[str, int], n_used: int, currency: str | None) -> PurchaseAudit:
    reasons = ("missing_customer_id", "missing_booked_at", "missing_amount", "after_as_of")
    return PurchaseAudit(
        n_bookings=counted["n_bookings"],
        not_used={reason: counted[reason] for reason in reasons},
        n_merged=counted["n_bought"] - counted["n_days"],
        n_refunds=counted["n_refunds"],
        refunds=money(counted["refunds"], currency),
        n_returned=counted["n_returned"],
        n_negative=counted["n_negative"],
        negative=money(counted["negative"], currency),
        n_refunds_before=counted["n_refunds_before"],
        refunds_before=money(counted["refunds_before"], currency),
        n_customers_left_out=counted["n_people"] - counted["n_customers"],
        n_missing_covariate=counted["n_customers"] - n_used,
    )
