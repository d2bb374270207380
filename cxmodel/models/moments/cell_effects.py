"""Average marginal effects on cells, with analytic errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cxmodel.models.moments.cell_fits import CellFit, derivatives
from cxmodel.models.moments.cell_influence import CellInfluence, side_by_side
from cxmodel.stats.glm import GlmFit

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class CellEffect:
    """How fast the mean outcome moves with one column, averaged over the rows.

    Parameters
    ----------
    column : str
        Which.
    value : float
        Outcome per unit of the column.
    influence : CellInfluence
        Its squares sum to the variance, without a small-sample factor.
    """

    column: str
    value: float
    influence: CellInfluence


def average_effect(fitted: CellFit, column: str) -> CellEffect:
    """Average the slope of the mean in one numeric column over the rows.

    A row's pull is ``g_i - AME - G H^-1 s_i``: where it stands, and how it moves the coefficients
    (H the mean Hessian of the log-likelihood). Of a straight line with products this is the slope
    averaged over the rows, with the error of that average.
    """
    moves = derivatives(fitted.cells, fitted.terms, column)
    steepness, bend = _steepness(fitted)
    slopes = moves @ fitted.coefficients
    share = fitted.cells.w / fitted.cells.w.sum()
    value = float(share @ (steepness * slopes))
    gradient = fitted.design.T @ (share * bend * slopes) + moves.T @ (share * steepness)
    return CellEffect(column, value, pull_of(fitted, steepness * slopes - value, gradient))


def joined(effects: Sequence[CellEffect]) -> CellInfluence:
    """Put the influences of several effects side by side."""
    total = effects[0].influence
    for effect in effects[1:]:
        total = side_by_side(total, effect.influence)
    return total


def pull_of(fitted: CellFit, level: Floats, gradient: Floats) -> CellInfluence:
    """Put together what a row pulls by where it stands, (n_cells,), and through coefficients."""
    coefficients = fitted.influence(gradient[:, None])
    return CellInfluence((level / fitted.cells.w.sum())[:, None], coefficients.lines)


def _steepness(fitted: CellFit) -> tuple[Floats, Floats]:
    """Give first and second derivative of the mean in the linear predictor."""
    if not isinstance(fitted.fit, GlmFit):
        return np.ones(fitted.cells.n_cells), np.zeros(fitted.cells.n_cells)
    steepness = fitted.fit.family.mean_slope(fitted.fit.linear_predictor)
    if fitted.fit.family.name == "logit":
        return steepness, steepness * (1 - 2 * fitted.mean)
    return steepness, steepness
