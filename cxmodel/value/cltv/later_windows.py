"""Whether the retention curve holds beyond what it learnt from: windows after an origin."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import chdtrc

from cxmodel.errors import ConvergenceError, InsufficientDataError
from cxmodel.models.retention.choice import FamilyChoice
from cxmodel.models.retention.curve import RetentionCurve
from cxmodel.models.retention.durations import Durations
from cxmodel.models.retention.fit import RetentionFit
from cxmodel.models.retention.fit_caveats import CLEAR_MISFIT
from cxmodel.models.retention.model import RetentionModel
from cxmodel.results import NotRun, critical_value
from cxmodel.stats.lifetimes import NAMES
from cxmodel.stats.rates import DAYS_PER_MONTH
from cxmodel.tables.later_revenue import Ledger
from cxmodel.tables.observation_table import Observations
from cxmodel.value.cltv.later_origin import Origin, find_origin, no_later_windows
from cxmodel.value.cltv.later_result import LaterWindow, LaterWindows
from cxmodel.value.cltv.later_revenue import with_revenue
from cxmodel.value.cltv.rows import SpendRows
from cxmodel.value.cltv.settings import ValueSettings

FloatArray = npt.NDArray[np.float64]
Rivals = tuple[tuple[float, RetentionFit], ...]
_SURELY, _PERHAPS = 0.01, 0.05
_RIVAL = 0.05  # a family of less weight than this among those that fit is not a rival


def backtest_windows(
    obs: Observations,
    whole: RetentionCurve | RetentionFit,
    settings: ValueSettings,
    rows: SpendRows | None = None,
    ledger: Ledger | None = None,
) -> LaterWindows | NotRun:
    """Fit retention to what was known at a day, and foretell who stays in the windows after it.

    Customers who had answered before that day and were still there are followed to the end of the
    data, 1 to 4 outcome windows later (`find_origin`). The family is chosen anew from what was
    known then, unless it was asked for.

    Parameters
    ----------
    obs : Observations
        With dates.
    whole : RetentionCurve or RetentionFit
        What values customers: fitted again, to less.
    settings : ValueSettings
        The draws, and the smallest group that is shown.
    rows : SpendRows, optional
        What customers spent after their responses.
    ledger : Ledger, optional
        With `rows`: money is foretold too, and held against the ledger.
    """
    if isinstance(whole, RetentionCurve):
        return NotRun("the retention curve was given as numbers: nothing can be fitted to less")
    reason = no_later_windows(obs)
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
        return NotRun(f"no curve could be fitted to what was known on {origin.last_day}: {error}")
    found = judge_windows(origin, fits, min_group_size=obs.min_group_size)
    if rows is None or ledger is None or not obs.has("customer_id"):
        return found
    there = months_there(origin, fits)
    return with_revenue(found, origin, fits[0][1], there, obs, rows, ledger, settings)


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
    found = [(weight.get(first.family, 1.0), first)]
    for family in weight:
        if family != first.family and weight[family] >= _RIVAL:
            try:
                found.append((weight[family], fitted(family)))
            except ConvergenceError:
                continue  # no maximum with redrawn customers: left aside, as in the choice
    total = sum(share for share, _ in found)
    return tuple((share / total, fit) for share, fit in found)


def judge_windows(origin: Origin, fits: Rivals, *, min_group_size: int = 30) -> LaterWindows:
    """Hold leavers in each window against those foretold at the origin.

    In each window those there at its start are compared with their own chances of leaving in it, so
    that windows are independent but for the errors of the curve. These its draws give, and the
    draws of the families it was hardly told from. *fail*: p < .01 over all windows, and a share
    still there that is over 5 points off. *warn*: p < .05. *pass* otherwise.

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
    there = Followed.of(origin, min_group_size)
    stays = _stays(there.tenure, origin.edges, fits)  # (1 + draws, tenures, k + 1)
    was, then = stays[:, :, :-1], stays[:, :, 1:]
    loss = 1 - np.divide(then, was, out=np.zeros_like(then), where=was > 0)
    statistic = leaver_statistic(loss[:, :, : there.n_windows], there)
    windows = tuple(
        _window(origin, there, stays, loss[0], k, fit.conf_level) for k in range(there.n_windows)
    )
    p_value = float(chdtrc(there.n_windows, statistic))
    verdict = _verdict(p_value, windows)
    return LaterWindows(
        known_until=origin.last_day,
        model=NAMES[fit.family],
        n_learnt=fit.n_obs,
        n_left_before=fit.n_events,
        n_customers=origin.tenure.size,
        windows=windows,
        statistic=statistic,
        deg_freedom=there.n_windows,
        p_value=p_value,
        verdict=verdict,
        text=_words(verdict, p_value, windows, origin),
    )


