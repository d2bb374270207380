"""The same occasions to answer, and the same weights, on every engine."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import cxmodel as cx
from cxmodel.models.response.model import ResponseModel
from cxmodel.tables.engines.engine import Session
from cxmodel.tables.join_settings import JoinSettings
from cxmodel.tables.observations import observe
from cxmodel.tables.occasions import OccasionSettings
from cxmodel.tables.opening.catalog import Catalog
from cxmodel.tables.opening.opening import open_source
from cxmodel.tables.sources import Sources
from cxmodel.tables.specs import RatingSpec, SourceSpec

# Spark is slow to start each step: it takes the sample, which has all that landmarks have.
CASES = [
    *(("postgres_session", asked) for asked in ("landmarks", "sample", "invited")),
    ("spark_session", "sample"),
    pytest.param("spark_session", "invited", marks=pytest.mark.slow),
]
# All customers, a sample of them, and invitations.
ASKED = {
    "landmarks": OccasionSettings(population="at_risk"),
    "sample": OccasionSettings(population="at_risk", most_occasions=1_500),
    "invited": OccasionSettings(population="invited"),
}


@pytest.fixture(scope="module")
def company():
    return cx.datasets.simulate(n_customers=150, seed=5)


def weighed(session: Session, company, asked: str):
    about = {
        "surveys": {"ratings": {"nps": RatingSpec("nps", cx.NPS)}},
        "customers": {"attributes": ("segment", "plan")},
    }
    catalog = Catalog(session, {}, Path())
    sources = {
        kind: open_source(
            SourceSpec(kind=kind, data=getattr(company, kind), **about.get(kind, {})),
            catalog,
            "USD",
        )
        for kind in ("surveys", "customers", "revenue", "interactions", "invitations")
    }
    settings = JoinSettings(response=ASKED[asked], as_of=dt.date(2026, 6, 30))
    obs = observe(Sources(session=session, by_kind=sources, currency="USD"), settings)
    weights = ResponseModel().fit(obs).weigh(obs)
    there = session.arrow(weights.table).to_pandas().set_index("row_number")["response_weight"]
    np.testing.assert_array_equal(there.loc[weights.row_numbers], weights.frame["response_weight"])
    return obs.occasions, weights.frame["response_weight"]


@pytest.fixture(scope="module")
def expected(duckdb_session, company):
    return {asked: weighed(duckdb_session, company, asked) for asked in ASKED}


@pytest.mark.parametrize(("engine", "asked"), CASES)
def test_every_engine_gives_the_same_occasions_and_weights(
    request, engine, asked, company, expected
):
    occasions, weights = weighed(request.getfixturevalue(engine), company, asked)
    wanted, wanted_weights = expected[asked]
    pd.testing.assert_frame_equal(occasions.obs.frame, wanted.obs.frame, check_exact=True)
    np.testing.assert_array_equal(occasions.of_response, wanted.of_response)
    assert occasions.sample_rate == wanted.sample_rate
    assert occasions.share_near_events == wanted.share_near_events
    np.testing.assert_array_equal(weights, wanted_weights)
