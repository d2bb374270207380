"""Predictions from other folds: by hand, against scikit-learn and numpy, properties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import PredefinedSplit, cross_val_predict

from cxmodel.models.estimates.cross_fitting import PENALTIES, Features, fold_of_rows, shapes_of


def some_features(n=600, seed=0, *, flags_only=False):
    rng = np.random.default_rng(seed)
    flags = rng.integers(0, 2, (n, 2)).astype(float)
    numbers = rng.gamma(2.0, 1.0, (n, 2))
    plain = flags if flags_only else np.column_stack([numbers, flags])
    folds = fold_of_rows(np.arange(n), 5, [1])
    return Features.of(plain, rng.uniform(0.5, 1.5, n), folds)


# -- by hand ---------------------------------------------------------------------------------


def test_a_number_bends_at_its_quantiles_and_a_flag_does_not():
    """A number: score, square, 7 pieces, 6 steps; with a flag no product."""
    number = np.exp(np.arange(101.0) / 10)
    found = shapes_of(np.column_stack([number, np.arange(101) % 2]))
    assert found.shape == (101, 15)
    assert found.mean(axis=0) == pytest.approx(np.zeros(15), abs=1e-12)
    assert found.std(axis=0) == pytest.approx(np.ones(15))
    # the score is the normal quantile of the rank, so the middle value lies at 0
    score = found[:, 0]
    assert score[50] == pytest.approx(0.0, abs=1e-12)
    assert score[84] / score[97] == pytest.approx(norm.ppf(84.5 / 101) / norm.ppf(97.5 / 101))
    # the piece that begins at the median is flat before it, then a square of the way from there
    piece = found[:, 5] - found[0, 5]
    assert piece[:51] == pytest.approx(np.zeros(51), abs=1e-12)
    assert piece[97] / piece[84] == pytest.approx((score[97] / score[84]) ** 2)


def test_two_numbers_have_one_product():
    rng = np.random.default_rng(0)
    assert shapes_of(rng.normal(size=(200, 2))).shape == (200, 31)
    assert shapes_of(np.ones((5, 1))).shape == (5, 0)


# -- against a reference ---------------------------------------------------------------------


def test_without_shapes_it_is_the_line_of_scikit_learn():
    features = some_features(flags_only=True)
    target = features.plain @ [1.0, 2.0] + np.random.default_rng(2).normal(size=600)
    expected = cross_val_predict(
        LinearRegression(),
        features.plain,
        target,
        cv=PredefinedSplit(features.folds),
        params={"sample_weight": features.weights},
    )
    assert features.predicted(target) == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize("number", range(len(PENALTIES)))
def test_shapes_are_held_down_as_in_an_augmented_least_squares(number):
    """numpy lstsq on rows and, for each shape, one more row that asks it to be 0."""
    features = some_features()
    target = np.sin(features.plain[:, 0]) + np.random.default_rng(2).normal(size=600)
    learn, out = next(features.trainings())
    root = np.sqrt(features.weights[learn])[:, None]
    plain = np.column_stack([np.ones(600), features.plain])
    n_shapes = features.shapes.shape[1]
    held = np.sqrt(PENALTIES[number] * features.weights[learn].sum()) * np.eye(n_shapes)
    top = np.column_stack([plain, features.shapes])[learn] * root
    below = np.column_stack([np.zeros((n_shapes, plain.shape[1])), held])
    goal = np.concatenate([target[learn] * root[:, 0], np.zeros(n_shapes)])
    solved = np.linalg.lstsq(np.vstack([top, below]), goal, rcond=None)[0]
    expected = np.column_stack([plain, features.shapes])[out] @ solved
    found = features._ridge(target, learn, out).held_out[:, 1 + number]
    assert found == pytest.approx(expected, rel=1e-6, abs=1e-8)


def test_shapes_see_what_a_line_cannot_and_trees_what_shapes_cannot():
    rng = np.random.default_rng(5)
    features = some_features(6_000, 5)
    bent = np.cos(2 * features.plain[:, 0])
    joint = np.where(features.plain[:, 2] > 0, 1.0, -1.0) * (features.plain[:, 1] > 1.5)
    for hidden in (bent, joint):
        target = hidden + rng.normal(0, 0.3, 6_000)
        line = np.linalg.lstsq(features.with_constant, target, rcond=None)[0]
        missed = np.mean((hidden - features.with_constant @ line) ** 2)
        assert np.mean((hidden - features.predicted(target)) ** 2) < 0.1 * missed


# -- properties ------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 30), min_size=40, max_size=80), st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_a_customer_is_whole_in_a_fold(customers, seed):
    codes = np.array(customers)
    folds = fold_of_rows(codes, 4, [seed])
    for customer in set(customers):
        assert len(set(folds[codes == customer].tolist())) == 1
    assert folds.tolist() == fold_of_rows(codes, 4, [seed]).tolist()


def test_a_row_has_no_part_in_its_own_prediction():
    features = some_features()
    target = np.random.default_rng(2).normal(size=600)
    learn, out = next(features.trainings())
    before = features._ridge(target, learn, out).held_out
    again = features._ridge(np.where(out, 1e6, target), learn, out).held_out
    assert again == pytest.approx(before, rel=1e-12)


def test_shares_are_probabilities_and_follow_what_tells_the_classes():
    features = some_features(1_500)
    rng = np.random.default_rng(3)
    true = 1 / (1 + np.exp(-2 * (features.plain[:, 0] - 2)))
    codes = (rng.random(1_500) < true).astype(np.int64)
    found = features.shares(codes)
    assert found.sum(axis=1) == pytest.approx(np.ones(1_500))
    assert np.mean(np.abs(found[:, 1] - true)) < 0.05
