"""The way to a likelihood's maximum by Newton's method: every step is a pass over the rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve

from cxmodel.errors import ConvergenceError, InsufficientDataError, SeparationError
from cxmodel.models.moments.cell_fits import Family
from cxmodel.models.moments.guide import Guide
from cxmodel.models.moments.pass_fit import PassFit
from cxmodel.models.moments.passes import Passes
from cxmodel.stats.glm import MAX_ITERATIONS, SEPARATED_AFTER, SEPARATED_STEP
from cxmodel.stats.linear import upper_cholesky
from cxmodel.tables.moments import CompleteRows, StandardDesign, Step
from cxmodel.tables.reduction.cross_products import Designed
from cxmodel.tables.reduction.last_pass import LogitSums

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
# Newton's error squares with each step: after one of this size what is left is below rounding.
SETTLED = 1e-10
# What a step may move a linear predictor: of every row where the mean is an exponential, which
# would overflow; of a typical row in a logit, whose mean cannot.
LONGEST_STEP = 8.0
# Of a guided step's square this is left: bends of the likelihood, which some rows tell to a part.
LEFT = 0.01
# What errors need costs little beside a step, and a pass where it was not asked for: ask early.
EARLY = 1e4


@dataclass(frozen=True, eq=False, kw_only=True)
class Climb:
    """Newton's method by passes.

    Parameters
    ----------
    rows : CompleteRows
        The rows used.
    moments : Designed
        The design.
    family : {"logit", "poisson", "gamma"}
        What makes the mean.
    passes : Passes
        Where passes are taken.
    columns, collinear : arrays of int
        Columns of the design to fit, and those that are constant or repeat others.
    guide : Guide, optional
        A few rows that show the way.
    """

    rows: CompleteRows
    moments: Designed
    family: Family
    passes: Passes
    columns: Ints
    collinear: Ints
    guide: Guide | None = None

    def up(self, start: Floats) -> PassFit:
        """Go up to the maximum.

        Raises
        ------
        InsufficientDataError
            If there are no rows beyond the coefficients.
        SeparationError
            If the columns tell a 0/1 outcome apart without error.
        ConvergenceError
            If there is no maximum.
        """
        require_rows(self.rows, len(self.columns))
        position, is_last = start.copy(), False
        last, slope = np.zeros(len(self.columns)), 0.0
        for iteration in range(1, MAX_ITERATIONS + 1):
            step, sums = self.passes.at(position, is_last=is_last)
            gradient = step.gradient[self.columns]
            if -float(gradient @ last) > slope > 0:
                # Downhill more steeply than it was uphill: too far, half of it back.
                last = last / 2
                position[self.columns] -= last
                continue
            triangle = self._triangle(step, iteration)
            move = self._move(position, step, triangle)
            length, typical = float(np.abs(move).sum()), self._typical(triangle, step, move)
            size = typical if self.family == "logit" else length
            last = move * min(1.0, LONGEST_STEP / max(size, LONGEST_STEP))
            slope = float(gradient @ last)
            position[self.columns] += last
            settled = SETTLED * max(1.0, float(np.abs(position).sum()))
            is_there = length < settled
            # A guided logit ends with the pass that holds all digits, and what errors need.
            if is_there and (is_last or not self._is_guided_logit):
                return self._fit(position, step, triangle, sums)
            if self.family == "logit" and iteration >= SEPARATED_AFTER and typical > SEPARATED_STEP:
                break
            self.passes.note(step, triangle, length, settled)
            is_near = is_there or LEFT * typical**2 < EARLY * settled
            is_last = self._is_guided_logit and is_near
        raise _no_maximum(self.family, iteration)

    @property
    def _is_guided_logit(self) -> bool:
        return self.guide is not None and self.family == "logit"

    def _triangle(self, step: Step, iteration: int) -> Floats:
        try:
            return upper_cholesky(step.information[np.ix_(self.columns, self.columns)])
        except np.linalg.LinAlgError:
            raise _no_maximum(self.family, iteration) from None

    def _move(self, position: Floats, step: Step, triangle: Floats) -> Floats:
        move = np.asarray(cho_solve((triangle, False), step.gradient[self.columns]))
        return move if self.guide is None else self.guide.move(position, step, move)

    def _typical(self, triangle: Floats, step: Step, move: Floats) -> float:
        """Say how far a step moves the predictor: the root of the mean square, weighted by v."""
        at = intercept_of(self.moments.design)
        return float(np.linalg.norm(triangle @ move) / np.sqrt(step.information[at, at]))

    def _fit(
        self, position: Floats, step: Step, triangle: Floats, sums: LogitSums | None
    ) -> PassFit:
        inverse = np.zeros((len(position), len(position)))
        inverse[np.ix_(self.columns, self.columns)] = cho_solve(
            (triangle, False), np.eye(len(self.columns))
        )
        return PassFit(
            rows=self.rows,
            moments=self.moments,
            family=self.family,
            standard=position,
            coefficients=np.asarray(self.moments.design.back() @ position),
            inverse=inverse,
            collinear=tuple(self.moments.columns[i] for i in self.collinear),
            information=step.information,
            sums=sums,
        )


def require_rows(rows: CompleteRows, n_params: int) -> None:
    """Refuse a design with as many columns as rows, or more.

    Raises
    ------
    InsufficientDataError
        If there are no rows beyond the coefficients.
    """
    if rows.n_used <= n_params:
        raise InsufficientDataError(
            f"{rows.n_used:,} rows cannot carry {n_params} coefficients. "
            "Leave columns out, or group rare levels together."
        )


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
