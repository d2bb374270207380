"""Temporary tables of one piece of work, gone when it is done or when it breaks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cxmodel.tables.engines.engine import Session

if TYPE_CHECKING:
    import ibis.expr.types as ir


@dataclass(frozen=True, eq=False)
class Scratch:
    """The temporary tables of one piece of work."""

    session: Session
    _made: list[ir.Table] = field(default_factory=list)

    def keep(self, expr: ir.Table, hint: str) -> ir.Table:
        """Compute a table once, and keep it until the work is done."""
        table = self.session.keep(expr, hint)
        self._made.append(table)
        return table

    def release(self, table: ir.Table) -> None:
        """Let a table outlast the work: somebody else drops it."""
        self._made[:] = [one for one in self._made if one is not table]

    def clear(self) -> None:
        """Drop all that were not released."""
        while self._made:
            self.session.drop(self._made.pop())


@contextmanager
def scratch_tables(session: Session) -> Iterator[Scratch]:
    """Keep tables while the block runs; drop them at its end, also where it raises.

    Examples
    --------
    >>> import ibis, pyarrow as pa
    >>> from cxmodel.tables.engines.engine import connect, name_of
    >>> with connect() as session:
    ...     with scratch_tables(session) as scratch:
    ...         table = scratch.keep(ibis.memtable(pa.table({"x": [1]})), "step")
    ...     name_of(table) in session.backend.list_tables()
    False
    """
    scratch = Scratch(session)
    try:
        yield scratch
    finally:
        scratch.clear()
