"""Whether the retention curve holds beyond what it learnt from: windows after an origin."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import chdtrc

from cxmodel.errors import ConvergenceError, InsufficientDataError
from cxmodel.models.retention.choice import FamilyChoice
from cxmodel.models.retention.curve import RetentionCurve
from cxmodel.models.retention.durations import Durations, read_durations
from cxmodel.models.retention.fit import RetentionFit
from cxmodel.models.retention.model import CLEAR_MISFIT, RetentionModel
from cxmodel.results import NotRun, critical_value
from cxmodel.stats.lifetimes import NAMES
from cxmodel.stats.rates import DAYS_PER_MONTH
from cxmodel.tables.observation_table import Observations
from cxmodel.value.cltv.settings import ValueSettings

FloatArray = npt.NDArray[np.float64]
Rivals = tuple[tuple[float, RetentionFit], ...]
FEWEST = 30  # who left before the origin, and who was still there at it
MOST_WINDOWS = 4
_SURELY, _PERHAPS = 0.01, 0.05
_RIVAL = 0.05  # a family of less weight than this among those that fit is not a rival
_SECONDS_PER_MONTH = DAYS_PER_MONTH * 86_400


@dataclass(frozen=True, eq=False, kw_only=True)
class LaterWindow:
    """One window after the origin.

    Parameters
    ----------
    window : int
        1 for the first after the origin.
    from_day, to_day : datetime.date
        Its first and last day.
    n_at_risk, n_left : int
        Customers there at its start, and those of them who left in it.
    n_left_predicted : float
        Leavers foretold among those there at its start.
    predicted_retention, predicted_low, predicted_high : float
        Share of the customers of the origin foretold to be there at its end, and where the share
        that comes should lie.
    actual_retention : float
        The share that was.
    """

    window: int
    from_day: dt.date
    to_day: dt.date
    n_at_risk: int
    n_left: int
    n_left_predicted: float
    predicted_retention: float
    predicted_low: float
    predicted_high: float
    actual_retention: float

    @property
    def gap(self) -> float:
        """By how much the share foretold lies above the share that came."""
        return self.predicted_retention - self.actual_retention

    def to_dict(self) -> dict[str, Any]:
        """Give the window as plain values."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


@dataclass(frozen=True, eq=False, kw_only=True)
class LaterWindows:
    """A retention curve fitted to what was known at an origin, and held against what came later.

    Parameters
    ----------
    known_until : datetime.date
        The last day that the curve learnt from.
    model : str
        The family that continued it.
    n_learnt, n_left_before : int
        Customers learnt from, and those of them who had left.
    n_customers : int
        Customers still there at the origin, whose staying was foretold.
    windows : tuple of LaterWindow
        In order of time.
    statistic, deg_freedom, p_value : float, int, float
        Chi-squared of leavers against those foretold, over the windows together; the errors of the
        curve and the luck of the customers both count.
    verdict : {"pass", "warn", "fail"}
        See `judge_windows`.
    text : str
        What was found, in a sentence or two.
    """

    known_until: dt.date
    model: str
    n_learnt: int
    n_left_before: int
    n_customers: int
    windows: tuple[LaterWindow, ...]
    statistic: float
    deg_freedom: int
    p_value: float
    verdict: str
    text: str

    def to_section(self) -> dict[str, Any]:
        """Give ``cltv.later_windows`` of ``results.json``."""
        plain = ("known_until", "model", "n_learnt", "n_left_before", "n_customers", "statistic")
        last = ("deg_freedom", "p_value", "verdict", "text")
        return {
            "status": "ok",
            "reason": None,
            **{name: getattr(self, name) for name in (*plain, *last)},
            "rows": [window.to_dict() for window in self.windows],
        }

    def to_frame(self) -> pd.DataFrame:
        """Give one row a window."""
        return pd.DataFrame([window.to_dict() for window in self.windows])


@dataclass(frozen=True, eq=False, kw_only=True)
class Origin:
    """A day at which the data are cut, and who was there.

    Parameters
    ----------
    at : pandas.Timestamp
        Its first moment: what came before is known.
    edges : numpy.ndarray, shape (k + 1,)
        Months from it to the start of the first window and to the end of each.
    known : Durations
        Followed to the origin and no further.
    tenure : numpy.ndarray, shape (n,)
        Months from the response to the origin, of customers still there.
    stayed : numpy.ndarray, shape (n,)
        Months that each of them stayed after it.
    left : numpy.ndarray of bool, shape (n,)
        Whether each of them then left.
    weights : numpy.ndarray, shape (n,)
        How much each of them counts.
    """

    at: pd.Timestamp
    edges: FloatArray
    known: Durations
    tenure: FloatArray
    stayed: FloatArray
    left: npt.NDArray[np.bool_]
    weights: FloatArray


