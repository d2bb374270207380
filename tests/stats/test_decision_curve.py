"""Net benefit: by hand, against a confusion matrix, and its intervals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix

from cxmodel.stats.decision_curve import decision_curve, net_benefit_of_rows, std_error_of_mean

# -- worked by hand ------------------------------------------------------------------------------


def test_net_benefit_by_hand():
    # at 25% the first three are treated: 2/4 - 1/4 x (1/3) = 5/12; everybody: 2/4 - 2/4 x 1/3 = 1/3
    curve = decision_curve([1, 0, 1, 0], [0.9, 0.6, 0.4, 0.1], [0.25])
    assert curve.n_treated.tolist() == [3]
    assert curve.model[0] == pytest.approx(5 / 12)
    assert curve.everybody[0] == pytest.approx(1 / 3)
    assert curve.over_everybody[0] == pytest.approx(1 / 12)
    # rows bring 1, -1/3, 1, 0: squares about their mean add up to 17/12; x 4/3 / 16
    assert curve.model_std_error[0] == pytest.approx(np.sqrt(17 / 12 * 4 / 3 / 16))


def test_acting_on_all_at_the_prevalence_brings_nothing():
    # prevalence - (1 - prevalence) x odds is 0 where the threshold is the prevalence
    outcome = np.repeat([1.0, 0.0], [25, 75])
    assert decision_curve(outcome, outcome, [0.25]).everybody[0] == pytest.approx(0)
    # at 10%: .25 - .75 / 9
    assert decision_curve(outcome, outcome, [0.1]).everybody[0] == pytest.approx(0.25 - 0.75 / 9)


# -- against a reference -------------------------------------------------------------------------


def test_net_benefit_is_that_of_a_confusion_matrix():
    rng = np.random.default_rng(5)
    prob = rng.beta(2, 5, 500)
    outcome = (rng.random(500) < prob).astype(float)
    levels = np.array([0.05, 0.2, 0.5, 0.7])
    curve = decision_curve(outcome, prob, levels)
    for level, found in zip(levels, curve.model, strict=True):
        (_, false_positives), (_, true_positives) = confusion_matrix(outcome, prob >= level)
        expected = true_positives / 500 - false_positives / 500 * level / (1 - level)
        assert found == pytest.approx(expected, abs=1e-12)


def test_error_of_a_mean_is_the_usual_one():
    values = np.random.default_rng(1).normal(size=40)
    assert std_error_of_mean(values, None) == pytest.approx(values.std(ddof=1) / np.sqrt(40))


# -- properties ----------------------------------------------------------------------------------


def test_rows_stored_twice_in_one_cluster_do_not_shrink_the_error():
    rng = np.random.default_rng(2)
    prob = rng.random(60)
    outcome = (rng.random(60) < prob).astype(float)
    once = decision_curve(outcome, prob, [0.3])
    twice = decision_curve(
        np.tile(outcome, 2), np.tile(prob, 2), [0.3], clusters=np.tile(np.arange(60), 2)
    )
    assert twice.model_std_error[0] == pytest.approx(once.model_std_error[0])
    assert twice.over_everybody_std_error[0] == pytest.approx(once.over_everybody_std_error[0])


@given(st.lists(st.tuples(st.booleans(), st.floats(0.01, 0.99)), min_size=1, max_size=30))
def test_knowing_everything_brings_the_prevalence(rows: list[tuple[bool, float]]):
    outcome = np.array([row[0] for row in rows], dtype=float)
    curve = decision_curve(outcome, outcome, [row[1] for row in rows])
    assert curve.model == pytest.approx(np.full(len(rows), outcome.mean()))
    assert (curve.everybody <= curve.model + 1e-12).all()


def test_interval_of_the_net_benefit_covers():
    # truth: p uniform on 0-1, threshold .4: E[p; p > .4] - E[1 - p; p > .4] x 2/3 = .42 - .18 x 2/3
    rng = np.random.default_rng(3)
    truth = (1 - 0.16) / 2 - (0.6 - 0.42) * 2 / 3
    held = 0
    for _ in range(400):
        prob = rng.random(150)
        outcome = (rng.random(150) < prob).astype(float)
        curve = decision_curve(outcome, prob, [0.4])
        held += abs(curve.model[0] - truth) <= 1.96 * curve.model_std_error[0]
    assert 0.92 <= held / 400 <= 0.98


# -- errors --------------------------------------------------------------------------------------


def test_what_is_no_decision():
    with pytest.raises(ValueError, match="between 0 and 1"):
        decision_curve([0, 1], [0.1, 0.2], [1.0])
    with pytest.raises(ValueError, match="one shape"):
        decision_curve([0, 1], [0.1], [0.5])


def test_who_is_not_treated_adds_nothing():
    assert net_benefit_of_rows(np.array([0.0, 1.0]), np.zeros(2), 0.5).tolist() == [0.0, 0.0]
