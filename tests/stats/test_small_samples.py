"""Small samples: closed forms, dense algebra, statsmodels, recovery."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import sqrtm
from scipy.stats import t
from statsmodels.stats.oneway import anova_oneway

from cxmodel.stats.linear import fit_least_squares, orthonormal_of
from cxmodel.stats.small_samples import (
    satterthwaite_degrees,
    student_p,
    welch_degrees,
    welch_test,
)


def _direction(fit, column):
    return np.linalg.solve(fit.triangle.T, fit.basis.back[column])


def _two_samples(n_low, n_high):
    x = np.repeat([0.0, 1.0], [n_low, n_high])
    design = np.column_stack([np.ones(len(x)), x])
    fit = fit_least_squares(design, np.random.default_rng(1).normal(size=len(x)))
    return fit, orthonormal_of(fit.basis, fit.triangle, fit.weights)


# -- by hand ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("n_low", "n_high"), [(27, 3), (10, 10), (5, 40)])
def test_difference_of_two_means(n_low, n_high):
    """Imbens & Kolesar 2016, section II: (n0+n1)^2 (n0-1)(n1-1) / (n1^2(n1-1) + n0^2(n0-1)).

    For 27 and 3 that is 900 x 26 x 2 / (9 x 2 + 729 x 26) = 46,800 / 18,972 = 2.467; the paper
    prints 2.5.
    """
    fit, orthonormal = _two_samples(n_low, n_high)
    found = satterthwaite_degrees(orthonormal, _direction(fit, 1), np.arange(n_low + n_high))
    above = (n_low + n_high) ** 2 * (n_low - 1) * (n_high - 1)
    below = n_high**2 * (n_high - 1) + n_low**2 * (n_low - 1)
    assert found == pytest.approx(above / below, rel=1e-9)


def test_even_clusters_that_are_treated_as_a_whole_count_as_rows():
    """12 clusters of 4, 3 of them treated: the formula above with 9 and 3."""
    clusters = np.repeat(np.arange(12), 4)
    design = np.column_stack([np.ones(48), (clusters < 3).astype(float)])
    fit = fit_least_squares(design, np.random.default_rng(2).normal(size=48))
    orthonormal = orthonormal_of(fit.basis, fit.triangle, fit.weights)
    found = satterthwaite_degrees(orthonormal, _direction(fit, 1), clusters)
    assert found == pytest.approx(144 * 8 * 2 / (9 * 2 + 81 * 8), rel=1e-9)


def test_welch_degrees_of_two_samples():
    """v = 4, 1 with 9 and 4: 25 / (16/9 + 1/4) = 900/73."""
    found = welch_degrees(np.array([4.0, 1.0]), np.array([9.0, 4.0]))
    assert found == pytest.approx(900 / 73)


# -- against a reference ---------------------------------------------------------------------


def test_degrees_are_those_of_the_quadratic_form():
    """Dense algebra of Bell & McCaffrey: tr(M)^2 / tr(M^2), with weights and uneven clusters."""
    rng = np.random.default_rng(3)
    n = 50
    clusters = rng.integers(0, 9, n)
    weights = rng.uniform(0.3, 2, n)
    design = np.column_stack([np.ones(n), rng.normal(size=n), rng.gamma(0.5, size=n)])
    fit = fit_least_squares(design, rng.normal(size=n), weights)
    q = orthonormal_of(fit.basis, fit.triangle, fit.weights)
    direction = _direction(fit, 2)
    maker = np.eye(n) - q @ q.T
    columns = []
    for cluster in np.unique(clusters):
        rows = clusters == cluster
        adjust = np.linalg.inv(np.real(sqrtm(np.eye(rows.sum()) - q[rows] @ q[rows].T)))
        columns.append(maker[:, rows] @ adjust @ q[rows] @ direction)
    form = np.column_stack(columns).T @ np.column_stack(columns)
    expected = np.trace(form) ** 2 / np.trace(form @ form)
    assert satterthwaite_degrees(q, direction, clusters) == pytest.approx(expected, rel=1e-8)


def test_welch_is_that_of_statsmodels():
    rng = np.random.default_rng(4)
    samples = [rng.normal(m, s, n) for m, s, n in ((0, 1, 8), (0.5, 3, 15), (1, 2, 30), (0, 1, 9))]
    reference = anova_oneway(samples, use_var="unequal", welch_correction=True)
    variances = np.array([np.var(sample, ddof=1) / len(sample) for sample in samples])
    means = np.array([sample.mean() for sample in samples])
    degrees = np.array([len(sample) - 1.0 for sample in samples])
    found = welch_test(means, np.diag(variances), degrees)
    assert found.statistic == pytest.approx(reference.statistic, rel=1e-10)
    assert found.denominator == pytest.approx(reference.df_denom, rel=1e-10)
    assert found.p_value == pytest.approx(reference.pvalue, rel=1e-9)


def test_two_estimates_are_welchs_t():
    found = welch_test(np.array([3.0, 1.0]), np.diag([0.5, 0.25]), np.array([6.0, 11.0]))
    assert found.statistic == pytest.approx(4 / 0.75)
    assert found.denominator == pytest.approx(0.75**2 / (0.25 / 6 + 0.0625 / 11))
    expected = student_p(np.sqrt(4 / 0.75), found.denominator)
    assert found.p_value == pytest.approx(expected, rel=1e-9)


def test_student_p_is_that_of_scipy():
    assert student_p(-2.5, 7.3) == pytest.approx(2 * t.sf(2.5, 7.3), rel=1e-12)


# -- properties ------------------------------------------------------------------------------


def test_the_order_of_rows_and_names_of_clusters_do_not_matter():
    rng = np.random.default_rng(5)
    clusters = rng.integers(0, 7, 30)
    q = np.linalg.qr(rng.normal(size=(30, 3)))[0]
    direction = rng.normal(size=3)
    order = rng.permutation(30)
    found = satterthwaite_degrees(q[order], direction, np.array(list("abcdefg"))[clusters[order]])
    assert found == pytest.approx(satterthwaite_degrees(q, direction, clusters), rel=1e-9)
    assert 1 <= found <= 7


# -- errors ----------------------------------------------------------------------------------


def test_one_estimate_is_no_comparison():
    with pytest.raises(ValueError, match="Two estimates or more"):
        welch_test(np.array([1.0]), np.eye(1), np.array([5.0]))


def test_an_estimate_without_error_is_refused():
    with pytest.raises(ValueError, match="without an error"):
        welch_test(np.array([1.0, 2.0]), np.diag([0.0, 1.0]), np.array([5.0, 5.0]))


# -- recovery --------------------------------------------------------------------------------


def test_equal_means_are_rejected_as_often_as_stated():
    """Unequal variances and five rows a group: near 5%, Welch's F being an approximation."""
    rng = np.random.default_rng(6)
    n, repeats = 5, 3_000
    spread = np.array([1.0, 2.0, 4.0])
    samples = rng.normal(size=(repeats, 3, n)) * spread[:, None]
    means, variances = samples.mean(axis=2), samples.var(axis=2, ddof=1) / n
    degrees = np.full(3, n - 1.0)
    rejected = [
        welch_test(m, np.diag(v), degrees).p_value < 0.05
        for m, v in zip(means, variances, strict=True)
    ]
    assert 0.035 < np.mean(rejected) < 0.07
