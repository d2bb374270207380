"""The lift from an instrument: agents, and columns that a user names."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from statsmodels.sandbox.regression.gmm import IV2SLS

import cxmodel as cx
from cxmodel.errors import ConfigError
from cxmodel.models.experiments.instrument import InstrumentResult, mean_of_others
from cxmodel.results import NotRun, to_plain

Make = Callable[..., cx.Observations]


def served(
    obs: cx.Observations, *, n_agents: int = 60, spread: float = 1.0, seed: int = 3
) -> cx.Observations:
    """Send customers to agents by lot; good agents raise ratings, and revenue by 5 a point."""
    rng = np.random.default_rng(seed)
    agent = rng.integers(0, n_agents, obs.n_obs)
    raised = spread * rng.normal(size=n_agents)[agent]
    obs.frame["_agent"] = [f"agent {number}" for number in agent]
    obs.frame["rating"] += raised
    obs.frame["revenue_after"] += 5 * raised
    return obs


def result_of(obs: cx.Observations, instrument: str = "agent_mean") -> InstrumentResult:
    found = cx.LiftModel(instrument=instrument).fit(obs).instrument
    assert isinstance(found, InstrumentResult), found
    return found


# -- worked by hand


def test_the_mean_of_others_by_hand() -> None:
    # agent 0 served customers 0 (twice), 1, 2, 3, 4, 5; agent 1 only 6 and 7: too few others
    ratings = np.array([0.0, 10, 2, 4, 6, 8, 10, 5, 5])
    agents = np.array([0, 0, 0, 0, 0, 0, 0, 1, 1])
    people = np.array([0, 0, 1, 2, 3, 4, 5, 6, 7])
    found = mean_of_others(ratings, agents, people)
    # without customer 0: (2 + 4 + 6 + 8 + 10) / 5; without customer 1: (40 - 2) / 6
    assert found[:3].tolist() == pytest.approx([6.0, 6.0, 38 / 6])
    assert np.isnan(found[7:]).all()


# -- against statsmodels


def test_a_column_is_two_stage_least_squares(observations: Make) -> None:
    obs = observations(600, seed=4)
    push = np.random.default_rng(1).integers(0, 3, 600).astype(float)
    obs.frame["rating"] += push
    obs.frame["revenue_after"] += 5 * push
    obs.frame["push"] = push
    object.__setattr__(obs, "attributes", ("segment", "push"))
    lift = cx.LiftModel(controls=["revenue_before"], instrument="push").fit(obs)
    frame = obs.frame
    held = np.column_stack([np.ones(600), frame["revenue_before"]])
    theirs = IV2SLS(
        frame["revenue_after"].to_numpy(),
        np.column_stack([frame["rating"], held]),
        np.column_stack([push, held]),
    ).fit()
    term = lift.terms["instrumented_per_rating_point"]
    assert not isinstance(term, NotRun)
    assert term.estimate == pytest.approx(theirs.params[0], rel=1e-9)
    assert term.unit == "USD per rating point per customer per 180 days"


# -- properties


def test_the_instrument_is_no_control(observations: Make) -> None:
    obs = observations(600)
    obs.frame["push"] = np.random.default_rng(1).normal(size=600)
    object.__setattr__(obs, "attributes", ("segment", "push"))
    assert "push" in cx.LiftModel().fit(obs).controls.names
    assert "push" not in cx.LiftModel(instrument="push").fit(obs).controls.names


def test_errors_are_by_agent_and_by_customer(observations: Make) -> None:
    # what happens to an agent happens to all customers of the agent
    obs = served(observations(2_000, seed=5), n_agents=25)
    shock = np.random.default_rng(2).normal(size=25) * 15
    number = obs.frame["_agent"].str.removeprefix("agent ").astype(int)
    obs.frame["revenue_after"] += shock[number]
    found = result_of(obs)
    assert found.quantity.deg_freedom == 24
    assert np.sum(found.quantity.influence**2) == pytest.approx(found.quantity.std_error**2)
    # two errors of an agent's mean: 15 / sqrt(25) over the spread of agents' ratings, about 1
    assert 1.5 < found.quantity.std_error < 6
    assert any("rough with 25 agents" in said for said in found.caveats)


def test_words_are_instruments_but_for_one(observations: Make) -> None:
    obs = observations(900)
    region = np.random.default_rng(1).choice(["n", "s", "w"], 900)
    obs.frame["region"] = region
    obs.frame.loc[:9, "region"] = None
    obs.frame["rating"] += (region == "s") * 2.0
    found = result_of(obs, "region")
    assert found.strength.n_instruments == 2
    assert found.n_without == 10
    assert found.strength.overidentification_p_value is not None


def test_what_must_be_believed_is_said(observations: Make) -> None:
    lift = cx.LiftModel(instrument="agent_mean", outcome="retention").fit(
        served(observations(1_500))
    )
    section = to_plain(lift.to_section())
    assert section["instrument"]["diagnostics"]["n_agents"] == 60
    assert (
        "moves staying only through what the rating says"
        in (section["instrument"]["must_be_believed"])
    )
    evidence = section["instrument"]["evidence"]
    assert evidence["grade"] == "association"
    assert evidence["text"].endswith(section["instrument"]["must_be_believed"])
    # passed on alone it says what must be believed of it, not how the headline was graded
    assert lift.terms["instrumented_per_rating_point"].caveats[0] == evidence["text"]
    assert section["instrumented_per_rating_point"]["unit"].startswith("probability of staying")
    # the joint covariance carries it on
    assert "instrumented_per_rating_point" in lift.influence


def test_agents_that_differ_in_their_customers_are_found(observations: Make) -> None:
    obs = served(observations(2_000))
    order = obs.frame["revenue_before"].rank().to_numpy()
    obs.frame["_agent"] = [f"agent {int(rank // 40)}" for rank in order]
    found = result_of(obs)
    assert found.balance_p_value is not None
    assert found.balance_p_value < 1e-6
    assert any("not as if by lot" in said for said in found.caveats)


# -- not run, and errors


def test_what_cannot_be_an_instrument(observations: Make) -> None:
    obs = observations(400)
    assert "map agent in sources.surveys" in _reason(obs, "agent_mean")
    obs.frame["_agent"] = "Kim"
    assert "comparing agents needs 5" in _reason(obs, "agent_mean")
    obs.frame["_agent"] = [f"agent {i}" for i in range(400)]
    assert "0 agent(s) have ratings of 5 or more" in _reason(obs, "agent_mean")
    obs.frame["flat"] = 1.0
    assert "does not vary" in _reason(obs, "flat")
    obs.frame["id"] = [f"x{i}" for i in range(400)]
    assert "holds 400 different words" in _reason(obs, "id")
    obs.frame["sparse"] = np.where(np.arange(400) < 30, 1.0 * (np.arange(400) % 2), np.nan)
    assert "known of 30 responses" in _reason(obs, "sparse")
    assert _reason(obs, None) == "no lift.instrument was asked for"


def _reason(obs: cx.Observations, instrument: str | None) -> str:
    found = cx.LiftModel(instrument=instrument).fit(obs)
    assert isinstance(found.instrument, NotRun)
    term = found.terms["instrumented_per_rating_point"]
    assert term == found.instrument
    return found.instrument.reason


def test_a_column_that_is_not_there(observations: Make) -> None:
    with pytest.raises(ConfigError, match=r'Take "agent_mean", or a column\. Did you mean'):
        cx.LiftModel(instrument="segmnt").fit(observations(400))


# -- a known truth


def test_agents_recover_what_a_hidden_habit_hides(observations: Make) -> None:
    obs = served(observations(6_000, seed=2, old_habit=1.0))
    del obs.frame["revenue_before_2"], obs.frame["revenue_before_3"]
    lift = cx.LiftModel(instrument="agent_mean").fit(obs)
    found = lift.instrument
    assert isinstance(found, InstrumentResult)
    assert not found.strength.is_weak
    assert abs(found.quantity.value - 5) < 3 * found.quantity.std_error
    headline = lift.per_rating_point()
    assert headline.std_error is not None
    assert headline.estimate - 5 > 3 * headline.std_error


def test_agents_that_do_not_differ_are_weak(observations: Make) -> None:
    found = result_of(served(observations(1_500), spread=0.0))
    assert found.strength.is_weak
    assert any("Read this interval instead" in said for said in found.caveats)
