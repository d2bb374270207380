"""Customers who are alike and leave ever more often: retention as a discrete Weibull."""

import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from simulated_observations import simulate_observations

import cxmodel as cx
from cxmodel.errors import InsufficientDataError
from cxmodel.models.retention.choice import FAMILIES
from cxmodel.models.retention.fit import RetentionFit
from cxmodel.models.retention.model import RetentionModel
from cxmodel.results import Estimate
from cxmodel.stats.lifetime_survival import discrete_weibull_survival
from cxmodel.tables.observation_table import Observations
from cxmodel.value.cltv.model import CltvModel

LOSS, C = 0.01, 1.6


def _alive(loss: float = LOSS, c: float = C, months: int = 18, n: int = 2_000) -> list[float]:
    return np.round(n * discrete_weibull_survival(loss, c, np.arange(months + 1))).tolist()


def _ageing(n: int, seed: int, effect: float = 0.0) -> Observations:
    """Customers who are alike but for the rating, and leave ever more often: c is 1.6."""
    obs = simulate_observations(n, seed=seed, repeats=0.0)
    rng = np.random.default_rng(seed)
    frame = obs.frame.copy()
    rate = 0.01 * np.exp(effect * (frame["rating"] - 7))
    life = (rng.exponential(size=n) / rate) ** (1 / C) * 365.25 / 12
    end = pd.Timestamp(obs.as_of) + pd.Timedelta(days=1)
    answered = frame["responded_at"]
    follow = ((end - answered).dt.total_seconds() / 86_400).to_numpy()
    frame["duration_days"] = np.minimum(life, follow)
    frame["_event"] = life <= follow
    frame["revenue_after"] = 20 * np.minimum(life, 180) / 30.4375
    return replace(obs, frame=frame)


# -- worked by hand


def test_the_choice_holds_four_families_and_takes_the_discrete_weibull() -> None:
    fit = RetentionModel(family="auto", n_draws=20).fit_counts(_alive())
    table = fit.family_table().set_index("family")
    assert tuple(table.index) == FAMILIES == ("geometric", "discrete_weibull", "sbg", "bdw")
    assert table.n_parameters.tolist() == [1, 2, 2, 3]
    assert fit.family == "discrete_weibull"
    assert fit.parameters == pytest.approx({"prob_churn_first_period": LOSS, "c": C}, rel=0.01)
    # one parameter more that wins nothing costs 2
    assert table.aic["bdw"] == pytest.approx(table.aic["discrete_weibull"] + 2, abs=0.2)
    limit = "ran to its limit, where customers are alike: that is the "
    assert table.note["sbg"] == limit + "geometric"
    assert table.note["bdw"] == limit + "discrete Weibull"
    assert fit.choice.startswith("The discrete Weibull has the lowest AIC")
    assert not fit.caveats


def test_the_curve_goes_on_as_the_model_does() -> None:
    fit = RetentionModel(family="discrete_weibull", n_draws=20).fit_counts(_alive())
    curve = fit.curve(30)
    truth = discrete_weibull_survival(LOSS, C, np.arange(31))
    assert curve.retention == pytest.approx(truth, abs=2e-3)
    assert curve.observed.sum() == 19
    assert fit.at([1.0]) == pytest.approx([1 - LOSS], rel=1e-3)
    # who has stayed 12 months: S(12 + t) / S(12)
    later = fit.residual_curve([12.0], 6)
    assert later.retention == pytest.approx(truth[12:19] / truth[12], abs=5e-3)


# -- against a closed form


def test_residual_lifetimes_fall_with_tenure() -> None:
    fit = RetentionModel(family="discrete_weibull", n_draws=2).fit_counts(_alive())
    t = np.arange(1.0, 400.0)
    theta, c = fit.parameters.values()
    for n in (0, 6, 12):
        stays = discrete_weibull_survival(theta, c, n + t) / discrete_weibull_survival(theta, c, n)
        assert fit.derl(n, 0.01) == pytest.approx((stays * 1.01 ** (1 - t)).sum(), rel=1e-9)
    assert fit.derl(0, 0.01) > fit.derl(6, 0.01) > fit.derl(12, 0.01)
    # no discount is no trouble: the sum is finite whatever c is
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert fit.derl(0) < np.inf
    assert fit.discounted_lifetime(0.01) == pytest.approx(1 + fit.derl(0, 0.01) / 1.01)


# -- properties


def test_a_stored_fit_is_the_same_fit(tmp_path: Path) -> None:
    fit = RetentionModel(family="auto", n_draws=7).fit_counts(_alive())
    again = cx.load_model(fit.save(tmp_path / "retention.json"))
    assert isinstance(again, RetentionFit)
    assert again.family == "discrete_weibull"
    assert again.parameters == fit.parameters
    assert again.families == fit.families
    assert np.array_equal(again.curve(40).retention, fit.curve(40).retention)
    assert np.array_equal(again.curve(40).draws, fit.curve(40).draws)
    assert again.derl(3, 0.01) == fit.derl(3, 0.01)


