"""Moments of the observation table where it lies: the same bits on every engine."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
from boundary_company import SMALL, make_tables
from test_same_observations import STUDIES, opened

from cxmodel.tables import moments as cxm
from cxmodel.tables.join_settings import JoinSettings
from cxmodel.tables.observations import observe

CONTROLS = ("tenure_days", "revenue_before_units")


def reduced(session, tables) -> dict[str, np.ndarray]:
    """Reduce the observations of a study in every way."""
    kinds, windows = STUDIES["churn dates"]
    obs = observe(
        opened(session, tables, kinds), JoinSettings(windows=windows, as_of=dt.date(2025, 12, 20))
    )
    table = obs.table.filter(obs.table["_status"] == "ok", obs.table.outcome_complete)
    table = table.mutate(weight=1.0 / table["_n_of_customer"].cast("float64"))
    outcomes = ["revenue_after_units", "churned"]
    rows = cxm.complete_rows(
        session,
        table,
        ["rating", "segment", "touchpoint", *CONTROLS, *outcomes],
        weight="weight",
        customer="customer_id",
    )
    cells = cxm.count_cells(rows, ["rating", "segment", "touchpoint"], outcomes)
    controls = [*(cxm.Numeric(name) for name in CONTROLS), *cxm.dummies(rows, "segment")]
    found = cxm.cross_products(rows, cxm.interacted_design("rating", controls), outcomes[:1])
    solution = cxm.solve(found.design, found.zwz, found.zwy, found.ywy)
    within = cxm.within_customers(rows, [cxm.Numeric("rating")], outcomes[:1])
    sums = cells.outcomes["revenue_after_units"]
    return {
        "n": cells.n,
        "ratings": cells.keys["rating"],
        "sums": np.stack([sums.d, sums.d2, sums.wd, sums.wd2, sums.w2d, sums.w2d2]),
        "pairs": cells.pairs["revenue_after_units", "churned"].w2dd,
        "cross-products": found.zwz,
        "coefficients": solution.coefficients,
        "HC3": cxm.robust_meat(rows, found, solution.standard, kind="HC3").matrix,
        "clustered": cxm.clustered_meat(rows, found, solution.standard).matrix,
        "within": within.zmz,
    }


@pytest.fixture(scope="module")
def tables():
    return make_tables(SMALL)


@pytest.fixture(scope="module")
def expected(duckdb_session, tables):
    """What DuckDB says: tests/tables/test_moments.py holds it against statsmodels on the rows."""
    return reduced(duckdb_session, tables)


@pytest.mark.parametrize("engine", ["postgres_session", "spark_session"])
def test_every_engine_gives_the_same_moments(request, engine, tables, expected):
    found = reduced(request.getfixturevalue(engine), tables)
    assert expected["n"].sum() > 200
    for name, wanted in expected.items():
        np.testing.assert_array_equal(found[name], wanted, err_msg=name)
