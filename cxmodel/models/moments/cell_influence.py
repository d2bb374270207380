"""Uncertainty on cells: each row's pull on an estimate is a line in its own outcomes.

In the cell c a row's pull is ``w_i (level_c + sum_k slope_kc (y_ki - at_kc))``, so that sums of its
squares and products need no more than the cells' sums of w^2, w^2 y and w^2 y y. Coefficients,
average marginal effects, averaged slopes and the two parts of an amount are all of this form.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cxmodel.tables.reduction.cells import Cells

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Line:
    """The part of the pull that moves with one outcome.

    Parameters
    ----------
    outcome : str
        Which.
    at : array (n_cells,)
        The fitted mean of each cell, less the outcome's centre.
    slope : array (n_cells, q)
        What a unit of residual pulls on each of q estimates.
    """

    outcome: str
    at: Floats
    slope: Floats


@dataclass(frozen=True, eq=False)
class CellInfluence:
    """What rows contribute to the errors of q estimates.

    Parameters
    ----------
    level : array (n_cells, q)
        What a row of the cell pulls whatever its outcome.
    lines : tuple of Line
        What moves with each outcome.
    """

    level: Floats
    lines: tuple[Line, ...]

    def turned(self, matrix: Floats) -> CellInfluence:
        """Give the pull on linear combinations (q, r) of the estimates."""
        lines = tuple(replace(line, slope=line.slope @ matrix) for line in self.lines)
        return CellInfluence(self.level @ matrix, lines)


def side_by_side(first: CellInfluence, second: CellInfluence) -> CellInfluence:
    """Put the estimates of two influences one after the other."""
    left, right = first.level.shape[1], second.level.shape[1]
    ahead = np.hstack([np.eye(left), np.zeros((left, right))])
    after = np.hstack([np.zeros((right, left)), np.eye(right)])
    first, second = first.turned(ahead), second.turned(after)
    return CellInfluence(first.level + second.level, first.lines + second.lines)


def cross_covariance(cells: Cells, first: CellInfluence, second: CellInfluence) -> Floats:
    """Add up the products of two influences over all rows, (q, r).

    For coefficients of two outcomes this is the cross meat of the method: in each cell
    ``x x' (sum y1 y2 - f1 sum y2 - f2 sum y1 + n f1 f2)``, with w^2 where there are weights.
    """
    total = first.level.T @ (cells.w2[:, None] * second.level)
    for line in second.lines:
        total = total + first.level.T @ (_sum(cells, line)[:, None] * line.slope)
    for line in first.lines:
        total = total + (_sum(cells, line)[:, None] * line.slope).T @ second.level
        for other in second.lines:
            total = total + line.slope.T @ (_product(cells, line, other)[:, None] * other.slope)
    return np.asarray(total)


def covariance(cells: Cells, influence: CellInfluence) -> Floats:
    """Add up the squares of an influence over all rows, (q, q)."""
    found = cross_covariance(cells, influence, influence)
    return np.asarray((found + found.T) / 2)


def _sum(cells: Cells, line: Line) -> Floats:
    """Sum of w^2 times the residual."""
    return cells.outcomes[line.outcome].w2d - line.at * cells.w2


def _product(cells: Cells, first: Line, second: Line) -> Floats:
    """Sum of w^2 times two residuals, spread within cells first so that it keeps its digits."""
    if first.outcome == second.outcome:
        products = cells.outcomes[first.outcome].w2d2
    else:
        pair = (first.outcome, second.outcome)
        held = cells.pairs[pair if pair in cells.pairs else (pair[1], pair[0])]
        products = held.w2dd
    a, b = cells.outcomes[first.outcome].w2d, cells.outcomes[second.outcome].w2d
    within = products - a * b / cells.w2
    return np.asarray(within + (a - first.at * cells.w2) * (b - second.at * cells.w2) / cells.w2)
