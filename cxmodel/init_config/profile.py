"""Look at tables: what each column holds, on the engine, from its first rows."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from cxmodel.errors import CxModelError, EngineError, SourceError
from cxmodel.init_config.words import words
from cxmodel.tables.engines.engine import Engine, Session, connect
from cxmodel.tables.engines.trouble import engine_errors, engine_words

if TYPE_CHECKING:
    import ibis

MAX_ROWS = 200_000
SAMPLE_ROWS = 50_000
MAX_TABLES = 100
MAX_LEVELS = 50
FILES = (".csv", ".tsv", ".parquet", ".pq", ".xlsx", ".xlsm", ".gz")

_DAYS: tuple[str, ...] = (
    "%d.%m.%Y",
    "%m.%d.%Y",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%d-%m-%Y",
    "%m-%d-%Y",
    "%Y/%m/%d",
)
_DAYS += ("%d.%m.%y", "%d/%m/%y", "%m/%d/%y", "%d-%b-%Y", "%d-%B-%Y", "%d %b %Y", "%d %B %Y")
_DAYS += ("%b %d, %Y", "%B %d, %Y", "%Y%m%d")
_TIMES = ("", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", " %I:%M %p", " %I:%M:%S %p")
_OF_THE_SYSTEM = re.compile(r"information_schema$|pg_|sys(tem)?$", re.IGNORECASE)
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}([ T]\d{2}:\d{2}(:\d{2}(\.\d+)?)?)?(Z|[+-]\d{2}:?\d{2})?")


@dataclass(frozen=True, kw_only=True)
class Column:
    """What one column holds.

    ``levels`` are its values by frequency where there are few; ``formats`` are the date formats
    that every value fits, empty for ISO 8601 and for columns that are dates already.
    """

    name: str
    kind: Literal["empty", "number", "date", "text"]
    n_rows: int
    n_filled: int
    n_distinct: int
    is_whole: bool = False
    low: float | None = None
    high: float | None = None
    levels: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()

    @property
    def is_unique(self) -> bool:
        """Whether every row has a value of its own."""
        return 0 < self.n_rows == self.n_distinct

    @property
    def is_flag(self) -> bool:
        """Whether it holds yes and no."""
        values = frozenset(level.lower().removesuffix(".0") for level in self.levels)
        pairs = ({"yes", "no"}, {"true", "false"}, {"0", "1"}, {"y", "n"}, {"t", "f"})
        return self.n_distinct == 2 and values in pairs


@dataclass(frozen=True, kw_only=True)
class Table:
    """One table: where it is, and its columns.

    ``path`` is None for a table of an engine; ``name`` is how ``[tables]`` and SQL call it.
    """

    name: str
    path: str | None
    sheet: str | None
    n_rows: int
    columns: tuple[Column, ...]
    kept: str = ""
    inner: Mapping[str, str] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """Its own name, without that of its schema, which says nothing of this table."""
        return self.name.rpartition(".")[2]

    def column(self, name: str) -> Column:
        """Give a column by its name."""
        return next(column for column in self.columns if column.name == name)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(column.name for column in self.columns)

    def of_kind(self, *kinds: str) -> tuple[Column, ...]:
        """Give the columns that hold this kind of value."""
        return tuple(column for column in self.columns if column.kind in kinds)


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
            look = partial(_look_at_table, session, kept, opened.names, n_rows=n_rows)
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
    look = partial(_look_at_table, session, kept, inner, n_rows=n_rows)
    return look(name=name, path=None, sheet=None)


def _keep(session: Session, rows: ibis.Table) -> tuple[ibis.Table, int]:
    """Keep the first rows, and count all of them: a file that is cut off shows itself then."""
    return session.keep(rows.limit(MAX_ROWS), "look"), _count(session, rows)


def _count(session: Session, rows: ibis.Table) -> int:
    return int(session.one_row(rows.aggregate(n_rows=rows.count()))["n_rows"])


def _look_at_table(
    session: Session,
    kept: ibis.Table,
    inner: dict[str, str],
    *,
    n_rows: int,
    name: str,
    path: str | None,
    sheet: str | None,
) -> Table:
    """Look at every column of a table on the engine; `inner` are the names they have there."""
    con, schema = session.backend.con, kept.schema()
    facts = _facts(con, kept.get_name(), list(inner.values()))
    columns = [
        _column(con, kept.get_name(), column, (inner[column], str(schema[inner[column]])), fact)
        for column, fact in zip(inner, facts, strict=True)
    ]
    return Table(
        name=name,
        path=path,
        sheet=sheet,
        n_rows=n_rows,
        columns=tuple(columns),
        kept=kept.get_name(),
        inner=inner,
    )


def quoted(name: str) -> str:
    """Quote a name for SQL.

    Examples
    --------
    >>> quoted("first name")
    '"first name"'
    """
    return '"' + name.replace('"', '""') + '"'


def quoted_table(name: str) -> str:
    """Quote the name of a table for SQL, and that of its schema.

    Examples
    --------
    >>> quoted_table("crm.My customers")
    '"crm"."My customers"'
    """
    return ".".join(map(quoted, name.split(".")))


def _text_of(column: str) -> str:
    return f"nullif(trim(CAST({quoted(column)} AS VARCHAR)), '')"


def _facts(con: Any, table: str, columns: Sequence[str]) -> list[tuple[Any, ...]]:
    """Count, in one pass: rows, filled, distinct, numbers, whole numbers, lowest and highest."""
    parts = []
    for column in columns:
        text, value = _text_of(column), f"TRY_CAST({_text_of(column)} AS DOUBLE)"
        parts += [
            "count(*)",
            f"count({text})",
            f"count(DISTINCT {text})",
            f"count({value})",
            f"count_if({value} = floor({value}))",
            f"min({value})",
            f"max({value})",
        ]
    row = con.execute(f"SELECT {', '.join(parts)} FROM {table}").fetchone()
    return [tuple(row[i : i + 7]) for i in range(0, len(row), 7)]


def _column(
    con: Any, table: str, name: str, inside: tuple[str, str], facts: tuple[Any, ...]
) -> Column:
    inner, type_name = inside
    n_rows, n_filled, n_distinct, n_numbers, n_whole, low, high = facts
    counts = {"name": name, "n_rows": n_rows, "n_filled": n_filled, "n_distinct": n_distinct}
    if n_filled == 0:
        return Column(kind="empty", **counts)
    levels = _levels(con, table, inner) if n_distinct <= MAX_LEVELS else ()
    if type_name.startswith(("date", "timestamp")):
        return Column(kind="date", levels=levels, **counts)
    if n_numbers == n_filled and not (n_whole == n_filled and _is_compact_date(name, low, high)):
        is_whole = n_whole == n_filled
        return Column(kind="number", is_whole=is_whole, low=low, high=high, levels=levels, **counts)
    formats = _date_formats(con, table, inner, n_filled)
    if formats is not None:
        return Column(kind="date", formats=formats, levels=levels, **counts)
    return Column(kind="text", levels=levels, **counts)


def _is_compact_date(name: str, low: float, high: float) -> bool:
    """Say whether whole numbers are days such as 19970131."""
    return bool(words(name) & {"date", "day"}) and 19000101 <= low <= high <= 21001231


def _levels(con: Any, table: str, name: str) -> tuple[str, ...]:
    text = _text_of(name)
    query = (
        f"SELECT {text} AS v, count(*) AS n FROM {table} WHERE {text} IS NOT NULL "
        "GROUP BY 1 ORDER BY n DESC, v"
    )
    return tuple(str(value) for value, _ in con.execute(query).fetchall())


def _date_formats(con: Any, table: str, name: str, n_filled: int) -> tuple[str, ...] | None:
    """Find the date formats that every value fits: none for ISO 8601; None where it is no date."""
    text = _text_of(name)
    query = f"SELECT DISTINCT {text} AS v FROM {table} WHERE {text} IS NOT NULL LIMIT 200"
    sample = [str(value) for (value,) in con.execute(query).fetchall()]
    if all(_ISO.fullmatch(value) for value in sample):
        count = f"count(TRY_CAST({text} AS TIMESTAMP))"
        found = con.execute(f"SELECT {count} FROM {table}").fetchone()[0]
        return () if found == n_filled else None
    likely = [f for f in (d + t for d in _DAYS for t in _TIMES) if _all_fit(sample, f)]
    if not likely:
        return None
    counts = ", ".join(f"count(try_strptime({text}, '{form}'))" for form in likely)
    found = con.execute(f"SELECT {counts} FROM {table}").fetchone()
    fitting = tuple(f for f, n in zip(likely, found, strict=True) if n == n_filled)
    return fitting or None


def _all_fit(sample: Sequence[str], form: str) -> bool:
    for value in sample:
        try:
            dt.datetime.strptime(value, form)
        except ValueError:
            return False
    return True
