"""Intervals from the profile of a likelihood: by hand, by brute force, and at its edges."""

from __future__ import annotations

import numpy as np
import pytest
from purchase_ledgers import simulate_histories
from scipy.optimize import brentq, minimize

from cxmodel.stats.purchases import mbg_nbd
from cxmodel.stats.purchases.histories import Histories
from cxmodel.stats.purchases.maximise import Objective, observed_information
from cxmodel.stats.purchases.profile import Peak, profile_interval

CRITICAL = 1.959964


def _peak(objective: Objective, point: np.ndarray) -> Peak:
    ends = (point - 12.0, point + 12.0)
    return Peak(
        objective=objective,
        point=point,
        log_likelihood=objective(point)[0],
        information=observed_information(objective, point, ends),
    )


# -- worked by hand


def test_one_rate_by_hand() -> None:
    # 5 events in 10 years, in v = ln(rate): 5 v - 10 e^v, best at rate 1/2; the interval holds
    # the rates at which 5 ln(rate / .5) - 10 (rate - .5) is above -1.92
    def objective(v: np.ndarray) -> tuple[float, np.ndarray]:
        return float(5 * v[0] - 10 * np.exp(v[0])), 5 - 10 * np.exp(v)

    def loss(rate: float) -> float:
        return 5 * np.log(rate / 0.5) - 10 * (rate - 0.5) + CRITICAL**2 / 2

    expected = [brentq(loss, 0.01, 0.5), brentq(loss, 0.5, 5.0)]
    found = profile_interval(_peak(objective, np.log([0.5])), 0, CRITICAL)
    assert np.exp(found) == pytest.approx(expected, rel=1e-3)
    # .36 of the rate and 2.15 times it: not symmetric, not even in the logarithm
    assert np.exp(found) == pytest.approx([0.1793, 1.0745], abs=1e-3)


def test_of_a_normal_likelihood_it_is_that_of_the_standard_error() -> None:
    # a ridge: the first coordinate's error is that with the second one free
    information = np.array([[2.0, 1.8], [1.8, 2.0]])

    def objective(v: np.ndarray) -> tuple[float, np.ndarray]:
        return float(-0.5 * v @ information @ v), -information @ v

    error = np.sqrt(np.linalg.inv(information)[0, 0])
    found = profile_interval(_peak(objective, np.zeros(2)), 0, CRITICAL)
    assert found == pytest.approx((-CRITICAL * error, CRITICAL * error), rel=1e-4)


# -- against a reference


def test_mbg_nbd_by_brute_force() -> None:
    # at both ends the best that another optimiser finds, without slopes, has fallen by 1.92
    made = simulate_histories("mbg_nbd", (0.8, 8.0, 0.6, 2.5), 900, seed=8)
    columns = (made[name].to_numpy() for name in ("frequency", "recency", "T"))
    rows = Histories(*columns, np.ones(len(made)))

    def objective(v: np.ndarray) -> tuple[float, np.ndarray]:
        values = tuple(np.asarray(part) for part in np.exp(v))
        found, slopes = mbg_nbd.FAMILY.log_likelihood(values, rows)
        by_log = [rows.weights @ (s * p) for s, p in zip(slopes, values, strict=True)]
        return float(rows.weights @ found), np.array(by_log)

    top = minimize(
        lambda v: -objective(v)[0], np.log([0.8, 8.0, 0.6, 2.5]), jac=lambda v: -objective(v)[1],
        method="BFGS", options={"gtol": 1e-6},
    )  # fmt: skip
    peak = _peak(objective, top.x)

    def best(at: float) -> float:
        def of_others(others: np.ndarray) -> float:
            return -objective(np.concatenate([[at], others]))[0]

        how = {"xatol": 1e-7, "fatol": 1e-10, "maxiter": 4000}
        found = minimize(of_others, top.x[1:], method="Nelder-Mead", options=how)
        return -float(found.fun) - peak.log_likelihood + CRITICAL**2 / 2

    low, high = profile_interval(peak, 0, CRITICAL)
    assert low < top.x[0] < high
    for end in (low, high):
        assert best(end) == pytest.approx(0.0, abs=5e-3)


# -- edges


def test_an_end_that_the_likelihood_never_reaches_is_infinite() -> None:
    # no event in 3 years would leave the rate open towards 0; here 1 - e^-v flattens upwards
    def objective(v: np.ndarray) -> tuple[float, np.ndarray]:
        return float(-np.log(np.cosh(v[0])) if v[0] < 0 else -(np.tanh(v[0]) ** 2)), np.zeros(1)

    peak = Peak(
        objective=objective, point=np.zeros(1), log_likelihood=0.0, information=np.array([[1.0]])
    )
    low, high = profile_interval(peak, 0, CRITICAL)
    assert np.isinf(high)
    assert low == pytest.approx(-np.arccosh(np.exp(CRITICAL**2 / 2)), rel=1e-3)
