"""Where the rows of a regression lie: an engine's table, a frame, Parquet files, observations."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cxmodel.errors import SourceError
from cxmodel.tables.engines.engine import default_session, session_of, shared_session
from cxmodel.tables.engines.session import ReadsFiles
from cxmodel.tables.observation_table import Observations
from cxmodel.tables.opening.frames import is_frame

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from cxmodel.tables.engines.engine import Engine, Session


@contextmanager
def opened(data: Any, engine: Engine | None) -> Iterator[tuple[Session, ir.Table]]:
    """Give the engine and the table; a frame is brought there and taken away again.

    Raises
    ------
    SourceError
        If a path is no Parquet file, or the engine reads none.
    TypeError
        If the data are of another kind.
    """
    if isinstance(data, Observations):
        yield _of_observations(data)
        return
    if hasattr(data, "op") and not is_frame(data) and not isinstance(data, str | Path):
        yield session_of(data), data
        return
    session = default_session() if engine is None else shared_session(engine)
    if isinstance(data, str | Path):
        yield session, _parquet(session, data)
        return
    if not is_frame(data):
        raise TypeError(
            "A frame, an Ibis table, a path of Parquet files or observations are needed, not "
            f"{type(data).__name__}."
        )
    table = session.register(data)
    try:
        yield session, table
    finally:
        session.drop(table)


def _of_observations(obs: Observations) -> tuple[Session, ir.Table]:
    """Take the observations whose outcome is known, of customers who had not left."""
    session, table = obs.session, obs.table
    if session is None or table is None:
        raise SourceError(
            "These observations are rows in memory, not a table on an engine: fit LiftModel to "
            "them, or give their frame, obs.frame."
        )
    kept = [table[name] == "ok" for name in ("_status",) if name in table.columns]
    kept += [table[name] for name in ("outcome_complete",) if name in table.columns]
    kept += [~table[name] for name in ("_left_in_gap",) if name in table.columns]
    return session, table.filter(kept) if kept else table


def _parquet(session: Session, path: str | Path) -> ir.Table:
    files = _files(Path(path))
    if not isinstance(session, ReadsFiles):
        raise SourceError(
            f"{session.name} reads no local files. Give one of its tables, or leave engine out."
        )
    return session.parquet([str(file) for file in files])


def _files(path: Path) -> list[Path]:
    if path.suffix != ".parquet":
        raise SourceError(
            f"{path.name} is no Parquet file. Read other files with a reader of cxmodel or as a "
            "frame, and give the table."
        )
    if path.exists():
        return [path]
    found = sorted(path.parent.glob(path.name))
    if not found:
        raise SourceError(f"There is no file {path.name} where it was looked for. Check the path.")
    return found
