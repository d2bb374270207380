"""What the report says of lifetime value: how, what a point adds, cohorts, and the backtest."""

import copy

import pytest

from cxmodel.report.blocks import Picture, Table
from cxmodel.report.figures import figures
from cxmodel.report.sections import cltv_section
from cxmodel.report.tables_csv import tables

pytestmark = pytest.mark.usefixtures("quick_pictures")
UNIT = "USD margin per customer over 180 days"


def estimate(value, low, high, unit=UNIT):
    return {
        "estimate": value,
        "std_error": (high - low) / 3.92,
        "conf_low": low,
        "conf_high": high,
        "conf_level": 0.95,
        "unit": unit,
        "n_obs": 900,
    }


@pytest.fixture
def full(values):
    found = copy.deepcopy(values)
    cltv = found["cltv"]
    cltv["kind"], cltv["kind_reason"] = "purchases", "nothing but missing bookings says who left"
    cltv["acquisition_cost"] = estimate(120.0, 120.0, 120.0, "USD per new customer")
    cltv["residual_lifetime"] = estimate(
        8.4, 7.0, 9.8, "discounted purchases still to come per customer, no horizon"
    )
    row = estimate(500.0, 450.0, 550.0)
    cltv["by_cohort"] = {
        "rows": [
            {"cohort": "2024", **row, "suppressed": False},
            {"cohort": "2025", **dict.fromkeys(row), "suppressed": True},
        ]
    }
    cltv["change"] = {
        "n_draws": 200,
        "n_clipped": 0,
        "drivers_of_uncertainty": {
            "rows": [{"term": "total", "input": "lift of revenue", "share": 1.0}]
        },
        "caveats": ["That the change in lifetime value lasts 12 months is an assumption"],
    }
    cltv["caveats"] = [*cltv["change"]["caveats"], "Money is netted."]
    cltv["backtest"] = {
        "status": "ok",
        "reason": None,
        "known_until": "2025-12-31",
        "holdout_days": 180.0,
        "n_learnt": 900,
        "n_customers": 900,
        "baseline_is": "as much as in the period before",
        "predicted": estimate(60.0, 55.0, 65.0),
        "actual": estimate(64.0, 58.0, 70.0),
        "baseline": estimate(80.0, 75.0, 85.0),
        "total_error": estimate(-6.2, -12.0, -0.4, "percent of what came"),
        "mean_absolute_error": estimate(20.0, 18.0, 22.0),
        "baseline_mean_absolute_error": estimate(31.0, 28.0, 34.0),
        "gain_over_baseline": estimate(11.0, 8.0, 14.0),
        "deciles": {
            "rows": [
                {
                    "decile": d,
                    "n_customers": 90,
                    "predicted": 10.0 * d,
                    "actual": 11.0 * d,
                    "conf_low": 8.0 * d,
                    "conf_high": 14.0 * d,
                }
                for d in range(1, 11)
            ]
        },
    }
    return found


def text_of(results):
    return "\n".join(
        part
        for block in cltv_section(results)
        for part in (block.plain_text(), getattr(block, "note", ""))
    )


def test_the_section_says_how_and_what_stands_beside(full):
    text = text_of(full)
    assert "purchases still expected of each customer" in text
    assert "as nothing but missing bookings says who left." in text
    assert "A new customer costs $120" in text
    assert "this is not taken off the value" in text
    assert "8.4 discounted purchases (7.0 to 9.8) are still to come" in text
    assert "All customers with a purchase together" in text


def test_the_change_is_drawn_and_its_assumption_stands_once(full):
    text = text_of(full)
    assert text.count("lasts 12 months is an assumption") == 1
    assert "Money is netted." in text
    pictures = [block for block in cltv_section(full) if isinstance(block, Picture)]
    assert any("By staying" in picture.alt for picture in pictures)
    assert "are worth" in text


def test_a_change_whose_interval_holds_zero_is_none(full):
    total = full["cltv"]["change_per_rating_point"]["total"]
    total["conf_low"], total["conf_high"] = -1.0, 19.2
    assert "No change in lifetime value per rating point is shown" in text_of(full)


def test_small_cohorts_are_not_shown(full):
    found = [block for block in cltv_section(full) if isinstance(block, Table)]
    cohorts = next(table for table in found if "when they started" in table.caption)
    assert [row["cohort"] for row in cohorts.rows] == ["2024"]


def test_the_backtest_is_said_in_numbers(full):
    text = text_of(full)
    assert "from what was known on 2025-12-31, the 180 days after it were foretold" in text
    assert "6.2% less was foretold than came" in text
    assert "off by $20.00 on average" in text
    assert "(as much as in the period before) by $31.00" in text
    assert "The plain rule came nearer" not in text
    worse = copy.deepcopy(full)
    worse["cltv"]["backtest"]["gain_over_baseline"] = estimate(-5.0, -8.0, -2.0)
    assert "do not rank customers by these values" in text_of(worse)


def test_a_forecast_that_failed_is_said_before_its_figures(full):
    assert "failed their test" not in text_of(full)
    full["cltv"]["backtest"]["gain_over_baseline"] = estimate(-5.0, -8.0, -2.0)
    text = text_of(full)
    assert "6% less was foretold than came; a plain rule came nearer" in text
    full["cltv"]["backtest"]["total_error"] = estimate(222.0, 128.0, 315.0, "percent")
    text = text_of(full)
    assert "222% more was foretold than came, and a plain rule came nearer" in text
    assert text.index("failed their test") < text.index("each, detractors")
    # wide, but it holds zero: nothing failed
    full["cltv"]["backtest"]["gain_over_baseline"] = estimate(-5.0, -18.0, 8.0)
    full["cltv"]["backtest"]["total_error"] = estimate(222.0, -10.0, 454.0, "percent")
    assert "failed their test" not in text_of(full)


def test_a_backtest_that_was_not_run_says_why(full):
    full["cltv"]["backtest"] = {"status": "not_run", "reason": "history is too short"}
    assert "was not held against a later period. History is too short." in text_of(full)


def test_tables_and_figures_are_written(full):
    found = tables(full)
    assert {"cltv_by_cohort", "cltv_backtest_deciles", "cltv_backtest"} <= set(found)
    assert found["cltv_change_uncertainty"][0]["share"] == 1.0
    assert {"cltv_change", "cltv_backtest"} <= set(figures(full))
