"""Frames that users bring, as Arrow tables: pandas, polars, pyarrow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cxmodel.errors import SchemaError

if TYPE_CHECKING:
    import pyarrow as pa


def is_frame(data: Any) -> bool:
    """Say whether `data` is a pandas, polars or pyarrow table, without importing any of them."""
    root = type(data).__module__.split(".", 1)[0]
    is_lazy = root == "polars" and hasattr(data, "collect")
    return root in ("pandas", "polars", "pyarrow") and (is_lazy or hasattr(data, "shape"))


def to_arrow(data: Any, label: str) -> pa.Table:
    """Copy a frame into an Arrow table of plain columns.

    Categories become their values, columns without any value become text, half floats become
    floats. The index of a pandas frame is left behind; the frame is not changed.

    Parameters
    ----------
    data : pandas.DataFrame, polars.DataFrame, polars.LazyFrame or pyarrow.Table
        The frame.
    label : str
        How messages call it.

    Raises
    ------
    TypeError
        If it is no frame.
    SchemaError
        If a column mixes types, or two columns share a name.

    Examples
    --------
    >>> import pandas as pd
    >>> to_arrow(pd.DataFrame({"plan": pd.Categorical(["a", "b"])}), "sources.customers").schema
    plan: string
    """
    import pyarrow as pa

    if isinstance(data, pa.Table):
        table = data
    elif hasattr(data, "collect") and type(data).__module__.startswith("polars"):
        table = data.collect().to_arrow()
    elif type(data).__module__.startswith("polars"):
        table = data.to_arrow()
    elif type(data).__module__.startswith("pandas"):
        table = _from_pandas(data, label)
    else:
        raise TypeError(
            f"{label}: a pandas, polars or pyarrow table, an Ibis table or a path is needed, "
            f"not {type(data).__name__}."
        )
    _refuse_repeated(table.column_names, label)
    columns = [_plain(column) for column in table.columns]
    return pa.table(columns, names=table.column_names)


def _from_pandas(frame: Any, label: str) -> pa.Table:
    import pyarrow as pa

    names = [str(name) for name in frame.columns]
    _refuse_repeated(names, label)
    columns = []
    for position, name in enumerate(names):
        try:
            columns.append(pa.array(frame.iloc[:, position], from_pandas=True))
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
            raise SchemaError(_mixed(frame.iloc[:, position], name, label)) from error
    return pa.table([_unchunked(column) for column in columns], names=names)


def _unchunked(column: Any) -> Any:
    import pyarrow as pa

    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _mixed(column: Any, name: str, label: str) -> str:
    kinds = column.dropna().map(lambda value: type(value).__name__)
    seen = ", ".join(f"{n:,} {kind}" for kind, n in kinds.value_counts(sort=True).items())
    return (
        f"{label}: column {name!r} holds values that do not make one column ({seen}). "
        f"Make them one type first, for example frame[{name!r}].astype(str)."
    )


def _refuse_repeated(names: list[str], label: str) -> None:
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise SchemaError(
            f"{label}: {len(repeated)} column name(s) stand more than once: "
            f"{', '.join(map(repr, repeated[:5]))}. Rename them."
        )


def _plain(column: Any) -> Any:
    import pyarrow as pa
    import pyarrow.types as kinds

    if isinstance(column.type, pa.BaseExtensionType):
        column = column.cast(column.type.storage_type)
    if kinds.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if kinds.is_null(column.type) or kinds.is_large_string(column.type):
        return column.cast(pa.string())
    if kinds.is_string_view(column.type):
        return column.cast(pa.string())
    if kinds.is_float16(column.type):
        return column.cast(pa.float32())
    return column
