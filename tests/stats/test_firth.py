"""The penalised logit: finite whatever the data, and at the maximum it claims."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import expit, log_expit

from cxmodel.errors import ConvergenceError
from cxmodel.stats import firth
from cxmodel.stats.firth import fit_firth_logit
from cxmodel.stats.glm import fit_logit

# -- worked by hand --------------------------------------------------------------------------


def test_a_saturated_table_gains_half_a_count_in_each_cell():
    """3 of 10 and none of 5: log odds of 3.5 / 7.5 and .5 / 5.5 (Firth 1993, section 3)."""
    design = np.column_stack([np.ones(15), np.r_[np.zeros(10), np.ones(5)]])
    outcome = np.r_[np.ones(3), np.zeros(12)]
    found = fit_firth_logit(design, outcome).coefficients
    first = np.log(3.5 / 7.5)
    assert found == pytest.approx([first, np.log(0.5 / 5.5) - first], rel=1e-8)


def test_weights_count_as_rows():
    design = np.column_stack([np.ones(4), [0.0, 0.0, 1.0, 1.0]])
    outcome, weights = np.array([0.0, 1.0, 0.0, 1.0]), np.array([5.0, 2.0, 1.0, 7.0])
    many = np.repeat(np.arange(4), weights.astype(int))
    found = fit_firth_logit(design, outcome, weights).coefficients
    assert found == pytest.approx(fit_firth_logit(design[many], outcome[many]).coefficients)


# -- against a reference ---------------------------------------------------------------------


@pytest.mark.parametrize("is_separated", [False, True])
def test_it_is_the_maximum_that_scipy_finds(is_separated):
    """The penalised likelihood climbed by BFGS without its gradient."""
    rng = np.random.default_rng(3)
    design = np.column_stack([np.ones(60), rng.normal(size=(60, 2))])
    outcome = (rng.random(60) < expit(design @ [-0.5, 1.0, 0.3])).astype(float)
    if is_separated:
        outcome = (design[:, 1] > 0.4).astype(float)

    def minus(beta):
        eta = design @ beta
        chance = expit(eta)
        information = design.T @ ((chance * (1 - chance))[:, None] * design)
        likelihood = outcome @ log_expit(eta) + (1 - outcome) @ log_expit(-eta)
        return -(likelihood + 0.5 * np.linalg.slogdet(information)[1])

    expected = minimize(minus, np.zeros(3), method="BFGS", options={"gtol": 1e-7}).x
    assert fit_firth_logit(design, outcome).coefficients == pytest.approx(expected, rel=2e-4)


def test_with_many_rows_it_is_the_plain_logit():
    rng = np.random.default_rng(4)
    design = np.column_stack([np.ones(20_000), rng.normal(size=(20_000, 2))])
    outcome = (rng.random(20_000) < expit(design @ [-1.0, 0.5, 0.0])).astype(float)
    plain = fit_logit(design, outcome).coefficients
    assert fit_firth_logit(design, outcome).coefficients == pytest.approx(plain, abs=1e-3)


# -- properties ------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), offset=st.sampled_from([0.0, 1e6]), tail=st.booleans())
def test_separated_data_have_finite_coefficients(seed, offset, tail):
    rng = np.random.default_rng(seed)
    number = rng.standard_cauchy(80) if tail else rng.normal(size=80)
    design = np.column_stack([np.ones(80), number + offset])
    outcome = (number > np.quantile(number, 0.7)).astype(float)
    fit = fit_firth_logit(design, outcome, tolerance=1e-6)
    assert np.isfinite(fit.coefficients).all()
    assert fit.coefficients[1] > 0
    if not tail:
        assert ((fit.linear_predictor > 0) == (outcome == 1)).mean() > 0.9


def test_a_repeated_column_gets_nothing():
    design = np.column_stack([np.ones(20), np.arange(20.0), 2 * np.arange(20.0)])
    outcome = (np.arange(20) % 3 == 0).astype(float)
    assert fit_firth_logit(design, outcome).coefficients[2] == 0


# -- errors ----------------------------------------------------------------------------------


def test_steps_that_do_not_suffice_are_said(monkeypatch):
    monkeypatch.setattr(firth, "MAX_ITERATIONS", 1)
    with pytest.raises(ConvergenceError, match="no maximum in 1 steps"):
        fit_firth_logit(np.ones((9, 1)), np.r_[np.ones(8), 0.0])


def test_shapes_must_fit():
    with pytest.raises(ValueError, match="one row count"):
        fit_firth_logit(np.ones((3, 1)), np.ones(4))
