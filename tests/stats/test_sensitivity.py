"""Robustness values and bounds, held to the published example of Cinelli & Hazlett (2020)."""

from __future__ import annotations

import math

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t as student

from cxmodel.stats.linear import fit_least_squares
from cxmodel.stats.sensitivity import (
    Slope,
    adjusted,
    benchmark,
    bias,
    group_partial_r2,
    partial_r2,
    robustness_value,
)

# Table 1 of the paper and, with more digits, tests/testthat/test-02-darfur.R of the authors'
# package sensemakr 0.1: wish for peace on direct harm, with controls and villages, 783 degrees.
DARFUR = Slope(estimate=0.09731582, classical_error=0.02325654, deg_freedom=783)

strengths = st.floats(0.001, 0.45)


# -- worked by hand --------------------------------------------------------------------------


def test_partial_r2_by_hand():
    """t = 2 on 10 degrees: 4 / (4 + 10)."""
    assert partial_r2(2.0, 10) == pytest.approx(4 / 14)


def test_robustness_value_by_hand():
    """F = 1: half of (sqrt(5) - 1), the golden ratio's smaller part."""
    slope = Slope(estimate=10.0, classical_error=1.0, deg_freedom=100)
    assert robustness_value(slope) == pytest.approx((math.sqrt(5) - 1) / 2)


def test_bias_and_adjusted_error_by_hand():
    """Error 3, 100 degrees, R2 .3 and .4: bias 3 x 10 x sqrt(.4 x .3 / .7); sensemakr test-01."""
    slope = Slope(estimate=2.0, classical_error=3.0, deg_freedom=100)
    moved = 30 * math.sqrt(0.12 / 0.7)
    assert bias(slope, 0.3, 0.4) == pytest.approx(moved)
    found = adjusted(slope, 0.3, 0.4)
    assert found.estimate == pytest.approx(2 - moved)
    assert found.std_error == pytest.approx(3 * math.sqrt(100 / 99) * math.sqrt(0.6 / 0.7))


def test_a_control_that_tells_half_of_the_treatment_leaves_no_bound():
    assert benchmark(0.6, 0.1) == (1.0, 1.0)
    assert bias(DARFUR, 1.0, 1.0) == math.inf


# -- against a reference ---------------------------------------------------------------------


def test_the_published_example():
    assert DARFUR.t == pytest.approx(4.18445, abs=1e-4)
    assert partial_r2(DARFUR.t, 783) == pytest.approx(0.02187309, rel=1e-5)
    assert robustness_value(DARFUR) == pytest.approx(0.138776, rel=1e-5)
    assert robustness_value(DARFUR, alpha=0.05) == pytest.approx(0.07625797, rel=1e-5)


# One, two and three times female, sensemakr test-02-darfur.R
@pytest.mark.parametrize(
    ("with_treatment", "with_outcome", "estimate", "std_error", "low", "high"),
    [
        (0.00916428667504862, 0.12464092303637, 0.07522027, 0.02187333, 0.03228296, 0.11815758),
        (0.0183285733500972, 0.249324064199975, 0.05291517, 0.02035006, 0.01296803, 0.09286231),
        (0.0274928600251459, 0.374050471038094, 0.03039602, 0.01867007, -0.00625329, 0.06704533),
    ],
)
def test_the_published_bounds(with_treatment, with_outcome, estimate, std_error, low, high):
    found = adjusted(DARFUR, with_treatment, with_outcome)
    assert found.estimate == pytest.approx(estimate, abs=2e-8)
    assert found.std_error == pytest.approx(std_error, abs=2e-8)
    # the package's interval takes Student's t at 783 degrees, its robustness value (and equation
    # 18) at 782, as here: that moves the ends by 8e-8
    assert (found.conf_low, found.conf_high) == pytest.approx((low, high), abs=1e-7)
    half = found.std_error * float(student.ppf(0.975, 783))
    assert found.estimate - half == pytest.approx(low, abs=2e-8)


def test_the_published_yardstick():
    """Female: R2 with harm .00908 gives .00916; with peace .1246 needs .1210 (section 4.4)."""
    with_treatment = 0.00916428667504862
    r2_treatment = with_treatment / (1 + with_treatment)
    shared = r2_treatment**2 / (1 - r2_treatment) ** 2
    widened = ((1 + math.sqrt(shared)) / math.sqrt(1 - shared)) ** 2
    odds = 0.12464092303637 / widened
    found = benchmark(r2_treatment, odds / (1 + odds))
    assert found == pytest.approx((with_treatment, 0.12464092303637), rel=1e-12)


