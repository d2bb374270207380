"""The check of overlap: who hardly ever gives a low or a high rating, and what it says of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit, log_expit

from cxmodel.models.checks.overlap import (
    band_probability,
    check_overlap,
    explained,
    lacking_ends,
)
from cxmodel.models.checks.some_customers import some_customers
from cxmodel.models.estimation import Sample
from cxmodel.models.lift_fit import fit_lift
from cxmodel.models.lift_settings import LiftSettings
from cxmodel.scales import CSAT5, NPS


def _check(obs, outcome="revenue", **settings):
    return check_overlap(fit_lift(obs, outcome, LiftSettings(**settings)))


def _sample(rating, controls):
    n = len(rating)
    return Sample.build(np.zeros(n), rating.astype(float), controls, np.arange(n), n)


# -- worked by hand --------------------------------------------------------------------------


def test_a_level_without_the_band_has_half_an_answer_in_one_more_than_its_rows():
    """30 of 60 in the band at one level, none of 40 at the other.

    The design is saturated, so each level holds one coefficient's worth of leverage: (0 + 1/2) /
    41 and (30 + 1/2) / 61; then the constant is moved so that the mean is .3.
    """
    level = np.repeat([0.0, 1.0], [60, 40])
    inside = np.r_[np.ones(30), np.zeros(70)].astype(bool)
    sample = _sample(np.where(inside, 10, 5), level[:, None])
    found = band_probability(sample, inside, sample, 0.3)
    assert found.mean() == pytest.approx(0.3)
    odds = found / (1 - found)
    ratio = (0.5 / 40.5) / (30.5 / 30.5)
    assert odds[-1] / odds[0] == pytest.approx(ratio, rel=1e-8)


def test_a_band_that_nobody_gave_has_no_chance():
    sample = _sample(np.tile([7, 10], 50), np.zeros((100, 0)))
    ends = lacking_ends(sample, NPS, 1)
    assert ends.lacks[0].all()
    assert not ends.lacks[1].any()


# -- against a reference ---------------------------------------------------------------------


def test_probability_is_the_penalised_maximum():
    """Maximised by scipy instead of Newton: log-likelihood plus half answers at each leverage."""
    rng = np.random.default_rng(3)
    controls = rng.normal(size=(400, 3))
    inside = rng.random(400) < expit(controls @ [0.8, -0.5, 0.0] - 1.5)
    sample = _sample(np.where(inside, 10, 5), controls)
    design = np.column_stack([np.ones(400), sample.controls])
    leverage = np.einsum("ij,ji->i", design, np.linalg.pinv(design))

    def minus(beta):
        eta = design @ beta
        success, failure = inside + leverage / 2, ~inside + leverage / 2
        return -(success @ log_expit(eta) + failure @ log_expit(-eta))

    beta = minimize(minus, np.zeros(4), method="BFGS", options={"gtol": 1e-9}).x
    found = band_probability(sample, inside, sample, inside.mean())
    predictor = np.log(found / (1 - found))
    assert predictor - predictor.mean() == pytest.approx(
        sample.controls @ beta[1:] - (sample.controls @ beta[1:]).mean(), abs=1e-5
    )
    assert found.mean() == pytest.approx(inside.mean())


def test_explained_is_r_squared(observations):
    fit = fit_lift(observations(500, seed=1), "revenue", LiftSettings())
    design = np.column_stack([np.ones(500), fit.sample.controls])
    fitted = design @ np.linalg.lstsq(design, fit.sample.rating, rcond=None)[0]
    assert explained(fit.sample) == pytest.approx(np.var(fitted) / np.var(fit.sample.rating))


# -- verdicts and words ----------------------------------------------------------------------


def test_customers_who_rate_independently_of_the_controls_overlap(observations):
    obs = observations(1_500, seed=2, confounding=0.0)
    obs.frame["rating"] = np.random.default_rng(4).integers(0, 11, 1_500).astype(float)
    check = _check(obs)
    assert check.verdict == "pass"
    assert check.statistic == 0
    assert check.text.startswith("Customers of every kind have at least 2% chance")


@pytest.mark.parametrize(("share", "verdict"), [(0.05, "pass"), (0.2, "warn"), (0.4, "fail")])
def test_the_group_without_low_ratings_is_named(observations, share, verdict):
    """Nobody on plan gold rates below 7: of them nothing can be said."""
    obs = observations(2_000, seed=2, confounding=0.0)
    rng = np.random.default_rng(4)
    gold = rng.random(2_000) < share
    obs.frame["plan"] = np.where(gold, "gold", "basic")
    rating = rng.integers(0, 11, 2_000)
    obs.frame["rating"] = np.where(gold, rng.integers(7, 11, 2_000), rating).astype(float)
    obs = replace(obs, attributes=("segment", "plan"), customer_attributes=("segment", "plan"))
    check = _check(obs)
    assert check.verdict == verdict
    assert check.statistic == pytest.approx(gold.mean(), abs=0.01)
    assert "Nothing can be said of customers with plan gold" in check.text
    assert "mostly detractor" in check.text


def test_a_tail_of_a_number_is_named(observations):
    check = _check(observations(2_000, seed=1, confounding=3.0))
    assert check.verdict == "fail"
    assert "Nothing can be said of customers with revenue in the window before over 1" in check.text


def test_a_group_under_the_smallest_size_is_never_named(observations):
    obs = observations(1_000, seed=2, confounding=0.0, min_group_size=100)
    rng = np.random.default_rng(4)
    gold = np.arange(1_000) < 90
    obs.frame["plan"] = np.where(gold, "gold", "basic")
    rating = rng.integers(0, 11, 1_000)
    obs.frame["rating"] = np.where(gold, rng.integers(7, 11, 1_000), rating).astype(float)
    obs = replace(obs, attributes=("segment", "plan"), customer_attributes=("segment", "plan"))
    check = _check(obs)
    assert check.statistic > 0.05
    assert "gold" not in check.text


def test_customers_count_for_the_smallest_size_not_their_responses(observations):
    obs = observations(300, seed=2, repeats=4, confounding=0.0)
    rng = np.random.default_rng(4)
    gold = np.arange(1_200) < 4 * 25
    obs.frame["plan"] = np.where(gold, "gold", "basic")
    rating = rng.integers(0, 11, 1_200)
    obs.frame["rating"] = np.where(gold, rng.integers(7, 11, 1_200), rating).astype(float)
    obs = replace(obs, attributes=("segment", "plan"), customer_attributes=("segment", "plan"))
    assert "gold" not in _check(obs).text


def test_controls_that_tell_nearly_all_of_the_rating_fail(observations):
    obs = observations(1_000, seed=2)
    obs.frame["tenure_days"] = obs.frame["rating"] * 100 + np.random.default_rng(1).normal(
        0, 30, 1_000
    )
    check = _check(obs)
    assert check.verdict == "fail"
    assert "of the rating, so hardly any two customers who are alike" in check.text


def test_two_bands_have_one_logit(observations):
    obs = observations(1_500, seed=2)
    rating = np.clip(np.round(obs.frame["rating"] / 2), 1, 5)
    obs.frame["rating"] = rating
    obs.frame["band"] = [CSAT5.band(r) for r in rating]
    obs = replace(obs, scale=CSAT5, rating="csat")
    check = _check(obs)
    assert "lowest band (rest)" in check.text
    assert "(top box)" in check.text


def test_without_controls_the_bands_themselves_speak(observations):
    check = _check(observations(600, seed=1), controls=[])
    assert check.verdict == "pass"
    assert check.statistic == 0


def test_no_scale_no_bands(observations):
    fit = fit_lift(observations(400, seed=1), "revenue", LiftSettings())
    check = check_overlap(replace(fit, obs=replace(fit.obs, scale=None)))
    assert check.verdict == "not_run"


# -- part of the customers -------------------------------------------------------------------


def test_a_part_holds_whole_customers_and_is_the_same_every_time(observations):
    sample = fit_lift(observations(300, seed=1, repeats=3), "revenue", LiftSettings()).sample
    part = some_customers(sample, 300, 7)
    again = some_customers(sample, 300, 7)
    assert part.n_obs == 300
    assert np.array_equal(part.customers, again.customers)
    assert set(np.bincount(part.customers)) <= {0, 3}
    assert part.share.sum() == pytest.approx(1)
    assert some_customers(sample, 900, 7) is sample
    assert some_customers(sample, 1, 7).n_obs == 3


def test_logits_from_a_part_say_nearly_the_same_of_all(observations, monkeypatch):
    obs = observations(6_000, seed=1, confounding=2.0)
    whole = _check(obs)
    monkeypatch.setattr("cxmodel.models.checks.overlap.MOST_ROWS", 2_000)
    assert _check(obs).statistic == pytest.approx(whole.statistic, abs=0.03)
