"""Weighted least squares on arrays, careful with scale, offset and collinear columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, solve_triangular

from cxmodel.stats.sandwich import covariance_of

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
CovarianceKind = Literal["classical", "HC0", "HC1", "HC2", "HC3"]

# A column counts as collinear when what is left of it, after the columns before it, is smaller
# than this share of its own spread: the tolerance of R's lm.
COLLINEAR = 1e-7
# Down to here the normal equations, refined, keep ten digits; below, Householder's QR is taken.
WELL_CONDITIONED = 3e-3
# Rows that are worked on at a time, so that no second copy of the design is made.
BLOCK = 8_192


@dataclass(frozen=True, eq=False)
class Basis:
    """Centred and scaled columns of a design, and the way back to the user's coefficients.

    Parameters
    ----------
    columns : array (n, r)
        Columns that span the design, none of them repeating others.
    back : array (k, r)
        Coefficients on `columns` to coefficients of the design as given.
    kept, dropped : arrays of int
        Columns of the design that carry information, and those that repeat columns before them.
    """

    columns: Floats
    back: Floats
    kept: Ints
    dropped: Ints

    def gram(self, weights: Floats) -> Floats:
        """Weighted cross-products of the columns, (r, r)."""
        return gram(self.columns, weights)


@dataclass(frozen=True, eq=False)
class LeastSquares:
    """A least-squares fit; arrays only.

    Parameters
    ----------
    coefficients : array (k,)
        In the order of the design's columns; 0 for a column in `dropped`.
    residuals : array (n,)
        Outcome minus fitted value, unweighted.
    weights : array (n,)
        The weights, all 1 without any.
    basis : Basis
        The design in well-conditioned form.
    triangle : array (r, r)
        Upper triangle R with ``R'R`` the weighted cross-products of the basis.
    """

    coefficients: Floats
    residuals: Floats
    weights: Floats
    basis: Basis
    triangle: Floats

    @property
    def kept(self) -> Ints:
        """Columns that carry information."""
        return self.basis.kept

    @property
    def dropped(self) -> Ints:
        """Columns that are constant or repeat columns before them."""
        return self.basis.dropped

    @property
    def n_obs(self) -> int:
        """Rows of the design."""
        return len(self.residuals)

    @property
    def n_params(self) -> int:
        """Coefficients that were estimated."""
        return len(self.basis.kept)

    @property
    def leverage(self) -> Floats:
        """Diagonal of the hat matrix, one value a row."""
        return leverage_of(self.basis, self.triangle, self.weights)

    def influence(self, gradients: Floats | None = None) -> Floats:
        """Give each row's pull on linear combinations of the coefficients.

        Parameters
        ----------
        gradients : array (k, q) or (k,), optional
            Each column a combination; default: every coefficient.

        Returns
        -------
        array (n, q) or (n,)
            Rows that sum to zero and whose outer product sums to the HC0 covariance.
        """
        return influence_of(self.basis, self.triangle, self.weights * self.residuals, gradients)

    def covariance(
        self, kind: CovarianceKind = "HC1", *, clusters: NDArray[np.generic] | None = None
    ) -> Floats:
        """Estimate the covariance of the coefficients, (k, k).

        With `clusters` the small-sample form CR1 of Liang & Zeger (1986) is taken, as in Stata.
        """
        if kind == "classical" and clusters is None:
            rotated = solve_triangular(self.triangle, self.basis.back.T, trans="T")
            spread = np.sum(self.weights * self.residuals**2) / (self.n_obs - self.n_params)
            return np.asarray(spread * rotated.T @ rotated)
        return covariance_of(
            self.influence(),
            clusters=clusters,
            n_params=self.n_params,
            kind="HC1" if kind == "classical" else kind,
            leverage=self.leverage,
        )


def fit_least_squares(
    design: Floats, outcome: Floats, weights: Floats | None = None
) -> LeastSquares:
    """Fit least squares through an orthonormal basis of the centred and scaled design.

    Columns are centred on their weighted mean when the design holds a constant column, and
    scaled to unit spread, so offsets of 1e9 and unlike units cost no digits. A column that
    repeats columns before it gets the coefficient 0 and is listed in ``dropped``.

    Parameters
    ----------
    design : array (n, k)
        Columns of the design, with the constant among them if one is wanted.
    outcome : array (n,)
        What is explained.
    weights : array (n,), optional
        Positive weights; only their ratios matter for the coefficients.

    Returns
    -------
    LeastSquares
        The fit.

    Raises
    ------
    ValueError
        If shapes differ, a value is not finite, or a weight is not positive.

    Examples
    --------
    >>> x = np.array([0.0, 1.0, 2.0])
    >>> fit = fit_least_squares(np.column_stack([np.ones(3), x]), 1 + 2 * x)
    >>> fit.coefficients.round(10)
    array([1., 2.])
    """
    design, outcome, weights = checked_arrays(design, outcome, weights)
    basis = independent_basis(design, weights)
    triangle = upper_cholesky(basis.gram(weights))
    constant = _constant_column(design)
    centre = 0.0 if constant is None else float(np.average(outcome, weights=weights))
    residuals = outcome - centre
    position = np.zeros(basis.columns.shape[1])
    # solving again for what is left brings the normal equations to the digits of a QR
    for _ in range(3):
        step = cho_solve((triangle, False), basis.columns.T @ (weights * residuals))
        position += step
        residuals = outcome - centre - basis.columns @ position
    coefficients = basis.back @ position
    if constant is not None:
        coefficients[constant] += centre / design[0, constant]
    return LeastSquares(coefficients, residuals, weights, basis, triangle)


def checked_arrays(
    design: Floats, outcome: Floats, weights: Floats | None
) -> tuple[Floats, Floats, Floats]:
    """Check shapes, finiteness and weights once, and give float arrays back."""
    design = np.asarray(design, dtype=float)
    outcome = np.asarray(outcome, dtype=float)
    weights = np.ones(len(outcome)) if weights is None else np.asarray(weights, dtype=float)
    if design.ndim != 2 or len(design) != len(outcome) or len(weights) != len(outcome):
        raise ValueError(
            f"design {design.shape}, outcome {outcome.shape} and weights {weights.shape} "
            "must have one row count."
        )
    for name, values in (("design", design), ("outcome", outcome), ("weights", weights)):
        if not np.isfinite(values).all():
            raise ValueError(f"{name} holds values that are missing or infinite.")
    if not (weights > 0).all():
        raise ValueError(f"weights must be positive; the smallest is {weights.min():g}.")
    return design, outcome, weights


def independent_basis(design: Floats, weights: Floats) -> Basis:
    """Centre and scale a design; name the columns that add nothing to those before them."""
    standardised, back = standardise(design, weights)
    products = gram(standardised, weights)
    sizes = np.sqrt(np.diag(products))
    if _is_well_conditioned(products, sizes):
        everything = np.arange(design.shape[1], dtype=np.int64)
        return Basis(standardised, back, everything, everything[:0])
    root = np.sqrt(weights)[:, None]
    triangle = np.linalg.qr(standardised * root, mode="r")
    kept, dropped = _independent_columns(np.asarray(triangle), sizes)
    orthonormal, small = np.linalg.qr(standardised[:, kept] * root)
    way_back = solve_triangular(small, back[:, kept].T, trans="T").T
    return Basis(orthonormal / root, np.asarray(way_back), kept, dropped)


def gram(columns: Floats, weights: Floats) -> Floats:
    """Weighted cross-products, a block of rows at a time.

    Examples
    --------
    >>> gram(np.array([[1.0], [2.0]]), np.array([1.0, 0.5]))
    array([[3.]])
    """
    total = np.zeros((columns.shape[1], columns.shape[1]))
    for start in range(0, len(columns), BLOCK):
        block = columns[start : start + BLOCK]
        weighted = block * weights[start : start + BLOCK, None]
        total += weighted.T @ block
    return np.asarray((total + total.T) / 2)


def upper_cholesky(products: Floats) -> Floats:
    """Upper triangle R with ``R'R`` the cross-products."""
    return np.asarray(np.linalg.cholesky(products).T)


