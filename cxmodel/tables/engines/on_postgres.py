"""PostgreSQL: tables stay on the server, temporary ones go with the connection.

Rows travel by COPY, as CSV: the server's fast way in and out, and one that keeps a missing text
apart from an empty one. Text is compared by code point (collation "C"), so that rows have one order
whatever the language of the server.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from cxmodel.errors import EngineError
from cxmodel.tables.engines.arrow_types import plain_types
from cxmodel.tables.engines.session import Session
from cxmodel.tables.engines.settings import Engine

if TYPE_CHECKING:
    import ibis
    import pyarrow as pa


@dataclass(frozen=True, eq=False)
class PostgresSession(Session):
    """A connection to a PostgreSQL server."""

    shown: ClassVar[str] = "PostgreSQL"

    def _compute(self, name: str, expr: ibis.Table) -> None:
        # Under the types that Ibis states: PostgreSQL adds whole numbers up to decimals, for one.
        kinds = self.backend.compiler.type_mapper
        columns = ", ".join(
            f"CAST({self.quoted(column)} AS {kinds.to_string(kind)}) AS {self.quoted(column)}"
            for column, kind in expr.schema().items()
        )
        quoted = self.quoted(name)
        rows = f"({self.sql_of(expr)}) AS rows"
        self._execute(f"CREATE TEMPORARY TABLE {quoted} AS SELECT {columns} FROM {rows}")
        # Nobody else gathers statistics of temporary tables, and without them plans are guesses.
        self._execute(f"ANALYZE {quoted}")

    def _bring(self, name: str, rows: pa.Table) -> None:
        from pyarrow import csv

        rows = plain_types(rows, own=_as_text)
        quoted = self.quoted(name)
        self._execute(f"CREATE TEMPORARY TABLE {quoted} ({self._columns_of(rows.schema)})")
        cursor = self.backend.con.cursor()
        with cursor, cursor.copy(f"COPY {quoted} FROM STDIN (FORMAT csv)") as copy:
            options = csv.WriteOptions(include_header=False)
            for batch in rows.to_batches(max_chunksize=50_000):
                text = io.BytesIO()
                csv.write_csv(batch, text, options)
                copy.write(text.getvalue())
        self._execute(f"ANALYZE {quoted}")

    def query(self, sql: str) -> ibis.Table:
        """Give a SELECT as a table, without computing it.

        As a view of ours: ibis 12 makes one to learn the types, and cannot drop it (`_remove`).
        """
        name = self.fresh_name("query")
        self._made.append(("view", name))
        statement = f"CREATE TEMPORARY VIEW {self.quoted(name)} AS {sql}"
        self.run(lambda: self._execute(statement))
        return self.backend.table(name)

    def _take(self, expr: ibis.Table) -> pa.Table:
        query = self.sql_of(expr)
        text = io.BytesIO()
        cursor = self.backend.con.cursor()
        with cursor, cursor.copy(f"COPY ({query}) TO STDOUT (FORMAT csv)") as copy:
            for block in copy:
                text.write(block)
        return _read_rows(text, expr.schema().to_pyarrow())

    def _columns_of(self, schema: pa.Schema) -> str:
        import ibis

        kinds = self.backend.compiler.type_mapper
        return ", ".join(
            f"{self.quoted(name)} {kinds.to_string(kind)}" + (' COLLATE "C"' * kind.is_string())
            for name, kind in ibis.schema(schema).items()
        )

    def _execute(self, statement: str) -> None:
        with self.backend.con.cursor() as cursor:
            cursor.execute(statement)

    def _cancel(self) -> None:
        self.backend.con.cancel_safe(timeout=0.5)

    def _trouble(self, error: Exception) -> str | None:
        import psycopg
        from psycopg import errors

        if isinstance(error, errors.InsufficientPrivilege):
            return (
                f"PostgreSQL does not allow it: {_first_line(error)}. cxmodel reads your "
                "tables and makes temporary ones: grant SELECT on the tables and TEMPORARY on the "
                "database."
            )
        if isinstance(error, errors.ReadOnlySqlTransaction):
            return (
                "The PostgreSQL database is read-only, and cxmodel needs temporary tables. Use a "
                "server that takes writes, or a user for whom default_transaction_read_only is off."
            )
        if isinstance(error, (errors.DiskFull, errors.OutOfMemory)):
            return f"PostgreSQL is full: {_first_line(error)}. Ask for more space, or ask for less."
        if isinstance(error, errors.QueryCanceled):
            return (
                f"PostgreSQL gave up: {_first_line(error)}. Raise statement_timeout for this user, "
                "or ask for less."
            )
        is_connected = not (self.backend.con.closed or self.backend.con.broken)
        if isinstance(error, psycopg.OperationalError) and is_connected:
            return f"PostgreSQL refused: {_first_line(error)}. Ask for less, or ask who runs it."
        if isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError)):
            # The words of a driver may repeat the address and the password.
            return (
                "PostgreSQL went away in the middle of the study. Nothing was written. See "
                "that the server runs and accepts connections, then run the study again."
            )
        return None


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__


def _as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Write as text what CSV cannot hold."""
    import pyarrow as pa
    import pyarrow.types as kinds

    kind = column.type
    if kinds.is_nested(kind) or kinds.is_binary(kind) or kinds.is_duration(kind):
        words = [None if value is None else str(value) for value in column.to_pylist()]
        return pa.chunked_array([pa.array(words, pa.string())])
    return column


