"""Cells: rows that agree in rating and controls, counted and added up into one.

Grouping by the columns themselves was measured against a packed whole-number key: at 10 million
rows five keys cost 0.84 s of CPU as they are and 1.26 s packed, since packing text compares it with
every level. So they are not packed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cxmodel.errors import InsufficientDataError
from cxmodel.tables.reduction.cell_sums import (
    Deviation,
    cell_sums,
    deviation_columns,
    deviation_of,
    written,
)
from cxmodel.tables.reduction.rows import CompleteRows

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa

    from cxmodel.tables.engines.engine import Session

Floats = NDArray[np.float64]

MAX_CELLS = 200_000
"""Cells beyond which a table is not reduced to cells; nor beyond a quarter of its rows."""

FIRST_ROWS = 40_000
"""Rows looked at first for how often they agree."""

ALWAYS_ALLOWED = 1_000
"""Cells that are few enough however few the rows."""


@dataclass(frozen=True, eq=False, kw_only=True)
class OutcomeSums:
    """Sums of one outcome in each cell, about its centre: ``d = y - centre``.

    Parameters
    ----------
    centre : float
        Taken off every value first, so that squares keep their digits; near the mean.
    d, d2 : arrays (n_cells,)
        Sums of d and of d squared.
    wd, wd2, w2d, w2d2 : arrays (n_cells,)
        The same with the weight, and with its square; without weights the arrays `d` and `d2`.
    """

    centre: float
    d: Floats
    d2: Floats
    wd: Floats
    wd2: Floats
    w2d: Floats
    w2d2: Floats


@dataclass(frozen=True, eq=False, kw_only=True)
class PairSums:
    """Sums of the product of two outcomes in each cell, each about its centre.

    Parameters
    ----------
    dd, w2dd : arrays (n_cells,)
        Sums of the product, and of the product with the squared weight.
    """

    dd: Floats
    w2dd: Floats


@dataclass(frozen=True, eq=False, kw_only=True)
class Cells:
    """Observations reduced to cells, in order of their keys.

    Parameters
    ----------
    keys : dict of str to array (n_cells,)
        The values of each key.
    n : array of int (n_cells,)
        Rows in each cell.
    w, w2 : arrays (n_cells,)
        Sums of weights and of squared weights; the counts without weights.
    outcomes : dict of str to OutcomeSums
        Sums of each outcome.
    pairs : dict of (str, str) to PairSums
        Sums of products, for every pair of outcomes in the order asked for.
    n_rows, n_used : int
        Rows looked at, and rows without a gap.
    missing : dict of str to int
        Rows in which a column has a gap.
    """

    keys: dict[str, NDArray[Any]]
    n: NDArray[np.int64]
    w: Floats
    w2: Floats
    outcomes: dict[str, OutcomeSums]
    pairs: dict[tuple[str, str], PairSums]
    n_rows: int
    n_used: int
    missing: dict[str, int] = field(default_factory=dict)

    @property
    def n_cells(self) -> int:
        """How many cells there are."""
        return len(self.n)


def count_cells(
    rows: CompleteRows,
    keys: Sequence[str],
    outcomes: Sequence[str],
    *,
    max_cells: int = MAX_CELLS,
) -> Cells:
    """Reduce observations to cells: one row for each combination of keys that occurs.

    Whole-number outcomes, their squares and products are added up exactly; weights and other
    outcomes in reproducible sums, off by at most 2^-50 of the largest term.

    Parameters
    ----------
    rows : CompleteRows
        The rows used, with their weight.
    keys : sequence of str
        Rating, categorical controls and small whole numbers.
    outcomes : sequence of str
        Numeric columns to add up.
    max_cells : int
        The most cells that may come out.

    Raises
    ------
    InsufficientDataError
        If there are more cells than allowed, so that they would be no reduction.

    Examples
    --------
    >>> import pandas as pd
    >>> from cxmodel.tables.engines.engine import connect
    >>> from cxmodel.tables.reduction.rows import complete_rows
    >>> with connect() as session:
    ...     table = session.register(pd.DataFrame({"rating": [9, 7, 9], "spent": [5, 6, 8]}))
    ...     rows = complete_rows(session, table, ["rating", "spent"])
    ...     cells = count_cells(rows, ["rating"], ["spent"])
    >>> cells.keys["rating"].tolist(), cells.n.tolist()
    ([7, 9], [1, 2])
    >>> (cells.outcomes["spent"].centre * cells.n + cells.outcomes["spent"].d).tolist()
    [6.0, 13.0]
    """
    for key in keys:
        rows.known(key)
    allowed = allowed_cells(rows.n_used, max_cells)
    if _probe_refuses(rows, keys, allowed):
        raise too_many_cells(keys, rows.n_used, allowed)
    deviations = [deviation_of(rows, name) for name in dict.fromkeys(outcomes)]
    columns = {f"k{i}": rows.table[key] for i, key in enumerate(keys)}
    base = rows.table.select(**columns, **deviation_columns(rows, deviations))
    sums = cell_sums(rows, base, deviations)
    aggregates = written(sums, base, rows.n_used)
    if keys:
        grouped = base.group_by(list(columns)).aggregate(**aggregates)
    else:
        grouped = base.aggregate(**aggregates).filter(lambda all_rows: all_rows["n"] > 0)
    found = rows.session.arrow(grouped.limit(allowed + 1))
    if found.num_rows > allowed:
        raise too_many_cells(keys, rows.n_used, allowed)
    order, values = in_order([found[name] for name in columns], found.num_rows)
    read = {name: total.read(found)[order] for name, total in sums.items()}
    n = np.asarray(found["n"].to_numpy(), dtype=np.int64)[order]
    return _cells(rows, dict(zip(keys, values, strict=True)), n, deviations, read)


def number_of_cells(
    rows: CompleteRows, keys: Sequence[str], *, max_cells: int = MAX_CELLS
) -> int | None:
    """Count the combinations of keys, or find that there are more than allowed: None.

    Where all keys are whole numbers and few combinations are possible, nothing is asked of the
    engine and the number of possible ones is given.
    """
    allowed = allowed_cells(rows.n_used, max_cells)
    known = [rows.known(key) for key in keys]
    if all(key.kind == "integer" for key in known):
        possible = math.prod(int(key.high) - int(key.low) + 1 for key in known)
        if possible <= allowed:
            return min(possible, rows.n_used)
    if _probe_refuses(rows, keys, allowed):
        return None
    n_cells = count_distinct(rows.session, rows.table, keys, allowed + 1)
    return n_cells if n_cells <= allowed else None


def allowed_cells(n_used: int, max_cells: int = MAX_CELLS) -> int:
    """Say how many cells are still a reduction: a quarter of the rows, within fixed bounds.

    Examples
    --------
    >>> allowed_cells(400_000), allowed_cells(50), allowed_cells(10_000_000)
    (100000, 1000, 200000)
    """
    return min(max_cells, max(n_used // 4, ALWAYS_ALLOWED))


def _probe_refuses(rows: CompleteRows, keys: Sequence[str], allowed: int) -> bool:
    if rows.n_used <= 8 * allowed or not keys:
        return False
    return probe_refuses(rows.session, rows.table, keys, allowed)


def probe_refuses(session: Session, table: ir.Table, keys: Sequence[str], allowed: int) -> bool:
    """Look at the first rows alone: too many cells there are too many in all.

    A few rows come first: where they agree often, so will the others.
    """
    if count_distinct(session, table.limit(FIRST_ROWS), keys, FIRST_ROWS) < FIRST_ROWS // 4:
        return False
    return count_distinct(session, table.limit(2 * allowed), keys, allowed + 1) > allowed


def count_distinct(session: Session, table: ir.Table, keys: Sequence[str], most: int) -> int:
    """Count the combinations of keys in a table, up to a number."""
    distinct = table.select(**{f"k{i}": table[key] for i, key in enumerate(keys)}).distinct()
    capped = distinct.limit(most)
    return int(session.one_row(capped.aggregate(n=capped.count()))["n"])


def too_many_cells(keys: Sequence[str], n_used: int, allowed: int) -> InsufficientDataError:
    """Say that cells would be no reduction."""
    return InsufficientDataError(
        f"{', '.join(keys)} make more than {allowed:,} cells of {n_used:,} rows, "
        "which would be no reduction. Use fewer or coarser keys, or cross-products."
    )


def in_order(
    keys: Sequence[pa.ChunkedArray], n_cells: int
) -> tuple[NDArray[np.intp], list[NDArray[Any]]]:
    """Sort cells by their keys: text by code point, which no engine's collation changes."""
    codes: list[NDArray[Any]] = []
    values: list[NDArray[Any]] = []
    for key in keys:
        encoded = key.combine_chunks().dictionary_encode()
        levels = encoded.dictionary.to_pylist()
        rank = np.argsort(np.argsort(np.array(levels, dtype=_type_of(levels)), kind="stable"))
        places = np.asarray(encoded.indices.to_numpy(zero_copy_only=False), dtype=np.intp)
        codes.append(rank[places])
        values.append(np.array(levels, dtype=_type_of(levels))[places])
    if not codes:
        return np.arange(n_cells), []
    order = np.lexsort(codes[::-1])
    return order, [value[order] for value in values]


