"""Observations from a table that came already joined."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from cxmodel.errors import ConfigError, SchemaError
from cxmodel.scales import CSAT5, NPS
from cxmodel.tables.flat import flat_observations
from cxmodel.tables.observation_readers import open_observations


def opened(frame, **about):
    ratings = about.pop("ratings", {"csat": ("score", CSAT5)})
    return open_observations(frame, ratings=ratings, **about)


FRAME = pd.DataFrame(
    {
        "id": ["b", "a", "c"],
        "score": [5, 1, 3],
        "left": ["No", "Yes", None],
        "plan": ["x", "y", None],
        "seats": ["1", " ", "3"],
        "fee": [10.5, 20.0, 30.25],
        "months": [1.0, 12.0, 24.0],
        "after": [100, 200, 300],
    }
)


# -- Worked by hand ------------------------------------------------------------------------------


def test_one_row_is_one_observation():
    source = opened(
        FRAME,
        customer_id="id",
        churned="left",
        monthly_revenue="fee",
        duration_months="months",
        revenue_after="after",
        currency="USD",
    )
    obs = flat_observations(source)
    assert list(obs.to_frame()) == [
        *("customer_id", "rating", "band", "response_weight", "revenue_after", "churned"),
        *("outcome_complete", "plan", "seats"),
    ]
    frame = obs.frame
    assert frame.customer_id.tolist() == ["a", "b", "c"]
    assert frame.band.tolist() == ["rest", "top_box", "rest"]
    assert frame.churned.tolist()[:2] == [1.0, 0.0]
    assert np.isnan(frame.churned[2])
    assert frame["_event"].tolist() == [True, False, False]
    assert frame["_monthly_revenue"].tolist() == [20.0, 10.5, 30.25]
    assert frame["_duration_months"].tolist() == [12.0, 1.0, 24.0]
    assert frame.seats.fillna(-1).tolist() == [-1.0, 1.0, 3.0]  # reads as numbers apart from blanks
    assert frame["_status"].tolist() == ["ok"] * 3
    assert obs.is_joined
    assert obs.churn_rule == "observed"
    assert obs.controls == ("plan", "seats")
    assert obs.window_words == "observation window"
    assert obs.audit["revenue_total"] == 600.0
    assert obs.audit["revenue_reconciled"]["difference"] == 0.0


@pytest.mark.parametrize(
    ("left", "stayed"), [(True, False), (1, 0), ("yes", "no"), ("True", "FALSE"), ("1", "0")]
)
def test_churn_is_read_in_the_usual_ways(left, stayed):
    frame = pd.DataFrame({"score": [1, 5], "gone": [left, stayed]})
    assert flat_observations(opened(frame, churned="gone")).frame.churned.tolist() == [1.0, 0.0]


def test_a_stated_window_is_in_the_units():
    assert (
        flat_observations(opened(FRAME, churned="left"), outcome_days=91).window_words == "91 days"
    )


def test_text_of_too_many_levels_is_left_out_and_named():
    frame = pd.DataFrame(
        {
            "score": [1, 5] * 26,
            "left": [True, False] * 26,
            "city": [f"town {i % 51}" for i in range(52)],
            "zone": [f"zone {i % 50}" for i in range(52)],
            "zip": [str(10_000 + i) for i in range(52)],
        }
    )
    obs = flat_observations(opened(frame, churned="left"))
    assert obs.controls == ("zone", "zip")
    assert obs.audit["controls_left_out"] == ["city"]
    assert "city" not in obs.frame


def test_a_control_with_a_taken_name_is_left_out_and_named():
    source = opened(FRAME.rename(columns={"plan": "band"}), churned="left")
    obs = flat_observations(source)
    assert obs.audit["controls_left_out"] == ["band"]
    assert obs.frame.band.tolist() == ["top_box", "rest", "rest"]


def test_rows_without_a_key_are_different_customers_though_they_are_equal():
    frame = pd.DataFrame({"score": [1, 1, 5], "left": [True, True, False]})
    obs = flat_observations(opened(frame, churned="left"))
    assert obs.frame.customer_id.tolist() == ["1", "2", "3"]
    assert obs.frame["_share"].tolist() == [1.0, 1.0, 1.0]


def test_equal_rows_of_one_customer_are_one_observation():
    frame = pd.DataFrame({"id": ["a", "a", "a"], "score": [1, 1, 2], "left": [True, True, False]})
    obs = flat_observations(opened(frame, customer_id="id", churned="left"))
    assert obs.audit["n_observations"] == 2
    assert obs.audit["dropped"]["rows"][4] == {"reason": "duplicate_response", "n": 1}
    assert obs.frame["_share"].tolist() == [0.5, 0.5]


def test_missing_ratings_and_rows_after_as_of_are_counted():
    frame = pd.DataFrame(
        {
            "when": ["2025-06-01", "2025-06-30T23:00:00", "2025-07-01", "2025-06-01", None],
            "score": [1, 2, 3, None, 4],
            "after": [1.0, 2.0, 4.0, 8.0, 16.0],
        }
    )
    source = opened(frame, responded_at="when", revenue_after="after", currency="EUR")
    obs = flat_observations(source, as_of=dt.date(2025, 6, 30))
    assert obs.frame.rating.tolist() == [1.0, 2.0]
    assert obs.frame["_month"].tolist() == ["2025-06", "2025-06"]
    assert {row["reason"]: row["n"] for row in obs.audit["dropped"]["rows"] if row["n"]} == {
        "missing_responded_at": 1,
        "missing_rating": 1,
        "after_as_of": 1,
    }
    assert obs.audit["revenue_reconciled"] == {
        "in_windows": 3.0,
        "outside_windows": 0.0,
        "unmatched": 24.0,
        "after_as_of": 4.0,
        "difference": 0.0,
    }


def test_without_ratings_there_is_churn_and_value():
    obs = flat_observations(opened(FRAME, ratings={}, churned="left", monthly_revenue="fee"))
    assert obs.rating is None
    assert not obs.has("rating")
    assert obs.has("churned", "_monthly_revenue")


def test_ratings_of_touchpoints_need_no_outcome():
    frame = pd.DataFrame({"wifi": [1, 5], "food": [2, 4]})
    ratings = {"wifi": ("wifi", CSAT5), "food": ("food", CSAT5)}
    obs = flat_observations(opened(frame, ratings=ratings, touchpoints=["wifi", "food"]))
    assert obs.touchpoints == ("rating", "rating_food")
    assert obs.other_ratings == ("rating_food",)


# -- Errors --------------------------------------------------------------------------------------


def test_a_table_without_an_outcome_is_refused():
    with pytest.raises(SchemaError, match="holds no outcome"):
        flat_observations(opened(FRAME[["score", "plan"]]))


def test_an_unknown_rating_is_refused():
    source = opened(FRAME, ratings={"nps": ("score", NPS)}, churned="left")
    with pytest.raises(ConfigError, match=r"'npz' is no rating .* Did you mean 'nps'"):
        flat_observations(source, rating="npz")
