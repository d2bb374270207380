"""Sentences that would be easy to get wrong: what a rate counts, what a curve is, who is told."""

import copy

import pytest

from cxmodel.report import sections
from cxmodel.report.blocks import Table
from cxmodel.report.sections import common

from .test_sections import all_text, first_page

pytestmark = pytest.mark.usefixtures("quick_pictures")


@pytest.fixture
def flat(values):
    """One table already joined, whose churn lies in a window of 91 days."""
    values["study"] |= {"churn_rule": "observed", "window_words": "91 days"}
    return values


@pytest.fixture
def silent(values):
    values["study"] |= {"churn_rule": "inactivity", "window_words": "180 days"}
    values["study"]["windows"]["inactive_days"] = 180
    values["retention"] |= {"n_obs": 4912, "n_events": 3153}
    return values


def test_a_churn_rate_of_responses_is_not_one_of_customers(values):
    values["study"]["window_words"] = "180 days"
    text = all_text(values)
    assert "of responses the customer left within 180 days" in text
    assert "% of customers left" not in text


def test_a_churn_rate_of_a_flat_table_is_one_of_customers(flat):
    assert "of customers left within 91 days" in all_text(flat)


def test_a_curve_chained_from_one_window_is_no_forecast(flat):
    text = all_text(flat)
    assert "What this curve is, and what it is not" in text
    assert "If the one window seen repeated itself" in text
    assert "so it is no forecast" in text
    assert "are still there" not in text
    assert "Value per customer" not in first_page(flat)


def test_months_count_from_the_first_answer_or_from_the_start(values):
    assert "after their first answer" in all_text(values)
    values["study"] |= {"churn_rule": "observed", "window_words": "observation window"}
    assert "after starting" in all_text(values)


def test_a_curve_read_from_silence_is_not_continued(silent):
    text = all_text(silent)
    assert "3,153 of 4,912 customers have been silent for 180 days" in text
    assert "the flat start is made by the rule" in text
    assert "projected to" not in text
    assert "are still there" not in text


def test_a_model_no_better_than_chance_chooses_nobody(values):
    metrics = values["churn"]["metrics"]
    metrics["roc_auc"] = {"estimate": 0.55, "conf_low": 0.47, "conf_high": 0.63}
    text = all_text(values)
    assert "foreseen no better than by chance" in text
    assert "This model should not choose whom to call" in text
    assert "What goes with leaving, the strongest first" not in text
    assert "of customers at most risk" not in text


def test_probabilities_of_the_wrong_level_are_said_to_be_so(values):
    values["churn"]["calibration"] = [
        {"predicted": 0.02 * k, "observed": 0.3, "n": 90} for k in range(1, 5)
    ]
    assert "More left than was foretold: 30.0%, against 5.0%" in all_text(values)


def test_what_goes_with_leaving_leaves_out_what_is_not_shown(values):
    row = {"unit": "log-odds of churn per unit", "conf_level": 0.95, "n_obs": 900}
    values["churn"]["coefficients"] = [
        {**row, "term": "seats", "estimate": 0.001, "conf_low": 0.0005, "conf_high": 0.0015,
         "standardised": 0.7, "standardised_conf_low": 0.35, "standardised_conf_high": 1.05},
        {**row, "term": "plan: Pro", "estimate": 2.0, "conf_low": -1.0, "conf_high": 5.0},
        {**row, "term": "plan: Basic", "estimate": 0.5, "conf_low": 0.2, "conf_high": 0.8},
    ]  # fmt: skip
    tables = [b for b in sections.churn_section(values) if isinstance(b, Table)]
    shown = tables[-1].rows
    # worked by hand: exp(0.7) = 2.01, exp(0.5) = 1.65
    assert [r["term"] for r in shown] == ["Seats, one standard deviation more", "Plan: Basic"]
    assert [r["value"] for r in shown] == ["2.01", "1.65"]
    assert "1 column more in the tables" in tables[-1].note


def test_a_lift_that_few_expect_is_reported_with_what_may_explain_it(values, helpers):
    changed = helpers.with_lift(values, "retention", -0.03, -0.04, -0.02)
    text = all_text(changed)
    assert "Higher ratings go with less retention: what may explain it" in text
    assert "The figure is reported as it is." in text
    assert "Higher ratings go with less retention." in first_page(changed)


def test_nothing_is_said_of_an_adjustment_of_what_is_not_shown(values, helpers):
    changed = helpers.with_lift(values, "revenue", 0.4, -1.0, 1.8)
    raw = changed["lift"]["revenue"]["unadjusted_per_rating_point"]
    raw |= {"estimate": -1.0, "conf_low": -3.0, "conf_high": 1.0}
    text = all_text(changed)
    assert "Neither the plain difference nor the adjusted one is shown" in text
    assert "turns the sign" not in text


def test_long_times_are_said_in_days(values):
    row = next(r for r in values["kpis"]["rows"] if not r["group"] and r["period"] is None)
    long = {**copy.deepcopy(row), "kpi": "time_to_resolution", "unit": "hours, median"}
    long |= {"estimate": 240.0, "conf_low": 216.0, "conf_high": 264.0, "median": 240.0}
    found = [r for r in values["kpis"]["rows"] if r["kpi"] != "time_to_resolution"]
    values["kpis"]["rows"] = [*found, long]
    said = common.kpi_overall(values, "time_to_resolution")
    assert (said["estimate"], said["unit"]) == (10.0, "days, median")


def test_checks_that_were_not_run_are_listed_once_for_both_outcomes(values):
    for outcome in ("revenue", "retention"):
        values["checks"]["rows"].append(
            {"name": "feedback", "outcome": outcome, "verdict": "not_run", "text": "Two waves."}
        )
    assert "Feedback (revenue and retention). Two waves." in all_text(values)


def test_one_reason_of_both_outcomes_is_given_once(values, helpers):
    why = "revenue: no customer is named; retention: no customer is named"
    text = first_page(helpers.without(values, lift=why))
    assert text.count("No customer is named.") == 1


def test_what_no_study_can_have_yet_stands_in_one_line(values, helpers):
    why = "key drivers come in a later version of cxmodel"
    values |= {"drivers": helpers.not_run(why), "journey": helpers.not_run(why)}
    text = all_text(values)
    assert "Not part of this version of cxmodel: " in text
    assert why not in text
