"""Any other engine that Ibis reaches, by Ibis's own means.

The expressions compile for Snowflake and BigQuery; nobody has run them there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from cxmodel.errors import EngineError
from cxmodel.tables.engines.session import Session
from cxmodel.tables.engines.settings import Engine

if TYPE_CHECKING:
    import ibis
    import pyarrow as pa


@dataclass(frozen=True, eq=False)
class OtherSession(Session):
    """An engine of which only what Ibis knows is known."""

    shown: ClassVar[str] = "The engine"

    def _compute(self, name: str, expr: ibis.Table) -> None:
        self.backend.create_table(name, expr, temp=True)

    def _bring(self, name: str, rows: pa.Table) -> None:
        self.backend.create_table(name, rows, temp=True)

    def _take(self, expr: ibis.Table) -> pa.Table:
        return self.backend.to_pyarrow(expr)

    def _cancel(self) -> None:
        """Do nothing: Ibis has no way to ask; the query ends with the connection."""

    def _trouble(self, error: Exception) -> str | None:
        return None


def open_other(engine: Engine) -> OtherSession:
    """Open an engine by its Ibis URL.

    Raises
    ------
    EngineError
        If the engine is unknown, not installed, or cannot be reached.
    """
    import ibis

    try:
        return OtherSession(ibis.connect(engine.url))
    except Exception as error:
        # The URL may hold a password, and drivers repeat it: neither is shown.
        raise EngineError(
            f"The engine {engine.name!r} cannot be opened ({type(error).__name__}). "
            "Check engine.url, that its driver is installed, and that the server runs."
        ) from error
