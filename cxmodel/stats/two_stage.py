"""Two-stage least squares with one endogenous regressor, and what each stage says."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import qr

from cxmodel.errors import InsufficientDataError
from cxmodel.stats.linear import (
    COLLINEAR,
    checked_arrays,
    fit_least_squares,
    independent_basis,
    orthonormal_of,
    upper_cholesky,
)
from cxmodel.stats.sandwich import Codes, covariance_of

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class TwoStage:
    """A fit by two-stage least squares, exogenous columns taken out of everything.

    What is left of the instruments stands in an orthonormal basis (under the weights), so that the
    estimate is ``first @ reduced / first @ first``.

    Parameters
    ----------
    slope : float
        Change of the outcome per unit of the endogenous regressor.
    exogenous : array (p,)
        Coefficients of the exogenous columns.
    first, reduced : array (K,)
        Coefficients of the regressor, and of the outcome, on the instruments' basis.
    basis : array (n, K)
        The instruments' basis times the square root of the weights.
    first_residuals, reduced_residuals, residuals : array (n,)
        Of the first stage, the reduced form and the structural equation, times the square root of
        the weights.
    n_exogenous : int
        Exogenous columns that carry information.
    """

    slope: float
    exogenous: Floats
    first: Floats
    reduced: Floats
    basis: Floats
    first_residuals: Floats
    reduced_residuals: Floats
    residuals: Floats
    n_exogenous: int

    @property
    def n_obs(self) -> int:
        """Rows."""
        return len(self.residuals)

    @property
    def n_instruments(self) -> int:
        """Instruments that carry information beyond the exogenous columns."""
        return len(self.first)

    @property
    def n_params(self) -> int:
        """Coefficients of the structural equation."""
        return self.n_exogenous + 1

    @property
    def influence(self) -> Floats:
        """Each row's pull on the slope, (n,)."""
        fitted = self.basis @ self.first
        return np.asarray(fitted * self.residuals / (self.first @ self.first))

    @property
    def classical_std_error(self) -> float:
        """Standard error under equal variances, with ``n - k`` degrees of freedom, as textbooks."""
        spread = self.residuals @ self.residuals / (self.n_obs - self.n_params)
        return float(np.sqrt(spread / (self.first @ self.first)))

    def stages_influence(self) -> Floats:
        """Each row's pull on `first` and on `reduced`, (n, 2 K)."""
        return np.hstack(
            [
                self.basis * self.first_residuals[:, None],
                self.basis * self.reduced_residuals[:, None],
            ]
        )

    def stages_covariance(self, clusters: Codes | None = None) -> Floats:
        """Covariance of `first` and `reduced` together, (2 K, 2 K): HC1, or CR1 by cluster."""
        n_params = self.n_exogenous + self.n_instruments
        return covariance_of(self.stages_influence(), n_params=n_params, clusters=clusters)

    def std_error(self, clusters: Codes | None = None) -> float:
        """Robust standard error of the slope: HC1, or CR1 by cluster."""
        rows = self.influence[:, None]
        return float(np.sqrt(covariance_of(rows, n_params=self.n_params, clusters=clusters)[0, 0]))


def two_stage_least_squares(
    outcome: Floats,
    regressor: Floats,
    instruments: Floats,
    exogenous: Floats,
    weights: Floats | None = None,
) -> TwoStage:
    """Fit the outcome on a regressor that instruments move, other columns held equal.

    Wooldridge (2020), Introductory Econometrics, ch. 15.

    Parameters
    ----------
    outcome, regressor : array (n,)
        What is explained, and the endogenous regressor.
    instruments : array (n, m)
        Columns that move the outcome through the regressor alone. Those that repeat others are
        left out.
    exogenous : array (n, p)
        Columns of both stages, the constant among them.
    weights : array (n,), optional
        Positive weights.

    Raises
    ------
    InsufficientDataError
        If nothing is left of the instruments, or rows are no more than parameters.
    ValueError
        If shapes differ, a value is not finite, or a weight is not positive.

    Examples
    --------
    >>> z = np.array([0.0, 0.0, 1.0, 1.0])
    >>> x = np.array([1.0, 3.0, 4.0, 6.0])
    >>> fit = two_stage_least_squares(2 * x, x, z[:, None], np.ones((4, 1)))
    >>> round(fit.slope, 12)
    2.0
    """
    exogenous, outcome, weights = checked_arrays(exogenous, outcome, weights)
    instruments, regressor, _ = checked_arrays(instruments, regressor, weights)
    root = np.sqrt(weights)
    held = independent_basis(exogenous, weights)
    span = orthonormal_of(held, upper_cholesky(held.gram(weights)), weights)
    y, x = (_rest(span, root * values) for values in (outcome, regressor))
    basis = _instrument_basis(span, root, instruments)
    n_params = span.shape[1] + basis.shape[1]
    if len(y) <= n_params:
        raise InsufficientDataError(f"{len(y)} rows cannot carry {n_params} parameters.")
    first, reduced = basis.T @ x, basis.T @ y
    if not first @ first > 0:
        raise InsufficientDataError("The instruments do not move the regressor at all.")
    slope = float(first @ reduced / (first @ first))
    return TwoStage(
        slope=slope,
        exogenous=fit_least_squares(exogenous, outcome - slope * regressor, weights).coefficients,
        first=first,
        reduced=reduced,
        basis=basis,
        first_residuals=x - basis @ first,
        reduced_residuals=y - basis @ reduced,
        residuals=y - slope * x,
        n_exogenous=span.shape[1],
    )


def _rest(span: Floats, values: Floats) -> Floats:
    """Take out what an orthonormal span explains; twice, so that rounding goes too."""
    for _ in range(2):
        values = values - span @ (span.T @ values)
    return values


def _instrument_basis(span: Floats, root: Floats, instruments: Floats) -> Floats:
    """Give an orthonormal basis of what the exogenous columns leave of the instruments."""
    shares = root**2 / np.sum(root**2)
    centred = instruments - shares @ instruments
    spread = np.sqrt(shares @ centred**2)
    spread[spread == 0] = 1.0
    left = _rest(span, root[:, None] * (centred / spread))
    columns, triangle, _ = qr(left, mode="economic", pivoting=True)
    sizes = np.abs(np.diag(triangle))
    kept = int((sizes > COLLINEAR * np.sqrt(np.sum(root**2))).sum())
    if not kept:
        raise InsufficientDataError(
            "The instrument does not vary once the controls are held equal. Leave out the control "
            "that says the same, or take another instrument."
        )
    return np.asarray(columns[:, :kept])
