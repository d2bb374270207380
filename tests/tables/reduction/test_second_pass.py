"""Second passes: robust meat and likelihood steps, by hand and against statsmodels on the rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from cxmodel.tables.reduction import exact_sums
from cxmodel.tables.reduction.cross_products import cross_products
from cxmodel.tables.reduction.design import Intercept, Numeric, dummies
from cxmodel.tables.reduction.rows import complete_rows
from cxmodel.tables.reduction.second_pass import likelihood_step, robust_meat
from cxmodel.tables.reduction.solving import solve

COLUMNS = ["rating", "segment", "tenure_days", "spent_units", "stayed"]


def fitted(session, frame, outcomes, weight=None):
    rows = complete_rows(session, session.register(frame), COLUMNS, weight=weight)
    controls = [Numeric("rating"), Numeric("tenure_days"), *dummies(rows, "segment")]
    moments = cross_products(rows, [Intercept(), *controls], outcomes)
    return rows, moments, solve(moments.design, moments.zwz, moments.zwy, moments.ywy)


def design(frame):
    flags = [(frame.segment == level).astype(float) for level in ("medium", "small")]
    columns = [np.ones(len(frame)), frame.rating, frame.tenure_days, *flags]
    return np.column_stack(columns).astype(float)


def test_squared_scores_by_hand(session):
    frame = pd.DataFrame({"x": [-1.0, 0.0, 1.0], "y": [0.0, 1.0, 0.5]})
    rows = complete_rows(session, session.register(frame), ["x", "y"])
    moments = cross_products(rows, [Numeric("x")], ["y"])
    # at slope 0 residuals are y: sum of y^2 x^2 = 0 + 0 + 0.25
    meat = robust_meat(rows, moments, np.zeros(1), kind="HC0")
    assert meat.matrix.tolist() == [[0.25]]
    assert (meat.n_obs, meat.n_clusters, meat.factor(1)) == (3, None, 1.0)


@pytest.mark.parametrize("kind", ["HC0", "HC1", "HC2", "HC3"])
@pytest.mark.parametrize("weight", [None, "weight"])
@pytest.mark.parametrize("limit", [2**20, 50])
def test_robust_errors_equal_statsmodels(session, observations, kind, weight, limit, monkeypatch):
    monkeypatch.setattr(exact_sums, "TWO_LIMBS_UP_TO", limit)
    rows, moments, solution = fitted(session, observations, ["spent_units"], weight)
    meat = robust_meat(rows, moments, solution.standard, kind=kind)
    covariance = solution.covariance(meat.matrix) * meat.factor(solution.n_params)
    weights = observations.weight if weight else np.ones(len(observations))
    model = sm.WLS(observations.spent_units.astype(float), design(observations), weights=weights)
    reference = model.fit(cov_type=kind)
    np.testing.assert_allclose(solution.coefficients.ravel(), reference.params, rtol=1e-10)
    size = np.sqrt(np.outer(reference.bse, reference.bse))
    assert (np.abs(covariance - reference.cov_params()) / size**2).to_numpy().max() < 1e-10


def test_two_outcomes_are_joined_as_their_scores_are(session, observations):
    rows, moments, solution = fitted(session, observations, ["spent_units", "stayed"], "weight")
    meat = robust_meat(rows, moments, solution.standard, kind="HC0").matrix
    x = design(observations)
    y = np.column_stack([observations.spent_units, observations.stayed]).astype(float)
    residuals = (y - x @ solution.coefficients) * observations.weight.to_numpy()[:, None]
    # x times the way back of coefficients are the standard columns
    standard = x @ moments.design.back()
    scales = [outcome.scale for outcome in moments.design.outcomes]
    scores = np.hstack([standard * residuals[:, [k]] / scales[k] for k in range(2)])
    expected = scores.T @ scores
    size = np.sqrt(np.outer(np.diag(expected), np.diag(expected)))
    assert (np.abs(meat - expected) / size).max() < 1e-10


def test_a_row_that_fits_itself_has_no_score(session):
    frame = pd.DataFrame({"k": list("aaab"), "y": [1.0, 2.0, 4.0, 10.0]})
    rows = complete_rows(session, session.register(frame), ["k", "y"])
    moments = cross_products(rows, [Intercept(), *dummies(rows, "k")], ["y"])
    solution = solve(moments.design, moments.zwz, moments.zwy, moments.ywy)
    covariance = solution.covariance(
        robust_meat(rows, moments, solution.standard, kind="HC3").matrix
    )
    # mean of a: residuals -4/3, -1/3, 5/3 at leverage 1/3: sum (1.5 e)^2 / 9 = 7 / 6
    assert covariance[0, 0] == pytest.approx(7 / 6, rel=1e-12)


@pytest.mark.parametrize("mean", ["logistic", "exponential", "identity"])
def test_steps_lead_to_the_likelihood_fit_of_statsmodels(session, observations, mean):
    rows, moments, _ = fitted(session, observations, ["stayed"])
    b = np.zeros(len(moments.columns))
    for _ in range(12):
        step = likelihood_step(rows, moments, b, mean)
        b = b + np.linalg.solve(step.information, step.gradient)
    family = {
        "logistic": sm.families.Binomial(),
        "exponential": sm.families.Poisson(),
        "identity": sm.families.Gaussian(),
    }[mean]
    x = design(observations)
    model = sm.GLM(observations.stayed.astype(float), x, family=family)
    reference = model.fit(cov_type="HC0", tol=1e-14)
    back = moments.design.back()
    shift = np.zeros(len(b))
    shift[0] = moments.design.outcomes[0].centre if mean == "identity" else 0.0
    own = back @ b * (moments.design.outcomes[0].scale if mean == "identity" else 1.0) + shift
    np.testing.assert_allclose(own, reference.params, rtol=1e-9)
    if mean != "identity":
        meat = robust_meat(rows, moments, b, kind="HC0", mean=mean).matrix
        bread = back @ np.linalg.inv(step.information)
        errors = np.sqrt(np.diag(bread @ meat @ bread.T))
        np.testing.assert_allclose(errors, reference.bse, rtol=1e-9)


def test_coefficients_that_do_not_fit_are_refused(session, observations):
    rows, moments, _ = fitted(session, observations, ["stayed"])
    with pytest.raises(
        ValueError, match=r"shape \(3, 1\); the design has 5 columns and 1 outcomes"
    ):
        robust_meat(rows, moments, np.zeros(3))
    with pytest.raises(ValueError, match="missing or infinite"):
        robust_meat(rows, moments, np.full(5, np.nan))
