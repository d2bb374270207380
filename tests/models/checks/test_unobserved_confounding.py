"""The check of hidden causes: strength, yardstick and verdicts."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm

from cxmodel.models.checks.unobserved_confounding import (
    check_unobserved_confounding,
    classical_slope,
    yardsticks,
)
from cxmodel.models.lift_fit import fit_lift
from cxmodel.models.lift_settings import LiftSettings
from cxmodel.stats.sensitivity import benchmark


def _fit(obs, outcome="revenue", **settings):
    return fit_lift(obs, outcome, LiftSettings(**settings))


def _check(obs, outcome="revenue", **settings):
    return check_unobserved_confounding(_fit(obs, outcome, **settings))


# -- against a reference ---------------------------------------------------------------------


def test_the_statistic_comes_from_the_classical_t_of_the_headline(observations):
    """Cinelli & Hazlett (2020), equation 11, with t and degrees of freedom of statsmodels' OLS."""
    fit = _fit(observations(900, seed=4))
    sample = fit.sample
    centred = sample.rating - sample.rating.mean()
    design = np.column_stack(
        [np.ones(900), sample.rating, sample.controls, centred[:, None] * sample.controls]
    )
    other = sm.OLS(sample.outcome, design).fit()
    f = abs(other.tvalues[1]) / np.sqrt(other.df_resid)
    expected = 0.5 * (np.sqrt(f**4 + 4 * f**2) - f**2)
    assert check_unobserved_confounding(fit).statistic == pytest.approx(expected, rel=1e-9)


def test_weights_and_clusters_stand_in_the_slope(observations):
    """Weighted classical error of statsmodels; the believed error is CR1 on clusters - 1."""
    fit = _fit(observations(300, seed=4, repeats=3), average="variance")
    assert fit.headline is not None
    sample = fit.sample
    design = np.column_stack([np.ones(900), sample.rating, sample.controls])
    other = sm.WLS(sample.outcome, design, sample.share * 900).fit()
    slope = classical_slope(sample, fit.headline)
    assert slope is not None
    assert slope.classical_error == pytest.approx(other.bse[1], rel=1e-9)
    assert slope.deg_freedom == other.df_resid
    assert slope.std_error == fit.headline.slope.std_error
    assert slope.error_deg_freedom == 299


def test_a_categorical_control_is_one_group(observations):
    """Both R2 from sums of squares with and without all of its columns (numpy lstsq)."""
    fit = _fit(observations(600, seed=2), controls=["segment", "revenue_before"])
    assert fit.headline is not None
    assert fit.additive is not None
    slope = classical_slope(fit.sample, fit.headline)
    assert slope is not None
    found = {stick.control: stick for stick in yardsticks(fit, slope, fit.additive.fit)}
    assert set(found) == {"segment", "revenue_before"}
    sample = fit.sample
    n_levels = len(fit.plan.controls[0].column_names)
    assert (fit.plan.controls[0].name, n_levels) == ("segment", 2)

    def squares(target, *parts):
        design = np.column_stack([np.ones(600), *parts])
        return np.sum((target - design @ np.linalg.lstsq(design, target, rcond=None)[0]) ** 2)

    of_segment, before = sample.controls[:, :2], sample.controls[:, 2:]
    with_rating = 1 - squares(sample.rating, of_segment, before) / squares(sample.rating, before)
    whole = squares(sample.outcome, sample.rating, of_segment, before)
    with_outcome = 1 - whole / squares(sample.outcome, sample.rating, before)
    expected = benchmark(with_rating, with_outcome)
    stick = found["segment"]
    assert (stick.with_rating, stick.with_outcome) == pytest.approx(expected, rel=1e-8)


# -- verdicts --------------------------------------------------------------------------------


@pytest.mark.parametrize("outcome", ["revenue", "retention"])
def test_a_strong_lift_passes_and_says_what_would_be_left(observations, outcome):
    check = _check(observations(3_000, seed=3), outcome)
    assert check.verdict == "pass"
    assert "still excludes zero" in check.text
    assert ("linear probability model" in check.text) == (outcome == "retention")


