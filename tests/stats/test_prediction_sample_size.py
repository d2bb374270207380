"""The criteria of Riley and others: their published examples, and what must hold of them."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st

from cxmodel.stats.prediction_sample_size import (
    cox_snell,
    expected_shrinkage,
    max_cox_snell,
    required_sample,
    rows_for_shrinkage,
)

# -- published numbers ---------------------------------------------------------------------------


def test_the_worked_example_of_riley_2019():
    """Stat Med 38, 1276: 24 parameters, prevalence .174, adjusted R2 .288: 662 rows, 4.8 a term."""
    found = required_sample(24, 0.174, 0.288)
    assert (found.by_shrinkage, found.by_optimism, found.by_prevalence) == (623, 662, 221)
    assert found.n_needed == 662
    assert found.n_events == pytest.approx(115.19, abs=0.005)
    assert round(found.events_per_parameter, 1) == 4.8


def test_the_worked_example_of_riley_2020():
    """BMJ 368, m441: 30 parameters, prevalence .05, R2 .05 (15% of .33): 5,249 rows."""
    found = required_sample(30, 0.05, 0.05)
    assert found.n_needed == found.by_shrinkage == 5_249
    assert found.by_prevalence == 73
    assert round(found.events_per_parameter, 2) == 8.75


def test_the_most_that_can_be_explained_is_the_published_table():
    """BMJ 368, m441: .75, .74, .71, .63, .48, .33 and .11."""
    shares = (0.5, 0.4, 0.3, 0.2, 0.1, 0.05, 0.01)
    found = [round(max_cox_snell(share), 2) for share in shares]
    assert found == [0.75, 0.74, 0.71, 0.63, 0.48, 0.33, 0.11]


def test_overall_risk_by_hand():
    # (1.96 / .05)^2 x .5 x .5 = 384.16
    assert required_sample(1, 0.5, 0.3).by_prevalence == 385


# -- against a reference -------------------------------------------------------------------------


def test_cox_snell_is_that_of_statsmodels():
    rng = np.random.default_rng(1)
    x = sm.add_constant(rng.normal(size=(300, 2)))
    y = (rng.random(300) < 1 / (1 + np.exp(-x @ [-1.0, 0.8, 0.3]))).astype(float)
    fit = sm.GLM(y, x, family=sm.families.Binomial()).fit()
    assert cox_snell(fit.llf, fit.llnull, 300) == pytest.approx(fit.pseudo_rsquared(kind="cs"))


# -- properties ----------------------------------------------------------------------------------


@given(st.integers(1, 60), st.floats(0.01, 0.6), st.integers(30, 50_000))
def test_expected_shrinkage_is_the_inverse(n_parameters: int, r_squared: float, n_rows: int):
    shrinkage = expected_shrinkage(n_rows, n_parameters, r_squared)
    if r_squared * 1.001 < shrinkage < 1 - 1e-9:
        rows = rows_for_shrinkage(n_parameters, r_squared, shrinkage)
        assert rows == pytest.approx(n_rows, rel=1e-5)
    assert r_squared <= shrinkage <= 1


@given(st.floats(0.05, 0.5), st.floats(0.02, 0.3))
def test_more_parameters_need_more_rows(prevalence: float, share: float):
    r_squared = share * max_cox_snell(prevalence)
    needed = [required_sample(k, prevalence, r_squared).n_needed for k in (5, 10, 40)]
    assert needed == sorted(needed)


# -- errors --------------------------------------------------------------------------------------


def test_what_cannot_be_explained_is_refused():
    with pytest.raises(ValueError, match=r"r_squared must lie between 0 and 0\.4"):
        required_sample(10, 0.1, 0.6)
    with pytest.raises(ValueError, match="prevalence must lie between 0 and 1"):
        max_cox_snell(0.0)
    with pytest.raises(ValueError, match="n_parameters must be 1 or more"):
        rows_for_shrinkage(0, 0.2, 0.9)
    with pytest.raises(ValueError, match="0 < r_squared < shrinkage < 1"):
        rows_for_shrinkage(3, 0.95, 0.9)
