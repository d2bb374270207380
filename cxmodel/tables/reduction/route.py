"""Which reduction a regression takes, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cxmodel.tables.reduction.cells import MAX_CELLS, allowed_cells, number_of_cells
from cxmodel.tables.reduction.cross_products import MAX_COLUMNS
from cxmodel.tables.reduction.rows import CompleteRows

RouteName = Literal["cells", "cross_products", "by_customer", "rows"]
Method = Literal[
    "least_squares",
    "logit",
    "poisson",
    "gamma",
    "quantile",
    "trees",
    "row_bootstrap",
]

NEEDS_ROWS = {
    "quantile": "quantiles depend on the order of single values",
    "trees": "trees split single rows",
    "row_bootstrap": "a bootstrap draws single rows",
}
"""What no reduction holds, and why."""


@dataclass(frozen=True, kw_only=True)
class Need:
    """What a regression asks of the observation table.

    Parameters
    ----------
    outcomes : tuple of str
        What is explained.
    keys : tuple of str
        Rating, categorical controls and small whole numbers.
    continuous : tuple of str
        Controls with many values.
    n_columns : int
        Columns of the design, all dummies and products counted; 0 where only cells are wanted.
    clustered : bool
        Whether errors are clustered by customer.
    customer_effects : bool
        Whether every customer has an effect.
    method : str
        How it is estimated.
    too_many_cells : bool
        Whether it was already found that the keys make too many cells.
    """

    outcomes: tuple[str, ...]
    keys: tuple[str, ...] = ()
    continuous: tuple[str, ...] = ()
    n_columns: int = 0
    clustered: bool = False
    customer_effects: bool = False
    method: Method = "least_squares"
    too_many_cells: bool = False


@dataclass(frozen=True, kw_only=True)
class Route:
    """The reduction taken.

    Parameters
    ----------
    name : {"cells", "cross_products", "by_customer", "rows"}
        Which.
    reason : str
        One sentence with the numbers that decided.
    n_rows : int
        Rows used.
    n_cells : int or None
        Cells, where they were counted and are few enough; the possible ones where those are few.
    """

    name: RouteName
    reason: str
    n_rows: int
    n_cells: int | None = None


def choose_route(rows: CompleteRows, need: Need, *, max_cells: int = MAX_CELLS) -> Route:
    """Choose how to reduce observations for a regression.

    Parameters
    ----------
    rows : CompleteRows
        The rows used.
    need : Need
        What is asked.
    max_cells : int
        The most cells.

    Returns
    -------
    Route

    Examples
    --------
    >>> import pandas as pd
    >>> from cxmodel.tables.engines.engine import connect
    >>> from cxmodel.tables.reduction.rows import complete_rows
    >>> with connect() as session:
    ...     table = session.register(pd.DataFrame({"rating": [9, 7], "spent": [5, 6]}))
    ...     rows = complete_rows(session, table, ["rating", "spent"])
    ...     route = choose_route(rows, Need(outcomes=("spent",), keys=("rating",)))
    >>> route.name, route.reason
    ('cells', 'The 2 rows fall into at most 2 cells of rating.')
    """
    n = rows.n_used
    if need.method in NEEDS_ROWS:
        why = NEEDS_ROWS[need.method]
        return _route("rows", f"All {n:,} rows are taken out of the engine, since {why}.", n)
    if need.customer_effects and need.method != "least_squares":
        text = f"All {n:,} rows are taken out, since effects of customers are subtracted only"
        return _route("rows", f"{text} in least squares, not in {need.method}.", n)
    if need.clustered or need.customer_effects:
        what = "effects of customers" if need.customer_effects else "errors clustered by customer"
        return _summed(f"{n:,} rows are added up by customer for {what}", "by_customer", need, n)
    if not need.continuous:
        tried = need.too_many_cells
        n_cells = None if tried else number_of_cells(rows, need.keys, max_cells=max_cells)
        if n_cells is not None:
            return _cells(rows, need, n_cells)
        allowed = allowed_cells(n, max_cells)
        verb = "makes" if len(need.keys) == 1 else "make"
        seen = f"{', '.join(need.keys)} {verb} more than {allowed:,} cells of {n:,} rows"
        return _summed(seen, "cross_products", need, n)
    verb = "takes" if len(need.continuous) == 1 else "take"
    names = f"{', '.join(need.continuous)} {verb}"
    return _summed(f"{names} many values in {n:,} rows", "cross_products", need, n)


def _cells(rows: CompleteRows, need: Need, n_cells: int) -> Route:
    counted = "at most " if all(rows.known(k).kind == "integer" for k in need.keys) else ""
    word = "cell" if n_cells == 1 else "cells"
    reason = (
        f"The {rows.n_used:,} rows fall into {counted}{n_cells:,} {word} of {', '.join(need.keys)}."
    )
    return _route("cells", reason, rows.n_used, n_cells)


def _summed(why: str, name: RouteName, need: Need, n: int) -> Route:
    """Take cross-products unless they would be too many."""
    width = need.n_columns + len(need.outcomes)
    if width > MAX_COLUMNS:
        reason = f"{why}, and {width} columns are more than the {MAX_COLUMNS} of cross-products."
        return _route("rows", f"All rows are taken out of the engine: {reason}", n)
    if name == "by_customer":
        return _route(name, f"The {why}.", n)
    return _route(name, f"Cross-products are added up on the engine: {why}.", n)


def _route(name: RouteName, reason: str, n_rows: int, n_cells: int | None = None) -> Route:
    return Route(name=name, reason=reason, n_rows=n_rows, n_cells=n_cells)
