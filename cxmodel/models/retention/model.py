"""How many customers stay: the curve that was observed, and its continuation by a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import numpy.typing as npt

from cxmodel.errors import ConvergenceError
from cxmodel.models.retention.choice import (
    FamilyChoice,
    FamilyRow,
    choose_family,
    limit_reached,
)
from cxmodel.models.retention.durations import Durations, read_durations
from cxmodel.models.retention.fit import Family, RetentionFit
from cxmodel.models.retention.fit_caveats import (
    boundary_caveat,
    misfit_caveat,
    undetermined_caveat,
)
from cxmodel.models.retention.input_checks import (
    MIN_EVENTS,
    checked_counts,
    require_events,
    require_losses,
)
from cxmodel.results import CONF_LEVEL
from cxmodel.stats.draws import draw_customer_weights
from cxmodel.stats.lifetime_survival import lifetime_survival
from cxmodel.stats.lifetimes import PARAMETER_NAMES, LifetimeFit, PeriodCounts, fit_lifetime
from cxmodel.stats.survival import kaplan_meier, kaplan_meier_redraws
from cxmodel.tables.observation_table import Observations

if TYPE_CHECKING:
    from cxmodel.models.retention.cohorts import CohortRetention
    from cxmodel.models.retention.covariates_result import RetentionByCovariates

FloatArray = npt.NDArray[np.float64]

__all__ = ["MIN_EVENTS", "Family", "RetentionFit", "RetentionModel"]


@dataclass(frozen=True, kw_only=True)
class RetentionModel:
    """A retention curve: Kaplan-Meier where observed, continued by a lifetime model.

    Parameters
    ----------
    family : {"sbg", "geometric", "discrete_weibull", "bdw", "auto"}
        Shifted beta-geometric (customers differ, so retention rises with tenure), one loss rate for
        all, discrete Weibull (customers are alike, and the hazard changes with tenure), or
        beta-discrete-Weibull (customers differ, and the hazard of each changes with tenure; the
        discrete Weibull is its limit). ``"auto"`` takes the lowest AIC. All are fitted and
        compared, whichever is taken.
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

    family: FamilyChoice = "sbg"
    horizon_months: int = 36
    n_draws: int = 200
    seed: int = 20261121

    def __post_init__(self) -> None:
        known = get_args(FamilyChoice)
        if self.family not in known:
            raise ValueError(f"family must be one of {known}, not {self.family!r}.")
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
            If nobody, or everybody in the first period, left; or fewer than 10 did.
        """
        counts = checked_counts(alive)
        censored = np.zeros(counts.size)
        censored[-1] = counts[-1]
        return self.fit_tally(np.append(-np.diff(counts), 0.0), censored)

    def fit_tally(self, lost: FloatArray, censored: FloatArray) -> RetentionFit:
        """Fit to how many left in, and how many were last seen after, each number of periods.

        Parameters
        ----------
        lost : numpy.ndarray, shape (k,)
            Customers who left in the period after 0, 1, 2, ... whole ones.
        censored : numpy.ndarray, shape (k,)
            Customers who were still there after so many periods, and not followed further.

        Raises
        ------
        InsufficientDataError
            If fewer than 10 left.
        """
        require_losses(lost, censored)
        periods = np.arange(lost.size, dtype=float)
        observed = PeriodCounts(periods, (lost + censored)[None, :], lost[None, :])
        rng = np.random.default_rng(self.seed)
        gone = rng.poisson(np.tile(lost, (self.n_draws, 1))).astype(float)
        kept = rng.poisson(np.tile(censored, (self.n_draws, 1))).astype(float)
        many = PeriodCounts(periods, gone + kept, gone)
        times = np.append(periods + 1, periods)
        events = np.arange(times.size) < periods.size
        table = kaplan_meier(times, events, weights=np.append(lost, censored))
        weights = list(np.hstack([gone, kept]))
        redrawn = kaplan_meier_redraws(times, events, weights, at=periods)
        return self._result(
            observed,
            many,
            curves=(np.vstack([table.at(periods), *table.interval_at(periods)]), redrawn),
            counts=(round(float(lost.sum() + censored.sum())), round(float(lost.sum()))),
            period="period",
        )

    def fit_cohorts(self, cohorts: Mapping[str, Sequence[float]]) -> CohortRetention:
        """Fit to several cohorts of any ages: all together, and each alone.

        Parameters
        ----------
        cohorts : mapping of str to sequence of float
            For each cohort the customers still there after 0, 1, 2, ... periods.

        Returns
        -------
        CohortRetention

        Raises
        ------
        ValueError
            If there are fewer than two cohorts, or counts are impossible.
        InsufficientDataError
            If nobody left, everybody in the first period, or fewer than 10.

        Examples
        --------
        >>> cohorts = {"2003": [10_000, 8_000, 6_480, 5_307, 4_391], "2004": [10_000, 8_000, 6_480]}
        >>> fit = RetentionModel(n_draws=20).fit_cohorts(cohorts)
        >>> {name: round(value, 1) for name, value in fit.together.parameters.items()}
        {'alpha': 3.8, 'beta': 15.2}
        """
        from cxmodel.models.retention.cohorts import fit_cohorts

        return fit_cohorts(self, cohorts)

    def fit_by(self, obs: Observations, by: str) -> CohortRetention:
        """Fit to each group or cohort of the observations, and to all together.

        Parameters
        ----------
        obs : Observations
            As in `fit`.
        by : str
            A column of the observations: a segment, a band, a cohort.

        Returns
        -------
        CohortRetention

        Raises
        ------
        ConfigError
            If there is no such column.
        InsufficientDataError
            If fewer than 10 of all customers left or stayed.
        """
        from cxmodel.models.retention.cohorts import fit_by

        return fit_by(self, obs, by)

    def fit_covariates(
        self, obs: Observations, covariates: Sequence[str] | str = ("rating",)
    ) -> RetentionByCovariates:
        """Fit with what multiplies each customer's hazard, the rating among it.

        A covariate makes a customer's own time run faster or slower: the share staying beyond t is
        (1 - p) ** (exp(x'beta) t ** c), so exp(beta) is a hazard ratio, as in `HazardModel`, at
        equal unobserved loss p. Covariates are counted from their means, so that the other
        parameters are those of an average customer.

        Parameters
        ----------
        obs : Observations
            As in `fit`.
        covariates : sequence of str
            Columns with numbers or text (one coefficient a level).

        Returns
        -------
        RetentionByCovariates

        Raises
        ------
        ConfigError
            If there is no such column.
        InsufficientDataError
            If there are fewer than 10 events, or 10 customers a parameter.

        References
        ----------
        Fader & Hardie (2020), Incorporating time-varying covariates in a simple mixture model for
        discrete-time duration data; Prentice & Gloeckler (1978) for the hazard.
        """
        from cxmodel.models.retention.covariates import fit_covariates

        names = (covariates,) if isinstance(covariates, str) else tuple(covariates)
        return fit_covariates(self, obs, names)

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
        fit = self.fit_durations(rows, min_at_risk=obs.min_group_size, conf_level=obs.conf_level)
        return replace(fit, as_of=obs.as_of)

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
        require_events(rows)
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

    def _chosen(
        self, observed: PeriodCounts, many: PeriodCounts
    ) -> tuple[tuple[Family, LifetimeFit, tuple[FamilyRow, ...], str], FloatArray]:
        """Choose a family that redrawn customers have a maximum of as well."""
        refused: dict[Family, str] = {}
        while True:
            found = choose_family(self.family, observed, refused)
            family, best = found[:2]
            try:
                return found, fit_lifetime(family, many, start=best.parameters[0]).parameters
            except ConvergenceError as error:
                said = "had no maximum with redrawn customers"
                if self.family != "auto" or family in refused:
                    raise ConvergenceError(f"{error} It {said}.") from error
                refused[family] = said

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
        (family, best, rows_of, why), drawn = self._chosen(observed, many)
        caveats = () if rows is None else rows.caveats
        if family != "geometric" and best.at_boundary[0]:
            found = {row.family: row.log_likelihood for row in rows_of}
            is_alike = limit_reached(family, found) is not None
            caveats = (*caveats, boundary_caveat(family, best.parameters[0], is_alike))
        caveats += undetermined_caveat(family, observed.n_loss_periods)
        caveats += misfit_caveat(
            lifetime_survival(family, best.parameters[0], np.arange(curves[0].shape[1])),
            curves[0][0],
            period,
        )
        return RetentionFit(
            family=family,
            families=rows_of,
            choice=why,
            parameters=dict(zip(PARAMETER_NAMES[family], best.parameters[0].tolist(), strict=True)),
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
            _parameter_draws=drawn,
        )
