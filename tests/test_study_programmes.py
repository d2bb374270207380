"""Programmes of a study: valued with the headline, and with what stands before or beside it."""

from __future__ import annotations

import pytest

from cxmodel.config import parse_config
from cxmodel.models.lift import LiftModel
from cxmodel.results import NotRun
from cxmodel.study_programmes import programme_rows
from tests.panel_observations import panel_observations

RAW = {
    "study": {"currency": "USD"},
    "sources": {"churn": {"path": "churn.csv"}},
    "value": {"gross_margin": 0.5, "annual_discount_rate": 0.1},
    "programmes": [
        {"name": "Letters", "rating_points": 0.5, "upfront_cost": 1_000},
        {"name": "Talks", "kpi_points": 2.0, "upfront_cost": 1_000},
    ],
}


def rows_of(trait: float, seed: int) -> tuple[list[dict[str, object]], object]:
    obs = panel_observations(300, 3, trait=trait, seed=seed)
    lift = LiftModel(flexible=False).fit(obs)
    found = programme_rows(
        parse_config(RAW),
        lift,
        None,
        n_customers=1_000,
        margin=0.5,
        cltv=NotRun("no programme is valued by it"),
    )
    return found, lift


def test_where_the_lift_within_customers_stands_first_programmes_are_valued_with_both():
    """The gain is proportional to the lift; the costs are 1,000 at the start."""
    (letters, talks), lift = rows_of(20.0, 1)
    assert lift.within.stands_first == "within_customer"
    seen, within = (
        lift.terms[name].estimate
        for name in ("per_rating_point", "within_customer_per_rating_point")
    )
    assert within < seen
    gain = letters["npv"].estimate + 1_000
    assert letters["npv_within_customer"].estimate + 1_000 == pytest.approx(gain * within / seen)
    assert "per rating point; state the gain in rating_points" in (
        talks["npv_within_customer"].reason
    )


def test_where_the_headline_stands_first_there_is_one_value():
    rows, lift = rows_of(0.0, 2)
    assert lift.within.stands_first == "adjusted"
    assert all("npv_within_customer" not in row for row in rows)
    # nobody stated a reliability, so both say why there is no correction
    assert all("nobody said how noisy" in row["npv_reliability_corrected"].reason for row in rows)
