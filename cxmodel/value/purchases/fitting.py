"""Fit a likelihood of positive parameters and covariates: what both purchase models share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cxmodel.errors import ConvergenceError, SchemaError
from cxmodel.results import critical_value
from cxmodel.stats.purchases.layout import Layout, Scaling
from cxmodel.stats.purchases.maximise import LOG_BOUND, Maximum, Objective, maximise
from cxmodel.stats.purchases.profile import Peak, profile_interval

if TYPE_CHECKING:
    import pandas as pd

FloatArray = npt.NDArray[np.float64]
RowLikelihood = Callable[[tuple[FloatArray, ...]], tuple[FloatArray, tuple[FloatArray, ...]]]

FAR = 4.0
"""How far from the first guess, in logarithms, such a parameter counts as run away."""
RAN_ALONG = 6.0
"""How far from the first guess a parameter lies that ran along with another to the edge."""
VAGUE = 3.0
"""A standard error of the logarithm of a parameter beyond which the data do not determine it."""
FEW_ROWS = 20_000
"""Different histories up to which intervals are taken from the likelihood itself; of more they are
those of estimate and standard error, which then say the same."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Fitted:
    """The vector of a layout at the maximum, for covariates as they came.

    Parameters
    ----------
    vector, covariance : array, (k,) and (k, k)
        Logarithms of the parameters, then coefficients. The covariance is the inverse of the
        observed information; NaN for what lies at a limit.
    log_likelihood : float
        At the maximum.
    at_limit : tuple of (str, str)
        Parameters that ran to the end of their range, and ``"low"`` or ``"high"``.
    vague : tuple of str
        Parameters that the data do not determine.
    peak : Peak, optional
        The likelihood around the maximum, for intervals; None where it is none, or costs too much.
    ends : pair of arrays, optional
        The ends of intervals where they were found before, at the level of the fit.
    """

    layout: Layout
    vector: FloatArray
    covariance: FloatArray
    log_likelihood: float
    at_limit: tuple[tuple[str, str], ...] = ()
    vague: tuple[str, ...] = ()
    peak: Peak | None = None
    ends: tuple[FloatArray, FloatArray] | None = None

    @property
    def parameters(self) -> dict[str, float]:
        """The parameters of the family, then the coefficients of covariates."""
        return dict(zip(self.layout.names, self.natural(self.vector).tolist(), strict=True))

    @property
    def natural_covariance(self) -> FloatArray:
        """The covariance of `parameters`: the inverse of the observed information, delta method.

        NaN where a parameter ran to the edge of its family.
        """
        scale, k = np.ones(len(self.vector)), len(self.layout.parameters)
        scale[:k] = np.exp(self.vector[:k])
        return np.asarray(self.covariance * np.outer(scale, scale))

    def natural(self, vector: FloatArray) -> FloatArray:
        """Turn a vector, logarithms first, to the family's own parameters."""
        found, k = np.array(vector, dtype=float), len(self.layout.parameters)
        with np.errstate(over="ignore"):  # the upper end of a parameter that the data leave open
            found[:k] = np.exp(found[:k])
        return found

    def to_frame(self, units: Sequence[str], conf_level: float, n_obs: int) -> pd.DataFrame:
        """Give one row a parameter, with its interval."""
        import pandas as pd

        low, high = self.interval_ends(conf_level)
        return pd.DataFrame(
            {
                "term": self.layout.names,
                "unit": list(units),
                "estimate": self.natural(self.vector),
                "std_error": np.sqrt(np.diag(self.natural_covariance)),
                "conf_low": self.natural(low),
                "conf_high": self.natural(high),
                "n_obs": n_obs,
            }
        )

    def interval_ends(self, conf_level: float) -> tuple[FloatArray, FloatArray]:
        """Give both ends of the interval of each entry of the vector.

        From the profile of the likelihood where it is known, else from the standard error.
        """
        if self.ends is not None:
            return self.ends
        critical = critical_value(conf_level)
        half = critical * np.sqrt(np.diag(self.covariance))
        low, high = self.vector - half, self.vector + half
        if self.peak is not None:
            for i, unit in enumerate(self.layout.units):
                ends = profile_interval(self.peak, i, critical)
                low[i], high[i] = (unit * end for end in ends)
        return low, high