def influence_of(
    basis: Basis, triangle: Floats, scores: Floats, gradients: Floats | None
) -> Floats:
    """Each row's pull on combinations of coefficients: its score through the inverse Hessian."""
    if gradients is None:
        gradients = np.eye(basis.back.shape[0])
    directions = cho_solve((triangle, False), basis.back.T @ gradients)
    rows = basis.columns @ directions
    return np.asarray(rows * (scores[:, None] if rows.ndim == 2 else scores))


def leverage_of(basis: Basis, triangle: Floats, weights: Floats) -> Floats:
    """Diagonal of the hat matrix under these weights."""
    orthonormal = orthonormal_of(basis, triangle, weights)
    return np.asarray(np.einsum("ij,ij->i", orthonormal, orthonormal))


def orthonormal_of(basis: Basis, triangle: Floats, weights: Floats) -> Floats:
    """Orthonormal columns of the weighted design, (n, r)."""
    inverse = solve_triangular(triangle, np.eye(len(triangle)))
    return np.asarray(basis.columns @ inverse * np.sqrt(weights)[:, None])


def standardise(design: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Centre (where there is a constant) and scale; give the way back for coefficients (k, k)."""
    n_columns = design.shape[1]
    constant = _constant_column(design)
    shares = weights / weights.sum()
    centre = np.zeros(n_columns)
    if constant is not None:
        centre = shares @ design
        centre[constant] = 0.0
    standardised = design - centre
    scale = np.sqrt(np.einsum("ij,ij,i->j", standardised, standardised, shares))
    # what is left of a constant after centring is rounding, not spread
    flat = scale <= 1e-13 * np.abs(centre)
    standardised[:, flat] = 0.0
    scale[flat | (scale == 0)] = 1.0
    standardised /= scale
    back = np.diag(1.0 / scale)
    if constant is not None:
        moved = -centre / scale / design[0, constant]
        moved[constant] = 1.0 / scale[constant]
        back[constant] = moved
    return standardised, back


def _is_well_conditioned(products: Floats, sizes: Floats) -> bool:
    if not (sizes > 0).all():
        return False
    try:
        triangle = upper_cholesky(products)
    except np.linalg.LinAlgError:
        return False
    return bool((np.diag(triangle) > WELL_CONDITIONED * sizes).all())


def _constant_column(design: Floats) -> int | None:
    """Find the first column that is one and the same number, not zero."""
    if not len(design):
        return None
    for index in np.flatnonzero((design[0] != 0) & (design[0] == design[-1])):
        if (design[:, index] == design[0, index]).all():
            return int(index)
    return None


def _independent_columns(triangle: Floats, sizes: Floats) -> tuple[Ints, Ints]:
    """Keep the columns that add something to those before them; later copies go."""
    kept = list(range(triangle.shape[1]))
    while True:
        diagonal = np.abs(np.diag(np.linalg.qr(triangle[:, kept], mode="r")))
        added = np.zeros(len(kept))
        added[: len(diagonal)] = diagonal
        small = np.flatnonzero(added <= COLLINEAR * sizes[kept])
        if not len(small):
            break
        # one at a time: behind a column that adds nothing the diagonal means nothing
        del kept[int(small[0])]
    dropped = np.setdiff1d(np.arange(triangle.shape[1]), kept)
    return np.array(kept, dtype=np.int64), dropped.astype(np.int64)
