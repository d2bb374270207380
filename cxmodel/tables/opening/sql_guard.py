"""Let one SELECT over known tables through, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from cxmodel.errors import SourceError, nearest

# Functions that make a table out of their arguments alone.
_HARMLESS = frozenset({"unnest", "generate_series", "range", "values", "explode"})
# Scalar functions that look outside the tables, or run text as a query or as code.
_REFUSED_CALLS = frozenset(
    # DuckDB
    {"getenv", "query", "query_table", "sniff_csv", "glob", "getvariable"}
    # PostgreSQL
    | {"query_to_xml", "table_to_xml", "cursor_to_xml", "set_config", "current_setting", "nextval"}
    # Spark
    | {"reflect", "try_reflect", "java_method", "input_file_name"}
)
_REFUSED_BEGINNINGS = ("read_", "scan_", "parquet_", "pg_", "lo_", "dblink")
_BEGINNINGS = ("SELECT", "WITH", "FROM")
_ADVICE = "Write one SELECT over the names in [tables] and the tables of the engine."


def rewrite_select(
    sql: str,
    label: str,
    known: Iterable[str],
    resolve: Callable[[str], str | None],
    *,
    dialect: str = "duckdb",
) -> str:
    """Check that `sql` is one SELECT over known tables, and put the engine's names in their place.

    Parameters
    ----------
    sql : str
        As the user wrote it, in DuckDB's dialect.
    label : str
        How messages call the source.
    known : iterable of str
        Every name that may be used, for messages.
    resolve : callable
        Gives the engine's name of a table, or None where there is no such table.
    dialect : str
        The dialect of the engine, as sqlglot calls it; the query is translated to it.

    Returns
    -------
    str
        The same query over the engine's names.

    Raises
    ------
    SourceError
        If it is anything but one SELECT, reads files, or names a table that is not there.

    Examples
    --------
    >>> rewrite_select("SELECT id FROM orders", "sources.surveys", ["orders"], {"orders": "t1"}.get)
    'SELECT id FROM "t1" AS "orders"'
    """
    import sqlglot.expressions as sge

    tree = _parse(sql, label)
    for node in tree.walk():
        _refuse_statement(node, label)
    for table in _outer_tables(tree):
        if not isinstance(table.this, sge.Identifier):
            _refuse_function(table, label)
            continue
        name = ".".join(part.name for part in table.parts)
        found = resolve(name)
        if found is None:
            raise SourceError(_unknown(name, label, list(known)))
        if found != name:
            _point_at(table, found)
    return str(tree.sql(dialect=dialect))


def _parse(sql: str, label: str) -> Any:
    import sqlglot
    import sqlglot.expressions as sge
    from sqlglot.errors import SqlglotError

    try:
        _refuse_other_words(sqlglot.tokenize(sql, dialect="duckdb"), label)
        tree = sqlglot.parse_one(sql, dialect="duckdb")
    except SqlglotError as error:
        details = getattr(error, "errors", None) or [{}]
        line, near = details[0].get("line"), details[0].get("highlight")
        where = f" at line {line}, near {near!r}" if line and near else ""
        raise SourceError(f"{label}.sql cannot be read{where}. {_ADVICE}") from error
    if not isinstance(tree, (sge.Select, sge.SetOperation, sge.Subquery)):
        raise SourceError(f"{label}.sql is no SELECT: it is {tree.key.upper()}. {_ADVICE}")
    return tree


def _refuse_other_words(tokens: list[Any], label: str) -> None:
    """Look at the words alone first: the parser only guesses at statements it does not know."""
    words = [token.text for token in tokens]
    n_statements = sum(
        1 for before, word in zip([";", *words], words, strict=False) if before == ";" != word
    )
    if n_statements != 1:
        raise SourceError(f"{label}.sql holds {n_statements} statements. {_ADVICE}")
    first = next(word.upper() for word in words if word not in ("(", ";"))
    if first not in _BEGINNINGS:
        raise SourceError(f"{label}.sql is no SELECT: it begins with {first}. {_ADVICE}")


def _refuse_statement(node: Any, label: str) -> None:
    import sqlglot.expressions as sge

    if isinstance(node, (sge.DML, sge.DDL, sge.Command, sge.Into)) and not isinstance(
        node, (sge.Query, sge.Table)
    ):
        raise SourceError(f"{label}.sql would change something ({node.key.upper()}). {_ADVICE}")
    name = _called(node)
    if name.startswith(_REFUSED_BEGINNINGS) or name.endswith("_scan"):
        raise SourceError(_reads(name, label))
    if name in _REFUSED_CALLS:
        raise SourceError(_reads(name, label))


def _called(node: Any) -> str:
    import sqlglot.expressions as sge

    if isinstance(node, sge.Anonymous):
        return str(node.name).lower()
    return str(node.sql_name()).lower() if isinstance(node, sge.Func) else ""


def _reads(name: str, label: str) -> str:
    return (
        f"{label}.sql calls {name}(), which reads outside the tables. Name the file in [tables] "
        "and use that name."
    )


def _outer_tables(tree: Any) -> list[Any]:
    """List the tables that come from outside: not the names that WITH gives inside the query."""
    import sqlglot.expressions as sge

    return [table for table in tree.find_all(sge.Table) if not _is_local(table)]


def _is_local(table: Any) -> bool:
    """Say whether a WITH that is in force where `table` stands gives it its name."""
    import sqlglot.expressions as sge

    if table.db or not isinstance(table.this, sge.Identifier):
        return False
    name, inside, node = table.name.lower(), table, table.parent
    while node is not None:
        with_ = node.args.get("with_") or node.args.get("with")
        if with_ is not None:
            for given in with_.expressions:
                # A common table expression sees those before it, and itself if it is recursive.
                if given is inside or any(given is up for up in _above(table)):
                    if with_.args.get("recursive") and given.alias.lower() == name:
                        return True
                    break
                if given.alias.lower() == name:
                    return True
        inside, node = node, node.parent
    return False


def _above(node: Any) -> list[Any]:
    found = []
    while node is not None:
        found.append(node)
        node = node.parent
    return found


def _refuse_function(table: Any, label: str) -> None:
    name = _called(table.this) or str(table.this.sql(dialect="duckdb")).split("(", 1)[0].lower()
    if name not in _HARMLESS:
        raise SourceError(_reads(name, label))


def _unknown(name: str, label: str, known: list[str]) -> str:
    looks_like_file = any(mark in name for mark in "/\\*") or name.lower().endswith(
        (".csv", ".parquet", ".xlsx", ".json", ".txt", ".tsv", ".db")
    )
    if looks_like_file:
        return (
            f"{label}.sql reads the file {name!r}. Name the file in [tables] and use that name: "
            "files are opened nowhere else."
        )
    return f"{label}.sql names the table {name!r}, which is not there. {nearest(name, known)}"


def _point_at(table: Any, found: str) -> None:
    import sqlglot.expressions as sge

    if not table.alias:
        table.set("alias", sge.TableAlias(this=sge.to_identifier(table.name, quoted=True)))
    table.set("this", sge.to_identifier(found, quoted=True))
    table.set("db", None)
    table.set("catalog", None)
