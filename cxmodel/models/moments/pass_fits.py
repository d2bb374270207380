"""Regressions by passes over the table: for continuous columns, where there are no cells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve

from cxmodel.errors import (
    ConvergenceError,
    FitError,
    InsufficientDataError,
    SeparationError,
)
from cxmodel.models.moments.cell_fits import Family
from cxmodel.stats.glm import MAX_ITERATIONS, SEPARATED_AFTER, SEPARATED_STEP
from cxmodel.stats.linear import upper_cholesky
from cxmodel.tables.moments import (
    CompleteRows,
    CrossProducts,
    CustomerCounts,
    Meat,
    StandardDesign,
    clustered_meat,
    likelihood_step,
    robust_meat,
    solve,
)
from cxmodel.tables.reduction.second_pass import Mean, RobustKind
from cxmodel.tables.reduction.solving import independent_columns

Floats = NDArray[np.float64]
MEANS: dict[Family, Mean] = {
    "linear": "identity",
    "logit": "logistic",
    "poisson": "exponential",
    "gamma": "gamma",
}
# Newton's error squares with each step: after one of this size what is left is below rounding.
SETTLED = 1e-10
# Standard columns lie near 1, so this bounds what a step moves any row's linear predictor by.
LONGEST_STEP = 8.0


@dataclass(frozen=True, eq=False, kw_only=True)
class PassFit:
    """A regression fitted by passes over the rows.

    Parameters
    ----------
    rows : CompleteRows
        The rows used.
    moments : CrossProducts
        Their cross-products, on standard columns.
    family : {"linear", "logit", "poisson", "gamma"}
        Identity, logistic or exponential mean.
    standard, coefficients : array (k,)
        On standard columns, and in own units; 0 for collinear columns.
    inverse : array (k, k)
        Of minus the Hessian, in standard units; 0 in rows and columns of collinear columns.
    collinear : tuple of str
        Columns that are constant or repeat columns before them.
    residual_squares : float
        Weighted, in own units; of least squares alone.
    """

    rows: CompleteRows
    moments: CrossProducts
    family: Family
    standard: Floats
    coefficients: Floats
    inverse: Floats
    collinear: tuple[str, ...]
    residual_squares: float = 0.0

    @property
    def n_obs(self) -> int:
        """Rows."""
        return self.rows.n_used

    @property
    def n_params(self) -> int:
        """Coefficients that were estimated."""
        return len(self.standard) - len(self.collinear)

    @property
    def scale(self) -> float:
        """Units of the outcome in one of the fit's: 1 but for least squares."""
        return self.moments.design.outcomes[0].scale if self.family == "linear" else 1.0

    def robust(self, kind: RobustKind = "HC1") -> Meat:
        """Add up squared scores over rows.

        Raises
        ------
        FitError
            If HC2 or HC3 is asked of another family than the linear one.
        """
        if self.family != "linear" and kind in ("HC2", "HC3"):
            raise FitError(
                f"{kind} of a {self.family} fit needs leverages of the last step, which passes "
                'over the table do not hold. Take errors="HC1", or fit on the rows.'
            )
        return robust_meat(
            self.rows, self.moments, self.standard, kind=kind, mean=MEANS[self.family]
        )

    def clustered(self, customers: CustomerCounts) -> Meat:
        """Add up squared scores over customers."""
        return clustered_meat(
            self.rows,
            self.moments,
            self.standard,
            mean=MEANS[self.family],
            customers=customers,
        )

    def covariance(self, meat: Meat) -> Floats:
        """Put a meat, with its small-sample factor, between the inverses; in own units, (k, k)."""
        return meat.factor(self.n_params) * self._outward(self.inverse @ meat.matrix @ self.inverse)

    def classical(self) -> Floats:
        """Give the covariance under one variance, or under the likelihood.

        Raises
        ------
        FitError
            If it needs a dispersion that is not known.
        """
        if self.family == "linear":
            spread = self.residual_squares / (self.n_obs - self.n_params)
            return spread * self._outward(self.inverse) / self.scale**2
        if self.family == "gamma" or self.rows.weight is not None:
            raise FitError(
                "Classical errors need a dispersion that is known: not so with the gamma family or "
                'with weights. Take errors="HC0" or "HC1".'
            )
        return self._outward(self.inverse)

    def _outward(self, matrix: Floats) -> Floats:
        back = self.moments.design.back()
        return np.asarray(back @ matrix @ back.T) * self.scale**2


