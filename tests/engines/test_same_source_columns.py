"""The same columns of the sources beside the responses, as known by then, on every engine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxmodel.tables.engines.engine import Session
from cxmodel.tables.observation_table import Observations, Windows
from cxmodel.tables.opening.catalog import Catalog
from cxmodel.tables.opening.opening import open_source
from cxmodel.tables.source_columns import KnownByThen, known_by_then
from cxmodel.tables.specs import SourceSpec

START = pd.Timestamp("2026-01-01")


@pytest.fixture(scope="module")
def tables() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Give answers and contacts, some solved after the answer and some never; ids of many kinds."""
    rng = np.random.default_rng(8)
    n = 300
    started = np.sort(rng.integers(0, 90 * 86_400, n))
    solved = pd.Series(START + pd.to_timedelta(started + rng.integers(0, 40 * 86_400, n), unit="s"))
    contacts = pd.DataFrame(
        {
            "customer_id": [f"c{i}" for i in rng.integers(0, 40, n)],
            "started_at": START + pd.to_timedelta(started, unit="s"),
            "resolved_at": solved.where(rng.random(n) < 0.8),
            "issue": rng.choice(["A-1", "a-1", "B 2", "_x", "10", "9"], n),
            "handle_seconds": rng.integers(10, 900, n).astype(float),
        }
    )
    answers = pd.DataFrame(
        {
            "customer_id": [f"c{i % 45}" for i in range(60)],
            "responded_at": START + pd.to_timedelta(rng.integers(0, 120 * 86_400, 60), unit="s"),
        }
    )
    return answers, contacts


def known(session: Session, tables: tuple[pd.DataFrame, pd.DataFrame]) -> KnownByThen:
    answers, contacts = tables
    spec = SourceSpec(kind="interactions", data=contacts)
    source = open_source(spec, Catalog(session, {}, Path()))
    obs = Observations(frame=answers, windows=Windows())
    return known_by_then(obs, source, ["issue", "handle_seconds"], ["resolved_at"])


@pytest.fixture(scope="module")
def expected(duckdb_session: Session, tables: tuple[pd.DataFrame, pd.DataFrame]) -> KnownByThen:
    return known(duckdb_session, tables)


@pytest.mark.parametrize("engine", ["postgres_session", "spark_session"])
def test_every_engine_knows_the_same_by_then(
    request: pytest.FixtureRequest,
    engine: str,
    tables: tuple[pd.DataFrame, pd.DataFrame],
    expected: KnownByThen,
) -> None:
    found = known(request.getfixturevalue(engine), tables)
    pd.testing.assert_frame_equal(found.frame, expected.frame, check_exact=True)
    assert found.n_later == expected.n_later
    assert expected.n_later["interactions.resolved_at"] > 0
