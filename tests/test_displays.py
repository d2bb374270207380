"""Every result shows itself: as text, as a table, in a notebook and as a figure."""

from __future__ import annotations

import json
from typing import Any

import pytest

import cxmodel as cx


@pytest.fixture(scope="module")
def observations() -> cx.Observations:
    company = cx.datasets.simulate(n_customers=2_000, seed=11)
    surveys = cx.read_surveys(company.surveys, ratings={"nps": ("nps", cx.NPS)})
    customers = cx.read_customers(
        company.customers,
        started_at="started_at",
        churned_at="churned_at",
        attributes=["segment"],
    )
    revenue = cx.read_revenue(company.revenue, currency="USD")
    return cx.join_observations(surveys, customers=customers, revenue=revenue, as_of="2026-06-30")


@pytest.fixture(scope="module")
def results(observations: cx.Observations) -> dict[str, Any]:
    lift = cx.LiftModel(outcome="revenue").fit(observations)
    value = cx.CltvModel(gross_margin=0.6, annual_discount_rate=0.10)
    programme = cx.Programme(name="Call-backs", rating_points=0.5, customers=500, upfront_cost=900)
    return {
        "lift": lift,
        "churn": cx.ChurnModel().fit(observations),
        "retention": cx.RetentionModel().fit(observations),
        "cltv": value.fit(observations),
        "programme": cx.project_roi(
            programme, lift, gross_margin=0.6, annual_discount_rate=0.10, horizon_months=24
        ),
    }


NAMES = ("lift", "churn", "retention", "cltv", "programme")


@pytest.mark.parametrize("name", NAMES)
def test_a_result_is_a_table(name: str, results: dict[str, Any]) -> None:
    frame = results[name].to_frame()
    assert len(frame) > 0
    assert {"estimate", "unit"} <= set(frame.columns) or name == "retention"


@pytest.mark.parametrize("name", NAMES)
def test_a_result_says_what_it_is(name: str, results: dict[str, Any]) -> None:
    assert results[name].title
    assert len(repr(results[name])) < 400
    assert results[name].summary().strip()
    assert json.dumps(results[name].to_dict())


@pytest.mark.parametrize("name", NAMES)
def test_a_result_shows_in_a_notebook(name: str, results: dict[str, Any]) -> None:
    shown = results[name]._repr_html_()
    assert "<table" in shown
    assert "<script" not in shown


@pytest.mark.parametrize("name", NAMES)
def test_a_result_draws_itself(name: str, results: dict[str, Any]) -> None:
    figure = results[name].plot()
    assert figure.axes


def test_the_kpi_shows_itself() -> None:
    company = cx.datasets.simulate(n_customers=600, seed=3)
    surveys = cx.read_surveys(company.surveys, ratings={"nps": ("nps", cx.NPS)})
    kpi = cx.measure_kpi(surveys, "nps", period="quarter")
    assert "<table" in kpi._repr_html_()
    assert kpi.plot().axes


def test_an_estimate_prints_in_one_line() -> None:
    made = cx.Estimate.from_std_error(1234.5, 100.0, unit="USD", n_obs=2000)
    assert str(made) == "1,234 USD (95% interval 1,039 to 1,430; n = 2,000)"


def test_tables_print_in_one_line(observations: cx.Observations) -> None:
    assert repr(observations).startswith("<Observations: ")
    company = cx.datasets.simulate(n_customers=300, seed=3)
    assert repr(company).startswith("<Simulation: 300 customers")
    surveys = cx.read_surveys(company.surveys, ratings={"nps": ("nps", cx.NPS)})
    assert repr(surveys) == f"<Source surveys: {len(company.surveys):,} rows, ratings nps>"


@pytest.mark.parametrize(
    "model",
    [
        cx.LiftModel(),
        cx.ChurnModel(),
        cx.RetentionModel(),
        cx.CltvModel(gross_margin=0.6, annual_discount_rate=0.1),
    ],
    ids=lambda model: type(model).__name__,
)
def test_a_model_refuses_what_is_no_observation_table(model: Any) -> None:
    with pytest.raises(TypeError, match=r"join_observations or cxmodel\.read_observations.*int"):
        model.fit(1)


def test_settings_of_the_wrong_kind_are_named() -> None:
    with pytest.raises(TypeError, match=r"Study\.from_toml"):
        cx.Study("cxmodel.toml")  # type: ignore[arg-type]
    company = cx.datasets.simulate(n_customers=300, seed=3)
    surveys = cx.read_surveys(company.surveys, ratings={"nps": ("nps", cx.NPS)})
    with pytest.raises(TypeError, match=r"cx\.Windows\(.*365"):
        cx.join_observations(surveys, windows=365)  # type: ignore[arg-type]
