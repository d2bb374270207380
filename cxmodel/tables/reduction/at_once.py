"""Cells in one look at the table: where outcomes are whole numbers and rows have no weight.

`complete_rows` looks at a table before `count_cells` groups it. Whole numbers need no look: their
sums are exact about any point, and a gap is a group of its own. What is left is one group-by, with
the ranges before it, which Parquet files and most engines hold without reading a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cxmodel.tables.reduction.cell_sums import SMALL, summable
from cxmodel.tables.reduction.cells import (
    MAX_CELLS,
    Cells,
    OutcomeSums,
    PairSums,
    allowed_cells,
    in_order,
    probe_refuses,
    too_many_cells,
)
from cxmodel.tables.reduction.rows import as_number, kind_of

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa

    from cxmodel.tables.engines.engine import Session

Floats = NDArray[np.float64]
Whole = NDArray[Any]


@dataclass(frozen=True)
class WholeOutcome:
    """An outcome of whole numbers, and the point that its sums are taken about.

    Parameters
    ----------
    column : str
        Its name in the table.
    origin : int
        Taken off on the engine; 0 where squares fit without.
    reach : int
        The largest size of what is left.
    is_flag : bool
        Whether it is 0 or 1, so that it is its own square.
    """

    column: str
    origin: int
    reach: int
    is_flag: bool


def cells_at_once(
    session: Session,
    table: ir.Table,
    keys: Sequence[str],
    outcomes: Sequence[str],
    *,
    max_cells: int = MAX_CELLS,
) -> Cells | None:
    """Reduce a table to cells in one group-by; the sums are those of `count_cells`, bit for bit.

    Parameters
    ----------
    session : Session
        The engine on which the table lives.
    table : ibis table
        One row per observation.
    keys : sequence of str
        Text, flags and whole numbers.
    outcomes : sequence of str
        Flags and whole numbers.
    max_cells : int
        The most cells that may come out.

    Returns
    -------
    Cells or None
        None where it cannot be done so: a key or an outcome is no whole number, squares would not
        fit into 64 bits, or one of several outcomes has gaps.

    Raises
    ------
    InsufficientDataError
        If there are more cells than allowed.
    SchemaError
        If a column is missing.

    Examples
    --------
    >>> import pandas as pd
    >>> from cxmodel.tables.engines.engine import connect
    >>> with connect() as session:
    ...     table = session.register(pd.DataFrame({"rating": [9, 7, 9], "spent": [5, 6, 8]}))
    ...     cells = cells_at_once(session, table, ["rating"], ["spent"])
    >>> cells.keys["rating"].tolist(), cells.n.tolist(), cells.n_used
    ([7, 9], [1, 2], 3)
    """
    names = list(dict.fromkeys(outcomes))
    if any(kind_of(table, key) == "real" for key in keys):
        return None
    if any(kind_of(table, name) != "integer" for name in names) or set(keys) & set(names):
        return None
    n_rows, found = _ranges(session, table, names)
    if found is None:
        return None
    allowed = allowed_cells(n_rows, max_cells)
    # Whole numbers of few bits have few values; of others it is worth a look sooner.
    is_wide = any(_is_wide(table[key].type()) for key in keys)
    looks_from = (4 if is_wide else 8) * allowed
    if n_rows > looks_from and keys and probe_refuses(session, table, keys, allowed):
        raise too_many_cells(keys, n_rows, allowed)
    # Groups with a gap come on top of cells: if these are as many again, look at the rows first.
    answer = session.arrow(_grouped(table, keys, found, n_rows).limit(2 * allowed + 1))
    return None if answer.num_rows > 2 * allowed else _read(answer, keys, found, max_cells)


def _is_wide(kind: Any) -> bool:
    return bool(kind.is_integer() and kind.nbytes > 2)


def _ranges(
    session: Session, table: ir.Table, names: Sequence[str]
) -> tuple[int, list[WholeOutcome] | None]:
    """Count rows and find where squares are taken about; flags need no look."""
    numbers = [name for name in names if not table[name].type().is_boolean()]
    asked: dict[str, Any] = {"n": table.count()}
    for i, name in enumerate(numbers):
        asked[f"low_{i}"], asked[f"high_{i}"] = table[name].min(), table[name].max()
    facts = session.one_row(table.aggregate(**asked))
    found = []
    for name in names:
        low, high = 0, 1
        if name in numbers:
            at = numbers.index(name)
            if facts[f"low_{at}"] is None:
                return int(facts["n"]), None
            low, high = int(facts[f"low_{at}"]), int(facts[f"high_{at}"])
        origin = 0 if max(abs(low), abs(high)) <= SMALL else (low + high) // 2
        reach = max(abs(low - origin), abs(high - origin))
        if reach > SMALL:
            return int(facts["n"]), None
        found.append(WholeOutcome(name, origin, reach, low >= 0 and high <= 1))
    return int(facts["n"]), found


def _grouped(
    table: ir.Table, keys: Sequence[str], outcomes: Sequence[WholeOutcome], n_rows: int
) -> ir.Table:
    """Write the group-by: counts, sums, squares and products."""
    import ibis

    columns: dict[str, Any] = {f"k{i}": table[key] for i, key in enumerate(keys)}
    for i, outcome in enumerate(outcomes):
        value = as_number(table[outcome.column], "integer")
        columns[f"y{i}"] = (
            value - ibis.literal(outcome.origin, "int64") if outcome.origin else value
        )
    base = table.select(**columns)
    sums: dict[str, Any] = {"n": base.count()}
    for i, outcome in enumerate(outcomes):
        sums[f"known{i}"] = base[f"y{i}"].count()
        sums[f"s{i}"] = summable(base[f"y{i}"], n_rows * outcome.reach).sum()
        for j in range(i, len(outcomes)):
            if i == j and outcome.is_flag:
                continue
            product = base[f"y{i}"] * base[f"y{j}"]
            sums[f"s{i}_{j}"] = summable(product, n_rows * outcome.reach * outcomes[j].reach).sum()
    if keys:
        return base.group_by([f"k{i}" for i in range(len(keys))]).aggregate(**sums)
    return base.aggregate(**sums)


def _read(
    answer: pa.Table, keys: Sequence[str], outcomes: Sequence[WholeOutcome], max_cells: int
) -> Cells | None:
    """Part groups with gaps from cells, and take sums about the mean."""
    import pyarrow as pa
    import pyarrow.compute as pc

    n_all = _whole(answer["n"])
    n_rows = int(n_all.sum())
    missing = {}
    complete = np.full(answer.num_rows, True)
    for i, key in enumerate(keys):
        gaps = answer[f"k{i}"].is_null().to_numpy()
        complete &= ~gaps
        missing[key] = int(n_all[gaps].sum())
    for i, outcome in enumerate(outcomes):
        missing[outcome.column] = n_rows - int(_whole(answer[f"known{i}"]).sum())
    known = _whole(answer["known0"]) if outcomes else n_all
    if len(outcomes) > 1 and any(missing[outcome.column] for outcome in outcomes):
        return None
    answer = answer.filter(pa.array(complete & (known > 0)))
    n = _whole(answer["known0"] if outcomes else answer["n"])
    allowed = allowed_cells(int(n.sum()), max_cells)
    if answer.num_rows > allowed:
        raise too_many_cells(keys, int(n.sum()), allowed)
    order, values = in_order(
        [pc.cast(answer[f"k{i}"], _type_of_key(answer[f"k{i}"].type)) for i in range(len(keys))],
        answer.num_rows,
    )
    return Cells(
        keys=dict(zip(keys, values, strict=True)),
        n=n[order].astype(np.int64),
        w=n[order].astype(float),
        w2=n[order].astype(float),
        **_sums(answer, outcomes, n, order),
        n_rows=n_rows,
        n_used=int(n.sum()),
        missing={name: count for name, count in missing.items() if count},
    )


def _sums(
    answer: pa.Table, outcomes: Sequence[WholeOutcome], n: Whole, order: NDArray[np.intp]
) -> dict[str, Any]:
    """Move sums from their origin to the mean, in whole numbers, and round once."""
    n = n.astype(object)
    total = int(n.sum())
    plain = [_whole(answer[f"s{i}"]).astype(object) for i in range(len(outcomes))]
    # The whole number next to the mean, as elsewhere, seen from the origin.
    centres = [
        round(Fraction(int(s.sum()), max(total, 1)) + o.origin) - o.origin
        for s, o in zip(plain, outcomes, strict=True)
    ]
    about = [s - n * c for s, c in zip(plain, centres, strict=True)]

    def product(i: int, j: int) -> Floats:
        flag = i == j and outcomes[i].is_flag
        raw = plain[i] if flag else _whole(answer[f"s{i}_{j}"]).astype(object)
        moved = raw - centres[i] * plain[j] - centres[j] * plain[i] + n * centres[i] * centres[j]
        return np.asarray(moved.astype(float)[order])

    found, pairs = {}, {}
    for i, outcome in enumerate(outcomes):
        d, d2 = about[i].astype(float)[order], product(i, i)
        found[outcome.column] = OutcomeSums(
            centre=float(centres[i] + outcome.origin), d=d, d2=d2, wd=d, wd2=d2, w2d=d, w2d2=d2
        )
        for j in range(i + 1, len(outcomes)):
            dd = product(i, j)
            pairs[outcome.column, outcomes[j].column] = PairSums(dd=dd, w2dd=dd)
    return {"outcomes": found, "pairs": pairs}


def _whole(column: pa.ChunkedArray) -> Whole:
    """Give whole numbers as int64, or as Python's where they may be wider."""
    import pyarrow as pa

    if pa.types.is_integer(column.type):
        return np.asarray(column.to_numpy(), dtype=np.int64)
    return np.array([int(value) for value in column.to_pylist()], dtype=object)


def _type_of_key(kind: pa.DataType) -> pa.DataType:
    """Give whole numbers and flags as 64-bit ones, as elsewhere; text as it is."""
    import pyarrow as pa

    return pa.int64() if pa.types.is_integer(kind) or pa.types.is_boolean(kind) else kind
