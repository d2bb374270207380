"""Sample sizes: kpis.md B (R11, R12), F and K13."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.power import NormalIndPower

from cxmodel.kpis.planning import (
    answers_for_nps_margin,
    answers_per_wave_nps,
    answers_per_wave_nps_points,
    answers_per_wave_share,
    nps_margin,
    nps_variance,
)
from cxmodel.kpis.service import invitations_needed

# -- worked by hand ------------------------------------------------------------------------------


def test_variance_of_50_and_20():
    # published.md: p + d - (p - d)^2 = .70 - .09
    assert nps_variance(0.5, 0.2) == pytest.approx(0.61)


@pytest.mark.parametrize(
    ("n", "margin"),
    [(30, 27.9), (50, 21.6), (100, 15.3), (200, 10.8), (400, 7.7), (1000, 4.8)],  # F
)
def test_margin_of_the_nps(n: int, margin: float):
    assert nps_margin(n) == pytest.approx(margin, abs=0.05)


@pytest.mark.parametrize(("margin", "n"), [(10, 235), (5, 938), (3, 2_604), (2, 5_859)])  # F
def test_answers_for_a_margin(margin: float, n: int):
    assert answers_for_nps_margin(margin) == n


def test_answers_per_wave_of_the_goals():
    # R11: NPS 20 to 30 (.45/.25 to .50/.20) 997; CSAT 70% to 80% 291
    assert answers_per_wave_nps((0.45, 0.25), (0.50, 0.20)) == 997
    assert answers_per_wave_share(0.70, 0.80) == 291


def test_a_drop_of_two_points_needs_many():
    # R12: 23,940 per wave at a variance of .61
    assert answers_per_wave_nps_points(2) == 23_940


@pytest.mark.parametrize(("prob", "n"), [(0.05, 18_760), (0.20, 4_690)])  # K13
def test_invitations_for_five_points(prob: float, n: int):
    assert invitations_needed(answers_for_nps_margin(5), prob) == n


# -- against a reference -------------------------------------------------------------------------


def test_agrees_with_statsmodels():
    # statsmodels solves for a standardised change and equal variances
    effect = 0.02 / 0.61**0.5
    n = NormalIndPower().solve_power(effect, alpha=0.05, power=0.8)
    assert answers_per_wave_nps_points(2) == pytest.approx(n, abs=1)


# -- properties ----------------------------------------------------------------------------------


@given(st.floats(0.5, 50))
def test_that_many_answers_reach_the_margin(margin: float):
    n = answers_for_nps_margin(margin)
    assert nps_margin(n) <= margin + 1e-6
    if n > 1:
        assert nps_margin(n - 1) >= margin - 1e-6


@given(st.floats(0.05, 0.45), st.floats(0.5, 0.95))
def test_direction_does_not_matter(low: float, high: float):
    assert answers_per_wave_share(low, high) == answers_per_wave_share(high, low)


# -- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: nps_variance(0.8, 0.3), "add up to at most 1"),
        (lambda: nps_margin(0), "above 0"),
        (lambda: answers_per_wave_share(0.7, 0.7), "are equal"),
        (lambda: answers_per_wave_share(70, 80), r"\[0, 1\]"),
        (lambda: answers_per_wave_nps_points(2, power=1), "power"),
        (lambda: invitations_needed(100, 0), r"\(0, 1\]"),
    ],
)
def test_impossible_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call()
