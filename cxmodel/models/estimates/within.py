"""Within customers: the same customer compared with herself at other ratings."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cxmodel.models.controls import ControlPlan
from cxmodel.models.estimates.alternatives import SEPARATED
from cxmodel.models.estimates.few_clusters import cr2_quantity
from cxmodel.models.estimates.waves import Waves, find_waves
from cxmodel.models.estimation import Quantity, Sample
from cxmodel.models.lift_fit import LiftFit
from cxmodel.models.population import WINDOWS_BEFORE
from cxmodel.models.requirements import MIN_EVENTS, MIN_ROWS_PER_PARAMETER, count_events
from cxmodel.results import NotRun
from cxmodel.stats.fixed_effects import fit_within, within_groups
from cxmodel.stats.linear import LeastSquares, fit_least_squares
from cxmodel.stats.small_samples import student_p

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
# Past outcomes are no controls beside customer effects (Nickell 1981); tenure and the days that
# were observed move with the calendar, which is held equal.
NOT_WITHIN = (*WINDOWS_BEFORE, "tenure_days", "days_observed_before")
SIGNIFICANT = 0.05
# Fewer customers than this whose rating changed: errors for few clusters.
FEW_CHANGED = 50


@dataclass(frozen=True, eq=False)
class WithinFit:
    """The slope within customers, and what it rests on.

    Parameters
    ----------
    slope : Quantity
        Of the outcome in the rating; its influence is numbered as the whole observation table.
    sample : Sample
        The waves that are compared.
    waves : Waves
        How they were chosen.
    n_params : int
        The rating and what is held equal, without the customers' own effects.
    n_changed : int
        Customers whose rating changed; the others say nothing about the slope.
    """

    slope: Quantity
    sample: Sample
    waves: Waves
    n_params: int
    n_changed: int


def find_within(fit: LiftFit) -> WithinFit | NotRun:
    """Compare each customer's waves with one another.

    Revenue: least squares with an effect for every customer (Wooldridge 2010, 10.5).

    Retention: a linear probability model, because the unit is a probability: a conditional logit
    gives odds ratios, and the probability that they mean for a customer needs the effect that it
    removes. Who left is not asked again, so all but a customer's last wave end in staying, and
    customer effects that are taken out by means mix an outcome with the selection that it makes:
    simulated with a lift of .030 they give .019 (Farbmacher & Tauchmann 2021 show why). Instead,
    as they propose, an instrument stands for the rating: its distance from the mean of the
    customer's *earlier* ratings, on the second and later waves. It says nothing of how customers
    differ for good, and is known before the outcome. In the same simulation it gives .030.

    For revenue every customer has one weight, shared by the waves, for retention every wave (see
    `row_weights`). Errors are clustered by customer (CR1, the customers' effects not counted as
    parameters: they are nested in the clusters), or CR2 where few ratings changed.

    References
    ----------
    .. [1] Nickell, S. (1981). Biases in dynamic models with fixed effects. Econometrica 49(6).
    .. [2] Wooldridge, J. M. (2010). Econometric Analysis of Cross Section and Panel Data, ch. 10.
    .. [3] Farbmacher, H. and Tauchmann, H. (2021). Linear fixed-effects estimation with
       non-repeated outcomes. FAU Discussion Papers in Economics 03/2021.
    """
    if fit.separation is not None:
        return NotRun(SEPARATED)
    waves = find_waves(fit)
    if isinstance(waves, NotRun):
        return waves
    if fit.outcome == "retention":
        return _from_earlier_ratings(fit, waves)
    return _from_customer_means(fit, waves)


def within_plan(fit: LiftFit) -> ControlPlan:
    """Give what is held equal within customers: the calendar, and what else may change."""
    return fit.plan.without(NOT_WITHIN)


def sample_of_waves(fit: LiftFit, rows: Ints, plan: ControlPlan | None = None) -> Sample:
    """Make the arrays of some waves, every customer with one weight."""
    at = np.searchsorted(fit.rows, rows)
    return fit.sample_of(rows, fit.sample.outcome[at], within_plan(fit) if plan is None else plan)


def row_weights(fit: LiftFit, sample: Sample) -> Floats:
    """Give every customer one weight for revenue, and every wave one weight for retention.

    Who left gave no more answers, so for retention 1/n would give most weight to those who left:
    simulated with up to four waves and a lift of .030, weights of 1/n give .040, even ones .030.
    """
    return sample.share * sample.n_obs if fit.outcome == "revenue" else np.ones(sample.n_obs)


def too_few(fit: LiftFit, sample: Sample, n_params: int, n_changed: int) -> NotRun | None:
    """Say why waves do not carry the equation, if they do not."""
    n_events = count_events(sample.outcome, fit.outcome)
    if n_events < MIN_EVENTS:
        kind = "have revenue after them" if fit.outcome == "revenue" else "end in the rarer outcome"
        return NotRun(f"{n_events} of {sample.n_obs:,} waves {kind}, fewer than {MIN_EVENTS}")
    if sample.n_obs < MIN_ROWS_PER_PARAMETER * n_params or n_changed < MIN_ROWS_PER_PARAMETER:
        return NotRun(
            f"{sample.n_obs:,} waves of {sample.n_in_sample:,} customers, {n_changed:,} of whom "
            f"changed their rating, are too few for {n_params} parameters: it needs "
            f"{MIN_ROWS_PER_PARAMETER} waves each and {MIN_ROWS_PER_PARAMETER} customers whose "
            "rating changed"
        )
    if sample.n_in_sample < fit.obs.min_group_size:
        return NotRun(
            f"{sample.n_in_sample:,} customers with waves are fewer than {fit.obs.min_group_size}, "
            "the smallest group that is shown"
        )
    if sample.n_in_sample <= n_params:
        return NotRun(
            f"{sample.n_in_sample:,} customers with waves are too few for {n_params} parameters: "
            "errors go by customer"
        )
    return None


def _from_customer_means(fit: LiftFit, waves: Waves) -> WithinFit | NotRun:
    sample = sample_of_waves(fit, waves.rows)
    ols = fit_within(
        np.column_stack([sample.rating, sample.controls]),
        sample.outcome,
        sample.customers,
        row_weights(fit, sample),
    )
    if 0 in ols.dropped:
        return NotRun("no customer's rating changed from one wave to the next, the calendar apart")
    n_changed = count_changed(sample.rating, sample.customers)
    if short := too_few(fit, sample, ols.n_params, n_changed):
        return short
    slope = coefficient_within(sample, ols, 0, n_changed)
    return WithinFit(slope, sample, waves, ols.n_params, n_changed)


def coefficient_within(sample: Sample, ols: LeastSquares, column: int, n_changed: int) -> Quantity:
    """Give a coefficient of the equation within customers with its error, CR1 by customer.

    Where the ratings of few customers changed, many customers are no many clusters: then CR2 with
    the degrees of freedom of Bell & McCaffrey.
    """
    if n_changed < FEW_CHANGED:
        return cr2_quantity(sample, ols, column)
    gradient = np.eye(len(ols.coefficients))[column]
    rows = ols.influence(gradient)
    return sample.quantity(ols.coefficients[column], rows, ols.n_params, exact=True)


def _from_earlier_ratings(fit: LiftFit, waves: Waves) -> WithinFit | NotRun:
    ratings = fit.obs.frame["rating"].to_numpy(dtype=float)[waves.rows]
    earlier = earlier_mean(ratings, waves.number)
    later = waves.number > 0
    sample = sample_of_waves(fit, waves.rows[later])
    weights = row_weights(fit, sample)
    held = np.column_stack([np.ones(sample.n_obs), sample.controls])
    first = fit_least_squares(held, sample.rating - earlier[later], weights)
    n_changed = count_changed(ratings, waves.customers)
    if short := too_few(fit, sample, first.n_params + 1, n_changed):
        return short
    pull = weights * first.residuals
    strength = float(pull @ sample.rating)
    if strength <= 1e-9 * float(np.abs(pull) @ np.abs(sample.rating)):
        return NotRun("ratings move away from a customer's earlier ones only as the calendar does")
    value = float(pull @ sample.outcome) / strength
    left = fit_least_squares(held, sample.outcome - value * sample.rating, weights).residuals
    slope = sample.quantity(value, pull * left / strength, first.n_params + 1, exact=True)
    if n_changed < FEW_CHANGED:
        slope = replace(slope, deg_freedom=float(n_changed - 1))
    return WithinFit(slope, sample, waves, first.n_params + 1, n_changed)


def earlier_mean(ratings: Floats, number: Ints) -> Floats:
    """Give the mean of the customer's ratings in earlier waves; 0 for the first.

    Parameters
    ----------
    ratings, number : array (n,)
        By customer and wave; `number` begins with 0 for every customer.

    Examples
    --------
    >>> earlier_mean(np.array([4.0, 8.0, 1.0, 5.0]), np.array([0, 1, 2, 0]))
    array([0., 4., 6., 0.])
    """
    before = np.cumsum(ratings) - ratings
    starts = np.arange(len(number)) - number
    return np.asarray((before - before[starts]) / np.maximum(number, 1))


def count_changed(ratings: Floats, customers: Ints) -> int:
    """Count the customers who gave different ratings.

    Examples
    --------
    >>> count_changed(np.array([4.0, 4.0, 1.0, 5.0]), np.array([0, 0, 1, 1]))
    1
    """
    return int(np.unique(customers[within_groups(ratings, customers) != 0]).size)


def t_test(found: Quantity) -> tuple[float, float] | None:
    """Give t and two-sided p of a quantity; None where it has no error."""
    if not found.std_error or found.deg_freedom is None:
        return None
    statistic = found.value / found.std_error
    return statistic, student_p(statistic, found.deg_freedom)
