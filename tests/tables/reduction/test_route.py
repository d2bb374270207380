"""The route: which reduction each need gets, and the sentence that says why."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cxmodel.tables.reduction.route import Need, choose_route
from cxmodel.tables.reduction.rows import CompleteRows, complete_rows


@pytest.fixture
def rows(session, observations) -> CompleteRows:
    columns = ["rating", "segment", "tenure_days", "spent_units"]
    return complete_rows(session, session.register(observations), columns, customer="customer_id")


def need(**changes) -> Need:
    return Need(**{"outcomes": ("spent_units",), "keys": ("rating", "segment"), **changes})


def test_categorical_controls_go_to_cells(rows):
    route = choose_route(rows, need())
    assert (route.name, route.n_rows, route.n_cells) == ("cells", 900, 33)
    assert route.reason == "The 900 rows fall into 33 cells of rating, segment."


def test_too_many_cells_go_to_cross_products(rows):
    route = choose_route(rows, need(), max_cells=20)
    assert (route.name, route.n_cells) == ("cross_products", None)
    assert "rating, segment make more than 20 cells of 900 rows" in route.reason


def test_continuous_controls_go_to_cross_products(rows):
    route = choose_route(rows, need(continuous=("tenure_days",)))
    assert route.name == "cross_products"
    assert route.reason == (
        "Cross-products are added up on the engine: tenure_days takes many values in 900 rows."
    )


@pytest.mark.parametrize("what", ["clustered", "customer_effects"])
def test_clusters_and_effects_go_by_customer(rows, what):
    route = choose_route(rows, need(**{what: True}))
    assert route.name == "by_customer"
    assert route.reason.startswith("The 900 rows are added up by customer for ")


@pytest.mark.parametrize(
    ("method", "why"),
    [("quantile", "order of single values"), ("trees", "split"), ("row_bootstrap", "draws")],
)
def test_what_moments_cannot_give_needs_the_rows(rows, method, why):
    route = choose_route(rows, need(method=method))
    assert route.name == "rows"
    assert why in route.reason
    assert "900 rows" in route.reason


def test_effects_in_a_logit_need_the_rows(rows):
    route = choose_route(rows, need(method="logit", customer_effects=True))
    assert route.name == "rows"
    assert "not in logit" in route.reason


def test_wide_designs_need_the_rows(rows):
    route = choose_route(rows, need(continuous=("tenure_days",), n_columns=80))
    assert route.name == "rows"
    assert "81 columns are more than the 60" in route.reason


def test_more_keys_than_rows_can_fill(session):
    frame = pd.DataFrame({"a": np.arange(3_000), "y": 1.0})
    rows = complete_rows(session, session.register(frame), ["a", "y"])
    route = choose_route(rows, Need(outcomes=("y",), keys=("a",)))
    assert route.name == "cross_products"
    assert "a make more" not in route.reason
    assert "a makes more than 1,000 cells of 3,000 rows" in route.reason
