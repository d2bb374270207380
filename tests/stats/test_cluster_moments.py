"""Small-sample errors from one matrix a cluster: against the same on rows."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from cxmodel.stats.cluster_moments import (
    ClusterMoments,
    cr1_covariance,
    cr2_covariance,
    satterthwaite_freedom,
    wild_cluster_p_value,
)
from cxmodel.stats.linear import fit_least_squares, orthonormal_of
from cxmodel.stats.sandwich import cr2_influence


def sample(seed=0, n=90, n_clusters=8):
    rng = np.random.default_rng(seed)
    groups = rng.integers(0, n_clusters, n)
    design = np.column_stack([np.ones(n), rng.normal(size=n) + 0.3 * groups, rng.normal(size=n)])
    outcome = design @ [1.0, 0.3, -0.2] + rng.normal(size=n_clusters)[groups] + rng.normal(size=n)
    return design, outcome, groups


def moments_of(design, outcome, groups, weights=None):
    w = np.ones(len(outcome)) if weights is None else weights
    parts = [groups == g for g in np.unique(groups)]
    return ClusterMoments(
        xwx=np.array([design[p].T @ (w[p, None] * design[p]) for p in parts]),
        xwy=np.array([design[p].T @ (w[p] * outcome[p]) for p in parts]),
        n_obs=len(outcome),
    )


def test_a_row_a_cluster_gives_the_variance_of_the_mean():
    # y = 1, 2, 3, 6: mean 3, sum of squares 14; CR2 of single rows is HC2: 14 / (1 - 1/4) / 16
    found = ClusterMoments(
        xwx=np.ones((4, 1, 1)), xwy=np.array([[1.0], [2.0], [3.0], [6.0]]), n_obs=4
    )
    assert found.coefficients[0] == pytest.approx(3.0)
    assert cr2_covariance(found)[0, 0] == pytest.approx(14 / 0.75 / 16)
    # CR1: factor 4/3 x 3/3
    assert cr1_covariance(found)[0, 0] == pytest.approx(14 / 16 * 4 / 3)
    # a mean of n equal rows has n - 1 degrees of freedom
    assert satterthwaite_freedom(found, np.eye(1))[0] == pytest.approx(3.0)


@pytest.mark.parametrize("weighted", [False, True])
def test_cr1_and_cr2_are_those_of_the_rows(weighted):
    design, outcome, groups = sample()
    weights = np.random.default_rng(5).uniform(0.5, 2, len(outcome)) if weighted else None
    fit = fit_least_squares(design, outcome, weights)
    found = moments_of(design, outcome, groups, weights)
    np.testing.assert_allclose(found.coefficients, fit.coefficients, rtol=1e-11)
    np.testing.assert_allclose(cr1_covariance(found), fit.covariance(clusters=groups), rtol=1e-10)
    q = orthonormal_of(fit.basis, fit.triangle, fit.weights)
    turned = np.linalg.solve(fit.triangle.T, fit.basis.back.T)
    sums = cr2_influence(q, fit.residuals * np.sqrt(fit.weights), turned, groups)
    np.testing.assert_allclose(cr2_covariance(found), sums.T @ sums, rtol=1e-10)


def test_degrees_of_freedom_are_pustejovsky_and_tiptons_by_brute_force():
    """Their equation 11: the trace of a matrix whose entries are p_g' p_h, on the rows."""
    design, outcome, groups = sample(seed=2)
    n = len(outcome)
    bread = np.linalg.inv(design.T @ design)
    annihilator = np.eye(n) - design @ bread @ design.T
    columns = []
    for g in np.unique(groups):
        rows = np.flatnonzero(groups == g)
        values, vectors = np.linalg.eigh(annihilator[np.ix_(rows, rows)])
        adjust = vectors @ np.diag(values**-0.5) @ vectors.T
        columns.append(annihilator[:, rows] @ adjust @ design[rows] @ bread[:, 1])
    omega = np.array(columns) @ np.array(columns).T
    expected = np.trace(omega) ** 2 / np.sum(omega**2)
    found = satterthwaite_freedom(moments_of(design, outcome, groups), np.eye(3))[1]
    assert found == pytest.approx(expected, rel=1e-10)


def test_the_wild_bootstrap_is_that_of_the_rows_with_every_pattern():
    design, outcome, groups = sample(n_clusters=7)
    restricted = fit_least_squares(design[:, [0, 2]], outcome)
    base, left = outcome - restricted.residuals, restricted.residuals

    def t_of(y):
        fit = fit_least_squares(design, y)
        return abs(fit.coefficients[1]) / np.sqrt(fit.covariance(clusters=groups)[1, 1])

    observed = t_of(outcome)
    drawn = [
        t_of(base + np.array(signs)[groups] * left)
        for signs in itertools.product([-1.0, 1.0], repeat=7)
    ]
    expected = np.mean(np.array(drawn) >= observed * (1 - 1e-10))
    found = wild_cluster_p_value(moments_of(design, outcome, groups), 1, seed=1)
    assert found == pytest.approx(expected, abs=1e-12)


def test_draws_are_the_same_for_a_seed_and_near_for_another():
    design, outcome, groups = sample(n_clusters=20, n=200)
    found = moments_of(design, outcome, groups)
    first = wild_cluster_p_value(found, 1, seed=3)
    assert wild_cluster_p_value(found, 1, seed=3) == first
    assert wild_cluster_p_value(found, 1, seed=4) == pytest.approx(first, abs=0.03)


def test_one_cluster_and_an_unknown_column_are_refused():
    design, outcome, _ = sample()
    alone = moments_of(design, outcome, np.zeros(len(outcome)))
    with pytest.raises(ValueError, match="One cluster alone"):
        wild_cluster_p_value(alone, 1, seed=1)
    with pytest.raises(ValueError, match="no column 5"):
        wild_cluster_p_value(moments_of(*sample()), 5, seed=1)


def test_a_true_null_is_rejected_as_often_as_promised_with_few_clusters():
    rejected = []
    for seed in range(400):
        rng = np.random.default_rng(seed)
        groups = np.repeat(np.arange(10), 12)
        design = np.column_stack([np.ones(120), rng.normal(size=10)[groups]])
        outcome = rng.normal(size=10)[groups] + rng.normal(size=120)
        rejected.append(
            wild_cluster_p_value(moments_of(design, outcome, groups), 1, seed=seed) < 0.05
        )
    # 5% +- 3 x sqrt(.05 x .95 / 400) = .033
    assert 0.017 < np.mean(rejected) < 0.083
