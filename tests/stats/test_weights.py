"""Weights for non-response: by hand, against closed forms, and what must always hold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxmodel.stats.weights import (
    closing_tilt,
    stabilised_weights,
    standardised_differences,
    tilted_weights,
    trim_weights,
)

# -- Worked by hand ------------------------------------------------------------------------------


def test_a_stabilised_weight_is_the_rate_over_the_probability():
    # 30 of 100 answered: at 0.6 an answer stands for half an average one, at 0.15 for two
    np.testing.assert_allclose(stabilised_weights(np.array([0.6, 0.3, 0.15]), 0.3), [0.5, 1.0, 2.0])


def test_weights_beyond_the_quantile_are_pulled_in():
    # of 1, 2, 3, 4, 9 the 75% quantile is 4
    trimmed = trim_weights(np.array([9.0, 1, 2, 3, 4]), 0.25)
    assert trimmed.cap == 4
    assert trimmed.weights.tolist() == [4, 1, 2, 3, 4]
    assert trimmed.is_trimmed.tolist() == [True, False, False, False, False]


def test_no_trimming_leaves_everything():
    trimmed = trim_weights(np.array([1.0, 100.0]), 0.0)
    assert trimmed.weights.tolist() == [1, 100]
    assert not trimmed.is_trimmed.any()


def test_balance_is_in_spreads_of_the_population():
    # population 0, 0, 4, 4: mean 2, spread 2. Answers 0, 4, 4 have mean 8/3, so (8/3 - 2) / 2;
    # with weights 2, 1, 1 their mean is 2
    population = np.array([[0.0], [0.0], [4.0], [4.0]])
    answered = np.array([[0.0], [4.0], [4.0]])
    assert standardised_differences(answered, population)[0] == pytest.approx(1 / 3)
    weights = np.array([2.0, 1.0, 1.0])
    assert standardised_differences(answered, population, weights)[0] == pytest.approx(0.0)


def test_a_column_without_spread_is_in_balance():
    assert standardised_differences(np.ones((2, 1)), np.ones((3, 1))).tolist() == [0.0]


def test_a_tilt_of_log_3_turns_equal_odds_into_3_to_1():
    # two answers stand for 2 silent ones each; tilted by exp(-log 3) they are 3 and 1
    weights = tilted_weights(np.array([3.0, 3.0]), np.array([0.0, 1.0]), np.log(3))
    np.testing.assert_allclose(weights, [4.0, 2.0])


def test_the_tilt_that_closes_a_gap():
    # residuals -1 and 3 with equal odds average 1; at weights 3/4 and 1/4 they average 0
    found = closing_tilt(np.array([3.0, 3.0]), np.array([0.0, 1.0]), np.array([-1.0, 3.0]))
    assert found == pytest.approx(np.log(3), abs=1e-12)


def test_no_gap_needs_no_tilt_and_some_gaps_have_none():
    two = np.array([2.0, 2.0])
    assert closing_tilt(two, np.array([0.0, 1.0]), np.array([-1.0, 1.0])) == 0.0
    assert closing_tilt(two, np.array([0.0, 1.0]), np.array([1.0, 2.0])) is None
    assert closing_tilt(np.ones(2), np.array([0.0, 1.0]), np.array([1.0, 2.0])) is None


# -- Against a reference -------------------------------------------------------------------------


def test_normal_answers_tilt_to_a_shifted_normal():
    # exponential tilting of N(m, s^2) by exp(-t x) is N(m - t s^2, s^2), so the mean 7 falls to
    # 7 - 0.5 x 4 = 5
    x = np.random.default_rng(1).normal(7, 2, 400_000)
    weights = tilted_weights(np.full(len(x), 1e9), x, 0.5)
    assert np.average(x, weights=weights) == pytest.approx(5.0, abs=0.03)


# -- What must always hold -----------------------------------------------------------------------

positive = st.floats(0.01, 1.0)


@given(st.lists(st.tuples(positive, st.floats(-3, 3)), min_size=2, max_size=30), st.floats(-5, 5))
def test_a_tilt_keeps_how_many_there_are(rows, tilt):
    prob, score = np.array(rows).T
    weights = tilted_weights(1 / prob, score, tilt)
    assert weights.sum() == pytest.approx((1 / prob).sum(), rel=1e-9)
    assert (weights >= 1 - 1e-12).all()


@given(st.lists(positive, min_size=1, max_size=30), st.floats(0, 0.49))
def test_trimming_never_raises_a_weight_nor_changes_their_order(prob, share):
    weights = stabilised_weights(np.array(prob), 0.3)
    trimmed = trim_weights(weights, share)
    assert (trimmed.weights <= weights).all()
    assert (np.diff(trimmed.weights[np.argsort(weights)]) >= 0).all()
    assert trimmed.is_trimmed.sum() <= np.ceil(share * len(weights))


@given(st.lists(st.tuples(positive, st.floats(-3, 3), st.floats(-5, 5)), min_size=3, max_size=30))
def test_the_closing_tilt_closes(rows):
    prob, score, residuals = np.array(rows).T
    tilt = closing_tilt(1 / prob, score, residuals)
    if tilt is None:
        return
    absent = 1 / prob - 1
    tilted = absent * np.exp(-tilt * (score - score.min()))
    if tilted.sum() > 0:
        assert abs(tilted @ residuals) <= 1e-6 * (tilted @ np.abs(residuals)) + 1e-9


# -- Errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize("prob", [0.0, -0.1, 1.1, np.nan])
def test_probabilities_that_cannot_be(prob):
    with pytest.raises(ValueError, match="must be above 0 and at most 1"):
        stabilised_weights(np.array([0.5, prob]), 0.5)


@pytest.mark.parametrize("share", [-0.1, 0.5])
def test_trims_that_cannot_be(share):
    with pytest.raises(ValueError, match=r"trim must be 0 or more and below 0\.5"):
        trim_weights(np.ones(3), share)
