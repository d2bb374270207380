"""The engines that a test may ask for; each server is started once for a file of tests."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from servers import PostgresServer, SparkCluster, need_java, postgres_server, spark_cluster

from cxmodel.tables.engines.engine import Engine, Session, connect

LOCAL_SPARK = "pyspark://local[2]?spark.sql.shuffle.partitions=2&spark.driver.memory=2g"


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with postgres_server() as server:
        yield server


@pytest.fixture(scope="module")
def cluster() -> Iterator[SparkCluster]:
    with spark_cluster() as running:
        yield running


@pytest.fixture(scope="module")
def duckdb_session() -> Iterator[Session]:
    with connect() as session:
        yield session


@pytest.fixture(scope="module")
def postgres_session(postgres: PostgresServer) -> Iterator[Session]:
    with connect(Engine(postgres.url)) as session:
        yield session


@pytest.fixture(scope="module")
def spark_session() -> Iterator[Session]:
    need_java()
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    with connect(Engine(LOCAL_SPARK)) as session:
        yield session


@pytest.fixture(scope="module")
def workers_find_cxmodel() -> Iterator[None]:
    """Let Spark's workers import what this process imports."""
    before = {name: os.environ.get(name) for name in ("PYTHONPATH", "PYSPARK_PYTHON")}
    root = str(Path(__file__).parents[2])
    os.environ["PYTHONPATH"] = os.pathsep.join([root, before["PYTHONPATH"] or ""]).strip(os.pathsep)
    os.environ["PYSPARK_PYTHON"] = sys.executable
    yield
    for name, value in before.items():
        if value is None:
            os.environ.pop(name)
        else:
            os.environ[name] = value
