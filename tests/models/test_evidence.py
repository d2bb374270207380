"""The evidence grade: which checks it needs, and what it says."""

from __future__ import annotations

import pytest

from cxmodel.models.checks.base import Check
from cxmodel.models.evidence import NEEDED, Evidence, grade, overall_evidence


def _checks(**verdicts: str) -> list[Check]:
    return [
        Check(
            name=name,
            outcome="revenue",
            verdict=verdicts.get(name, "pass"),  # type: ignore[arg-type]
            text=f"About {name}. And more.",
        )
        for name in (*NEEDED, "linearity")
    ]


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


def test_the_overall_grade_is_the_lower():
    good, bad = Evidence("adjusted", "fine"), Evidence("association", "not")
    assert overall_evidence({"revenue": good, "retention": bad}) is bad
    assert overall_evidence({"revenue": good}) is good


def test_nothing_to_combine_is_refused():
    with pytest.raises(ValueError, match="no evidence"):
        overall_evidence({})
