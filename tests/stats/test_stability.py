"""The population stability index."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2

from cxmodel.stats.stability import (
    population_stability_index,
    stability_p_value,
    stability_verdict,
)

# -- worked by hand


def test_stability_index_by_hand() -> None:
    # 100 and 300 against 200 and 200, half a case added to each class
    p, q = np.array([100.5, 300.5]) / 401, np.array([200.5, 200.5]) / 401
    by_hand = sum((q - p) * np.log(q / p))
    found = population_stability_index(np.array([100.0, 300.0]), np.array([200.0, 200.0]))
    assert found == pytest.approx(by_hand, rel=1e-14)


# -- against a reference


def test_p_value_is_chi_squared() -> None:
    # Yurdakul (2018): the index over 1/n + 1/m
    assert stability_p_value(0.2, 80, 20, 5) == pytest.approx(chi2.sf(0.2 / (1 / 80 + 1 / 20), 4))
    assert stability_p_value(3.0, 80, 20, 1) == 1.0


# -- properties


counts = st.lists(st.integers(0, 1_000), min_size=3, max_size=3).filter(any)


@given(counts, counts)
def test_the_index_is_symmetric_and_never_negative(then: list[int], now: list[int]) -> None:
    one, other = np.array(then, dtype=float), np.array(now, dtype=float)
    index = population_stability_index(one, other)
    assert index >= 0
    assert index == pytest.approx(population_stability_index(other, one))
    assert population_stability_index(one, one) == 0


# -- errors


def test_verdicts_at_the_thresholds() -> None:
    # Siddiqi (2006): 0.1 and 0.25; under one chance in a hundred
    found = [stability_verdict(index, 0.001) for index in (0.1, 0.1001, 0.25, 0.2501)]
    assert found == ["pass", "warn", "warn", "fail"]
    assert stability_verdict(1.0, 0.01) == "pass"


def test_what_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match="Classes differ"):
        population_stability_index(np.ones(2), np.ones(3))
    with pytest.raises(ValueError, match="all counts are zero"):
        population_stability_index(np.zeros(2), np.ones(2))


# -- a known truth


def test_p_values_are_even_without_drift() -> None:
    rng = np.random.default_rng(0)
    shares = np.full(8, 1 / 8)
    low = 0
    for _ in range(1_000):
        then, now = (rng.multinomial(n, shares).astype(float) for n in (800, 500))
        index = population_stability_index(then, now)
        low += stability_p_value(index, 800, 500, 8) < 0.05
    # 50 of 1,000 are expected; 25 and 80 are over three standard deviations away
    assert 25 < low < 80
