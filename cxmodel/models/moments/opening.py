"""Where the rows of a regression lie: an engine's table, a frame, Parquet files, observations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cxmodel.errors import SchemaError, SourceError, nearest
from cxmodel.models.moments.lift_rows import lift_rows
from cxmodel.tables.engines.engine import default_session, session_of, shared_session
from cxmodel.tables.engines.session import ReadsFiles
from cxmodel.tables.observation_table import Observations
from cxmodel.tables.opening.frames import is_frame

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from cxmodel.tables.engines.engine import Engine, Session


@dataclass(frozen=True, eq=False)
class Opened:
    """A table where it lies.

    Parameters
    ----------
    session : Session
        The engine.
    table : ibis table
        Its rows.
    left_out : dict of str to int
        Observations that are not among them, under the reasons of ``LiftModel``.
    """

    session: Session
    table: ir.Table
    left_out: dict[str, int] = field(default_factory=dict)


@contextmanager
def opened(data: Any, engine: Engine | None, outcomes: Sequence[str]) -> Iterator[Opened]:
    """Give the engine and the table; a frame is brought there and taken away again.

    Of observations those are taken that a lift of these outcomes uses.

    Raises
    ------
    SourceError
        If a path is no Parquet file, or the engine reads none; or observations are in memory.
    SchemaError
        If observations have no such outcome.
    TypeError
        If the data are of another kind.
    """
    if isinstance(data, Observations):
        yield _of_observations(data, outcomes)
        return
    if hasattr(data, "op") and not is_frame(data) and not isinstance(data, str | Path):
        yield Opened(session_of(data), data)
        return
    session = default_session() if engine is None else shared_session(engine)
    if isinstance(data, str | Path):
        yield Opened(session, _parquet(session, data))
        return
    if not is_frame(data):
        raise TypeError(
            "A frame, an Ibis table, a path of Parquet files or observations are needed, not "
            f"{type(data).__name__}."
        )
    table = session.register(data)
    try:
        yield Opened(session, table)
    finally:
        session.drop(table)


def _of_observations(obs: Observations, outcomes: Sequence[str]) -> Opened:
    session, table = obs.session, obs.table
    if session is None or table is None:
        raise SourceError(
            "These observations are rows in memory, not a table on an engine: fit LiftModel to "
            "them, or give their frame, obs.frame."
        )
    total: dict[str, int] = {}
    for column in outcomes:
        if column not in table.columns:
            raise SchemaError(f"There is no column {column!r}. {nearest(column, table.columns)}")
        table, left_out = lift_rows(obs, session, table, column)
        total = {name: total.get(name, 0) + left_out.get(name, 0) for name in {**total, **left_out}}
    return Opened(session, table, total)


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
