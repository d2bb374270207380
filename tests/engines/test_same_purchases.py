"""The same purchase histories on every engine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import cxmodel as cx
from cxmodel.tables.engines.engine import Session
from cxmodel.tables.opening.catalog import Catalog
from cxmodel.tables.opening.opening import open_source
from cxmodel.tables.purchase_summary import PurchaseSummary
from cxmodel.tables.specs import SourceSpec


@pytest.fixture(scope="module")
def ledger() -> pd.DataFrame:
    """Bookings of 60 customers over a year: several a day, refunds, free ones, gaps in the data."""
    rng = np.random.default_rng(8)
    n = 500
    at = pd.Timestamp("2025-03-01") + pd.to_timedelta(rng.integers(0, 365 * 24, n), unit="h")
    frame = pd.DataFrame(
        {
            "customer_id": [f"c{i}" for i in rng.integers(0, 60, n)],
            "booked_at": at.strftime("%Y-%m-%d %H:%M"),
            "amount": np.round(rng.normal(20, 25, n), 2),
        }
    )
    frame.loc[::50, "amount"] = 0.0
    frame.loc[::90, "customer_id"] = None
    frame.loc[7::90, "booked_at"] = None
    return frame


def summarize(session: Session, ledger: pd.DataFrame) -> PurchaseSummary:
    catalog = Catalog(session, {}, Path())
    sizes = pd.DataFrame({"customer_id": [f"c{i}" for i in range(50)], "size": np.arange(50) % 3})
    about = {"time_zone": "Europe/Berlin", "label": "revenue"}
    revenue = open_source(SourceSpec(kind="revenue", data=ledger, **about), catalog, "EUR")
    customers = open_source(
        SourceSpec(kind="customers", label="customers", data=sizes, attributes=("size",)), catalog
    )
    return cx.summarize_purchases(
        revenue,
        as_of="2026-01-31",
        holdout_from="2025-11-01",
        unit_days=7,
        covariates="size",
        customers=customers,
    )


@pytest.mark.parametrize(
    "engine",
    # Spark is slow to start each step
    ["postgres_session", pytest.param("spark_session", marks=pytest.mark.slow)],
)
def test_same_histories(
    engine: str, ledger: pd.DataFrame, duckdb_session: Session, request: pytest.FixtureRequest
) -> None:
    here = summarize(duckdb_session, ledger)
    there = summarize(request.getfixturevalue(engine), ledger)
    pd.testing.assert_frame_equal(there.to_frame(), here.to_frame(), check_exact=True)
    assert there.audit == here.audit
    assert here.audit.n_returned > 0
    assert here.repeats_by_day is not None
    assert there.repeats_by_day is not None
    for one, other in zip(there.repeats_by_day, here.repeats_by_day, strict=True):
        np.testing.assert_array_equal(one, other)
