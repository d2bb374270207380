"""A randomised arm: its effects, the lift from it, and when it is believed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

import cxmodel as cx
from cxmodel.errors import ConfigError
from cxmodel.models.experiments.experiment import _sample_ratio, arm_names, evaluate_experiment
from cxmodel.models.experiments.experiment_result import ExperimentResult
from cxmodel.models.lift_fit import fit_lift
from cxmodel.models.lift_settings import LiftSettings
from cxmodel.results import Estimate, NotRun, to_plain

Make = Callable[..., cx.Observations]
POINTS = {"A": 0.0, "B": 0.5, "C": 1.5}


def with_arms(obs: cx.Observations, *, arms: str = "ABC", seed: int = 9) -> cx.Observations:
    """Draw an arm for each customer: it raises ratings, and revenue by 5 for each point."""
    rng = np.random.default_rng(seed)
    codes = pd.factorize(obs.frame["customer_id"])[0]
    drawn = rng.choice(list(arms), codes.max() + 1)[codes]
    raised = pd.Series(drawn).map(POINTS).to_numpy()
    obs.frame["variant"] = drawn
    obs.frame["rating"] += raised
    obs.frame["revenue_after"] += 5 * raised
    return obs


def evaluated(obs: cx.Observations, outcome: Any = "revenue", **changes: Any) -> ExperimentResult:
    declared = cx.Experiment(**{"arm": "variant", "control": "A", **changes})
    found = evaluate_experiment(fit_lift(obs, outcome, LiftSettings(experiment=declared)))
    assert isinstance(found, ExperimentResult), found
    return found


# -- worked by hand


def test_sizes_of_the_arms_by_hand() -> None:
    # 40 and 60 against 50 and 50: chi-squared 100/50 + 100/50 = 4 with 1 degree, p = .0455
    arms = np.array(["A"] * 40 + ["B"] * 60, dtype=object)
    people = np.arange(100)
    alike = cx.Experiment(arm="v", control="A")
    assert _sample_ratio(people, arms, alike, 30) == pytest.approx(0.0455003, abs=1e-7)
    planned = cx.Experiment(arm="v", control="A", shares={"A": 2, "B": 3})
    assert _sample_ratio(people, arms, planned, 30) == pytest.approx(1.0)


def test_customers_are_counted_once_where_the_arm_stays() -> None:
    arms = np.array(["A", "A", "A", "B"], dtype=object)
    alike = cx.Experiment(arm="v", control="A")
    assert _sample_ratio(np.array([0, 0, 0, 1]), arms, alike, 30) == pytest.approx(1.0)
    # a customer in both arms: responses were drawn
    assert _sample_ratio(np.array([0, 0, 0, 0]), arms, alike, 30) == pytest.approx(0.3173105)


def test_arms_may_be_numbers() -> None:
    assert arm_names(pd.Series([0.0, 1.0, np.nan])).tolist() == ["0", "1", "(missing)"]
    assert arm_names(pd.Series(["A", " B "])).tolist() == ["A", "B"]
    assert arm_names(pd.Series([True, False])).tolist() == ["True", "False"]


# -- against statsmodels


def test_effects_are_those_of_statsmodels(observations: Make) -> None:
    obs = with_arms(observations(800, confounding=0.5), arms="AB")
    model = cx.LiftModel(
        controls=["revenue_before", "segment"], experiment=cx.Experiment(arm="variant", control="A")
    )
    found = model.fit(obs).experiment
    assert isinstance(found, ExperimentResult)
    effect = found.effects[0]
    frame = obs.frame
    treated = (frame["variant"] == "B").to_numpy(dtype=float)
    bare = sm.OLS(frame["revenue_after"], sm.add_constant(treated)).fit(cov_type="HC1")
    assert effect.on_outcome_unadjusted.value == pytest.approx(bare.params.iloc[1], rel=1e-10)
    assert effect.on_outcome_unadjusted.std_error == pytest.approx(bare.bse.iloc[1], rel=1e-10)
    controls = pd.get_dummies(frame[["revenue_before", "segment"]], drop_first=True, dtype=float)
    centred = controls.to_numpy() - controls.to_numpy().mean(axis=0)
    design = np.column_stack([np.ones(800), treated, centred, centred * treated[:, None]])
    lin = sm.OLS(frame["rating"].to_numpy(), design).fit()
    assert effect.on_rating.value == pytest.approx(lin.params[1], rel=1e-10)
    # the lift from the arm: the ratio of both effects under additive controls (Wald)
    additive = design[:, : 2 + centred.shape[1]]
    ratio = (
        sm.OLS(frame["revenue_after"].to_numpy(), additive).fit().params[1]
        / sm.OLS(frame["rating"].to_numpy(), additive).fit().params[1]
    )
    assert not isinstance(found.complier, NotRun)
    assert found.complier.value == pytest.approx(ratio, rel=1e-10)


# -- properties


def test_the_arm_is_no_control(observations: Make) -> None:
    obs = with_arms(observations(1_500))
    object.__setattr__(obs, "attributes", ("segment", "variant"))
    declared = cx.Experiment(arm="variant", control="A")
    assert "variant" not in cx.LiftModel(experiment=declared).fit(obs).controls.names
    assert "variant" in cx.LiftModel().fit(obs).controls.names
    stated = cx.LiftModel(controls=["variant", "revenue_before"], experiment=declared).fit(obs)
    assert "variant" in stated.controls.names


def test_an_experiment_moves_no_other_number(observations: Make) -> None:
    obs = with_arms(observations(1_000))
    with_it = cx.LiftModel(experiment=cx.Experiment(arm="variant", control="A")).fit(obs)
    without = cx.LiftModel().fit(obs)
    assert {**with_it.values} == {**without.values}
    assert with_it.evidence == without.evidence
    assert isinstance(without.experiment, NotRun)


@pytest.mark.parametrize("seed", [1, 2])
def test_names_of_arms_do_not_matter(observations: Make, seed: int) -> None:
    obs = with_arms(observations(400, seed=seed), arms="AB", seed=seed)
    first = evaluated(obs)
    obs.frame["variant"] = obs.frame["variant"].map({"A": "new", "B": "old"})
    second = evaluated(obs, control="new")
    assert second.effects[0].on_outcome.value == pytest.approx(first.effects[0].on_outcome.value)
    turned = evaluated(obs, control="old")
    assert turned.effects[0].on_rating.value == pytest.approx(-first.effects[0].on_rating.value)


def test_small_arms_are_hidden(observations: Make) -> None:
    obs = with_arms(observations(1_000))
    few = obs.frame.index[:12]
    obs.frame.loc[few, "variant"] = "tiny"
    found = to_plain(evaluated(obs).to_section())
    rows = {row["arm"]: row for row in found["arms"]["rows"]}
    # a single hidden arm could be told from the total, so the next smallest goes too
    assert rows["tiny"]["suppressed"]
    assert rows["tiny"]["outcome_effect"] is None
    assert sum(row["suppressed"] for row in rows.values()) == 2


# -- the grade


def test_the_arm_is_an_experiment_and_the_lift_only_when_declared(observations: Make) -> None:
    obs = with_arms(observations(1_500))
    plain = evaluated(obs)
    assert plain.evidence.grade == "experiment"
    assert plain.complier_evidence.grade == "association"
    assert "acts_through_rating_alone" in plain.complier_evidence.text
    declared = evaluated(obs, acts_through_rating_alone=True)
    assert declared.complier_evidence.grade == "experiment"
    estimate = declared.complier_estimate()
    assert isinstance(estimate, Estimate)
    assert any("through the rating alone" in caveat for caveat in estimate.caveats)


def test_a_lot_that_went_wrong_is_no_experiment(observations: Make) -> None:
    obs = with_arms(observations(2_000), arms="AB")
    large = obs.frame["segment"] == "large"
    obs.frame.loc[large, "variant"] = "B"
    found = evaluated(obs)
    assert found.evidence.grade == "association"
    assert "B and the control differ in what was known before" in found.evidence.text
    assert found.effects[0].largest_difference is not None
    assert "segment" in found.effects[0].largest_difference[0]
    lost = with_arms(observations(2_000), arms="AB")
    gone = (lost.frame["variant"] == "B") & (lost.frame.index % 4 == 0)
    lost.frame.loc[gone, "variant"] = None
    uneven = evaluated(lost)
    assert uneven.n_without_arm == int(gone.sum())
    assert "do not have equal sizes" in uneven.evidence.text


def test_a_weak_arm_says_so(observations: Make) -> None:
    obs = observations(600)
    obs.frame["variant"] = np.random.default_rng(4).choice(["A", "B"], 600)
    found = evaluated(obs, acts_through_rating_alone=True)
    assert found.strength is not None
    assert found.strength.is_weak
    section = to_plain(found.to_section())
    assert any("Anderson-Rubin" in said for said in section["caveats"])
    assert section["diagnostics"]["is_weak"]


# -- not run, and errors


def test_what_cannot_be_evaluated(observations: Make) -> None:
    obs = with_arms(observations(400))
    cases = {
        "only one arm": ("variant", lambda frame: "A", "nothing to compare"),
        "ids": ("variant", lambda frame: [f"v{i % 60}" for i in range(len(frame))], "at most 20"),
        "small": ("variant", lambda frame: ["A"] * 390 + ["B"] * 10, "too small to be shown"),
    }
    for column, make, message in cases.values():
        obs.frame[column] = make(obs.frame)
        control = str(obs.frame[column].iloc[0])
        model = cx.LiftModel(experiment=cx.Experiment(arm=column, control=control))
        found = model.fit(obs).experiment
        assert isinstance(found, NotRun)
        assert message in found.reason


def test_settings_that_cannot_be(observations: Make) -> None:
    obs = with_arms(observations(400))
    for declared, message in (
        (cx.Experiment(arm="varian", control="A"), "no column 'varian'. Did you mean 'variant'"),
        (cx.Experiment(arm="variant", control="a"), "no response is in the arm 'a'"),
        (
            cx.Experiment(arm="variant", control="A", shares={"A": 1, "B": 1}),
            "C occurs in variant and has no share",
        ),
    ):
        with pytest.raises(ConfigError, match=message):
            cx.LiftModel(experiment=declared).fit(obs)
    obs.frame.loc[obs.frame.index[:3], "variant"] = "Mr Smith"
    unplanned = cx.Experiment(arm="variant", control="A", shares={"A": 1, "B": 1})
    with pytest.raises(ConfigError, match="C and 1 arm of under 30 responses occur") as refused:
        cx.LiftModel(experiment=unplanned).fit(obs)
    assert "Smith" not in str(refused.value)
    with pytest.raises(ValueError, match="share of 'A' must be above 0"):
        cx.Experiment(arm="variant", control="A", shares={"A": 0})
    with pytest.raises(ValueError, match="no share of the control 'A'"):
        cx.Experiment(arm="variant", control="A", shares={"B": 1})


# -- a known truth


def test_the_arm_is_recovered_where_the_headline_is_not(observations: Make) -> None:
    # a hidden habit makes the adjusted lift too large; the arm is drawn by lot: 5 a point
    obs = with_arms(observations(4_000, seed=2, old_habit=1.0))
    del obs.frame["revenue_before_2"], obs.frame["revenue_before_3"]
    lift = cx.LiftModel(
        experiment=cx.Experiment(arm="variant", control="A", acts_through_rating_alone=True)
    ).fit(obs)
    found = lift.experiment
    assert isinstance(found, ExperimentResult)
    assert not isinstance(found.complier, NotRun)
    assert abs(found.complier.value - 5) < 3 * found.complier.std_error
    by_arm = {effect.arm: effect for effect in found.effects}
    for arm, points in (("B", 0.5), ("C", 1.5)):
        assert abs(by_arm[arm].on_rating.value - points) < 3 * by_arm[arm].on_rating.std_error
        on_outcome = by_arm[arm].on_outcome
        assert abs(on_outcome.value - 5 * points) < 3 * on_outcome.std_error
    headline = lift.per_rating_point()
    assert headline.std_error is not None
    assert headline.estimate - 5 > 4 * headline.std_error


def test_intervals_of_the_arm_cover(observations: Make) -> None:
    hits, widths = [], []
    for seed in range(60):
        obs = with_arms(observations(400, seed=seed, repeats=2), arms="AC", seed=seed + 500)
        effect = evaluated(obs).effects[0]
        reach = 1.96 * effect.on_outcome.std_error
        hits.append(abs(effect.on_outcome.value - 7.5) <= reach)
        widths.append(effect.on_outcome.std_error / effect.on_outcome_unadjusted.std_error)
    # 95% of 60 is 57; under 51 comes once in a thousand times
    assert sum(hits) >= 51
    assert np.median(widths) < 0.8  # controls make it sharper


# -- beside the headline


def test_a_declared_and_strong_lift_from_the_arm_is_named_in_the_evidence(
    observations: Make,
) -> None:
    """It stands beside the headline, says which to trust, and does not raise the grade."""
    obs = with_arms(observations(3_000, seed=2))
    texts, grades = {}, set()
    for alone in (False, True):
        arm = cx.Experiment(arm="variant", control="A", acts_through_rating_alone=alone)
        lift = cx.LiftModel(experiment=arm, flexible=False).fit(obs)
        assert isinstance(lift.experiment, ExperimentResult)
        assert lift.experiment.strength is not None
        assert not lift.experiment.strength.is_weak
        assert lift.experiment.evidence.grade == "experiment"
        assert lift.evidence.grade != "experiment"
        texts[alone] = lift.evidence.text
        grades.add(lift.evidence.grade)
    assert len(grades) == 1
    sentence = "Beside the headline stands the lift from the arm variant, drawn by lot: USD "
    assert sentence not in texts[False]
    assert sentence in texts[True]
    assert texts[True].endswith("where the two differ, trust the one from the arm.")


def test_a_weak_or_broken_arm_is_not_to_be_trusted_before_the_headline(observations: Make) -> None:
    obs = observations(600)
    obs.frame["variant"] = np.random.default_rng(3).choice(["A", "B"], len(obs.frame))
    weak = evaluated(obs, acts_through_rating_alone=True)
    assert weak.strength is not None
    assert weak.strength.is_weak
    assert weak.beside_headline() == ""
    obs = with_arms(observations(3_000, seed=2))
    broken = evaluated(obs, acts_through_rating_alone=True, shares={"A": 8, "B": 1, "C": 1})
    assert broken.complier_evidence.grade == "association"
    assert broken.beside_headline() == ""
