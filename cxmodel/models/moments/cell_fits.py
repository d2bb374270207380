"""Regressions on cells: the coefficients of the rows, from one row a cell.

All these likelihoods are linear in the outcome, so the mean of a cell with its summed weight stands
for its rows. Squared scores are not: they come from the cells' sums of squares (`cell_influence`).
For a 0/1 outcome with s ones among n rows these are the ``s (1 - mu)^2 + (n - s) mu^2`` of a
grouped logit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cxmodel.errors import FitError, InsufficientDataError, SeparationError
from cxmodel.models.moments.cell_influence import CellInfluence, Line, covariance
from cxmodel.stats.glm import GlmFit, fit_gamma, fit_logit, fit_poisson
from cxmodel.stats.linear import LeastSquares, fit_least_squares, influence_of
from cxmodel.stats.sandwich import FULL_LEVERAGE, small_sample_factor
from cxmodel.tables.reduction.cells import Cells
from cxmodel.tables.reduction.design import Centred, Intercept, Level, Numeric, Product, Term

Floats = NDArray[np.float64]
Family = Literal["linear", "logit", "poisson", "gamma"]
CellErrors = Literal["classical", "HC0", "HC1", "HC2", "HC3"]


@dataclass(frozen=True, eq=False, kw_only=True)
class CellFit:
    """A regression fitted on cells.

    Parameters
    ----------
    cells : Cells
        What it was fitted on.
    outcome : str
        Which of their outcomes.
    terms : tuple of design terms
        The k columns; the first is the intercept.
    design : array (n_cells, k)
        Their values.
    fit : LeastSquares or GlmFit
        On the cells' means.
    coefficients : array (k,)
        In own units; 0 for collinear columns.
    mean : array (n_cells,)
        Fitted mean of each cell.
    """

    cells: Cells
    outcome: str
    terms: tuple[Term, ...]
    design: Floats
    fit: LeastSquares | GlmFit
    coefficients: Floats
    mean: Floats

    @property
    def n_obs(self) -> int:
        """Rows behind the cells."""
        return self.cells.n_used

    @property
    def n_params(self) -> int:
        """Coefficients that were estimated."""
        return self.fit.n_params

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(term.name for term in self.terms)

    @property
    def collinear(self) -> tuple[str, ...]:
        """Columns that are constant or repeat columns before them."""
        return tuple(self.names[i] for i in self.fit.dropped)

    @property
    def is_weighted(self) -> bool:
        """Whether rows have weights."""
        return bool((self.cells.w != self.cells.n).any())

    def influence(self, gradients: Floats | None = None) -> CellInfluence:
        """Give the rows' pull on combinations (k, q) of the coefficients; default, each of them."""
        gradients = np.eye(len(self.coefficients)) if gradients is None else gradients
        ones = np.ones(self.cells.n_cells)
        slope = influence_of(self.fit.basis, self.fit.triangle, ones, gradients)
        if isinstance(self.fit, GlmFit) and self.fit.family.name == "gamma":
            slope = slope / self.mean[:, None]
        at = self.mean - self.cells.outcomes[self.outcome].centre
        return CellInfluence(np.zeros_like(slope), (Line(self.outcome, at, slope),))

    def covariance(self, kind: CellErrors = "HC1") -> Floats:
        """Estimate the covariance of the coefficients, (k, k).

        Raises
        ------
        FitError
            If leverage is needed and rows of a cell differ in it, since they have weights; or if a
            classical covariance needs a dispersion.
        """
        if kind == "classical":
            return self._classical()
        influence = self.influence()
        if kind in ("HC2", "HC3"):
            (line,) = influence.lines
            factor = self._leverage_factor(kind)
            influence = CellInfluence(
                influence.level, (Line(line.outcome, line.at, line.slope * factor[:, None]),)
            )
        small = small_sample_factor(self.n_obs, self.n_params) if kind == "HC1" else 1.0
        return small * covariance(self.cells, influence)

    def _classical(self) -> Floats:
        if isinstance(self.fit, GlmFit):
            if self.fit.family.name == "gamma" or self.is_weighted:
                raise FitError(
                    "Classical errors need a dispersion that is known: not so with the gamma "
                    'family or with weights. Take errors="HC0" or "HC1".'
                )
            return self.fit.covariance("classical")
        sums = self.cells.outcomes[self.outcome]
        at = self.mean - sums.centre
        w = self.cells.w
        squares = sums.wd2 - sums.wd**2 / w + (sums.wd - at * w) ** 2 / w
        spread = np.sum(squares) / (self.n_obs - self.n_params)
        inverse = influence_of(self.fit.basis, self.fit.triangle, np.ones(self.cells.n_cells), None)
        return np.asarray(spread * inverse.T @ (w[:, None] * inverse))

    def _leverage_factor(self, kind: CellErrors) -> Floats:
        """Divide a row's residual by ``1 - h`` or its root, h the leverage of one row."""
        if self.is_weighted:
            raise FitError(
                f"{kind} needs each row's own leverage, and rows of a cell have different weights. "
                'Take errors="HC1", or a design with continuous columns, which passes over rows.'
            )
        leverage = self.fit.leverage / self.cells.n
        left = np.where(leverage < FULL_LEVERAGE, 1 - leverage, 1.0)
        return np.asarray(1 / left if kind == "HC3" else 1 / np.sqrt(left))


