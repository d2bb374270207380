"""Durations until customers left, read from observations, with who is left out and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from cxmodel.errors import InsufficientDataError
from cxmodel.stats.lifetimes import PeriodCounts
from cxmodel.stats.rates import DAYS_PER_MONTH
from cxmodel.stats.survival import kaplan_meier
from cxmodel.tables.observation_table import Observations

FloatArray = npt.NDArray[np.float64]
_SECONDS_PER_MONTH = DAYS_PER_MONTH * 86_400


@dataclass(frozen=True, eq=False, kw_only=True)
class Durations:
    """One row per customer: the first response at which the customer was at risk.

    Parameters
    ----------
    months : numpy.ndarray, shape (n,)
        Until the customer left or the data end, in months of 365.25 / 12 days.
    events : numpy.ndarray of bool, shape (n,)
        Whether the customer left.
    weights : numpy.ndarray, shape (n,)
        How much each customer counts: by its response weight.
    customer : numpy.ndarray of int, shape (n,)
        Place of the row's customer among all `n_customers` of the observations.
    entry_months : numpy.ndarray, shape (n,), optional
        When the customer came under observation, where later than the start.
    followed_months : numpy.ndarray, shape (n,), optional
        How long the customer could have been followed, where known.
    chosen : numpy.ndarray of bool
        Which rows of the observations these are.
    """

    months: FloatArray
    events: npt.NDArray[np.bool_]
    weights: FloatArray
    customer: npt.NDArray[np.intp]
    n_customers: int
    entry_months: FloatArray | None
    followed_months: FloatArray | None
    chosen: npt.NDArray[np.bool_]
    not_used: tuple[dict[str, Any], ...]
    caveats: tuple[str, ...]

    def only(self, chosen: npt.NDArray[np.bool_]) -> Durations:
        """Keep some of these rows."""
        entry, followed = self.entry_months, self.followed_months
        inside = self.chosen.copy()
        inside[inside] = chosen
        return Durations(
            months=self.months[chosen],
            events=self.events[chosen],
            weights=self.weights[chosen],
            customer=self.customer[chosen],
            n_customers=self.n_customers,
            entry_months=None if entry is None else entry[chosen],
            followed_months=None if followed is None else followed[chosen],
            chosen=inside,
            not_used=self.not_used,
            caveats=self.caveats,
        )

    def last_observed_month(self, min_at_risk: int) -> int:
        """Give the last whole month that at least so many rows could have shown."""
        table = kaplan_meier(self.months, self.events, entries=self.entry_months)
        months = np.arange(int(self.months.max()) + 1, dtype=float)
        enough = table.at_risk_at(months) >= min_at_risk
        return int(months[enough].max()) if enough.any() else 0

    def whole_periods(
        self,
    ) -> tuple[FloatArray, npt.NDArray[np.bool_], FloatArray | None]:
        """Give whole months stayed, who left in the month after them, and when each came in.

        Who left in the n-th month stayed n - 1 whole months. A last month that could not be
        followed to its end is cut for leavers and stayers alike: keeping only its leavers would
        make the loss look larger.
        """
        stayed = np.floor(self.months)
        left = self.events.copy()
        on_the_dot = left & (self.months == stayed) & (stayed > 0)
        stayed = np.where(on_the_dot, stayed - 1, stayed)
        if self.followed_months is not None:
            left &= stayed + 1 <= self.followed_months
        entries = self.entry_months
        if entries is not None:
            # a tenth of a month is enough, and keeps the distinct times few
            entries = np.minimum(np.round(entries, 1), stayed)
        return stayed, left, entries

    def period_counts(self, weight_draws: list[FloatArray]) -> PeriodCounts:
        """Count whole months for the lifetime model; see `whole_periods`."""
        stayed, left, entries = self.whole_periods()
        return PeriodCounts.from_rows(stayed, left, weight_draws, entries)


def read_durations(obs: Observations, *, stage: str) -> Durations:
    """Read how long customers stayed, from the first response at which each was at risk.

    Raises
    ------
    InsufficientDataError
        If the observations hold no durations.
    """
    frame = obs.frame
    joined = obs.is_joined
    length, left = ("_duration_months", "churned") if joined else ("duration_days", "_event")
    if not obs.has(length, left):
        raise InsufficientDataError(_nothing_known(obs))
    known = frame[length].notna().to_numpy() & frame[left].notna().to_numpy()
    at_risk, not_used = first_rows_at_risk(obs, stage=stage)
    chosen = at_risk & known
    if (at_risk & ~known).any():
        not_used.append(
            {"stage": stage, "reason": "missing_duration", "n": int((at_risk & ~known).sum())}
        )
    months = frame.loc[chosen, length].to_numpy(dtype=float)
    months = months if joined else months / DAYS_PER_MONTH
    if (months < 0).any():
        raise InsufficientDataError(
            f"{int((months < 0).sum())} durations are negative (first: {months[months < 0][0]:g} "
            "months). Check when customers started and left."
        )
    events = frame.loc[chosen, left].to_numpy(dtype=float) > 0
    customer, n_customers = customer_places(frame)
    entry, caveats = _entries(obs, months, events)
    return Durations(
        months=months,
        events=events,
        weights=_weights(obs, chosen),
        customer=customer[chosen],
        n_customers=n_customers,
        entry_months=entry,
        followed_months=None if joined else _followed(obs, chosen),
        chosen=chosen,
        not_used=tuple(not_used),
        caveats=caveats,
    )


def _weights(obs: Observations, chosen: npt.NDArray[np.bool_]) -> FloatArray:
    """Give the response weights, scaled to sum to the effective number of customers (Kish).

    So that the likelihood and Greenwood's intervals claim no more than the weights leave.
    """
    if not obs.has("response_weight"):
        return np.ones(int(chosen.sum()))
    weights = obs.frame.loc[chosen, "response_weight"].fillna(1.0).to_numpy(dtype=float)
    squares = float(weights @ weights)
    return weights * (weights.sum() / squares) if squares > 0 else weights


def expected_events(every: Durations, some: Durations) -> float:
    """Count how many of `some` would have left at the rate of all (the log-rank expectation)."""
    table = kaplan_meier(
        every.months, every.events, weights=every.weights, entries=every.entry_months
    )
    share = np.divide(
        table.events, table.at_risk, out=np.zeros(table.times.size), where=table.at_risk > 0
    )
    hazard = np.append(0.0, np.cumsum(share))
    total = hazard[np.searchsorted(table.times, some.months, side="right")]
    if some.entry_months is not None:
        total = total - hazard[np.searchsorted(table.times, some.entry_months, side="right")]
    return float(total.sum())


def rows_at_risk(
    obs: Observations, *, stage: str, of_all: bool = False
) -> tuple[npt.NDArray[np.bool_], list[dict[str, Any]]]:
    """Say which observations are of customers at risk, and count the others by reason.

    With `of_all`, customers without a contract who had not booked of late stay in: the lift of
    revenue keeps them (methods, section 1).
    """
    frame = obs.frame
    chosen = np.ones(len(frame), dtype=bool)
    not_used: list[dict[str, Any]] = []
    if "_status" in frame:
        for reason in ("before_start", "churned_before_response"):
            out = (frame["_status"] == reason).to_numpy()
            chosen &= ~out
            _count(not_used, stage, reason, int(out.sum()))
    if "_at_risk" in frame and not of_all:
        out = chosen & ~frame["_at_risk"].to_numpy(dtype=bool)
        chosen &= ~out
        _count(not_used, stage, "not_at_risk", int(out.sum()))
    return chosen, not_used


def first_rows_at_risk(
    obs: Observations, *, stage: str, of_all: bool = False
) -> tuple[npt.NDArray[np.bool_], list[dict[str, Any]]]:
    """Keep each customer's first response at risk: a cohort that is fixed when it answers.

    Later responses come only from those who stayed. Letting a customer's responses share one
    weight would give those who left early a larger weight for each of theirs, so that the curve
    would lie below the truth.
    """
    at_risk, not_used = rows_at_risk(obs, stage=stage, of_all=of_all)
    customer, _ = customer_places(obs.frame)
    rows = np.flatnonzero(at_risk)
    first = np.zeros_like(at_risk)
    first[rows[np.unique(customer[rows], return_index=True)[1]]] = True
    _count(not_used, stage, "later_response", int((at_risk & ~first).sum()))
    return first, not_used


def customer_places(frame: pd.DataFrame) -> tuple[npt.NDArray[np.intp], int]:
    """Give every row the number of its customer; a table without ids has one customer a row."""
    if "customer_id" not in frame:
        return np.arange(len(frame)), len(frame)
    codes, ids = pd.factorize(frame["customer_id"])
    missing = np.asarray(codes < 0)
    places = np.asarray(codes, dtype=np.intp).copy()
    places[missing] = len(ids) + np.arange(int(missing.sum()))
    return places, len(ids) + int(missing.sum())


def _count(not_used: list[dict[str, Any]], stage: str, reason: str, n: int) -> None:
    if n:
        not_used.append({"stage": stage, "reason": reason, "n": n})


def _followed(obs: Observations, chosen: npt.NDArray[np.bool_]) -> FloatArray | None:
    """Months from the response to the end of the data."""
    if obs.as_of is None or "responded_at" not in obs.frame:
        return None
    end = pd.Timestamp(obs.as_of) + pd.Timedelta(days=1)
    span = end - obs.frame.loc[chosen, "responded_at"]
    return np.asarray(span.dt.total_seconds().to_numpy(dtype=float) / _SECONDS_PER_MONTH)


def _entries(
    obs: Observations, months: FloatArray, events: npt.NDArray[np.bool_]
) -> tuple[FloatArray | None, tuple[str, ...]]:
    """Say when customers of a joined table came under observation.

    A table whose churn lies in a stated window holds nobody who left before that window, so a
    customer counts as at risk only from its start. Those who left did so, on average, halfway.
    """
    if not obs.is_joined:
        return None, ()
    if obs.window_words == "observation window":
        return None, (
            "Retention takes the table to hold every customer who ever started: those who left "
            "before it was drawn up, if they are missing, make retention look better than it is.",
        )
    window = obs.windows.outcome_days / DAYS_PER_MONTH
    entry = np.maximum(months - np.where(events, window / 2, window), 0.0)
    return entry, (
        f"The table holds only customers who were there at the start of its {obs.window_words}, so "
        "each counts as at risk in that window alone (delayed entry).",
    )


def _nothing_known(obs: Observations) -> str:
    if obs.is_joined:
        return (
            "Retention needs durations and churn: map sources.observations.duration_months and "
            "churned."
        )
    return (
        "Retention needs to know who left: give sources.churn, customers.churned_at, "
        "subscriptions or revenue."
    )
