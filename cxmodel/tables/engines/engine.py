"""The engine on which tables live: DuckDB inside the process, or any that Ibis can reach."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from cxmodel.errors import EngineError

if TYPE_CHECKING:
    import ibis
    import pyarrow as pa

_NUMBERS = itertools.count(1)
_BROUGHT: dict[int, Session] = {}


@dataclass(frozen=True)
class Engine:
    """Where tables are read and joined.

    Parameters
    ----------
    url : str
        Any Ibis URL: ``"duckdb://"`` (inside the process, the default),
        ``"duckdb:///warehouse.db"``, ``"postgres://..."``, ...
    memory_limit : str, optional
        For example ``"4GB"`` (DuckDB).
    threads : int, optional
        How many threads the engine may use (DuckDB).
    temp_directory : str, optional
        Where the engine puts what does not fit into memory (DuckDB).

    Examples
    --------
    >>> Engine(memory_limit="1GB", threads=2).name
    'duckdb'
    """

    url: str = "duckdb://"
    memory_limit: str | None = None
    threads: int | None = None
    temp_directory: str | None = None

    @property
    def name(self) -> str:
        """The engine's name, without address or password."""
        return self.url.split("://", 1)[0]

    @property
    def options(self) -> dict[str, Any]:
        """The settings that are given, under DuckDB's names."""
        given = {
            "memory_limit": self.memory_limit,
            "threads": self.threads,
            "temp_directory": self.temp_directory,
        }
        return {key: value for key, value in given.items() if value is not None}


@dataclass(frozen=True, eq=False)
class Session:
    """An open engine, and the temporary tables made on it.

    Parameters
    ----------
    backend : ibis backend
        The connection.
    owned : bool
        Whether closing the session closes the connection too.
    """

    backend: Any
    owned: bool = True
    _made: list[tuple[str, str]] = field(default_factory=list, repr=False)

    @property
    def name(self) -> str:
        """The engine's name, as results give it."""
        return str(self.backend.name)

    @property
    def is_duckdb(self) -> bool:
        """Whether the engine is DuckDB, which reads files itself."""
        return self.name == "duckdb"

    def register(self, data: Any, hint: str = "frame") -> ibis.Table:
        """Bring an Arrow table, or a pandas or polars frame, onto the engine.

        The data are copied (or read in place where the engine can); the frame is never changed.
        """
        import ibis

        from cxmodel.tables.opening.frames import to_arrow

        name = self.fresh_name(hint)
        # As a memtable: ibis 12 drops the view of a bare Arrow table, see `_drop`.
        rows = ibis.memtable(to_arrow(data, hint))
        table = self.backend.create_table(name, rows, temp=True)
        self._made.append(("table", name))
        return table

    def keep(self, expr: ibis.Table, hint: str = "step") -> ibis.Table:
        """Compute a table once and keep it on the engine under a fresh name."""
        name = self.fresh_name(hint)
        # Noted first: an engine may leave the table behind when filling it fails.
        self._made.append(("table", name))
        return self.backend.create_table(name, expr, temp=True)

    def view(self, expr: ibis.Table, hint: str = "view") -> ibis.Table:
        """Give an expression a name on the engine without computing it."""
        import ibis

        name = self.fresh_name(hint)
        self.backend.raw_sql(f'CREATE TEMPORARY VIEW "{name}" AS {ibis.to_sql(expr)}')
        self._made.append(("view", name))
        return self.backend.table(name)

    def arrow(self, expr: ibis.Table) -> pa.Table:
        """Take the rows of an expression out of the engine."""
        return self.backend.to_pyarrow(expr)

    def one_row(self, expr: ibis.Table) -> dict[str, Any]:
        """Take the only row of an aggregate out of the engine, as plain Python values."""
        rows: list[dict[str, Any]] = self.arrow(expr).to_pylist()
        return rows[0]

    def fresh_name(self, hint: str) -> str:
        """Make a name that no other table of this process has."""
        word = "".join(c if c.isalnum() and c.isascii() else "_" for c in hint)[:40]
        return f"cx_{word}_{next(_NUMBERS)}"

    def drop(self, table: ibis.Table) -> None:
        """Drop a table that `keep` or `register` made, before the session ends."""
        name = name_of(table)
        if ("table", name) in self._made:
            self._made.remove(("table", name))
            self._drop("table", name)

    def close(self) -> None:
        """Drop what was made here; close the connection if it is ours."""
        while self._made:
            self._drop(*self._made.pop())
        if self.owned:
            self.backend.disconnect()

    def _drop(self, kind: str, name: str) -> None:
        # Written out: sqlglot 30.30 leaves the name out of the DROP that ibis 12 has it write.
        self.backend.raw_sql(f"DROP {kind.upper()} IF EXISTS {name}")

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def name_of(table: ibis.Table) -> str:
    """Give the engine's own name of a table; nothing for an expression that has none.

    Ibis's ``get_name`` puts catalog and database before it.
    """
    return str(getattr(table.op(), "name", ""))


def connect(engine: Engine | None = None) -> Session:
    """Open an engine.

    Parameters
    ----------
    engine : Engine, optional
        Default: DuckDB inside the process.

    Returns
    -------
    Session
        To be closed by the caller; a context manager.

    Raises
    ------
    EngineError
        If the engine is unknown, not installed, or cannot be reached.

    Examples
    --------
    >>> with connect(Engine()) as session:
    ...     session.name
    'duckdb'
    """
    import ibis

    engine = engine or Engine()
    try:
        if engine.name == "duckdb":
            database = engine.url.split("://", 1)[1].removeprefix("/") or ":memory:"
            backend = ibis.duckdb.connect(database, **engine.options)
        else:
            backend = ibis.connect(engine.url)
    except Exception as error:
        raise EngineError(_cannot_connect(engine, error)) from error
    return Session(backend)


def _cannot_connect(engine: Engine, error: Exception) -> str:
    if engine.name == "duckdb":
        # No server and no password: DuckDB's own words say which setting it is.
        words = " ".join(str(error).split())
        return (
            f"DuckDB cannot be opened: {words}. Check engine.url and the other settings of "
            "[engine], such as memory_limit."
        )
    # The URL may hold a password, and drivers repeat it: neither is shown.
    reason = type(error).__name__
    return (
        f"The engine {engine.name!r} cannot be opened ({reason}). "
        "Check engine.url, that its extra is installed, and that the server runs."
    )


@cache
def default_session() -> Session:
    """Give the DuckDB that paths and frames share in this process.

    Examples
    --------
    >>> default_session() is default_session()
    True
    """
    return connect(Engine())


@cache
def shared_session(engine: Engine) -> Session:
    """Give the session that readers with this engine share in this process."""
    return connect(engine)


def session_of(table: ibis.Table) -> Session:
    """Give a session on the engine that an Ibis table brings; a memtable brings none of its own."""
    import ibis

    try:
        backend = table._find_backend(use_default=False)
    except ibis.common.exceptions.IbisError:
        return default_session()
    # By identity: ibis holds two databases in memory to be equal.
    return _BROUGHT.setdefault(id(backend), Session(backend, owned=False))