def test_a_lift_that_a_second_control_would_turn_fails(observations):
    """Half a dollar a point, against a bias of revenue before that is several dollars."""
    check = _check(observations(4_000, seed=3, dollars_per_point=1.0))
    assert check.verdict == "fail"
    assert "as strong as revenue in the window before" in check.text
    assert "could turn the sign" in check.text


@pytest.mark.parametrize(
    ("dollars", "verdict", "words"),
    [
        (2.0, "fail", "could move it by USD 4.13 per rating point"),
        (5.0, "warn", "which reaches zero"),
        (8.0, "pass", "which still excludes zero"),
    ],
)
def test_between_pass_and_fail_only_the_interval_reaches_zero(
    observations, dollars, verdict, words
):
    """The yardstick is the same in all three; the lift grows past it."""
    obs = observations(1_500, seed=3, dollars_per_point=dollars)
    obs.frame["revenue_after"] += np.random.default_rng(1).normal(0, 40, 1_500)
    check = _check(obs)
    assert check.verdict == verdict
    assert words in check.text


@pytest.mark.parametrize("outcome", ["revenue", "retention"])
def test_an_interval_that_holds_zero_passes_and_says_what_could_hide(observations, outcome):
    obs = observations(2_000, seed=1, dollars_per_point=0.0, log_odds_per_point=0.0)
    check = _check(obs, outcome)
    assert check.verdict == "pass"
    assert "could hide an effect of up to" in check.text


def test_a_control_that_tells_over_half_of_the_rating_leaves_nothing_sure(observations):
    obs = observations(1_500, seed=1)
    rng = np.random.default_rng(2)
    obs.frame["tenure_days"] = 100 * obs.frame["rating"] + rng.normal(0, 100, 1_500)
    check = _check(obs)
    assert check.verdict == "fail"
    assert check.text.startswith("Tenure tells over half of the rating")


# -- not run ---------------------------------------------------------------------------------


def test_without_controls_there_is_no_yardstick(observations):
    check = _check(observations(600, seed=1), controls=[])
    assert check.verdict == "not_run"
    assert "robustness value is 0." in check.text
    assert "would make it run" in check.text


def test_an_outcome_that_never_varies_or_is_told_without_error_is_not_run(observations):
    obs = observations(600, seed=1)
    obs.frame["revenue_after"] = 100.0
    assert _check(obs).verdict == "not_run"
    obs.frame["revenue_after"] = obs.frame["revenue_before"] + 5 * obs.frame["rating"]
    check = _check(obs)
    assert check.verdict == "not_run"
    assert "without error" in check.text


def test_a_separated_outcome_is_not_run(observations):
    obs = observations(600, seed=1)
    obs.frame["churned"] = (obs.frame["rating"] < 6).astype(float)
    assert _check(obs, "retention").verdict == "not_run"


# -- recovery --------------------------------------------------------------------------------


def test_a_hidden_cause_as_strong_as_the_yardstick_moves_the_lift_no_further_than_said(
    observations,
):
    """Segment is hidden: what it does to the lift lies within the bound of its own strength."""
    obs = observations(4_000, seed=9)
    size = obs.frame["segment"].map({"small": 0.0, "middle": 1.0, "large": 2.0})
    obs.frame["rating"] = np.clip(obs.frame["rating"] + size - 1, 0, 10)
    obs.frame["revenue_after"] += 30 * size
    full = _fit(obs, controls=["revenue_before", "segment"], average="variance")
    hidden = _fit(obs, controls=["revenue_before"], average="variance")
    assert full.headline is not None
    assert hidden.headline is not None
    slope = classical_slope(full.sample, full.headline)
    assert slope is not None
    found = {s.control: s for s in yardsticks(full, slope, full.headline.fit)}
    moved = abs(hidden.headline.slope.value - full.headline.slope.value)
    assert 0.5 * moved < found["segment"].bias < 2 * moved
