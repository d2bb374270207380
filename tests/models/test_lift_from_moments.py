"""Moments taken where the table lies give the slope that the lift has from the rows."""

from __future__ import annotations

import ibis
import numpy as np
import pytest

import cxmodel as cx
from cxmodel.tables import moments as cxm

MONEY = 10_000  # units of a dollar


def test_the_unadjusted_lift_and_its_clustered_error_come_from_cross_products():
    sim = cx.datasets.simulate(n_customers=1_500, seed=1)
    surveys = cx.read_surveys(sim.surveys, ratings={"nps": ("nps", cx.NPS)})
    customers = cx.read_customers(sim.customers, attributes=["segment"])
    revenue = cx.read_revenue(sim.revenue, currency="USD")
    obs = cx.join_observations(surveys, customers=customers, revenue=revenue)
    lift = cx.LiftModel(outcome="revenue", controls=["segment"]).fit(obs)
    from_rows = lift.to_section()["unadjusted_per_rating_point"]

    table = obs.table
    table = table.filter(table["_status"] == "ok", table.outcome_complete, ~table["_left_in_gap"])
    n_of_customer = table.count().over(ibis.window(group_by="customer_id"))
    table = table.mutate(weight=1.0 / n_of_customer.cast("float64"))
    rows = cxm.complete_rows(
        obs.session,
        table,
        ["rating", "revenue_after_units"],
        weight="weight",
        customer="customer_id",
    )
    terms = [cxm.Intercept(), cxm.Numeric("rating")]
    found = cxm.cross_products(rows, terms, ["revenue_after_units"])
    solution = cxm.solve(found.design, found.zwz, found.zwy, found.ywy)
    meat = cxm.clustered_meat(rows, found, solution.standard)
    error = np.sqrt(solution.covariance(meat.matrix)[1, 1] * meat.factor(2))
    assert rows.n_used == from_rows.n_obs
    assert solution.coefficients[1, 0] / MONEY == pytest.approx(from_rows.estimate, rel=1e-10)
    assert error / MONEY == pytest.approx(from_rows.std_error, rel=1e-10)
