"""The flexible slope and contrasts: by hand, against scikit-learn, errors, known truths."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import PredefinedSplit, cross_val_predict

from cxmodel.models.estimates import flexible as module
from cxmodel.models.estimates.cross_fitting import fold_of_rows
from cxmodel.models.estimates.flexible import (
    N_FOLDS,
    Comparison,
    flexible,
    flexible_sentences,
    partially_linear,
)
from cxmodel.models.estimates.flexible_contrasts import band_scores, flexible_contrasts
from cxmodel.models.estimation import Carried, Quantity, Sample, fit_slope
from cxmodel.models.lift import LiftModel
from cxmodel.models.lift_fit import fit_lift
from cxmodel.models.lift_settings import LiftSettings
from cxmodel.results import NotRun
from cxmodel.scales import NPS


def bent_sample(seed, kind="square", n=1_500, repeats=1):
    """A rating point is worth 5; what drives rating and outcome is no line in the controls."""
    rng = np.random.default_rng(seed)
    n_customers = n // repeats
    who = np.repeat(np.arange(n_customers), repeats)
    numbers = rng.normal(size=(n_customers, 5))
    flags = rng.integers(0, 2, (n_customers, 3)).astype(float)
    driver = {
        "line": numbers[:, 0] + 0.5 * numbers[:, 1],
        "square": numbers[:, 0] ** 2 - 1,
        "product": numbers[:, 0] * numbers[:, 1],
        "logarithm": 0.8 * numbers[:, 0],
    }[kind][who]
    if kind == "logarithm":
        numbers = np.exp(1.2 * numbers)
    rating = np.clip(np.round(6.5 + 1.2 * driver + rng.normal(0, 1.8, n)), 0, 10)
    lasting = rng.normal(0, 15, n_customers)[who]
    outcome = 5 * rating + 20 * driver + lasting + rng.normal(0, 15, n)
    return Sample.build(outcome, rating, np.column_stack([numbers, flags])[who], who, n_customers)


# -- by hand ---------------------------------------------------------------------------------


def test_far_apart_means_all_three():
    """2 errors of the difference, a tenth of the stiff estimate, half its standard error."""
    fit = _StandIn()
    stiff = Quantity(10.0, np.array([3.0, 0.0]), 100)
    near = Comparison.of(fit, Quantity(11.4, np.array([3.0, 0.5]), 100), stiff)
    assert near.apart == pytest.approx(2.8)
    assert not near.is_far  # 1.4 is under half of 3
    far = Comparison.of(fit, Quantity(11.6, np.array([3.0, 0.5]), 100), stiff)
    assert far.is_far
    assert far.said == (
        "With controls of any shape the slope is USD 11.60, with straight ones USD 10.00: 3.2 "
        "standard errors of the difference apart; the shape of the controls matters, so read both."
    )
    unsure = Comparison.of(fit, Quantity(14.0, np.array([3.0, 2.5]), 100), stiff)
    assert not unsure.is_far


class _StandIn:
    """What a comparison asks of a fit."""

    outcome = "revenue"

    class obs:  # noqa: N801
        currency = "USD"


# -- against a reference ---------------------------------------------------------------------


def test_with_flags_alone_it_is_the_residual_regression_of_scikit_learn():
    """Robinson's slope of rests from cross_val_predict(LinearRegression), HC1 of one slope."""
    sample = bent_sample(3, "line")
    sample = replace(sample, controls=sample.controls[:, 5:])
    folds = PredefinedSplit(fold_of_rows(sample.customers, N_FOLDS, [1]))
    rating, outcome = (
        target - cross_val_predict(LinearRegression(), sample.controls, target, cv=folds)
        for target in (sample.rating, sample.outcome)
    )
    slope = rating @ outcome / (rating @ rating)
    left = rating * (outcome - slope * rating) / (rating @ rating)
    found = partially_linear(sample, [1])
    assert found.value == pytest.approx(slope, rel=1e-8)
    assert found.std_error == pytest.approx(np.sqrt(left @ left * 1_500 / 1_498), rel=1e-8)


# -- properties ------------------------------------------------------------------------------


def test_money_in_another_unit_is_the_same_lift(observations):
    obs = observations(700, seed=1)
    fit = fit_lift(obs, "revenue", LiftSettings())
    times_100 = replace(
        fit, sample=fit.sample.with_outcome(100 * fit.sample.outcome), additive=fit.additive
    )
    assert flexible(times_100).value == pytest.approx(100 * flexible(fit).value, rel=1e-6)
    assert flexible(fit).value == flexible(fit).value


def test_a_band_s_scores_move_with_the_outcome():
    sample = bent_sample(1, "line", n=900)
    codes = np.digitize(sample.rating, [6.5, 8.5])
    before, _ = band_scores(sample, codes, [1])
    after, _ = band_scores(sample.with_outcome(sample.outcome + 1_000), codes, [1])
    assert after == pytest.approx(before + 1_000, rel=1e-6)


# -- errors and limits -----------------------------------------------------------------------


def test_what_cannot_be_learnt_says_why(observations):
    obs = observations(150, seed=1)
    fit = fit_lift(obs, "revenue", LiftSettings(controls=("revenue_before",)))
    assert "150 customers are fewer than the 200" in flexible(fit).reason
    bare = fit_lift(observations(400), "revenue", LiftSettings(controls=()))
    assert "nothing is held equal" in flexible(bare).reason
    off = fit_lift(observations(400), "revenue", LiftSettings(flexible=False))
    assert flexible(off) == flexible_contrasts(off, NPS)
    assert "not asked for" in flexible(off).reason
    few = fit_lift(observations(300), "revenue", LiftSettings())
    assert "customers in the band" in flexible_contrasts(few, NPS).reason


