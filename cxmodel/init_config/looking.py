"""Look at files, folders and engines: which tables there are, and their first rows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from cxmodel.errors import CxModelError, EngineError, SourceError
from cxmodel.init_config.profile import Table, look_at_table
from cxmodel.tables.engines.engine import Engine, Session, connect
from cxmodel.tables.engines.trouble import engine_errors, engine_words

if TYPE_CHECKING:
    import ibis

MAX_ROWS = 200_000
SAMPLE_ROWS = 50_000
MAX_TABLES = 100
FILES = (".csv", ".tsv", ".parquet", ".pq", ".xlsx", ".xlsm", ".gz")

_OF_THE_SYSTEM = re.compile(r"information_schema$|pg_|sys(tem)?$", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Look:
    """Everything that was looked at: tables, and files that could not be read with the reason."""

    tables: tuple[Table, ...]
    unread: tuple[tuple[str, str], ...]
    engine_url: str | None = None


def look_at(sources: Sequence[str], session: Session, base: Path) -> Look:
    """Look at files, folders of files and engine URLs.

    Parameters
    ----------
    sources : sequence of str
        Paths, folders, or one URL of an engine such as ``duckdb:///warehouse.db``.
    session : Session
        A DuckDB to look with.
    base : Path
        The folder that the paths in the result are relative to: that of the file to be written.

    Raises
    ------
    SourceError
        If nothing could be read.
    """
    urls = [source for source in sources if "://" in source]
    if urls and len(sources) > 1:
        raise SourceError("Give one URL of an engine, or files; not both together.")
    if urls:
        return _look_at_engine(urls[0], session, base)
    tables: list[Table] = []
    unread: list[tuple[str, str]] = []
    for file in _files(sources):
        try:
            tables += _look_at_file(file, session, base, {table.name for table in tables})
        except CxModelError as error:
            unread.append((file.name, str(error)))
    if not tables:
        raise SourceError("\n  ".join([f"{name}: {reason}" for name, reason in unread]))
    return Look(tables=tuple(tables), unread=tuple(unread))


def _files(sources: Sequence[str]) -> list[Path]:
    files: list[Path] = []
    for source in sources:
        path = Path(source)
        if path.is_dir():
            inside = sorted(p for p in path.iterdir() if p.suffix.lower() in FILES)
            if not inside:
                raise SourceError(f"{source} is a folder without CSV, Parquet or Excel files.")
            files += inside
        elif "${" in path.name:
            raise SourceError(f"{source}: a file name with '${{' cannot be configured. Rename it.")
        else:
            files.append(path)
    return list(dict.fromkeys(files))


def _look_at_file(file: Path, session: Session, base: Path, taken: set[str]) -> list[Table]:
    from cxmodel.tables.opening.files import EXCEL, open_file, run_reading

    shown = _relative(file, base)
    sheets = _sheets(file) if file.suffix.lower() in EXCEL else [None]
    tables: list[Table] = []
    unreadable: CxModelError | None = None
    for sheet in sheets:
        try:
            opened = open_file(session, str(file), Path(), sheet=sheet)
            name = _fresh_name(file.stem if len(sheets) == 1 else str(sheet), taken)
            kept, n_rows = run_reading(partial(_keep, session, opened.table), str(file))
            look = partial(look_at_table, session, kept, opened.names, n_rows=n_rows)
            tables.append(look(name=name, path=shown, sheet=sheet))
            taken.add(name)
        except CxModelError as error:
            unreadable = error
    if not tables and unreadable is not None:
        raise unreadable
    return tables


def _sheets(file: Path) -> list[str | None]:
    """List the sheets; a file that cannot be opened is refused by the reader that follows."""
    import zipfile

    import openpyxl
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        book = openpyxl.load_workbook(file, read_only=True)
    except (InvalidFileException, zipfile.BadZipFile, KeyError, OSError, ValueError):
        return [None]
    try:
        return [None] if len(book.sheetnames) == 1 else list(book.sheetnames)
    finally:
        book.close()


def _relative(file: Path, base: Path) -> str:
    resolved, folder = file.resolve(), base.resolve()
    if resolved.is_relative_to(folder):
        return resolved.relative_to(folder).as_posix()
    return file.as_posix() if file.is_absolute() else resolved.as_posix()


def _fresh_name(stem: str, taken: set[str]) -> str:
    """Make a name for ``[tables]``: letters, digits and _, and not taken yet."""
    base = re.sub(r"\W+", "_", stem.lower()).strip("_") or "table"
    base = f"t_{base}" if base[0].isdigit() else base
    names = [base, *(f"{base}_{number}" for number in range(2, len(taken) + 3))]
    return next(name for name in names if name not in taken)


def _look_at_engine(url: str, session: Session, base: Path) -> Look:
    """Look at a sample of each table of an engine, and at the number of its rows."""
    tables: list[Table] = []
    unread: list[tuple[str, str]] = []
    with connect(Engine(_for_reading(url))) as engine:
        names = _tables_of(engine)
        if not names:
            raise EngineError("The engine holds no table. Check the database in the URL.")
        for name in names[:MAX_TABLES]:
            try:
                tables.append(_look_at_engine_table(engine, session, name))
            except engine_errors() as error:
                unread.append((name, engine_words(error)))
            except CxModelError as error:
                unread.append((name, str(error)))
    unread += [(name, f"only {MAX_TABLES} tables are looked at") for name in names[MAX_TABLES:]]
    if not tables:
        raise SourceError("\n  ".join([f"{name}: {reason}" for name, reason in unread]))
    return Look(tables=tuple(tables), unread=tuple(unread), engine_url=_relative_url(url, base))


def _for_reading(url: str) -> str:
    """Open a DuckDB file for reading alone: one that is not there must not be made."""
    engine = Engine(url)
    is_file = engine.name == "duckdb" and engine.address not in ("", ":memory:")
    return f"{url}?access_mode=read_only" if is_file and not engine.parameters else url


def _relative_url(url: str, base: Path) -> str:
    """Make the file of a DuckDB relative to the configuration, as every other path is."""
    engine = Engine(url)
    if engine.name != "duckdb" or engine.address in ("", ":memory:"):
        return url
    return url.replace(engine.address, _relative(Path(engine.address), base), 1)


def _tables_of(engine: Session) -> list[str]:
    """List the tables of an engine: by name, those of other schemas as ``schema.table``."""
    backend = engine.backend
    found = sorted(engine.tables())
    if hasattr(backend, "list_databases"):
        schemas = engine.run(backend.list_databases)
        own = engine.run(lambda: backend.current_database)
        for schema in sorted(set(schemas) - {own}):
            if not _OF_THE_SYSTEM.match(schema):
                found += [f"{schema}.{name}" for name in sorted(engine.tables(schema))]
    return found


def _look_at_engine_table(engine: Session, session: Session, name: str) -> Table:
    schema, _, last = name.rpartition(".")
    database = schema or None
    if database is None:
        last = name
    there = engine.run(lambda: engine.backend.table(last, database=database))
    n_rows = _count(engine, there)
    rows = engine.arrow(there.limit(SAMPLE_ROWS))
    inner = {column: f"c{number}" for number, column in enumerate(rows.column_names)}
    kept = session.register(rows.rename_columns(list(inner.values())), "look")
    look = partial(look_at_table, session, kept, inner, n_rows=n_rows)
    return look(name=name, path=None, sheet=None)


def _keep(session: Session, rows: ibis.Table) -> tuple[ibis.Table, int]:
    """Keep the first rows, and count all of them: a file that is cut off shows itself then."""
    return session.keep(rows.limit(MAX_ROWS), "look"), _count(session, rows)


def _count(session: Session, rows: ibis.Table) -> int:
    return int(session.one_row(rows.aggregate(n_rows=rows.count()))["n_rows"])
