"""DuckDB inside the process: the default engine."""

from __future__ import annotations

import glob
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from cxmodel.errors import EngineError
from cxmodel.tables.engines.folders import own_folder
from cxmodel.tables.engines.session import Session
from cxmodel.tables.engines.settings import Engine

if TYPE_CHECKING:
    import ibis
    import pyarrow as pa


@dataclass(frozen=True, eq=False)
class DuckDBSession(Session):
    """DuckDB inside the process; what does not fit into memory goes to a folder of ours.

    Parameters
    ----------
    spill_folder : str, optional
        A folder that we made for what does not fit into memory; it goes with the session.
    """

    shown: ClassVar[str] = "DuckDB"
    order_of_files: ClassVar[tuple[str, ...]] = ()
    order_of_frames: ClassVar[tuple[str, ...]] = ()
    spill_folder: str | None = None

    def _compute(self, name: str, expr: ibis.Table) -> None:
        self.backend.create_table(name, expr, temp=True)

    def _bring(self, name: str, rows: pa.Table) -> None:
        import ibis

        # As a memtable: ibis 12 drops the view of a bare Arrow table, see `_remove`.
        self.backend.create_table(name, ibis.memtable(rows), temp=True)

    def _take(self, expr: ibis.Table) -> pa.Table:
        return self.backend.to_pyarrow(expr)

    def csv(self, files: list[str], n_columns: int, delimiter: str) -> ibis.Table:
        """Read CSV files with a header as text columns, without a guess."""
        columns = ", ".join(f"'c{i}': 'VARCHAR'" for i in range(n_columns))
        listed = ", ".join(map(_literal, files))
        return self.query(
            f"SELECT * FROM read_csv([{listed}], auto_detect=false, header=true, "
            f"columns={{{columns}}}, delim={_literal(delimiter)}, quote='\"', escape='\"', "
            f"null_padding=false, strict_mode=true)"
        )

    def parquet(self, files: list[str]) -> ibis.Table:
        """Read Parquet files of the same columns as one table."""
        listed = ", ".join(_literal(glob.escape(file)) for file in files)
        return self.query(f"SELECT * FROM read_parquet([{listed}], union_by_name=true)")

    def _cancel(self) -> None:
        self.backend.con.interrupt()

    def _trouble(self, error: Exception) -> str | None:
        import duckdb

        words = " ".join(str(error).split())
        if isinstance(error, duckdb.OutOfMemoryException):
            if "max_temp_directory_size" in words or "disk" in words.lower():
                return _disk_is_full(words)
            return f"The study does not fit into memory: raise engine.memory_limit. {words}"
        if "No space left on device" in words or "Could not write" in words:
            return _disk_is_full(words)
        if isinstance(error, duckdb.FatalException):
            return f"DuckDB went away in the middle: {words}. Run the study again."
        return None

    def _disconnect(self) -> None:
        # An interrupted query that goes on holds the connection: it ends with the process.
        if not self._worker.is_busy:
            self.backend.disconnect()
        if self.spill_folder is not None:
            shutil.rmtree(self.spill_folder, ignore_errors=True)


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _disk_is_full(words: str) -> str:
    return (
        "DuckDB cannot write what does not fit into memory: the disk is full. Free space, point "
        f"engine.temp_directory to another disk, or raise engine.memory_limit. {words}"
    )


def open_duckdb(engine: Engine) -> DuckDBSession:
    """Open DuckDB, in memory or on a file.

    Raises
    ------
    EngineError
        If the file or a setting cannot be used.
    """
    import ibis

    _check_address(engine)
    folder = own_folder(engine)
    settings: dict[str, Any] = {
        "temp_directory": folder,
        "memory_limit": engine.memory_limit,
        "threads": engine.threads,
    }
    given = {key: value for key, value in settings.items() if value is not None}
    try:
        backend = ibis.duckdb.connect(
            engine.address or ":memory:", read_only=_is_read_only(engine), **given
        )
        _draw_no_bar(backend)
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        if not isinstance(error, Exception):
            raise
        raise EngineError(_cannot_open(error)) from error
    return DuckDBSession(backend, spill_folder=folder)


def _draw_no_bar(backend: Any) -> None:
    """Turn off the bar that a query of over two seconds would draw on standard output."""
    import duckdb

    try:
        backend.raw_sql("SET enable_progress_bar = false")
    except duckdb.InvalidInputException as error:
        # In a notebook without widgets DuckDB can draw no bar, and refuses to be asked about it.
        if "ipywidgets" not in str(error):
            raise


def _check_address(engine: Engine) -> None:
    """Refuse a file that is not there, which DuckDB would make, and words that say nothing."""
    if "://" not in engine.url:
        raise EngineError(
            f'engine.url {engine.url!r} is no address. Write "duckdb://" for DuckDB inside the '
            'process, or "duckdb:///file.db".'
        )
    for name, value in engine.parameters.items():
        if name != "access_mode" or value.lower() not in ("read_only", "read_write"):
            raise EngineError(
                f"engine.url has the parameter {name}={value}, which is not known for DuckDB. "
                "Known: access_mode=read_only, access_mode=read_write."
            )
    file = engine.address
    if file not in ("", ":memory:") and not Path(file).is_file():
        raise EngineError(
            f"There is no database {Path(file).name} at the address in engine.url. A path is "
            "relative to the .toml file (in Python: to the working folder)."
        )


def _is_read_only(engine: Engine) -> bool:
    return engine.parameters.get("access_mode", "").lower() == "read_only"


def _cannot_open(error: Exception) -> str:
    # No server and no password: DuckDB's own words say which setting it is.
    words = " ".join(str(error).split())
    hint = "Check engine.url and the other settings of [engine], such as memory_limit."
    if "lock" in words.lower():
        hint = (
            "Another program has the file open. Close it, or open it for reading alone: "
            'url = "duckdb:///file.db?access_mode=read_only".'
        )
    return f"DuckDB cannot be opened: {words}. {hint}"
