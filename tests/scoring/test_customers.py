"""The customers of a day: who is active, and what was known of them then."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pandas as pd
import pytest
from stored_models import by_hand

import cxmodel as cx
from cxmodel.errors import ConfigError, SourceError
from cxmodel.models.churn.stored import StoredChurnModel
from cxmodel.scoring.customers import customers_at
from cxmodel.tables.one_engine import one_engine

DAY = dt.date(2025, 6, 30)


def sources(**given: pd.DataFrame):
    """Open small tables; times are UTC."""
    readers = {
        "surveys": lambda t: cx.read_surveys(
            t, ratings={"nps": ("q1", cx.NPS)}, attributes=["agentless"]
        ),
        "customers": lambda t: cx.read_customers(
            t, started_at="started_at", churned_at="churned_at", attributes=["segment"]
        ),
        "revenue": lambda t: cx.read_revenue(t, currency="USD"),
        "interactions": cx.read_interactions,
    }
    by_kind = {kind: readers[kind](table) for kind, table in given.items()}
    return one_engine(by_kind, None)


def number(name: str) -> dict:
    return {"name": name, "type": "number", "fill": 0.0, "has_missing": False, "cap": None,
            "profile": {"edges": [], "counts": [400]}}  # fmt: skip


@pytest.fixture(scope="module")
def model() -> StoredChurnModel:
    names = ["rating", "revenue_before", "revenue_before_2", "contacts_before", "tenure_days"]
    words = [
        {"name": name, "type": "words", "reference": None, "levels": ["b"],
         "profile": {"levels": ["b"], "counts": [300, 100], "known": ["b"]}}
        for name in ("segment", "agentless")
    ]  # fmt: skip
    k = len(names) + len(words)
    linear = {"kind": "linear", "mean": [0.0] * k, "scale": [1.0] * k, "coefficients": [0.0] * k,
              "intercept": 0.0}  # fmt: skip
    windows = {"lookback_days": 30, "outcome_days": 60, "gap_days": 0, "inactive_days": 45}
    return by_hand(columns=[*map(number, names), *words], model=linear, windows=windows)


@pytest.fixture(scope="module")
def company():
    customers = pd.DataFrame(
        [
            ("stays", "2025-01-01", None, "a"),
            ("left", "2025-01-01", "2025-06-30", "a"),
            ("leaves later", "2025-01-01", "2025-07-01", "b"),
            ("starts later", "2025-07-01", None, "b"),
            ("silent", "2025-06-30", None, "b"),
        ],
        columns=["customer_id", "started_at", "churned_at", "segment"],
    )
    surveys = pd.DataFrame(
        [
            ("stays", "2025-03-01", 2, "x"),
            ("stays", "2025-06-30 23:59:59", 9, "b"),
            ("stays", "2025-07-01", 0, "x"),  # after the day
            ("leaves later", "2025-05-01", 6, "x"),
            ("left", "2025-05-01", 1, "x"),
        ],
        columns=["customer_id", "responded_at", "q1", "agentless"],
    )
    revenue = pd.DataFrame(
        [
            ("stays", "2025-06-01", 10.0),  # the first moment of the 30 days before 1 July
            ("stays", "2025-05-31 23:59:59", 3.0),  # the window before
            ("stays", "2025-06-30", 20.0),
            ("stays", "2025-07-01", 500.0),
            ("leaves later", "2025-04-30", 7.0),
        ],
        columns=["customer_id", "booked_at", "amount"],
    )
    contacts = pd.DataFrame(
        {"customer_id": ["stays"] * 2, "started_at": ["2025-06-15", "2025-07-02"]}
    )
    return {
        "customers": customers,
        "surveys": surveys,
        "revenue": revenue,
        "interactions": contacts,
    }


def test_who_is_active_and_what_was_known_by_hand(company, model):
    found = customers_at(sources(**company), model, at=DAY, as_of=dt.date(2025, 12, 31))
    rows = found.frame.set_index("customer_id")
    assert rows.index.tolist() == ["leaves later", "silent", "stays"]
    stays = rows.loc["stays"]
    assert stays["rating"] == 9
    assert stays["agentless"] == "b"
    assert (stays["revenue_before"], stays["revenue_before_2"]) == (30.0, 3.0)
    assert stays["contacts_before"] == 1
    assert stays["tenure_days"] == 181  # 1 January to the end of 30 June
    assert rows.loc["leaves later", "rating"] == 6
    assert rows.loc["leaves later", "revenue_before"] == 0
    assert pd.isna(rows.loc["silent", "rating"])
    assert rows.loc["silent", "segment"] == "b"
    assert found.n_without_answer == 1


def test_how_old_answers_are_by_hand(company, model):
    # at the end of 30 June: 1 second, and 61 days after 1 May began; the model looks back 30 days
    found = customers_at(sources(**company), model, at=DAY, as_of=dt.date(2025, 12, 31))
    ages = found.answers
    assert ages is not None
    assert (ages.n, ages.n_older, ages.lookback_days) == (2, 1, 30)
    assert ages.mean_days == pytest.approx((61 + 1 / 86_400) / 2)


def test_an_answer_that_is_too_old_counts_as_none(company, model):
    for days, rating in ((61, 6), (60, None)):
        found = customers_at(
            sources(**company), model, at=DAY, as_of=dt.date(2025, 12, 31), answer_days=days
        )
        rows = found.frame.set_index("customer_id")
        assert rows.loc["stays", "rating"] == 9
        if rating is None:
            assert pd.isna(rows.loc["leaves later", "rating"])
            assert found.n_without_answer == 2
        else:
            assert rows.loc["leaves later", "rating"] == rating


def test_columns_are_those_of_an_answer_at_that_moment(company, model):
    """Whoever answers at the end of the day is described as an observation is."""
    at = "2025-07-01"
    answers = pd.DataFrame(
        {"customer_id": ["stays", "leaves later"], "responded_at": at, "q1": [9, 6]}
    ).assign(agentless="b")
    surveys = cx.read_surveys(
        answers, ratings={"nps": ("q1", cx.NPS)}, attributes=["agentless"]
    )  # fmt: skip
    given = sources(**{k: v for k, v in company.items() if k != "surveys"})
    obs = cx.join_observations(
        surveys,
        customers=given.get("customers"),
        revenue=given.get("revenue"),
        interactions=given.get("interactions"),
        windows=model.windows,
        as_of="2025-12-31",
    )
    names = ["revenue_before", "revenue_before_2", "contacts_before", "tenure_days", "segment"]
    expected = obs.to_frame().set_index("customer_id")[names]
    found = customers_at(sources(**company), model, at=DAY, as_of=dt.date(2025, 12, 31))
    got = found.frame.set_index("customer_id").loc[expected.index, names]
    pd.testing.assert_frame_equal(got, expected)


def test_without_a_contract_whoever_booked_lately_is_active(company, model):
    revenue = pd.DataFrame(
        {
            "customer_id": ["lately", "long ago", "later"],
            "booked_at": ["2025-06-01", "2025-05-01", "2025-07-05"],
            "amount": [1.0, 1.0, 1.0],
        }
    )
    columns = [number("revenue_before")]
    linear = {"kind": "linear", "mean": [0.0], "scale": [1.0], "coefficients": [0.0],
              "intercept": 0.0}  # fmt: skip
    plain = by_hand(columns=columns, model=linear, windows=model.facts["windows"], rating=None)
    found = customers_at(sources(revenue=revenue), plain, at=DAY, as_of=dt.date(2025, 12, 31))
    assert found.frame["customer_id"].tolist() == ["lately"]
    assert found.frame["revenue_before"].tolist() == [1.0]


def test_a_day_outside_the_data_is_refused(company, model):
    given = sources(**company)
    with pytest.raises(ConfigError, match=r"--at 2026-01-01 lies after the data, .* 2025-12-31"):
        customers_at(given, model, at=dt.date(2026, 1, 1), as_of=dt.date(2025, 12, 31))
    with pytest.raises(ConfigError, match="lies before all data"):
        customers_at(given, model, at=dt.date(2020, 1, 1), as_of=dt.date(2025, 12, 31))


def test_another_rating_scale_or_currency_is_refused(company, model):
    given = sources(**company)
    other = replace(model, facts={**model.facts, "rating": {**model.facts["rating"], "low": 1}})
    with pytest.raises(ConfigError, match=r"ratings\.nps from 1 to 10, and the study has 0 to 10"):
        customers_at(given, other, at=DAY)
    other = replace(model, facts={**model.facts, "rating": {**model.facts["rating"], "name": "x"}})
    with pytest.raises(ConfigError, match="the rating 'x', which the study does not have"):
        customers_at(given, other, at=DAY)
    other = replace(model, facts={**model.facts, "currency": "EUR"})
    with pytest.raises(ConfigError, match="amounts in EUR, and the study has USD"):
        customers_at(given, other, at=DAY)


def test_a_study_that_knows_nobody_is_refused(company, model):
    with pytest.raises(SourceError, match="Nobody is known who could be scored"):
        customers_at(sources(surveys=company["surveys"]), model, at=DAY)
