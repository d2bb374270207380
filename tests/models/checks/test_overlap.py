"""The check of overlap: who hardly ever gives a low or a high rating, and what it says of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cxmodel.models.checks.overlap import (
    band_probability,
    check_overlap,
    explained,
    lacking_ends,
)
from cxmodel.models.estimation import Sample
from cxmodel.models.lift_fit import fit_lift
from cxmodel.models.lift_settings import LiftSettings
from cxmodel.models.some_customers import some_customers
from cxmodel.scales import CSAT5, NPS


def _check(obs, outcome="revenue", **settings):
    return check_overlap(fit_lift(obs, outcome, LiftSettings(**settings)))


def _sample(rating, controls):
    n = len(rating)
    return Sample.build(np.zeros(n), rating.astype(float), controls, np.arange(n), n)


# -- worked by hand --------------------------------------------------------------------------


def test_a_level_without_the_band_has_half_an_answer_in_one_more_than_its_rows():
    """30 of 60 in the band at one level, none of 40 at the other.

    The design is saturated, so half a count joins every cell: odds of .5 / 40.5 and 30.5 / 30.5;
    then the constant is moved so that the mean is .3.
    """
    level = np.repeat([0.0, 1.0], [60, 40])
    inside = np.r_[np.ones(30), np.zeros(70)].astype(bool)
    sample = _sample(np.where(inside, 10, 5), level[:, None])
    found = band_probability(sample, inside, np.ones(100, dtype=bool))
    assert found.mean() == pytest.approx(0.3)
    odds = found / (1 - found)
    assert odds[-1] / odds[0] == pytest.approx(0.5 / 40.5, rel=1e-3)


@pytest.mark.parametrize("draw", ["normal", "lognormal", "cauchy"])
def test_a_number_that_tells_the_band_without_error_leaves_no_overlap(draw):
    """Above the median all are promoters, below it nobody: each half lacks one end.

    However heavy the tail: it must not flatten the logit.
    """
    rng = np.random.default_rng(1)
    number = {
        "normal": rng.normal(size=2_000),
        "lognormal": rng.lognormal(0, 2, size=2_000),
        "cauchy": rng.standard_cauchy(2_000),
    }[draw]
    rating = np.where(number > np.median(number), 10, rng.choice([5, 7], 2_000))
    ends = lacking_ends(_sample(rating, number[:, None]), NPS, 1)
    assert ends.lacks[1].mean() == pytest.approx(0.5, abs=0.02)


def test_a_band_that_nobody_gave_has_no_chance():
    sample = _sample(np.tile([7, 10], 50), np.zeros((100, 0)))
    ends = lacking_ends(sample, NPS, 1)
    assert ends.lacks[0].all()
    assert not ends.lacks[1].any()


# -- against a reference ---------------------------------------------------------------------


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


def test_a_logit_without_a_maximum_is_said(observations, monkeypatch):
    monkeypatch.setattr("cxmodel.stats.firth.MAX_ITERATIONS", 0)
    check = _check(observations(400, seed=1))
    assert check.verdict == "not_run"
    assert "would make it run" in check.text


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


def test_a_band_that_the_part_lacks_has_its_share():
    sample = _sample(np.r_[np.full(99, 7), 10], np.zeros((100, 0)))
    part = np.arange(100) < 50
    found = band_probability(sample, sample.rating == 10, part)
    assert found == pytest.approx(0.01)


def test_logits_from_a_part_say_nearly_the_same_of_all(observations, monkeypatch):
    obs = observations(6_000, seed=1, confounding=2.0)
    whole = _check(obs)
    monkeypatch.setattr("cxmodel.models.checks.overlap.MOST_ROWS", 2_000)
    assert _check(obs).statistic == pytest.approx(whole.statistic, abs=0.03)
