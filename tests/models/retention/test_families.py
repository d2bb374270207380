"""Which lifetime family continues a curve, cohorts, and covariates."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from simulated_observations import joined_table, simulate_observations

from cxmodel.errors import ConfigError, CxModelWarning, InsufficientDataError
from cxmodel.models.retention.fit import RetentionFit
from cxmodel.models.retention.model import RetentionModel
from cxmodel.results import NotRun

REGULAR = [1000, 631, 468, 382, 326, 289, 262, 241]
HIGH_END = [1000, 869, 743, 653, 593, 551, 517, 491]

# -- worked by hand


def test_the_smallest_aic_is_taken_and_the_choice_is_shown() -> None:
    fit = RetentionModel(family="auto", n_draws=20).fit_counts(REGULAR)
    table = fit.family_table().set_index("family")
    # 2 x parameters - 2 x log-likelihood: 3364.53 of two parameters, 3365.21 of three
    assert table.aic["sbg"] == pytest.approx(2 * 2 + 2 * 1680.2652, abs=1e-3)
    assert table.aic["bdw"] == pytest.approx(2 * 3 + 2 * 1679.6028, abs=1e-3)
    assert fit.family == "sbg"
    assert table.is_chosen.tolist() == [False, False, True, False]
    assert fit.choice.startswith("The shifted beta-geometric has the lowest AIC")
    assert "geometric 3,591.2" in fit.choice


def test_high_end_customers_take_the_beta_discrete_weibull() -> None:
    fit = RetentionModel(family="auto", n_draws=20).fit_counts(HIGH_END)
    assert fit.family == "bdw"
    assert set(fit.parameters) == {"gamma", "delta", "c"}
    curve = fit.curve(12)
    assert curve.observed.tolist() == [True] * 8 + [False] * 5
    # observed 468, 445, 427, 409, 394 of 1,000
    assert curve.retention[8:] == pytest.approx([0.468, 0.445, 0.427, 0.409, 0.394], abs=0.012)


def test_a_family_that_was_asked_for_is_compared_all_the_same() -> None:
    fit = RetentionModel(family="sbg", n_draws=5).fit_counts(HIGH_END)
    assert fit.family == "sbg"
    assert "by AIC the beta-discrete-Weibull fits best" in fit.choice


def test_two_cohorts_by_hand() -> None:
    model = RetentionModel(family="geometric", n_draws=10)
    fit = model.fit_cohorts({"old": [100, 80, 64], "new": [100, 60]})
    # 76 lost in 100 + 80 + 100 customer-periods
    assert fit.together.parameters["prob_churn_per_period"] == pytest.approx(76 / 280)
    old, new = fit["old"], fit["new"]
    assert isinstance(old, RetentionFit)
    assert isinstance(new, RetentionFit)
    assert old.parameters["prob_churn_per_period"] == pytest.approx(0.2)
    assert new.parameters["prob_churn_per_period"] == pytest.approx(0.4)

    def likelihood(lost: int, kept: int) -> float:
        share = lost / (lost + kept)
        return lost * np.log(share) + kept * np.log(1 - share)

    apart = likelihood(36, 144) + likelihood(40, 60)
    assert fit.statistic == pytest.approx(2 * (apart - likelihood(76, 204)))
    assert fit.deg_freedom == 1


# -- against a reference


def test_five_cohorts_of_fader_and_hardie_2010() -> None:
    # Customer-base valuation in a contractual setting: alpha 3.80, beta 15.20 (table 2's counts)
    alive = [10_000, 8_000, 6_480, 5_307, 4_391]
    cohorts = {str(2003 + i): alive[: 5 - i] for i in range(4)}
    fit = RetentionModel(n_draws=10).fit_cohorts(cohorts)
    assert fit.together.parameters == pytest.approx({"alpha": 3.80, "beta": 15.20}, rel=0.01)
    with_discount = [fit.together.derl(n, 0.10) for n in range(5)]
    assert with_discount == pytest.approx([3.31, 3.45, 3.59, 3.72, 3.84], abs=0.01)
    assert fit.p_value is not None
    assert fit.p_value > 0.9


def test_annual_and_monthly_discounts_agree() -> None:
    fit = RetentionModel(n_draws=2).fit(simulate_observations(800))
    assert fit.derl(3, annual_discount_rate=0.10) == pytest.approx(fit.derl(3, 1.1 ** (1 / 12) - 1))
    assert fit.discounted_lifetime(annual_discount_rate=0.10) == pytest.approx(
        fit.discounted_lifetime(1.1 ** (1 / 12) - 1)
    )


# -- properties


def test_cohorts_that_are_one_are_fitted_as_one() -> None:
    model = RetentionModel(n_draws=5)
    alone = model.fit_counts(HIGH_END)
    halves = [[count / 2 for count in HIGH_END]] * 2
    fit = model.fit_cohorts({"a": halves[0], "b": halves[1]})
    assert fit.together.parameters == pytest.approx(alone.parameters, rel=1e-3)
    assert fit.statistic == pytest.approx(0.0, abs=1e-6)
    assert fit.together.curve(12).retention == pytest.approx(alone.curve(12).retention, rel=1e-5)


def test_groups_of_observations_and_their_curves() -> None:
    obs = simulate_observations(1_500)
    fit = RetentionModel(family="auto", n_draws=5).fit_by(obs, "band")
    assert set(fit.cohorts) == {"detractor", "passive", "promoter"}
    assert fit.p_value is not None
    assert fit.p_value < 1e-6
    curves = fit.curve(24)
    at_year = curves[curves.month == 12].set_index("group").retention
    assert at_year["promoter"] > at_year["passive"] > at_year["detractor"]
    assert fit.to_frame().group.tolist() == ["all", "detractor", "passive", "promoter"]


def test_small_groups_are_not_shown_nor_worked_out() -> None:
    obs = simulate_observations(600, repeats=0.0)
    frame = obs.frame.assign(segment=["tiny"] * 10 + ["small"] * 90 + ["large"] * 500)
    fit = RetentionModel(n_draws=2).fit_by(replace(obs, frame=frame), "segment")
    tiny, small = fit["tiny"], fit["small"]
    assert isinstance(tiny, NotRun)
    assert isinstance(small, NotRun)
    assert tiny.reason == "under 30 customers"
    assert "cannot be worked out" in small.reason


def test_the_origin_of_a_covariate_does_not_matter() -> None:
    obs = simulate_observations(800)
    shifted = replace(obs, frame=obs.frame.assign(rating=obs.frame.rating + 100))
    model = RetentionModel(family="sbg")
    first, second = (model.fit_covariates(one, "rating") for one in (obs, shifted))
    assert first.coefficients == pytest.approx(second.coefficients, rel=1e-6)
    assert first.parameters == pytest.approx(second.parameters, rel=1e-4)
    assert first.at(6, {"rating": 9}) == pytest.approx(second.at(6, {"rating": 109}))


def test_a_covariate_table_shows_ratios_and_terms() -> None:
    fit = RetentionModel(family="auto").fit_covariates(joined_table(), ["rating", "plan"])
    frame = fit.to_frame()
    assert frame.term.tolist() == ["rating", "plan: b", "plan: c"]
    assert frame.hazard_ratio.to_numpy() == pytest.approx(np.exp(frame.estimate))
    assert fit.hazard_ratio_per_rating_point().unit == "hazard ratio per rating point"
    assert fit.at(12, {"plan": "b"}) != pytest.approx(fit.at(12, {"plan": "a"}))
    assert fit.derl({"rating": 5}, annual_discount_rate=0.1) > fit.derl(
        {"rating": 1}, annual_discount_rate=0.1
    )
    assert fit.plot().axes[0].get_xlabel() == "Hazard ratio"


# -- errors


def test_infinite_lifetimes_say_why() -> None:
    fit = RetentionModel(family="bdw", n_draws=2).fit_counts(HIGH_END)
    with pytest.warns(CxModelWarning, match=r"gamma x c is 0\.369, and at 1 or less"):
        assert fit.derl(0) == np.inf
    with pytest.raises(ValueError, match="How long a period is cannot be known"):
        fit.derl(0, annual_discount_rate=0.1)
    with pytest.raises(ValueError, match="not both"):
        fit.derl(0, 0.01, annual_discount_rate=0.1)
    with pytest.raises(ValueError, match="discount_rate_per_period must be 0 or more"):
        fit.derl(0, -0.1)
    with pytest.raises(ValueError, match="n_renewals must be 0 or more"):
        fit.derl(-1, 0.1)


def test_more_parameters_than_periods_are_refused() -> None:
    with pytest.raises(
        InsufficientDataError, match="3 parameters, and customers left in 2 periods"
    ):
        RetentionModel(family="bdw").fit_counts([100, 80, 64])
    # left aside, not refused, where nobody asked for it
    fit = RetentionModel(family="auto", n_draws=2).fit_counts([100, 80, 60])
    assert fit.family == "geometric"
    assert "the beta-discrete-Weibull was left aside" in fit.choice


def test_impossible_cohorts_are_named() -> None:
    model = RetentionModel(n_draws=2)
    with pytest.raises(ValueError, match="Cohort 'b': alive rises"):
        model.fit_cohorts({"a": [100, 80], "b": [100, 120]})
    with pytest.raises(InsufficientDataError, match="Cohort 'b': alive goes from 100 to 100"):
        model.fit_cohorts({"a": [100, 80], "b": [100, 100]})
    with pytest.raises(ValueError, match="1 cohorts"):
        model.fit_cohorts({"a": [100, 80]})
    # a cohort that lost few still counts among all, and has no model of its own
    young = model.fit_cohorts({"a": [100, 80, 66], "b": [100, 95]})
    assert young.together.n_events == 39
    assert "5 of 100 left" in str(young.cohorts["b"])


def test_unknown_and_useless_covariates_are_named() -> None:
    obs = simulate_observations(300)
    model = RetentionModel()
    with pytest.raises(ConfigError, match=r"'ratng'.*Did you mean 'rating'"):
        model.fit_covariates(obs, ["ratng"])
    with pytest.raises(ConfigError, match="by names 'segmnt'"):
        model.fit_by(obs, "segmnt")
    same = replace(obs, frame=obs.frame.assign(rating=7.0))
    with pytest.raises(InsufficientDataError, match="no covariate varies"):
        model.fit_covariates(same, ["rating"])
    many = obs.frame.assign(city=[f"c{i % 40}" for i in range(len(obs.frame))])
    with pytest.raises(ConfigError, match="'city' has 40 levels"):
        model.fit_covariates(replace(obs, frame=many), ["city"])


def test_customers_without_a_covariate_are_counted() -> None:
    obs = simulate_observations(500, repeats=0.0)
    frame = obs.frame.copy()
    frame.loc[frame.index[:7], "segment"] = pd.NA
    fit = RetentionModel(family="geometric").fit_covariates(
        replace(obs, frame=frame), ["rating", "segment"]
    )
    assert {"stage": "retention", "reason": "missing_control", "n": 7} in fit.not_used
    assert fit.n_obs == 493
    with pytest.raises(ValueError, match="no covariate 'segmen'"):
        fit.at(3, {"segmen": "large"})
    with pytest.raises(ValueError, match="no term 'segment: medium'"):
        fit.hazard_ratio("segment: medium")


# -- recovery of a known truth


def test_the_hazard_ratio_per_rating_point_is_recovered() -> None:
    # every point lowers the rate of leaving by the factor exp(-0.3)
    held = []
    for seed in range(20):
        obs = simulate_observations(500, seed=seed, rating_effect=-0.3, repeats=0.0)
        ratio = RetentionModel(family="geometric").fit_covariates(obs).hazard_ratio("rating")
        assert ratio.conf_low is not None
        assert ratio.conf_high is not None
        held.append(ratio.conf_low <= np.exp(-0.3) <= ratio.conf_high)
    assert sum(held) >= 16  # of 20; 15 or fewer would happen in 0.3% of runs


@pytest.mark.slow
def test_intervals_of_the_hazard_ratio_hold_the_truth_as_often_as_they_say() -> None:
    held = []
    for seed in range(400):
        obs = simulate_observations(500, seed=seed, rating_effect=-0.3, repeats=0.0)
        ratio = RetentionModel(family="geometric").fit_covariates(obs).hazard_ratio("rating")
        assert ratio.conf_low is not None
        assert ratio.conf_high is not None
        held.append(ratio.conf_low <= np.exp(-0.3) <= ratio.conf_high)
    assert np.mean(held) == pytest.approx(0.95, abs=0.03)
