"""Percent and winsorised slopes with repeated customers, against statsmodels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import statsmodels.api as sm

from cxmodel.models.estimates.alternatives import percent, winsorised
from cxmodel.models.estimation import slope_design
from cxmodel.models.lift_fit import LiftFit, fit_lift
from cxmodel.models.lift_settings import LiftSettings


def unequal_repeats(observations, n_customers=500) -> LiftFit:
    """Keep all three answers of some customers, and one or two of others."""
    obs = observations(n_customers, seed=6, repeats=3)
    kept = np.random.default_rng(3).random(len(obs.frame)) < 0.7
    frame = obs.frame[kept].reset_index(drop=True)
    # money is never below zero in these tests, and some of it is large
    frame["revenue_after"] = frame["revenue_after"].clip(lower=0.0) ** 1.5
    obs = replace(obs, frame=frame)
    settings = LiftSettings(average="variance", controls=("revenue_before", "segment"))
    fit = fit_lift(obs, "revenue", settings)
    assert len(set(np.bincount(fit.sample.customers))) > 2
    return fit


# -- against a reference ---------------------------------------------------------------------


def test_percent_is_statsmodels_poisson_with_weights_and_clusters(observations):
    """statsmodels 0.15 GLM(Poisson), var_weights 1/n a customer, cov_type cluster."""
    fit = unequal_repeats(observations)
    sample = fit.sample
    model = sm.GLM(
        sample.outcome,
        slope_design(sample, interacted=False),
        family=sm.families.Poisson(),
        var_weights=sample.share * sample.n_obs,
    )
    # statsmodels warns that not every kind of error knows weights: this one does
    with pytest.warns(match="cov_type not fully supported"):
        other = model.fit(tol=1e-13, cov_type="cluster", cov_kwds={"groups": sample.customers})
    found = percent(fit)
    assert found.value == pytest.approx(100 * np.expm1(other.params[1]), rel=1e-8)
    expected = 100 * np.exp(other.params[1]) * other.bse[1]
    assert found.std_error == pytest.approx(expected, rel=1e-8)


def test_winsorised_is_statsmodels_wls_on_outcomes_pulled_in(observations):
    """statsmodels 0.15 WLS, weights 1/n a customer, cov_type cluster."""
    fit = unequal_repeats(observations)
    sample = fit.sample
    pulled_in = np.clip(sample.outcome, *np.quantile(sample.outcome, [0.01, 0.99]))
    design = slope_design(sample, interacted=False)
    other = sm.WLS(pulled_in, design, weights=sample.share).fit(
        cov_type="cluster", cov_kwds={"groups": sample.customers}
    )
    found = winsorised(fit)
    assert found.value == pytest.approx(other.params[1], rel=1e-10)
    assert found.std_error == pytest.approx(other.bse[1], rel=1e-10)
    assert found.value != pytest.approx(fit.additive.slope.value, rel=1e-3)
