"""Cross-products with most of the work done once a cell instead of once a row.

A column of a design is a part that depends on keys (rating, levels of categorical controls) times
a part that does not (a continuous control, or 1). Rows that agree in the keys share the first, so
only products of the second parts are added up, in each cell: two continuous controls beside any
number of levels need nine sums a cell, where all pairs of columns would be dozens a row.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cxmodel.tables.reduction.cells import in_order
from cxmodel.tables.reduction.exact_sums import (
    Term,
    add_limbs,
    constant,
    power_of_two_scale,
    sums_of,
)
from cxmodel.tables.reduction.rows import CompleteRows
from cxmodel.tables.reduction.standard import Factor, StandardColumn, StandardDesign

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa

Floats = NDArray[np.float64]
Parts = tuple[Factor, ...]

MOST_CELLS = 4_000
"""Combinations of keys up to which sums are taken in each."""


@dataclass(frozen=True, eq=False)
class Keyed:
    """How the columns of a design part into keys and the rest.

    Parameters
    ----------
    keys : tuple of str
        Columns of the table that rows are grouped by.
    parts : tuple of tuples of Factor
        What columns are made of apart from keys; the first is empty, for 1.
    columns : tuple of (int, tuple of Factor, float)
        For each column of the design its part, its factors of keys, and a multiplier.
    """

    keys: tuple[str, ...]
    parts: tuple[Parts, ...]
    columns: tuple[tuple[int, Parts, float], ...]

    @property
    def n_parts(self) -> int:
        """How many different parts there are, 1 among them."""
        return len(self.parts)

    def numbers(self) -> tuple[str, ...]:
        """Name the columns that are numbers and no keys."""
        factors = (factor for part in self.parts for factor in part)
        return tuple(dict.fromkeys(f.column for f in factors if f.level is None))

    def carried(self, rows: CompleteRows) -> dict[str, Any]:
        """Write the keys ``k0, ...`` and the parts ``x1, ...``, each of size 1 at most."""
        found: dict[str, Any] = {f"k{i}": rows.table[key] for i, key in enumerate(self.keys)}
        for i, part in enumerate(self.parts[1:], start=1):
            value = part[0].value(rows)
            for factor in part[1:]:
                value = value * factor.value(rows)
            scale = _scale(part)
            found[f"x{i}"] = value * constant(1 / scale) if scale != 1 else value
        return found

    def standard_parts(self) -> tuple[StandardColumn, ...]:
        """Give the parts as columns, of the scale that `carried` gives them."""
        return tuple(
            StandardColumn(f"x{i}", part, scale=_scale(part)) for i, part in enumerate(self.parts)
        )

    def names(self) -> list[str]:
        """Name the columns that `carried` writes."""
        return [f"k{i}" for i in range(len(self.keys))] + [f"x{i}" for i in range(1, self.n_parts)]


def keyed_columns(
    rows: CompleteRows, design: StandardDesign, columns: Sequence[StandardColumn]
) -> Keyed | None:
    """Part columns into keys and the rest; None where there are no keys to be had."""
    found = parted_columns(rows, design, columns)
    return found if found.keys else None


def parted_columns(
    rows: CompleteRows, design: StandardDesign, columns: Sequence[StandardColumn]
) -> Keyed:
    """Part columns into keys and the rest, with or without keys."""
    keys = _keys_of(rows, design)
    parts: dict[Parts, int] = {(): 0}
    found = []
    for column in columns:
        own = tuple(f for f in column.factors if f.column in keys)
        rest = tuple(f for f in column.factors if f.column not in keys)
        at = parts.setdefault(rest, len(parts))
        found.append((at, own, _scale(rest) / column.scale))
    return Keyed(keys, tuple(parts), tuple(found))


def _scale(part: Parts) -> float:
    bound = 1.0
    for factor in part:
        bound *= factor.bound
    return power_of_two_scale(bound) if part else 1.0


def _keys_of(rows: CompleteRows, design: StandardDesign) -> tuple[str, ...]:
    """Choose keys: those with fewest values first, while combinations are few."""
    levels: dict[str, set[Any]] = {}
    numbers: set[str] = set()
    for column in design.columns:
        for factor in column.factors:
            if factor.level is None:
                numbers.add(factor.column)
            else:
                levels.setdefault(factor.column, set()).add(factor.level)
    sizes: dict[str, int] = {}
    for name in [*levels, *sorted(numbers)]:
        known = rows.known(name)
        if known.kind == "integer":
            sizes[name] = int(known.high) - int(known.low) + 1
        elif known.kind == "text":
            sizes[name] = len(levels[name]) + 1
    outcomes = {f.column for outcome in design.outcomes for f in outcome.factors}
    chosen, cells = [], 1
    for name in sorted(sizes, key=lambda n: (sizes[n], n)):
        if name not in outcomes and cells * sizes[name] <= min(MOST_CELLS, rows.n_used // 8):
            chosen.append(name)
            cells *= sizes[name]
    return tuple(chosen)


def keyed_sums(
    rows: CompleteRows,
    keyed: Keyed,
    table: ir.Table,
    weights: Mapping[str, tuple[str, float]],
    expected: Mapping[str, Floats] | None = None,
    coarse: Collection[str] = (),
) -> dict[str, Floats]:
    """Add up products of columns, by way of cells.

    Parameters
    ----------
    rows : CompleteRows
        The rows that `table` was made from.
    keyed : Keyed
        How p columns part.
    table : ibis table
        Holds what `Keyed.carried` writes, and the weights.
    weights : mapping of str to (str, float)
        For each result the column of the table that multiplies, and its bound. A name that begins
        with ``sum`` asks for the weighted sums of columns; others for their cross-products.
    expected : mapping of str to array (n_parts,), optional
        For weights that are not negative, more than their sums of squares of parts are thought to
        be. One limb then holds enough digits, by Cauchy and Schwarz. It need not be so: where the
        answer shows that it is not, the sums are taken again without.

    coarse : collection of str
        Weights whose sums may be off by ``sqrt(n) n 2^-53`` of their bound, which one limb holds.

    Returns
    -------
    dict of str to array
        (p,) for sums, (p, p) for cross-products; and under ``squares_`` and the name, of
        cross-products, the sums of squares of parts, (n_parts,).
    """
    expected = expected or {}
    terms: dict[str, Term] = {}
    limbs: dict[str, int] = {}
    for name, (weight, bound) in weights.items():
        for a, b in pairs_of(keyed, name):
            value = table[weight]
            for part in {a, b} if name.startswith("sum") else (a, b):
                value = value * table[f"x{part}"] if part else value
            most = expected.get(name)
            total = None if most is None else float(np.sqrt(most[a] * most[b]))
            terms[f"{name}_{a}_{b}"] = Term(value, bound, total)
            limbs[f"{name}_{a}_{b}"] = 2 if most is None and name not in coarse else 1
    cells, keys = in_cells(rows, keyed, table, terms, limbs)
    n_cells = len(keys[keyed.keys[0]])
    times = multipliers(keyed, keys, n_cells)
    found = {name: combined(keyed, name, cells, times) for name in weights}
    for name in weights:
        if not name.startswith("sum"):
            diagonal = [float(cells[f"{name}_{a}_{a}"].sum()) for a in range(keyed.n_parts)]
            found[f"squares_{name}"] = np.array(diagonal)
    if all((found[f"squares_{name}"] <= most).all() for name, most in expected.items()):
        return found
    return keyed_sums(rows, keyed, table, weights, coarse=coarse)


def pairs_of(keyed: Keyed, name: str) -> list[tuple[int, int]]:
    """List the pairs of parts whose products are asked for."""
    parts = range(keyed.n_parts)
    if name.startswith("sum"):
        return [(a, a) for a in parts]
    return [(a, b) for a in parts for b in parts if b >= a]


def in_cells(
    rows: CompleteRows,
    keyed: Keyed,
    table: ir.Table,
    terms: Mapping[str, Term],
    limbs: Mapping[str, int],
) -> tuple[dict[str, Floats], dict[str, NDArray[Any]]]:
    """Add up terms in each cell; the sums and the keys, in order of the keys."""
    most = max(rows.n_used, 1)
    aggregates: dict[str, Any] = {}
    for name, term in terms.items():
        aggregates |= sums_of({name: term}, most, limbs[name])
    grouped = table.group_by([f"k{i}" for i in range(len(keyed.keys))]).aggregate(**aggregates)
    answer = rows.session.arrow(grouped)
    order, keys = in_order([answer[f"k{i}"] for i in range(len(keyed.keys))], answer.num_rows)
    sums = {}
    for name in terms:
        parts = {f"{name}_{i}": _column(answer, f"{name}_{i}")[order] for i in range(limbs[name])}
        sums[name] = np.asarray(add_limbs(parts, name, limbs[name]))
    return sums, dict(zip(keyed.keys, keys, strict=True))


def _column(answer: pa.Table, name: str) -> Floats:
    return np.asarray(answer[name].to_numpy(), dtype=float)


def multipliers(keyed: Keyed, keys: Mapping[str, NDArray[Any]], n_cells: int) -> Floats:
    """Compute what each column is multiplied by in each cell, (n_cells, p)."""
    found = np.empty((n_cells, len(keyed.columns)))
    for j, (_, factors, multiplier) in enumerate(keyed.columns):
        found[:, j] = multiplier
        for factor in factors:
            found[:, j] *= factor.on(keys[factor.column])
    return found


def combined(keyed: Keyed, name: str, sums: Mapping[str, Floats], multipliers: Floats) -> Floats:
    """Add cells up, each with its multipliers."""
    at = [part for part, _, _ in keyed.columns]
    if name.startswith("sum"):
        columns = [multipliers[:, j] @ sums[f"{name}_{a}_{a}"] for j, a in enumerate(at)]
        return np.array(columns)
    found = np.empty((len(at), len(at)))
    for a in range(keyed.n_parts):
        for b in range(a, keyed.n_parts):
            left = [j for j, part in enumerate(at) if part == a]
            right = [j for j, part in enumerate(at) if part == b]
            cell = sums[f"{name}_{a}_{b}"][:, None]
            block = multipliers[:, left].T @ (cell * multipliers[:, right])
            found[np.ix_(left, right)] = block
            found[np.ix_(right, left)] = block.T
    return (found + found.T) / 2
