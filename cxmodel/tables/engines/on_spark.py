"""Spark, inside the process or on a cluster: views stand for temporary tables.

Spark has no temporary tables. What is computed once is persisted, in memory and on disk, under a
view of ours; a worker that is lost is made good by computing again.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from cxmodel.errors import EngineError
from cxmodel.tables.engines.arrow_types import plain_types
from cxmodel.tables.engines.folders import own_folder
from cxmodel.tables.engines.session import PLACE, Session
from cxmodel.tables.engines.settings import Engine
from cxmodel.tables.engines.worker import is_process_ending

if TYPE_CHECKING:
    import ibis
    import pyarrow as pa

_FILE = "cx_file"
_ALWAYS = {
    # A time without a zone is one, whatever the session's zone: never a moment in local time.
    "spark.sql.timestampType": "TIMESTAMP_NTZ",
    "spark.sql.session.timeZone": "UTC",
}
_OURS = {
    "spark.app.name": "cxmodel",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.log.level": "OFF",
    "spark.driver.maxResultSize": "0",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
}


@dataclass(frozen=True, eq=False)
class SparkSession(Session):
    """A session of Spark.

    Parameters
    ----------
    folder : str, optional
        A folder that we made for what Spark puts on disk; it goes with the session.
    """

    shown: ClassVar[str] = "Spark"
    order_of_files: ClassVar[tuple[str, ...]] = (_FILE, PLACE)
    folder: str | None = None
    _persisted: dict[str, Any] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        for key, value in _ALWAYS.items():
            self.spark.conf.set(key, value)

    @property
    def spark(self) -> Any:
        """Spark's own session."""
        return self.backend._session

    def _compute(self, name: str, expr: ibis.Table) -> None:
        from ibis.backends.pyspark.datatypes import PySparkSchema

        # Under the types that Ibis states: Spark numbers rows in 32 bits, for one.
        stated = PySparkSchema.from_ibis(expr.schema())
        frame = self.spark.sql(self.sql_of(expr)).to(stated).persist()
        self._persisted[name] = frame
        frame.count()
        frame.createOrReplaceTempView(name)

    def _bring(self, name: str, rows: pa.Table) -> None:
        self.spark.createDataFrame(plain_types(rows, own=_as_text)).createOrReplaceTempView(name)

    def _take(self, expr: ibis.Table) -> pa.Table:
        frame = self.spark.sql(self.sql_of(expr))
        return frame.toArrow().cast(expr.schema().to_pyarrow())

    def _remove(self, kind: str, name: str) -> None:
        self.spark.catalog.dropTempView(name)
        if name in self._persisted:
            self._persisted.pop(name).unpersist()

    def csv(self, files: list[str], n_columns: int, delimiter: str) -> ibis.Table:
        """Read CSV files with a header as text columns, without a guess."""
        frame = self.spark.read.csv(
            files,
            schema=", ".join(f"c{i} STRING" for i in range(n_columns)),
            sep=delimiter,
            header=True,
            quote='"',
            escape='"',
            multiLine=True,
            mode="FAILFAST",
            maxCharsPerColumn=-1,
        )
        # A file that may break lines inside quotes is read by one task, so numbers rise along it.
        return self._view_of(frame, "monotonically_increasing_id()")

    def parquet(self, files: list[str]) -> ibis.Table:
        """Read Parquet files of the same columns as one table."""
        return self._view_of(self.spark.read.parquet(*files), "_metadata.row_index")

    def _view_of(self, frame: Any, place: str) -> ibis.Table:
        """Name a frame of files, with the file and the place of each row; unused they are free."""
        name = self.fresh_name("files")
        frame = frame.selectExpr("*", f"_metadata.file_path AS {_FILE}", f"{place} AS {PLACE}")
        self._made.append(("view", name))
        self.run(lambda: frame.createOrReplaceTempView(name))
        return self.backend.table(name)

    def _cancel(self) -> None:
        self.spark.sparkContext.cancelAllJobs()

    def _disconnect(self) -> None:
        process = getattr(self.spark.sparkContext._gateway, "proc", None)
        if is_process_ending() and process is not None:
            # To stop in good order takes seconds; all that Java wrote is in our folder. Calls that
            # wait for it would each be told of at length.
            logging.disable(logging.ERROR)
            process.kill()
            process.wait()
        else:
            self.backend.disconnect()
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _trouble(self, error: Exception) -> str | None:
        words = " ".join(str(error).split())
        if type(error).__name__ in ("Py4JNetworkError", "ConnectionRefusedError"):
            return _gone(words)
        if "SparkContext was shut down" in words or "stopped SparkContext" in words:
            return _gone(words)
        if "No space left on device" in words:
            return (
                "Spark cannot write what does not fit into memory: a disk is full. Free space, or "
                "point engine.temp_directory (spark.local.dir) to another disk."
            )
        if "OutOfMemoryError" in words:
            return "Spark ran out of memory. Raise engine.memory_limit (spark.driver.memory)."
        if "Permission denied" in words or "AccessControlException" in words:
            return f"Spark may not read or write there: {_short(words)}."
        if "Job aborted due to stage failure" in words and "ExecutorLostFailure" in words:
            return f"Spark lost its workers in the middle: {_short(words)}. Run the study again."
        return None


