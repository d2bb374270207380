"""From arrays to quantities: slopes, percent and levels, each with its influence per customer."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cxmodel.results import Estimate
from cxmodel.stats.glm import GlmFit, fit_logit, fit_poisson
from cxmodel.stats.linear import LeastSquares, fit_least_squares
from cxmodel.stats.sandwich import cluster_sums, small_sample_factor

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Link = Literal["linear", "logit"]


@dataclass(frozen=True, eq=False)
class Quantity:
    """A number and what each customer contributes to its error.

    Parameters
    ----------
    value : float
        The estimate.
    influence : array (n_customers,)
        Its squares sum to the variance; 0 for customers outside the sample.
    n_obs : int
        Rows behind it.
    deg_freedom : float, optional
        Of Student's t; None for the normal.
    stated : mapping
        Errors that no customer carries, by their source: what a user stated with an sd moves every
        quantity made of it, in every outcome, together.
    """

    value: float
    influence: Floats
    n_obs: int
    deg_freedom: float | None = None
    stated: Mapping[str, float] = field(default_factory=dict)

    @property
    def std_error(self) -> float:
        """Square root of the summed squares of the influence and of what was stated."""
        stated = sum(error**2 for error in self.stated.values())
        return float(np.sqrt(np.sum(self.influence**2) + stated))

    def transformed(self, value: float, slope: float) -> Quantity:
        """Give a smooth function of the quantity: its value and its derivative (delta method)."""
        stated = {source: slope * error for source, error in self.stated.items()}
        return replace(self, value=value, influence=slope * self.influence, stated=stated)

    def to_estimate(
        self, unit: str, *, conf_level: float, caveats: tuple[str, ...] = ()
    ) -> Estimate:
        """Give the estimate with its interval, in `unit`."""
        return Estimate.from_std_error(
            self.value,
            self.std_error,
            unit=unit,
            n_obs=self.n_obs,
            conf_level=conf_level,
            deg_freedom=self.deg_freedom,
            caveats=caveats,
        )


def combine(value: float, parts: list[tuple[float, Quantity]]) -> Quantity:
    """Give a function of several quantities: its value, and its derivative in each."""
    influence = np.sum([slope * part.influence for slope, part in parts], axis=0)
    degrees = [part.deg_freedom for _, part in parts if part.deg_freedom is not None]
    n_obs = min(part.n_obs for _, part in parts)
    stated: dict[str, float] = {}
    for slope, part in parts:
        for source, error in part.stated.items():
            stated[source] = stated.get(source, 0.0) + slope * error
    return Quantity(value, influence, n_obs, min(degrees, default=None), stated)


@dataclass(frozen=True, eq=False)
class Carried:
    """The error of estimated weights, carried into whatever is weighted with them.

    Stacked estimating equations (Newey & McFadden 1994, section 6): a row's influence is also the
    derivative of the estimate in the logarithm of its weight.

    Parameters
    ----------
    slopes : array (n, k)
        Derivative of each row's log weight in the k coefficients behind the weights.
    influence : array (n_customers, k)
        What each customer contributes to the error of these coefficients.
    """

    slopes: Floats
    influence: Floats

    def pull(self, rows: Floats) -> Floats:
        """Give what the customers pull on an estimate through its weights, (n_customers,)."""
        return np.asarray(self.influence @ (self.slopes.T @ rows))


@dataclass(frozen=True, eq=False)
class Sample:
    """The rows of one fit, as arrays.

    Parameters
    ----------
    outcome, rating : array (n,)
        What is explained, and the rating.
    controls : array (n, p)
        Columns of the control plan, centred at the base's means.
    share : array (n,)
        Weights that sum to 1: every customer counts once, shared by the customer's responses;
        times the weights for non-response where these are used.
    customers : array of int (n,)
        Whose response a row is, numbered over the whole observation table.
    n_customers : int
        Customers in the whole observation table.
    carried : Carried, optional
        The error of the weights, where they are used and estimated.
    """

    outcome: Floats
    rating: Floats
    controls: Floats
    share: Floats
    customers: Ints
    n_customers: int
    carried: Carried | None = None

    @classmethod
    def build(
        cls,
        outcome: Floats,
        rating: Floats,
        controls: Floats,
        customers: Ints,
        n_customers: int,
        *,
        weights: Floats | None = None,
        carried: Carried | None = None,
    ) -> Sample:
        """Share each customer's weight among the responses, and centre the controls."""
        counts = np.bincount(customers, minlength=n_customers)
        share = 1.0 / counts[customers]
        if weights is not None:
            share = share * weights
        share = share / share.sum()
        centred = controls - share @ controls
        return cls(outcome, rating, centred, share, customers, n_customers, carried)

    @property
    def n_obs(self) -> int:
        """Rows."""
        return len(self.outcome)

    @cached_property
    def n_in_sample(self) -> int:
        """Customers with a row here."""
        return np.unique(self.customers).size

    @property
    def is_clustered(self) -> bool:
        """Whether some customer has more than one row."""
        return self.n_in_sample < self.n_obs

    @cached_property
    def rating_on_controls(self) -> LeastSquares:
        """The rating explained by a constant and the controls, with the same weights."""
        design = np.hstack([np.ones((self.n_obs, 1)), self.controls])
        return fit_least_squares(design, self.rating, self.share * self.n_obs)

    def of_rows(self, chosen: NDArray[np.bool_]) -> Sample:
        """Keep some rows with their weights, and what these carry; shares sum to 1 again."""
        share, carried = self.share[chosen], self.carried
        if carried is not None:
            carried = replace(carried, slopes=carried.slopes[chosen])
        return replace(
            self,
            outcome=self.outcome[chosen],
            rating=self.rating[chosen],
            controls=self.controls[chosen],
            share=share / share.sum(),
            customers=self.customers[chosen],
            carried=carried,
        )

    def with_outcome(self, outcome: Floats) -> Sample:
        """Explain something else with the same rows and controls."""
        return replace(self, outcome=outcome)

    def quantity(
        self, value: float, rows: Floats, n_params: int, *, exact: bool = False
    ) -> Quantity:
        """Sum influence rows within customers, with the factor of HC1 or, clustered, CR1."""
        n_clusters = self.n_in_sample if self.is_clustered else None
        factor = small_sample_factor(self.n_obs, n_params, n_clusters)
        influence = cluster_sums(rows, self.customers, self.n_customers)
        if self.carried is not None:
            influence = influence + self.carried.pull(rows)
        influence = influence * math.sqrt(factor)
        degrees = (n_clusters - 1) if n_clusters else self.n_obs - n_params
        return Quantity(float(value), influence, self.n_obs, float(degrees) if exact else None)

    def mean(self, values: Floats) -> Quantity:
        """Give the mean over the base."""
        value = float(self.share @ values)
        return self.quantity(value, self.share * (values - value), 1)


