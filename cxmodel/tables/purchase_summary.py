"""Purchase histories of customers: how often, how recently, how long and how much."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cxmodel.results import Result

if TYPE_CHECKING:
    import pandas as pd

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class PurchaseAudit:
    """What the bookings of a summary were, and which were left out.

    Parameters
    ----------
    n_bookings : int
        Rows of the ledger.
    not_used : mapping of str to int
        Rows left out by reason, each counted once: ``missing_customer_id``, ``missing_booked_at``,
        ``missing_amount``, ``after_as_of``.
    n_merged : int
        Bookings that share a day with another of the same customer.
    n_refunds : int
        Bookings below zero, and
    refunds : float
        what they come to, in the currency: at most 0.
    n_returned : int
        Purchases that refunds took back in full: they are no purchases.
    n_negative : int
        Of these, purchases of which more was given back than had been paid, and
    negative : float
        what that comes to: at most 0.
    n_refunds_before, refunds_before : int, float
        Days on which a refund stood before any purchase of the customer, and what they come to.
    n_customers_left_out : int
        Customers without a purchase that lasted, in the time that the model learns from.
    n_missing_covariate : int
        Customers left out because a covariate is not known.
    """

    n_bookings: int = 0
    not_used: Mapping[str, int] = field(default_factory=dict)
    n_merged: int = 0
    n_refunds: int = 0
    refunds: float = 0.0
    n_returned: int = 0
    n_negative: int = 0
    negative: float = 0.0
    n_refunds_before: int = 0
    refunds_before: float = 0.0
    n_customers_left_out: int = 0
    n_missing_covariate: int = 0

    def sentences(self, currency: str | None) -> tuple[str, ...]:
        """Say what a reader must know of it."""
        money = currency or "units of money"
        said = [
            f"{n:,} booking(s) left out: {reason.replace('_', ' ')}."
            for reason, n in self.not_used.items()
            if n
        ]
        if self.n_refunds:
            said.append(
                f"{self.n_refunds:,} refund(s), {self.refunds:,.2f} {money} together, were taken "
                f"off the purchase before them; {self.n_returned:,} purchase(s) were given back in "
                "full and do not count."
            )
        if self.n_negative:
            said.append(
                f"For {self.n_negative:,} purchase(s) more was given back than had been paid "
                f"({self.negative:,.2f} {money}): they do not count. Check the signs of the "
                "amounts."
            )
        if self.n_refunds_before:
            said.append(
                f"{self.n_refunds_before:,} day(s) with refunds ({self.refunds_before:,.2f} "
                f"{money}) stand before any purchase of their customer and are left out."
            )
        if self.n_customers_left_out:
            said.append(
                f"{self.n_customers_left_out:,} customer(s) have no purchase that lasted in the "
                "time the model learns from."
            )
        if self.n_missing_covariate:
            said.append(
                f"{self.n_missing_covariate:,} customer(s) were left out: a covariate is not known."
            )
        return tuple(said)


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class PurchaseSummary(Result):
    """Purchase histories, equal ones together: a row stands for `n_customers`.

    Parameters
    ----------
    frequency : array, (n,)
        Days with a purchase, less the first one.
    recency : array, (n,)
        Time from the first to the last purchase, in units of `unit_days`; 0 where there was one.
    T : array, (n,)
        Time from the first purchase to the end of what the model learns from.
    monetary_value : array, (n,)
        Mean spend per purchase after the first one, in `currency`; NaN where there was none.
    n_customers : array of int, (n,)
        Customers that share all of these.
    unit_days : float
        Days in one unit of time.
    as_of : datetime.date, optional
        The last day of the data.
    learnt_until : datetime.date, optional
        The last day that the model learns from: the day before ``holdout_from``, or `as_of`.
    holdout_frequency, holdout_monetary_value : array, optional
        Days with a purchase after that, and mean spend on them (NaN where none).
    holdout_duration : float
        Time from `learnt_until` to `as_of`; 0 without a holdout.
    covariates : mapping of str to array
        What does not change about customers.
    ranges : mapping of str to (low, high)
        The scale of a covariate that is a rating of a survey. Of attributes, and of the columns of
        a frame, no scale is known.
    repeats_by_day : pair of array of int, optional
        Days (from the first day of `T`'s oldest customer on) and repeat purchases on them.
    audit : PurchaseAudit
        What the bookings were.
    """

    frequency: FloatArray
    recency: FloatArray
    T: FloatArray
    monetary_value: FloatArray
    n_customers: IntArray
    unit_days: float = 1.0
    as_of: dt.date | None = None
    learnt_until: dt.date | None = None
    currency: str | None = None
    holdout_frequency: FloatArray | None = None
    holdout_monetary_value: FloatArray | None = None
    holdout_duration: float = 0.0
    covariates: Mapping[str, FloatArray] = field(default_factory=dict)
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    repeats_by_day: tuple[IntArray, IntArray] | None = None
    audit: PurchaseAudit = field(default_factory=PurchaseAudit)
    caveats: tuple[str, ...] = ()

    title = "Purchase histories"

    def __repr__(self) -> str:
        return (
            f"<PurchaseSummary: {self.total_customers:,} customers in {len(self.frequency):,} "
            f"rows, {self.total_repeats:,} repeat purchases, a unit of time is "
            f"{self.unit_days:g} day(s)>"
        )

    @property
    def total_customers(self) -> int:
        """How many customers the rows stand for."""
        return int(self.n_customers.sum())

    @property
    def total_repeats(self) -> int:
        """How many repeat purchases they made."""
        return round(float(self.n_customers @ self.frequency))

    @property
    def n_repeat_customers(self) -> int:
        """How many customers bought on more than one day."""
        return int(self.n_customers[self.frequency > 0].sum())

    def only(self, rows: npt.NDArray[Any]) -> PurchaseSummary:
        """Keep some of the rows: a mask, or their places."""
        held = (self.holdout_frequency, self.holdout_monetary_value)
        frequency, money = (None if part is None else part[rows] for part in held)
        return replace(
            self,
            frequency=self.frequency[rows],
            recency=self.recency[rows],
            T=self.T[rows],
            monetary_value=self.monetary_value[rows],
            n_customers=self.n_customers[rows],
            holdout_frequency=frequency,
            holdout_monetary_value=money,
            covariates={name: values[rows] for name, values in self.covariates.items()},
            repeats_by_day=None,
        )

    def to_frame(self) -> pd.DataFrame:
        """Give one row for each different history."""
        import pandas as pd

        columns: dict[str, Any] = {
            "frequency": self.frequency,
            "recency": self.recency,
            "T": self.T,
            "monetary_value": self.monetary_value,
            "n_customers": self.n_customers,
            **self.covariates,
        }
        if self.holdout_frequency is not None:
            columns["holdout_frequency"] = self.holdout_frequency
            columns["holdout_monetary_value"] = self.holdout_monetary_value
        return pd.DataFrame(columns)

    def to_section(self) -> dict[str, Any]:
        """Give totals, without any customer."""
        return {
            "status": "ok",
            "n_customers": self.total_customers,
            "n_repeat_customers": self.n_repeat_customers,
            "n_repeat_purchases": self.total_repeats,
            "unit_days": self.unit_days,
            "as_of": self.as_of,
            "learnt_until": self.learnt_until,
            "not_used": {name: n for name, n in self.audit.not_used.items() if n},
            "n_refunds": self.audit.n_refunds,
            "n_returned": self.audit.n_returned,
            "caveats": list(self.caveats),
        }
