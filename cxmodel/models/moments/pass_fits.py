"""Regressions by passes over the table: for continuous columns, where there are no cells."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve

from cxmodel.models.moments.cell_fits import Family
from cxmodel.models.moments.climbing import Climb, intercept_of, require_rows
from cxmodel.models.moments.guide import guide_of
from cxmodel.models.moments.pass_fit import PassFit
from cxmodel.models.moments.passes import (
    MEANS,
    EnginePasses,
    KeptPasses,
    Passes,
    kept_for,
    parted_terms,
)
from cxmodel.stats.linear import upper_cholesky
from cxmodel.tables.moments import CompleteRows, CrossProducts, Term, cross_products, solve
from cxmodel.tables.reduction.cross_products import Designed, sum_of_weights
from cxmodel.tables.reduction.kept_rows import KeptRows
from cxmodel.tables.reduction.keyed import Keyed, keyed_columns
from cxmodel.tables.reduction.solving import independent_columns
from cxmodel.tables.reduction.some_rows import is_worth_it, some_rows
from cxmodel.tables.reduction.standard import standard_design

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def fit_by_passes(
    rows: CompleteRows, terms: Sequence[Term], outcome: str, family: Family
) -> PassFit:
    """Fit an outcome: least squares at once, the others by Newton's method, pass by pass.

    Of many rows a few are fitted first, and passes over all start from there. The maximum is that
    of all rows, to the last digits. What the few spare is the way to it, and the cross-products:
    columns that are independent on some rows are so on all, and where the outcome is not separated
    on some it is not on all.

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
        return _least_squares(rows, cross_products(rows, terms, [outcome]))
    if not is_worth_it(rows):
        return _from_the_mean(rows, terms, outcome, family, None)
    keyed = parted_terms(rows, terms, outcome)
    with kept_for(rows, keyed, outcome, family) as kept:
        fitted = _from_some_rows(rows, terms, outcome, family, keyed, kept)
        if fitted is None:
            return _from_the_mean(rows, terms, outcome, family, kept)
        return fitted


def _from_some_rows(
    rows: CompleteRows,
    terms: Sequence[Term],
    outcome: str,
    family: Family,
    keyed: Keyed,
    kept: KeptRows | None,
) -> PassFit | None:
    """Fit a few rows and pass over all from there; None where they are no help."""
    some = some_rows(rows, keyed.numbers(), kept)
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
        squares = guide.squares(some, keyed_columns(rows, design, design.columns))
        passes = EnginePasses(rows, moments, family, squares, is_guided=True)
    else:
        passes = KeptPasses(kept, moments, is_guided=True)
    every = np.arange(len(design.columns))
    climb = Climb(
        rows=rows,
        moments=moments,
        family=family,
        passes=passes,
        columns=every,
        collinear=every[:0],
        guide=guide,
    )
    return climb.up(guide.start)


def _from_the_mean(
    rows: CompleteRows,
    terms: Sequence[Term],
    outcome: str,
    family: Family,
    kept: KeptRows | None,
) -> PassFit:
    """Begin where all rows have the same mean, and pass over all."""
    moments = cross_products(rows, terms, [outcome])
    columns, collinear = independent_columns(moments.zwz)
    climb = Climb(
        rows=rows,
        moments=moments,
        family=family,
        passes=EnginePasses(rows, moments, family) if kept is None else KeptPasses(kept, moments),
        columns=columns,
        collinear=collinear,
    )
    return climb.up(_start(moments, columns, family))


def _least_squares(rows: CompleteRows, moments: CrossProducts) -> PassFit:
    solution = solve(moments.design, moments.zwz, moments.zwy, moments.ywy)
    require_rows(rows, solution.n_params)
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
