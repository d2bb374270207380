"""Open an engine, and share it: DuckDB inside the process, or any that Ibis can reach."""

from __future__ import annotations

import atexit
from functools import cache
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from cxmodel.tables.engines.session import Session, name_of
from cxmodel.tables.engines.settings import Engine

if TYPE_CHECKING:
    import ibis

__all__ = [
    "Engine",
    "Session",
    "connect",
    "default_session",
    "name_of",
    "rows_of",
    "session_of",
    "shared_session",
]
# By identity: ibis holds two databases in memory to be equal.
_OPENED: WeakValueDictionary[int, Session] = WeakValueDictionary()
_SHARED: list[Session] = []
_BROUGHT: dict[int, Session] = {}


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
    session = _open(engine or Engine())
    _OPENED[id(session.backend)] = session
    return session


def _open(engine: Engine) -> Session:
    if engine.name == "duckdb":
        from cxmodel.tables.engines.on_duckdb import open_duckdb

        return open_duckdb(engine)
    if engine.name in ("postgres", "postgresql"):
        from cxmodel.tables.engines.on_postgres import open_postgres

        return open_postgres(engine)
    if engine.name == "pyspark":
        from cxmodel.tables.engines.on_spark import open_spark

        return open_spark(engine)
    from cxmodel.tables.engines.on_others import open_other

    return open_other(engine)


@cache
def default_session() -> Session:
    """Give the DuckDB that paths and frames share in this process.

    Examples
    --------
    >>> default_session() is default_session()
    True
    """
    return shared_session(Engine())


@cache
def shared_session(engine: Engine) -> Session:
    """Give the session that readers with this engine share in this process; it ends with it."""
    session = connect(engine)
    _SHARED.append(session)
    return session


@atexit.register
def close_shared() -> None:
    """Close the sessions that this process shares, at its end; their folders go with them."""
    while _SHARED:
        _SHARED.pop().close()


def session_of(table: ibis.Table) -> Session:
    """Give the session on the engine that a table is on; a memtable is on the shared DuckDB.

    A table of a connection that somebody else has opened gets a session that leaves it open.
    """
    backend = backend_of(table)
    if backend is None:
        return default_session()
    opened = _OPENED.get(id(backend))
    if opened is not None and opened.backend is backend and not opened.is_closed:
        return opened
    brought = _BROUGHT.get(id(backend))
    if brought is None or brought.is_closed:
        _BROUGHT[id(backend)] = _session_on(backend)
    return _BROUGHT[id(backend)]


def rows_of(expr: ibis.Table) -> list[dict[str, Any]]:
    """Take the rows of an expression out of the engine that its tables are on."""
    return session_of(expr).rows(expr)


def backend_of(expr: ibis.Expr) -> Any:
    """Give the backend of an expression; None where it has none of its own."""
    import ibis

    try:
        return expr._find_backend(use_default=False)
    except ibis.common.exceptions.IbisError:
        return None


def _session_on(backend: Any) -> Session:
    """Make the session of its kind on a connection that somebody else has opened."""
    if backend.name == "duckdb":
        from cxmodel.tables.engines.on_duckdb import DuckDBSession

        return DuckDBSession(backend, owned=False)
    if backend.name == "postgres":
        from cxmodel.tables.engines.on_postgres import PostgresSession

        return PostgresSession(backend, owned=False)
    if backend.name == "pyspark":
        from cxmodel.tables.engines.on_spark import SparkSession

        return SparkSession(backend, owned=False)
    from cxmodel.tables.engines.on_others import OtherSession

    return OtherSession(backend, owned=False)
