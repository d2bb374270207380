"""Real servers for the tests, on loopback: PostgreSQL, and a Spark cluster of a master and workers.

Each is a context manager that gives the address for ``engine.url`` and stops what it started. Where
the programs are missing a test skips with the reason, but on CI it fails: there they must be there.
"""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest


def skip_or_fail(reason: str) -> None:
    """Skip a test on a user's machine, fail it where everything has to be there."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason} (CI=true: it has to be there)")
    pytest.skip(reason)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# -- PostgreSQL ------------------------------------------------------------------------------------


def postgres_program(name: str) -> str:
    """Find a program of PostgreSQL; Debian keeps them off the PATH."""
    found = sorted(map(str, Path("/usr/lib/postgresql").glob(f"*/bin/{name}")))
    if found:
        return found[-1]
    on_path = shutil.which(name)
    if on_path is None:
        skip_or_fail("PostgreSQL is not installed: no initdb")
    return str(on_path)


class PostgresServer:
    """A running server, its address, and the means to end it."""

    def __init__(self, folder: Path, port: int, user: str | None) -> None:
        self.folder, self.port, self._user = folder, port, user
        self.url = self.url_of("cx")

    def url_of(self, user: str, database: str = "postgres") -> str:
        return f"postgres://{user}@127.0.0.1:{self.port}/{database}"

    def run(self, name: str, *arguments: str) -> None:
        subprocess.run(
            [postgres_program(name), *arguments],
            user=self._user,
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self.folder,
        )

    def start(self) -> None:
        options = (
            f"-p {self.port} -c listen_addresses=127.0.0.1 -c fsync=off "
            f"-c unix_socket_directories={self.folder}"
        )
        data = str(self.folder / "data")
        self.run("pg_ctl", "-D", data, "-o", options, "-l", str(self.folder / "log"), "-w", "start")

    def stop(self) -> None:
        self.run("pg_ctl", "-D", str(self.folder / "data"), "-m", "immediate", "-w", "stop")


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    postgres_program("initdb")
    # PostgreSQL does not run as root, and its user cannot look into pytest's own folders.
    is_root = os.geteuid() == 0
    user = "postgres" if is_root else None
    folder = Path(tempfile.mkdtemp(prefix="cx-postgres-"))
    if is_root:
        try:
            os.chown(folder, pwd.getpwnam("postgres").pw_uid, -1)
        except KeyError:
            skip_or_fail("PostgreSQL cannot be started as root, and there is no user postgres")
    server = PostgresServer(folder, free_port(), user)
    # A collation in which "a" comes before "B": ours must not depend on it.
    server.run("initdb", "-D", str(folder / "data"), "-A", "trust", "-U", "cx", "-E", "UTF8",
               "--locale-provider=icu", "--icu-locale=en", "--locale=C.UTF-8")  # fmt: skip
    server.start()
    try:
        yield server
    finally:
        with suppress(subprocess.CalledProcessError):  # a test may have stopped it already
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)


# -- Spark -----------------------------------------------------------------------------------------


def need_java() -> None:
    pytest.importorskip("pyspark")
    if shutil.which("java") is None and not os.environ.get("JAVA_HOME"):
        skip_or_fail("Java is not installed: Spark needs it")


def spark_environment() -> dict[str, str]:
    return os.environ | {"SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": sys.executable}


def _wait_for(log: Path, words: str, process: subprocess.Popen[bytes], seconds: float = 90) -> None:
    end = time.monotonic() + seconds
    while words not in log.read_text(errors="replace"):
        if process.poll() is not None or time.monotonic() > end:
            pytest.fail(f"Spark did not say {words!r}:\n{log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.2)


class SparkCluster:
    """A master and its workers, each a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.url = f"pyspark://127.0.0.1:{self.port}"
        self.processes: list[subprocess.Popen[bytes]] = []

    def launch(self, name: str, words: str, *arguments: str) -> None:
        import pyspark

        program = Path(pyspark.__file__).parent / "bin" / "spark-class"
        log = self.folder / f"{name}-{len(self.processes)}.log"
        with log.open("wb") as stream:
            process = subprocess.Popen(
                [str(program), f"org.apache.spark.deploy.{name}", "--webui-port", "0",
                 "--host", "127.0.0.1", *arguments],
                stdout=stream, stderr=stream, cwd=self.folder,
                # Workers that are killed leave their folders behind: here they go with the test.
                env=spark_environment() | {"SPARK_LOCAL_DIRS": str(self.folder)},
            )  # fmt: skip
        self.processes.append(process)
        _wait_for(log, words, process)

    def kill_workers(self) -> None:
        for process in self.processes[1:]:
            process.kill()

    def stop(self) -> None:
        for process in reversed(self.processes):
            process.kill()
            process.wait()


@contextmanager
def spark_cluster(n_workers: int = 2) -> Iterator[SparkCluster]:
    need_java()
    folder = Path(tempfile.mkdtemp(prefix="cx-spark-"))
    cluster = SparkCluster(folder)
    try:
        cluster.launch("master.Master", "elected leader", "--port", str(cluster.port))
        for _ in range(n_workers):
            cluster.launch(
                "worker.Worker", "Successfully registered",
                "--cores", "1", "--memory", "1g", "--work-dir", str(folder / "work"),
                f"spark://127.0.0.1:{cluster.port}",
            )  # fmt: skip
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)