def _type_of(levels: Sequence[Any]) -> type:
    return type(levels[0]) if levels and not isinstance(levels[0], str) else object


def _cells(
    rows: CompleteRows,
    keys: dict[str, NDArray[Any]],
    n: NDArray[np.int64],
    deviations: Sequence[Deviation],
    read: Mapping[str, Floats],
) -> Cells:
    """Give sums their names; without weights the weighted ones are the plain ones."""
    counts = n.astype(float)
    outcomes, pairs = {}, {}
    for i, d in enumerate(deviations):
        plain, square = f"d{i}", f"d{i}d{i}"
        outcomes[d.column] = OutcomeSums(
            centre=float(d.centre),
            d=read[plain],
            d2=read[square],
            wd=read.get(f"w{plain}", read[plain]),
            wd2=read.get(f"w{square}", read[square]),
            w2d=read.get(f"w2{plain}", read[plain]),
            w2d2=read.get(f"w2{square}", read[square]),
        )
        for j in range(i + 1, len(deviations)):
            name = f"d{i}d{j}"
            pairs[d.column, deviations[j].column] = PairSums(
                dd=read[name], w2dd=read.get(f"w2{name}", read[name])
            )
    return Cells(
        keys=keys,
        n=n,
        w=read.get("w", counts),
        w2=read.get("w2", counts),
        outcomes=outcomes,
        pairs=pairs,
        n_rows=rows.n_rows,
        n_used=rows.n_used,
        missing=rows.missing,
    )
