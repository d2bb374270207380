"""Which reduction a regression takes, and its fit on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cxmodel.errors import DataError, FitError, InsufficientDataError
from cxmodel.models.moments.by_cells import fit_by_cells
from cxmodel.models.moments.by_rows import fit_by_table, fit_within
from cxmodel.models.moments.columns import Columns
from cxmodel.models.moments.moments_fit import MomentsFit
from cxmodel.models.moments.regression import MomentsRegression
from cxmodel.tables.reduction.at_once import cells_at_once
from cxmodel.tables.reduction.cells import Cells, count_cells
from cxmodel.tables.reduction.route import Method, Need, Route, choose_route
from cxmodel.tables.reduction.rows import CompleteRows, complete_rows, kind_of

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from cxmodel.tables.engines.engine import Session

Floats = NDArray[np.float64]
METHODS: dict[str, Method] = {
    "linear": "least_squares",
    "logit": "logit",
    "poisson": "poisson",
    "gamma": "gamma",
    "two_part": "gamma",
}


def fit_table(model: MomentsRegression, session: Session, table: ir.Table) -> MomentsFit:
    """Reduce a table as the settings allow, and fit; see ``MomentsRegression.fit``."""
    columns = Columns.of(model, table)
    refuse_outcome(model, session, table)
    outcomes = [model.outcome]
    if model.family == "two_part":
        flag = flag_name(model)
        table = table.mutate(**{flag: table[model.outcome] > 0})
        outcomes = [flag, model.outcome]
    cells, too_many = None, False
    try:
        cells = _at_once(model, session, table, columns, outcomes)
    except InsufficientDataError:
        # Too many cells are no mistake of the user's: cross-products do without.
        too_many = True
    if cells is not None:
        return fit_by_cells(model, cells, columns, route_of(cells, columns))
    rows = complete_rows(
        session,
        table,
        [*columns.names, *outcomes],
        weight=model.weight,
        customer=model.customer if _needs_customer(model) else None,
    )
    _refuse_rows(model, rows)
    return _fit_rows(model, rows, columns, outcomes, too_many)


def flag_name(model: MomentsRegression) -> str:
    """Name the flag that says whether there is any amount."""
    return f"any_{model.outcome}"


def _needs_customer(model: MomentsRegression) -> bool:
    return model.is_clustered or model.customer_effects


def _at_once(
    model: MomentsRegression,
    session: Session,
    table: ir.Table,
    columns: Columns,
    outcomes: list[str],
) -> Cells | None:
    """Make cells in one look, where that can be."""
    if model.weight is not None or _needs_customer(model) or columns.continuous:
        return None
    return cells_at_once(session, table, columns.keys, outcomes, max_cells=model.max_cells)


def route_of(cells: Cells, columns: Columns) -> Route:
    """Say that cells were taken, and how many there were."""
    word = "cell" if cells.n_cells == 1 else "cells"
    reason = (
        f"The {cells.n_used:,} rows fall into {cells.n_cells:,} {word} of "
        f"{', '.join(columns.keys)}."
    )
    return Route(name="cells", reason=reason, n_rows=cells.n_used, n_cells=cells.n_cells)


def _fit_rows(
    model: MomentsRegression,
    rows: CompleteRows,
    columns: Columns,
    outcomes: list[str],
    too_many_cells: bool,
) -> MomentsFit:
    def chosen(n_columns: int, too_many: bool) -> Route:
        need = Need(
            outcomes=tuple(outcomes),
            keys=columns.keys,
            continuous=columns.continuous,
            n_columns=n_columns,
            clustered=model.is_clustered,
            customer_effects=model.customer_effects,
            method=METHODS[model.family],
            too_many_cells=too_many,
        )
        return choose_route(rows, need, max_cells=model.max_cells)

    route = chosen(0, too_many_cells)
    if route.name == "cells" and not _needs_own_leverage(model):
        cells = count_cells(rows, columns.keys, outcomes, max_cells=model.max_cells)
        return fit_by_cells(model, cells, columns, route)
    terms = columns.terms_on_rows(rows, with_intercept=not model.customer_effects)
    if route.name != "cells":
        route = chosen(len(terms), True)
    if route.name == "rows":
        raise FitError(
            f"{route.reason} This regression is not had from a reduced table: group rare levels "
            "together, leave products out, or fit on the rows or a sample of them."
        )
    if model.customer_effects:
        return fit_within(model, rows, terms, route)
    return fit_by_table(model, rows, columns, terms, route)


def _needs_own_leverage(model: MomentsRegression) -> bool:
    """Say whether rows of one cell differ in leverage, so that cells are too coarse."""
    return model.weight is not None and model.errors in ("HC2", "HC3")


def refuse_outcome(model: MomentsRegression, session: Session, table: ir.Table) -> None:
    """Refuse an outcome that the family is not for."""
    if kind_of(table, model.outcome) == "text":
        raise DataError(f"The outcome {model.outcome!r} is text. Make it a number or a flag.")
    column = table[model.outcome]
    if model.family in ("linear", "poisson") or column.type().is_boolean():
        return
    facts: dict[str, Any] = session.one_row(table.aggregate(low=column.min(), high=column.max()))
    low, high = facts["low"], facts["high"]
    if low is None:
        return
    seen = f"{model.outcome!r} lies in {float(low):g} to {float(high):g}"
    if model.family == "logit" and (low < 0 or high > 1):
        raise DataError(f"A logit needs an outcome of 0 and 1; {seen}. Make it a flag.")
    if model.family == "gamma" and low <= 0:
        raise DataError(f'Gamma needs positive amounts; {seen}. Take family="two_part".')
    if model.family == "two_part" and low < 0:
        raise DataError(
            f"Two parts need amounts of 0 or more; {seen}. Refunds are a part of their own: take "
            'family="linear", or sum them up apart.'
        )


def _refuse_rows(model: MomentsRegression, rows: CompleteRows) -> None:
    if not rows.n_used:
        raise InsufficientDataError(
            f"None of {rows.n_rows:,} rows is complete. Gaps: {rows.missing or 'no rows at all'}."
        )
    known = rows.number(model.outcome)
    if known.low == known.high:
        raise InsufficientDataError(
            f"The outcome {model.outcome!r} is {known.low:g} in each of {rows.n_used:,} rows, so "
            "there is nothing to explain."
        )
