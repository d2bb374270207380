"""The same money in later windows on every engine."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxmodel.tables.engines.engine import Session
from cxmodel.tables.later_revenue import Ledger
from cxmodel.tables.opening.catalog import Catalog
from cxmodel.tables.opening.opening import open_source
from cxmodel.tables.sources import Sources
from cxmodel.tables.specs import SourceSpec


def later(session: Session) -> np.ndarray:
    """Bookings and subscriptions of 40 customers over a year, in a zone with summer time."""
    rng = np.random.default_rng(3)
    who = [f"c{i}" for i in rng.integers(0, 40, 300)]
    at = pd.Timestamp("2025-03-01") + pd.to_timedelta(rng.integers(0, 365 * 24, 300), unit="h")
    booked = pd.DataFrame(
        {
            "customer_id": who,
            "booked_at": at.strftime("%Y-%m-%d %H:%M"),
            "amount": np.round(rng.normal(20, 25, 300), 2),
        }
    )
    start = pd.Timestamp("2025-01-10") + pd.to_timedelta(rng.integers(0, 200, 60), unit="D")
    end = (start + pd.to_timedelta(rng.integers(5, 300, 60), unit="D")).strftime("%Y-%m-%d")
    stays = pd.DataFrame(
        {
            "customer_id": [f"c{i}" for i in rng.integers(0, 40, 60)],
            "started_at": start.strftime("%Y-%m-%d"),
            "ended_at": np.where(rng.random(60) < 0.3, None, end),
            "monthly_amount": np.round(rng.uniform(5, 90, 60), 2),
        }
    )
    catalog = Catalog(session, {}, Path())
    sources = {
        kind: open_source(
            SourceSpec(kind=kind, data=data, label=kind, time_zone="Europe/Berlin"), catalog, "EUR"
        )
        for kind, data in (("revenue", booked), ("subscriptions", stays))
    }
    ledger = Ledger(
        sources=Sources(session=session, by_kind=sources, currency="EUR"),
        as_of=dt.date(2026, 1, 31),
        time_zone="Europe/Berlin",
    )
    ids = [f"c{i}" for i in range(45)]
    return ledger.revenue_after(ids, dt.datetime(2025, 6, 1), days=60, n_windows=4)


@pytest.mark.parametrize(
    "engine",
    # Spark is slow to start each step
    ["postgres_session", pytest.param("spark_session", marks=pytest.mark.slow)],
)
def test_same_money(engine: str, duckdb_session: Session, request: pytest.FixtureRequest) -> None:
    here, there = later(duckdb_session), later(request.getfixturevalue(engine))
    np.testing.assert_array_equal(there, here)
    assert (here[:40] != 0).sum() > 80
    assert (here[40:] == 0).all()
