"""The check of the arithmetic: shuffled ratings have no lift, and z spreads as its error says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxmodel.models.checks.shuffled_rating import (
    Left,
    check_shuffled_rating,
    shuffled_customers,
    shuffled_z,
    z_of,
)
from cxmodel.models.estimation import Sample, fit_slope
from cxmodel.models.lift_fit import fit_lift
from cxmodel.models.lift_settings import LiftSettings


def _fit(obs, outcome="revenue", **chosen):
    return fit_lift(obs, outcome, LiftSettings(**chosen))


# -- worked by hand --------------------------------------------------------------------------


def test_ratings_stay_within_cells():
    cells = np.array([0, 1, 0, 1, 1])
    donors = shuffled_customers(cells, 50, np.random.default_rng(1))
    assert np.array_equal(np.sort(donors, axis=0), np.tile(np.arange(5)[:, None], 50))
    assert np.array_equal(cells[donors], np.tile(cells[:, None], 50))


def test_a_customer_with_more_responses_gets_the_donors_ratings_over_again():
    """Customers have 1 and 3 responses without controls; both get the other's ratings.

    Ratings 4 | 1, 2, 6 become, less the weighted mean 3.5: .5 .5 .5 for the second, -2.5 for the
    first; with weights 1 and 1/3 outcome 0 | 3, 3, 3 less its mean 1.5. Slope 1: so z is not
    finite, while each customer with its own ratings has a residual.
    """
    sample = Sample.build(
        np.array([0.0, 3.0, 3.0, 3.0]),
        np.array([4.0, 1.0, 2.0, 6.0]),
        np.zeros((4, 0)),
        np.array([0, 1, 1, 1]),
        2,
    )
    left = Left.of(sample)
    swapped = np.array([[1], [0]])
    with np.errstate(divide="ignore"):
        assert abs(z_of(left, swapped)[0]) > 1e6
    assert abs(z_of(left, np.array([[0], [1]]))[0]) < 1e3


# -- against a reference ---------------------------------------------------------------------


@pytest.mark.parametrize("outcome", ["revenue", "retention"])
@pytest.mark.parametrize("repeats", [1, 3])
def test_unshuffled_z_is_that_of_the_additive_slope(observations, outcome, repeats):
    """The rows' own ratings give the z of the least-squares fit with HC1 or CR1."""
    sample = _fit(observations(300, seed=5, repeats=repeats), outcome).sample
    slope = fit_slope(sample).slope
    left = Left.of(sample)
    own = np.arange(len(left.starts))[:, None]
    # the additive slope's error also counts that the base's means are estimated: none here
    assert z_of(left, own)[0] == pytest.approx(slope.value / slope.std_error, rel=1e-9)


def test_shuffled_z_is_that_of_a_fit_to_shuffled_ratings(observations):
    """With one cell of controls that tell nothing, each shuffle is a plain refit."""
    sample = _fit(observations(200, seed=5), controls=[]).sample
    left = Left.of(sample)
    donors = shuffled_customers(left.cells, 3, np.random.default_rng(8))
    order = np.argsort(sample.customers, kind="stable")
    for column, z in zip(donors.T, z_of(left, donors), strict=True):
        rating = np.empty(200)
        rating[order] = sample.rating[order][column]
        other = Sample.build(
            sample.outcome, rating, sample.controls, sample.customers, sample.n_customers
        )
        slope = fit_slope(other).slope
        assert z == pytest.approx(slope.value / slope.std_error, rel=1e-9)


# -- properties ------------------------------------------------------------------------------


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), repeats=st.integers(1, 4))
def test_z_has_no_lift_left(seed, repeats):
    """Whatever the outcome, shuffled slopes lie about zero."""
    rng = np.random.default_rng(seed)
    n = 60 * repeats
    rating = rng.integers(0, 11, n).astype(float)
    sample = Sample.build(
        5 * rating + rng.normal(size=n),
        rating,
        rng.normal(size=(n, 2)),
        np.repeat(np.arange(60), repeats),
        60,
    )
    z = shuffled_z(sample, 100, seed)
    assert abs(z.mean()) < 0.6


def test_the_same_seed_gives_the_same_spread(observations):
    fit = _fit(observations(400, seed=1))
    first, again = check_shuffled_rating(fit), check_shuffled_rating(fit)
    other = check_shuffled_rating(_fit(observations(400, seed=1), seed=5))
    assert first == again
    assert other.statistic != first.statistic


# -- verdicts --------------------------------------------------------------------------------


@pytest.mark.parametrize("outcome", ["revenue", "retention"])
@pytest.mark.parametrize("repeats", [1, 3])
def test_the_arithmetic_holds(observations, outcome, repeats):
    check = check_shuffled_rating(_fit(observations(600, seed=3, repeats=repeats), outcome))
    assert check.verdict == "pass"
    assert "the arithmetic holds" in check.text


def test_wrong_arithmetic_fails(observations, monkeypatch):
    """Responses taken for independent although customers always rate alike: errors too short."""
    obs = observations(150, seed=3, repeats=6)
    first = obs.frame.groupby("customer_id")[["rating", "revenue_after"]].transform("first")
    obs.frame[["rating", "revenue_after"]] = first
    fit = _fit(obs, controls=["tenure_days"])
    assert check_shuffled_rating(fit).verdict == "pass"
    monkeypatch.setattr(Left, "is_clustered", property(lambda self: False))
    monkeypatch.setattr(
        "cxmodel.models.checks.shuffled_rating._ratings_of",
        lambda left, donors: left.rating[
            left.starts[np.repeat(donors, left.sizes, axis=0)] + np.tile(np.arange(6), 150)[:, None]
        ],
    )
    check = check_shuffled_rating(fit)
    assert check.verdict == "fail"
    assert check.statistic > 2
    assert "intervals are too short" in check.text


def test_it_is_not_run_where_nothing_varies(observations):
    obs = observations(400, seed=1)
    obs.frame["revenue_after"] = 50.0
    assert check_shuffled_rating(_fit(obs)).verdict == "not_run"


# -- recovery --------------------------------------------------------------------------------


@pytest.mark.parametrize("repeats", [1, 3])
def test_the_spread_is_one_on_average(observations, repeats):
    """20 seeds of 200 shuffles: the mean of their spreads has an error of .011."""
    sample = _fit(observations(500, seed=3, repeats=repeats)).sample
    spreads = [np.std(shuffled_z(sample, 200, seed), ddof=1) for seed in range(20)]
    assert np.mean(spreads) == pytest.approx(1, abs=0.05)


@pytest.mark.slow
def test_clean_worlds_are_rarely_failed(observations):
    """Methods 7: at most 7%; chance alone leaves the band 3 times in 1,000."""
    verdicts = [check_shuffled_rating(_fit(observations(400, seed=s))).verdict for s in range(200)]
    assert verdicts.count("fail") <= 4
