"""At size: 200,000 customers, 300,000 responses, 20 million bookings, 30,000 on boundaries.

Equal observation tables, hashed row by row where they lie, and equal moments, on every engine and
by both plans. Takes about half an hour on two cores.
"""

from __future__ import annotations

import pytest
from boundary_company import LARGE, make_tables, write_tables
from test_same_observations import AS_OF, STUDIES, opened

from cxmodel.tables import moments as cxm
from cxmodel.tables.engines.engine import Engine, Session, connect
from cxmodel.tables.join_settings import JoinSettings
from cxmodel.tables.observations import observe
from cxmodel.tables.opening.fingerprints import fingerprint

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, str]:
    return write_tables(make_tables(LARGE), tmp_path_factory.mktemp("large"))


def hashed(session: Session, tables: dict, plan: str) -> tuple[str, bytes, int]:
    """Join on an engine, and hash the rows and the moments there."""
    kinds, windows = STUDIES["churn dates"]
    sources = opened(session, tables, kinds)
    obs = observe(sources, JoinSettings(windows=windows, plan=plan, as_of=AS_OF))
    rows = obs.table.filter(obs.table.outcome_complete)
    looked = cxm.complete_rows(
        session, rows, ["rating", "revenue_before_units", "revenue_after_units"]
    )
    terms = [cxm.Intercept(), cxm.Numeric("rating"), cxm.Numeric("revenue_before_units")]
    found = cxm.cross_products(looked, terms, ["revenue_after_units"])
    answer = fingerprint(session, obs.table), found.zwz.tobytes() + found.zwy.tobytes(), obs.n_obs
    obs.close()
    for source in sources.by_kind.values():
        session.drop(source.table)
    return answer


@pytest.fixture(scope="module")
def expected(files) -> tuple[str, bytes, int]:
    with connect() as session:
        return hashed(session, files, "range")


def on_server(session: Session, files: dict[str, str]) -> dict:
    """Load the files as tables of the server: they are too large to be copied by a study."""
    import pyarrow.parquet as pq

    return {name: session.register(pq.read_table(path), name) for name, path in files.items()}


def test_the_other_plan_on_duckdb(files, expected):
    with connect() as session:
        assert hashed(session, files, "stack") == expected
    assert expected[2] > 290_000


@pytest.mark.parametrize("plan", ["range", "stack"])
def test_postgres(files, expected, postgres, plan):
    with connect(Engine(postgres.url)) as session:
        assert hashed(session, on_server(session, files), plan) == expected


@pytest.mark.parametrize("plan", ["range", "stack"])
def test_spark_inside_the_process(files, expected, spark_session, plan):
    assert hashed(spark_session, files, plan) == expected
