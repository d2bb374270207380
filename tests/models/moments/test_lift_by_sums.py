"""The lift of a table too large for rows: its slopes are those of the rows, and it says so."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

import cxmodel as cx
from cxmodel.errors import ConfigError, InsufficientDataError
from cxmodel.models.joint import joint_covariance
from cxmodel.models.moments.lift_by_sums import lift_by_sums


@pytest.fixture(scope="module")
def obs():
    sim = cx.datasets.simulate(n_customers=900, seed=1)
    surveys = cx.read_surveys(sim.surveys, ratings={"nps": ("nps", cx.NPS)})
    customers = cx.read_customers(sim.customers, churned_at="churned_at", attributes=["segment"])
    revenue = cx.read_revenue(sim.revenue, currency="USD")
    return cx.join_observations(surveys, customers=customers, revenue=revenue)


@pytest.mark.parametrize(
    ("outcome", "average"),
    [("revenue", "base"), ("retention", "base"), ("revenue", "variance")],
)
def test_slopes_and_errors_are_those_of_the_rows(obs, outcome, average):
    settings = {"outcome": outcome, "controls": ["segment"], "average": average}
    by_rows = cx.LiftModel(**settings).fit(obs)
    by_sums = cx.LiftModel(**settings, rows_up_to=100).fit(obs)
    for term in ("unadjusted", "additive", ""):
        name = f"{term}_per_rating_point".removeprefix("_")
        expected, found = by_rows.terms[name], by_sums.terms[name]
        assert found.estimate == pytest.approx(expected.estimate, rel=1e-10), name
        assert found.std_error == pytest.approx(expected.std_error, rel=1e-9), name
        assert found.unit == expected.unit
        assert found.n_obs == expected.n_obs
    assert by_sums.not_used == by_rows.not_used
    assert (by_sums.n_customers, by_sums.n_events) == (by_rows.n_customers, by_rows.n_events)
    assert by_sums.is_interacted == by_rows.is_interacted
    assert by_sums.is_clustered


def test_what_sums_do_not_hold_is_not_run_with_the_reason(obs):
    found = cx.LiftModel(controls=["segment"], rows_up_to=100).fit(obs)
    assert found.evidence.grade == "association"
    assert {check.verdict for check in found.checks} == {"not_run"}
    assert "the rows" in found.terms["percent_per_rating_point"].reason
    assert "sums over the table" in found.caveats[0]
    assert found.per_rating_point().caveats[1] == found.caveats[0]
    assert "not_run" in str(found.to_dict()["plus_one_below_top"])
    assert len(found.to_frame()) == 13 + len(cx.NPS.paths)
    with pytest.raises(ValueError, match="No estimate 'per_rating_point' to draw"):
        found.sample(10, 1)
    with pytest.raises(ValueError, match="None of the terms"):
        joint_covariance([found])


def test_rows_with_a_gap_in_a_control_are_counted():
    sim = cx.datasets.simulate(n_customers=900, seed=1)
    holed = sim.customers.copy()
    holed.loc[::3, "segment"] = None
    surveys = cx.read_surveys(sim.surveys, ratings={"nps": ("nps", cx.NPS)})
    customers = cx.read_customers(holed, churned_at="churned_at", attributes=["segment"])
    revenue = cx.read_revenue(sim.revenue, currency="USD")
    holed_obs = cx.join_observations(surveys, customers=customers, revenue=revenue)
    found = cx.LiftModel(controls=["segment"], rows_up_to=100).fit(holed_obs)
    missing = [row["n"] for row in found.not_used if row["reason"] == "missing_control"]
    assert missing
    assert missing[0] > 0
    assert found.n_obs + sum(row["n"] for row in found.not_used) == holed_obs.n_obs


def test_the_default_controls_are_named(obs):
    found = cx.LiftModel(rows_up_to=100).fit(obs)
    assert "revenue_before, tenure_days" in found.caveats[1]
    assert "segment" in found.caveats[1]


def test_too_little_data_and_rows_in_memory_are_refused(obs):
    few = cx.datasets.simulate(n_customers=12, seed=3)
    small = cx.join_observations(
        cx.read_surveys(few.surveys, ratings={"nps": ("nps", cx.NPS)}),
        customers=cx.read_customers(few.customers, attributes=["segment"]),
        revenue=cx.read_revenue(few.revenue, currency="USD"),
    )
    with pytest.raises(InsufficientDataError):
        cx.LiftModel(controls=["segment"], rows_up_to=1).fit(small)
    with pytest.raises(ConfigError, match="observations on an engine"):
        lift_by_sums(replace(obs, frame=obs.frame), "revenue", cx.LiftModel().settings)


def test_a_regression_takes_observations_where_they_lie(obs):
    model = cx.MomentsRegression(
        outcome="revenue_after_units", explained_by=["rating", "segment"], customer="customer_id"
    )
    fit = model.fit(obs)
    assert 0 < fit.n_obs <= obs.n_obs
    with pytest.raises(cx.errors.SourceError, match="rows in memory"):
        model.fit(replace(obs, frame=obs.frame))


@pytest.mark.parametrize(
    ("column", "outcome"), [("revenue_after_units", "revenue"), ("churned", "retention")]
)
def test_a_regression_leaves_out_the_observations_that_a_lift_does(obs, column, outcome):
    """Churn is told by inactivity in the second table, so that some are not at risk."""
    sim = cx.datasets.simulate(n_customers=900, seed=2)
    inactive = cx.join_observations(
        cx.read_surveys(sim.surveys, ratings={"nps": ("nps", cx.NPS)}),
        customers=cx.read_customers(
            sim.customers.drop(columns="churned_at"), attributes=["segment"]
        ),
        revenue=cx.read_revenue(sim.revenue, currency="USD"),
        windows=cx.Windows(inactive_days=60),
    )
    assert inactive.churn_rule == "inactivity"
    for table in (obs, inactive):
        lift = cx.LiftModel(outcome=outcome, controls=["segment"], rows_up_to=100).fit(table)
        fit = cx.MomentsRegression(outcome=column, explained_by=["rating", "segment"]).fit(table)
        assert fit.n_obs == lift.n_obs
        expected = {row["reason"]: row["n"] for row in lift.not_used}
        assert fit.not_used == {k: n for k, n in expected.items() if k != "missing_control"}
        for n in fit.not_used.values():
            assert f"{n:,} " in fit.caveats[-1]
        assert fit.to_dict()["not_used"] == fit.not_used


def test_customers_without_a_booking_of_late_are_counted_as_not_at_risk():
    """Where inactivity is churn nobody can lose who is gone; every sixth customer never booked."""
    sim = cx.datasets.simulate(n_customers=300, seed=2)
    revenue = sim.revenue[~sim.revenue.customer_id.isin(sim.customers.customer_id[::6])]
    inactive = cx.join_observations(
        cx.read_surveys(sim.surveys, ratings={"nps": ("nps", cx.NPS)}),
        customers=cx.read_customers(
            sim.customers.drop(columns="churned_at"), attributes=["segment"]
        ),
        revenue=cx.read_revenue(revenue, currency="USD"),
    )
    complete = inactive.to_frame().query("outcome_complete")
    booked = complete[["customer_id", "responded_at"]].merge(revenue, on="customer_id")
    since = pd.to_datetime(booked.responded_at) - pd.to_datetime(booked.booked_at)
    of_late = booked[(since > pd.Timedelta(0)) & (since <= pd.Timedelta(days=90))]
    n_active = len(of_late.drop_duplicates(["customer_id", "responded_at"]))
    fit = cx.MomentsRegression(outcome="churned", explained_by=["rating", "segment"]).fit(inactive)
    assert fit.not_used["not_at_risk"] == len(complete) - n_active
    assert fit.not_used["not_at_risk"] >= 44
    assert "by customers who were not active before the response" in fit.caveats[-1]
    money = cx.MomentsRegression(outcome="revenue_after_units", explained_by=["rating"])
    assert "not_at_risk" not in money.fit(inactive).not_used
