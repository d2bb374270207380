"""An amount in two parts on cells: whether there is any (logit), times how much (gamma)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cxmodel.errors import InsufficientDataError
from cxmodel.models.moments.cell_effects import CellEffect, pull_of
from cxmodel.models.moments.cell_fits import CellFit, cell_design, derivatives, fit_on_cells
from cxmodel.models.moments.cell_influence import CellInfluence, Line, side_by_side
from cxmodel.stats.glm import GlmFit, fit_gamma
from cxmodel.stats.linear import influence_of
from cxmodel.tables.reduction.cells import Cells
from cxmodel.tables.reduction.design import Term

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False, kw_only=True)
class TwoPartFit:
    """Whether and how much.

    Parameters
    ----------
    whether : CellFit
        Logit of any amount.
    how_much : GlmFit
        Gamma with log link, on the cells that hold an amount.
    has_amount : array of bool (n_cells,)
        Which these are.
    flag, amount : str
        Outcomes of the cells: 1 where there is an amount, and the amount, 0 where there is none.
    """

    whether: CellFit
    how_much: GlmFit
    has_amount: NDArray[np.bool_]
    flag: str
    amount: str

    @property
    def n_params(self) -> int:
        """Coefficients of both parts."""
        return self.whether.n_params + self.how_much.n_params

    def effect(self, column: str) -> CellEffect:
        """Average ``d(p m)/dx = p(1-p) a m + p m b`` over the rows, x a numeric column.

        p is the probability of an amount and m its mean; a and b are the slopes of the two parts.
        """
        first, design = self.whether, self.whether.design
        cells = first.cells
        moves = derivatives(cells, first.terms, column)
        a, b = moves @ first.coefficients, moves @ self.how_much.coefficients
        p, m = first.mean, np.exp(design @ self.how_much.coefficients)
        q, share = p * (1 - p), cells.w / cells.w.sum()
        slopes = q * a * m + p * m * b
        value = float(share @ slopes)
        to_logit = design.T @ (share * (q * (1 - 2 * p) * a * m + q * m * b))
        to_logit = to_logit + moves.T @ (share * q * m)
        to_gamma = design.T @ (share * slopes) + moves.T @ (share * p * m)
        both = side_by_side(pull_of(first, slopes - value, to_logit), self._amounts_pull(to_gamma))
        return CellEffect(column, value, both.turned(np.ones((2, 1))))

    def _amounts_pull(self, gradient: Floats) -> CellInfluence:
        """Give the pull of ``amount / m - flag``, the score of a gamma row that has an amount."""
        cells = self.whether.cells
        slope = np.zeros((cells.n_cells, 1))
        fit = self.how_much
        ones = np.ones(int(self.has_amount.sum()))
        slope[self.has_amount] = influence_of(fit.basis, fit.triangle, ones, gradient[:, None])
        mean = np.exp(self.whether.design @ fit.coefficients)
        nothing = np.zeros(cells.n_cells)
        lines = (
            Line(self.amount, nothing - cells.outcomes[self.amount].centre, slope / mean[:, None]),
            Line(self.flag, nothing - cells.outcomes[self.flag].centre, -slope),
        )
        return CellInfluence(np.zeros_like(slope), lines)


def fit_two_parts(cells: Cells, terms: Sequence[Term], flag: str, amount: str) -> TwoPartFit:
    """Fit both parts on the same cells.

    Parameters
    ----------
    cells : Cells
        With both outcomes and their pair.
    terms : sequence of design terms
        The columns of both parts; the first is the intercept.
    flag, amount : str
        1 where there is an amount, else 0; and the amount, 0 where there is none.

    Raises
    ------
    InsufficientDataError
        If no row, or every row, has an amount.
    SeparationError
        If the columns tell without error who has one.
    """
    whether, sums = cells.outcomes[flag], cells.outcomes[amount]
    w_with = whether.centre * cells.w + whether.wd
    n_with = round(float((whether.centre * cells.n + whether.d).sum()))
    if n_with in (0, cells.n_used):
        raise InsufficientDataError(
            f"{n_with:,} of {cells.n_used:,} rows have an amount. Two parts need rows with and "
            'without: take family="gamma" where all have one.'
        )
    has_amount = (whether.centre * cells.n + whether.d) > 0.5
    means = (sums.centre * cells.w + sums.wd)[has_amount] / w_with[has_amount]
    design = cell_design(cells, terms)[has_amount]
    return TwoPartFit(
        whether=fit_on_cells(cells, terms, flag, "logit"),
        how_much=fit_gamma(design, means, w_with[has_amount]),
        has_amount=has_amount,
        flag=flag,
        amount=amount,
    )
