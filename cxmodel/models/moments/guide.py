"""A few rows in memory that show a likelihood the way, so that few passes over all are needed.

Let g and H be gradient and information of all rows at b, and let the few rows, each standing for
many, have G(b) and K(b). Newton's method takes ``g - H d = 0``; what it neglects, the bends of the
likelihood, the few rows tell well: ``g - H d + [G(b + d) - G(b) + K(b) d] = 0``. What is left
after such a step is the square of its length times the sampling error of the bends. This is the
control variate of sampling, put to the use of an equation; the solution is that of all rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve
from scipy.special import expit

from cxmodel.errors import FitError
from cxmodel.stats.glm import MAX_ITERATIONS, fit_gamma, fit_logit, fit_poisson
from cxmodel.stats.linear import upper_cholesky
from cxmodel.tables.reduction.keyed import Keyed
from cxmodel.tables.reduction.second_pass import Mean, Step
from cxmodel.tables.reduction.solving import independent_columns
from cxmodel.tables.reduction.some_rows import SomeRows
from cxmodel.tables.reduction.standard import StandardDesign

Floats = NDArray[np.float64]

_FITS = {"logistic": fit_logit, "exponential": fit_poisson, "gamma": fit_gamma}
# Steps inside: they cost next to nothing, so they go on until the digits end.
_ENOUGH = 1e-13
# Farther than this, in a typical row, bends are no longer told.
_FARTHEST = 4.0


@dataclass(frozen=True, eq=False, kw_only=True)
class Guide:
    """A likelihood on a few rows, and its maximum.

    Parameters
    ----------
    columns : array (m, p)
        Standard columns.
    outcome, weights : array (m,)
        In own units; what a row stands for.
    mean : {"logistic", "exponential", "gamma"}
        What makes the mean out of the linear predictor.
    start : array (p,)
        The maximum.
    """

    columns: Floats
    outcome: Floats
    weights: Floats
    mean: Mean
    start: Floats

    def at(self, position: Floats) -> Step:
        """Give gradient and information at a position."""
        return _step(self.columns, self.outcome, self.weights, self.mean, position)

    def squares(self, some: SomeRows, keyed: Keyed | None) -> Floats | None:
        """Guess what no sum of variances times squares of parts exceeds: twice that of these rows.

        Of a few rows in which a part is very large the guess may be too low. That costs a pass.
        """
        if keyed is None:
            return None
        _, variance = _residual_and_variance(self.columns @ self.start, self.outcome, self.mean)
        parts = some.standard(keyed.standard_parts())
        return np.asarray(2 * (self.weights * np.abs(variance)) @ parts**2)

    def move(self, position: Floats, step: Step, plain: Floats) -> Floats:
        """Give the move from a position that minds the bends; the plain one where none is found."""
        here, move = self.at(position), plain.copy()
        for _ in range(MAX_ITERATIONS):
            there = self.at(position + move)
            bend = there.gradient - here.gradient + here.information @ move
            slope = step.information + there.information - here.information
            further = _solved(slope, step.gradient - step.information @ move + bend)
            if further is None or not self._typical(move + further) <= _FARTHEST:
                return plain
            move = move + further
            if np.abs(further).sum() < _ENOUGH * max(1.0, float(np.abs(position).sum())):
                return move
        return plain

    def _typical(self, move: Floats) -> float:
        """Say how far a step moves the predictor: the root of the mean square."""
        return float(np.sqrt(np.average((self.columns @ move) ** 2, weights=self.weights)))


def guide_of(some: SomeRows, design: StandardDesign, mean: Mean) -> Guide | None:
    """Fit the first outcome on a few rows; None where they are collinear or have no maximum."""
    columns = some.standard(design.columns)
    outcome = np.asarray(some.values[design.outcomes[0].name], dtype=float)
    kept, _ = independent_columns(columns.T @ columns)
    if len(kept) < columns.shape[1]:
        return None
    try:
        start = _FITS[mean](columns, outcome, some.weights).coefficients
    except FitError:
        return None
    return Guide(columns=columns, outcome=outcome, weights=some.weights, mean=mean, start=start)


def _step(columns: Floats, outcome: Floats, weights: Floats, mean: Mean, at: Floats) -> Step:
    residual, variance = _residual_and_variance(columns @ at, outcome, mean)
    return Step(
        gradient=columns.T @ (weights * residual),
        information=(columns * (weights * variance)[:, None]).T @ columns,
    )


def _residual_and_variance(predictor: Floats, outcome: Floats, mean: Mean) -> tuple[Floats, Floats]:
    """Give what the engine's passes take for residual and variance."""
    if mean == "logistic":
        level = expit(predictor)
        return outcome - level, level * (1 - level)
    with np.errstate(over="ignore", invalid="ignore"):
        level = np.exp(predictor)
        if mean == "gamma":
            return outcome / level - 1, outcome / level
        return outcome - level, level


def _solved(information: Floats, gradient: Floats) -> Floats | None:
    """Solve for a step; None where there is none."""
    if not (np.isfinite(information).all() and np.isfinite(gradient).all()):
        return None
    try:
        triangle = upper_cholesky(information)
    except np.linalg.LinAlgError:
        return None
    return np.asarray(cho_solve((triangle, False), gradient))
