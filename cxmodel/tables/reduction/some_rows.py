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
from cxmodel.tables.reduction.kept_rows import KeptRows
from cxmodel.tables.reduction.rows import CompleteRows
from cxmodel.tables.reduction.standard import StandardColumn

if TYPE_CHECKING:
    import pyarrow as pa

Floats = NDArray[np.float64]
Values = Mapping[str, NDArray[Any]]
Ranked = tuple[NDArray[Any], NDArray[Any]]

WANTED = 50_000
"""Rows that are taken, about."""

MORE_THAN = 4
"""How many times fewer than all rows they must be, to be worth it."""

# Parts of the range of a column are multiplied by this before their fraction decides.
_FINE = 2.0**22
_ROOTS = (2.0, 3.0, 5.0, 7.0)


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
                found[:, j] *= factor.on(self.values[factor.column])
            found[:, j] /= column.scale
        return found


def some_rows(
    rows: CompleteRows, numbers: Sequence[str], kept: KeptRows | None = None
) -> SomeRows | None:
    """Take about 50,000 rows; None where that is not worth it, or not to be had.

    Parameters
    ----------
    rows : CompleteRows
        The rows used.
    numbers : sequence of str
        Numeric columns with many values, whose digits choose.
    kept : KeptRows, optional
        The same rows in this process, to take them from instead of the engine.
    """
    varied = [name for name in numbers if rows.number(name).high > rows.number(name).low]
    if not is_worth_it(rows) or not varied:
        return None
    chosen = varied[: len(_ROOTS)]
    columns = _from_engine(rows, chosen) if kept is None else _from_kept(kept, chosen)
    n_taken = len(next(iter(columns.values()))[0])
    if not WANTED // 2 <= n_taken < 2 * WANTED:
        # Few values, each in many rows: digits choose all rows of a value or none.
        return None
    order = np.lexsort([rank for _, rank in columns.values()])
    ordered = {name: values[order] for name, (values, _) in columns.items()}
    times = np.full(n_taken, rows.n_used / n_taken)
    return SomeRows(
        ordered,
        times if rows.weight is None else times * ordered[rows.weight],
        frozenset(name for name in ordered if rows.ranges[name].is_number),
    )


def is_worth_it(rows: CompleteRows) -> bool:
    """Say whether there are many more rows than would be taken."""
    return rows.n_used >= MORE_THAN * WANTED


def _from_engine(rows: CompleteRows, chosen: Sequence[str]) -> dict[str, Ranked]:
    """Take rows out of the engine: the values of each column, and numbers in the same order."""
    chance: Any = constant(0)
    for name, (low, fine) in _fine(rows, chosen).items():
        part = rows.table[name].cast("float64") - constant(low)
        chance = chance + part * constant(fine)
    taken = rows.table.filter(chance - chance.floor() < constant(WANTED / rows.n_used))
    taken = taken.select(*(n for n in rows.ranges if n != rows.customer)).limit(2 * WANTED)
    answer = rows.session.arrow(taken)
    return {
        name: _column(answer[name], is_text=not rows.ranges[name].is_number)
        for name in answer.column_names
    }


def _from_kept(kept: KeptRows, chosen: Sequence[str]) -> dict[str, Ranked]:
    """Take rows out of those that are in this process; no more than twice as many as wanted."""
    fine, share = _fine(kept.rows, chosen), WANTED / kept.rows.n_used
    n_taken, cells, numbers = 0, [], []
    for block in kept.blocks():
        chance = np.zeros(len(block.cell))
        for name, (low, times) in fine.items():
            chance += (block.numbers[name] - (low - kept.origins[name])) * times
        taken = np.flatnonzero(chance - np.floor(chance) < share)
        cells.append(block.cell[taken])
        numbers.append(np.array([own[taken] for own in block.numbers.values()]))
        n_taken += len(taken)
        if n_taken >= 2 * WANTED:
            break
    cell, table = np.concatenate(cells), np.concatenate(numbers, axis=1)
    found: dict[str, Ranked] = {key: (v[cell], cell) for key, v in kept.key_values().items()}
    for own, (name, origin) in zip(table, kept.origins.items(), strict=True):
        is_whole = kept.rows.ranges[name].kind == "integer"
        found[name] = (own.astype(np.int64) + origin if is_whole else own, own)
    return found


def _fine(rows: CompleteRows, chosen: Sequence[str]) -> dict[str, tuple[float, float]]:
    """Say what is taken off each column that chooses, and what it is then multiplied by."""
    found = {}
    for name, root in zip(chosen, _ROOTS, strict=False):
        known = rows.number(name)
        reach = float(known.high) - float(known.low)
        found[name] = (float(known.low), _FINE * root**0.5 / reach)
    return found


def _column(column: pa.ChunkedArray, *, is_text: bool) -> Ranked:
    """Give a column's values, and numbers in the same order."""
    if not is_text:
        return column.to_numpy(), column.to_numpy()
    encoded = column.combine_chunks().dictionary_encode()
    names = np.array(encoded.dictionary.to_pylist(), dtype=object)
    codes = encoded.indices.to_numpy()
    return names[codes], np.argsort(np.argsort(names))[codes]
