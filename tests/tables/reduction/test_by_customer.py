"""Sums by customer: by hand, against statsmodels and dummies for every customer, and the errors."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import statsmodels.api as sm

from cxmodel.errors import SchemaError
from cxmodel.tables.reduction import by_customer as module
from cxmodel.tables.reduction.by_customer import clustered_meat, count_customers, within_customers
from cxmodel.tables.reduction.cross_products import cross_products
from cxmodel.tables.reduction.design import Intercept, Numeric, dummies
from cxmodel.tables.reduction.rows import complete_rows
from cxmodel.tables.reduction.solving import solve

COLUMNS = ["rating", "segment", "tenure_days", "spent_units", "stayed"]


@pytest.fixture(params=[False, True], ids=["two_limbs", "one_limb"])
def few_customers_count_as_many(request, monkeypatch):
    if request.param:
        monkeypatch.setattr(module, "MANY_CUSTOMERS", 100)


def test_scores_add_up_within_customers_before_they_are_squared(session):
    frame = pd.DataFrame({"c": list("aab"), "x": [1.0, 1.0, -1.0], "y": [1.0, 1.0, 1.0]})
    rows = complete_rows(session, session.register(frame), ["x", "y"], customer="c")
    moments = cross_products(rows, [Numeric("x")], ["y"])
    meat = clustered_meat(rows, moments, np.zeros(1))
    # scores x y: a has 1 + 1, b has -1; squares 4 + 1
    assert meat.matrix.tolist() == [[5.0]]
    assert (meat.n_obs, meat.n_clusters, meat.n_singletons) == (3, 2, 1)
    # G/(G-1) (n-1)/(n-k) = 2 * 2/2
    assert meat.factor(1) == 2.0


def test_within_customers_by_hand(session):
    frame = pd.DataFrame({"c": list("aabb"), "x": [0, 2, 5, 6], "y": [1, 5, 0, 2]})
    rows = complete_rows(session, session.register(frame), ["x", "y"], customer="c")
    moments = within_customers(rows, [Numeric("x")], ["y"])
    solution = solve(moments.design, moments.zmz, moments.zmy, moments.ymy)
    # off the customers' means: x -1, 1, -1/2, 1/2; y -2, 2, -1, 1: slope 5 / 2.5
    assert solution.coefficients[0, 0] == pytest.approx(2.0, rel=1e-14)
    assert moments.zmz[0, 0] * moments.design.columns[0].scale ** 2 == pytest.approx(2.5, rel=1e-14)


@pytest.mark.parametrize("weight", [None, "weight"])
@pytest.mark.usefixtures("few_customers_count_as_many")
def test_clustered_errors_equal_statsmodels(session, observations, weight):
    frame = observations
    table = session.register(frame)
    rows = complete_rows(session, table, COLUMNS, weight=weight, customer="customer_id")
    terms = [Intercept(), Numeric("rating"), Numeric("tenure_days"), *dummies(rows, "segment")]
    moments = cross_products(rows, terms, ["spent_units"])
    solution = solve(moments.design, moments.zwz, moments.zwy, moments.ywy)
    meat = clustered_meat(rows, moments, solution.standard)
    covariance = solution.covariance(meat.matrix) * meat.factor(solution.n_params)
    flags = [(frame.segment == level).astype(float) for level in ("medium", "small")]
    x = np.column_stack([np.ones(len(frame)), frame.rating, frame.tenure_days, *flags])
    weights = frame.weight if weight else np.ones(len(frame))
    groups = frame.customer_id.astype("category").cat.codes
    reference = sm.WLS(frame.spent_units.astype(float), x, weights=weights).fit(
        cov_type="cluster", cov_kwds={"groups": groups}
    )
    np.testing.assert_allclose(np.sqrt(np.diag(covariance)), reference.bse, rtol=1e-10)


@pytest.mark.parametrize("weight", [None, "weight"])
@pytest.mark.usefixtures("few_customers_count_as_many")
def test_effects_of_customers_equal_a_dummy_for_each(session, observations, weight):
    frame = observations
    table = session.register(frame)
    rows = complete_rows(session, table, COLUMNS, weight=weight, customer="customer_id")
    terms = [Numeric("rating"), Numeric("tenure_days"), *dummies(rows, "segment")]
    moments = within_customers(rows, terms, ["spent_units", "stayed"])
    solution = solve(moments.design, moments.zmz, moments.zmy, moments.ymy)
    flags = [(frame.segment == level).astype(float) for level in ("medium", "small")]
    slopes = np.column_stack([frame.rating, frame.tenure_days, *flags]).astype(float)
    customers = pd.get_dummies(frame.customer_id).to_numpy(dtype=float)
    x = np.column_stack([slopes, customers])
    w = frame.weight.to_numpy() if weight else np.ones(len(frame))
    y = np.column_stack([frame.spent_units, frame.stayed]).astype(float)
    root = np.sqrt(w)[:, None]
    expected = np.linalg.lstsq(x * root, y * root, rcond=None)[0]
    np.testing.assert_allclose(solution.coefficients, expected[:4], rtol=1e-10)

    meat = clustered_meat(rows, moments, solution.standard)
    # by Frisch and Waugh: the slopes' columns off the customers, residuals of the whole
    off = slopes - customers @ np.linalg.lstsq(customers * root, slopes * root, rcond=None)[0]
    scores = [off * (w * (y - x @ expected)[:, k])[:, None] for k in range(2)]
    bread = np.linalg.inv(off.T @ (w[:, None] * off))
    for k, score in enumerate(scores):
        sums = pd.DataFrame(score).groupby(frame.customer_id).sum().to_numpy()
        reference = bread @ sums.T @ sums @ bread
        block = slice(4 * k, 4 * k + 4)
        covariance = solution.covariance(meat.matrix[block, block], k)
        errors = np.sqrt(np.diag(covariance))
        np.testing.assert_allclose(errors, np.sqrt(np.diag(reference)), rtol=1e-10)
    assert meat.n_singletons == int((frame.customer_id.value_counts() == 1).sum())


def test_columns_that_never_change_within_a_customer_are_named(session, observations):
    frame = observations.assign(first=observations.groupby("customer_id").rating.transform("first"))
    rows = complete_rows(
        session, session.register(frame), ["rating", "first", "spent_units"], customer="customer_id"
    )
    moments = within_customers(rows, [Numeric("first"), Numeric("rating")], ["spent_units"])
    solution = solve(moments.design, moments.zmz, moments.zmy, moments.ymy)
    assert solution.collinear == ("first",)


def test_nobody_and_one_customer(session):
    frame = pa.table({"c": ["a", "a"], "x": [1.0, 2.0], "y": [1.0, 3.0]})
    rows = complete_rows(session, session.register(frame), ["x", "y"], customer="c")
    moments = cross_products(rows, [Intercept(), Numeric("x")], ["y"])
    meat = clustered_meat(rows, moments, np.zeros(2))
    assert meat.n_clusters == 1
    with pytest.raises(ValueError, match="One cluster alone"):
        meat.factor(1)
    rows = complete_rows(session, session.register(frame.slice(0, 0)), ["x", "y"], customer="c")
    assert count_customers(rows).n_customers == 0
    moments = cross_products(rows, [Intercept(), Numeric("x")], ["y"])
    assert (clustered_meat(rows, moments, np.zeros(2)).matrix == 0).all()


def test_what_cannot_be_added_up_by_customer_is_refused(session, observations):
    table = session.register(observations)
    rows = complete_rows(session, table, ["rating", "stayed"])
    with pytest.raises(SchemaError, match="need the customer's id"):
        count_customers(rows)
    rows = complete_rows(session, table, ["rating", "stayed"], customer="customer_id")
    with pytest.raises(ValueError, match="take the place of the intercept"):
        within_customers(rows, [Intercept(), Numeric("rating")], ["stayed"])
    moments = within_customers(rows, [Numeric("rating")], ["stayed"])
    with pytest.raises(ValueError, match="mean must be identity"):
        clustered_meat(rows, moments, np.zeros(1), mean="logistic")
