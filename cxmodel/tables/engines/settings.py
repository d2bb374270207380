"""Which engine: its address and its limits."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qsl


@dataclass(frozen=True)
class Engine:
    """Where tables are read and joined.

    Parameters
    ----------
    url : str
        ``"duckdb://"`` (inside the process, the default), ``"duckdb:///warehouse.db"``,
        ``"postgres://user@host/database"``, ``"pyspark://local[4]"``, ``"pyspark://host:7077"``,
        or any other Ibis URL.
    memory_limit : str, optional
        For example ``"4GB"``: of DuckDB, or of a Spark driver.
    threads : int, optional
        How many threads the engine may use (DuckDB, Spark inside the process).
    temp_directory : str, optional
        Where the engine puts what does not fit into memory (DuckDB, Spark).

    Examples
    --------
    >>> Engine(memory_limit="1GB", threads=2).name
    'duckdb'
    >>> Engine("duckdb:///warehouse.db?access_mode=read_only").parameters
    {'access_mode': 'read_only'}
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
    def address(self) -> str:
        """What stands after the name: a file, a host; without parameters."""
        return self._rest.split("?", 1)[0].removeprefix("/")

    @property
    def parameters(self) -> dict[str, str]:
        """What stands after the question mark."""
        return dict(parse_qsl(self._rest.partition("?")[2], keep_blank_values=True))

    @property
    def _rest(self) -> str:
        return self.url.partition("://")[2]

    def given(self) -> dict[str, str | int]:
        """List the limits that are set, by name."""
        limits = {
            "memory_limit": self.memory_limit,
            "threads": self.threads,
            "temp_directory": self.temp_directory,
        }
        return {name: value for name, value in limits.items() if value is not None}
