"""What was foretold from what was known at a date, beside what came."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from cxmodel.results import Estimate, NotRun
from cxmodel.tables.observation_table import Observations
from cxmodel.value.cltv.past_spending import FEWEST_DAYS, PastSpending, SpendingLine
from cxmodel.value.cltv.rows import SpendRows
from cxmodel.value.cltv.settings import ValueSettings

FloatArray = npt.NDArray[np.float64]
FEWEST = 30  # customers to learn from, and customers to foretell


@dataclass(frozen=True, eq=False, kw_only=True)
class Forecasts:
    """Money per customer over a holdout period; a row stands for `n_customers` alike.

    Parameters
    ----------
    predicted, actual, baseline : numpy.ndarray, shape (n,)
        By the model, what came, and by the plain rule.
    n_customers : numpy.ndarray, shape (n,)
        Customers behind each row.
    """

    predicted: FloatArray
    actual: FloatArray
    baseline: FloatArray
    n_customers: FloatArray


@dataclass(frozen=True, eq=False, kw_only=True)
class Backtest:
    """A forecast held against what came.

    Parameters
    ----------
    known_until : datetime.date
        The last day that the model learnt from.
    n_learnt, n_customers : int
        Customers learnt from, and customers foretold.
    holdout_days : float
        How long the period was that was foretold.
    predicted, actual, baseline : Estimate
        Mean money per customer: of the model, of what came, of the plain rule.
    total_error : Estimate or NotRun
        100 x (sum foretold / sum that came - 1), percent.
    mean_absolute_error, baseline_error : Estimate
        Mean distance from what came, of the model and of the plain rule.
    gain : Estimate
        How much nearer the model came than the plain rule, per customer.
    deciles : list of dict
        Customers in order of the forecast: ``decile, n_customers, predicted, actual, conf_low,
        conf_high`` (of actual).
    baseline_words : str
        What the plain rule is.
    """

    known_until: dt.date
    n_learnt: int
    n_customers: int
    holdout_days: float
    predicted: Estimate
    actual: Estimate
    baseline: Estimate
    total_error: Estimate | NotRun
    mean_absolute_error: Estimate
    baseline_error: Estimate
    gain: Estimate
    deciles: list[dict[str, Any]]
    baseline_words: str

    def to_section(self) -> dict[str, Any]:
        """Give ``cltv.backtest`` of ``results.json``."""
        return {
            "status": "ok",
            "reason": None,
            "known_until": self.known_until,
            "holdout_days": self.holdout_days,
            "n_learnt": self.n_learnt,
            "n_customers": self.n_customers,
            "predicted": self.predicted,
            "actual": self.actual,
            "baseline": self.baseline,
            "baseline_is": self.baseline_words,
            "total_error": self.total_error,
            "mean_absolute_error": self.mean_absolute_error,
            "baseline_mean_absolute_error": self.baseline_error,
            "gain_over_baseline": self.gain,
            "deciles": {"rows": self.deciles},
        }

    def to_frame(self) -> pd.DataFrame:
        """Give one row a decile."""
        return pd.DataFrame(self.deciles)


def judge(
    forecasts: Forecasts,
    settings: ValueSettings,
    *,
    known_until: dt.date,
    holdout_days: float,
    n_learnt: int,
    baseline_words: str,
) -> Backtest:
    """Hold forecasts against what came; errors are over customers, each counted by itself."""
    n = forecasts.n_customers
    unit = f"{settings.currency} {settings.benefit} per customer over {holdout_days:g} days"
    total = int(n.sum())

    def mean(values: FloatArray) -> Estimate:
        value = float(n @ values / n.sum())
        spread = float(n @ (values - value) ** 2 / max(n.sum() - 1, 1))
        return Estimate.from_std_error(
            value,
            math.sqrt(spread / n.sum()),
            unit=unit,
            n_obs=total,
            conf_level=settings.conf_level,
        )

    own = np.abs(forecasts.predicted - forecasts.actual)
    plain = np.abs(forecasts.baseline - forecasts.actual)
    return Backtest(
        known_until=known_until,
        n_learnt=n_learnt,
        n_customers=total,
        holdout_days=holdout_days,
        predicted=mean(forecasts.predicted),
        actual=mean(forecasts.actual),
        baseline=mean(forecasts.baseline),
        total_error=_total_error(forecasts, settings),
        mean_absolute_error=mean(own),
        baseline_error=mean(plain),
        gain=mean(plain - own),
        deciles=deciles(forecasts, settings.min_group_size, settings.conf_level),
        baseline_words=baseline_words,
    )


def _total_error(forecasts: Forecasts, settings: ValueSettings) -> Estimate | NotRun:
    """Give the error of the sum in percent; that of a ratio by the delta method."""
    n = forecasts.n_customers
    came = float(n @ forecasts.actual)
    if came <= 0:
        return NotRun(f"what came is {came:,.2f} in all, so an error in percent means nothing")
    ratio = float(n @ forecasts.predicted) / came
    error = math.sqrt(float(n @ (forecasts.predicted - ratio * forecasts.actual) ** 2)) / came
    return Estimate.from_std_error(
        100 * (ratio - 1),
        100 * error,
        unit="percent of what came",
        n_obs=int(n.sum()),
        conf_level=settings.conf_level,
    )


def deciles(forecasts: Forecasts, min_group_size: int, conf_level: float) -> list[dict[str, Any]]:
    """Cut customers into tenths by the forecast; equal forecasts stay together.

    There are fewer parts where a tenth would hold under `min_group_size` customers.
    """
    n = forecasts.n_customers
    n_parts = int(max(1, min(10, n.sum() // max(min_group_size, 1))))
    order = np.argsort(forecasts.predicted, kind="stable")
    ahead = forecasts.predicted[order]
    ends = np.flatnonzero(np.append(np.diff(ahead) > 0, True))
    so_far = np.cumsum(n[order])[ends]
    tenth = n.sum() / n_parts
    least = max(tenth / 2, min(min_group_size, n.sum()))
    cuts: list[int] = []
    taken, target = 0.0, tenth
    for end, reached in zip(ends, so_far, strict=True):
        if reached >= target - 1e-9 and reached - taken >= least:
            cuts.append(int(end) + 1)
            taken, target = float(reached), tenth * (np.floor(reached / tenth + 1e-9) + 1)
    if not cuts or cuts[-1] < len(order):  # too few are left for a part of their own
        cuts = [*cuts[:-1], len(order)]
    starts = [0, *cuts[:-1]]
    return [
        _part(forecasts, order[start:end], place, conf_level)
        for place, (start, end) in enumerate(zip(starts, cuts, strict=True), start=1)
    ]


def _part(
    forecasts: Forecasts, rows: npt.NDArray[np.intp], place: int, conf_level: float
) -> dict[str, Any]:
    n = forecasts.n_customers[rows]
    actual = float(n @ forecasts.actual[rows] / n.sum())
    spread = float(n @ (forecasts.actual[rows] - actual) ** 2 / max(n.sum() - 1, 1))
    found = Estimate.from_std_error(
        actual, math.sqrt(spread / n.sum()), unit="", conf_level=conf_level
    )
    return {
        "decile": place,
        "n_customers": int(n.sum()),
        "predicted": float(n @ forecasts.predicted[rows] / n.sum()),
        "actual": actual,
        "conf_low": found.conf_low,
        "conf_high": found.conf_high,
    }


def backtest_contract(
    obs: Observations, rows: SpendRows, settings: ValueSettings
) -> Backtest | NotRun:
    """Foretell the window of late responses from responses whose windows were over before them.

    Spending before counts per day observed: a customer who started inside the window before the
    response was not seen for the rest of it. How long customers stay beyond one window is another
    question: see ``later_windows.py``.

    Parameters
    ----------
    obs : Observations
        With dates.
    rows : SpendRows
        One response a customer, its window over.
    settings : ValueSettings
        What counts.
    """
    if rows.is_monthly or not obs.has("responded_at"):
        return NotRun(
            "a table already joined is one moment: there is no later period to hold a forecast "
            "against"
        )
    if not obs.has("revenue_before"):
        return NotRun("nothing is known of revenue before the response to foretell from")
    at = pd.to_datetime(obs.frame.loc[rows.chosen, "responded_at"]).to_numpy()
    window = np.timedelta64(obs.windows.gap_days + obs.windows.outcome_days, "D")
    day = _best_day(at, window)
    learnt, ahead = at + window <= day, at >= day
    n_spend = int((rows.amount[learnt] != 0).sum())
    if min(int(learnt.sum()), int(ahead.sum())) < FEWEST or n_spend < 10:
        return NotRun(
            f"history is too short: {int(learnt.sum())} customers have an outcome window that was "
            f"over ({n_spend} with revenue) before {int(ahead.sum())} others answered; {FEWEST} of "
            "each are needed"
        )
    before, share = PastSpending.of(obs).only(rows.chosen), settings.share
    line = SpendingLine.fit(before.only(learnt), rows.amount[learnt], rows.weights[learnt])
    later = before.only(ahead)
    same = obs.windows.outcome_days / obs.windows.lookback_days
    forecasts = Forecasts(
        predicted=share * line.predict(later),
        actual=share * rows.amount[ahead],
        baseline=share * same * np.where(later.is_known, later.amount, line.mean_before),
        n_customers=np.ones(int(ahead.sum())),
    )
    return judge(
        forecasts,
        settings,
        known_until=pd.Timestamp(day).date() - dt.timedelta(days=1),
        holdout_days=float(obs.windows.outcome_days),
        n_learnt=int(learnt.sum()),
        baseline_words=_plain_rule(later),
    )


def _plain_rule(later: PastSpending) -> str:
    if not later.is_partial.any():
        return "as much as in the period before"
    mean = f"; the mean for those observed under {FEWEST_DAYS:g} days"
    return f"as much a day as in the days observed before{'' if later.is_known.all() else mean}"


def _best_day(at: npt.NDArray[Any], window: Any) -> Any:
    """Choose the day that leaves most to learn from and most to foretell: the larger smaller."""
    days = np.unique(
        np.quantile(at.astype("datetime64[s]").astype(np.int64), np.arange(5, 96) / 100)
    )
    seconds = at.astype("datetime64[s]").astype(np.int64)
    span = window / np.timedelta64(1, "s")
    smaller = [min(int((seconds + span <= day).sum()), int((seconds >= day).sum())) for day in days]
    best = int(days[int(np.argmax(smaller))])
    return np.datetime64(best, "s").astype("datetime64[D]")
