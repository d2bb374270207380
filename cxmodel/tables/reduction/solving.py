"""Least squares from cross-products: short, and enough to show that they suffice."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, solve_triangular

from cxmodel.errors import InsufficientDataError
from cxmodel.stats.linear import upper_cholesky
from cxmodel.tables.reduction.standard import StandardDesign

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Squared share of a column that must be left when the columns before it are taken out. Products of
# columns hold half the digits of the columns, so this is wider than on rows.
COLLINEAR = 1e-11


@dataclass(frozen=True, eq=False, kw_only=True)
class Solution:
    """Least squares on cross-products.

    Parameters
    ----------
    standard : array (p, q)
        Coefficients of standard outcomes on standard columns; 0 for collinear columns.
    coefficients : array (p, q)
        The same in the columns' and outcomes' own units.
    inverse : array (p, p)
        Inverse of the cross-products, 0 in rows and columns of collinear columns.
    residual_squares : array (q, q)
        Weighted cross-products of the residuals, in standard units.
    collinear : tuple of str
        Columns that are constant or repeat columns before them.
    """

    design: StandardDesign
    standard: Floats
    coefficients: Floats
    inverse: Floats
    residual_squares: Floats
    collinear: tuple[str, ...]

    @property
    def n_params(self) -> int:
        """Coefficients that were estimated."""
        return len(self.standard) - len(self.collinear)

    def covariance(self, meat: Floats, outcome: int = 0) -> Floats:
        """Put a meat between the inverses, in own units, (p, p).

        Parameters
        ----------
        meat : array (p, p)
            Sum of squared scores in standard units of columns and of this outcome.
        outcome : int
            Which outcome's scale to take back.
        """
        bread = self.design.back() @ self.inverse
        return np.asarray(bread @ meat @ bread.T) * self.design.outcomes[outcome].scale ** 2


def solve(design: StandardDesign, zwz: Floats, zwy: Floats, ywy: Floats) -> Solution:
    """Solve least squares by Cholesky; name the columns that add nothing.

    Parameters
    ----------
    design : StandardDesign
        What the columns are.
    zwz, zwy, ywy : arrays (p, p), (p, q), (q, q)
        Cross-products on standard columns, of `CrossProducts` or within customers.

    Raises
    ------
    InsufficientDataError
        If no column carries information.
    """
    kept, dropped = independent_columns(zwz)
    if not len(kept):
        raise InsufficientDataError(
            "No column of the design varies over the rows used. Check filters and gaps."
        )
    triangle = upper_cholesky(zwz[np.ix_(kept, kept)])
    standard = np.zeros_like(zwy)
    standard[kept] = cho_solve((triangle, False), zwy[kept])
    # Solved again for what is left: the equations then hold to the last digits.
    standard[kept] += cho_solve((triangle, False), (zwy - zwz @ standard)[kept])
    inverse = np.zeros_like(zwz)
    inverse[np.ix_(kept, kept)] = cho_solve((triangle, False), np.eye(len(kept)))
    scales = np.array([outcome.scale for outcome in design.outcomes])
    coefficients = design.back() @ standard * scales
    for i, column in enumerate(design.columns):
        if not column.factors:
            coefficients[i] += [outcome.centre for outcome in design.outcomes]
    fitted = standard.T @ zwy
    return Solution(
        design=design,
        standard=standard,
        coefficients=coefficients,
        inverse=inverse,
        residual_squares=ywy - fitted - fitted.T + standard.T @ zwz @ standard,
        collinear=tuple(design.names[i] for i in dropped),
    )


def independent_columns(zwz: Floats) -> tuple[Ints, Ints]:
    """Part columns into those that add something to the ones before them, and the others.

    Examples
    --------
    >>> kept, dropped = independent_columns(np.array([[4.0, 2.0], [2.0, 1.0]]))
    >>> kept.tolist(), dropped.tolist()
    ([0], [1])
    """
    kept: list[int] = []
    for j in range(len(zwz)):
        left = zwz[j, j]
        if kept:
            triangle = upper_cholesky(zwz[np.ix_(kept, kept)])
            along = solve_triangular(triangle, zwz[kept, j], trans="T")
            left = left - along @ along
        if left > COLLINEAR * zwz[j, j]:
            kept.append(j)
    dropped = np.setdiff1d(np.arange(len(zwz)), kept)
    return np.array(kept, dtype=np.int64), dropped.astype(np.int64)


def half_inverse(zwz: Floats) -> tuple[Ints, Floats]:
    """Give the independent columns, and upper triangle U with ``U U' = inverse`` over them."""
    kept, _ = independent_columns(zwz)
    triangle = upper_cholesky(zwz[np.ix_(kept, kept)])
    return kept, np.asarray(solve_triangular(triangle, np.eye(len(kept))))
