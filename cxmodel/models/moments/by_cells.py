"""A regression fitted on cells, as a result."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

import numpy as np
from numpy.typing import NDArray

from cxmodel.errors import InsufficientDataError
from cxmodel.models.moments.cell_effects import CellEffect, average_effect, joined
from cxmodel.models.moments.cell_fits import CellErrors, CellFit, Family, fit_on_cells
from cxmodel.models.moments.cell_influence import covariance
from cxmodel.models.moments.columns import Columns
from cxmodel.models.moments.moments_fit import MomentsFit
from cxmodel.models.moments.two_part import TwoPartFit, fit_two_parts
from cxmodel.stats.sandwich import small_sample_factor
from cxmodel.tables.reduction.cells import Cells
from cxmodel.tables.reduction.route import Route

if TYPE_CHECKING:
    from cxmodel.models.moments.regression import MomentsRegression

Floats = NDArray[np.float64]


def fit_by_cells(
    model: MomentsRegression, cells: Cells, columns: Columns, route: Route
) -> MomentsFit:
    """Fit on cells and put the result together."""
    refuse_cells(cells, model.outcome)
    fitted, effects, n_params = parts_of(model, cells, columns)
    kind = cell_errors(model)
    held = effect_covariance(cells, effects, n_params)
    values = fitted.covariance(kind)
    return MomentsFit(
        outcome=model.outcome,
        family=model.family,
        errors=kind,
        names=fitted.names,
        coefficients=blank(fitted.coefficients, fitted.fit.dropped),
        covariance=blank_both(values, fitted.fit.dropped),
        deg_freedom=freedom(model, fitted),
        effects=tuple(effect.column for effect in effects),
        effect_values=np.array([effect.value for effect in effects]),
        effect_covariance=held,
        collinear=fitted.collinear,
        n_obs=cells.n_used,
        n_params=n_params,
        missing=cells.missing,
        route=route,
        conf_level=model.conf_level,
        caveats=said_of(fitted.collinear),
    )


def parts_of(
    model: MomentsRegression, cells: Cells, columns: Columns
) -> tuple[CellFit, list[CellEffect], int]:
    """Fit, and average the slopes that are asked for; the number of parameters counts all parts."""
    terms = columns.terms_on_cells(cells)
    if model.family == "two_part":
        flag = next(name for name in cells.outcomes if name != model.outcome)
        two = fit_two_parts(cells, terms, flag, model.outcome)
        return two.whether, _effects_of(two, columns), two.n_params
    family: Family = model.family
    fitted = fit_on_cells(cells, terms, model.outcome, family)
    return fitted, _effects_of(fitted, columns), fitted.n_params


def _effects_of(fitted: CellFit | TwoPartFit, columns: Columns) -> list[CellEffect]:
    if isinstance(fitted, TwoPartFit):
        return [fitted.effect(name) for name in columns.numbers]
    is_line = fitted.fit.__class__.__name__ == "LeastSquares"
    wanted = [columns.interacted] if is_line else list(columns.numbers)
    return [average_effect(fitted, name) for name in wanted if name is not None]


def effect_covariance(cells: Cells, effects: list[CellEffect], n_params: int) -> Floats:
    """Give the covariance of average effects, with the factor of HC1."""
    if not effects:
        return np.zeros((0, 0))
    return small_sample_factor(cells.n_used, n_params) * covariance(cells, joined(effects))


def cell_errors(model: MomentsRegression) -> CellErrors:
    """Give the kind of errors; HC1 where none was asked for."""
    return next((kind for kind in get_args(CellErrors) if kind == model.errors), "HC1")


def freedom(model: MomentsRegression, fitted: CellFit) -> Floats:
    """Give t's degrees of freedom of least squares, n - k; infinite otherwise."""
    free = fitted.n_obs - fitted.n_params if model.family == "linear" else np.inf
    return np.full(len(fitted.coefficients), float(free))


def refuse_cells(cells: Cells, outcome: str) -> None:
    """Refuse cells in which there is nothing to explain."""
    if not cells.n_used:
        raise InsufficientDataError(
            f"None of {cells.n_rows:,} rows is complete; gaps: {cells.missing or 'none'}."
        )
    sums = cells.outcomes[outcome]
    if not sums.d2.any():
        raise InsufficientDataError(
            f"The outcome {outcome!r} is {sums.centre:g} in each of {cells.n_used:,} rows, so "
            "there is nothing to explain."
        )


def blank(values: Floats, dropped: NDArray[np.int64]) -> Floats:
    """Put NaN where a collinear column has no coefficient."""
    found = values.astype(float).copy()
    found[dropped] = np.nan
    return found


def blank_both(matrix: Floats, dropped: NDArray[np.int64]) -> Floats:
    """Put NaN into rows and columns of collinear columns."""
    found = matrix.copy()
    found[dropped, :] = np.nan
    found[:, dropped] = np.nan
    return found


def said_of(collinear: tuple[str, ...]) -> tuple[str, ...]:
    """Say which columns were left out."""
    if not collinear:
        return ()
    return (f"Left out, since constant or told by other columns: {', '.join(collinear)}.",)
