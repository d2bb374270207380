"""A few rows of a table, the same ones on every engine: where an iteration may begin.

A row is taken when the digits far behind the point of its own numbers say so. That is plain IEEE
arithmetic on values, so neither the order of rows nor threads nor the engine can matter. Nothing
that is estimated rests on these rows: they only spare passes over all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cxmodel.tables.reduction.exact_sums import constant
from cxmodel.tables.reduction.rows import CompleteRows
from cxmodel.tables.reduction.standard import Factor, StandardColumn

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa

Floats = NDArray[np.float64]
Values = Mapping[str, NDArray[Any]]

WANTED = 50_000
"""Rows that are taken, about."""

MORE_THAN = 4
"""How many times fewer than all rows they must be, to be worth it."""

# Parts of the range of a column are multiplied by this before their fraction decides.
_FINE = 2.0**22
_ROOTS = (2.0, 3.0)


@dataclass(frozen=True, eq=False)
class SomeRows:
    """A few rows of a table, in an order that follows from their values.

    Parameters
    ----------
    values : mapping of str to array (m,)
        Columns as they are on the engine.
    weights : array (m,)
        How many rows of the table each stands for, times its own weight.
    numbers : frozenset of str
        Columns that one can calculate with.
    """

    values: Values
    weights: Floats
    numbers: frozenset[str]

    def mean(self, column: str) -> float:
        """Give the mean of a numeric column."""
        return float(np.mean(self.values[column], dtype=float))

    def standard(self, columns: Sequence[StandardColumn]) -> Floats:
        """Compute standard columns, (m, p)."""
        m = len(next(iter(self.values.values())))
        found = np.ones((m, len(columns)))
        for j, column in enumerate(columns):
            for factor in column.factors:
                found[:, j] *= _value(factor, self.values[factor.column])
            found[:, j] /= column.scale
        return found


def some_rows(rows: CompleteRows, continuous: Sequence[str]) -> SomeRows | None:
    """Take about 50,000 rows out of the engine; None where that is not worth it, or not to be had.

    Parameters
    ----------
    rows : CompleteRows
        The rows used.
    continuous : sequence of str
        Numeric columns with many values, whose digits choose.
    """
    varied = [name for name in continuous if rows.number(name).high > rows.number(name).low]
    if rows.n_used < MORE_THAN * WANTED or not varied:
        return None
    chance = _fraction(rows, varied[: len(_ROOTS)])
    taken = rows.table.filter(chance < constant(WANTED / rows.n_used))
    taken = taken.select(*(n for n in rows.ranges if n != rows.customer)).limit(2 * WANTED)
    answer = rows.session.arrow(taken)
    if not WANTED // 2 <= answer.num_rows < 2 * WANTED:
        # Few values, each in many rows: digits choose all rows of a value or none.
        return None
    values, ranks = {}, []
    for name in answer.column_names:
        values[name], rank = _column(answer[name], is_text=not rows.ranges[name].is_number)
        ranks.append(rank)
    order = np.lexsort(ranks)
    ordered = {name: column[order] for name, column in values.items()}
    times = np.full(answer.num_rows, rows.n_used / answer.num_rows)
    return SomeRows(
        ordered,
        times if rows.weight is None else times * ordered[rows.weight],
        frozenset(name for name in ordered if rows.ranges[name].is_number),
    )


def _column(column: pa.ChunkedArray, *, is_text: bool) -> tuple[NDArray[Any], NDArray[Any]]:
    """Give a column's values, and numbers in the same order."""
    if not is_text:
        return column.to_numpy(), column.to_numpy()
    encoded = column.combine_chunks().dictionary_encode()
    names = np.array(encoded.dictionary.to_pylist(), dtype=object)
    codes = encoded.indices.to_numpy()
    return names[codes], np.argsort(np.argsort(names))[codes]


def _fraction(rows: CompleteRows, columns: Sequence[str]) -> ir.FloatingValue:
    """Write what is behind the point of a fine sum of columns."""
    total = constant(0)
    for name, root in zip(columns, _ROOTS, strict=False):
        known = rows.number(name)
        fine = _FINE * root**0.5 / (float(known.high) - float(known.low))
        part = (rows.table[name].cast("float64") - constant(known.low)) * constant(fine)
        total = total + part
    return total - total.floor()


def _value(factor: Factor, column: NDArray[Any]) -> Floats:
    if factor.level is not None:
        value = np.asarray(column == factor.level, dtype=float)
    elif np.issubdtype(column.dtype, np.integer):
        value = np.asarray(column - int(factor.origin), dtype=float)
    else:
        value = np.asarray(column - factor.origin, dtype=float)
    return value - factor.shift if factor.shift else value
