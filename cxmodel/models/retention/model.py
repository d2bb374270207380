"""How many customers stay: the curve that was observed, and its continuation by a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
import numpy.typing as npt

from cxmodel.errors import InsufficientDataError
from cxmodel.models.retention.durations import Durations, read_durations
from cxmodel.models.retention.fit import Family, RetentionFit, model_survival
from cxmodel.results import CONF_LEVEL
from cxmodel.stats.draws import draw_customer_weights
from cxmodel.stats.lifetimes import (
    PeriodCounts,
    fit_geometric,
    fit_sbg,
)
from cxmodel.stats.survival import kaplan_meier, kaplan_meier_redraws
from cxmodel.tables.observation_table import Observations

FloatArray = npt.NDArray[np.float64]

__all__ = ["MIN_EVENTS", "Family", "RetentionFit", "RetentionModel"]

MIN_EVENTS = 10
# A share of customers: a model further from the observed curve than this is not believed.
CLEAR_MISFIT = 0.05
_PARAMETER_NAMES = {"sbg": ("alpha", "beta"), "geometric": ("prob_churn_per_period",)}


@dataclass(frozen=True, kw_only=True)
class RetentionModel:
    """A retention curve: Kaplan-Meier where observed, continued by a lifetime model.

    Parameters
    ----------
    family : {"sbg", "geometric"}
        Shifted beta-geometric (customers differ, so retention rises with tenure), or one loss
        rate for all.
    horizon_months : int
        How far `RetentionFit.curve` goes unless told otherwise.
    n_draws : int
        Redrawn weightings of the customers (Poisson with mean 1) for the uncertainty.
    seed : int
        Of these weightings.

    Examples
    --------
    >>> fit = RetentionModel(family="sbg").fit_counts([1000, 869, 743, 653, 593, 551, 517, 491])
    >>> {name: round(value, 3) for name, value in fit.parameters.items()}
    {'alpha': 0.668, 'beta': 3.806}
    >>> fit.at([8, 12]).round(3).tolist()
    [0.46, 0.378]
    """

    family: Family = "sbg"
    horizon_months: int = 36
    n_draws: int = 200
    seed: int = 20261121

    def __post_init__(self) -> None:
        if self.family not in get_args(Family):
            raise ValueError(f"family must be one of {get_args(Family)}, not {self.family!r}.")
        if self.horizon_months < 1 or self.n_draws < 1:
            raise ValueError("horizon_months and n_draws must be 1 or more.")

    def fit_counts(self, alive: Sequence[float] | npt.NDArray[Any]) -> RetentionFit:
        """Fit to the customers of one cohort still there after 0, 1, 2, ... periods.

        Parameters
        ----------
        alive : sequence of float
            Counts, never rising; the first is the cohort's size.

        Returns
        -------
        RetentionFit

        Raises
        ------
        ValueError
            If there are fewer than two counts, or one is negative, not finite or rising.
        InsufficientDataError
            If nobody, or everybody in the first period, left.
        """
        counts = _checked_counts(alive)
        observed = PeriodCounts.from_alive(counts)
        rng = np.random.default_rng(self.seed)
        lost = rng.poisson(np.tile(observed.lost, (self.n_draws, 1))).astype(float)
        still = rng.poisson(counts[-1], self.n_draws)
        stayed = lost + 0.0
        stayed[:, -1] += still
        many = PeriodCounts(observed.periods, stayed, lost)
        curve = counts / counts[0]
        redrawn = (np.cumsum(stayed[:, ::-1], axis=1)[:, ::-1]).clip(1e-300)
        months = np.arange(counts.size, dtype=float)
        table = kaplan_meier(
            np.append(months[1:], months[-1]),
            np.append(np.ones(counts.size - 1), 0.0),
            weights=np.append(-np.diff(counts), counts[-1]),
        )
        return self._result(
            observed,
            many,
            curves=(np.vstack([curve, *table.interval_at(months)]), redrawn / redrawn[:, :1]),
            counts=(round(float(counts[0])), round(float(counts[0] - counts[-1]))),
            period="period",
        )

    def fit(self, obs: Observations) -> RetentionFit:
        """Fit to observations: time from the response (or the start) until the customer left.

        Every customer counts once, from the first response at which the customer was at risk. Who
        had not left by the end of the data is censored. In a table already joined, time counts from
        the start of the customer, and with a stated outcome window customers count from when they
        came under observation.

        Parameters
        ----------
        obs : Observations
            With ``duration_days`` and ``_event``, or ``_duration_months`` and ``churned``.

        Returns
        -------
        RetentionFit

        Raises
        ------
        InsufficientDataError
            If durations are unknown, or fewer than 10 customers left or stayed.
        """
        Observations.check(obs)
        rows = read_durations(obs, stage="retention")
        return self.fit_durations(rows, min_at_risk=obs.min_group_size, conf_level=obs.conf_level)

    def fit_durations(
        self, rows: Durations, *, min_at_risk: int = 30, conf_level: float = CONF_LEVEL
    ) -> RetentionFit:
        """Fit to durations that were read already, for instance those of one band.

        Parameters
        ----------
        rows : Durations
            From `read_durations`.
        min_at_risk : int
            The observed curve ends where fewer are under observation.
        conf_level : float
            Of the intervals.

        Raises
        ------
        InsufficientDataError
            If fewer than 10 customers left or stayed.
        """
        _require_events(rows)
        last = rows.last_observed_month(min_at_risk=max(min_at_risk, MIN_EVENTS))
        months = np.arange(last + 1, dtype=float)
        draws = [
            rows.weights * draw_customer_weights(rows.n_customers, draw, self.seed)[rows.customer]
            for draw in range(self.n_draws)
        ]
        table = kaplan_meier(
            rows.months, rows.events, weights=rows.weights, entries=rows.entry_months
        )
        redrawn = kaplan_meier_redraws(
            rows.months, rows.events, draws, at=months, entries=rows.entry_months
        )
        low, high = table.interval_at(months, conf_level)
        return self._result(
            rows.period_counts([rows.weights]),
            rows.period_counts(draws),
            curves=(np.vstack([table.at(months), low, high]), redrawn),
            counts=(len(rows.months), int(rows.events.sum())),
            rows=rows,
            conf_level=conf_level,
        )

    def _result(
        self,
        observed: PeriodCounts,
        many: PeriodCounts,
        *,
        curves: tuple[FloatArray, FloatArray],
        counts: tuple[int, int],
        rows: Durations | None = None,
        conf_level: float = CONF_LEVEL,
        period: str = "month",
    ) -> RetentionFit:
        fit = fit_sbg if self.family == "sbg" else fit_geometric
        best = fit(observed)
        names = _PARAMETER_NAMES[self.family]
        caveats = () if rows is None else rows.caveats
        if self.family == "sbg" and best.at_boundary[0]:
            caveats = (*caveats, _boundary_caveat(best.parameters[0]))
        caveats += _misfit_caveat(
            model_survival(self.family, best.parameters[0], np.arange(curves[0].shape[1])),
            curves[0][0],
            period,
        )
        return RetentionFit(
            family=self.family,
            parameters=dict(zip(names, best.parameters[0].tolist(), strict=True)),
            log_likelihood=float(best.log_likelihood[0]),
            n_obs=counts[0],
            n_events=counts[1],
            observed_months=curves[0].shape[1] - 1,
            conf_level=conf_level,
            not_used=() if rows is None else rows.not_used,
            caveats=caveats,
            period=period,
            horizon_months=self.horizon_months,
            _observed=curves[0],
            _observed_draws=curves[1],
            _parameter_draws=fit(many).parameters,
        )


def _misfit_caveat(model: FloatArray, observed: FloatArray, period: str) -> tuple[str, ...]:
    """Say where the model that continues the curve departs most from what was observed."""
    where = int(np.argmax(np.abs(model - observed)))
    if abs(model[where] - observed[where]) <= CLEAR_MISFIT:
        return ()
    return (
        f"The model that continues the retention curve does not fit it: after {where} {period}s "
        f"{observed[where]:.0%} were still there where it says {model[where]:.0%}. Read no further "
        "than the months observed.",
    )


def _boundary_caveat(parameters: FloatArray) -> str:
    alpha, beta = parameters
    if alpha > 1 and beta > 1:
        return (
            "The shifted beta-geometric ran to its limit of no difference between customers: it is "
            f"a constant loss of {100 * alpha / (alpha + beta):.2f}% a period."
        )
    return (
        f"The shifted beta-geometric ran to the end of its range (alpha {alpha:.3g}, beta "
        f"{beta:.3g}): the months observed do not determine it. Read no further than they go."
    )


def _require_events(rows: Durations) -> None:
    n_events = int(rows.events.sum())
    n_stayed = len(rows.events) - n_events
    if min(n_events, n_stayed) < MIN_EVENTS:
        raise InsufficientDataError(
            f"Retention: {n_events} of {len(rows.events):,} observations at risk end in churn and "
            f"{n_stayed:,} do not; at least {MIN_EVENTS} of each are needed. Bring a longer "
            "history, or check sources.churn and customers.churned_at."
        )


def _checked_counts(alive: Sequence[float] | npt.NDArray[Any]) -> FloatArray:
    counts = np.asarray(alive, dtype=float)
    if counts.ndim != 1 or counts.size < 2:
        raise ValueError("alive needs at least two counts: the cohort's size, then who was left.")
    if not np.isfinite(counts).all() or counts.min() < 0:
        raise ValueError(f"alive must hold finite counts of 0 or more: {counts.tolist()}.")
    rises = np.flatnonzero(np.diff(counts) > 0)
    if rises.size:
        where = int(rises[0]) + 1
        raise ValueError(
            f"alive rises from {counts[where - 1]:g} to {counts[where]:g} in period {where}. Give "
            "one cohort, without customers who joined later."
        )
    if counts[0] == counts[-1] or counts[1] == 0:
        raise InsufficientDataError(
            f"alive goes from {counts[0]:g} to {counts[-1]:g}: with no loss, or everybody lost in "
            "the first period, no retention model can be fitted. Bring more periods."
        )
    return counts
