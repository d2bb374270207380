"""Types of Arrow that engines lack, brought to one that they have."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa


def plain_types(rows: pa.Table, own: Callable[[Any], Any]) -> pa.Table:
    """Give columns types that a server has: signed whole numbers, times in microseconds.

    Parameters
    ----------
    rows : pyarrow.Table
        What is to be brought there.
    own : callable
        What else one engine cannot take; gives each other column as it is, or as one that it can.

    Examples
    --------
    >>> import pyarrow as pa
    >>> rows = pa.table({"n": pa.array([1], pa.uint32()), "word": ["a"]})
    >>> plain_types(rows, own=lambda column: column).schema
    n: int64
    word: string
    """
    import pyarrow as pa
    import pyarrow.types as kinds

    def plain(column: Any) -> Any:
        kind = column.type
        if kinds.is_unsigned_integer(kind):
            return column.cast(pa.decimal128(20) if kind.bit_width == 64 else pa.int64())
        if kinds.is_timestamp(kind):
            return column.cast(pa.timestamp("us", kind.tz), safe=False)
        return own(column)

    return pa.table([plain(column) for column in rows.columns], names=rows.column_names)