@dataclass(frozen=True, eq=False)
class SlopeFit:
    """The average slope of an outcome in the rating, and the fit behind it.

    Parameters
    ----------
    slope : Quantity
        Mean over the base of the outcome's slope in the rating.
    fit : LeastSquares or GlmFit
        On constant, rating, controls and, where interacted, rating times controls.
    is_interacted : bool
        Whether the rating's slope may differ with the controls.
    """

    slope: Quantity
    fit: LeastSquares | GlmFit
    is_interacted: bool

    @property
    def n_params(self) -> int:
        """Coefficients that were estimated."""
        return self.fit.n_params

    def dropped_names(self, control_names: tuple[str, ...]) -> tuple[str, ...]:
        """Name the columns that repeat columns before them."""
        names = ["constant", "rating", *control_names]
        names += [f"rating x {name}" for name in control_names] if self.is_interacted else []
        return tuple(names[i] for i in self.fit.dropped)


def slope_design(sample: Sample, *, interacted: bool) -> Floats:
    """Put constant, rating, centred controls and their products with the rating side by side."""
    parts = [np.ones((sample.n_obs, 1)), sample.rating[:, None], sample.controls]
    if interacted:
        # centred, the products are far from the controls themselves; the slope does not move
        centred = sample.rating - sample.share @ sample.rating
        parts.append(centred[:, None] * sample.controls)
    return np.hstack(parts)


def fit_slope(sample: Sample, *, link: Link = "linear", interacted: bool = False) -> SlopeFit:
    """Fit the outcome on the rating and the controls; average the slope over the base.

    With interactions this is the regression-adjusted mean slope of Negi & Wooldridge (2021):
    the controls are centred at the base's means, and that these are estimated is in the error:
    simulated with 800 and 3,000 rows and slopes that differ widely between customers, intervals
    cover the truth 95% of the time with that part and 85-88% without it.
    For the logit it is the average marginal effect with ``psi = g - AME - G H^-1 s``.

    Raises
    ------
    SeparationError
        If the logit has no finite coefficients.
    """
    design = slope_design(sample, interacted=interacted)
    weights = sample.share * sample.n_obs
    fit: LeastSquares | GlmFit
    if link == "linear":
        fit = fit_least_squares(design, sample.outcome, weights)
    else:
        fit = fit_logit(design, sample.outcome, weights)
    return SlopeFit(_average_slope(sample, fit, design, interacted), fit, interacted)


