"""Cross-products of a design, and the meat of its robust covariances, added up on the engine."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cxmodel.tables.reduction.design import Term
from cxmodel.tables.reduction.exact_sums import Term as SumTerm
from cxmodel.tables.reduction.exact_sums import constant, cross_sums, total_sums
from cxmodel.tables.reduction.keyed import Keyed, keyed_columns, keyed_sums
from cxmodel.tables.reduction.rows import CompleteRows
from cxmodel.tables.reduction.standard import StandardDesign, standard_design

Floats = NDArray[np.float64]

MAX_COLUMNS = 60
"""Columns up to which cross-products are made: 1,830 sums, whose text engines still plan fast."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Designed:
    """A design that is ready for the engine, and the weight of its rows.

    Parameters
    ----------
    design : StandardDesign
        The p columns and q outcomes, and how they were made standard.
    sum_weights : float
        Sum of the weights; the number of rows without weights.
    """

    design: StandardDesign
    sum_weights: float

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the p columns."""
        return self.design.names

    @property
    def outcomes(self) -> tuple[str, ...]:
        """Names of the q outcomes."""
        return self.design.outcome_names


@dataclass(frozen=True, eq=False, kw_only=True)
class CrossProducts(Designed):
    """A design reduced to its cross-products, on standard columns z and outcomes t.

    ``own = centre + scale * standard``, for columns and outcomes alike.

    Parameters
    ----------
    design, sum_weights
        As in `Designed`.
    zwz : array (p, p)
        Weighted cross-products of the columns.
    zwy : array (p, q)
        Those of columns and outcomes.
    ywy : array (q, q)
        Those of the outcomes.
    n_rows, n_used : int
        Rows looked at, and rows without a gap.
    missing : dict of str to int
        Rows in which a column has a gap.
    """

    zwz: Floats
    zwy: Floats
    ywy: Floats
    n_rows: int
    n_used: int
    missing: dict[str, int] = field(default_factory=dict)


def cross_products(
    rows: CompleteRows, terms: Iterable[Term], outcomes: Sequence[str]
) -> CrossProducts:
    """Reduce a regression to its cross-products: means first, then all products in one pass.

    Parameters
    ----------
    rows : CompleteRows
        The rows used, with their weight.
    terms : iterable of design terms
        The columns; with an `Intercept`, columns and outcomes are taken off their means.
    outcomes : sequence of str
        Numeric columns to explain.

    Raises
    ------
    ValueError
        If there are more than 60 columns and outcomes.

    Examples
    --------
    >>> import pandas as pd
    >>> from cxmodel.tables.engines.engine import connect
    >>> from cxmodel.tables.reduction.design import Intercept, Numeric
    >>> from cxmodel.tables.reduction.rows import complete_rows
    >>> with connect() as session:
    ...     table = session.register(pd.DataFrame({"x": [1, 2, 3], "y": [1.0, 3.0, 5.0]}))
    ...     rows = complete_rows(session, table, ["x", "y"])
    ...     found = cross_products(rows, [Intercept(), Numeric("x")], ["y"])
    >>> found.zwz.tolist()
    [[3.0, 0.0], [0.0, 2.0]]
    """
    design = standard_design(rows, terms, outcomes)
    return cross_products_of(rows, design)


def cross_products_of(rows: CompleteRows, design: StandardDesign) -> CrossProducts:
    """Add up the cross-products of a design whose means and scales are known."""
    p, q = len(design.columns), len(design.outcomes)
    _refuse_wide(p + q)
    keyed = keyed_columns(rows, design, [*design.columns, *design.outcomes])
    sums = _pairs(rows, design) if keyed is None else _by_key(rows, design, keyed)
    return CrossProducts(
        design=design,
        zwz=sums[:p, :p],
        zwy=sums[:p, p:],
        ywy=sums[p:, p:],
        sum_weights=sum_of_weights(rows),
        n_rows=rows.n_rows,
        n_used=rows.n_used,
        missing=rows.missing,
    )


def _by_key(rows: CompleteRows, design: StandardDesign, keyed: Keyed) -> Floats:
    """Add up the parts of columns that are no keys in each cell, and the cells after that."""
    table = design.table(rows, keyed.carried(rows))
    if rows.weight is None:
        table = table.mutate(w=constant(1))
    weights = {"all": ("w", rows.largest_weight)}
    return keyed_sums(rows, keyed, table, weights)["all"]


def _pairs(rows: CompleteRows, design: StandardDesign) -> Floats:
    """Add up every pair of columns and outcomes."""
    p, q = len(design.columns), len(design.outcomes)
    names = [f"z{i}" for i in range(p)] + [f"y{i}" for i in range(q)]
    weight = None if rows.weight is None else ("w", rows.largest_weight)
    return cross_sums(
        rows.session,
        design.table(rows),
        dict.fromkeys(names, 1.0),
        rows.n_used,
        weight=weight,
        never={(f"z{i}", f"z{j}") for i, j in design.exclusive()},
    )


def sum_of_weights(rows: CompleteRows) -> float:
    """Add up the weights; without weights, count the rows."""
    if rows.weight is None:
        return float(rows.n_used)
    weight = rows.table[rows.weight].cast("float64")
    terms = {"w": SumTerm(weight, rows.largest_weight)}
    return total_sums(rows.session, rows.table, terms, rows.n_used)["w"]


def _refuse_wide(n_columns: int) -> None:
    if n_columns > MAX_COLUMNS:
        raise ValueError(
            f"{n_columns} columns and outcomes are more than cross-products are made for "
            f"({MAX_COLUMNS}). Group rare levels together, or leave products of columns out."
        )
