"""Where the rows of a source come from: a file, a frame, an Ibis table, a named table, or SQL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cxmodel.errors import SourceError, nearest
from cxmodel.tables.engines.engine import Session, name_of
from cxmodel.tables.engines.functions import number_of
from cxmodel.tables.engines.trouble import engine_errors, engine_words
from cxmodel.tables.opening.convert import count_if
from cxmodel.tables.opening.files import OpenTable, open_file, run_reading
from cxmodel.tables.opening.frames import is_frame, to_arrow
from cxmodel.tables.opening.sql_guard import rewrite_select
from cxmodel.tables.specs import Query, SourceSpec, TableFile, TableName

if TYPE_CHECKING:
    import ibis

# Longer whole numbers lose digits as floats: they are keys, and stay text.
_MOST_DIGITS = 15
_OF_THE_SYSTEM = ("information_schema", "pg_catalog", "system", "temp")


@dataclass(frozen=True, eq=False)
class Catalog:
    """The tables that a study may name.

    Parameters
    ----------
    session : Session
        The engine.
    files : mapping of str to TableFile
        ``[tables]``.
    base : Path
        The folder to which their paths are relative.
    """

    session: Session
    files: Mapping[str, TableFile]
    base: Path
    _named: dict[str, str] = field(default_factory=dict)
    _engine_tables: list[str] = field(default_factory=list)

    def open(self, spec: SourceSpec) -> OpenTable:
        """Open the rows of a source, without reading more than its header.

        Raises
        ------
        SourceError
            If the file or table is missing or unreadable, or `sql` is not one SELECT.
        """
        data = spec.data
        if isinstance(data, (str, Path)):
            return open_file(self.session, str(data), self.base, sheet=spec.sheet)
        if isinstance(data, Query):
            return self._open_query(data.sql, spec.label)
        if isinstance(data, TableName):
            return self._open_named(data.name, spec)
        if is_frame(data):
            return self._open_frame(data, spec)
        if hasattr(data, "schema") and hasattr(data, "op"):
            return _as_it_is(data, spec.label, is_query=False)
        raise TypeError(
            f"{spec.label}: a path, a pandas, polars or pyarrow table or an Ibis table is needed, "
            f"not {type(data).__name__}."
        )

    def _open_frame(self, data: Any, spec: SourceSpec) -> OpenTable:
        # The owner's names stay here: engines do not tell capitals from small letters.
        rows = to_arrow(data, spec.label)
        names = {name: f"c{i}" for i, name in enumerate(rows.column_names)}
        rows = rows.rename_columns(list(names.values()))
        table = self.session.register_in_order(rows, spec.kind)
        order = self.session.order_of_frames
        return OpenTable(table, names, spec.label, is_kept=True, order=order)

    @property
    def known(self) -> list[str]:
        """Every name that `table` and `sql` may use."""
        return [*self.files, *self._listed()]

    def _open_named(self, name: str, spec: SourceSpec) -> OpenTable:
        if name in self.files:
            file = self.files[name]
            return open_file(self.session, file.path, self.base, sheet=spec.sheet or file.sheet)
        table = self._engine_table(name)
        if table is None:
            raise SourceError(f"{spec.label}.table: no table {name!r}. {nearest(name, self.known)}")
        return _as_it_is(table, name, is_query=False)

    def _engine_table(self, name: str) -> Any:
        """Find a table of the engine, as ``table`` or ``schema.table``; nothing of the system's."""
        *path, last = name.split(".")
        if not path:
            return self._table(last) if last in self._listed() else None
        if path[-1].lower() in _OF_THE_SYSTEM:
            return None
        database = path[0] if len(path) == 1 else tuple(path)
        try:
            if path[-1] not in self.session.databases(*path[:-1]):
                return None
            listed = self.session.tables(database)
        except engine_errors() as error:
            raise SourceError(
                f"The table {name!r} cannot be looked up: {engine_words(error)}"
            ) from error
        return self._table(last, database) if last in listed else None

    def _table(self, name: str, database: str | tuple[str, ...] | None = None) -> ibis.Table:
        session = self.session
        return session.run(lambda: session.backend.table(name, database=database))

    def _listed(self) -> list[str]:
        if not self._engine_tables:
            self._engine_tables.extend(self.session.tables())
        return self._engine_tables

    def _open_query(self, sql: str, label: str) -> OpenTable:
        dialect = str(self.session.backend.dialect.__name__).lower()
        query = rewrite_select(sql, label, self.known, self._resolve, dialect=dialect)
        try:
            table = self.session.query(query)
        except engine_errors() as error:
            raise SourceError(f"{label}.sql: {engine_words(error)}") from error
        return _as_it_is(table, f"{label}.sql", is_query=True)

    def _resolve(self, name: str) -> str | None:
        """Give the engine's name for a table; a file is opened on its first use."""
        by_lower = {given.lower(): given for given in self.files}
        given = by_lower.get(name.lower())
        if given is None:
            return name if self._engine_table(name) is not None else None
        if given not in self._named:
            file = self.files[given]
            opened = open_file(self.session, file.path, self.base, sheet=file.sheet)
            self._named[given] = name_of(self._typed(opened, given))
        return self._named[given]

    def _typed(self, opened: OpenTable, hint: str) -> ibis.Table:
        """Give a file's columns types that SQL can work with; dates and codes stay text."""
        _refuse_names_alike(opened)
        if not opened.is_text:
            plain = opened.table.select(**{n: opened.table[c] for n, c in opened.names.items()})
            return self.session.view(plain, hint)
        kinds = run_reading(lambda: self._sniff(opened), opened.shown)
        columns = {
            name: _as_kind(opened.table[column], kinds[column])
            for name, column in opened.names.items()
        }
        typed = opened.table.select(**columns)
        return run_reading(lambda: self.session.keep(typed, hint), opened.shown)

    def _sniff(self, opened: OpenTable) -> dict[str, str]:
        """Find, from every row, which text columns hold whole numbers, numbers or truth values."""
        table = opened.table
        tests: dict[str, Any] = {}
        for column in opened.names.values():
            text = table[column].strip().nullif("")
            number = number_of(text)
            is_code = text.re_search(r"^[+-]?0[0-9]") | text.re_search("[eE]")
            is_long = ~text.contains(".") & (text.length() > _MOST_DIGITS)
            tests[f"{column}_n"] = text.count()
            tests[f"{column}_number"] = number.count()
            tests[f"{column}_whole"] = count_if(number.notnull() & ~text.contains("."))
            tests[f"{column}_code"] = count_if(is_code | is_long)
            tests[f"{column}_flag"] = count_if(text.lower().isin(["true", "false"]))
        seen = self.session.one_row(table.aggregate(**tests))
        return {column: _kind(seen, column) for column in opened.names.values()}


def _kind(seen: Mapping[str, Any], column: str) -> str:
    n = seen[f"{column}_n"]
    if not n:
        return "string"
    if seen[f"{column}_flag"] == n:
        return "boolean"
    if seen[f"{column}_number"] != n or seen[f"{column}_code"]:
        return "string"
    return "int64" if seen[f"{column}_whole"] == n else "float64"


def _as_kind(text: Any, kind: str) -> Any:
    return text if kind == "string" else text.strip().nullif("").cast(kind)


def _as_it_is(table: ibis.Table, shown: str, *, is_query: bool) -> OpenTable:
    """Take a table of an engine, whose rows come in no order of their own."""
    names = {name: name for name in table.columns}
    return OpenTable(table, names, shown, order=None, is_query=is_query)


def _refuse_names_alike(opened: OpenTable) -> None:
    """Refuse names that differ by capitals alone, which SQL does not tell apart."""
    seen: dict[str, str] = {}
    for name in opened.names:
        other = seen.setdefault(name.lower(), name)
        if other != name:
            raise SourceError(
                f"{opened.shown} has columns {other!r} and {name!r}, which sql cannot tell apart. "
                "Rename one."
            )