def _average_slope(
    sample: Sample, fit: LeastSquares | GlmFit, design: Floats, interacted: bool
) -> Quantity:
    n_controls = sample.controls.shape[1]
    products = slice(2 + n_controls, 2 + 2 * n_controls)
    slopes = np.full(sample.n_obs, fit.coefficients[1])
    if interacted:
        slopes = slopes + sample.controls @ fit.coefficients[products]
    gradient = np.zeros(design.shape[1])
    if isinstance(fit, LeastSquares):
        effects, steepness = slopes, np.ones(sample.n_obs)
    else:
        steepness = fit.family.mean_slope(fit.linear_predictor)
        effects = steepness * slopes
        bend = steepness * (1 - 2 * fit.fitted)
        gradient = design.T @ (sample.share * bend * slopes)
    gradient[1] += sample.share @ steepness
    if interacted:
        gradient[products] += sample.controls.T @ (sample.share * steepness)
    value = float(sample.share @ effects)
    rows = sample.share * (effects - value) + fit.influence(gradient)
    return sample.quantity(value, rows, fit.n_params, exact=isinstance(fit, LeastSquares))


def fit_percent(sample: Sample) -> Quantity:
    """Give the percent change of the mean outcome per rating point, ``100 (exp(b) - 1)``.

    Poisson pseudo-likelihood with log link on rating and controls (Santos Silva & Tenreyro 2006).

    Raises
    ------
    ConvergenceError
        If no maximum is found.
    """
    design = slope_design(sample, interacted=False)
    fit = fit_poisson(design, sample.outcome, sample.share * sample.n_obs)
    gradient = np.zeros(design.shape[1])
    gradient[1] = 1.0
    log_ratio = float(fit.coefficients[1])
    coefficient = sample.quantity(log_ratio, fit.influence(gradient), fit.n_params)
    return coefficient.transformed(100 * math.expm1(log_ratio), 100 * math.exp(log_ratio))


def level_means(
    sample: Sample, codes: Ints, n_levels: int, *, link: Link = "linear", adjusted: bool = True
) -> list[Quantity]:
    """Give the mean outcome had everybody in the base given each rating (predictive margins).

    Parameters
    ----------
    codes : array of int (n,)
        The level of each row, ``0 .. n_levels - 1``, none of them empty.
    adjusted : bool
        False: means as observed, nothing held equal.

    Raises
    ------
    SeparationError
        If the logit of a level has no finite coefficient.
    """
    dummies = np.zeros((sample.n_obs, n_levels))
    dummies[np.arange(sample.n_obs), codes] = 1.0
    controls = sample.controls if adjusted else np.zeros((sample.n_obs, 0))
    design = np.hstack([dummies, controls])
    weights = sample.share * sample.n_obs
    if link == "linear":
        return _linear_levels(sample, fit_least_squares(design, sample.outcome, weights), n_levels)
    return _logit_levels(sample, fit_logit(design, sample.outcome, weights), controls, n_levels)


def _linear_levels(sample: Sample, fit: LeastSquares, n_levels: int) -> list[Quantity]:
    n_controls = len(fit.coefficients) - n_levels
    gradients = np.vstack([np.eye(n_levels), np.zeros((n_controls, n_levels))])
    rows = fit.influence(gradients)
    if n_controls:
        # controls are centred, so the margin is the level's coefficient; their mean is estimated
        spread = sample.share * (sample.controls @ fit.coefficients[n_levels:])
        rows = rows + spread[:, None]
    return [
        sample.quantity(fit.coefficients[level], rows[:, level], fit.n_params, exact=True)
        for level in range(n_levels)
    ]


def _logit_levels(sample: Sample, fit: GlmFit, controls: Floats, n_levels: int) -> list[Quantity]:
    from_controls = controls @ fit.coefficients[n_levels:]
    quantities = []
    for level in range(n_levels):
        eta = fit.coefficients[level] + from_controls
        means, steepness = fit.family.mean(eta), fit.family.mean_slope(eta)
        gradient = np.zeros(len(fit.coefficients))
        gradient[level] = sample.share @ steepness
        gradient[n_levels:] = controls.T @ (sample.share * steepness)
        value = float(sample.share @ means)
        rows = sample.share * (means - value) + fit.influence(gradient)
        quantities.append(sample.quantity(value, rows, fit.n_params))
    return quantities