def make_layout(
    parameters: tuple[str, ...], covariates: FloatArray, scalings: tuple[Scaling, ...]
) -> Layout:
    """Describe the vector; covariates that do not vary are refused.

    Raises
    ------
    SchemaError
        If a covariate has one value only.
    """
    spread = covariates.std(axis=0)
    for scaling in scalings:
        for name, column in zip(scaling.names, scaling.columns, strict=True):
            if spread[column] == 0:
                raise SchemaError(
                    f"The covariate of {name!r} has one value only ({covariates[0, column]:g}): "
                    "nothing can be learnt of it. Leave it out."
                )
    return Layout(
        parameters=parameters,
        scalings=scalings,
        centre=covariates.mean(axis=0),
        spread=np.where(spread > 0, spread, 1.0),
    )


def fit_layout(
    layout: Layout,
    likelihood: RowLikelihood,
    *,
    covariates: FloatArray,
    weights: FloatArray,
    start: FloatArray,
    what: str,
) -> Fitted:
    """Maximise a likelihood over the vector of a layout.

    Parameters
    ----------
    layout : Layout
        What the vector holds.
    likelihood : callable
        From the parameters of each row to its log-likelihood and slopes.
    covariates, weights : array, (n, columns) and (n,)
        As they came, and customers that a row stands for.
    start : array
        First guess of the parameters.
    what : str
        Name of the model, for messages.

    Raises
    ------
    ConvergenceError
        If no maximum is found.
    """
    z = (covariates - layout.centre) / layout.spread

    def objective(vector: FloatArray) -> tuple[float, FloatArray]:
        parameters = layout.parameters_of(vector, z)
        value, slopes = likelihood(parameters)
        return float(weights @ value), layout.slopes(slopes, parameters, weights, z)

    first = np.zeros(len(layout.names))
    first[: len(start)] = np.log(start)
    starts = [first]
    # taken only where the climb from the first guess fails or ends at an edge
    for shift in (1.5, -1.5):
        other = first.copy()
        other[: len(start)] += shift * np.array([1, 1, -1, 1])[: len(start)]
        starts.append(other)
    found = maximise(objective, starts, (first - LOG_BOUND, first + LOG_BOUND))
    if not (found.is_converged and np.isfinite(found.log_likelihood)):
        raise ConvergenceError(
            f"{what}: the optimiser found no maximum (log-likelihood {found.log_likelihood:,.2f}). "
            "Check the histories for customers unlike all others, and collinear covariates."
        )
    is_small = len(weights) <= FEW_ROWS
    return _fitted(layout, found, first, _peak(layout, found, objective) if is_small else None)


def _peak(layout: Layout, found: Maximum, objective: Objective) -> Peak | None:
    """Describe the likelihood for covariates as they came, in the units of the layout.

    None at an edge or where it is flat.
    """
    if found.at_bound.any() or np.linalg.eigvalsh(found.information).min() <= 0:
        return None
    vector, matrix = layout.to_raw(found.point)
    back = np.linalg.inv(matrix / layout.units[:, None])

    def raw_objective(at: FloatArray) -> tuple[float, FloatArray]:
        value, slopes = objective(back @ at)
        return value, np.asarray(back.T @ slopes)

    return Peak(
        objective=raw_objective,
        point=vector / layout.units,
        log_likelihood=found.log_likelihood,
        information=back.T @ found.information @ back,
    )


def _fitted(layout: Layout, found: Maximum, first: FloatArray, peak: Peak | None) -> Fitted:
    vector, matrix = layout.to_raw(found.point)
    covariance = found.covariance()
    known = np.isfinite(np.diag(covariance))
    inner = np.where(np.isfinite(covariance), covariance, 0.0)
    raw = matrix @ inner @ matrix.T
    raw[~known, :] = np.nan
    raw[:, ~known] = np.nan
    names = layout.names
    errors = np.sqrt(np.where(known, np.diag(covariance), np.nan))
    moved = found.point - first
    k = len(layout.parameters)
    is_vague = ~(errors[:k] <= VAGUE)
    is_far = found.at_bound[:k] | (is_vague & (np.abs(moved[:k]) > FAR))
    if found.at_bound[:k].any():
        # held at a bound, the one fixes the other, which the errors then take for known
        is_far |= np.abs(moved[:k]) > RAN_ALONG
    return Fitted(
        layout=layout,
        vector=vector,
        covariance=raw,
        log_likelihood=found.log_likelihood,
        at_limit=tuple(
            (names[i], "low" if moved[i] < 0 else "high") for i in np.flatnonzero(is_far)
        ),
        vague=tuple(names[i] for i in np.flatnonzero(is_vague & ~is_far)),
        peak=peak,
    )