def _short(words: str) -> str:
    return words[:300].rstrip(".")


def _gone(words: str) -> str:
    return (
        f"Spark went away in the middle of the study ({_short(words)}). Nothing was written. See "
        "that it runs, then run the study again."
    )


def _as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Write times of a day, which Spark has not, as text."""
    import pyarrow as pa
    import pyarrow.types as kinds

    return column.cast(pa.string()) if kinds.is_time(column.type) else column


def open_spark(engine: Engine) -> SparkSession:
    """Start Spark inside the process, or connect to a cluster.

    ``pyspark://local[2]`` runs inside the process, ``pyspark://host:7077`` on a standalone cluster;
    parameters of the address are settings of Spark, ``spark.master`` among them.

    Raises
    ------
    EngineError
        If Spark or Java is not installed, or the cluster cannot be reached.
    """
    import ibis

    try:
        from pyspark.sql import SparkSession as Builder
    except ImportError as error:
        raise EngineError("Spark needs its library: pip install 'cxmodel[spark]'.") from error
    # It would print what failed, with every table of the query; our own words say it.
    logging.getLogger("SQLQueryContextLogger").disabled = True
    running = Builder.getActiveSession()
    is_new = running is None
    if running is not None:
        _refuse_another_master(engine, running.sparkContext.master)
    folder = own_folder(engine) if is_new else None
    settings: dict[str, Any] = {**_OURS, **_ALWAYS, **_limits(engine, folder), **engine.parameters}
    builder = Builder.builder.config(map=settings)
    try:
        with _own_interrupts():
            session = builder.getOrCreate()
        backend = ibis.pyspark.connect(session)
    except BaseException as error:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
        if not isinstance(error, Exception):
            raise
        raise EngineError(_cannot_start(error)) from error
    return SparkSession(backend, owned=is_new, folder=folder)


@contextmanager
def _own_interrupts() -> Iterator[None]:
    """Keep who hears Ctrl-C: Spark would put a handler of its own there, and leave it behind."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)


def _refuse_another_master(engine: Engine, master: str | None) -> None:
    """Refuse an address that is not where Spark runs in this process: it can run in one place."""
    wanted = engine.parameters.get("spark.master") or _master(engine.address, engine.threads)
    if engine.address and wanted != master:
        raise EngineError(
            f"Spark runs in this process already, on {master}, and not on {wanted}. Stop that "
            "session first, or leave the address out to use it: pyspark://."
        )


def _limits(engine: Engine, folder: str | None) -> dict[str, str]:
    """Say in Spark's words where it runs, and within which limits."""
    address = engine.address
    is_local = not address or address.startswith("local")
    settings = {"spark.master": _master(address, engine.threads)}
    if is_local:
        # Inside the process the default of 200 parts is all overhead.
        settings["spark.sql.shuffle.partitions"] = str(2 * (engine.threads or os.cpu_count() or 1))
        settings["spark.driver.host"] = settings["spark.driver.bindAddress"] = "127.0.0.1"
    if engine.memory_limit is not None:
        settings["spark.driver.memory"] = _spark_size(engine.memory_limit)
    if folder is not None and is_local:
        # Not on a cluster: its workers would make this folder again, each on its own disk.
        settings["spark.local.dir"] = folder
        settings["spark.driver.extraJavaOptions"] = f"-Djava.io.tmpdir={folder}"
    if folder is not None:
        settings["spark.sql.warehouse.dir"] = os.path.join(folder, "warehouse")  # noqa: PTH118
    return settings


def _master(address: str, threads: int | None) -> str:
    if not address or address == "local":
        return f"local[{threads or '*'}]"
    return address if address.startswith(("local", "yarn", "k8s")) else f"spark://{address}"


def _spark_size(limit: str) -> str:
    """Write a size as Spark reads it: ``4GB`` is ``4g``."""
    found = re.fullmatch(r"\s*([0-9]+)\s*([KMGT])i?B?\s*", limit, re.IGNORECASE)
    if found is None:
        raise EngineError(
            f"engine.memory_limit {limit!r} is no size that Spark can read. Write a whole number "
            'with its unit: "4GB".'
        )
    return found[1] + found[2].lower()


def _cannot_start(error: Exception) -> str:
    words = " ".join(str(error).split())
    if "JAVA_GATEWAY_EXITED" in words or shutil.which("java") is None:
        return "Spark cannot be started: it needs Java 17 or 21. Install it, or set JAVA_HOME."
    return (
        f"Spark cannot be started ({type(error).__name__}). Check engine.url "
        '("pyspark://local[2]", "pyspark://host:7077") and that the cluster runs.'
    )
