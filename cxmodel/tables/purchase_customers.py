"""Purchase histories that keep their customer, for value by band, by group and by customer."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cxmodel.tables.joining.scratch import scratch_tables
from cxmodel.tables.one_engine import one_engine
from cxmodel.tables.opening.money import unit_digits
from cxmodel.tables.purchase_covariates import covariate_column, ranges_of, with_covariates
from cxmodel.tables.purchase_summary import PurchaseSummary
from cxmodel.tables.purchase_tables import (
    Days,
    by_day,
    histories_of,
    lasting,
    numbered_purchases,
)
from cxmodel.tables.purchases import summarize_purchases
from cxmodel.tables.sources import Source

if TYPE_CHECKING:
    import ibis.expr.types as ir

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class CustomerPurchases:
    """Purchase histories, one row a customer, in order of the customer's id.

    Parameters
    ----------
    histories : PurchaseSummary
        One row a customer.
    customer_id : array of object, (n,)
        Whose row it is.
    last_period : array, (n,), optional
        What each customer spent in a period as long as the holdout, just before it.
    """

    histories: PurchaseSummary
    customer_id: npt.NDArray[Any]
    last_period: FloatArray | None = None

    def __repr__(self) -> str:
        return f"<CustomerPurchases: {len(self.customer_id):,} customers>"


def purchases_by_customer(
    revenue: Source,
    *,
    as_of: dt.date | str | None = None,
    unit_days: float = 7.0,
    holdout_from: dt.date | str | None = None,
    covariates: tuple[str, ...] = (),
    customers: Source | None = None,
    surveys: Source | None = None,
) -> CustomerPurchases:
    """Summarise what each customer bought, as `summarize_purchases` does, and keep who it was.

    Parameters
    ----------
    revenue : Source
        From `cxmodel.read_revenue`.
    as_of, unit_days, holdout_from, customers, surveys
        As in `summarize_purchases`.
    covariates : tuple of str
        As there; but every customer stays, with NaN for what is not known, and of versions of a
        customer the one in force counts.

    Raises
    ------
    InsufficientDataError
        If no customer has a purchase.
    ValueError
        If the holdout does not lie inside the data.
    SchemaError
        If a covariate is not there, or is no number.

    Examples
    --------
    >>> import pandas as pd
    >>> from cxmodel.tables.readers import read_revenue
    >>> ledger = pd.DataFrame({"customer_id": ["a", "a", "b"], "amount": [10.0, 20.0, 7.0],
    ...                        "booked_at": ["2026-01-01", "2026-01-15", "2026-01-08"]})
    >>> found = purchases_by_customer(read_revenue(ledger), as_of="2026-01-29")
    >>> found.customer_id.tolist(), found.histories.frequency.tolist()
    (['a', 'b'], [1.0, 0.0])
    """
    # the grouped histories carry dates, currency and audit; the rows are taken out beside them
    grouped = summarize_purchases(
        revenue, as_of=as_of, unit_days=unit_days, holdout_from=holdout_from
    )
    given = {"revenue": revenue, "customers": customers, "surveys": surveys}
    joined = one_engine({kind: source for kind, source in given.items() if source is not None})
    days = Days.of(joined, grouped.as_of, _after(grouped))
    session, bookings = joined.session, joined.by_kind["revenue"].table
    with scratch_tables(session) as scratch:
        booked = scratch.keep(by_day(bookings, days), "purchase_days")
        purchases = scratch.keep(numbered_purchases(booked), "purchases")
        kept = scratch.keep(lasting(purchases), "lasting")
        histories, recent = histories_of(kept, days), _recent(kept, days)
        histories = with_covariates(histories, joined, covariates, days, keeps_all=True)
        together = histories.left_join(recent, histories.customer_id == recent.spender)
        found = session.arrow(
            together.select(
                *histories.columns, recent_units=recent.recent_units.fill_null(0)
            ).order_by("customer_id")
        )
    numbers = [name for name in found.column_names if name != "customer_id"]
    column = {name: found[name].to_numpy().astype(float) for name in numbers}
    per_unit = 10.0 ** unit_digits(joined.currency)
    return CustomerPurchases(
        histories=replace(
            _one_by_one(grouped, column, per_unit, covariates), ranges=ranges_of(joined, covariates)
        ),
        customer_id=np.asarray(found["customer_id"].to_pylist(), dtype=object),
        last_period=column["recent_units"] / per_unit if days.has_holdout else None,
    )


def _after(grouped: PurchaseSummary) -> dt.date | None:
    if grouped.holdout_frequency is None or grouped.learnt_until is None:
        return None
    return grouped.learnt_until + dt.timedelta(days=1)


def _one_by_one(
    grouped: PurchaseSummary,
    column: dict[str, FloatArray],
    per_unit: float,
    covariates: tuple[str, ...],
) -> PurchaseSummary:
    """Put the histories of single customers where equal ones stood together."""
    held = column["holdout_n"]
    has_holdout = grouped.holdout_frequency is not None
    return replace(
        grouped,
        frequency=column["frequency"],
        recency=column["recency_days"] / grouped.unit_days,
        T=column["age_days"] / grouped.unit_days,
        monetary_value=_means(column["spend_units"] / per_unit, column["frequency"]),
        n_customers=np.ones(len(held), dtype=np.int64),
        holdout_frequency=held if has_holdout else None,
        holdout_monetary_value=(
            _means(column["holdout_units"] / per_unit, held) if has_holdout else None
        ),
        covariates={name: column[covariate_column(name)] for name in covariates},
    )


def _means(money: FloatArray, count: FloatArray) -> FloatArray:
    """Give the mean amount, NaN of nothing."""
    return np.where(count > 0, money / np.maximum(count, 1), np.nan)


def _recent(kept: ir.Table, days: Days) -> ir.Table:
    """Sum what came in a period as long as the holdout, just before it."""
    length = days.last - days.learnt_until
    late = kept.filter(~kept.is_holdout, kept.day > days.learnt_until - length)
    return late.group_by(spender=late.customer_id).aggregate(
        recent_units=late.units.sum().cast("int64")
    )