@dataclass(frozen=True, eq=False, kw_only=True)
class Followed:
    """Customers of the origin by tenure, and what became of them window by window.

    Parameters
    ----------
    tenure : numpy.ndarray, shape (u,)
        Months from the response to the origin, in tenths, which keeps distinct ones few.
    weights, squares : numpy.ndarray, shape (k, u)
        Of those there at the start of each window: the sums of their weights, and of these squared.
    came : numpy.ndarray, shape (k,)
        Weight of those who left in each window.
    still : numpy.ndarray, shape (k,)
        Share of the customers of the origin who were there at the end of each window.
    n_at_risk, n_left : numpy.ndarray of int, shape (k,)
        Customers at the start, and those of them who left.
    """

    tenure: FloatArray
    weights: FloatArray
    squares: FloatArray
    came: FloatArray
    still: FloatArray
    n_at_risk: npt.NDArray[np.int64]
    n_left: npt.NDArray[np.int64]

    @property
    def n_windows(self) -> int:
        """How many windows enough customers reached."""
        return len(self.came)

    @classmethod
    def of(cls, origin: Origin, min_group_size: int) -> Followed:
        """Count them, up to the first window that too few reached."""
        tenure, place = np.unique(np.round(origin.tenure, 1), return_inverse=True)
        edges, w = origin.edges[:, None], origin.weights
        gone = origin.left & (origin.stayed < edges[1:] - 1e-9)  # by the end of each window
        start = ~np.vstack([np.zeros((1, w.size), dtype=bool), gone[:-1]])
        n_at_risk = start.sum(axis=1)
        shown = max(int(np.cumprod(n_at_risk >= min_group_size).sum()), 1)
        start, gone = start[:shown], gone[:shown]
        left = gone & start
        return cls(
            tenure=tenure,
            weights=np.vstack([np.bincount(place, w * one, tenure.size) for one in start]),
            squares=np.vstack([np.bincount(place, w**2 * one, tenure.size) for one in start]),
            came=left @ w,
            still=1 - gone @ w / w.sum(),
            n_at_risk=n_at_risk[:shown],
            n_left=left.sum(axis=1),
        )


def leaver_statistic(loss: FloatArray, there: Followed) -> float:
    """Compare leavers with those foretold, over the windows together: chi-squared.

    They are compared as logarithms, in which few leavers are nearer to normal.

    Parameters
    ----------
    loss : numpy.ndarray, shape (1 + draws, u, k)
        Chance of leaving in each window of who is there at its start: foretold, then drawn.
    there : Followed
        Who was there at the start of each window, and who left in it.
    """
    expected = np.einsum("duk,ku->dk", loss, there.weights)
    luck = np.einsum("uk,ku->k", loss[0] * (1 - loss[0]), there.squares)
    half = there.weights[0].sum() / there.n_at_risk[0] / 2  # so that no leaver has a logarithm
    luck = np.maximum(luck, half**2)  # where nobody could leave, half a customer still is no proof
    logs = np.log(expected + half)
    drawn = logs[1:] - logs[0]
    middle = (expected[0] + half) * ((there.came + expected[0]) / 2 + half)
    spread = drawn.T @ drawn / len(drawn) + np.diag(luck / middle)
    away = np.log(there.came + half) - logs[0]
    return float(away @ np.linalg.solve(spread, away))


def months_there(origin: Origin, fits: Rivals) -> FloatArray:
    """Give the months that a customer of the origin is there in each window: (1 + draws, k)."""
    there = Followed.of(origin, 1)
    n_windows, n_steps = origin.edges.size - 1, 6
    at = np.linspace(0.0, origin.edges[-1], n_windows * n_steps + 1)
    share = there.weights[0] / there.weights[0].sum()
    stays = np.einsum("dut,u->dt", _stays(there.tenure, at, fits), share)
    steps = (stays[:, :-1] + stays[:, 1:]) / 2 * np.diff(at)
    return np.asarray(steps.reshape(len(stays), n_windows, n_steps).sum(axis=2), dtype=float)


def _stays(tenure: FloatArray, edges: FloatArray, fits: Rivals) -> FloatArray:
    """Give the chance of being there at some months, by tenure: by the curve, then by the draws."""
    reach = int(np.ceil(tenure.max() + edges[-1])) + 1
    curves = [fit.curve(reach) for _, fit in fits]
    ends = np.round(np.cumsum([share for share, _ in fits]) * len(curves[0].draws)).astype(int)
    parts = zip(curves, [0, *ends[:-1]], ends, strict=True)
    every = np.vstack([curves[0].retention, *(one.draws[a:b] for one, a, b in parts)])
    at = tenure[:, None] + edges
    found = np.stack([np.interp(at, curves[0].months, row) for row in every])
    first = found[:, :, :1]
    return np.asarray(np.divide(found, first, out=np.zeros_like(found), where=first > 0))


def _window(
    origin: Origin, there: Followed, stays: FloatArray, loss: FloatArray, k: int, conf_level: float
) -> LaterWindow:
    total = there.weights[0].sum()
    foretold = stays[:, :, k + 1] @ there.weights[0] / total
    chance = stays[0, :, k + 1]
    luck = chance * (1 - chance) @ there.squares[0] / total**2
    of_curve = np.mean((foretold[1:] - foretold[0]) ** 2)
    half = critical_value(conf_level) * float(np.sqrt(of_curve + luck))
    days = origin.edges[[k, k + 1]] * DAYS_PER_MONTH
    first, past = (origin.at + pd.Timedelta(days=round(float(day))) for day in days)
    share_lost = there.weights[k] @ loss[:, k] / there.weights[k].sum()
    return LaterWindow(
        window=k + 1,
        from_day=first.date(),
        to_day=past.date() - dt.timedelta(days=1),
        n_at_risk=int(there.n_at_risk[k]),
        n_left=int(there.n_left[k]),
        n_left_predicted=float(there.n_at_risk[k] * share_lost),
        predicted_retention=float(foretold[0]),
        predicted_low=max(float(foretold[0]) - half, 0.0),
        predicted_high=min(float(foretold[0]) + half, 1.0),
        actual_retention=float(there.still[k]),
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
        f"Fitted to what was known on {origin.last_day}, the curve foretold that "
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
