"""How long customers without a contract were there in the outcome window, and what a point adds.

Nobody without a contract says when they leave: they are there at a moment if they booked in the
days before it that the study allows (methods, section 1). The observations know this on some days
of the window and at its end. From these days the share of the window that customers were there is
taken by the trapezoid rule, and so is what a rating point adds to it. A retention curve would say
it worse: a booking is missed only after the days allowed, so that what a point changes shows late
in the window, not in proportion to the hazard.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from cxmodel.errors import CxModelError
from cxmodel.models.lift_fit import fit_lift
from cxmodel.models.lift_settings import LiftSettings
from cxmodel.results import NotRun
from cxmodel.tables.observation_table import Observations
from cxmodel.value.cltv.drawn_lifts import DrawPlan, weighted_draws
from cxmodel.value.cltv.rows import SpendRows, read_spend

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False, kw_only=True)
class Presence:
    """The share of the window that customers at risk were there, with its draws.

    Parameters
    ----------
    share, share_draws : numpy.ndarray, shape (1,) and (k,)
        As things are.
    before_end, before_end_draws : numpy.ndarray, shape (1,) and (k,)
        What a rating point adds to the share through the days before the window's last.
    weight_of_end : float
        What a lift of staying to the window's end adds to the share.
    """

    share: FloatArray
    share_draws: FloatArray
    before_end: FloatArray
    before_end_draws: FloatArray
    weight_of_end: float


@dataclass(frozen=True, eq=False, kw_only=True)
class KnownDays:
    """The days of the window on which it is known who was there, and the weight of each.

    Parameters
    ----------
    names : tuple of str
        Columns of the observations, of the days between start and end.
    between : numpy.ndarray, shape (d,)
        Their weights.
    start, end : float
        Weights of the first moment, when everybody at risk is there, and of the last.

    Examples
    --------
    Of 180 days, with days 30, 60 and 90 known:

    >>> days = KnownDays.of(("_present_g30", "_present_g60", "_present_g90"), (30, 60, 90), 180)
    >>> round(days.start * 180), (days.between * 180).round().tolist(), round(days.end * 180)
    (15, [30.0, 30.0, 60.0], 45)
    """

    names: tuple[str, ...]
    between: FloatArray
    start: float
    end: float

    @classmethod
    def of(cls, names: tuple[str, ...], days: tuple[int, ...], window_days: int) -> KnownDays:
        """Weigh the days by the trapezoid rule, as shares of the window."""
        edges = np.array([0, *days, window_days], dtype=float)
        steps = np.diff(edges) / window_days
        weights = np.append(steps, 0.0) / 2 + np.append(0.0, steps) / 2
        return cls(
            names=names,
            between=weights[1:-1],
            start=float(weights[0]),
            end=float(weights[-1]),
        )

    @classmethod
    def in_table(cls, obs: Observations) -> KnownDays:
        """Find the days that a table knows of: those of the `timing` check."""
        windows = obs.windows
        known = {
            gap - windows.gap_days: f"_present_g{gap}"
            for gap in windows.timing_gaps
            if 0 < gap - windows.gap_days < windows.outcome_days and obs.has(f"_present_g{gap}")
        }
        return cls.of(tuple(known.values()), tuple(known), windows.outcome_days)

    def before_end(self, obs: Observations, rows: npt.NDArray[Any]) -> FloatArray:
        """Give the share of the window that the days between make, for some rows of the table."""
        total = np.zeros(len(rows))
        for name, weight in zip(self.names, self.between, strict=True):
            total += weight * obs.frame[name].to_numpy(dtype=float)[rows]
        return total


def find_presence(
    obs: Observations, plan: DrawPlan, settings: LiftSettings | None = None
) -> Presence | NotRun:
    """Measure how long customers at risk were there, and what a rating point adds to it.

    The lift has the rows, the controls and the model of the lift of retention.

    Parameters
    ----------
    obs : Observations
        Of a study in which missing bookings alone say who left.
    plan : DrawPlan
        Of the chain.
    settings : LiftSettings, optional
        How the lift of retention was asked for.

    Returns
    -------
    Presence or NotRun
        With the reason, where the table does not know who was there on the way, or no lift of
        retention can be fitted.
    """
    days = KnownDays.in_table(obs)
    if not days.names or not obs.has("churned"):
        return NotRun("the table does not say who was there on days within the window")
    try:
        fit = fit_lift(obs, "retention", settings)
        there = _share_there(obs, read_spend(obs), days)
    except CxModelError as error:
        return NotRun(str(error))
    lift = fit.refit(fit.sample_of(fit.rows, days.before_end(obs, fit.rows)), link="linear").slope
    # the customers of a fit come in the order of the plan's, those who did not answer behind them
    noise = weighted_draws(lift.influence[:, None], plan)[:, 0]
    return Presence(
        share=np.array([there.mean()]),
        share_draws=there.redrawn_means(plan.n_draws, plan.seed),
        before_end=np.array([lift.value]),
        before_end_draws=lift.value + noise,
        weight_of_end=days.end,
    )


def _share_there(obs: Observations, spent: SpendRows, days: KnownDays) -> SpendRows:
    """Put the share of the window each customer was there where the money stood."""
    rows = np.flatnonzero(spent.chosen)
    stayed = 1.0 - obs.frame["churned"].to_numpy(dtype=float)[rows]
    known = np.isfinite(stayed)
    share = days.start + days.before_end(obs, rows) + days.end * stayed
    chosen = spent.chosen.copy()
    chosen[rows[~known]] = False
    return replace(
        spent,
        amount=share[known],
        weights=spent.weights[known],
        customer=spent.customer[known],
        tenure_months=None,
        chosen=chosen,
    )
