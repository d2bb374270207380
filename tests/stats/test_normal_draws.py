"""Draws from a joint normal."""

from __future__ import annotations

import numpy as np

from cxmodel.stats.normal_draws import draw_normal


def test_a_singular_covariance_is_drawn_from() -> None:
    draws = draw_normal(np.zeros(2), np.array([[1.0, 1.0], [1.0, 1.0]]), 10, 1)
    np.testing.assert_allclose(draws[:, 0], draws[:, 1])
    assert draws[:, 0].std() > 0.1


def test_moments_are_those_asked_for() -> None:
    covariance = np.array([[2.0, -0.6], [-0.6, 0.5]])
    draws = draw_normal(np.array([3.0, -1.0]), covariance, 200_000, 2)
    np.testing.assert_allclose(draws.mean(axis=0), [3.0, -1.0], atol=0.015)
    np.testing.assert_allclose(np.cov(draws.T), covariance, atol=0.02)


def test_the_same_seed_gives_the_same_draws() -> None:
    covariance = np.diag([1.0, 4.0])
    one, again = (draw_normal(np.zeros(2), covariance, 5, 9) for _ in range(2))
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, draw_normal(np.zeros(2), covariance, 5, 10))
