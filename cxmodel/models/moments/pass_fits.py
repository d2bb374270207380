"""Regressions by passes over the table: for continuous columns, where there are no cells."""

from __future__ import annotations

from collections.abc import Sequence
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
from cxmodel.models.moments.guide import Guide, guide_of
from cxmodel.models.moments.passes import MEANS, EnginePasses, KeptPasses, Passes, kept_for
from cxmodel.stats.glm import MAX_ITERATIONS, SEPARATED_AFTER, SEPARATED_STEP
from cxmodel.stats.linear import upper_cholesky
from cxmodel.tables.moments import (
    CompleteRows,
    CrossProducts,
    CustomerCounts,
    Meat,
    StandardDesign,
    Step,
    Term,
    clustered_meat,
    robust_meat,
    solve,
)
from cxmodel.tables.reduction.cross_products import Designed, sum_of_weights
from cxmodel.tables.reduction.keyed import keyed_columns
from cxmodel.tables.reduction.last_pass import LogitSums
from cxmodel.tables.reduction.second_pass import RobustKind
from cxmodel.tables.reduction.solving import independent_columns
from cxmodel.tables.reduction.some_rows import is_worth_it, some_rows
from cxmodel.tables.reduction.standard import standard_design

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
# Newton's error squares with each step: after one of this size what is left is below rounding.
SETTLED = 1e-10
# Standard columns lie near 1, so this bounds what a step moves any row's linear predictor by.
LONGEST_STEP = 8.0
# Of a guided step's square this is left: bends of the likelihood, which some rows tell to a part.
LEFT = 0.01
# What errors need costs little beside a step, and a pass where it was not asked for: ask early.
EARLY = 1e4


@dataclass(frozen=True, eq=False, kw_only=True)
class PassFit:
    """A regression fitted by passes over the rows.

    Parameters
    ----------
    rows : CompleteRows
        The rows used.
    moments : Designed
        The design; of least squares with its cross-products, on standard columns.
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
    information : array (k, k) or None
        Of a likelihood's last step, in standard units.
    sums : LogitSums or None
        What the last pass of a logit found for its errors and effects.
    """

    rows: CompleteRows
    moments: Designed
    family: Family
    standard: Floats
    coefficients: Floats
    inverse: Floats
    collinear: tuple[str, ...]
    residual_squares: float = 0.0
    information: Floats | None = None
    sums: LogitSums | None = None

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
        """Add up squared scores over rows."""
        if self.sums is not None and kind in ("HC0", "HC1"):
            return Meat(matrix=self.sums.meat, kind=kind, n_obs=self.n_obs)
        return robust_meat(
            self.rows,
            self.moments,
            self.standard,
            kind=kind,
            mean=MEANS[self.family],
            information=self.information,
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
    passes = EnginePasses(rows, moments, family)
    start = _start(moments, kept, family)
    return _climbed(passes, rows, moments, family, start, kept, dropped)


def fit_from_some_rows(
    rows: CompleteRows,
    terms: Sequence[Term],
    outcome: str,
    family: Family,
    continuous: Sequence[str],
) -> PassFit | None:
    """Fit a likelihood on a few rows first, and pass over all from there; None where it is no help.

    The maximum is that of all rows, to the last digits. What the few rows spare is the way to it,
    and the cross-products: columns that are independent on some rows are so on all, and where the
    outcome is not separated on some it is not on all.
    """
    if family == "linear" or not is_worth_it(rows):
        return None
    with kept_for(rows, terms, outcome, family) as kept:
        some = some_rows(rows, continuous, kept)
        if some is None:
            return None
        near = {name: some.mean(name) for name in some.numbers}
        design = standard_design(rows, terms, [outcome], near=near)
        guide = guide_of(some, design, MEANS[family])
        if guide is None:
            return None
        moments = Designed(design=design, sum_weights=sum_of_weights(rows))
        passes: Passes
        if kept is None:
            keyed = keyed_columns(rows, design, design.columns)
            squares = guide.squares(some, keyed)
            passes = EnginePasses(rows, moments, family, squares, is_guided=True)
        else:
            passes = KeptPasses(kept, moments)
        every = np.arange(len(design.columns))
        return _climbed(passes, rows, moments, family, guide.start, every, every[:0], guide)


def _climbed(
    passes: Passes,
    rows: CompleteRows,
    moments: Designed,
    family: Family,
    position: Floats,
    kept: Ints,
    dropped: Ints,
    guide: Guide | None = None,
) -> PassFit:
    """Go up by Newton's method, a pass a step."""
    _require_rows(rows, len(kept))
    position, is_last = position.copy(), False
    for iteration in range(1, MAX_ITERATIONS + 1):
        step, sums = passes.at(position, is_last=is_last)
        try:
            triangle = upper_cholesky(step.information[np.ix_(kept, kept)])
        except np.linalg.LinAlgError:
            raise _no_maximum(family, iteration) from None
        move = cho_solve((triangle, False), step.gradient[kept])
        if guide is not None:
            move = guide.move(position, step, move)
        length = float(np.abs(move).sum())
        position[kept] += move * min(1.0, LONGEST_STEP / max(length, LONGEST_STEP))
        settled = SETTLED * max(1.0, float(np.abs(position).sum()))
        if length < settled:
            return _settled(rows, moments, family, position, step, triangle, kept, dropped, sums)
        if family == "logit" and iteration >= SEPARATED_AFTER and length > SEPARATED_STEP:
            break
        passes.note(step, triangle, length, settled)
        is_last = family == "logit" and guide is not None and LEFT * length**2 < EARLY * settled
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
    moments: Designed,
    family: Family,
    position: Floats,
    step: Step,
    triangle: Floats,
    kept: Ints,
    dropped: Ints,
    sums: LogitSums | None,
) -> PassFit:
    inverse = np.zeros((len(position), len(position)))
    inverse[np.ix_(kept, kept)] = cho_solve((triangle, False), np.eye(len(kept)))
    return PassFit(
        rows=rows,
        moments=moments,
        family=family,
        standard=position,
        coefficients=np.asarray(moments.design.back() @ position),
        inverse=inverse,
        collinear=tuple(moments.columns[i] for i in dropped),
        information=step.information,
        sums=sums,
    )


def _require_rows(rows: CompleteRows, n_params: int) -> None:
    if rows.n_used <= n_params:
        raise InsufficientDataError(
            f"{rows.n_used:,} rows cannot carry {n_params} coefficients. "
            "Leave columns out, or group rare levels together."
        )


def _start(moments: CrossProducts, kept: Ints, family: Family) -> Floats:
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
