"""Columns of rows that left the engine, as arrays of the types that models read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

if TYPE_CHECKING:
    import pyarrow as pa

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Times = npt.NDArray[np.datetime64]


class ArrowColumns:
    """Read the columns of an Arrow table as arrays.

    Parameters
    ----------
    rows : pyarrow.Table
        What the engine gave, in order.
    """

    def __init__(self, rows: pa.Table) -> None:
        self.rows = rows
        self.n_rows: int = rows.num_rows

    def text(self, name: str) -> pd.Series[Any]:
        """Read text; missing stays missing."""
        return as_text(pd.Series(self.rows[name].to_pandas()))

    def number(self, name: str) -> Floats:
        """Read numbers and flags as floats; missing becomes NaN."""
        column = self.rows[name].cast("float64").to_numpy(zero_copy_only=False)
        return np.asarray(column, dtype=float)

    def whole(self, name: str) -> npt.NDArray[np.int64]:
        """Read whole numbers, none of which is missing."""
        return np.asarray(self.rows[name].to_numpy(zero_copy_only=False), dtype=np.int64)

    def units(self, name: str) -> npt.NDArray[Any]:
        """Read whole units of money: as whole numbers, or as floats where some are missing."""
        column = self.rows[name]
        if column.null_count:
            return np.asarray(column.cast("float64", safe=False).to_numpy(zero_copy_only=False))
        return self.whole(name)

    def flag(self, name: str) -> Flags:
        """Read a yes or no; missing is no."""
        column = self.rows[name].fill_null(False).to_numpy(zero_copy_only=False)
        return np.asarray(column, dtype=bool)

    def time(self, name: str) -> Times:
        """Read naive UTC times; missing becomes NaT."""
        column = self.rows[name].to_numpy(zero_copy_only=False)
        return np.asarray(column).astype("datetime64[us]")

    def attribute(self, name: str) -> pd.Series[Any]:
        """Read a column of any kind: numbers as floats, all else as text."""
        import pyarrow.types as kinds

        kind = self.rows.schema.field(name).type
        if kinds.is_floating(kind) or kinds.is_integer(kind) or kinds.is_decimal(kind):
            return pd.Series(self.number(name))
        if kinds.is_boolean(kind):
            words = self.rows[name].to_pandas().map({True: "true", False: "false"})
            return as_text(words)
        return self.text(name)


def as_text(values: pd.Series[Any]) -> pd.Series[Any]:
    """Make a column of text in which missing stays missing, under any version of pandas.

    Examples
    --------
    >>> as_text(pd.Series(["a", None])).isna().tolist()
    [False, True]
    """
    return values.astype("str").where(values.notna())


def month_names(numbers: npt.NDArray[np.int64]) -> pd.Series[Any]:
    """Write months, numbered year x 12 + month - 1, as ``"2026-03"``.

    Examples
    --------
    >>> month_names(np.array([2026 * 12 + 2])).tolist()
    ['2026-03']
    """
    names = {n: f"{n // 12:04d}-{n % 12 + 1:02d}" for n in np.unique(numbers).tolist()}
    return as_text(pd.Series(numbers).map(names))
