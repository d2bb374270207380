"""Controls: which are chosen, what is learnt, what is left out and said."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cxmodel.errors import ConfigError, LeakageError, SchemaError
from cxmodel.models.churn.features import candidate_columns
from cxmodel.models.controls import (
    OFFERED,
    candidate_controls,
    learn_controls,
    missing_rows,
)
from cxmodel.models.lift_fit import examined_columns
from cxmodel.models.population import History, choose_history, count_reasons, exclusions


def _history(obs):
    return choose_history(obs, np.ones(obs.n_obs, dtype=bool))


# -- by hand ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("windows", "expected"),
    [
        (3.2, History(("revenue_before", "revenue_before_2"), "revenue_before_3", 3)),
        (2.9, History(("revenue_before",), "revenue_before_2", 2)),
        (1.0, History(("revenue_before",), None, 1)),
        (0.9, History()),
    ],
)
def test_history_decides_controls_and_placebo(observations, windows, expected):
    assert _history(observations(50, history=windows)) == expected


def test_a_count_of_windows_needs_eighty_percent(observations):
    obs = observations(100)
    obs.frame.loc[:20, "_history_windows"] = 1.5
    assert _history(obs).n_windows == 1
    obs.frame.loc[:19, "_history_windows"] = 3.0
    obs.frame.loc[20, "_history_windows"] = 1.5
    assert _history(obs).n_windows == 3


def test_default_controls_are_those_of_the_methods(observations):
    obs = observations(50)
    assert candidate_controls(obs, _history(obs), None) == (
        "revenue_before",
        "revenue_before_2",
        "tenure_days",
        "days_observed_before",
        "contacts_before",
        "_month",
        "segment",
    )


def test_what_is_offered_is_held_equal_only_where_it_is_named(observations):
    obs = observations(50)
    for name in OFFERED:
        obs.frame[name] = 1.0
    default = {*candidate_controls(obs, _history(obs), None), *candidate_columns(obs, None)}
    assert default.isdisjoint(OFFERED)
    assert set(OFFERED).isdisjoint(examined_columns(obs))
    assert candidate_controls(obs, _history(obs), OFFERED) == OFFERED


def test_a_joined_table_offers_its_own_columns(observations):
    obs = observations(50, is_joined=True, controls=("segment", "churned"), attributes=())
    chosen = candidate_controls(obs, _history(obs), None)
    assert "segment" in chosen
    assert "churned" not in chosen


def test_the_most_frequent_level_is_the_reference_and_levels_travel():
    frame = pd.DataFrame({"plan": ["a"] * 30 + ["b"] * 20 + ["c"] * 15 + [None] * 12})
    plan = learn_controls(frame, ["plan"], cap_days=None)
    assert plan.column_names == ("plan=(missing)", "plan=b", "plan=c")
    again = plan.matrix(pd.DataFrame({"plan": ["c", None, "a"]}))
    assert again.tolist() == [[0, 0, 1], [1, 0, 0], [0, 0, 0]]


def test_rare_levels_share_a_column_and_are_counted():
    frame = pd.DataFrame({"plan": ["a"] * 30 + ["b"] * 20 + ["c"] * 3 + ["d"] * 2})
    plan = learn_controls(frame, ["plan"], cap_days=None)
    assert plan.column_names == ("plan=(rare levels)", "plan=b")
    assert plan.matrix(frame).sum(axis=0).tolist() == [5, 20]
    assert "plan: 2 level(s) of under 10 rows are held together." in plan.caveats[0]


def test_days_observed_are_capped_at_the_windows_used():
    frame = pd.DataFrame({"days_observed_before": [100.0, 360.0, 900.0]})
    plan = learn_controls(frame, ["days_observed_before"], cap_days=360.0)
    assert plan.matrix(frame)[:, 0].tolist() == [100, 360, 360]


# -- what cannot be a control ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (["x"] * 60, "it is x in every row"),
        ([3.5] * 60, "it is 3.5 in every row"),
        ([f"town {i}" for i in range(60)], "text of 60 levels, over 50"),
        ([np.nan] * 30 + list(range(30)), "it is missing in 50% of the rows"),
    ],
)
def test_what_is_left_out_is_said(values, said):
    plan = learn_controls(pd.DataFrame({"it": values}), ["it"], cap_days=None)
    assert plan.controls == ()
    assert said in plan.caveats[0]


def test_rows_without_a_number_are_found():
    frame = pd.DataFrame(
        {"x": [1.0, np.nan, np.inf] + [2.0] * 20, "g": [None, "a", "b"] + ["a"] * 20}
    )
    plan = learn_controls(frame, ["x", "g"], cap_days=None)
    assert missing_rows(plan, frame).tolist()[:4] == [False, True, True, False]


# -- the population --------------------------------------------------------------------------


def test_every_row_is_counted_once_under_the_first_reason(observations):
    obs = observations(10, churn_rule="inactivity")
    frame = obs.frame
    frame.loc[0, "outcome_complete"] = False
    frame.loc[0, "_status"] = "churned_before_response"  # open_window comes first
    frame.loc[1, "_status"] = "churned_before_response"
    frame.loc[2, "_status"] = "before_start"
    frame.loc[3, "_at_risk"] = False
    frame.loc[4, "_left_in_gap"] = True
    rows, left = count_reasons(exclusions(obs, "retention"), "retention")
    assert {row["reason"]: row["n"] for row in rows} == {
        "open_window": 1,
        "churned_before_response": 1,
        "not_at_risk": 1,
        "left_in_gap": 1,
        "before_start": 1,
    }
    assert {row["stage"] for row in rows} == {"lift.retention"}
    assert left.sum() == 5
    revenue = {row["reason"] for row in count_reasons(exclusions(obs, "revenue"), "revenue")[0]}
    assert "not_at_risk" not in revenue


# -- errors ----------------------------------------------------------------------------------


def test_an_unknown_control_names_the_nearest(observations):
    obs = observations(20)
    with pytest.raises(ConfigError, match=r"no column 'segmnt'\. Did you mean 'segment'"):
        candidate_controls(obs, _history(obs), ["segmnt"])


def test_an_outcome_is_no_control(observations):
    obs = observations(20)
    with pytest.raises(ConfigError, match="'revenue_after' is the rating or an outcome"):
        candidate_controls(obs, _history(obs), ["revenue_after"])


def test_a_control_dated_after_the_response_is_refused(observations):
    obs = observations(20)
    obs.frame["left_on"] = obs.frame["responded_at"] + pd.Timedelta(days=3)
    with pytest.raises(LeakageError, match="'left_on' is dated after the response in 20 rows"):
        candidate_controls(obs, _history(obs), ["left_on"])


@pytest.mark.parametrize("stated", [None, ["renewal"]])
def test_words_that_are_dates_after_the_response_are_refused(observations, stated):
    """The audit of the tables counts them: default attribute or stated control alike."""
    obs = observations(
        20, attributes=("renewal",), audit={"dated_after_response": {"renewal": 1204}}
    )
    obs.frame["renewal"] = "2026-01-01"
    said = r"control 'renewal' is dated after the response in 1,204 rows\. Remove it from lift\."
    with pytest.raises(LeakageError, match=said):
        candidate_controls(obs, _history(obs), stated)
    assert candidate_controls(obs, _history(obs), ["segment"]) == ("segment",)


def test_a_new_level_is_refused():
    plan = learn_controls(pd.DataFrame({"g": ["a"] * 20 + ["b"] * 20}), ["g"], cap_days=None)
    with pytest.raises(SchemaError, match=r"level that the fit never saw: 'z'\. It saw: a, b"):
        plan.matrix(pd.DataFrame({"g": ["z"]}))
