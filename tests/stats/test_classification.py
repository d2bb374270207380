"""Scores of probabilities, by hand and against scikit-learn and statsmodels."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from cxmodel.errors import InsufficientDataError, SeparationError
from cxmodel.stats.classification import (
    auc_influence,
    brier,
    calibration,
    log_loss,
    pr_auc,
    roc_auc,
)


@pytest.fixture(scope="module")
def predictions() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    logit = rng.normal(-1.5, 1.2, 800)
    outcome = (rng.random(800) < 1 / (1 + np.exp(-logit))).astype(float)
    # predictions that are too extreme and too low, with many ties
    return outcome, np.round(1 / (1 + np.exp(-(1.6 * logit - 0.3))), 2).clip(0.01, 0.99)


# -- worked by hand ------------------------------------------------------------------------------


def test_brier_by_hand():
    assert brier([1, 0, 1], [0.9, 0.2, 0.5]) == pytest.approx((0.01 + 0.04 + 0.25) / 3)


def test_log_loss_by_hand():
    assert log_loss([1, 0], [0.25, 0.5]) == pytest.approx((np.log(4) + np.log(2)) / 2)


def test_area_counts_ties_half():
    # pairs (case, other): (2, 1) above, (2, 2) tie, (3, 1) and (3, 2) above: 3.5 of 4
    assert roc_auc([0, 0, 1, 1], [1, 2, 2, 3]).estimate == pytest.approx(3.5 / 4)


def test_delong_variance_by_hand():
    # placements of cases: .75, 1; of others: 1, .75. Variances 1/32 each, over 2 each: 1/32 in all
    assert roc_auc([0, 0, 1, 1], [1, 2, 2, 3]).std_error == pytest.approx(np.sqrt(1 / 32))


def test_perfect_ranking_keeps_an_interval():
    area = roc_auc([0] * 20 + [1] * 30, list(range(50)))
    assert area.estimate == 1
    assert 0.8 < area.conf_low < 1


def test_two_by_two_calibration_has_a_closed_form():
    # 4 of 10 at .2 and 6 of 10 at .8: logits +-log 1.5 over +-log 4
    found = calibration([1] * 4 + [0] * 6 + [1] * 6 + [0] * 4, [0.2] * 10 + [0.8] * 10)
    assert found.slope == pytest.approx(np.log(1.5) / np.log(4))
    assert found.intercept == pytest.approx(0, abs=1e-9)
    assert found.in_the_large == pytest.approx(0, abs=1e-9)


# -- against a reference -------------------------------------------------------------------------


def test_scores_agree_with_scikit_learn(predictions):
    outcome, prob = predictions
    assert brier(outcome, prob) == pytest.approx(metrics.brier_score_loss(outcome, prob))
    assert log_loss(outcome, prob) == pytest.approx(metrics.log_loss(outcome, prob))
    assert roc_auc(outcome, prob).estimate == pytest.approx(metrics.roc_auc_score(outcome, prob))
    assert pr_auc(outcome, prob) == pytest.approx(metrics.average_precision_score(outcome, prob))


def test_calibration_agrees_with_statsmodels(predictions):
    outcome, prob = predictions
    logit = np.log(prob / (1 - prob))
    bent = sm.GLM(outcome, sm.add_constant(logit), family=sm.families.Binomial()).fit()
    moved = sm.GLM(outcome, np.ones_like(logit), offset=logit, family=sm.families.Binomial()).fit()
    found = calibration(outcome, prob)
    assert (found.intercept, found.slope) == pytest.approx(tuple(bent.params), abs=1e-7)
    errors = (found.intercept_std_error, found.slope_std_error)
    assert errors == pytest.approx(tuple(bent.bse), rel=1e-6)
    assert found.in_the_large == pytest.approx(moved.params[0], abs=1e-7)
    assert found.in_the_large_std_error == pytest.approx(moved.bse[0], rel=1e-6)
    assert found.slope < 0.8


def test_influence_gives_the_variance_of_delong(predictions):
    outcome, prob = predictions
    area, influence = auc_influence(outcome, prob)
    assert area == pytest.approx(metrics.roc_auc_score(outcome, prob))
    assert influence.sum() == pytest.approx(0, abs=1e-9)
    # DeLong divides by m - 1 in either group, the influence by m
    cases = outcome == 1
    n, n_cases = len(outcome), int(cases.sum())
    parts = [(influence[side] ** 2).sum() / n**2 * m / (m - 1)
             for side, m in ((cases, n_cases), (~cases, n - n_cases))]  # fmt: skip
    assert np.sqrt(sum(parts)) == pytest.approx(roc_auc(outcome, prob).std_error)


# -- properties ----------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 20)), min_size=4, max_size=60))
def test_area_of_the_reverse_is_the_rest(rows: list[tuple[bool, int]]):
    outcome, score = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    if 0 < outcome.sum() < len(outcome):
        area = roc_auc(outcome, score)
        assert area.estimate + roc_auc(outcome, -score).estimate == pytest.approx(1)
        assert 0 <= area.conf_low <= area.estimate <= area.conf_high <= 1


def test_delong_interval_covers():
    # true area .760 for two normals one standard deviation apart: Phi(1 / sqrt 2)
    rng = np.random.default_rng(8)
    outcome = np.repeat([0.0, 1.0], [80, 40])
    areas = [roc_auc(outcome, rng.normal(outcome, 1)) for _ in range(400)]
    held = np.mean([area.conf_low <= 0.76025 <= area.conf_high for area in areas])
    assert 0.92 <= held <= 0.98


# -- errors --------------------------------------------------------------------------------------


def test_one_kind_of_outcome():
    with pytest.raises(InsufficientDataError, match="0 rows where it happened and 2"):
        roc_auc([0, 0], [1, 2])


def test_separated_predictions_have_no_slope():
    with pytest.raises(SeparationError, match="2 cases from 2 others"):
        calibration([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9])


def test_equal_predictions_have_no_slope():
    with pytest.raises(InsufficientDataError, match="predictions that differ"):
        calibration([0, 1], [0.3, 0.3])


@pytest.mark.parametrize(
    ("outcome", "prob", "message"),
    [
        ([0, 2], [0.1, 0.2], "0 or 1"),
        ([0, 1], [0.1, 1.2], "between 0 and 1"),
        ([0, 1], [0.1], "one shape"),
        ([0, 1], [0.1, np.nan], "finite"),
    ],
)
def test_what_is_no_prediction(outcome, prob, message):
    with pytest.raises(ValueError, match=message):
        brier(outcome, prob)
