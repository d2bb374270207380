"""What a table holds, column by column, as the engine counts it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from cxmodel.init_config.words import words
from cxmodel.tables.engines.engine import Session
from cxmodel.tables.times.text_times import fits

if TYPE_CHECKING:
    import ibis

MAX_LEVELS = 50

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


def look_at_table(
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
    forms = (day + clock for day in _DAYS for clock in _TIMES)
    likely = [form for form in forms if all(fits(value, form) for value in sample)]
    if not likely:
        return None
    counts = ", ".join(f"count(try_strptime({text}, '{form}'))" for form in likely)
    found = con.execute(f"SELECT {counts} FROM {table}").fetchone()
    fitting = tuple(f for f, n in zip(likely, found, strict=True) if n == n_filled)
    return fitting or None
