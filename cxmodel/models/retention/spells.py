"""Spells read from observations: each answer holds from its date on until the next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from cxmodel.errors import InsufficientDataError
from cxmodel.models.retention.durations import customer_places, read_durations, rows_at_risk
from cxmodel.stats.rates import DAYS_PER_MONTH
from cxmodel.tables.observation_table import Observations

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]
BoolArray = npt.NDArray[np.bool_]
_STAGE = "hazard"
NOBODY_SEEN = (
    "Hazard: for no customer at risk is it known how long the customer stayed. State study.as_of, "
    "and who left."
)
SINCE_START, SINCE_ANSWER = "the customer started", "the first answer"
_ROUNDING = 1e-9  # of a period: what lies on a border stays on it


@dataclass(frozen=True, eq=False, kw_only=True)
class SpellRows:
    """Runs of whole periods in which a customer was at risk under one answer.

    Parameters
    ----------
    first, last : numpy.ndarray of int, shape (n,)
        Periods on the clock, both included.
    events : numpy.ndarray of bool, shape (n,)
        Whether the customer left in period `last`.
    customer : numpy.ndarray of int, shape (n,)
        Whose spell it is.
    frame : pandas.DataFrame
        The observation that holds in each.
    clock : str
        From when periods count: ``"the customer started"`` or ``"the first answer"``.
    period : str
        One period in words.
    """

    first: IntArray
    last: IntArray
    events: BoolArray
    customer: IntArray
    frame: pd.DataFrame
    clock: str
    period: str
    not_used: tuple[dict[str, Any], ...]
    caveats: tuple[str, ...]


def read_spells(obs: Observations, *, period_days: float) -> SpellRows:
    """Cut the time of each customer into spells.

    Periods are whole periods from the first answer at which the customer was at risk (again, after
    coming back). In each the answer holds that was the latest at its start, so that nothing known
    later explains it. Where the start of every customer is known, the clock is tenure, and what
    lies before the first answer is not at risk (delayed entry). A last period that cannot be seen
    to its end counts neither for those who left in it nor for those who stayed.

    Raises
    ------
    InsufficientDataError
        If durations are unknown or negative.
    """
    if obs.is_joined:
        return _joined(obs)
    if not obs.has("duration_days", "_event", "responded_at"):
        raise InsufficientDataError(
            "The hazard needs to know who left, and when: give sources.churn, "
            "customers.churned_at, subscriptions or revenue."
        )
    chosen, not_used = rows_at_risk(obs, stage=_STAGE)
    known = obs.frame["duration_days"].notna().to_numpy() & obs.frame["_event"].notna().to_numpy()
    _count(not_used, "missing_duration", chosen & ~known)
    chosen &= known
    if not chosen.any():
        raise InsufficientDataError(NOBODY_SEEN)
    if (obs.frame.loc[chosen, "duration_days"] < 0).any():
        n = int((obs.frame.loc[chosen, "duration_days"] < 0).sum())
        raise InsufficientDataError(
            f"{n} durations are negative: customers left before they answered. Check the dates of "
            "churn."
        )
    customer = customer_places(obs.frame)[0][chosen]
    frame = obs.frame.loc[chosen]
    order = np.lexsort((frame["responded_at"].to_numpy(), customer))
    frame, customer = frame.iloc[order], customer[order]
    stays = _Stays.of(obs, frame, customer, period_days)
    first, last, events = stays.spells()
    shift, clock = _clock(frame, stays, period_days)
    seen = last >= first
    not_seen = np.ones(stays.n_stays, dtype=bool)
    not_seen[stays.stay[seen]] = False
    _add(not_used, "under_one_period", int(np.bincount(stays.stay)[not_seen].sum()))
    return SpellRows(
        first=(first + shift)[seen],
        last=(last + shift)[seen],
        events=events[seen],
        customer=customer[seen],
        frame=frame[seen],
        clock=clock,
        period=period_in_words(period_days),
        not_used=tuple(not_used),
        caveats=_said(first, last, stays),
    )


def whole_periods(time: FloatArray, length: float) -> FloatArray:
    """Count the whole periods in a time, in the same units as their length; NaN where unknown.

    Examples
    --------
    >>> whole_periods(np.array([59.9, 60.0]), 30.0).tolist()
    [1.0, 2.0]
    """
    return np.asarray(np.floor(time / length + _ROUNDING))


def period_in_words(period_days: float) -> str:
    """Say how long a period is.

    Examples
    --------
    >>> period_in_words(365.25 / 12), period_in_words(7.0)
    ('month', '7 days')
    """
    return "month" if abs(period_days - DAYS_PER_MONTH) < 1e-9 else f"{period_days:g} days"


@dataclass(frozen=True, eq=False, kw_only=True)
class _Stays:
    """Answers in order of customer and time, in stays that end with leaving; times in periods.

    Parameters
    ----------
    stay : numpy.ndarray of int, shape (n,)
        The stay of each answer.
    heads : numpy.ndarray of int, shape (n_stays,)
        The first answer of each stay.
    offset : numpy.ndarray, shape (n,)
        Time of the answer since the first of its stay.
    end : numpy.ndarray, shape (n_stays,)
        When the stay, or our sight of it, ended.
    left : numpy.ndarray of bool, shape (n_stays,)
        Whether by leaving.
    limit : numpy.ndarray, shape (n_stays,)
        Until when it could be followed.
    """

    stay: IntArray
    heads: IntArray
    offset: FloatArray
    end: FloatArray
    left: BoolArray
    limit: FloatArray

    @property
    def n_stays(self) -> int:
        """How many stays there are."""
        return len(self.heads)

    @classmethod
    def of(
        cls, obs: Observations, frame: pd.DataFrame, customer: IntArray, period_days: float
    ) -> _Stays:
        """Sort answers into stays."""
        since = frame["responded_at"] - frame["responded_at"].min()
        time = since.dt.total_seconds().to_numpy(dtype=float) / 86_400 / period_days
        length = frame["duration_days"].to_numpy(dtype=float) / period_days
        event = frame["_event"].to_numpy(dtype=float) > 0
        following = np.append(time[1:], np.inf)
        following[np.append(customer[1:] != customer[:-1], True)] = np.inf
        closes = np.isinf(following) | (event & (time + length <= following + _ROUNDING))
        begins = np.append(True, closes[:-1])
        stay = np.cumsum(begins) - 1
        heads, tails = np.flatnonzero(begins), np.flatnonzero(closes)
        origin = time[heads]
        limit = np.full(len(heads), np.inf)
        if obs.as_of is not None:
            last_day = pd.Timestamp(obs.as_of) + pd.Timedelta(days=1)
            span = last_day - frame["responded_at"].iloc[heads]
            limit = span.dt.total_seconds().to_numpy(dtype=float) / 86_400 / period_days
        return cls(
            stay=stay,
            heads=heads,
            offset=time - origin[stay],
            end=time[tails] + length[tails] - origin,
            left=event[tails],
            limit=limit,
        )

    def spells(self) -> tuple[IntArray, IntArray, BoolArray]:
        """Give the periods in which each answer holds, and whether the customer left in the last.

        Period j runs from j to j + 1 since the stay began; leaving at its very end counts in it.
        """
        final = np.ceil(self.end - _ROUNDING) - 1
        is_seen = self.left & (final + 1 <= self.limit + _ROUNDING)
        whole = np.floor(np.minimum(self.end, self.limit) + _ROUNDING) - 1
        final = np.where(is_seen, np.maximum(final, 0), np.where(self.left, final - 1, whole))
        first = np.ceil(self.offset - _ROUNDING)
        is_tail = np.append(self.stay[1:] != self.stay[:-1], True)
        until = np.where(is_tail, np.inf, np.append(first[1:], 0.0) - 1)
        ends = final[self.stay]
        # the last answer may come too late to hold at the start of any period that is seen
        events = is_seen[self.stay] & (first <= ends) & (ends <= until)
        last = np.minimum(until, ends)
        return first.astype(np.intp), last.astype(np.intp), events


def _clock(frame: pd.DataFrame, stays: _Stays, period_days: float) -> tuple[IntArray, str]:
    """Give what periods are shifted by: tenure at the first answer of the stay, where known."""
    if "tenure_days" not in frame:
        return np.zeros(len(frame), dtype=np.intp), SINCE_ANSWER
    tenure = frame["tenure_days"].to_numpy(dtype=float)[stays.heads]
    if np.isnan(tenure).any() or (tenure < 0).any():
        return np.zeros(len(frame), dtype=np.intp), SINCE_ANSWER
    whole = whole_periods(tenure, period_days).astype(np.intp)
    return whole[stays.stay], SINCE_START


def _joined(obs: Observations) -> SpellRows:
    """Read a joined table: its one window is one period, at the tenure reached before it."""
    rows = read_durations(obs, stage=_STAGE)
    is_open = obs.window_words == "observation window"
    entry = rows.entry_months
    start = rows.months if entry is None else entry
    first = whole_periods(start, 1.0).astype(np.intp)
    return SpellRows(
        first=first,
        last=first,
        events=rows.events,
        customer=rows.customer,
        frame=obs.frame.loc[rows.chosen],
        clock=SINCE_START,
        period="window" if is_open else obs.window_words,
        not_used=rows.not_used,
        caveats=(
            "Rating and churn are of one window, so each customer is one period, compared with "
            "others of the same tenure.",
        ),
    )


def _said(first: IntArray, last: IntArray, stays: _Stays) -> tuple[str, ...]:
    unused = int((last < first).sum())
    if not unused:
        return ()
    return (
        f"{unused:,} answers hold at the start of no whole period that was seen: another came "
        "before it, or the customer had left or was no longer followed.",
    )


def _count(not_used: list[dict[str, Any]], reason: str, out: BoolArray) -> None:
    _add(not_used, reason, int(out.sum()))


def _add(not_used: list[dict[str, Any]], reason: str, n: int) -> None:
    if n:
        not_used.append({"stage": _STAGE, "reason": reason, "n": n})
