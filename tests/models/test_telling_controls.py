"""Controls that tell the rating or the outcome: what is pooled, left out, warned of and refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cxmodel.errors import InsufficientDataError
from cxmodel.models.controls import learn_controls
from cxmodel.models.telling_controls import pool_pure_levels, without_the_rating


def test_pure_levels_lose_their_column_in_a_logit():
    frame = pd.DataFrame({"plan": ["a"] * 30 + ["b"] * 20 + ["c"] * 15})
    happened = np.array([0.0, 1.0] * 25 + [1.0] * 15)
    learnt = learn_controls(frame, ["plan"], cap_days=None)
    plan = pool_pure_levels(learnt, frame, happened, 10)
    assert plan.column_names == ("plan=b",)
    assert "everybody has one outcome in c" in plan.caveats[0]
    small = pool_pure_levels(learnt, frame, happened, 1_000)
    assert "everybody has one outcome in 1 small level, held" in small.caveats[0]
    assert plan.matrix(frame).shape == (65, 1)


def test_a_control_that_repeats_the_rating_is_left_out(observations):
    frame = observations(300, seed=1).frame
    frame["said"] = "answered " + frame["rating"].astype(str)
    frame["plan"] = np.where(np.arange(300) % 2 == 0, "a", "b")
    few = frame["rating"] <= frame["rating"].quantile(0.1)
    frame.loc[few, ["rating", "said"]] = [3.0, "answered 3.0"]
    plan = without_the_rating(learn_controls(frame, ["said", "plan"], cap_days=None), frame)
    assert plan.names == ("plan",)
    assert plan.caveats[-1] == "Left out because it repeats the rating: said."


def test_controls_that_nearly_say_the_rating_are_a_caveat(observations):
    frame = observations(300, seed=1).frame
    frame["near"] = frame["rating"] + np.tile([0.2, -0.2], 150)
    plan = without_the_rating(learn_controls(frame, ["near"], cap_days=None), frame)
    assert plan.names == ("near",)
    assert "of the differences in the rating, so the lift rests on" in plan.caveats[-1]


def test_controls_that_together_are_the_rating_are_refused(observations):
    frame = observations(300, seed=1).frame
    frame["a"] = np.random.default_rng(1).normal(size=300)
    frame["b"] = frame["rating"] - frame["a"]
    plan = learn_controls(frame, ["a", "b"], cap_days=None)
    with pytest.raises(InsufficientDataError, match=r"Drop some of lift\.controls: a, b"):
        without_the_rating(plan, frame)
