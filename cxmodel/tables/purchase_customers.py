"""Purchase histories that keep their customer, for value by band, by group and by customer."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cxmodel.tables.auditing.questions import whole_numbers
from cxmodel.tables.joining.scratch import scratch_tables
from cxmodel.tables.one_engine import check_kinds, one_engine
from cxmodel.tables.opening.money import unit_digits
from cxmodel.tables.purchase_summary import PurchaseSummary
from cxmodel.tables.purchases import (
    PurchaseDays,
    histories_of,
    merged_purchases,
    questions,
    summary_of,
)
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
) -> CustomerPurchases:
    """Summarise what each customer bought, as `summarize_purchases` does, and keep who it was.

    Parameters
    ----------
    revenue : Source
        From `cxmodel.read_revenue`.
    as_of, unit_days, holdout_from
        As in `summarize_purchases`.

    Raises
    ------
    InsufficientDataError
        If no customer has a purchase.
    ValueError
        If the holdout does not lie inside the data.

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
    check_kinds({"revenue": revenue})
    joined = one_engine({"revenue": revenue})
    days = PurchaseDays.of(joined, as_of, holdout_from)
    session, bookings = joined.session, joined.by_kind["revenue"].table
    with scratch_tables(session) as scratch:
        booked, purchases = merged_purchases(scratch, bookings, days)
        histories = histories_of(purchases, days).mutate(n_customers=1)
        recent = _recent(purchases, days)
        together = histories.left_join(recent, histories.customer_id == recent.spender)
        found = session.arrow(
            together.select(
                *histories.columns, recent_units=recent.recent_units.fill_null(0)
            ).order_by("customer_id")
        )
        whole = histories.count()
        counted = whole_numbers(session, questions(bookings, booked, purchases, days, whole))
    summary = summary_of(found, None, counted, days, joined, unit_days, ())
    per_unit = 10.0 ** unit_digits(joined.currency)
    units = found["recent_units"].to_numpy().astype(float)
    return CustomerPurchases(
        histories=summary,
        customer_id=np.asarray(found["customer_id"].to_pylist(), dtype=object),
        last_period=units / per_unit if days.has_holdout else None,
    )


def _recent(purchases: ir.Table, days: PurchaseDays) -> ir.Table:
    """Sum what came in a period as long as the holdout, just before it."""
    length = days.last - days.learnt_until
    kept = purchases.filter(
        purchases.is_kept, ~purchases.is_holdout, purchases.day > days.learnt_until - length
    )
    return kept.group_by(spender=kept.customer_id).aggregate(
        recent_units=kept.units.sum().cast("int64")
    )
