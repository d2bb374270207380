"""Open files on the engine: CSV as text, Parquet, Excel; every trouble named with the file's name.

DuckDB and Spark read files themselves. To another engine the rows of a file are copied, by DuckDB.
"""

from __future__ import annotations

import csv
import glob
import gzip
import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from cxmodel.errors import EngineError, SourceError, nearest
from cxmodel.tables.engines.engine import Session, default_session
from cxmodel.tables.engines.session import ReadsFiles
from cxmodel.tables.engines.trouble import engine_errors, engine_words

if TYPE_CHECKING:
    import ibis

EXCEL = (".xlsx", ".xlsm")
PARQUET = (".parquet", ".pq")
COPY_LIMIT = 100 * 1024 * 1024
_HEAD = 1 << 16


@dataclass(frozen=True, eq=False)
class OpenTable:
    """A table as it came, on the engine, with the names that its owner gave the columns.

    Parameters
    ----------
    table : ibis.Table
        Its columns may have other names than the owner's (``c0``, ``c1``, ...).
    names : mapping of str to str
        The owner's name of a column -> the name in `table`.
    shown : str
        How messages call it: the file as the user wrote it.
    is_text : bool
        Whether every column came as text, to be converted by us.
    is_kept : bool
        Whether it is a temporary table already, cheap to read again.
    order : tuple of str, optional
        The columns of `table`, beside the owner's, by which its rows come in the order of the file;
        empty where they do so by themselves, None where they have no order of their own.
    is_query : bool
        Whether every reading of it would run a query again.
    hint : str
        What to add where a column is not found.
    """

    table: ibis.Table
    names: dict[str, str]
    shown: str
    is_text: bool = False
    is_kept: bool = False
    order: tuple[str, ...] | None = ()
    is_query: bool = False
    hint: str = ""


def open_file(session: Session, path: str, base: Path, *, sheet: str | None = None) -> OpenTable:
    """Open a CSV, Parquet or Excel file, or a glob of CSV or Parquet files.

    Parameters
    ----------
    session : Session
        The engine.
    path : str
        As the user wrote it: messages repeat it, never the absolute path.
    base : Path
        The folder to which it is relative.
    sheet : str, optional
        Sheet of an Excel file; default the first.

    Raises
    ------
    SourceError
        If the file is missing, unreadable, truncated, empty or of no known kind.
    """
    files = _expand(path, base)
    suffix = _suffix(files[0])
    if sheet is not None and suffix not in EXCEL:
        raise SourceError(
            f"{path} is no Excel file, so it has no sheet {sheet!r}. Leave sheet out."
        )
    if suffix in EXCEL:
        return _open_excel(session, files, path, sheet)
    # The DuckDB of this process reads for engines that cannot.
    reader = session if isinstance(session, ReadsFiles) else cast(ReadsFiles, default_session())
    opened = (_open_parquet if suffix in PARQUET else _open_csv)(reader, files, path)
    return opened if isinstance(session, ReadsFiles) else _moved(opened, reader, session, files)


def _moved(opened: OpenTable, reader: ReadsFiles, session: Session, files: list[Path]) -> OpenTable:
    size = sum(file.stat().st_size for file in files)
    if size > COPY_LIMIT:
        raise EngineError(
            f"{opened.shown} has {size / 2**20:,.0f} MB; local files up to "
            f"{COPY_LIMIT / 2**20:,.0f} MB are copied to {session.shown}. Load it "
            "there and name it as table."
        )
    rows = run_reading(lambda: reader.arrow(opened.table), opened.shown)
    # The owner's names stay here: engines do not tell capitals from small letters.
    names = {name: f"c{i}" for i, name in enumerate(opened.names)}
    rows = rows.select(list(opened.names.values())).rename_columns(list(names.values()))
    table = session.register_in_order(rows, "file")
    return OpenTable(
        table, names, opened.shown, opened.is_text, is_kept=True, order=session.order_of_frames
    )


