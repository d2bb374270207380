"""Columns out of a pandas, polars or pyarrow table and back into one of the same kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cxmodel.errors import SchemaError, nearest

Floats = NDArray[np.float64]
KINDS = ("pandas", "polars", "pyarrow")


def kind_of_frame(frame: Any) -> str:
    """Say whose table it is.

    Raises
    ------
    TypeError
        If it is none of pandas, polars and pyarrow.

    Examples
    --------
    >>> import pandas as pd
    >>> kind_of_frame(pd.DataFrame())
    'pandas'
    """
    kind = type(frame).__module__.partition(".")[0]
    if kind not in KINDS or type(frame).__name__ not in ("DataFrame", "Table"):
        raise TypeError(
            f"A pandas, polars or pyarrow table is needed, not {type(frame).__name__}. "
            "Collect a lazy frame first."
        )
    return kind


def numbers_of(frame: Any, name: str) -> Floats:
    """Give a column as numbers, (n,).

    Raises
    ------
    SchemaError
        If the column is not there once, holds words, or a value is missing or infinite.
    """
    kind_of_frame(frame)
    names = [str(column) for column in getattr(frame, "column_names", frame.columns)]
    if names.count(name) != 1:
        there = "is there more than once" if name in names else "is missing"
        raise SchemaError(f"The column {name!r} {there}. {nearest(name, sorted(set(names)))}")
    column = frame[name]
    try:
        values = np.asarray(_plain(column), dtype=float)
    except (TypeError, ValueError) as error:
        raise SchemaError(f"The column {name!r} must hold numbers: {error}.") from error
    wrong = np.flatnonzero(~np.isfinite(values))
    if len(wrong):
        raise SchemaError(
            f"The column {name!r} is missing or infinite in {len(wrong):,} row(s), first in row "
            f"{wrong[0]}. Fill them or leave the rows out."
        )
    return values


def _plain(column: Any) -> Any:
    """Give an array in which what is missing is NaN, whatever the library calls it."""
    if hasattr(column, "to_pylist"):  # pyarrow
        return [np.nan if value is None else value for value in column.to_pylist()]
    if hasattr(column, "isna"):  # pandas, whose own missing value is no float
        return column.astype(object).where(column.notna(), np.nan).to_numpy()
    return column.to_list() if column.null_count() == 0 else column.fill_null(np.nan).to_list()


def with_columns(frame: Any, columns: Mapping[str, NDArray[Any]]) -> Any:
    """Give a new table of the same kind with further columns at its end.

    Raises
    ------
    SchemaError
        If the table has a column of that name already.
    """
    kind = kind_of_frame(frame)
    names = {str(column) for column in getattr(frame, "column_names", frame.columns)}
    taken = [name for name in columns if name in names]
    if taken:
        raise SchemaError(
            f"The table has a column {taken[0]!r} already. Rename or drop it: it is what is added."
        )
    if kind == "pandas":
        return frame.assign(**columns)
    if kind == "polars":
        import polars as pl

        return frame.with_columns([pl.Series(name, column) for name, column in columns.items()])
    import pyarrow as pa

    for name, column in columns.items():
        frame = frame.append_column(name, pa.array(column))
    return frame
