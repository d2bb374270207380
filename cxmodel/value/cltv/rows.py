"""What customers spent, read from observations, with who is left out and why."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from cxmodel.errors import InsufficientDataError
from cxmodel.models.retention.durations import customer_places, first_rows_at_risk, read_durations
from cxmodel.stats.draws import draw_customer_weights
from cxmodel.stats.rates import DAYS_PER_MONTH
from cxmodel.tables.observation_table import Observations
from cxmodel.value.cltv.past_spending import PastSpending, SpendingLine

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
_STAGE = "cltv"
MIN_SPENDERS = 10


@dataclass(frozen=True, eq=False, kw_only=True)
class SpendRows:
    """One row per customer: the first response at which the customer was at risk.

    Parameters
    ----------
    amount : numpy.ndarray, shape (n,)
        Revenue in the outcome window, or per month.
    weights : numpy.ndarray, shape (n,)
        The response weight.
    customer : numpy.ndarray of int, shape (n,)
        Place of the row's customer among all `n_customers` of the observations.
    window_months, gap_months : float
        The outcome window and the gap before it; a window of 0 means amounts per month.
    tenure_months : numpy.ndarray, shape (n,), optional
        How long each customer had been there, where the retention curve counts from the start.
    chosen : numpy.ndarray of bool
        Which rows of the observations these are.
    """

    amount: FloatArray
    weights: FloatArray
    customer: npt.NDArray[np.intp]
    n_customers: int
    window_months: float
    gap_months: float
    tenure_months: FloatArray | None
    chosen: BoolArray
    not_used: tuple[dict[str, Any], ...]

    @property
    def is_monthly(self) -> bool:
        """Whether amounts are per month."""
        return self.window_months == 0

    def mean(self) -> float:
        """Give the mean amount per customer."""
        return float(self.weights @ self.amount / self.weights.sum())

    def redrawn_means(self, n_draws: int, seed: int) -> FloatArray:
        """Give the mean amount per customer under other weights of the customers, draw by draw."""
        money = np.bincount(self.customer, self.weights * self.amount, self.n_customers)
        mass = np.bincount(self.customer, self.weights, self.n_customers)
        means = np.full(n_draws, np.nan)
        for draw in range(n_draws):
            drawn = draw_customer_weights(self.n_customers, draw, seed)
            total = drawn @ mass
            means[draw] = drawn @ money / total if total > 0 else np.nan
        return means

    def expected(self, obs: Observations) -> FloatArray:
        """Give what each customer is expected to spend: its own past, drawn towards the mean.

        The straight line of revenue in the window on revenue before it, per day observed, so that
        the mean over the customers is `mean`; the amount itself where it is monthly revenue, and
        the mean for all where nothing is known from before.
        """
        if self.is_monthly:
            return self.amount
        before = PastSpending.of(obs).only(self.chosen)
        return SpendingLine.fit(before, self.amount, self.weights).predict(before)

    def only(self, mine: BoolArray) -> SpendRows:
        """Keep the rows of some observations; `mine` has one value per observation."""
        keep = mine[self.chosen]
        tenure = self.tenure_months
        return replace(
            self,
            amount=self.amount[keep],
            weights=self.weights[keep],
            customer=self.customer[keep],
            tenure_months=None if tenure is None else tenure[keep],
            chosen=self.chosen & mine,
        )


def read_spend(obs: Observations, *, of_all: bool = False) -> SpendRows:
    """Read revenue in the outcome window, or monthly revenue of a table already joined.

    Parameters
    ----------
    obs : Observations
        The table.
    of_all : bool
        Whether customers without a contract who had not booked of late count too.

    Raises
    ------
    InsufficientDataError
        If the observations hold neither, or nothing usable.
    """
    is_monthly = obs.has("_monthly_revenue")
    column = "_monthly_revenue" if is_monthly else "revenue_after"
    if not obs.has(column):
        raise InsufficientDataError(
            "Lifetime value needs revenue: give sources.revenue, sources.subscriptions or "
            "sources.observations.monthly_revenue."
        )
    chosen, not_used = first_rows_at_risk(obs, stage=_STAGE, of_all=of_all)
    chosen = _leave_out_unfinished(obs, chosen, not_used, is_monthly)
    known = obs.frame[column].notna().to_numpy()
    _count(not_used, "missing_revenue", chosen & ~known)
    chosen &= known
    if not chosen.any():
        raise InsufficientDataError(
            f"Lifetime value: none of {obs.n_obs:,} observations has revenue after it in a window "
            "that is over. Bring a longer history, or shorten windows.outcome_days."
        )
    tenure = tenure_of(obs)
    if tenure is not None:
        _count(not_used, "missing_duration", chosen & np.isnan(tenure))
        chosen &= ~np.isnan(tenure)
    customer, n_customers = customer_places(obs.frame)
    weights = np.ones(obs.n_obs)
    if obs.has("response_weight"):
        weights = obs.frame["response_weight"].fillna(1.0).to_numpy(dtype=float)
    return SpendRows(
        amount=obs.frame.loc[chosen, column].to_numpy(dtype=float),
        weights=weights[chosen],
        customer=customer[chosen],
        n_customers=n_customers,
        window_months=0.0 if is_monthly else obs.windows.outcome_days / DAYS_PER_MONTH,
        gap_months=0.0 if is_monthly else obs.windows.gap_days / DAYS_PER_MONTH,
        tenure_months=None if tenure is None else tenure[chosen],
        chosen=chosen,
        not_used=tuple(not_used),
    )


def _leave_out_unfinished(
    obs: Observations, chosen: BoolArray, not_used: list[dict[str, Any]], is_monthly: bool
) -> BoolArray:
    """Leave out windows that are not over, and customers who left in the gap."""
    if is_monthly:
        return chosen
    for reason, column, wanted in (
        ("open_window", "outcome_complete", True),
        ("left_in_gap", "_left_in_gap", False),
    ):
        if obs.has(column):
            fits = obs.frame[column].fillna(not wanted).to_numpy(dtype=bool) == wanted
            _count(not_used, reason, chosen & ~fits)
            chosen = chosen & fits
    return chosen


def tenure_of(obs: Observations) -> FloatArray | None:
    """Months each customer had been there when observation began; NaN where unknown.

    Only in a joined table with a stated window: its retention curve counts from the start.
    """
    if not obs.is_joined or not obs.has("_duration_months", "churned"):
        return None
    durations = read_durations(obs, stage=_STAGE)
    if durations.entry_months is None:
        return None
    tenure = np.full(obs.n_obs, np.nan)
    tenure[durations.chosen] = durations.entry_months
    return tenure


def _count(not_used: list[dict[str, Any]], reason: str, out: BoolArray) -> None:
    if out.any():
        not_used.append({"stage": _STAGE, "reason": reason, "n": int(out.sum())})


def spend_of(obs: Observations) -> SpendRows:
    """Read what customers spent; refuse too little of it.

    Raises
    ------
    InsufficientDataError
        If fewer than 10 customers have any revenue.
    """
    rows = read_spend(obs)
    n_spenders = int((rows.amount != 0).sum())
    if n_spenders < MIN_SPENDERS:
        raise InsufficientDataError(
            f"Lifetime value: {n_spenders} of {len(rows.amount):,} usable "
            f"observations have any revenue; at least {MIN_SPENDERS} are needed."
        )
    return rows
