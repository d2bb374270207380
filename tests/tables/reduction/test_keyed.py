"""Cross-products by key are those of the rows, for every kind of column."""

from __future__ import annotations

import numpy as np
import pytest

from cxmodel.tables.reduction.by_cluster import cluster_products
from cxmodel.tables.reduction.cross_products import cross_products
from cxmodel.tables.reduction.design import (
    Centred,
    Intercept,
    Level,
    Numeric,
    Product,
    interacted_design,
)
from cxmodel.tables.reduction.keyed import keyed_columns
from cxmodel.tables.reduction.rows import complete_rows
from cxmodel.tables.reduction.second_pass import likelihood_step, robust_meat

TERMS = (
    *interacted_design("rating", [Numeric("tenure_days"), Level("segment", "large")]),
    Product(Centred(Numeric("tenure_days")), Centred(Level("segment", "small"))),
)


@pytest.fixture(scope="module")
def looked(session, observations):
    table = session.register(observations)
    columns = ["rating", "segment", "tenure_days", "spent_units", "stayed"]
    return complete_rows(session, table, columns, weight="weight", customer="customer_id")


def standard_matrix(rows, design):
    """Fetch the standard columns, outcomes and weights row by row."""
    found = rows.session.arrow(design.table(rows))
    z = np.column_stack([found[f"z{i}"].to_numpy() for i in range(len(design.columns))])
    y = np.column_stack([found[f"y{i}"].to_numpy() for i in range(len(design.outcomes))])
    return z, y, found["w"].to_numpy(), np.array(found["customer"].to_pylist())


def test_keys_are_rating_and_segment_and_tenure_is_what_is_left(looked):
    design = cross_products(looked, TERMS, ["spent_units"]).design
    keyed = keyed_columns(looked, design, [*design.columns, *design.outcomes])
    assert keyed.keys == ("segment", "rating")
    # 1, tenure, tenure off its mean as a factor, and the outcome
    assert keyed.n_parts == 4


def test_cross_products_of_every_pair(looked):
    found = cross_products(looked, TERMS, ["spent_units", "stayed"])
    z, y, w, _ = standard_matrix(looked, found.design)
    np.testing.assert_allclose(found.zwz, z.T @ (w[:, None] * z), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(found.zwy, z.T @ (w[:, None] * y), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(found.ywy, y.T @ (w[:, None] * y), rtol=1e-12, atol=1e-12)


def test_meat_and_steps_of_a_likelihood(looked):
    found = cross_products(looked, TERMS, ["stayed"])
    z, y, w, _ = standard_matrix(looked, found.design)
    outcome = found.design.outcomes[0]
    own = outcome.centre + outcome.scale * y[:, 0]
    b = np.linspace(-0.3, 0.4, z.shape[1])
    p = 1 / (1 + np.exp(-z @ b))
    step = likelihood_step(looked, found, b, "logistic")
    np.testing.assert_allclose(step.gradient, z.T @ (w * (own - p)), rtol=1e-11, atol=1e-12)
    expected = z.T @ ((w * p * (1 - p))[:, None] * z)
    np.testing.assert_allclose(step.information, expected, rtol=1e-11, atol=1e-12)
    scores = (w * (own - p))[:, None] * z
    meat = robust_meat(looked, found, b, kind="HC0", mean="logistic").matrix
    np.testing.assert_allclose(meat, scores.T @ scores, rtol=1e-11, atol=1e-12)


def test_a_gamma_step_takes_the_observed_information(looked):
    found = cross_products(looked, TERMS[:3], ["spent_units"])
    z, y, w, _ = standard_matrix(looked, found.design)
    outcome = found.design.outcomes[0]
    own = outcome.centre + outcome.scale * y[:, 0]
    b = np.array([11.0, 0.2, -0.1])
    ratio = own / np.exp(z @ b)
    step = likelihood_step(looked, found, b, "gamma")
    np.testing.assert_allclose(step.gradient, z.T @ (w * (ratio - 1)), rtol=1e-11)
    np.testing.assert_allclose(step.information, z.T @ ((w * ratio)[:, None] * z), rtol=1e-11)


def test_products_of_each_cluster(session, observations):
    few = observations.assign(region=observations.customer_id.str[-1])
    rows = complete_rows(
        session,
        session.register(few),
        ["rating", "tenure_days", "spent_units"],
        weight="weight",
        customer="region",
    )
    terms = [Intercept(), Numeric("rating"), Numeric("tenure_days")]
    design = cross_products(rows, terms, ["spent_units"]).design
    z, y, w, customer = standard_matrix(rows, design)
    found = cluster_products(rows, design)
    assert found.n_obs == len(few)
    for g, name in enumerate(sorted(set(customer))):
        own = customer == name
        expected = z[own].T @ (w[own, None] * z[own])
        np.testing.assert_allclose(found.zwz[g], expected, rtol=1e-12, atol=1e-13)
        expected = z[own].T @ (w[own] * y[own, 0])
        np.testing.assert_allclose(found.zwy[g], expected, rtol=1e-12, atol=1e-13)


def test_clusters_need_their_key(session, observations):
    from cxmodel.errors import SchemaError

    rows = complete_rows(session, session.register(observations), ["rating", "spent_units"])
    design = cross_products(rows, [Intercept(), Numeric("rating")], ["spent_units"]).design
    with pytest.raises(SchemaError, match="need its key"):
        cluster_products(rows, design)


def test_a_table_of_continuous_columns_has_no_keys(session, observations):
    rows = complete_rows(session, session.register(observations), ["tenure_days", "spent_units"])
    design = cross_products(rows, [Intercept(), Numeric("tenure_days")], ["spent_units"]).design
    assert keyed_columns(rows, design, design.columns) is None