def _expand(path: str, base: Path) -> list[Path]:
    full = base / Path(path).expanduser()
    if full.is_file():
        files = [full]
    elif glob.has_magic(path):
        files = sorted(Path(name) for name in glob.glob(str(full), recursive=True))  # noqa: PTH207
        files = [file for file in files if file.is_file()]
        if not files:
            raise SourceError(f"No file matches {path}. Paths are relative to the .toml file.")
    elif full.is_dir():
        raise SourceError(f"{path} is a folder. Name the files: {path.rstrip('/')}/*.parquet.")
    else:
        raise SourceError(_missing(path, full))
    for file in files:
        if file.stat().st_size == 0:
            raise SourceError(f"{_name(file, files, path)} is empty (0 bytes). Export it again.")
    return files


def _missing(path: str, full: Path) -> str:
    folder = full.parent
    if not folder.is_dir():
        return (
            f"{path} does not exist, nor does its folder. Paths are relative to the .toml file "
            "(in Python: to the working folder)."
        )
    here = sorted(entry.name for entry in folder.iterdir() if entry.is_file())[:200]
    return f"{path} does not exist. {nearest(full.name, here)}"


def _name(file: Path, files: list[Path], path: str) -> str:
    return path if len(files) == 1 else f"{path}: {file.name}"


def _suffix(file: Path) -> str:
    suffixes = [suffix.lower() for suffix in file.suffixes]
    if suffixes and suffixes[-1] == ".gz":
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


# -- CSV ---------------------------------------------------------------------------------------


def _open_csv(session: ReadsFiles, files: list[Path], path: str) -> OpenTable:
    """Read CSV files as text, by a header and delimiter that we read ourselves: no guess."""
    heads = [_read_head(file, _name(file, files, path)) for file in files]
    names, delimiter = heads[0]
    for file, (other, _) in zip(files, heads, strict=True):
        if other != names:
            raise SourceError(_unlike(_name(file, files, path), other, names, files[0].name))
    listed = [str(file) for file in files]
    table = run_reading(lambda: session.csv(listed, len(names), delimiter), path)
    columns = {n: f"c{i}" for i, n in enumerate(names)}
    return OpenTable(table, columns, path, is_text=True, order=session.order_of_files)


def _read_head(file: Path, shown: str) -> tuple[list[str], str]:
    """Read the header of a CSV file and the delimiter that stands in it."""
    text = _first_text(file, shown)
    delimiter = _delimiter(text)
    try:
        names = next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), [])
    except csv.Error as error:
        raise SourceError(
            f"{shown}: the header cannot be read ({error}). Export it again."
        ) from None
    names = [name.strip() for name in names]
    if not any(names):
        raise SourceError(f"{shown} has no header in its first line. Add one with column names.")
    names = [name or f"column {i + 1}" for i, name in enumerate(names)]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise SourceError(
            f"{shown} has the column {repeated[0]!r} {names.count(repeated[0])} times. Rename them."
        )
    return names, delimiter


def _first_text(file: Path, shown: str) -> str:
    try:
        with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as stream:
            head = stream.read(_HEAD)
    except (OSError, EOFError) as error:
        raise SourceError(f"{shown} cannot be read ({type(error).__name__}).") from error
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise SourceError(f"{shown} is UTF-16 text. Save it as UTF-8 CSV.")
    if b"\0" in head or head[:4] == b"PAR1":
        raise SourceError(
            f"{shown} is not text, so no CSV file. Parquet ends in .parquet, Excel in .xlsx."
        )
    try:
        # The last character may be cut by the block, so the tail is not judged here.
        return head.decode("utf-8-sig", errors="strict" if len(head) < _HEAD else "ignore")
    except UnicodeDecodeError as error:
        line = head[: error.start].count(b"\n") + 1
        raise SourceError(_not_utf8(shown, line)) from None


def _not_utf8(shown: str, line: int | None) -> str:
    where = f" (line {line:,})" if line else ""
    return f"{shown} is not UTF-8 text{where}. Save it as UTF-8 CSV."


def _delimiter(text: str) -> str:
    """Take the delimiter that stands most often in the first line, outside quotes."""
    line = re.sub(r'"[^"]*"', "", text).split("\n", 1)[0]
    counts = {mark: line.count(mark) for mark in (",", ";", "\t", "|")}
    best = max(counts, key=lambda mark: counts[mark])
    return best if counts[best] else ","