def backtest_windows(
    obs: Observations, whole: RetentionCurve | RetentionFit, settings: ValueSettings
) -> LaterWindows | NotRun:
    """Fit retention to what was known at a day, and foretell who stays in the windows after it.

    Customers who had answered before that day and were still there are followed to the end of the
    data. The day is a whole number of outcome windows before that end: as many, up to 4, as leave
    30 who left to learn from. The family is chosen anew from what was known then, unless it was
    asked for.

    Parameters
    ----------
    obs : Observations
        With dates.
    whole : RetentionCurve or RetentionFit
        What values customers: fitted again, to less.
    settings : ValueSettings
        The draws, and the smallest group that is shown.
    """
    if isinstance(whole, RetentionCurve):
        return NotRun("the retention curve was given as numbers: nothing can be fitted to less")
    reason = _no_dates(obs)
    if reason or obs.as_of is None:
        return NotRun(reason)
    origin = find_origin(obs, obs.as_of)
    if isinstance(origin, NotRun):
        return origin
    model = RetentionModel(
        family=whole.family if whole.is_asked_for else "auto",
        n_draws=settings.n_draws,
        seed=settings.seed,
    )
    try:
        fits = fit_rivals(model, origin.known, obs)
    except (InsufficientDataError, ConvergenceError) as error:
        return NotRun(f"no curve could be fitted to what was known on {_day(origin)}: {error}")
    return judge_windows(origin, fits, min_group_size=obs.min_group_size)


def fit_rivals(model: RetentionModel, known: Durations, obs: Observations) -> Rivals:
    """Fit the family that is chosen, and with a weight each those it was hardly told from.

    A few dozen leavers seldom tell families apart, and families that fit alike part ways beyond the
    data. The weights are those of Akaike, exp(-AIC / 2) as shares (Burnham & Anderson 2002).
    """

    def fitted(family: FamilyChoice) -> RetentionFit:
        return replace(model, family=family).fit_durations(
            known, min_at_risk=obs.min_group_size, conf_level=obs.conf_level
        )

    first = fitted(model.family)
    if model.family != "auto":
        return ((1.0, first),)
    aic = {row.family: row.aic for row in first.families if row.aic is not None and not row.note}
    aic = aic or {first.family: 0.0}
    least = min(aic.values())
    weight = {family: float(np.exp((least - own) / 2)) for family, own in aic.items()}
    weight = {family: own / sum(weight.values()) for family, own in weight.items()}
    others = [family for family in weight if family != first.family and weight[family] >= _RIVAL]
    shares = np.array([weight.get(first.family, 1.0), *(weight[family] for family in others)])
    fits = (first, *(fitted(family) for family in others))
    return tuple(zip((shares / shares.sum()).tolist(), fits, strict=True))


def later_caveats(found: LaterWindows | NotRun) -> tuple[str, ...]:
    """Give the sentence of a curve that did not hold; nothing where it held or was not tried."""
    return (found.text,) if isinstance(found, LaterWindows) and found.verdict == "fail" else ()


def _no_dates(obs: Observations) -> str:
    if obs.is_joined or obs.as_of is None or not obs.has("responded_at"):
        return "a table already joined is one moment: there is no later window to foretell"
    if obs.churn_rule == "inactivity":
        return (
            "leaving is read from silence, so what was known at a day cannot be told from what "
            "became known later"
        )
    return "" if obs.has("duration_days", "_event") else "nothing says how long customers stayed"


def find_origin(obs: Observations, as_of: dt.date) -> Origin | NotRun:
    """Choose the earliest day, up to 4 windows before the end, with enough on both sides."""
    every = read_durations(obs, stage="cltv")
    least = max(FEWEST, obs.min_group_size)
    end = pd.Timestamp(as_of) + pd.Timedelta(days=1)
    for n_windows in range(MOST_WINDOWS, 0, -1):
        origin = cut_at(obs, every, end, n_windows)
        n_left, n_there = int(origin.known.events.sum()), origin.tenure.size
        if n_left >= least and n_there >= least:
            return origin
    return NotRun(
        f"history is too short: {obs.window_words} before the end {n_left} customers had left and "
        f"{n_there} were still there; {least} of each are needed"
    )


