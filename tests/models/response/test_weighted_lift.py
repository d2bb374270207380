"""The weighted lift: against statsmodels, its error against repetition, and the known truth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import statsmodels.api as sm
from silent_company import make_silent

from cxmodel.errors import SchemaError
from cxmodel.models.checks.non_response import check_non_response
from cxmodel.models.joint import joint_covariance
from cxmodel.models.lift import LiftModel
from cxmodel.models.lift_fit import fit_lift
from cxmodel.models.lift_settings import LiftSettings
from cxmodel.models.response.estimates import unweighted, weighted
from cxmodel.models.response.model import ResponseModel
from cxmodel.models.response.sweep import non_response
from cxmodel.results import NotRun
from cxmodel.stats.sandwich import small_sample_factor

CONTROLS = ("revenue_before", "segment")


def weighed(silent, **model):
    return ResponseModel(**model).fit(silent.obs).weigh(silent.obs)


def lift(obs, outcome="revenue", **settings):
    return fit_lift(obs, outcome, LiftSettings(controls=CONTROLS, **settings))


@pytest.fixture(scope="module")
def silent():
    return make_silent(seed=1)


@pytest.fixture(scope="module")
def obs(silent):
    return weighed(silent)


# -- Against a reference -------------------------------------------------------------------------


def test_the_weighted_slope_is_weighted_least_squares(obs):
    # share 1/n times the weight, controls centred at the weighted base: the rating's coefficient
    fit = lift(obs)
    frame = obs.frame
    share = frame["response_weight"] / frame.groupby("customer_id")["rating"].transform("size")
    share = (share / share.sum()).to_numpy()
    controls = np.column_stack([frame["revenue_before"], frame["segment"] == "large"]).astype(float)
    controls = controls - share @ controls
    rating = frame["rating"].to_numpy()
    design = np.column_stack([np.ones(len(frame)), rating, controls, rating[:, None] * controls])
    reference = sm.WLS(frame["revenue_after"], design, weights=share).fit()
    assert fit.is_weighted
    assert weighted(fit).value == pytest.approx(reference.params.iloc[1], rel=1e-9)
    assert fit.headline.slope is weighted(fit)


def test_the_unweighted_slope_is_that_of_a_table_without_weights(silent, obs):
    plain = lift(silent.obs).headline.slope
    assert unweighted(lift(obs)).value == pytest.approx(plain.value, rel=1e-12)
    assert unweighted(lift(obs)).std_error == pytest.approx(plain.std_error, rel=1e-12)


def test_the_error_carries_that_of_the_weights(obs):
    # the derivative of the slope in each coefficient of the logit, by moving the coefficient
    fit = lift(obs)
    response = obs.response
    step = 1e-5

    def slope_at(move):
        weight = response.weight * np.exp(response.slopes @ move)
        moved = replace(obs, frame=obs.frame.assign(response_weight=weight), response=None)
        return lift(moved).headline.slope.value

    n_coefficients = response.slopes.shape[1]
    derivative = np.array(
        [
            (slope_at(step * row) - slope_at(-step * row)) / (2 * step)
            for row in np.eye(n_coefficients)
        ]
    )
    fixed = replace(obs, response=None)  # the same weights, taken as known
    known = lift(fixed).headline.slope.influence
    factor = small_sample_factor(fit.sample.n_obs, fit.headline.n_params, fit.sample.n_in_sample)
    carried = np.concatenate([known, np.zeros(len(response.outside))]) + np.sqrt(factor) * (
        np.vstack([response.influence, response.outside]) @ derivative
    )
    np.testing.assert_allclose(fit.headline.slope.influence, carried, rtol=1e-5, atol=1e-7)
    assert fit.headline.slope.std_error == pytest.approx(np.sqrt(carried @ carried), rel=1e-6)


# -- Which one stands first ----------------------------------------------------------------------


def test_the_headline_is_weighted_unless_it_is_not_wanted(obs):
    fit = lift(obs, weighted=False)
    assert not fit.is_weighted
    assert fit.headline.slope is unweighted(fit)
    assert weighted(fit).value == pytest.approx(weighted(lift(obs)).value, rel=1e-12)
    assert any("weighted = false" in caveat for caveat in fit.caveats)


def test_a_thin_effective_sample_leaves_the_headline_unweighted(silent):
    # a twentieth of the answers weighs a hundred times the others: Kish leaves
    # (0.05 x 100 + 0.95)^2 / (0.05 x 100^2 + 0.95) = 7%
    n = silent.obs.n_obs
    weight = np.where(np.arange(n) % 20 == 0, 100.0, 1.0)
    fit = lift(replace(silent.obs, frame=silent.obs.frame.assign(response_weight=weight)))
    assert not fit.is_weighted
    assert any("(7%); 30% and 100 are needed" in caveat for caveat in fit.caveats)
    assert isinstance(weighted(fit).value, float)


def test_without_weights_the_reason_is_said(silent):
    found = weighted(lift(replace(silent.obs, response=NotRun("nobody is known"))))
    assert found == NotRun("no response weights: nobody is known")
    assert "response weights" in non_response(lift(silent.obs)).reason


def test_the_result_has_both_and_its_covariance_holds_both_outcomes(obs):
    results = [
        LiftModel(outcome=outcome, controls=CONTROLS).fit(obs)
        for outcome in ("revenue", "retention")
    ]
    section = results[0].to_dict()
    assert section["per_rating_point"] == section["weighted_per_rating_point"]
    assert (
        section["unweighted_per_rating_point"]["estimate"]
        != section["per_rating_point"]["estimate"]
    )
    assert section["non_response"]["is_headline"] is True
    assert section["non_response"]["population"] == "customers at risk"
    _, _, covariance = joint_covariance(results)
    for i, result in enumerate(results):
        error = result.per_rating_point().std_error
        assert np.sqrt(covariance[i, i]) == pytest.approx(error, rel=1e-9)
    assert len(results[0].customers) == len(results[0].influence["per_rating_point"])


# -- The tilt ------------------------------------------------------------------------------------


def test_the_sweep_starts_from_the_tilt_that_closes_the_gap():
    silent = make_silent(seed=2, by_rating=0.3)
    found = non_response(lift(weighed(silent)))
    tilt = found["tilt"]["closing"]["rating"]
    # the log-odds of answering rise by 0.3 a point, and rating drives the outcome
    assert 0.1 < tilt < 0.6
    names = [row["on"] for row in found["tilt"]["rows"]]
    assert names == ["rating", *["outcome_given_rating"] * 3, "both"]
    for row in found["tilt"]["rows"]:
        assert row["conf_low"] < row["estimate"] < row["conf_high"]


def test_a_tilt_on_the_rating_alone_hardly_moves_a_slope_and_one_on_the_outcome_does():
    silent = make_silent(seed=2, by_rating=0.3, dollars=(5.0, 5.0))
    fit = lift(weighed(silent))
    rows = {
        (row["on"], row["multiple"]): row["estimate"] for row in non_response(fit)["tilt"]["rows"]
    }
    headline = fit.headline.slope
    assert abs(rows["rating", 1.0] - headline.value) < headline.std_error
    moves = [abs(rows["outcome_given_rating", m] - headline.value) for m in (0.5, 1.0, 2.0)]
    assert moves[0] < moves[1] < moves[2]


# -- The check -----------------------------------------------------------------------------------


def test_the_check_passes_where_answering_depends_on_what_is_known():
    check = check_non_response(lift(weighed(make_silent(seed=1, by_spending=0.5))))
    assert check.verdict == "pass"
    assert 0.5 < check.statistic < 1
    assert check.p_value > 0.01
    assert "Weighted to stand for customers at risk" in check.text
    assert "which may be chance" in check.text


def test_the_check_fails_where_answering_depends_on_satisfaction():
    check = check_non_response(lift(weighed(make_silent(seed=1, by_rating=0.3))))
    assert check.verdict == "fail"
    assert check.p_value < 0.01
    assert "answering depends on more than was known" in check.text


@pytest.mark.parametrize(("heavy", "verdict"), [(1.5, "pass"), (8.0, "warn"), (30.0, "fail")])
def test_the_check_judges_the_effective_share(silent, heavy, verdict):
    # a tenth weighs `heavy`: shares (0.1 h + 0.9)^2 / (0.1 h^2 + 0.9) = .98, .40 and .17
    weight = np.where(np.arange(silent.obs.n_obs) % 10 == 0, heavy, 1.0)
    fit = lift(replace(silent.obs, frame=silent.obs.frame.assign(response_weight=weight)))
    check = check_non_response(fit)
    share = (0.1 * heavy + 0.9) ** 2 / (0.1 * heavy**2 + 0.9)
    assert check.statistic == pytest.approx(share, rel=0.01)
    assert check.verdict == verdict
    assert "The weights came with the table" in check.text


def test_the_check_is_not_run_without_weights(silent):
    check = check_non_response(lift(silent.obs))
    assert check.verdict == "not_run"
    assert "weigh the observations with cx.ResponseModel first" in check.text


# -- Errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", [0.0, -1.0, np.nan, np.inf])
def test_weights_that_cannot_be(obs, wrong):
    weight = obs.frame["response_weight"].to_numpy().copy()
    weight[4] = wrong
    bad = replace(obs, frame=obs.frame.assign(response_weight=weight), response=None)
    with pytest.raises(SchemaError, match=r"response_weight must be a number .*; 1 of .*row 5"):
        lift(bad)


# -- Recovery of the truth -----------------------------------------------------------------------


def repeated(n_repeats, **world):
    """Slopes, errors and tests over repetitions: columns w, se, u, revenue p, retention p."""
    rows = []
    for seed in range(n_repeats):
        silent = make_silent(1_500, seed=seed, base=-3.4, **world)
        result = ResponseModel().fit(silent.obs)
        fit = lift(result.weigh(silent.obs))
        slope = weighted(fit)
        tests = [result.tests[name].p_value for name in ("revenue", "retention")]
        rows.append([slope.value, slope.std_error, unweighted(fit).value, *tests])
    return np.array(rows)


def check_recovery(n_repeats):
    truth = 0.6 * 2.0 + 0.4 * 8.0  # dollars per point by segment, shares of the segments
    w, se, u, p_revenue, p_retention = repeated(n_repeats).T
    error = w.std() / np.sqrt(n_repeats)
    assert abs(w.mean() - truth) < 3 * error
    assert abs(u.mean() - truth) > 3 * u.std() / np.sqrt(n_repeats)
    assert se.mean() == pytest.approx(w.std(), rel=3 / np.sqrt(2 * n_repeats))
    covered = (np.abs(w - truth) < 1.96 * se).mean()
    assert covered > 0.95 - 3 * np.sqrt(0.95 * 0.05 / n_repeats)
    fires = np.concatenate([p_revenue, p_retention]) < 0.05
    assert fires.mean() < 0.05 + 3 * np.sqrt(0.05 * 0.95 / len(fires))


def test_the_weighted_lift_finds_that_of_everybody():
    check_recovery(40)


@pytest.mark.slow
def test_the_weighted_lift_finds_that_of_everybody_in_many_repetitions():
    check_recovery(1_000)


def test_the_outcome_test_fires_when_answering_depends_on_satisfaction():
    p_revenue = repeated(20, by_rating=0.3)[:, 3]
    assert (p_revenue < 0.01).mean() > 0.8
