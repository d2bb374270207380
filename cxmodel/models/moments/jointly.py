"""Several outcomes of the same rows at once: one covariance over all their estimates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from cxmodel.errors import FitError
from cxmodel.models.moments.by_cells import fit_by_cells, parts_of
from cxmodel.models.moments.cell_effects import joined
from cxmodel.models.moments.cell_influence import CellInfluence, covariance, side_by_side
from cxmodel.models.moments.columns import Columns
from cxmodel.models.moments.fitting import refuse_outcome, route_of
from cxmodel.models.moments.moments_fit import MomentsFit
from cxmodel.models.moments.opening import opened
from cxmodel.models.moments.regression import MomentsRegression
from cxmodel.stats.sandwich import small_sample_factor
from cxmodel.tables.reduction.at_once import cells_at_once
from cxmodel.tables.reduction.cells import Cells, count_cells
from cxmodel.tables.reduction.rows import complete_rows

if TYPE_CHECKING:
    from cxmodel.tables.engines.engine import Engine

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False, kw_only=True)
class JointFit:
    """Fits of several outcomes, and how their errors hang together.

    Parameters
    ----------
    fits : tuple of MomentsFit
        One for each regression, all on the rows complete in every column.
    names : tuple of (str, str)
        Outcome and term of each estimate: coefficients, then ``"average effect of ..."``.
    values : array (k,)
    covariance : array (k, k)
        HC1, in the order of `names`.
    """

    fits: tuple[MomentsFit, ...]
    names: tuple[tuple[str, str], ...]
    values: Floats
    covariance: Floats


def fit_jointly(
    models: Sequence[MomentsRegression], table: Any, *, engine: Engine | None = None
) -> JointFit:
    """Fit several outcomes on the same cells, with one covariance over all estimates.

    The cross meat of a cell is ``x x' (sum y1 y2 - f1 sum y2 - f2 sum y1 + n f1 f2)``.

    Parameters
    ----------
    models : sequence of MomentsRegression
        Explained by the same columns, each with HC1 errors; the outcomes differ.
    table, engine
        As in ``MomentsRegression.fit``.

    Raises
    ------
    ValueError
        If the regressions are not of one design.
    FitError
        If the columns are too many-valued for cells: joint errors then need the rows.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"rating": [1, 1, 2, 2], "a": [1, 2, 2, 4], "b": [0, 1, 1, 3]})
    >>> models = [MomentsRegression(outcome=name, explained_by="rating") for name in ("a", "b")]
    >>> found = fit_jointly(models, table)
    >>> found.names[1], found.names[3], round(float(found.covariance[1, 3]), 4)
    (('a', 'rating'), ('b', 'rating'), 1.25)
    """
    first = models[0]
    _refuse_unlike(models)
    outcomes = [model.outcome for model in models]
    with (
        threadpool_limits(limits=1, user_api="blas"),
        opened(table, engine, outcomes) as found,
    ):
        session, rows = found.session, found.table
        columns = Columns.of(first, rows)
        for model in models:
            refuse_outcome(model, session, rows)
        if columns.continuous:
            raise FitError(
                f"{', '.join(columns.continuous)} take many values. Errors of several outcomes "
                "together are had from cells: band these columns, or take the rows (LiftModel)."
            )
        cells = None
        if first.weight is None:
            cells = cells_at_once(session, rows, columns.keys, outcomes, max_cells=first.max_cells)
        if cells is None:
            looked = complete_rows(session, rows, [*columns.names, *outcomes], weight=first.weight)
            cells = count_cells(looked, columns.keys, outcomes, max_cells=first.max_cells)
        return _joint(models, cells, columns)


def _joint(models: Sequence[MomentsRegression], cells: Cells, columns: Columns) -> JointFit:
    fits = tuple(fit_by_cells(m, cells, columns, route_of(cells, columns)) for m in models)
    total = CellInfluence(np.zeros((cells.n_cells, 0)), ())
    names: list[tuple[str, str]] = []
    values: list[float] = []
    for model, result in zip(models, fits, strict=True):
        fitted, effects, n_params = parts_of(model, cells, columns)
        kept = fitted.fit.kept
        gradients = np.eye(len(fitted.coefficients))[:, kept]
        own = fitted.influence(gradients)
        names += [(model.outcome, fitted.names[i]) for i in kept]
        values += [float(result.coefficients[i]) for i in kept]
        if effects:
            own = side_by_side(own, joined(effects))
            names += [(model.outcome, f"average effect of {e.column}") for e in effects]
            values += [e.value for e in effects]
        factor = small_sample_factor(cells.n_used, n_params) ** 0.5
        total = side_by_side(total, own.turned(factor * np.eye(own.level.shape[1])))
    return JointFit(
        fits=fits,
        names=tuple(names),
        values=np.array(values),
        covariance=covariance(cells, total),
    )


def _refuse_unlike(models: Sequence[MomentsRegression]) -> None:
    first = models[0]
    for model in models:
        same = (
            tuple(model.explained_by) == tuple(first.explained_by)
            and tuple(model.categories) == tuple(first.categories)
            and model.interacted == first.interacted
            and model.weight == first.weight
        )
        if not same or model.is_clustered or model.family == "two_part":
            raise ValueError(
                "Regressions fitted jointly have the same columns and weight, errors by row, and "
                "one part each."
            )
    if len({model.outcome for model in models}) < len(models):
        raise ValueError("Regressions fitted jointly have different outcomes.")