def test_group_partial_r2_is_that_of_two_fits():
    """Sum of squares without the group less that with it, over the former (statsmodels)."""
    rng = np.random.default_rng(5)
    columns = rng.normal(size=(300, 4))
    outcome = columns @ [0.5, -0.2, 0.3, 0.0] + rng.normal(size=300)
    weights = rng.uniform(0.5, 2.0, 300)
    design = np.column_stack([np.ones(300), columns])
    whole = sm.WLS(outcome, design, weights).fit()
    less = sm.WLS(outcome, design[:, [0, 1, 4]], weights).fit()
    fit = fit_least_squares(design, outcome, weights)
    assert group_partial_r2(fit, np.array([2, 3])) == pytest.approx(1 - whole.ssr / less.ssr)


def test_group_partial_r2_of_one_column_is_that_of_its_t():
    rng = np.random.default_rng(6)
    design = np.column_stack([np.ones(80), rng.normal(size=(80, 2))])
    outcome = design @ [1.0, 0.4, 0.1] + rng.normal(size=80)
    other = sm.OLS(outcome, design).fit()
    fit = fit_least_squares(design, outcome)
    assert group_partial_r2(fit, np.array([1])) == pytest.approx(partial_r2(other.tvalues[1], 77))


def test_bias_is_that_of_leaving_a_column_out():
    """The formula is exact: slopes of two fits differ by it (Cinelli & Hazlett, equation 8)."""
    rng = np.random.default_rng(7)
    cause = rng.normal(size=400)
    treatment = 0.6 * cause + rng.normal(size=400)
    outcome = 1.0 * treatment + 0.8 * cause + rng.normal(size=400)
    short = sm.OLS(outcome, sm.add_constant(treatment)).fit()
    long = sm.OLS(outcome, sm.add_constant(np.column_stack([treatment, cause]))).fit()
    first = sm.OLS(treatment, sm.add_constant(cause)).fit()
    slope = Slope(estimate=short.params[1], classical_error=short.bse[1], deg_freedom=398)
    moved = bias(slope, first.rsquared, partial_r2(long.tvalues[2], 397))
    assert moved == pytest.approx(abs(short.params[1] - long.params[1]), rel=1e-10)
    found = adjusted(slope, first.rsquared, partial_r2(long.tvalues[2], 397))
    assert found.std_error == pytest.approx(long.bse[1], rel=1e-10)


# -- properties ------------------------------------------------------------------------------


@given(t=st.floats(0.1, 30), degrees=st.integers(20, 5_000))
def test_a_cause_of_the_robustness_value_takes_the_slope_away(t, degrees):
    slope = Slope(estimate=t, classical_error=1.0, deg_freedom=degrees)
    value = robustness_value(slope)
    assert 0 <= value < 1
    assert adjusted(slope, value, value).estimate == pytest.approx(0, abs=1e-8 * t)


@given(t=st.floats(2.5, 12), degrees=st.integers(200, 5_000), wider=st.floats(0.5, 2.0))
def test_a_cause_of_the_5_percent_value_brings_the_interval_to_zero(t, degrees, wider):
    """Also with an error of its own, and degrees of freedom of its own."""
    slope = Slope(
        estimate=-t,
        classical_error=1.0,
        deg_freedom=degrees,
        std_error=wider,
        error_deg_freedom=60,
    )
    value = robustness_value(slope, alpha=0.05)
    if value == 0:
        return
    assert adjusted(slope, value, value).conf_high == pytest.approx(0, abs=1e-8 * t)


@given(strength=st.floats(1.5, 20), share=st.floats(0, 1))
def test_against_a_strong_slope_no_weaker_cause_reaches_zero(strength, share):
    """There a cause that explains less of the outcome than of the treatment is the worst."""
    slope = Slope(estimate=strength * 10, classical_error=1.0, deg_freedom=100)
    value = robustness_value(slope, alpha=0.05)
    assert adjusted(slope, value, share * value).conf_low >= -1e-6 * slope.estimate


@given(r2_treatment=strengths, r2_outcome=strengths)
def test_a_yardstick_is_no_weaker_than_its_control(r2_treatment, r2_outcome):
    with_treatment, with_outcome = benchmark(r2_treatment, r2_outcome)
    assert r2_treatment <= with_treatment <= 1
    assert min(r2_outcome, 1) <= with_outcome <= 1


def test_an_error_of_its_own_that_is_wider_lowers_the_5_percent_value_alone():
    wide = Slope(
        estimate=DARFUR.estimate,
        classical_error=DARFUR.classical_error,
        deg_freedom=783,
        std_error=1.5 * DARFUR.classical_error,
    )
    assert robustness_value(wide) == robustness_value(DARFUR)
    assert robustness_value(wide, alpha=0.05) < robustness_value(DARFUR, alpha=0.05)


def test_an_interval_that_holds_zero_has_no_5_percent_value():
    slope = Slope(estimate=1.0, classical_error=1.0, deg_freedom=50)
    assert robustness_value(slope, alpha=0.05) == 0.0


# -- errors ----------------------------------------------------------------------------------


def test_nothing_is_left_to_compare():
    with pytest.raises(ValueError, match="leaves nothing to compare"):
        adjusted(DARFUR, 1.0, 0.5)
