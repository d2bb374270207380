"""Draws of uncertain amounts."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxmodel.stats.draws import (
    Quantity,
    draw_customer_weights,
    draw_multivariate_normal,
    quantile_interval,
)

# -- worked by hand


def test_pert_mean_weights_the_mode_four_times() -> None:
    assert Quantity.parse({"low": 0, "mode": 3, "high": 6}, "x").mean == 3
    assert Quantity.parse({"low": 80, "mode": 100, "high": 150}, "x").mean == 105


def test_interval_interpolates_between_order_statistics() -> None:
    assert quantile_interval(np.arange(101), 0.9) == pytest.approx((5.0, 95.0))


def test_interval_with_infinite_draws() -> None:
    low, high = quantile_interval([1.0, 2.0, 3.0, np.inf, np.inf], 0.5)
    assert (low, high) == (2.0, np.inf)


# -- against a reference


def test_pert_draws_have_the_moments_of_the_beta() -> None:
    # beta(1 + 4 (m - a) / (b - a), 1 + 4 (b - m) / (b - a)) on [a, b]: scipy.stats.beta 1.17
    from scipy.stats import beta

    drawn = Quantity.parse({"low": 80, "mode": 100, "high": 150}, "x").draw(
        200_000, np.random.default_rng(1)
    )
    reference = beta(1 + 4 * 20 / 70, 1 + 4 * 50 / 70, loc=80, scale=70)
    assert drawn.mean() == pytest.approx(reference.mean(), abs=0.1)
    assert drawn.std() == pytest.approx(reference.std(), rel=0.01)
    assert drawn.min() >= 80
    assert drawn.max() <= 150


def test_joint_draws_have_the_covariance() -> None:
    covariance = np.array([[4.0, 1.5], [1.5, 1.0]])
    drawn = draw_multivariate_normal([1.0, -1.0], covariance, 200_000, seed=3)
    assert drawn.mean(axis=0) == pytest.approx([1.0, -1.0], abs=0.02)
    assert np.cov(drawn.T) == pytest.approx(covariance, abs=0.04)


def test_customer_weights_are_poisson_with_mean_one() -> None:
    drawn = draw_customer_weights(200_000, draw=4, seed=9)
    assert drawn.mean() == pytest.approx(1.0, abs=0.01)
    assert drawn.var() == pytest.approx(1.0, abs=0.02)


# -- properties


@settings(deadline=None)
@given(st.floats(-1e6, 1e6), st.integers(0, 2**31))
def test_an_exact_amount_is_always_itself(value: float, seed: int) -> None:
    quantity = Quantity.parse(value, "x")
    assert quantity.is_certain
    assert (quantity.draw(3, np.random.default_rng(seed)) == value).all()


@settings(deadline=None)
@given(st.integers(0, 50), st.integers(0, 2**31))
def test_the_same_draw_gives_the_same_weights(draw: int, seed: int) -> None:
    first = draw_customer_weights(20, draw, seed)
    assert (first == draw_customer_weights(20, draw, seed)).all()


def test_a_singular_covariance_is_drawn_from() -> None:
    drawn = draw_multivariate_normal([0.0, 0.0], np.ones((2, 2)), 100, seed=1)
    assert drawn[:, 0] == pytest.approx(drawn[:, 1])


def test_a_range_without_width_is_certain() -> None:
    quantity = Quantity.parse({"low": 5, "mode": 5, "high": 5}, "x")
    assert quantity.draw(2, np.random.default_rng(1)).tolist() == [5.0, 5.0]


# -- errors


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"mean": 1, "sd": -1}, "cost.sd must be 0 or more, not -1"),
        ({"low": 2, "mode": 1, "high": 3}, "low <= mode <= high, not 2"),
        ({"mean": 1}, "cost must be a number, .* it has the keys mean"),
        (float("nan"), "cost must be finite"),
    ],
)
def test_impossible_amounts_are_refused(value: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Quantity.parse(value, "cost")  # type: ignore[arg-type]


def test_text_is_no_amount() -> None:
    with pytest.raises(TypeError, match="cost must be a number"):
        Quantity.parse("12", "cost")  # type: ignore[arg-type]


def test_what_is_no_covariance_is_refused() -> None:
    with pytest.raises(ValueError, match="smallest eigenvalue is -1"):
        draw_multivariate_normal([0.0, 0.0], [[1.0, 2.0], [2.0, 1.0]], 5, seed=1)
    with pytest.raises(ValueError, match=r"shape \(1, 1\) for 2 means"):
        draw_multivariate_normal([0.0, 0.0], [[1.0]], 5, seed=1)
    with pytest.raises(ValueError, match="conf_level"):
        quantile_interval([1.0], 95)
