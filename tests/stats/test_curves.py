"""Splines and monotone steps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import CubicSpline
from sklearn.isotonic import IsotonicRegression

from cxmodel.stats.curves import monotone_steps, natural_spline, spline_knots

# -- worked by hand --------------------------------------------------------------------------


def test_spline_at_three_knots_by_hand():
    """Knots 0, 1, 3: at 2 it is (8 - 1 x 3/2) / 9, at 4 (64 - 27 x 3/2 + 1 x 1/2) / 9."""
    found = natural_spline(np.array([0.0, 2.0, 4.0]), np.array([0.0, 1.0, 3.0]))
    assert found[:, 0].tolist() == [0, 2, 4]
    assert found[:, 1] == pytest.approx([0, 6.5 / 9, 24 / 9])


def test_too_few_knots_leave_the_line():
    assert natural_spline(np.array([1.0, 2.0]), np.array([1.0, 2.0])).tolist() == [[1.0], [2.0]]


def test_knots_lie_where_the_base_lies():
    """Weights move them; where half give one rating they fall together."""
    values = np.array([1.0, 2, 3, 4, 5])
    assert spline_knots(values, np.array([0.04, 0.32, 0.3, 0.3, 0.04])).tolist() == [2, 3, 4]
    assert spline_knots(values, np.array([0.01, 0.01, 0.01, 0.01, 0.96])).tolist() == [5]


# -- against a reference ---------------------------------------------------------------------


def test_the_columns_span_the_natural_cubic_splines():
    """scipy's natural cubic spline through any values at the knots lies in their span."""
    knots = np.array([0.0, 3.0, 7.0, 10.0])
    at = np.linspace(0, 10, 41)
    wanted = CubicSpline(knots, [2.0, -1.0, 4.0, 3.0], bc_type="natural")(at)
    design = np.column_stack([np.ones(41), natural_spline(at, knots)])
    found = np.linalg.lstsq(design, wanted, rcond=None)[0]
    assert design @ found == pytest.approx(wanted, abs=1e-10)


def _moments(design, outcome, weights):
    return design.T @ (weights[:, None] * design), design.T @ (weights * outcome)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), slope=st.floats(-1, 1))
def test_without_controls_it_is_isotonic_regression(seed, slope):
    """scikit-learn's pool-adjacent-violators, rising or falling by which fits better."""
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 8, 60).astype(float)
    y, weights = slope * x + rng.normal(size=60), rng.uniform(0.5, 2, 60)
    levels = np.unique(x)
    design = np.column_stack([np.ones(60), x[:, None] >= levels[1:]]).astype(float)
    found = design @ monotone_steps(*_moments(design, y, weights), len(levels) - 1)
    fits = [
        IsotonicRegression(increasing=rising).fit(x, y, sample_weight=weights).predict(x)
        for rising in (True, False)
    ]
    best = min(fits, key=lambda fitted: weights @ (y - fitted) ** 2)
    assert found == pytest.approx(best, abs=1e-8)


# -- properties ------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_steps_have_one_sign_and_free_columns_are_least_squares_given_them(seed):
    rng = np.random.default_rng(seed)
    x, z = rng.integers(0, 6, 80), rng.normal(size=(80, 2))
    y = rng.normal(size=80) + 0.3 * x + z @ [1.0, -2.0]
    steps = (x[:, None] >= np.arange(1, 6)).astype(float)
    design = np.column_stack([np.ones(80), z, steps])
    found = monotone_steps(*_moments(design, y, np.ones(80)), 5)
    assert (found[3:] >= 0).all() or (found[3:] <= 0).all()
    gradient = design.T @ (y - design @ found)
    assert gradient[:3] == pytest.approx(0, abs=1e-8)


def test_a_true_monotone_curve_is_found_exactly():
    """No noise: every step comes back, with the control's slope."""
    rng = np.random.default_rng(1)
    x, z = rng.integers(0, 4, 200), rng.normal(size=200)
    y = np.array([0.0, 5.0, 5.0, 6.0])[x] + 2 * z
    design = np.column_stack([np.ones(200), z, x[:, None] >= np.arange(1, 4)]).astype(float)
    found = monotone_steps(*_moments(design, y, np.ones(200)), 3)
    assert found == pytest.approx([0, 2, 5, 0, 1], abs=1e-8)


def test_columns_that_never_vary_have_no_step():
    design = np.column_stack([np.ones(10), np.zeros(10)])
    found = monotone_steps(*_moments(design, np.arange(10.0), np.ones(10)), 1)
    assert found == pytest.approx([4.5, 0])
