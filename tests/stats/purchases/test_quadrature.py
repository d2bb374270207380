"""Integrals of purchase models against closed forms and adaptive quadrature."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import exp1, hyp2f1, hyperu

from cxmodel.stats.purchases.quadrature import (
    beta_mean,
    discounted_power,
    power_product_integral,
)


def arrays(*values: float) -> list[np.ndarray]:
    return [np.array([value]) for value in values]


def test_powers_by_hand() -> None:
    # integral of (1 + u)^-2 (1 + u)^-1 over 0..1 = (1 - 2^-2) / 2 = 0.375
    low, high, one, two = arrays(0.0, 1.0, 1.0, 2.0)
    logs, means = power_product_integral(low, high, first=(one, two), second=(one, one))
    assert np.exp(logs[0]) == pytest.approx(0.375, rel=1e-13)
    # density 3-power: mean of 1/(1+u) = integral (1+u)^-4 / 0.375 = (1 - 1/8) / 3 / 0.375
    assert means[2][0] == pytest.approx(7 / 24 / 0.375, rel=1e-13)


def test_no_width_is_no_mass() -> None:
    low, one = arrays(3.0, 1.0)
    logs, means = power_product_integral(low, low, first=(one, one), second=(one, one))
    assert logs[0] == -np.inf
    assert np.isfinite([part[0] for part in means]).all()


@pytest.mark.parametrize(
    ("low", "high", "c", "a", "d", "b"),
    [
        (30.43, 38.86, 10.58, 2.55, 11.67, 1.61),
        (0.0, 38.86, 0.003, 0.25, 90.0, 1.05),
        (0.0, 500.0, 200.0, 12.0, 0.01, 1.3),
        (103.43, 103.57, 2.8845, 221.5143, 14.1087, 1.2856),
        (10.0, 60.0, 4.0, 800.0, 5.0, 1.5),
    ],
)
def test_powers_against_adaptive_quadrature(
    low: float, high: float, c: float, a: float, d: float, b: float
) -> None:
    at_low = -a * np.log(c + low) - b * np.log(d + low)
    split = min(high, low + 30 * (c + low) / a)
    expected = sum(
        quad(
            lambda u: np.exp(-a * np.log(c + u) - b * np.log(d + u) - at_low),
            *part,
            epsabs=0,
            epsrel=1e-12,
            limit=400,
        )[0]
        for part in ((low, split), (split, high))
    )
    lows, highs, cs, aa, ds, bb = arrays(low, high, c, a, d, b)
    logs, _ = power_product_integral(lows, highs, first=(cs, aa), second=(ds, bb))
    assert logs[0] == pytest.approx(np.log(expected) + at_low, abs=1e-9)


@pytest.mark.parametrize(("a", "b"), [(0.03, 0.2), (0.8, 2.4), (1.0, 1.0), (30.0, 7.0)])
@pytest.mark.parametrize("reach", [0.01, 1.0, 300.0])
def test_beta_means_against_the_hypergeometric_function(a: float, b: float, reach: float) -> None:
    # mean of (1 + p c)^-k = 2F1(k, a; a + b; -c), Euler's integral
    k = 1.7
    found = beta_mean(lambda p: (1 + p * reach) ** -k, *arrays(a, b))
    assert found[0] == pytest.approx(hyp2f1(k, a, a + b, -reach), rel=1e-9)


def test_beta_means_of_a_narrow_peak() -> None:
    # Beta(a, b) with a in the hundred thousands: mean of p^2 = a (a + 1) / ((a + b)(a + b + 1))
    a, b = arrays(3e5, 7e6)
    expected = a * (a + 1) / ((a + b) * (a + b + 1))
    assert beta_mean(lambda p: p**2, a, b) == pytest.approx(expected, rel=1e-11)


def test_discounting_against_closed_forms() -> None:
    # power 1, scale 1, rate 1: e x E1(1)
    assert discounted_power(np.array(1.0), np.array(1.0), 1.0) == pytest.approx(
        np.e * exp1(1.0), rel=1e-12
    )
    for scale, power, rate in ((11.67, 0.606, 0.0027), (40.0, 1.4, 0.01), (3.0, 0.3, 2.0)):
        # scale^s rate^(s - 1) U(s, s, rate scale): Fader, Hardie & Lee (2005), equation 2
        closed = scale**power * rate ** (power - 1) * hyperu(power, power, rate * scale)
        found = discounted_power(np.array(scale), np.array(power), rate)
        assert found == pytest.approx(closed, rel=1e-8)


@given(st.floats(0.02, 1e4), st.floats(0.02, 1e4), st.floats(0, 80), st.floats(0.01, 40))
def test_a_beta_mean_lies_between_its_ends(a: float, b: float, reach: float, k: float) -> None:
    found = beta_mean(lambda p: (1 + p * reach) ** -k, *arrays(a, b))[0]
    assert (1 + reach) ** -k - 1e-12 <= found <= 1 + 1e-12
