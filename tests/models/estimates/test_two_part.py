"""The slope in parts: by hand, against statsmodels, its influence, errors, known truth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import statsmodels.api as sm

import cxmodel as cx
from cxmodel.models.estimates.two_part import two_part
from cxmodel.models.estimation import slope_design
from cxmodel.models.lift import LiftModel
from cxmodel.models.lift_fit import LiftFit, fit_lift
from cxmodel.models.lift_settings import LiftSettings
from cxmodel.results import NotRun


def with_refunds(obs, share_idle=0.3, share_refund=0.2, seed=99):
    """Let some spend nothing and some be paid back, whatever they answered."""
    rng = np.random.default_rng(seed)
    luck = rng.random(len(obs.frame))
    after = obs.frame["revenue_after"].clip(lower=1.0)
    after = after.where(luck > share_idle + share_refund, 0.0)
    paid_back = luck < share_refund
    after = after.where(~paid_back, -rng.gamma(2.0, 10.0, len(after)))
    return replace(obs, frame=obs.frame.assign(revenue_after=after))


def lean(obs, *controls: str) -> LiftFit:
    """Fit with few things held equal."""
    return fit_lift(obs, "revenue", LiftSettings(controls=controls or ("revenue_before",)))


# -- by hand ---------------------------------------------------------------------------------


def test_two_ratings_by_hand(observations):
    """Nothing held equal, half at 3 and half at 4: all parts are exact at both ratings.

    At 3: 3 in 10 pay 20, 1 in 10 gets 10 back: p m - q k = 6 - 1; at 4: 6 in 10 pay 30, 2 in 10
    get 15 back: 18 - 3. The logits and logs are straight lines between, so the slope at each is
    p (1 - p) a m + p m b of the first part less the same of the third.
    """
    obs = observations(400)
    at_3 = np.repeat([20.0, -10.0, 0.0], [3, 1, 6])
    at_4 = np.repeat([30.0, -15.0, 0.0], [6, 2, 2])
    frame = obs.frame[["customer_id", "outcome_complete"]].assign(
        rating=np.repeat([3.0, 4.0], 200),
        revenue_after=np.concatenate([np.tile(at_3, 20), np.tile(at_4, 20)]),
    )
    bare = replace(obs, frame=frame, attributes=())
    found = two_part(fit_lift(bare, "revenue", LiftSettings(controls=())))

    def slope(p, m):
        a = np.log(p[1] / (1 - p[1])) - np.log(p[0] / (1 - p[0]))
        b = np.log(m[1] / m[0])
        return np.mean([pi * (1 - pi) * a * mi + pi * mi * b for pi, mi in zip(p, m, strict=True)])

    expected = slope((0.3, 0.6), (20.0, 30.0)) - slope((0.1, 0.2), (10.0, 15.0))
    assert found.value == pytest.approx(expected, rel=1e-8)
    assert (found.n_negative, found.is_third_linear) == (60, False)


# -- against a reference ---------------------------------------------------------------------


def test_parts_are_those_of_statsmodels(observations):
    """statsmodels 0.15 Logit and GLM(Gamma, log) on each part; the slope by finite difference."""
    fit = lean(with_refunds(observations(1_500, seed=4)))
    outcome, design = fit.sample.outcome, slope_design(fit.sample, interacted=False)
    logs = sm.families.links.Log()

    def money(sign, shift):
        amounts = np.maximum(sign * outcome, 0.0)
        some = amounts > 0
        whether = sm.Logit(some.astype(float), design).fit(disp=0, tol=1e-12)
        much = sm.GLM(amounts[some], design[some], family=sm.families.Gamma(logs)).fit(tol=1e-12)
        moved = design.copy()
        moved[:, 1] += shift
        return np.mean(whether.predict(moved) * much.predict(moved))

    step = 1e-4
    expected = sum(
        sign * (money(sign, step) - money(sign, -step)) / (2 * step) for sign in (1.0, -1.0)
    )
    found = two_part(fit)
    assert found.value == pytest.approx(expected, rel=1e-6)
    assert not found.is_third_linear


@pytest.mark.parametrize("share_refund", [0.0, 0.03, 0.2])
def test_influence_is_the_derivative_in_each_customer_s_weight(observations, share_refund):
    """A customer who counts a little more moves the slope by that much times the influence."""
    obs = with_refunds(observations(400, seed=2, repeats=2), share_refund=share_refund)
    fit = lean(obs)
    found = two_part(fit)
    # the small-sample factor of CR1 is no part of the derivative
    n_params = {0.0: 6, 0.03: 9, 0.2: 12}[share_refund]
    factor = np.sqrt(400 / 399 * 799 / (800 - n_params))
    step = 1e-5
    for customer in (0, 7, 111, 399):
        moved = []
        for sign in (1, -1):
            share = fit.sample.share * (1 + sign * step * (fit.sample.customers == customer))
            moved.append(
                two_part(replace(fit, sample=replace(fit.sample, share=share / share.sum())))
            )
        slope = (moved[0].value - moved[1].value) / (2 * step)
        assert found.influence[customer] / factor == pytest.approx(slope, rel=1e-4, abs=1e-9)
    assert found.is_third_linear is (share_refund == 0.03)


# -- far from all others ---------------------------------------------------------------------


def one_far_out(observations, revenue_before: float):
    """Let what is paid grow by a fifth with each unit of revenue before, between 0 and 10 of them.

    One customer, who pays nothing, had far more revenue before than all others.
    """
    obs = observations(600, seed=8)
    rng = np.random.default_rng(8)
    before = rng.uniform(0.0, 10.0, 600)
    after = np.where(rng.random(600) < 0.3, 0.0, np.exp(0.2 * before) * rng.gamma(4.0, 0.25, 600))
    before[0], after[0] = revenue_before, 0.0
    return replace(obs, frame=obs.frame.assign(revenue_before=before, revenue_after=after))


def test_one_customer_far_out_does_not_decide_the_mean(observations):
    """exp(0.2 x 60) is 162,755, where the others paid 3 on average."""
    near, far = (two_part(lean(one_far_out(observations, before))) for before in (10.0, 60.0))
    assert (near.is_by_logarithm, far.is_by_logarithm) == (False, True)
    # the control has another form, so not the same number, but one within its error
    assert far.value == pytest.approx(near.value, abs=near.std_error)
    assert any("by their logarithm" in said for said in far.sentences)
    assert near.sentences == []


def test_what_logarithms_cannot_hold_is_no_estimate(observations):
    found = two_part(lean(one_far_out(observations, 200.0)))
    assert isinstance(found, NotRun)
    assert "by their logarithms too" in found.reason


def test_a_shop_whose_best_customers_fell_silent(silent_shop):
    """`simulate_purchases`: most was spent before by some who had silently stopped.

    A gamma part in amounts foretold 79,000 times what was paid, and a slope of 442,905 where the
    truth is 4.83.
    """
    obs, truth = silent_shop
    found = two_part(fit_lift(obs, "revenue", LiftSettings()))
    assert found.is_by_logarithm
    assert found.value == pytest.approx(truth, abs=3 * found.std_error)
    assert found.std_error < truth


@pytest.fixture(scope="module")
def silent_shop():
    shop = cx.datasets.simulate_purchases(1_000, seed=1)
    revenue = cx.read_revenue(shop.revenue, currency="USD")
    obs = cx.join_observations(
        cx.read_surveys(shop.surveys, ratings={"nps": ("nps", cx.NPS)}),
        customers=cx.read_customers(shop.customers),
        revenue=revenue,
        as_of=shop.settings["as_of"],
    )
    return obs, shop.truth["lift.revenue.per_rating_point"]


# -- errors and words ------------------------------------------------------------------------


def test_a_third_part_is_named(observations):
    lift = LiftModel(flexible=False).fit(with_refunds(observations(900, seed=3)))
    said = next(c for c in lift.caveats if c.startswith("two_part_per_rating_point"))
    assert "has a third part, net refunds:" in said
    assert said.endswith("(a logit for whether, and a gamma for how much).")
    none = LiftModel(flexible=False).fit(with_refunds(observations(900, seed=3), share_refund=0.0))
    assert not any("net refunds" in c for c in none.caveats)


def test_what_has_no_parts_says_so(observations):
    obs = observations(400)
    all_pay = replace(obs, frame=obs.frame.assign(revenue_after=obs.frame["revenue_after"].abs()))
    assert "every response is followed by revenue" in two_part(lean(all_pay)).reason
    few_pay = with_refunds(obs, share_idle=0.79, share_refund=0.2)
    assert isinstance(two_part(lean(few_pay)), NotRun)


# -- recovery of a known truth ---------------------------------------------------------------


def test_refunds_that_follow_the_rating_are_recovered(observations):
    """One point more: 2 points more likely to pay 50, 1 point less likely to get 40 back: 1.4."""
    values, errors = [], []
    for seed in range(20):
        obs = observations(2_000, seed=seed)
        rating = obs.frame["rating"].to_numpy()
        luck, size = np.random.default_rng(1_000 + seed).random((2, 2_000))
        pays, refunded = luck < 0.3 + 0.02 * rating, luck > 0.8 + 0.01 * rating
        after = np.where(pays, 100 * size, np.where(refunded, -80 * size, 0.0))
        found = two_part(lean(replace(obs, frame=obs.frame.assign(revenue_after=after))))
        values.append(found.value)
        errors.append(found.std_error)
    spread = float(np.std(values))
    assert np.mean(values) == pytest.approx(1.4, abs=4 * spread / np.sqrt(20))
    assert np.mean(errors) == pytest.approx(spread, rel=0.5)
