"""The report's specification curve and curve: picture, table, files."""

from __future__ import annotations

import csv

import pytest

from cxmodel.report import write_figures, write_tables
from cxmodel.report.sections.curve import curve_blocks
from cxmodel.report.sections.estimators import (
    estimator_pictures,
    estimator_rows,
    estimator_table,
)
from cxmodel.report.sections.lift import lift_section

STEP = {
    "std_error": 1.0,
    "conf_level": 0.95,
    "unit": "USD per rating point per customer per 180 days",
    "suppressed": False,
}


def _with_curve(values):
    values["lift"]["revenue"]["curve"] = {
        "rows": [{"rating": 3, "line": 10.0, "monotone": 9.0, "estimate": 11.0, **STEP}],
        "comparison": {"rows": [{"shape": "line", "share_explained": 0.02}]},
        "text": "On customers that the fit did not see, the line tells 2.0%.",
    }
    values["lift"]["revenue"]["plus_one_by_band"] = {
        "rows": [
            {"band": "detractor", "estimate": 6.0, "conf_low": 4.0, "conf_high": 8.0,
             "n_obs": 300, **STEP},
            {"band": "passive", "estimate": 3.0, "conf_low": 1.0, "conf_high": 5.0,
             "n_obs": 200, **STEP},
            {"band": "promoter", "estimate": None, "conf_low": None, "conf_high": None,
             "n_obs": None, **STEP, "suppressed": True},
        ]
    }  # fmt: skip
    return values


@pytest.mark.parametrize("outcome", ["revenue", "retention"])
def test_the_table_names_the_headline_and_every_estimate(values, outcome):
    (table,) = estimator_table(values, outcome)
    labels = [row["label"] for row in table.rows]
    assert "Adjusted (headline)" in labels
    assert len(labels) == len(set(labels)) == len(estimator_rows(values, outcome))
    marked = [row["label"] for row in table.rows if row["_tone"] == "good"]
    assert marked == ["Adjusted (headline)"]


@pytest.mark.parametrize("grade", ["within_customer", "adjusted", "association"])
def test_what_mundlak_puts_first_is_read_first_and_the_headline_keeps_its_name(
    values, helpers, grade
):
    """Whatever the grade (methods 2.4): order and label change, the headline does not."""
    lift = values["lift"]["revenue"]
    lift["within_customer_per_rating_point"] = {**lift["per_rating_point"], "estimate": 4.88}
    lift["within_customer"] = {"stands_first": "within_customer", "text": ""}
    found = helpers.with_grade(values, grade)
    (table,) = estimator_table(found, "revenue")
    labels = [row["label"] for row in table.rows]
    at = labels.index("Within customers (read first)")
    assert labels[at + 1] == "Adjusted (headline)"
    assert [row["label"] for row in table.rows if row["_tone"] == "good"] == ["Adjusted (headline)"]
    assert "KPI points, groups and programmes are counted with" in table.caption
    lift["within_customer"] = {"stands_first": "adjusted", "text": ""}
    (table,) = estimator_table(helpers.with_grade(values, grade), "revenue")
    labels = [row["label"] for row in table.rows]
    assert labels.index("Adjusted (headline)") < labels.index("Within customers")


def test_the_picture_holds_one_unit_and_says_its_marks(values):
    (block,) = estimator_pictures(values, "revenue")
    assert "In percent" not in block.alt
    assert "the shaded band is the headline's" in block.caption


def test_estimates_of_a_later_version_are_not_listed(values):
    values["lift"]["revenue"]["two_part_per_rating_point"] = {
        "status": "not_run",
        "reason": "it comes with a later version of cxmodel",
    }
    terms = [row["term"] for row in estimator_rows(values, "revenue")]
    assert "two_part_per_rating_point" not in terms


def test_a_lift_that_was_not_run_has_no_estimates(values, helpers):
    changed = helpers.without(values, lift="no customers")
    assert estimator_rows(changed, "revenue") == []
    assert estimator_table(changed, "revenue") == []


def test_the_lift_section_says_the_curve_and_where_customers_start(values):
    said, table = curve_blocks(_with_curve(values), "revenue")
    assert "the line tells 2.0%" in said.plain_text()
    assert [row["band"] for row in table.rows] == ["Detractors", "Passives"]
    assert table.rows[0]["value"] == "$6.00"
    text = "\n".join(block.plain_text() for block in lift_section(values))
    assert "by where customers start" in text
    assert "Every estimate of the lift of revenue" in text


def test_without_a_curve_nothing_is_said(values):
    assert curve_blocks(values, "revenue") == []


def test_files_hold_the_specification_curve(values, tmp_path):
    names = {path.stem for path in write_tables(_with_curve(values), tmp_path)}
    assert names >= {
        "lift_revenue_estimators",
        "lift_retention_estimators",
        "lift_revenue_curve",
        "lift_revenue_curve_comparison",
        "lift_revenue_plus_one_by_band",
    }
    with (tmp_path / "lift_revenue_estimators.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    headline = next(row for row in rows if row["is_headline"] == "true")
    estimate = values["lift"]["revenue"]["per_rating_point"]["estimate"]
    assert float(headline["estimate"]) == estimate
    assert headline["controls"] == "true"
    figures = {path.stem for path in write_figures(values, tmp_path)}
    assert {"lift_revenue_estimators", "lift_retention_estimators"} <= figures
