"""At size on a real Spark cluster: see ``test_at_size.py``."""

from __future__ import annotations

import pytest
from boundary_company import LARGE, make_tables, write_tables
from test_at_size import hashed

from cxmodel.tables.engines.engine import Engine, connect

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("plan", ["range", "stack"])
def test_a_cluster(cluster, tmp_path, plan):
    files = write_tables(make_tables(LARGE), tmp_path)
    with connect() as session:
        expected = hashed(session, files, plan)
    with connect(Engine(f"{cluster.url}?spark.driver.host=127.0.0.1")) as session:
        assert hashed(session, files, plan) == expected
