"""The customers of a study on a day: the same rows on every engine, for every kind of model."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from boundary_company import SMALL, make_tables
from stored_rows import HAZARD, file_by_hand, fitted_value, histories

import cxmodel as cx
from cxmodel.models.retention.features import Feature
from cxmodel.models.retention.hazard_result import HazardTerm
from cxmodel.models.retention.stored_hazard import read_hazard
from cxmodel.models.study_facts import StudyFacts
from cxmodel.scoring.asked_day import AskedDay
from cxmodel.scoring.row_models import row_scorer
from cxmodel.scoring.study_rows import rows_on
from cxmodel.tables.engines.engine import Session
from cxmodel.tables.opening.catalog import Catalog
from cxmodel.tables.opening.opening import open_source
from cxmodel.tables.sources import Sources
from cxmodel.tables.specs import RatingSpec, SourceSpec
from cxmodel.value.cltv.stored import read_cltv, store_cltv
from cxmodel.value.purchases.stored import read_purchases, store_purchases

DAY = dt.date(2024, 6, 30)
WINDOWS = cx.Windows(lookback_days=90)
ENGINES = [
    "postgres_session",
    # Spark is slow to start each step
    pytest.param("spark_session", marks=pytest.mark.slow),
]


def hazard(clock: str) -> Any:
    """A hazard of many periods, by rating, past revenue and segment."""
    n = 90
    baseline = {name: [0.01] * n for name in ("hazard", "conf_low", "conf_high")}
    survival = 0.99 ** np.arange(1, n + 1)
    features = (Feature("rating"), Feature("revenue_before"), Feature("segment", "small"))
    return replace(
        read_hazard(file_by_hand("hazard"), "the file"),
        features=features,
        terms=tuple(HazardTerm(term=f.name, log_ratio=0.1, std_error=0.1) for f in features),
        means=(5.0, 9.0, 0.0),
        levels={"segment": ("Large", "small", "öffentlich")},
        baseline=pd.DataFrame({"period": range(n), **baseline, "survival": survival}),
        clock=clock,
        study=StudyFacts(
            rating={"name": "nps", "scale": "nps", "low": 0, "high": 10},
            windows=WINDOWS,
            currency="USD",
        ),
    )


def purchases() -> Any:
    """A purchase model that looks at an attribute and at answers."""
    known = histories().rename(columns={"heavy": "seats", "rating": "nps"})
    buys = cx.PurchaseModel(covariates=("seats", "nps")).fit(known)
    return read_purchases(store_purchases(buys), "the file")


MODELS = {
    "hazard by tenure": lambda: hazard(HAZARD["clock"]),
    "hazard from answers": lambda: hazard("the first answer"),
    "value by tenure": lambda: read_cltv(store_cltv(fitted_value("tenure")[1]), "the file"),
    "purchases": purchases,
}


@pytest.fixture(scope="module")
def tables() -> dict[str, pa.Table]:
    """A company whose customers change their segment, some of them with the day."""
    found = make_tables(SMALL)
    people = found["customers"].to_pandas()
    n = len(people)
    found["churn"] = pa.Table.from_pandas(people[["customer_id", "churned_at"]].dropna())
    people["seats"] = np.where(np.arange(n) % 11 == 0, np.nan, np.arange(n) % 7)
    people = people.drop(columns="churned_at").assign(valid_from=pd.NaT)
    moves = pd.Timestamp("2024-06-29") + pd.to_timedelta(np.arange(n) % 4 * 12, "h")
    later = people.assign(valid_from=moves, segment="moved", seats=people["seats"] + 1)
    both = pd.concat([people, later[::2]], ignore_index=True)
    found["customers"] = pa.Table.from_pandas(both, preserve_index=False)
    return found


def sources(session: Session, tables: dict[str, pa.Table]) -> Sources:
    about: dict[str, dict[str, Any]] = {
        "surveys": {"ratings": {"nps": RatingSpec("score", cx.NPS)}},
        "customers": {"attributes": ("segment", "seats"), "columns": {"valid_from": "valid_from"}},
    }
    catalog, kinds = Catalog(session, {}, Path()), ("churn", "revenue", "subscriptions")
    found = {
        kind: open_source(
            SourceSpec(kind=kind, data=tables[kind], label=kind, **about.get(kind, {})),
            catalog,
            "USD",
        )
        for kind in ("surveys", "customers", *kinds)
    }
    return Sources(session=session, by_kind=found, currency="USD")


def rows(session: Session, tables: dict[str, pa.Table], name: str) -> tuple[Any, list[str]]:
    scorer = row_scorer(MODELS[name]())
    assert scorer is not None
    asked = AskedDay(at=DAY, as_of=None, time_zone="Europe/Berlin", windows=WINDOWS)
    return rows_on(scorer, sources(session, tables), asked)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", MODELS)
def test_same_customers_with_the_same_columns(
    engine: str,
    name: str,
    tables: dict[str, pa.Table],
    duckdb_session: Session,
    request: pytest.FixtureRequest,
) -> None:
    here, said = rows(duckdb_session, tables, name)
    there, said_there = rows(request.getfixturevalue(engine), tables, name)
    pd.testing.assert_frame_equal(there, here, check_exact=True)
    assert said_there == said
    assert len(here) > 50
    assert here.iloc[:, 1:].notna().any().all()