def _read_rows(text: io.BytesIO, schema: pa.Schema) -> pa.Table:
    """Read what COPY wrote, under stated types: quoted is text, bare and empty is missing."""
    from pyarrow import csv

    if not text.tell():
        return schema.empty_table()
    text.seek(0)
    return csv.read_csv(
        text,
        read_options=csv.ReadOptions(column_names=schema.names),
        parse_options=csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
        convert_options=csv.ConvertOptions(
            column_types=schema,
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            true_values=["t"],
            false_values=["f"],
        ),
    )


def open_postgres(engine: Engine) -> PostgresSession:
    """Connect to a PostgreSQL server.

    Raises
    ------
    EngineError
        If the driver is not installed, a setting is not for PostgreSQL, or nobody answers.
    """
    import ibis

    for name in engine.given():
        raise EngineError(
            f"engine.{name} does not hold for PostgreSQL, whose limits are set on the server "
            "(work_mem, max_parallel_workers, temp_tablespaces). Leave it out."
        )
    try:
        backend = ibis.connect(engine.url.replace("postgresql://", "postgres://", 1))
        with backend.con.cursor() as cursor:
            # Compiling to machine code costs more than it saves on expressions as long as ours.
            cursor.execute("SET jit = off")
            # The default of 4 MB is meant for short queries: hashes and sorts would go to disk.
            # A query whose client has gone ends within a second, and its tables with it.
            cursor.execute(
                "SELECT set_config(name, '1000', false) FROM pg_settings "
                "WHERE name = 'client_connection_check_interval'"
            )
            cursor.execute(
                "SELECT set_config('work_mem', '64MB', false) "
                "WHERE pg_size_bytes(current_setting('work_mem')) < pg_size_bytes('64MB')"
            )
    except ImportError as error:
        raise EngineError(
            "PostgreSQL needs its driver: pip install 'cxmodel[postgres]'."
        ) from error
    except Exception as error:
        raise EngineError(_cannot_connect(error)) from error
    return PostgresSession(backend)


def _cannot_connect(error: Exception) -> str:
    # Drivers repeat the address, which may hold a password: only what is known to be safe is shown.
    words = str(error).lower()
    reasons = {
        "password authentication failed": "the user or the password is wrong",
        "does not exist": "there is no such database or user",
        "connection refused": "nobody listens at that address",
        "could not translate host name": "the host is not known",
        "timeout": "the server does not answer",
    }
    found = next((reason for mark, reason in reasons.items() if mark in words), None)
    reason = found or type(error).__name__
    return f"PostgreSQL cannot be reached: {reason}. Check engine.url and that the server runs."
