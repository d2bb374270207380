"""Shuffled columns and partial dependence: by hand, and against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.inspection import partial_dependence as reference_dependence
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression

from cxmodel.stats.permutation import importance, partial_dependence, shuffled_predictions


@pytest.fixture(scope="module")
def fitted():
    rng = np.random.default_rng(7)
    matrix = rng.normal(size=(400, 3))
    outcome = (rng.random(400) < 1 / (1 + np.exp(-(1.2 * matrix[:, 0] - 0.4 * matrix[:, 1])))) * 1.0
    model = LogisticRegression().fit(matrix, outcome)
    return model, matrix, outcome, lambda m: model.predict_proba(m)[:, 1]


# -- worked by hand ------------------------------------------------------------------------------


def test_importance_by_hand():
    # .2 and .8 change places: the loss rises from -log .8 to -log .2, and the ranking turns round
    found = importance(np.array([0.0, 1.0]), np.array([0.2, 0.8]), np.array([[0.8, 0.2]]))
    assert found.log_loss == pytest.approx(np.log(4))
    assert found.roc_auc == 1.0


def test_columns_of_one_variable_move_together():
    matrix = np.column_stack([np.eye(3), [1.0, 2, 3]])
    seen = []

    def predict(table):
        seen.append(table)
        return table[:, 0]

    shuffled_predictions(predict, matrix, [0, 1, 2], n_repeats=5, seed=1)
    for table in seen:
        assert (table[:, :3].sum(axis=1) == 1).all()
        assert (table[:, 3] == [1, 2, 3]).all()
    assert (matrix[:, :3] == np.eye(3)).all()


# -- against a reference -------------------------------------------------------------------------


@pytest.mark.parametrize("column", [0, 1, 2])
def test_importance_is_that_of_scikit_learn(fitted, column):
    model, matrix, outcome, predict = fitted
    shuffled = shuffled_predictions(predict, matrix, [column], n_repeats=60, seed=3)
    found = importance(outcome, predict(matrix), shuffled)
    for scoring, value in (("neg_log_loss", found.log_loss), ("roc_auc", found.roc_auc)):
        reference = permutation_importance(
            model, matrix, outcome, scoring=scoring, n_repeats=60, random_state=1
        )
        drawn = reference.importances[column]
        # both are means of 60 shuffles
        assert value == pytest.approx(drawn.mean(), abs=4 * drawn.std() * np.sqrt(2 / 60) + 1e-12)


def test_dependence_is_that_of_scikit_learn(fitted):
    model, matrix, _, predict = fitted
    grid = np.linspace(-2, 2, 7)
    reference = reference_dependence(
        model, matrix, features=[1], method="brute", response_method="predict_proba",
        custom_values={1: grid},
    )  # fmt: skip
    found = partial_dependence(predict, matrix, [1], grid[:, None])
    assert found == pytest.approx(reference["average"][0], abs=1e-12)


# -- properties ----------------------------------------------------------------------------------


def test_a_column_without_use_has_an_interval_around_zero():
    rng = np.random.default_rng(11)
    held = 0
    for _ in range(100):
        prob = rng.beta(2, 5, 200)
        outcome = (rng.random(200) < prob).astype(float)
        # tells nothing: both predictions are as good, each with noise of its own
        noise = [np.clip(prob + rng.normal(0, 0.05, 200), 0.01, 0.99) for _ in range(2)]
        found = importance(outcome, noise[0], noise[1][None])
        held += abs(found.roc_auc) <= 1.96 * found.roc_auc_std_error
    assert 88 <= held <= 100


def test_customers_stored_twice_do_not_shrink_the_error(fitted):
    _, matrix, outcome, predict = fitted
    prob = predict(matrix)
    shuffled = shuffled_predictions(predict, matrix, [0], n_repeats=1, seed=2)
    once = importance(outcome, prob, shuffled, np.arange(400))
    twice = importance(
        np.tile(outcome, 2), np.tile(prob, 2), np.tile(shuffled, 2), np.tile(np.arange(400), 2)
    )
    assert twice.log_loss_std_error == pytest.approx(once.log_loss_std_error)
    assert twice.roc_auc_std_error == pytest.approx(once.roc_auc_std_error)
