"""What the sign of a lift says."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cxmodel.models.estimates.direction import direction
from cxmodel.models.lift import LiftModel
from cxmodel.models.lift_fit import fit_lift
from cxmodel.scales import Scale

LOW_IS_GOOD = Scale(name="effort", low=0, high=10, top_box=2, higher_is_better=False)


def test_a_lift_that_everybody_expects_needs_no_words(observations):
    assert direction(fit_lift(observations(600, seed=1), "revenue")) == ()


def test_no_effect_is_said_and_rides_on_the_estimate(observations):
    obs = observations(600, seed=1, dollars_per_point=0.0)
    lift = LiftModel().fit(obs)
    assert lift.per_rating_point().conf_low < 0 < lift.per_rating_point().conf_high
    said = "The interval of the lift of revenue holds zero: these data show neither a gain nor a"
    assert any(caveat.startswith(said) for caveat in lift.per_rating_point().caveats)


@pytest.mark.parametrize(
    ("outcome", "less"), [("revenue", "less revenue"), ("retention", "fewer customers who stay")]
)
def test_a_lift_that_runs_the_wrong_way_says_what_may_explain_it(observations, outcome, less):
    obs = observations(800, seed=1, dollars_per_point=-8.0, log_odds_per_point=-0.5)
    (said,) = direction(fit_lift(obs, outcome))
    assert said.startswith(f"Better ratings go with {less} here, and it is reported as it is.")
    assert "the decision to leave" in said


def test_where_low_is_good_the_sign_is_turned(observations):
    obs = observations(600, seed=1)
    (said,) = direction(fit_lift(replace(obs, scale=LOW_IS_GOOD), "revenue"))
    assert "Better ratings go with less revenue" in said


def test_without_a_slope_there_is_nothing_to_say(observations):
    obs = observations(600, seed=1)
    frame = obs.frame.assign(churned=(obs.frame["rating"] < 6).astype(float))
    assert direction(fit_lift(replace(obs, frame=frame), "retention")) == ()