def _unlike(shown: str, found: list[str], wanted: list[str], first: str) -> str:
    less = [name for name in wanted if name not in found]
    more = [name for name in found if name not in wanted]
    parts = []
    if less:
        parts.append(f"lacks {', '.join(map(repr, less[:5]))}")
    if more:
        parts.append(f"has also {', '.join(map(repr, more[:5]))}")
    what = " and ".join(parts) or "has them in another order"
    return f"{shown} does not have the columns of {first}: it {what}. Make them alike."


# -- Parquet -----------------------------------------------------------------------------------


def _open_parquet(session: ReadsFiles, files: list[Path], path: str) -> OpenTable:
    if len(files) > 1:
        _refuse_unlike_parquet(files, path)
    table = run_reading(lambda: session.parquet([str(file) for file in files]), path)
    order = session.order_of_files
    names = {name: name for name in table.columns if name not in order}
    return OpenTable(table, names, path, order=order)


def _refuse_unlike_parquet(files: list[Path], path: str) -> None:
    """Refuse files of one glob with different columns: the engine would fill in nulls."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    wanted: list[str] | None = None
    for file in files:
        try:
            names = sorted(pq.read_schema(file).names)
        except (pa.ArrowInvalid, OSError) as error:
            raise SourceError(_explain(str(error), _name(file, files, path))) from error
        wanted = wanted or names
        if names != wanted:
            raise SourceError(_unlike(_name(file, files, path), names, wanted, files[0].name))


# -- Excel -------------------------------------------------------------------------------------


def _open_excel(session: Session, files: list[Path], path: str, sheet: str | None) -> OpenTable:
    from cxmodel.tables.opening.excel import read_sheet

    if len(files) > 1:
        raise SourceError(f"{path} matches {len(files)} Excel files. Name one of them.")
    frame, others = read_sheet(files[0], path, sheet)
    names = {name: f"c{i}" for i, name in enumerate(frame.column_names)}
    table = session.register_in_order(frame.rename_columns(list(names.values())), "excel")
    hint = f" Other sheets: {', '.join(map(repr, others))}." if others else ""
    return OpenTable(table, names, path, is_kept=True, order=session.order_of_frames, hint=hint)


# -- Trouble -----------------------------------------------------------------------------------


def run_reading(step: Any, shown: str) -> Any:
    """Run a step that reads a file, and say what is wrong with the file if it fails.

    Raises
    ------
    SourceError
        With the file's name, the line, what was seen and what to do.
    """
    import duckdb

    try:
        return step()
    except (duckdb.InvalidInputException, duckdb.IOException) as error:
        raise SourceError(_explain(str(error), shown)) from error
    except engine_errors() as error:
        raise SourceError(f"{shown}: {engine_words(error)}") from error


def _explain(message: str, shown: str) -> str:
    line = re.search(r"CSV Error on Line: (\d+)", message)
    number = int(line.group(1)) if line else None
    where = f", line {number:,}," if number else ""
    if file := re.search(r"^\s*file = (.+)$", message, re.MULTILINE):
        name = Path(file.group(1)).name
        shown = shown if name in shown else f"{shown}: {name}"
    if fields := re.search(r"Expected Number of Columns: (\d+) Found: (\d+)", message):
        wanted, found = fields.groups()
        hint = (
            "The file looks cut off: export it again, or delete that line."
            if int(found) < int(wanted)
            else "Quote texts that hold the delimiter."
        )
        return f"{shown}{where} has {found} columns where the header has {wanted}. {hint}"
    if "unicode" in message or "utf-8" in message.lower():
        return _not_utf8(shown, number)
    if "unterminated quote" in message:
        return (
            f"{shown}{where} opens a quotation mark that is never closed. "
            "The file looks cut off: export it again, or double the mark inside the text."
        )
    first = re.sub(r"'(/[^']*)'", lambda m: repr(Path(m.group(1)).name), message.split("\n", 1)[0])
    return f"{shown}{where} cannot be read: it is damaged or cut off ({first}). Export it again."