def cut_at(obs: Observations, every: Durations, end: pd.Timestamp, n_windows: int) -> Origin:
    """Cut the data so many outcome windows before their end."""
    length = obs.windows.outcome_days
    at = end - pd.Timedelta(days=n_windows * length)
    answered = obs.frame.loc[every.chosen, "responded_at"]
    before = ((at - answered).dt.total_seconds() / _SECONDS_PER_MONTH).to_numpy(dtype=float)
    had_left = every.events & (every.months < before)
    asked = before > 0
    known = replace(
        every.only(asked),
        months=np.minimum(every.months, before)[asked],
        events=had_left[asked],
        followed_months=before[asked],
    )
    there = asked & ~had_left
    return Origin(
        at=at,
        edges=np.arange(n_windows + 1) * length / DAYS_PER_MONTH,
        known=known,
        tenure=before[there],
        stayed=(every.months - before)[there],
        left=every.events[there],
        weights=every.weights[there],
    )


def judge_windows(origin: Origin, fits: Rivals, *, min_group_size: int = 30) -> LaterWindows:
    """Hold leavers in each window against those foretold at the origin.

    In each window those there at its start are compared with their own chances of leaving in it, so
    that windows are independent but for the errors of the curve. These its draws give, and the
    draws of the families it was hardly told from. Leavers are compared as logarithms, in which few
    are nearer to normal. *fail*: p < .01 over all windows, and a share still there that is over 5
    points off. *warn*: p < .05. *pass* otherwise.

    Parameters
    ----------
    origin : Origin
        Who was there, and what became of them.
    fits : tuple of (float, RetentionFit)
        Fitted to `origin.known`; the first foretells, the weights say how draws are shared out.
    min_group_size : int
        Windows that fewer customers reached are not shown.
    """
    fit = fits[0][1]
    stays = _stays(origin, fits)  # (1 + draws, n, k + 1)
    start = origin.edges[:-1, None] <= origin.stayed + 1e-9
    gone = origin.left & (origin.stayed < origin.edges[1:, None] - 1e-9) & start
    shown = np.cumprod(start.sum(axis=1) >= min_group_size).astype(bool)
    was, then = stays[:, :, :-1], stays[:, :, 1:]
    loss = 1 - np.divide(then, was, out=np.zeros_like(then), where=was > 0)
    statistic = leaver_statistic(loss, start[shown], gone[shown], origin.weights)
    p_value = float(chdtrc(int(shown.sum()), statistic))
    windows = tuple(
        _window(origin, fit.conf_level, stays, start, gone, loss[0], k)
        for k in range(int(shown.sum()))
    )
    verdict = _verdict(p_value, windows)
    return LaterWindows(
        known_until=_day(origin),
        model=NAMES[fit.family],
        n_learnt=fit.n_obs,
        n_left_before=fit.n_events,
        n_customers=origin.tenure.size,
        windows=windows,
        statistic=statistic,
        deg_freedom=int(shown.sum()),
        p_value=p_value,
        verdict=verdict,
        text=_words(verdict, p_value, windows, origin),
    )


def leaver_statistic(
    loss: FloatArray,
    start: npt.NDArray[np.bool_],
    gone: npt.NDArray[np.bool_],
    weights: FloatArray,
) -> float:
    """Compare leavers with those foretold, over the windows together: chi-squared.

    Parameters
    ----------
    loss : numpy.ndarray, shape (1 + draws, n, k')
        Chance of leaving in each window of who is there at its start: foretold, then drawn.
    start, gone : numpy.ndarray of bool, shape (k, n)
        Who was there at the start of each window, and who of them left in it; k is k' or less.
    weights : numpy.ndarray, shape (n,)
        How much each customer counts.
    """
    loss = loss[:, :, : len(start)]
    expected = np.einsum("dnk,kn->dk", loss, start * weights)
    came = gone @ weights
    luck = np.einsum("nk,kn->k", loss[0] * (1 - loss[0]), start * weights**2)
    half = weights.mean() / 2  # so that no leaver at all has a logarithm
    logs = np.log(expected + half)
    drawn = logs[1:] - logs[0]
    middle = (expected[0] + half) * ((came + expected[0]) / 2 + half)
    spread = drawn.T @ drawn / len(drawn) + np.diag(luck / middle)
    away = np.log(came + half) - logs[0]
    return float(away @ np.linalg.solve(spread, away))


