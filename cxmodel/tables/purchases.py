"""From a ledger to purchase histories, on the engine: a day with a purchase is one purchase.

Money stays in whole units, days are whole numbers, and equal histories are grouped before they
leave the engine: a ledger of any size becomes a table of what differs.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from cxmodel.errors import InsufficientDataError
from cxmodel.tables.auditing.questions import whole_numbers
from cxmodel.tables.joining.scratch import scratch_tables
from cxmodel.tables.one_engine import check_kinds, one_engine
from cxmodel.tables.opening.money import money, unit_digits
from cxmodel.tables.purchase_covariates import covariate_column, ranges_of, with_covariates
from cxmodel.tables.purchase_summary import PurchaseAudit, PurchaseSummary
from cxmodel.tables.purchase_tables import (
    Days,
    by_day,
    day_of,
    grouped,
    histories_of,
    lasting,
    numbered_purchases,
    questions,
    repeats_by_day,
)
from cxmodel.tables.sources import Source, Sources
from cxmodel.tables.times.given_days import maybe_day

if TYPE_CHECKING:
    import pyarrow as pa


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
        booking that is not later than today. Bookings after it are counted and left out.
    unit_days : float
        Days in a unit of time: 7 for weeks.
    holdout_from : date or ISO text, optional
        Purchases from this day on are kept apart, to test a model with.
    covariates : str or sequence of str
        Attributes of `customers` that are numbers, or keys of ratings of `surveys` (the mean answer
        of a customer until the holdout begins). Customers without one are left out and counted.
        A rating keeps its scale, so that a model fitted to it takes none off the scale; nobody
        knows the scale of an attribute.
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
    days = Days.of(joined, maybe_day(as_of), maybe_day(holdout_from, "holdout_from"))
    names = (covariates,) if isinstance(covariates, str) else tuple(covariates)
    session, bookings = joined.session, joined.by_kind["revenue"].table
    with scratch_tables(session) as scratch:
        booked = scratch.keep(by_day(bookings, days), "purchase_days")
        purchases = scratch.keep(numbered_purchases(booked), "purchases")
        kept = scratch.keep(lasting(purchases), "lasting")
        everyone = scratch.keep(histories_of(kept, days), "histories")
        histories = with_covariates(everyone, joined, names, days)
        found = session.arrow(grouped(histories))
        repeats = session.arrow(repeats_by_day(kept, histories))
        counted = whole_numbers(
            session,
            {
                **questions(bookings, booked, purchases, days),
                "n_customers": everyone.count(),
                "n_people": booked.customer_id.nunique(),
            },
        )
    return _summary(found, repeats, counted, days, joined, unit_days, names)


def _summary(
    found: pa.Table,
    repeats: pa.Table,
    counted: dict[str, int],
    days: Days,
    sources: Sources,
    unit_days: float,
    names: tuple[str, ...],
) -> PurchaseSummary:
    column = {name: np.asarray(found[name].to_numpy()) for name in found.column_names}
    n_customers = column["n_customers"].astype(np.int64)
    if not n_customers.size:
        raise InsufficientDataError(
            f"Purchases: no customer has a purchase until {day_of(days.learnt_until)} that lasted"
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
        as_of=day_of(days.last),
        learnt_until=day_of(days.learnt_until),
        currency=sources.currency,
        holdout_frequency=held if days.has_holdout else None,
        holdout_monetary_value=(
            _means(column["holdout_units"], held, per_unit) if days.has_holdout else None
        ),
        holdout_duration=(days.last - days.learnt_until) / unit_days,
        covariates={name: column[covariate_column(name)].astype(float) for name in names},
        ranges=ranges_of(sources, names),
        repeats_by_day=(
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
