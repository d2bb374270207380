"""Read a sheet of an Excel file with openpyxl, as an Arrow table."""

from __future__ import annotations

import datetime as dt
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cxmodel.errors import SourceError, nearest

if TYPE_CHECKING:
    import pyarrow as pa


def read_sheet(file: Path, shown: str, sheet: str | None = None) -> tuple[pa.Table, list[str]]:
    """Read a sheet: names from its first row that is not blank, one type a column.

    A column of dates becomes timestamps, of numbers floats (whole numbers: integers), of true and
    false booleans; anything mixed becomes text, dates in it ISO 8601.

    Parameters
    ----------
    file : Path
        The file.
    shown : str
        How messages call it.
    sheet : str, optional
        Its name. Default: the first sheet.

    Returns
    -------
    table : pyarrow.Table
        Its rows.
    others : list of str
        The sheets that were not read.

    Raises
    ------
    SourceError
        If the file is no readable Excel file, the sheet is not there, or it has no rows.
    """
    import openpyxl
    import pyarrow as pa
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        book = openpyxl.load_workbook(file, read_only=True, data_only=True)
    except (InvalidFileException, zipfile.BadZipFile, KeyError, OSError, ValueError) as error:
        raise SourceError(
            f"{shown} is not a readable Excel file (.xlsx). Save it again from Excel, or as CSV."
        ) from error
    try:
        name = _sheet_name(book.sheetnames, shown, sheet)
        others = [other for other in book.sheetnames if other != name]
        rows = [row for row in book[name].iter_rows(values_only=True) if any(map(_is_given, row))]
    finally:
        book.close()
    if len(rows) < 2:
        raise SourceError(
            f"{shown}, sheet {name!r}, has no rows below a header. Name another sheet."
        )
    header = _header(rows[0], f"{shown}, sheet {name!r}")
    columns = [_column([row[i] if i < len(row) else None for row in rows[1:]]) for i in header]
    return pa.table(columns, names=list(header.values())), others


def _sheet_name(names: list[str], shown: str, sheet: str | None) -> str:
    if sheet is None:
        return names[0]
    if sheet not in names:
        listed = ", ".join(map(repr, names))
        raise SourceError(f"{shown} has no sheet {sheet!r}, but {listed}. {nearest(sheet, names)}")
    return sheet


def _is_given(value: Any) -> bool:
    return value is not None and value != ""


def _header(row: tuple[Any, ...], where: str) -> dict[int, str]:
    names = {i: str(value).strip() for i, value in enumerate(row) if _is_given(value)}
    listed = list(names.values())
    repeated = sorted({name for name in listed if listed.count(name) > 1})
    if repeated:
        raise SourceError(f"{where} has the column {repeated[0]!r} more than once. Rename them.")
    return names


def _column(values: list[Any]) -> pa.Array:
    import pyarrow as pa

    given = [value for value in values if _is_given(value)]
    cleaned = [value if _is_given(value) else None for value in values]
    if given and all(isinstance(value, bool) for value in given):
        return pa.array(cleaned, pa.bool_())
    if given and all(isinstance(v, (dt.datetime, dt.date)) for v in given):
        return pa.array([_moment(value) for value in cleaned], pa.timestamp("us"))
    if given and all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in given):
        whole = all(float(value).is_integer() and abs(value) < 2**53 for value in given)
        kind = pa.int64() if whole else pa.float64()
        make = int if whole else float
        return pa.array([None if v is None else make(v) for v in cleaned], kind)
    return pa.array([_text(value) for value in cleaned], pa.string())


def _moment(value: Any) -> dt.datetime | None:
    if value is None or isinstance(value, dt.datetime):
        return value
    return dt.datetime.combine(value, dt.time())


def _text(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, (dt.datetime, dt.date)):
        return value.isoformat(sep=" ") if isinstance(value, dt.datetime) else value.isoformat()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
