"""A real Spark cluster, a master and two workers: the same rows as DuckDB, and workers that go."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from boundary_company import SMALL, make_tables, write_tables
from test_same_moments import reduced
from test_same_observations import observed, same, same_results

from cxmodel.errors import EngineError
from cxmodel.tables.engines.engine import Engine, Session, connect

SETTINGS = "spark.sql.shuffle.partitions=4&spark.driver.host=127.0.0.1"


@pytest.fixture(scope="module")
def session(cluster) -> Iterator[Session]:
    with connect(Engine(f"{cluster.url}?{SETTINGS}")) as opened:
        yield opened


@pytest.mark.parametrize(("study", "plan"), [("churn dates", "stack"), ("inactivity", "range")])
def test_a_cluster_gives_the_same_rows(session, duckdb_session, tmp_path, study, plan):
    paths = write_tables(make_tables(SMALL), tmp_path)
    assert session.spark.sparkContext.master.startswith("spark://")
    same(observed(session, paths, study, plan), observed(duckdb_session, paths, study, plan))


def test_a_cluster_gives_the_same_moments(session, duckdb_session):
    tables = make_tables(SMALL)
    expected = reduced(duckdb_session, tables)
    for name, found in reduced(session, tables).items():
        np.testing.assert_array_equal(found, expected[name], err_msg=name)


def test_a_whole_study_has_the_same_results_on_a_cluster(session, cluster, tmp_path):
    same_results(tmp_path, "spark", f"{cluster.url}?{SETTINGS}")


def test_another_master_in_the_same_process_is_refused(session):
    with pytest.raises(EngineError, match=r"Spark runs in this process already, on spark://"):
        connect(Engine("pyspark://local[2]"))


def test_views_go_with_the_session(session):
    before = session.backend.list_tables()
    with connect(Engine("pyspark://")) as second:
        second.keep(second.register(pa.table({"a": [1]})))
        assert len(session.backend.list_tables()) == len(before) + 2
    assert session.backend.list_tables() == before


def test_workers_write_nothing_into_the_folder_of_the_session(session):
    session.keep(session.register(pa.table({"a": [1, 2]})))
    assert [path.name for path in Path(session.folder).iterdir()] in ([], ["warehouse"])


# Last in this file: it ends the cluster.
def test_a_cluster_that_goes_away_is_one_clear_error(session, cluster):
    table = session.register(pa.table({"a": list(range(100))}))
    cluster.stop()
    session.spark.sparkContext.stop()
    with pytest.raises(EngineError, match=r"Spark went away.*Nothing was written"):
        session.keep(table.filter(table.a > 3))
