"""Weights for non-response: by hand, against statsmodels, and the truth about everybody."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from silent_company import make_silent

import cxmodel as cx
from cxmodel.errors import ConfigError, InsufficientDataError, LeakageError
from cxmodel.models.controls import ControlPlan
from cxmodel.models.response.model import ResponseModel
from cxmodel.models.response.outcome_test import compare_outcomes
from cxmodel.models.response.propensity import fit_propensity
from cxmodel.models.response.weigh import influence_of_customers
from cxmodel.results import NotRun


@pytest.fixture(scope="module")
def silent():
    return make_silent(seed=1)


@pytest.fixture(scope="module")
def fitted(silent):
    return ResponseModel(trim=0.0).fit(silent.obs)


def by_hand(answered_of_20, segment="small"):
    """Twenty customers of a segment with one landmark each, so many of whom answered."""
    n = 20
    return pd.DataFrame(
        {
            "customer_id": [f"{segment}{i}" for i in range(n)],
            "segment": segment,
            "_answered": np.arange(n) < answered_of_20,
            "_is_sampled": True,
        }
    )


def two_segments(silent, small=4, large=10):
    around = pd.concat([by_hand(small, "small"), by_hand(large, "large")], ignore_index=True)
    places = np.flatnonzero(around["_answered"])
    occasions = replace(
        silent.obs.occasions,
        obs=replace(silent.obs.occasions.obs, frame=around),
        of_response=places.astype(np.int64),
    )
    found = around.iloc[places].reset_index(drop=True).assign(rating=9.0)
    return replace(silent.obs, frame=found, occasions=occasions)


# -- Worked by hand ------------------------------------------------------------------------------


def test_two_segments_that_answer_unlike(silent):
    # 4 of 20 small and 10 of 20 large answered: 14 of 40. A small answer weighs 0.35 / 0.2 = 1.75,
    # a large one 0.35 / 0.5 = 0.7; their mean is (4 x 1.75 + 10 x 0.7) / 14 = 1
    obs = two_segments(silent)
    result = ResponseModel(trim=0.0).fit(obs)
    weights = pd.Series(result.weights.weight).groupby(obs.frame["segment"]).unique()
    assert weights["small"] == pytest.approx([1.75])
    assert weights["large"] == pytest.approx([0.7])
    facts = result.to_dict()
    assert (facts["n_occasions"], facts["n_answered"], facts["n_weighted"]) == (40, 14, 14)
    # Kish: 14^2 / (4 x 1.75^2 + 10 x 0.7^2) = 196 / 17.15
    assert facts["n_effective"] == pytest.approx(196 / 17.15)
    assert facts["effective_share"] == pytest.approx(14 / 17.15)


def test_balance_before_and_after_by_hand(silent):
    # of 40, half are large (spread 0.5); of the answers 10 / 14 are: (10/14 - 1/2) / 0.5 apart.
    # weighted they are half again. Under min_group_size 20 the level may be shown
    obs = two_segments(silent)
    occasions = replace(obs.occasions, obs=replace(obs.occasions.obs, min_group_size=20))
    frame = ResponseModel(trim=0.0).fit(replace(obs, occasions=occasions)).to_frame()
    assert frame["unweighted"].abs().tolist() == pytest.approx([3 / 7])
    assert frame["weighted"].tolist() == pytest.approx([0.0], abs=1e-9)


def test_no_small_level_is_shown(silent):
    result = ResponseModel().fit(two_segments(silent))  # min_group_size is 30
    assert result.to_frame().empty
    assert result.to_dict()["balance"]["n_hidden"] == 1


def test_a_response_without_an_occasion_has_weight_1_and_is_counted(silent):
    obs = two_segments(silent)
    places = obs.occasions.of_response.copy()
    places[:2] = -1
    obs = replace(obs, occasions=replace(obs.occasions, of_response=places))
    result = ResponseModel(trim=0.0).fit(obs)
    assert result.weights.weight[:2].tolist() == [1.0, 1.0]
    assert np.isnan(result.weights.inverse_prob[:2]).all()
    assert not result.weights.slopes[:2].any()
    assert any("2 of 14 responses have weight 1: their customer was not" in c
               for c in result.caveats)  # fmt: skip


def test_weighing_changes_a_copy_and_says_so_in_the_audit(silent, fitted):
    weighed = fitted.weigh(silent.obs)
    assert silent.obs.frame["response_weight"].eq(1).all()
    np.testing.assert_array_equal(weighed.frame["response_weight"], fitted.weights.weight)
    assert weighed.audit["response"]["population"] == "customers at risk"
    assert weighed.audit["match_rate"] == 1.0


def test_a_trimmed_weight_is_held_and_moves_with_nothing(silent):
    result = ResponseModel(trim=0.05).fit(silent.obs)
    weight = result.weights.weight
    is_top = weight == weight.max()
    assert is_top.sum() == result.to_dict()["n_trimmed"]
    assert is_top.mean() == pytest.approx(0.05, abs=0.002)
    assert not result.weights.slopes[is_top].any()
    assert result.weights.slopes[~is_top].any(axis=1).all()
    assert weight.mean() == pytest.approx(1.0)


# -- Against a reference -------------------------------------------------------------------------


def test_probabilities_are_those_of_statsmodels(silent):
    occasions = silent.obs.occasions
    propensity = fit_propensity(occasions)
    frame = occasions.obs.frame
    assert propensity.plan.names == ("revenue_before", "segment")
    design = sm.add_constant(
        np.column_stack([frame["revenue_before"], (frame["segment"] == "large").astype(float)])
    )
    reference = sm.Logit(frame["_answered"].astype(float), design).fit(disp=0, tol=1e-12)
    level = 1.0 if propensity.plan.column_names[1] == "segment=large" else -1.0
    assert level == -1.0 or propensity.fit.coefficients == pytest.approx(
        reference.params.to_numpy(), rel=1e-7
    )
    np.testing.assert_allclose(propensity.prob, reference.predict(), rtol=1e-8)


def test_the_outcome_test_is_that_of_statsmodels(silent):
    # the linear regression of the outcome on answered and the controls, CR1 by customer
    occasions = silent.obs.occasions
    test = compare_outcomes(occasions, fit_propensity(occasions), "revenue")
    frame = occasions.obs.frame
    design = pd.DataFrame(
        {
            "constant": 1.0,
            "answered": frame["_answered"].astype(float),
            "before": frame["revenue_before"],
            "large": (frame["segment"] == "large").astype(float),
        }
    )
    groups = pd.factorize(frame["customer_id"])[0]
    reference = sm.OLS(frame["revenue_after"], design).fit(
        cov_type="cluster", cov_kwds={"groups": groups}
    )
    assert test.gap == pytest.approx(reference.params["answered"], rel=1e-9)
    assert test.std_error == pytest.approx(reference.bse["answered"], rel=1e-6)
    assert test.p_value == pytest.approx(reference.pvalues["answered"], rel=1e-5)
    assert test.n_obs == len(frame)
    silent_means = reference.predict(design.assign(answered=0.0))
    expected = (frame["revenue_after"] - silent_means)[occasions.of_response]
    np.testing.assert_allclose(test.residuals, expected, rtol=1e-8, atol=1e-8)


def test_the_error_of_the_logit_is_the_clustered_sandwich(silent):
    # customers inside and outside the observations together give the covariance by customer
    occasions = silent.obs.occasions
    propensity = fit_propensity(occasions)
    inside, outside = influence_of_customers(silent.obs, occasions, propensity)
    assert len(inside) == silent.obs.frame["customer_id"].nunique()
    ours = inside.T @ inside + outside.T @ outside
    groups = pd.factorize(occasions.obs.frame["customer_id"])[0]
    reference = sm.Logit(occasions.answered.astype(float), propensity.design).fit(
        disp=0, tol=1e-12, cov_type="cluster", cov_kwds={"groups": groups, "use_correction": False}
    )
    np.testing.assert_allclose(ours, reference.cov_params(), rtol=1e-5, atol=1e-12)


# -- Properties ----------------------------------------------------------------------------------


def test_the_order_of_occasions_does_not_matter(silent, fitted):
    order = np.random.default_rng(1).permutation(len(silent.obs.occasions.obs.frame))
    frame = silent.obs.occasions.obs.frame.iloc[order].reset_index(drop=True)
    places = np.argsort(order)[silent.obs.occasions.of_response]
    occasions = replace(
        silent.obs.occasions, obs=replace(silent.obs.occasions.obs, frame=frame), of_response=places
    )
    again = ResponseModel(trim=0.0).fit(replace(silent.obs, occasions=occasions))
    np.testing.assert_allclose(again.weights.weight, fitted.weights.weight, rtol=1e-8)


def test_customers_outside_the_sample_are_weighed_by_the_same_model(silent):
    frame = silent.obs.occasions.obs.frame.copy()
    frame["_is_sampled"] = frame["customer_id"].str[-1].isin(list("01234"))
    occasions = replace(
        silent.obs.occasions,
        obs=replace(silent.obs.occasions.obs, frame=frame),
        sample_rate=0.5,
    )
    result = ResponseModel(trim=0.0).fit(replace(silent.obs, occasions=occasions))
    sample = frame[frame["_is_sampled"]]
    assert result.to_dict()["n_occasions"] == len(sample)
    assert result.to_dict()["n_weighted"] == silent.obs.n_obs
    outside = ~silent.obs.frame["customer_id"].isin(sample["customer_id"]).to_numpy()
    codes = pd.factorize(silent.obs.frame["customer_id"])[0]
    assert not result.weights.influence[np.unique(codes[outside])].any()
    assert any("fitted on 50.0% of the customers" in caveat for caveat in result.caveats)


# -- Errors --------------------------------------------------------------------------------------


def test_observations_without_occasions_say_how_to_get_them(silent):
    with pytest.raises(ConfigError, match=r"Join them with join_observations\(..., population="):
        ResponseModel().fit(replace(silent.obs, occasions=None))


def test_a_joined_table_cannot_be_weighted():
    table = pd.DataFrame({"score": [9, 3, 5], "left": ["no", "yes", "no"]})
    obs = cx.read_observations(table, ratings={"nps": ("score", cx.NPS)}, churned="left")
    with pytest.raises(ConfigError, match="already joined holds only those who did"):
        ResponseModel().fit(obs)


def test_the_reason_why_there_are_none_is_passed_on(silent):
    obs = replace(silent.obs, occasions=NotRun("there are no invitations"))
    with pytest.raises(InsufficientDataError, match="No weights for non-response: there are no"):
        ResponseModel().fit(obs)


def test_too_few_who_did_not_answer(silent):
    with pytest.raises(InsufficientDataError, match="36 of 40 occasions to answer were answered"):
        ResponseModel().fit(two_segments(silent, small=18, large=18))


def test_a_segment_that_never_answers_is_pooled_and_named(silent):
    result = ResponseModel().fit(two_segments(silent, small=0, large=12))
    assert any("everybody has one outcome" in caveat for caveat in result.caveats)
    assert np.unique(result.weights.weight).size == 1


def test_a_number_that_tells_who_answers_is_refused(silent):
    frame = silent.obs.occasions.obs.frame.copy()
    frame["revenue_before"] += 1_000.0 * frame["_answered"]
    occasions = replace(silent.obs.occasions, obs=replace(silent.obs.occasions.obs, frame=frame))
    with pytest.raises(InsufficientDataError, match="tells without error which of them answer"):
        ResponseModel().fit(replace(silent.obs, occasions=occasions))


@pytest.mark.parametrize("name", ["segmnt", "revenue_after", "rating"])
def test_controls_that_are_not_known_of_the_silent(silent, name):
    with pytest.raises(ConfigError, match=f"response.controls has '{name}', which is not known of"):
        ResponseModel(controls=[name]).fit(silent.obs)


def test_a_date_that_lies_later_is_no_control(silent):
    around = silent.obs.occasions.obs
    frame = around.frame.assign(renewed_at=around.frame["responded_at"] + pd.Timedelta(days=9))
    occasions = replace(
        silent.obs.occasions,
        obs=replace(around, frame=frame, attributes=("segment", "renewed_at")),
    )
    obs = replace(silent.obs, occasions=occasions)
    assert "renewed_at" not in ResponseModel().fit(obs).to_dict()["controls"]
    with pytest.raises(LeakageError, match=r"response\.controls has 'renewed_at', which is dated"):
        ResponseModel(controls=["renewed_at"]).fit(obs)


def test_trims_that_cannot_be():
    with pytest.raises(ValueError, match=r"trim must be 0 or more and below 0\.5, not 0\.5"):
        ResponseModel(trim=0.5)


def test_weights_of_other_observations(silent, fitted):
    other = replace(silent.obs, frame=silent.obs.frame.iloc[:-1])
    with pytest.raises(ValueError, match="Weigh the observations that were fitted"):
        fitted.weigh(other)


def test_stated_controls_replace_the_default_ones(silent):
    result = ResponseModel(controls="segment").fit(silent.obs)
    assert result.to_dict()["controls"] == ["segment"]


def test_without_controls_every_answer_weighs_the_same(silent):
    result = ResponseModel(controls=[]).fit(silent.obs)
    assert np.unique(result.weights.weight.round(12)).tolist() == [1.0]
    assert isinstance(fit_propensity(silent.obs.occasions, ()).plan, ControlPlan)