def fit_on_cells(
    cells: Cells, terms: Sequence[Term], outcome: str, family: Family = "linear"
) -> CellFit:
    """Fit a regression on cells; coefficients and errors are those of the rows.

    Parameters
    ----------
    cells : Cells
        With every column of the design among their keys.
    terms : sequence of design terms
        The columns; the first is the intercept.
    outcome : str
        One of the cells' outcomes.
    family : {"linear", "logit", "poisson", "gamma"}
        Identity, logistic or exponential mean.

    Raises
    ------
    InsufficientDataError
        If there are no rows beyond the parameters, or the outcome never varies.
    SeparationError
        If the columns tell a 0/1 outcome apart without error.
    """
    terms = tuple(terms)
    if not terms or not isinstance(terms[0], Intercept):
        raise ValueError("The first term of a design on cells is the intercept.")
    if not cells.n_used:
        raise InsufficientDataError("No row is complete. Check filters and gaps.")
    sums = cells.outcomes[outcome]
    design = cell_design(cells, terms)
    deviation = sums.wd / cells.w
    fit = _fit(family, design, deviation, sums.centre, cells.w)
    if fit.n_params >= cells.n_used:
        raise InsufficientDataError(
            f"{cells.n_used:,} rows cannot carry {fit.n_params} coefficients. "
            "Leave columns out, or group rare levels together."
        )
    coefficients = fit.coefficients.copy()
    if isinstance(fit, LeastSquares):
        coefficients[0] += sums.centre
        mean = sums.centre + deviation - fit.residuals
    else:
        mean = fit.fitted
    return CellFit(
        cells=cells,
        outcome=outcome,
        terms=terms,
        design=design,
        fit=fit,
        coefficients=coefficients,
        mean=mean,
    )


def _fit(
    family: Family, design: Floats, deviation: Floats, centre: float, weights: Floats
) -> LeastSquares | GlmFit:
    if family == "linear":
        return fit_least_squares(design, deviation, weights)
    means = centre + deviation
    if family == "poisson":
        return fit_poisson(design, means, weights)
    if family == "gamma":
        return fit_gamma(design, means, weights)
    try:
        return fit_logit(design, np.clip(means, 0.0, 1.0), weights)
    except SeparationError as error:
        raise SeparationError(
            "The columns tell the two outcomes apart without error, in all cells or in some, so no "
            "finite coefficient exists. Look for a column that is known only after the outcome, or "
            "show the levels instead of a slope."
        ) from error


def cell_design(cells: Cells, terms: Sequence[Term]) -> Floats:
    """Compute the columns of a design on cells, (n_cells, k).

    Examples
    --------
    >>> import pandas as pd
    >>> from cxmodel.tables.engines.engine import connect
    >>> from cxmodel.tables.moments import complete_rows, count_cells
    >>> with connect() as session:
    ...     table = session.register(pd.DataFrame({"x": [1, 2, 2], "y": [5, 6, 7]}))
    ...     cells = count_cells(complete_rows(session, table, ["x", "y"]), ["x"], ["y"])
    >>> cell_design(cells, [Intercept(), Numeric("x")])
    array([[1., 1.],
           [1., 2.]])
    """
    return np.column_stack([_values(cells, term) for term in terms])


def derivatives(cells: Cells, terms: Sequence[Term], column: str) -> Floats:
    """Give how fast each column of a design moves with one numeric column, (n_cells, k)."""
    return np.column_stack([_derivative(cells, term, column) for term in terms])


def _values(cells: Cells, term: Term) -> Floats:
    if isinstance(term, Intercept):
        return np.ones(cells.n_cells)
    if isinstance(term, Product):
        return _values(cells, term.left) * _values(cells, term.right)
    if isinstance(term, Centred):
        values = _values(cells, term.term)
        origin = values[0]
        mean = float(cells.w @ (values - origin) / cells.w.sum())
        return np.asarray(values - origin - mean)
    if isinstance(term, Level):
        return np.asarray(cells.keys[term.column] == term.level, dtype=float)
    return np.asarray(cells.keys[term.column], dtype=float)


def _derivative(cells: Cells, term: Term, column: str) -> Floats:
    if isinstance(term, Product):
        left, right = _derivative(cells, term.left, column), _derivative(cells, term.right, column)
        return left * _values(cells, term.right) + right * _values(cells, term.left)
    base = term.term if isinstance(term, Centred) else term
    moves = isinstance(base, Numeric) and base.column == column
    return np.full(cells.n_cells, 1.0 if moves else 0.0)
