"""The curve along the rating: its values, its edges, and the comparison with the line."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm

from cxmodel.models.checks.linearity import merged_levels
from cxmodel.models.estimates.curve import (
    Curve,
    Shapes,
    data_edges,
    fit_curve,
    out_of_sample,
    spline_means,
)
from cxmodel.models.estimation import Sample, fit_slope
from cxmodel.models.lift import LiftModel
from cxmodel.models.lift_fit import fit_lift
from cxmodel.models.lift_settings import LiftSettings
from cxmodel.results import NotRun

UNIT = "USD per customer per 180 days"


def _fit(obs, outcome="revenue", **chosen):
    return fit_lift(obs, outcome, LiftSettings(**chosen))


def _curve(obs, outcome="revenue", **chosen) -> Curve:
    curve = fit_curve(_fit(obs, outcome, **chosen), UNIT)
    assert isinstance(curve, Curve)
    return curve


def _ceiling(observations, n=2_000):
    obs = observations(n, seed=5, dollars_per_point=0.0)
    obs.frame["revenue_after"] += 12 * np.minimum(obs.frame["rating"], 6)
    return obs


# -- worked by hand --------------------------------------------------------------------------


def test_edges_are_where_enough_responses_lie_beyond():
    """5, 1, 20, 50, 4: at or below 3 lie 26, at or above 4 lie 54, at 5 only 4."""
    rating = np.repeat([1.0, 2.0, 3.0, 4.0, 5.0], [5, 1, 20, 50, 4])
    assert data_edges(rating, 26) == (3.0, 4.0)
    assert data_edges(rating, 4) == (1.0, 5.0)


# -- against a reference ---------------------------------------------------------------------


def test_the_line_is_the_additive_slope_through_the_mean(observations):
    obs = observations(900, seed=2)
    fit, curve = _fit(obs), _curve(obs)
    slope = fit_slope(fit.sample).slope.value
    middle = fit.sample.outcome.mean() - slope * fit.sample.rating.mean()
    for row in curve.rows:
        assert row["line"] == pytest.approx(middle + slope * row["rating"], rel=1e-9)


def test_the_spline_is_a_regression_on_its_columns(observations):
    """Values and HC1 errors of statsmodels; at fixed controls, so without the base's own error."""
    fit = _fit(observations(600, seed=2))
    shapes = Shapes.of(fit.sample, merged_levels(fit.sample.rating, 30)[0])
    columns = shapes.columns["spline"]
    design = np.hstack([columns[shapes.codes], fit.sample.controls])
    other = sm.OLS(fit.sample.outcome, design).fit(cov_type="HC1")
    places = np.array([2, 5, 8])
    gradients = np.zeros((3, design.shape[1]))
    gradients[:, : columns.shape[1]] = columns[places]
    found = spline_means(fit.sample, shapes, places)
    assert [m.value for m in found] == pytest.approx(list(gradients @ other.params), rel=1e-9)
    fixed = np.sqrt(np.diag(gradients @ other.cov_params() @ gradients.T))
    for mean, error in zip(found, fixed, strict=True):
        assert error < mean.std_error < 3 * error


def test_losses_are_those_of_fits_without_the_fold(observations):
    """Each customer is foretold by numpy's least squares on the other nine folds."""
    fit = _fit(observations(300, seed=3, repeats=2), controls=["revenue_before"])
    sample = fit.sample
    shapes = Shapes.of(sample, merged_levels(sample.rating, 30)[0])
    losses = out_of_sample(sample, shapes, 11)
    fold = (np.random.default_rng(11).permutation(sample.n_customers) % 10)[sample.customers]
    root = np.sqrt(sample.share)
    for shape in ("line", "spline"):
        design = np.hstack([shapes.columns[shape][shapes.codes], sample.controls])
        expected = np.empty(sample.n_obs)
        for f in range(10):
            seen = fold != f
            beta = np.linalg.lstsq(
                design[seen] * root[seen, None], sample.outcome[seen] * root[seen], rcond=None
            )[0]
            expected[~seen] = (sample.outcome[~seen] - design[~seen] @ beta) ** 2
        assert losses[shape] == pytest.approx(expected, rel=1e-6, abs=1e-6)


# -- properties ------------------------------------------------------------------------------


