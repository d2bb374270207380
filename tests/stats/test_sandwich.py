"""Sandwich covariances from influence: by hand, against direct algebra, and the errors."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import sqrtm

from cxmodel.stats.linear import fit_least_squares, orthonormal_of
from cxmodel.stats.sandwich import (
    cluster_sums,
    covariance_of,
    cr2_influence,
    small_sample_factor,
)


def test_clusters_add_before_they_are_squared():
    rows = np.array([[1.0], [1.0], [-2.0]])
    # clusters {1, 1} and {-2}: sums 2 and -2, squares 8; factor 2/1 * 2/2
    found = covariance_of(rows, n_params=1, clusters=np.array(["a", "a", "b"]))
    assert found[0, 0] == pytest.approx(16.0)


def test_hc1_factor_and_cr1_factor():
    assert small_sample_factor(100, 20) == 1.25
    assert small_sample_factor(100, 20, 10) == pytest.approx(10 / 9 * 99 / 80)


def test_every_row_its_own_cluster_is_hc1_but_for_the_factor():
    rows = np.random.default_rng(0).normal(size=(50, 2))
    clustered = covariance_of(rows, n_params=3, clusters=np.arange(50))
    robust = covariance_of(rows, n_params=3)
    # CR1: G/(G-1) (n-1)/(n-k) = n/(n-k) when G = n
    np.testing.assert_allclose(clustered, robust, rtol=1e-12)


def test_cr2_is_bell_and_mccaffrey():
    """Direct algebra with scipy's matrix square root: A_g = (I - H_gg)^(-1/2)."""
    rng = np.random.default_rng(3)
    n = 40
    groups = rng.integers(0, 12, n)
    design = np.column_stack([np.ones(n), rng.normal(size=(n, 2))])
    outcome = rng.normal(size=n)
    fit = fit_least_squares(design, outcome)
    q = orthonormal_of(fit.basis, fit.triangle, fit.weights)
    rotated = np.eye(3)
    found = cr2_influence(q, fit.residuals, rotated, groups)
    for number, group in enumerate(np.unique(groups)):
        rows = groups == group
        adjust = np.linalg.inv(np.real(sqrtm(np.eye(rows.sum()) - q[rows] @ q[rows].T)))
        np.testing.assert_allclose(
            found[number], q[rows].T @ adjust @ fit.residuals[rows], rtol=1e-8
        )


def test_cr2_of_single_rows_is_hc2():
    rng = np.random.default_rng(4)
    design = np.column_stack([np.ones(30), rng.normal(size=30)])
    fit = fit_least_squares(design, rng.normal(size=30))
    q = orthonormal_of(fit.basis, fit.triangle, fit.weights)
    rotated = np.linalg.solve(fit.triangle.T, fit.basis.back.T)
    sums = cr2_influence(q, fit.residuals, rotated, np.arange(30))
    np.testing.assert_allclose(sums.T @ sums, fit.covariance("HC2"), rtol=1e-9)


def test_cluster_sums_of_one_column():
    assert cluster_sums(np.array([1.0, 2, 4]), np.array([1, 0, 1]), 3).tolist() == [2, 5, 0]


def test_more_parameters_than_rows_is_refused():
    with pytest.raises(ValueError, match="3 rows cannot carry 3 parameters"):
        small_sample_factor(3, 3)


def test_one_cluster_is_refused():
    with pytest.raises(ValueError, match="One cluster alone"):
        covariance_of(np.ones((5, 1)), n_params=1, clusters=np.zeros(5))


def test_hc3_needs_leverage():
    with pytest.raises(ValueError, match="HC3 needs the leverage"):
        covariance_of(np.ones((5, 1)), n_params=1, kind="HC3")
