"""Find the column that names the person, and the way to it through other tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from cxmodel.init_config.profile import Column, Table, quoted
from cxmodel.init_config.words import KEY, NOT_A_KEY, PERSON, Sureness, words

_MAX_STEPS = 2
_ENOUGH_OVERLAP = 0.5


@dataclass(frozen=True)
class Step:
    """One join: ``JOIN table ON <the table before>.column = table.column``."""

    before: str
    table: str
    column: str


@dataclass(frozen=True, kw_only=True)
class Key:
    """A column that may name the person, and the joins that lead to it."""

    column: str
    sureness: Sureness
    table: str
    steps: tuple[Step, ...] = ()
    n_distinct: int = 0


def own_keys(table: Table) -> list[Key]:
    """List the columns of a table that look like the id of a person, the likeliest first.

    Parameters
    ----------
    table : Table
        The table.
    """
    found = [
        Key(column=c.name, sureness=sureness, table=table.name, n_distinct=c.n_distinct)
        for c in table.columns
        if (sureness := _how_surely_a_key(c)) is not None
    ]
    order = ("sure", "likely", "a guess")
    return sorted(
        found, key=lambda key: ("unique" not in words(key.column), order.index(key.sureness))
    )


def _how_surely_a_key(column: Column) -> Sureness | None:
    found = words(column.name)
    if column.kind in ("empty", "date") or column.n_distinct < 2 or found & NOT_A_KEY:
        return None
    is_fraction = column.kind == "number" and not column.is_whole
    if is_fraction or not found & PERSON:
        return None
    if found & KEY:
        return "sure"
    return "likely" if len(found) == 1 else None


def plain_id(table: Table) -> Column | None:
    """Give the column that is called only id, which may be the person's in a table of persons."""
    for column in table.columns:
        if words(column.name) == {"id"} and column.kind in ("text", "number"):
            return column
    return None


def find_keys(tables: Sequence[Table], con: Any) -> dict[str, list[Key]]:
    """Find, for each table, every column that may name the person, by joins where it has none.

    A join goes by a column of the same name that is unique in the other table, so that no row
    multiplies.

    Parameters
    ----------
    tables : sequence of Table
        The tables that were looked at.
    con : duckdb connection
        Where they are.
    """
    own = {table.name: own_keys(table) for table in tables}
    for table in tables:
        column = plain_id(table)
        if not own[table.name] and column is not None:
            own[table.name] = _confirmed_id(table, column, tables, own, con)
    return {table.name: _with_joins(table, tables, own) for table in tables}


def _confirmed_id(
    table: Table, column: Column, tables: Sequence[Table], own: dict[str, list[Key]], con: Any
) -> list[Key]:
    """Take a plain id for the person's where the keys of other tables occur in it."""
    if not column.is_unique:
        return []
    key = Key(
        column=column.name, sureness="a guess", table=table.name, n_distinct=column.n_distinct
    )
    for other in tables:
        for theirs in own[other.name]:
            shared = _overlap(con, other, theirs.column, table, column.name)
            if other.name != table.name and shared >= _ENOUGH_OVERLAP:
                return [replace(key, sureness="sure")]
    return [key]


def _overlap(con: Any, one: Table, column: str, other: Table, theirs: str) -> float:
    """Give the share of one table's distinct values that occur in the other's."""
    mine = f"SELECT DISTINCT CAST({quoted(one.inner[column])} AS VARCHAR) AS v FROM {one.kept}"
    found = f"SELECT CAST({quoted(other.inner[theirs])} AS VARCHAR) FROM {other.kept}"
    query = f"SELECT avg(CASE WHEN v IN ({found}) THEN 1.0 ELSE 0.0 END) FROM ({mine})"
    return float(con.execute(query).fetchone()[0] or 0.0)


def _with_joins(table: Table, tables: Sequence[Table], own: dict[str, list[Key]]) -> list[Key]:
    """Add the keys of tables that can be joined without multiplying rows."""
    keys = {key.column: key for key in own[table.name]}
    front: list[tuple[Table, tuple[Step, ...]]] = [(table, ())]
    seen = {table.name}
    for _ in range(_MAX_STEPS):
        ahead = []
        for here, steps in front:
            for there, column in _joinable(here, tables, seen):
                seen.add(there.name)
                path = (*steps, Step(here.name, there.name, column))
                ahead.append((there, path))
                for key in own[there.name]:
                    keys.setdefault(
                        key.column,
                        Key(
                            column=key.column,
                            sureness="likely",
                            table=there.name,
                            steps=path,
                            n_distinct=key.n_distinct,
                        ),
                    )
        front = ahead
    return sorted(
        keys.values(), key=lambda key: ("unique" not in words(key.column), len(key.steps))
    )


def _joinable(here: Table, tables: Sequence[Table], seen: set[str]) -> list[tuple[Table, str]]:
    found = []
    for there in tables:
        if there.name in seen:
            continue
        for column in there.columns:
            is_id = bool(words(column.name) & KEY) and column.name in here.names
            if is_id and column.is_unique:
                found.append((there, column.name))
                break
    return found
