"""An open engine, and the temporary tables made on it: what is the same on every engine."""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar, runtime_checkable

from cxmodel.errors import EngineError
from cxmodel.tables.engines.worker import Worker

if TYPE_CHECKING:
    import ibis
    import pyarrow as pa

_Answer = TypeVar("_Answer")
_NUMBERS = itertools.count(1)
PREFIX = "cx_"
"""How the names of our own temporary tables and columns begin."""
PLACE = "cx_place"
"""The place of a row in its file or frame."""


@dataclass(frozen=True, eq=False)
class Session(ABC):
    """An open engine, and the temporary tables made on it.

    What an engine does in its own way is in the subclasses, one for each engine; the rest of the
    package knows this face alone.

    Parameters
    ----------
    backend : ibis backend
        The connection.
    owned : bool
        Whether closing the session closes the connection too.
    """

    shown: ClassVar[str]
    """How messages call the engine."""
    order_of_frames: ClassVar[tuple[str, ...]] = (PLACE,)
    """The columns, beside a frame's own, by which its rows come in order; none where they do."""

    backend: Any
    owned: bool = True
    _made: list[tuple[str, str]] = field(default_factory=list, repr=False)
    _closed: Event = field(default_factory=Event, repr=False)
    _discarded: list[ibis.Table] = field(default_factory=list, repr=False)
    _worker: Worker = field(default_factory=Worker, repr=False)
    _reading: Event = field(default_factory=Event, repr=False)

    # -- What every engine does in its own way ---------------------------------------------------

    @abstractmethod
    def _compute(self, name: str, expr: ibis.Table) -> None:
        """Compute a table once and keep it under a name that goes with the session."""

    @abstractmethod
    def _bring(self, name: str, rows: pa.Table) -> None:
        """Copy rows onto the engine under a name that goes with the session."""

    @abstractmethod
    def _take(self, expr: ibis.Table) -> pa.Table:
        """Take rows out of the engine."""

    @abstractmethod
    def _cancel(self) -> None:
        """Ask the engine to give up what it is doing; called from another thread."""

    @abstractmethod
    def _trouble(self, error: Exception) -> str | None:
        """Say what is wrong where it is the engine's trouble and not the table's."""

    def tables(self, database: str | tuple[str, ...] | None = None) -> list[str]:
        """List the tables that are there, but for our own."""
        found = self.run(lambda: self.backend.list_tables(database=database))
        return [name for name in found if not name.startswith(PREFIX)]

    def databases(self, catalog: str | None = None) -> list[str]:
        """List the databases (schemas) of the connection, or of a catalog."""
        found = self.run(lambda: self.backend.list_databases(catalog=catalog))
        return list(found)

    def _remove(self, kind: str, name: str) -> None:
        """Drop a table or view of ours."""
        # Written out: sqlglot 30.30 leaves the name out of the DROP that ibis 12 has it write.
        self.backend.raw_sql(f"DROP {kind.upper()} IF EXISTS {name}")

    def _disconnect(self) -> None:
        """Close the connection."""
        self.backend.disconnect()

    # -- The face --------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The engine's name, as results give it."""
        return str(self.backend.name)

    @property
    def is_closed(self) -> bool:
        """Whether `close` was called: nothing can be asked of it any more."""
        return self._closed.is_set()

    def register(self, data: Any, hint: str = "frame") -> ibis.Table:
        """Bring an Arrow table, or a pandas or polars frame, onto the engine.

        The data are copied (or read in place where the engine can); the frame is never changed.
        """
        from cxmodel.tables.opening.frames import to_arrow

        rows, name = to_arrow(data, hint), self.fresh_name(hint)
        self._made.append(("table", name))
        self.run(lambda: self._bring(name, rows))
        return self.backend.table(name)

    def register_in_order(self, rows: pa.Table, hint: str) -> ibis.Table:
        """Bring rows onto the engine with what tells their order: see `order_of_frames`."""
        if not self.order_of_frames:
            return self.register(rows, hint)
        import pyarrow as pa

        places = pa.array(range(1, rows.num_rows + 1), pa.int64())
        return self.register(rows.append_column(PLACE, places), hint)

    def keep(self, expr: ibis.Table, hint: str = "step") -> ibis.Table:
        """Compute a table once and keep it on the engine under a fresh name."""
        self._refuse_while_reading()
        name = self.fresh_name(hint)
        # Noted first: an engine may leave the table behind when filling it fails.
        self._made.append(("table", name))
        try:
            self.run(lambda: self._compute(name, expr))
        except BaseException:
            if not self._worker.is_busy:
                self._made.remove(("table", name))
                self._drop_quietly("table", name)
            raise
        return self.backend.table(name)

    def view(self, expr: ibis.Table, hint: str = "view") -> ibis.Table:
        """Give an expression a name on the engine without computing it."""
        name = self.fresh_name(hint)
        query = self.sql_of(expr)
        quoted = self.quoted(name)
        self.run(lambda: self.backend.raw_sql(f"CREATE TEMPORARY VIEW {quoted} AS {query}"))
        self._made.append(("view", name))
        return self.backend.table(name)

    def query(self, sql: str) -> ibis.Table:
        """Give a SELECT in the engine's own words as a table, without computing it."""
        return self.run(lambda: self.backend.sql(sql))

    def arrow(self, expr: ibis.Table) -> pa.Table:
        """Take the rows of an expression out of the engine, under the types that Ibis states."""
        return self.run(lambda: self._take(expr))

    def stream(self, expr: ibis.Table, n_rows: int, take: Callable[[pa.RecordBatch], None]) -> None:
        """Hand the rows of an expression to a function as they come, `n_rows` at a time.

        All in one step, in the thread that talks to the engine: what other threads ask waits. The
        function must not ask anything itself.
        """

        def step() -> None:
            with self.backend.to_pyarrow_batches(expr, chunk_size=n_rows) as reader:
                for batch in reader:
                    take(batch)

        self.run(step)

    def batches(self, expr: ibis.Table, n_rows: int) -> Iterator[pa.RecordBatch]:
        """Take the rows of an expression out of the engine as they come, `n_rows` at a time.

        Until they are taken nothing else may be asked: another statement on the same connection
        would end what it is reading, without an error, and `run` raises one.
        """
        with self._alone():
            reader = self._run(lambda: self.backend.to_pyarrow_batches(expr, chunk_size=n_rows))
            try:
                done, found = object(), iter(reader)
                while (batch := self._run(lambda: next(found, done))) is not done:
                    yield batch
            finally:
                reader.close()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Let nothing else be asked while rows are read."""
        self._refuse_while_reading()
        self._reading.set()
        try:
            yield
        finally:
            self._reading.clear()

    def _refuse_while_reading(self) -> None:
        if self._reading.is_set():
            raise EngineError(
                "Rows of this session are still being read. Take them all before asking for more, "
                "or open a second session."
            )

    def rows(self, expr: ibis.Table) -> list[dict[str, Any]]:
        """Take the rows of an expression out of the engine, as plain Python values."""
        found: list[dict[str, Any]] = self.arrow(expr).to_pylist()
        return found

    def one_row(self, expr: ibis.Table) -> dict[str, Any]:
        """Take the only row of an aggregate out of the engine, as plain Python values."""
        return self.rows(expr)[0]

    def fresh_name(self, hint: str) -> str:
        """Make a name that no other table of this process has."""
        word = "".join(c if c.isalnum() and c.isascii() else "_" for c in hint)[:40].lower()
        return f"{PREFIX}{word}_{next(_NUMBERS)}"

    def sql_of(self, expr: ibis.Table) -> str:
        """Write an expression in the engine's own SQL."""
        tree = self.backend.compiler.to_sqlglot(expr)
        # A copy: parts that stand in several places are one object in Ibis's tree, and sqlglot 30
        # rewrites a semi-join of such a part in one place only.
        return str(tree.copy().sql(dialect=self.backend.dialect))

    def quoted(self, name: str) -> str:
        """Write a name as an identifier of the engine."""
        import sqlglot

        identifier = sqlglot.to_identifier(name, quoted=True)
        return str(identifier.sql(dialect=self.backend.dialect))

    def drop(self, table: ibis.Table) -> None:
        """Drop a table that `keep` or `register` made, before the session ends."""
        made = ("table", name_of(table))
        # An engine that has not obeyed an interrupt is not waited for: see `close`.
        if made in self._made and not self._worker.is_busy:
            self._refuse_while_reading()
            self._made.remove(made)
            self.run(lambda: self._remove(*made))

    def discard(self, table: ibis.Table) -> None:
        """Have a table dropped before the next step: a collector may call at any moment."""
        self._discarded.append(table)

    def run(self, step: Callable[[], _Answer]) -> _Answer:
        """Run a step on the engine: Ctrl-C reaches it, and its trouble becomes an error of ours.

        Raises
        ------
        EngineError
            If the engine went away, is full, or does not allow it.
        """
        self._refuse_while_reading()
        while self._discarded and not self._worker.is_busy:
            self.drop(self._discarded.pop())
        return self._run(step)

    def _run(self, step: Callable[[], _Answer]) -> _Answer:
        if self.is_closed:
            raise EngineError(f"This session on {self.shown} is closed. Open another one.")
        try:
            return self._worker.run(step, self._cancel)
        except EngineError:
            raise
        except Exception as error:
            trouble = self._trouble(error)
            if trouble is None:
                raise
            raise EngineError(trouble) from error

    def close(self) -> None:
        """Drop what was made here; close the connection if it is ours."""
        if self.owned or self._worker.is_busy:
            # Whatever was made is temporary, and goes with the connection.
            self._made.clear()
        while self._made:
            self._drop_quietly(*self._made.pop())
        self._closed.set()
        self._worker.stop()
        if self.owned:
            self._disconnect()

    def _drop_quietly(self, kind: str, name: str) -> None:
        """Drop a table at the end; an engine that has gone took it along."""
        try:
            self._run(lambda: self._remove(kind, name))
        except EngineError:
            # Nothing is there any more, and nobody to ask.
            self._made.clear()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@runtime_checkable
class ReadsFiles(Protocol):
    """A session on an engine that reads files itself; to the others rows of files are copied."""

    order_of_files: ClassVar[tuple[str, ...]]
    """The columns, beside a file's own, by which its rows come in order; none where they do."""

    def csv(self, files: list[str], n_columns: int, delimiter: str) -> ibis.Table:
        """Read CSV files with a header as text columns ``c0``, ``c1``, ..., without a guess."""

    def parquet(self, files: list[str]) -> ibis.Table:
        """Read Parquet files of the same columns as one table."""

    def arrow(self, expr: ibis.Table) -> pa.Table:
        """Take the rows of an expression out of the engine."""


def name_of(table: ibis.Table) -> str:
    """Give the engine's own name of a table; nothing for an expression that has none.

    Ibis's ``get_name`` puts catalog and database before it.
    """
    return str(getattr(table.op(), "name", ""))