@pytest.mark.parametrize("outcome", ["revenue", "retention"])
def test_the_monotone_curve_never_turns_and_all_stop_at_the_edges(observations, outcome):
    curve = _curve(observations(1_200, seed=4), outcome)
    steps = np.diff([row["monotone"] for row in curve.rows])
    assert (steps >= -1e-9).all() or (steps <= 1e-9).all()
    ratings = [row["rating"] for row in curve.rows]
    assert (ratings[0], ratings[-1]) == curve.edges
    for row in curve.rows:
        assert row["conf_low"] <= row["estimate"] <= row["conf_high"]
        if outcome == "retention":
            assert row["conf_low"] >= 0
            assert row["conf_high"] <= 1


def test_the_same_seed_gives_the_same_comparison(observations):
    obs = observations(600, seed=4)
    assert _curve(obs) == _curve(obs)
    assert _curve(obs, seed=1).comparison != _curve(obs).comparison


def test_an_offset_of_a_billion_moves_nothing(observations):
    obs, moved = observations(800, seed=4), observations(800, seed=4)
    moved.frame["revenue_after"] += 1e9
    first, second = _curve(obs), _curve(moved)
    for a, b in zip(first.comparison, second.comparison, strict=True):
        assert a["share_explained"] == pytest.approx(b["share_explained"], rel=1e-5)


# -- verdicts and words ----------------------------------------------------------------------


def test_a_true_line_is_kept(observations):
    curve = _curve(observations(2_000, seed=3))
    assert curve.best == "line"
    assert "no curve is shown to do better than the line" in curve.text
    assert "The curve stops at ratings" in curve.text


def test_a_ceiling_is_seen_out_of_sample(observations):
    curve = _curve(_ceiling(observations))
    assert curve.best in ("monotone", "spline")
    shares = {row["shape"]: row["share_explained"] for row in curve.comparison}
    assert shares["line"] < shares["spline"]
    assert shares["line"] < shares["monotone"]
    assert "does better, so read it beside the slope" in curve.text


def test_a_rating_that_explains_nothing_is_said_to_explain_nothing(observations):
    obs = observations(800, seed=3, dollars_per_point=0.0)
    assert "the rating explains nothing by a line" in _curve(obs).text


def test_retention_says_that_the_models_are_linear(observations):
    assert "(linear probability models)" in _curve(observations(800, seed=3), "retention").text


def test_too_few_ratings_have_no_curve(observations):
    obs = observations(600, seed=1)
    obs.frame["rating"] = np.where(obs.frame["rating"] > 6, 9.0, 3.0)
    found = fit_curve(_fit(obs), UNIT)
    assert isinstance(found, NotRun)
    assert "fewer than three ratings" in found.reason


def test_a_separated_outcome_has_no_curve(observations):
    obs = observations(600, seed=1)
    obs.frame["churned"] = (obs.frame["rating"] < 6).astype(float)
    lift = LiftModel(outcome="retention").fit(obs)
    assert isinstance(lift.curve, NotRun)
    assert isinstance(lift.plus_one_by_band, NotRun)
    assert lift.to_section()["curve"] == lift.curve


def test_a_fine_scale_is_thinned(observations):
    obs = observations(1_500, seed=1)
    obs.frame["rating"] = np.clip(
        obs.frame["rating"] + np.random.default_rng(1).integers(0, 10, 1_500) / 10, 0, 10
    )
    assert len(_curve(obs).rows) <= 25


# -- recovery --------------------------------------------------------------------------------


def test_the_spline_covers_a_true_curve(observations):
    """A line of five dollars a point given the controls, at the base's mean of them."""
    covered = []
    for seed in range(12):
        obs = observations(500, seed=seed)
        fit = _fit(obs, controls=["revenue_before"])
        curve = fit_curve(fit, UNIT)
        assert isinstance(curve, Curve)
        before = obs.frame["revenue_before"].mean()
        covered += [
            row["conf_low"] <= before + 5 * row["rating"] <= row["conf_high"] for row in curve.rows
        ]
    assert np.mean(covered) > 0.88


def test_a_sample_of_few_customers_still_folds():
    rng = np.random.default_rng(1)
    sample = Sample.build(
        rng.normal(size=30), np.tile([1.0, 2, 3], 10), np.zeros((30, 0)), np.arange(30), 30
    )
    shapes = Shapes.of(sample, np.tile([0, 1, 2], 10))
    assert all(np.isfinite(loss).all() for loss in out_of_sample(sample, shapes, 1).values())
