"""The specification curve: names, choices, one unit, and the headline among them."""

from __future__ import annotations

import pytest

from cxmodel.models.estimates.estimators import (
    CHOICES,
    ESTIMATORS,
    in_one_unit,
    specification_rows,
    telling_choices,
)
from cxmodel.models.lift import LiftModel

MONEY = "USD per rating point per customer per 180 days"


def _estimate(value, unit=MONEY):
    return {"estimate": value, "conf_low": value - 1, "conf_high": value + 1, "unit": unit}


TERMS = {
    "per_rating_point": _estimate(4.0),
    "unadjusted_per_rating_point": _estimate(9.0),
    "additive_per_rating_point": _estimate(5.0),
    "unweighted_per_rating_point": _estimate(4.0),
    "weighted_per_rating_point": {"status": "not_run", "reason": "no response weights"},
    "percent_per_rating_point": _estimate(3.0, "percent per rating point"),
    "within_customer_per_rating_point": _estimate(2.0),
}


# -- worked by hand --------------------------------------------------------------------------


def test_one_axis_holds_one_unit_the_largest_first():
    found = in_one_unit(specification_rows(TERMS, is_interacted=True))
    assert [row["estimate"] for row in found] == [9.0, 5.0, 4.0, 2.0]
    assert [row["label"] for row in found if row["is_headline"]] == ["Adjusted (headline)"]


def test_the_table_holds_every_unit_and_what_was_not_run():
    found = {row["term"]: row for row in specification_rows(TERMS, is_interacted=True)}
    assert found["percent_per_rating_point"]["estimate"] == 3.0
    assert found["weighted_per_rating_point"]["reason"] == "no response weights"
    # without weights it is the headline itself
    assert "unweighted_per_rating_point" not in found


def test_choices_follow_the_headline():
    rows = specification_rows(TERMS, is_interacted=True)
    made = {row["term"]: [c for c, is_made in row["choices"].items() if is_made] for row in rows}
    assert made["unadjusted_per_rating_point"] == []
    assert made["per_rating_point"] == ["Controls", "Slopes differ"]
    assert made["within_customer_per_rating_point"] == ["Same customer"]
    assert telling_choices(in_one_unit(rows)) == ["Controls", "Slopes differ", "Same customer"]
    additive = specification_rows(TERMS, is_interacted=False)
    headline = next(row for row in additive if row["is_headline"])
    assert not headline["choices"]["Slopes differ"]


def test_weights_are_marked_where_the_headline_has_them():
    weighted = {**TERMS, "weighted_per_rating_point": _estimate(4.0)}
    weighted["unweighted_per_rating_point"] = _estimate(6.0)
    rows = {row["term"]: row for row in specification_rows(weighted, is_interacted=False)}
    assert rows["per_rating_point"]["choices"]["Weights"]
    assert rows["weighted_per_rating_point"]["choices"]["Weights"]
    assert not rows["unweighted_per_rating_point"]["choices"]["Weights"]
    assert not rows["unadjusted_per_rating_point"]["choices"]["Weights"]


def test_a_term_that_is_not_listed_is_shown_all_the_same():
    rows = specification_rows({**TERMS, "new_arm_per_rating_point": _estimate(1.0)},
                              is_interacted=True)  # fmt: skip
    assert rows[-1]["label"] == "New arm"


def test_without_a_headline_the_first_gives_the_unit():
    rows = specification_rows(
        {
            "per_rating_point": {"status": "not_run", "reason": "separated"},
            "percent_per_rating_point": _estimate(3.0, "percent per rating point"),
        },
        is_interacted=False,
    )
    assert [row["term"] for row in in_one_unit(rows)] == ["percent_per_rating_point"]
    assert in_one_unit(rows[:1]) == []


# -- properties ------------------------------------------------------------------------------


@pytest.mark.parametrize("outcome", ["revenue", "retention"])
def test_every_term_of_a_lift_is_listed(observations, outcome):
    lift = LiftModel(outcome=outcome).fit(observations(600, seed=1))
    frame = lift.estimates_frame()
    assert set(lift.terms) - set(frame["term"]) <= {"unweighted_per_rating_point"}
    assert {estimator.term for estimator in ESTIMATORS} == set(lift.terms)
    assert frame["is_headline"].sum() == 1
    assert set(CHOICES) <= set(frame.columns)
    headline = frame[frame["is_headline"]].iloc[0]
    assert headline["estimate"] == lift.per_rating_point().estimate
    assert frame[frame["estimate"].isna()]["reason"].notna().all()


def test_the_picture_names_the_headline_and_leaves_percent_out(observations):
    lift = LiftModel().fit(observations(600, seed=1))
    figure = lift.plot_estimates()
    labels = [tick.get_text() for tick in figure.axes[0].get_yticklabels()]
    assert "Adjusted (headline)" in labels
    assert "In percent" not in labels
    assert figure.axes[0].get_xlabel() == lift.units.slope
    assert len(figure.axes) == 2