def fit_by_passes(rows: CompleteRows, moments: CrossProducts, family: Family) -> PassFit:
    """Fit the first outcome: least squares at once, the others by Newton's method, pass by pass.

    Raises
    ------
    InsufficientDataError
        If there are no rows beyond the coefficients.
    SeparationError
        If the columns tell a 0/1 outcome apart without error.
    ConvergenceError
        If there is no maximum.
    """
    if family == "linear":
        return _least_squares(rows, moments)
    kept, dropped = independent_columns(moments.zwz)
    _require_rows(rows, len(kept))
    position = _start(moments, kept, family)
    for iteration in range(1, MAX_ITERATIONS + 1):
        step = likelihood_step(rows, moments, position, MEANS[family])
        try:
            triangle = upper_cholesky(step.information[np.ix_(kept, kept)])
        except np.linalg.LinAlgError:
            raise _no_maximum(family, iteration) from None
        move = cho_solve((triangle, False), step.gradient[kept])
        length = float(np.abs(move).sum())
        move = move * min(1.0, LONGEST_STEP / max(length, LONGEST_STEP))
        position[kept] += move
        if length < SETTLED * max(1.0, float(np.abs(position).sum())):
            return _settled(rows, moments, family, position, triangle, kept, dropped)
        if family == "logit" and iteration >= SEPARATED_AFTER and length > SEPARATED_STEP:
            break
    raise _no_maximum(family, iteration)


def _least_squares(rows: CompleteRows, moments: CrossProducts) -> PassFit:
    solution = solve(moments.design, moments.zwz, moments.zwy, moments.ywy)
    _require_rows(rows, solution.n_params)
    return PassFit(
        rows=rows,
        moments=moments,
        family="linear",
        standard=solution.standard[:, 0],
        coefficients=solution.coefficients[:, 0],
        inverse=solution.inverse,
        collinear=solution.collinear,
        residual_squares=float(solution.residual_squares[0, 0])
        * moments.design.outcomes[0].scale ** 2,
    )


def _settled(
    rows: CompleteRows,
    moments: CrossProducts,
    family: Family,
    position: Floats,
    triangle: Floats,
    kept: NDArray[np.int64],
    dropped: NDArray[np.int64],
) -> PassFit:
    inverse = np.zeros_like(moments.zwz)
    inverse[np.ix_(kept, kept)] = cho_solve((triangle, False), np.eye(len(kept)))
    return PassFit(
        rows=rows,
        moments=moments,
        family=family,
        standard=position,
        coefficients=np.asarray(moments.design.back() @ position),
        inverse=inverse,
        collinear=tuple(moments.columns[i] for i in dropped),
    )


def _require_rows(rows: CompleteRows, n_params: int) -> None:
    if rows.n_used <= n_params:
        raise InsufficientDataError(
            f"{rows.n_used:,} rows cannot carry {n_params} coefficients. "
            "Leave columns out, or group rare levels together."
        )


def _start(moments: CrossProducts, kept: NDArray[np.int64], family: Family) -> Floats:
    """Begin at the overall mean, and take the step from there, which cross-products alone tell."""
    position = np.zeros(len(moments.zwz))
    mean = mean_outcome(moments)
    at = intercept_of(moments.design)
    if family == "logit":
        position[at], curvature = float(np.log(mean / (1 - mean))), mean * (1 - mean)
    elif mean > 0:
        position[at], curvature = float(np.log(mean)), mean
    else:
        return position
    outcome = moments.design.outcomes[0]
    gradient = outcome.scale * moments.zwy[:, 0] + (outcome.centre - mean) * moments.zwz[:, at]
    triangle = upper_cholesky(curvature * moments.zwz[np.ix_(kept, kept)])
    move = cho_solve((triangle, False), gradient[kept])
    position[kept] += move * min(1.0, 1.0 / max(float(np.abs(move).sum()), 1.0))
    return position


def mean_outcome(moments: CrossProducts) -> float:
    """Give the weighted mean of the first outcome."""
    outcome = moments.design.outcomes[0]
    total = moments.zwy[intercept_of(moments.design), 0]
    return outcome.centre + outcome.scale * float(total) / moments.sum_weights


def intercept_of(design: StandardDesign) -> int:
    """Find the column of ones."""
    return next(i for i, column in enumerate(design.columns) if not column.factors)


def _no_maximum(family: Family, iteration: int) -> SeparationError | ConvergenceError:
    if family == "logit":
        return SeparationError(
            "The columns tell the two outcomes apart without error, in all rows or in some, so no "
            "finite coefficient exists. Look for a column that is known only after the outcome, or "
            "show the levels instead of a slope."
        )
    return ConvergenceError(
        f"The {family} regression found no maximum in {iteration} steps. A group of rows whose "
        "outcomes are all zero, or sum to less than zero, is the usual cause."
    )