def _stays(origin: Origin, fits: Rivals) -> FloatArray:
    """Give each customer's chance of being there at the edges: by the curve, then by the draws."""
    reach = int(np.ceil(origin.tenure.max() + origin.edges[-1])) + 1
    curves = [fit.curve(reach) for _, fit in fits]
    ends = np.round(np.cumsum([share for share, _ in fits]) * len(curves[0].draws)).astype(int)
    curve, starts = curves[0], [0, *ends[:-1]]
    every = np.vstack(
        [curve.retention] + [one.draws[a:b] for one, a, b in zip(curves, starts, ends, strict=True)]
    )
    tenths, place = np.unique(np.round(origin.tenure, 1), return_inverse=True)
    at = tenths[:, None] + origin.edges  # a tenth of a month keeps the distinct tenures few
    found = np.stack([np.interp(at, curve.months, row) for row in every])
    first = found[:, :, :1]
    return np.asarray(
        np.divide(found, first, out=np.zeros_like(found), where=first > 0)[:, place], dtype=float
    )


def _window(
    origin: Origin,
    conf_level: float,
    stays: FloatArray,
    start: npt.NDArray[np.bool_],
    gone: npt.NDArray[np.bool_],
    loss: FloatArray,
    k: int,
) -> LaterWindow:
    share = origin.weights / origin.weights.sum()
    foretold = stays[:, :, k + 1] @ share
    chance = stays[0, :, k + 1]
    of_curve = np.mean((foretold[1:] - foretold[0]) ** 2)
    error = np.sqrt(of_curve + share**2 @ (chance * (1 - chance)))
    half = critical_value(conf_level) * float(error)
    still_there = ~(origin.left & (origin.stayed < origin.edges[k + 1] - 1e-9))
    there = share * start[k]
    days = origin.edges[[k, k + 1]] * DAYS_PER_MONTH
    first, past = (origin.at + pd.Timedelta(days=round(float(day))) for day in days)
    return LaterWindow(
        window=k + 1,
        from_day=first.date(),
        to_day=past.date() - dt.timedelta(days=1),
        n_at_risk=int(start[k].sum()),
        n_left=int(gone[k].sum()),
        n_left_predicted=float(start[k].sum() * (there @ loss[:, k]) / there.sum()),
        predicted_retention=float(foretold[0]),
        predicted_low=max(float(foretold[0]) - half, 0.0),
        predicted_high=min(float(foretold[0]) + half, 1.0),
        actual_retention=float(share @ still_there),
    )


def _verdict(p_value: float, windows: Sequence[LaterWindow]) -> str:
    furthest = max(abs(window.gap) for window in windows)
    if p_value < _SURELY and furthest > CLEAR_MISFIT:
        return "fail"
    return "warn" if p_value < _PERHAPS else "pass"


def _words(verdict: str, p_value: float, windows: Sequence[LaterWindow], origin: Origin) -> str:
    shown = max(windows, key=lambda one: abs(one.gap)) if verdict != "pass" else windows[-1]
    n_windows = "1 later window" if len(windows) == 1 else f"{len(windows)} later windows"
    chance = "p under 0.001" if p_value < 0.001 else f"p = {p_value:.3f}"
    said = (
        f"Fitted to what was known on {_day(origin)}, the curve foretold that "
        f"{shown.predicted_retention:.0%} ({shown.predicted_low:.0%} to "
        f"{shown.predicted_high:.0%}) of the {origin.tenure.size:,} customers of that day would be "
        f"there on {shown.to_day}; {shown.actual_retention:.0%} were. "
    )
    if verdict == "fail":
        return said + (
            f"Over {n_windows} that is further off than chance allows ({chance}): customers leave "
            "otherwise than they did, so do not plan with retention beyond the months observed."
        )
    if verdict == "warn":
        return said + f"Over {n_windows} it is off by more than chance ({chance})."
    return said + f"Over {n_windows} it is off by no more than chance ({chance})."


def _day(origin: Origin) -> dt.date:
    return (origin.at - pd.Timedelta(days=1)).date()