def test_cohorts_are_compared_in_it() -> None:
    model = RetentionModel(family="discrete_weibull", n_draws=5)
    fit = model.fit_cohorts({"old": _alive(), "new": _alive(loss=0.02)[:13]})
    assert fit.deg_freedom == 2
    assert fit.p_value is not None
    assert fit.p_value < 1e-6
    new = fit["new"]
    assert isinstance(new, RetentionFit)
    assert new.parameters == pytest.approx({"prob_churn_first_period": 0.02, "c": C}, rel=0.02)


def test_a_lifetime_value_reads_it() -> None:
    obs = _ageing(900, seed=2)
    fit = RetentionModel(family="auto", n_draws=20).fit(obs)
    assert fit.family == "discrete_weibull"
    model = CltvModel(gross_margin=0.5, annual_discount_rate=0.1, n_draws=20)
    found = model.fit(obs, fit)
    geometric = model.fit(obs, RetentionModel(family="geometric", n_draws=20).fit(obs))
    # the geometric never ages, so it holds too many far out
    ahead, plain = found.residual_lifetime, geometric.residual_lifetime
    assert isinstance(ahead, Estimate)
    assert isinstance(plain, Estimate)
    assert ahead.estimate < plain.estimate
    assert found.per_customer.estimate < geometric.per_customer.estimate
    # groups are fitted in the family of all customers
    assert {row["retention_of"] for row in found.by_band} == {"this group"}


def test_the_rating_multiplies_its_hazard() -> None:
    obs = _ageing(3_000, seed=3, effect=-0.3)
    fit = RetentionModel(family="auto").fit_covariates(obs, "rating")
    assert fit.family == "discrete_weibull"
    ratio = fit.hazard_ratio_per_rating_point()
    assert ratio.std_error is not None
    assert abs(np.log(ratio.estimate) + 0.3) < 3 * ratio.std_error / ratio.estimate
    assert fit.parameters["c"] == pytest.approx(C, rel=0.06)
    assert fit.derl({"rating": 10}) > fit.derl({"rating": 0})


def test_asked_for_by_name_the_mixture_says_that_it_is_the_discrete_weibull() -> None:
    fit = RetentionModel(family="bdw", n_draws=2).fit_counts(_alive())
    (caveat,) = fit.caveats
    assert "ran to its limit of no difference between customers" in caveat
    assert "c 1.6" in caveat
    assert 'family="discrete_weibull"' in caveat
    # and its curve is the same curve
    alike = RetentionModel(family="discrete_weibull", n_draws=2).fit_counts(_alive())
    assert fit.at(np.arange(30)) == pytest.approx(alike.at(np.arange(30)), abs=2e-3)


# -- errors


def test_one_period_with_a_loss_does_not_tell_two_parameters() -> None:
    with pytest.raises(InsufficientDataError, match="2 parameters, and customers left in 1"):
        RetentionModel(family="discrete_weibull").fit_counts([100, 80])
    fit = RetentionModel(family="auto", n_draws=2).fit_counts([100, 90, 60])
    note = fit.family_table().set_index("family").note["discrete_weibull"]
    assert note == "as many parameters as periods with a loss (2)"
    assert fit.family == "geometric"


# -- recovery of a known truth


def _held(seeds: range) -> tuple[float, float]:
    """Say how often the interval of month 30 holds the truth after 18 months, and that of c."""
    truth = float(discrete_weibull_survival(LOSS, C, 30.0))
    of_curve, of_power = [], []
    for seed in seeds:
        rng = np.random.default_rng(seed)
        left = np.floor((rng.exponential(size=500) / -np.log1p(-LOSS)) ** (1 / C))
        alive = [float((left >= t).sum()) for t in range(19)]
        fit = RetentionModel(family="discrete_weibull", n_draws=100, seed=seed).fit_counts(alive)
        curve = fit.curve(30)
        of_curve.append(curve.conf_low[30] <= truth <= curve.conf_high[30])
        power = fit.parameter_table().set_index("term").loc["c"]
        of_power.append(power.conf_low <= C <= power.conf_high)
    return float(np.mean(of_curve)), float(np.mean(of_power))


def test_intervals_hold_the_truth_in_a_short_run() -> None:
    # of 40, 34 or fewer would happen in 1.4% of runs at 95%; 33 or fewer in 0.3%
    of_curve, of_power = _held(range(40))
    assert of_curve >= 34 / 40
    assert of_power >= 34 / 40


@pytest.mark.slow
def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    of_curve, of_power = _held(range(1_000, 1_600))
    assert of_curve == pytest.approx(0.95, abs=0.03)
    assert of_power == pytest.approx(0.95, abs=0.03)
