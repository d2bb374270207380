"""The lift within customers: by hand, against statsmodels, properties, reasons, recovery."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from cxmodel.models.estimates.within import earlier_mean, find_within
from cxmodel.models.lift import LiftModel
from cxmodel.models.lift_fit import fit_lift
from cxmodel.results import NotRun
from tests.panel_observations import panel_observations

TERM = "within_customer_per_rating_point"


def within_customer(fit):
    found = find_within(fit)
    return found if isinstance(found, NotRun) else found.slope


def _pairs(first, second, before, after):
    """Observations of two waves a customer, with nothing to hold equal."""
    n = len(first)
    obs = panel_observations(n, 2)
    frame = pd.DataFrame(
        {
            "customer_id": np.repeat([f"c{i:03d}" for i in range(n)], 2),
            "responded_at": np.tile([pd.Timestamp("2024-01-01"), pd.Timestamp("2024-09-01")], n),
            "rating": np.column_stack([first, second]).ravel().astype(float),
            "revenue_after": np.column_stack([before, after]).ravel().astype(float),
            "outcome_complete": True,
        }
    )
    return replace(obs, frame=frame)


def _dense(fit, rows):
    """Rating, outcome, customers and the calendar of some rows, as pandas makes them."""
    frame = fit.obs.frame.iloc[rows]
    months = pd.get_dummies(frame["_month"], drop_first=True, dtype=float)
    return frame, months.to_numpy()


# -- by hand ---------------------------------------------------------------------------------


def test_two_waves_are_differences():
    """b = sum(dr dy) / sum(dr^2); CR1 with one parameter is G/(G-1) sum((dr (dy - b dr))^2)."""
    change = np.tile([1.0, -2.0, 3.0, 0.0], 20)
    gain = np.tile([10.0, -16.0, 27.0, 50.0], 20)
    # 20 x (10 + 32 + 81) / (20 x 14) = 123/14; whose rating never changed says nothing
    first = np.full(80, 5.0)
    obs = _pairs(first, first + change, np.arange(80) * 40.0, np.arange(80) * 40.0 + gain)
    found = find_within(fit_lift(obs, "revenue"))
    assert found.slope.value == pytest.approx(123 / 14, rel=1e-12)
    pull = change * (gain - 123 / 14 * change)
    expected = np.sqrt(80 / 79 * np.sum(pull**2)) / np.sum(change**2)
    assert found.slope.std_error == pytest.approx(expected, rel=1e-10)
    assert found.slope.deg_freedom == 79
    assert (found.n_changed, found.n_params, found.slope.n_obs) == (60, 1, 160)


def test_few_changes_take_cr2_and_its_degrees():
    """30 of 40 changed. Customer g has leverage h = d^2 / sum(d^2) along the difference alone.

    Its residual is divided by sqrt(1 - h). Own and pulled parts of the quadratic form are
    h/(1-h) and h/sqrt(1-h), so tr(M) = sum(h) = 1.
    """
    change = np.tile([1.0, -2.0, 3.0, 0.0], 10)
    gain = np.tile([10.0, -16.0, 27.0, 50.0], 10) + np.arange(40.0)
    first = np.full(40, 5.0)
    found = find_within(
        fit_lift(_pairs(first, first + change, np.ones(40), 1 + gain), "revenue")
    ).slope
    total = np.sum(change**2)
    slope = change @ gain / total
    h = change**2 / total
    expected = np.sqrt(np.sum((change * (gain - slope * change)) ** 2 / (1 - h))) / total
    assert found.std_error == pytest.approx(expected, rel=1e-9)
    own, pulled = h / (1 - h), h / np.sqrt(1 - h)
    square = np.sum(own**2) - 2 * np.sum(own * pulled**2) + np.sum(pulled**2) ** 2
    assert found.deg_freedom == pytest.approx(1 / square, rel=1e-9)
    assert found.deg_freedom < 30


def test_mean_of_earlier_ratings():
    found = earlier_mean(np.array([2.0, 4, 9, 1, 7, 3]), np.array([0, 1, 2, 3, 0, 1]))
    assert found.tolist() == [0.0, 2.0, 3.0, 5.0, 0.0, 7.0]


def test_staying_by_hand():
    """Two waves: b = cov(z, y) / cov(z, r), z the second rating less the first, on second waves."""
    first = np.tile([4.0, 6.0, 8.0, 6.0, 5.0], 12)
    second = np.tile([6.0, 5.0, 9.0, 4.0, 7.0], 12)
    stayed = np.where(np.arange(60) % 4 == 1, 0.0, 1.0)
    obs = _pairs(first, second, np.zeros(60), 1 - stayed)
    frame = obs.frame.rename(columns={"revenue_after": "churned"})
    obs = replace(obs, frame=frame, churn_rule="churned_at")
    found = find_within(fit_lift(obs, "retention"))
    z = second - first
    expected = np.cov(z, stayed)[0, 1] / np.cov(z, second)[0, 1]
    assert found.slope.value == pytest.approx(expected, rel=1e-10)
    assert found.slope.n_obs == 60


# -- against a reference ---------------------------------------------------------------------


def test_a_dummy_for_each_customer_gives_the_same():
    """statsmodels WLS with customer and month dummies, clustered; its factor counts the dummies."""
    obs = panel_observations(60, 4, trait=20.0)
    obs = replace(obs, frame=obs.frame.drop(index=[0, 5, 9, 17, 30]).reset_index(drop=True))
    fit = fit_lift(replace(obs), "revenue")
    found = find_within(fit)
    frame, months = _dense(fit, found.waves.rows)
    codes = pd.factorize(frame["customer_id"])[0]
    weights = 1 / np.bincount(codes)[codes]
    design = np.column_stack(
        [frame["rating"], frame["contacts_before"], months, np.eye(codes.max() + 1)[codes]]
    )
    reference = sm.WLS(frame["revenue_after"].to_numpy(), design, weights).fit(
        cov_type="cluster", cov_kwds={"groups": codes, "use_correction": False}
    )
    assert found.slope.value == pytest.approx(reference.params[0], rel=1e-9)
    n, k, g = len(frame), found.n_params, codes.max() + 1
    factor = g / (g - 1) * (n - 1) / (n - k)
    assert found.slope.std_error == pytest.approx(reference.bse[0] * np.sqrt(factor), rel=1e-8)


# -- properties ------------------------------------------------------------------------------


def test_what_customers_are_does_not_matter():
    obs = panel_observations(150, 3)
    expected = within_customer(fit_lift(obs, "revenue"))
    own = pd.factorize(obs.frame["customer_id"])[0] * 1e4
    moved = replace(obs, frame=obs.frame.assign(revenue_after=obs.frame["revenue_after"] + own))
    found = within_customer(fit_lift(moved, "revenue"))
    assert found.value == pytest.approx(expected.value, rel=1e-7)
    assert found.std_error == pytest.approx(expected.std_error, rel=1e-7)


def test_revenue_before_is_no_control_within():
    obs = panel_observations(150, 3)
    expected = within_customer(fit_lift(obs, "revenue"))
    rng = np.random.default_rng(3)
    other = replace(obs, frame=obs.frame.assign(revenue_before=rng.gamma(2, 50, obs.n_obs)))
    assert within_customer(fit_lift(other, "revenue")).value == pytest.approx(
        expected.value, rel=1e-10
    )


def test_influence_squares_to_the_variance():
    found = within_customer(fit_lift(panel_observations(150, 3), "revenue"))
    assert len(found.influence) == 150
    assert np.sum(found.influence**2) == pytest.approx(found.std_error**2)


# -- reasons ---------------------------------------------------------------------------------


def test_ratings_that_never_change_say_nothing():
    rng = np.random.default_rng(1)
    first = rng.integers(0, 11, 60)
    obs = _pairs(first, first, rng.gamma(2, 50, 60), rng.gamma(2, 50, 60))
    found = within_customer(fit_lift(obs, "revenue"))
    assert isinstance(found, NotRun)
    assert found.reason.startswith("no customer's rating changed")


def test_too_few_customers_whose_rating_changed():
    rng = np.random.default_rng(1)
    first = rng.integers(0, 10, 60)
    second = first + (np.arange(60) < 4)
    found = within_customer(
        fit_lift(_pairs(first, second, rng.gamma(2, 50, 60), rng.gamma(2, 50, 60)), "revenue")
    )
    assert "120 waves of 60 customers, 4 of whom changed their rating" in found.reason


def test_fewer_customers_than_the_smallest_group_are_not_shown():
    rng = np.random.default_rng(1)
    obs = _pairs(
        rng.integers(0, 11, 29), rng.integers(0, 11, 29), rng.gamma(2, 50, 29), rng.gamma(2, 50, 29)
    )
    found = within_customer(fit_lift(obs, "revenue"))
    assert "29 customers with waves are fewer than 30" in found.reason


def test_one_answer_each_gives_a_reason_and_no_summary(observations):
    lift = LiftModel().fit(observations(400))
    assert "none of 400 customers answered again" in lift.terms[TERM].reason
    assert lift.within is None
    assert "within_customer" not in lift.to_section()


# -- recovery --------------------------------------------------------------------------------


def _slopes(outcome, seeds, **world):
    found = []
    for seed in seeds:
        fit = fit_lift(panel_observations(seed=seed, **world), outcome)
        slope = within_customer(fit)
        found.append((fit.headline.slope.value, slope.value, slope.std_error))
    return np.array(found).T


def _is_recovered(values, truth):
    return abs(values.mean() - truth) < 3.3 * values.std(ddof=1) / np.sqrt(len(values))


def test_a_lasting_hidden_trait_moves_the_headline_and_not_the_lift_within():
    headline, within, errors = _slopes("revenue", range(30), n_customers=200, n_waves=3, trait=20.0)
    assert headline.mean() > 8
    assert _is_recovered(within, 5.0)
    assert errors.mean() == pytest.approx(within.std(ddof=1), rel=0.4)


def test_staying_is_recovered_though_who_left_is_not_asked_again():
    _, within, _ = _slopes("retention", range(10), n_customers=1_500, leaves=True, trait=10.0)
    assert _is_recovered(within, 0.03)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("outcome", "world", "truth"),
    [
        ("revenue", {"n_customers": 200, "trait": 20.0}, 5.0),
        ("revenue", {"n_customers": 200, "trait": 20.0, "dollars_per_point": 0.0}, 0.0),
        ("retention", {"n_customers": 800, "trait": 10.0, "leaves": True}, 0.03),
    ],
)
def test_intervals_cover(outcome, world, truth):
    _, within, errors = _slopes(outcome, range(400), **world)
    assert _is_recovered(within, truth)
    covered = np.mean(np.abs(within - truth) < 1.97 * errors)
    # 99.9% Monte Carlo interval of 95% in 400 samples
    assert 0.914 < covered < 0.986