def test_many_rows_are_bounded_by_whole_customers_and_that_is_said(observations, monkeypatch):
    monkeypatch.setattr(module, "MAX_ROWS", 700)
    fit = fit_lift(observations(600, repeats=2), "revenue", LiftSettings())
    found = flexible(fit)
    assert found.n_obs == 700
    assert (found.influence != 0).sum() == 350
    assert flexible_sentences(found)[0] == (
        "The flexible estimates rest on 700 responses, of customers drawn at random; 500 are left "
        "out of them to bound the time."
    )


def test_result_holds_slope_and_contrasts_with_influence(observations):
    lift = LiftModel().fit(observations(1_500, seed=2))
    section = lift.to_section()
    rows = section["flexible_contrasts"]["rows"]
    assert [(r["from"], r["to"]) for r in rows] == [
        ("detractor", "passive"),
        ("passive", "promoter"),
    ]
    for name in ("flexible_per_rating_point", "flexible_contrasts.detractor_to_passive"):
        error = np.sqrt(np.sum(lift.influence[name] ** 2))
        shown = lift.terms.get(name)
        assert error == pytest.approx(shown.std_error if shown else rows[0]["std_error"])
    again = LiftModel().fit(observations(1_500, seed=2))
    assert again.to_section()["flexible_contrasts"] == section["flexible_contrasts"]
    off = LiftModel(flexible=False).fit(observations(400))
    assert isinstance(off.to_section()["flexible_contrasts"], NotRun)


# -- recovery of a known truth ---------------------------------------------------------------


@pytest.mark.parametrize("kind", ["line", "square", "product", "logarithm"])
def test_a_bent_confounder_misleads_the_line_and_not_the_flexible_slope(kind):
    """Truth 5 over 30 samples: within a quarter of a standard error, and Monte Carlo's own."""
    found, straight = [], []
    for seed in range(30):
        sample = bent_sample(seed, kind)
        found.append(partially_linear(sample, [seed]))
        straight.append(fit_slope(sample).slope.value)
    values = np.array([q.value for q in found])
    spread = values.std()
    assert values.mean() == pytest.approx(5.0, abs=(0.25 + 3 / np.sqrt(30)) * spread)
    assert np.mean([q.std_error for q in found]) == pytest.approx(spread, rel=0.4)
    if kind == "line":
        assert np.mean(np.abs(values - straight)) < 0.25 * spread
    else:
        assert np.mean(straight) > 5 + 5 * spread


def test_contrasts_of_bands_hold_in_a_bent_world():
    """Ratings drawn for everybody at random give the truth: 6 to 8, 8 to 10, 5 each."""
    differences, straight = [], []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        sample = bent_sample(seed, "square")
        # one rating a band, so that a band is one thing: 6, 8 or 10
        codes = np.digitize(sample.rating, [6.5, 8.5])
        driver = sample.controls[:, 0] ** 2
        outcome = 5 * np.array([6.0, 8.0, 10.0])[codes] + 20 * driver + rng.normal(0, 15, 1_500)
        scores, _ = band_scores(sample.with_outcome(outcome), codes, [seed])
        differences.append(sample.share @ np.diff(scores, axis=1))
        raw = [outcome[codes == i].mean() for i in range(3)]
        straight.append(np.diff(raw))
    found = np.array(differences)
    spread = found.std(axis=0)
    assert found.mean(axis=0) == pytest.approx([10.0, 10.0], abs=3 * spread.max() / np.sqrt(12))
    assert (np.mean(straight, axis=0) > 10 + 3 * spread).all()


@pytest.mark.slow
def test_intervals_of_the_flexible_slope_cover_the_truth():
    """methods 7: 200 samples, bias within .25 standard errors, coverage 90-98%."""
    for kind, repeats in (("line", 1), ("square", 1), ("product", 2), ("logarithm", 1)):
        found = [
            partially_linear(bent_sample(seed, kind, 2_000, repeats), [seed]) for seed in range(200)
        ]
        values = np.array([q.value for q in found])
        errors = np.array([q.std_error for q in found])
        covered = np.mean(np.abs(values - 5.0) < 1.96 * errors)
        noise = 2.58 / np.sqrt(200)
        assert abs(values.mean() - 5.0) < (0.25 + noise) * values.std(), kind
        assert 0.90 - 2.58 * np.sqrt(0.09 / 200) <= covered <= 0.995, kind


def test_some_rows_of_a_weighted_sample_keep_the_error_of_their_weights():
    rng = np.random.default_rng(1)
    customers = np.arange(40)
    carried = Carried(rng.normal(size=(40, 2)), rng.normal(size=(40, 2)))
    sample = Sample.build(
        rng.normal(size=40), rng.normal(size=40), rng.normal(size=(40, 1)), customers, 40,
        weights=rng.uniform(1, 2, 40), carried=carried,
    )  # fmt: skip
    part = sample.of_rows(customers < 30)
    np.testing.assert_array_equal(part.carried.slopes, carried.slopes[:30])
    assert np.isfinite(part.mean(part.outcome).std_error)
    shares = sample.share[:30] / sample.share[:30].sum()
    np.testing.assert_allclose(part.share, shares, rtol=1e-14)
