"""Reliability: by hand, against statsmodels and closed forms, properties, errors, a simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.multivariate.factor import Factor

from cxmodel.stats.reliability import (
    fieller,
    group_correlation,
    left_by,
    omega,
    omega_of_rows,
    pair_correlation,
)

# -- by hand ---------------------------------------------------------------------------------


def test_pairs_by_hand():
    """(1,2), (3,4), (5,5): mean 10/3; products sum to 51/9, variances to 120/18; .85."""
    first, second = np.array([1.0, 3.0, 5.0]), np.array([2.0, 4.0, 5.0])
    found = pair_correlation(first, second, np.full(3, 1 / 3))
    assert found.value == pytest.approx(0.85)
    swapped = pair_correlation(second, first, np.full(3, 1 / 3))
    assert swapped.value == pytest.approx(0.85)
    assert found.influence.sum() == pytest.approx(0, abs=1e-15)


def test_groups_of_two_are_pairs_and_single_rows_say_nothing():
    values, groups = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 5.0, 99.0]), np.array([0, 0, 1, 1, 2, 2, 3])
    found = group_correlation(values, groups)
    pairs = pair_correlation(values[:6:2], values[1:6:2], np.full(3, 1 / 3))
    assert found.value == pytest.approx(pairs.value)
    assert found.influence == pytest.approx([*pairs.influence, 0.0])


def test_what_controls_leave_by_hand():
    assert left_by(0.7, 0.25) == pytest.approx(0.45 / 0.75)
    assert left_by(0.6, 0.0) == 0.6


def test_omega_of_three_unlike_items_in_closed_form():
    """Loadings .9, .6, .5 times spreads 1, 2, 3: of three items one factor is exact."""
    loadings, spread = np.array([0.9, 0.6, 0.5]), np.array([1.0, 2.0, 3.0])
    correlation = np.outer(loadings, loadings)
    np.fill_diagonal(correlation, 1.0)
    covariance = correlation * np.outer(spread, spread)
    common = (0.9 + 1.2 + 1.5) ** 2
    own = 1 - 0.81 + 4 * (1 - 0.36) + 9 * (1 - 0.25)
    assert omega(covariance, np.ones(3)) == pytest.approx(common / (common + own), rel=1e-8)
    assert omega(covariance, np.array([0.0, 1.0, 0.0])) == pytest.approx(0.36, rel=1e-8)


def test_two_items_that_run_against_each_other_are_as_reliable_as_they_correlate():
    covariance = np.array([[4.0, -1.2], [-1.2, 1.0]])  # correlation -.6
    assert omega(covariance, np.array([1.0, 0.0])) == pytest.approx(0.6)


def test_fieller_by_hand():
    """Numerator 2 known, denominator 1 +- .1, critical 2: 2 / 1.2 and 2 / .8."""
    assert fieller(2.0, 1.0, np.diag([0.0, 0.01]), 2.0) == pytest.approx((2 / 1.2, 2 / 0.8))
    assert fieller(2.0, 1.0, np.diag([0.0, 0.25]), 2.0) is None


# -- against a reference ---------------------------------------------------------------------


def test_omega_is_that_of_statsmodels_principal_axes():
    """statsmodels 0.15 Factor(method='pa'), one factor, four items."""
    rng = np.random.default_rng(4)
    common = rng.normal(size=500)
    items = common[:, None] * [0.9, 0.7, 0.5, 0.8] + rng.normal(size=(500, 4))
    correlation = np.corrcoef(items.T)
    fit = Factor(corr=correlation, n_factor=1, method="pa").fit(maxiter=5_000, tol=1e-14)
    loadings = fit.loadings[:, 0]
    expected = loadings.sum() ** 2 / (loadings.sum() ** 2 + (1 - loadings**2).sum())
    assert omega(correlation, np.ones(4)) == pytest.approx(expected, rel=1e-6)


def test_fieller_ends_are_where_the_test_of_the_ratio_just_rejects():
    covariance, critical = np.array([[0.04, 0.006], [0.006, 0.01]]), 1.96
    for end in fieller(2.5, 0.4, covariance, critical) or ():
        gradient = np.array([1.0, -end])
        error = np.sqrt(gradient @ covariance @ gradient)
        assert abs(2.5 * 0.4 - end * 0.4) / error == pytest.approx(critical)


# -- properties ------------------------------------------------------------------------------


@given(st.integers(0, 1_000), st.floats(-50, 50), st.floats(0.1, 20))
def test_neither_offset_nor_unit_moves_a_correlation(seed, offset, unit):
    rng = np.random.default_rng(seed)
    first, second = rng.normal(size=(2, 20))
    weights = np.full(20, 0.05)
    found = pair_correlation(first, second, weights).value
    moved = pair_correlation(offset + unit * first, offset + unit * second, weights).value
    assert moved == pytest.approx(found, abs=1e-9)


# -- errors ----------------------------------------------------------------------------------


def test_what_cannot_be_told_is_refused():
    same = np.ones(4)
    with pytest.raises(ValueError, match="no variance to share"):
        pair_correlation(same, same, np.full(4, 0.25))
    with pytest.raises(ValueError, match="No group has two rows"):
        group_correlation(np.array([1.0, 2.0]), np.array([0, 1]))
    with pytest.raises(ValueError, match="do not go together"):
        omega(np.eye(2), np.ones(2))
    heywood = np.array([[1.0, 0.9, 0.9], [0.9, 1.0, 0.5], [0.9, 0.5, 1.0]])
    with pytest.raises(ValueError, match="would hold no noise"):
        omega(heywood, np.ones(3))
    with pytest.raises(ValueError, match="same value in every row"):
        omega_of_rows(np.ones((5, 2)), np.ones(2), np.full(5, 0.2))


# -- recovery --------------------------------------------------------------------------------


def test_errors_are_as_large_as_estimates_spread():
    """True reliability .6 of pairs, .5 of one item of three: mean and spread over 200 samples."""
    rng = np.random.default_rng(1)
    pairs, items = [], []
    weights = np.full(300, 1 / 300)
    for _ in range(200):
        true = rng.normal(size=300) * np.sqrt(0.6)
        first, second = true + rng.normal(size=(2, 300)) * np.sqrt(0.4)
        found = pair_correlation(first, second, weights)
        pairs.append((found.value, np.sqrt((found.influence**2).sum())))
        answers = rng.normal(size=(300, 1)) + rng.normal(size=(300, 3))
        one = omega_of_rows(answers, np.array([1.0, 0.0, 0.0]), weights)
        items.append((one.value, np.sqrt((one.influence**2).sum())))
    for found, truth in ((np.array(pairs), 0.6), (np.array(items), 0.5)):
        spread = found[:, 0].std()
        assert found[:, 0].mean() == pytest.approx(truth, abs=4 * spread / 14 + 0.005)
        assert found[:, 1].mean() == pytest.approx(spread, rel=0.2)
