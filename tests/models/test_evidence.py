"""The evidence grade: which checks it needs, and what it says."""

from __future__ import annotations

import pytest

from cxmodel.models.checks.base import Check
from cxmodel.models.estimates.within_summary import WithinSummary
from cxmodel.models.evidence import (
    NEEDED,
    NEEDED_WITHIN,
    Evidence,
    first_sentence,
    grade,
    overall_evidence,
)


def _checks(**verdicts: str) -> list[Check]:
    return [
        Check(
            name=name,
            outcome="revenue",
            verdict=verdicts.get(name, "pass"),  # type: ignore[arg-type]
            text=f"About {name}. And more.",
        )
        for name in (*NEEDED, "linearity", "feedback")
    ]


def _within(**changes: object) -> WithinSummary:
    """Ten parameters and 300 customers whose rating changed, in three waves: just enough."""
    facts: dict[str, object] = {
        "n_obs": 1_200, "n_customers": 400, "n_changed": 300, "n_waves": 3, "n_params": 10,
        "n_overlapping": 0, "n_single": 0, "mundlak_statistic": 0.1, "mundlak_p_value": 0.9,
        "stands_first": "adjusted", "text": "",
    }  # fmt: skip
    return WithinSummary(**{**facts, **changes})  # type: ignore[arg-type]


def test_adjusted_when_all_needed_checks_ran_and_none_failed():
    assert grade(_checks()) == Evidence(
        "adjusted", "The checks that could be run found nothing; they cannot see everything."
    )


@pytest.mark.parametrize("name", NEEDED)
def test_a_warning_does_not_lower(name):
    assert grade(_checks(**{name: "warn"})).grade == "adjusted"


@pytest.mark.parametrize("name", NEEDED)
@pytest.mark.parametrize("verdict", ["fail", "not_run"])
def test_a_needed_check_that_failed_or_was_not_run_lowers_and_is_named(name, verdict):
    found = grade(_checks(**{name: verdict}))
    assert found.grade == "association"
    assert name in found.text
    assert f"about {name}." in found.text.lower()


def test_other_checks_do_not_grade():
    assert grade(_checks(linearity="fail")).grade == "adjusted"


@pytest.mark.parametrize(
    ("verdicts", "within", "expected"),
    [
        ({}, None, "adjusted"),
        ({"join": "fail"}, None, "association"),
        ({}, _within(), "within_customer"),
    ],
)
def test_a_failed_check_that_does_not_grade_is_named_and_nothing_denies_it(
    verdicts, within, expected
):
    found = grade(_checks(linearity="fail", **verdicts), within=within)
    assert found.grade == expected
    assert "The check linearity failed, which does not lower the grade: About linearity." in (
        found.text
    )
    assert "The checks that could be run found nothing" not in found.text
    if expected == "adjusted":
        assert first_sentence(found.text) == (
            "The checks that this grade rests on found nothing, but linearity failed; they cannot "
            "see all."
        )


def test_within_customer_by_its_own_conditions():
    found = grade(_checks(), within=_within())
    assert found.grade == "within_customer"
    assert "300 changed theirs, in up to 3 waves" in found.text


def test_within_customer_needs_nothing_of_what_only_the_adjusted_lift_leans_on():
    checks = _checks(placebo_before="fail", overlap="not_run", unobserved_confounding="fail")
    assert grade(checks, within=_within()).grade == "within_customer"


@pytest.mark.parametrize("changes", [{"n_waves": 2}, {"n_changed": 299}])
def test_too_few_waves_or_customers_leave_the_other_grades(changes):
    assert grade(_checks(), within=_within(**changes)).grade == "adjusted"
    assert grade(_checks(join="fail"), within=_within(**changes)).grade == "association"


@pytest.mark.parametrize("verdict", ["fail", "not_run"])
def test_feedback_must_have_passed(verdict):
    assert grade(_checks(feedback=verdict), within=_within()).grade == "adjusted"


@pytest.mark.parametrize("name", NEEDED_WITHIN)
def test_what_misleads_within_customers_too_stands_in_the_way(name):
    assert grade(_checks(**{name: "fail"}), within=_within()).grade == "association"


def test_mundlak_does_not_grade_but_the_text_says_whose_grade_it_is():
    found = grade(_checks(), within=_within(stands_first="within_customer"))
    assert found.grade == "within_customer"
    assert "This is the grade of the lift within customers" in found.text


def test_the_grade_adjusted_says_that_it_is_the_headline_s_where_the_other_stands_first():
    two_waves = _within(stands_first="within_customer", n_waves=2)
    found = grade(_checks(), within=two_waves)
    assert found.grade == "adjusted"
    assert "This is the grade of the adjusted lift, the headline" in found.text
    assert "This is the grade" not in grade(_checks(), within=_within(n_waves=2)).text


def test_the_overall_grade_is_the_lower():
    good, bad = Evidence("adjusted", "fine"), Evidence("association", "not")
    assert overall_evidence({"revenue": good, "retention": bad}) is bad
    assert overall_evidence({"revenue": good}) is good


def test_nothing_to_combine_is_refused():
    with pytest.raises(ValueError, match="no evidence"):
        overall_evidence({})
