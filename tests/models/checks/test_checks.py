"""Every check: a world in which it must fire, one in which it must not, and what it says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import statsmodels.api as sm

from cxmodel.models.checks.base import CHECK_NAMES, Check
from cxmodel.models.checks.linearity import check_linearity, merged_levels
from cxmodel.models.checks.run_all import run_checks
from cxmodel.models.checks.timing import check_timing
from cxmodel.models.lift import LiftModel
from cxmodel.models.lift_fit import LiftFit, fit_lift
from cxmodel.models.lift_settings import LiftSettings
from cxmodel.results import NotRun


def _fit(obs, outcome="revenue", **settings) -> LiftFit:
    return fit_lift(obs, outcome, LiftSettings(**settings))


def _check(obs, name, outcome="revenue", **settings) -> Check:
    checks = run_checks(_fit(obs, outcome, **settings))
    return next(check for check in checks if check.name == name)


# -- all of them -----------------------------------------------------------------------------


@pytest.mark.parametrize("outcome", ["revenue", "retention"])
def test_all_fifteen_are_named_and_those_not_run_say_why(observations, outcome):
    checks = run_checks(_fit(observations(600, seed=1), outcome))
    assert tuple(check.name for check in checks) == CHECK_NAMES
    assert len(checks) == 15
    for check in checks:
        assert check.outcome == outcome
        assert len(check.text) > 20
        assert check.text.endswith(".")
        if check.verdict != "not_run":
            assert check.statistic is not None
    waiting = {check.name: check.text for check in checks if check.verdict == "not_run"}
    assert not {"overlap", "unobserved_confounding", "shuffled_rating"} & set(waiting)
    assert not any(text.startswith("It ") for text in waiting.values())


def test_a_clean_world_is_left_alone(observations):
    verdicts = {c.name: c.verdict for c in run_checks(_fit(observations(3_000, seed=3)))}
    for name in (
        "placebo_before",
        "timing",
        "unobserved_confounding",
        "linearity",
        "overlap",
        "shuffled_rating",
        "leakage",
        "join",
        "sample_size",
    ):
        assert verdicts[name] == "pass", name


# -- placebo_before --------------------------------------------------------------------------


def test_placebo_fails_when_old_habits_move_rating_and_outcome(observations):
    check = _check(observations(2_000, seed=1, old_habit=1.0), "placebo_before")
    assert check.verdict == "fail"
    assert check.statistic > 5
    assert "customers differed already" in check.text


def test_placebo_warns_when_the_rating_remembers_and_the_estimate_does_not_move(observations):
    obs = observations(3_000, seed=1)
    rng = np.random.default_rng(9)
    # what the rating remembers of three windows ago plays no part in the outcome
    memory = rng.normal(size=obs.n_obs)
    obs.frame["revenue_before_3"] += 30 * memory
    moved = np.clip(np.round(obs.frame["rating"] + memory), 0, 10)
    obs.frame["revenue_after"] += 5 * (moved - obs.frame["rating"])
    obs.frame["rating"] = moved
    check = _check(obs, "placebo_before")
    assert check.verdict == "warn"
    assert check.p_value < 0.001


def test_change_is_that_of_adding_the_window(observations):
    """Omitted-variable formula: the change equals the difference of two least-squares fits."""
    obs = observations(800, seed=4, old_habit=0.5)
    fit = _fit(obs, average="variance")
    frame = fit.frame
    design = np.column_stack([np.ones(800), fit.sample.rating, fit.sample.controls])
    short = sm.OLS(fit.sample.outcome, design).fit().params[1]
    long = sm.OLS(fit.sample.outcome, np.column_stack([design, frame["revenue_before_3"]])).fit()
    check = next(c for c in run_checks(fit) if c.name == "placebo_before")
    assert f"changes the lift by USD {long.params[1] - short:.2f} " in check.text


def test_without_a_window_among_the_controls_the_latest_is_the_placebo(observations):
    """Rating and outcome both follow the revenue of the window before, which is not held equal."""
    fit = _fit(observations(800, seed=4), controls=["segment"])
    assert fit.history.placebo == "revenue_before"
    check = next(c for c in run_checks(fit) if c.name == "placebo_before")
    assert check.verdict == "fail"


def test_placebo_needs_the_window_in_every_row(observations):
    obs = observations(600)
    obs.frame.loc[4, "revenue_before_3"] = np.nan
    check = _check(obs, "placebo_before")
    assert check.verdict == "not_run"
    assert "not known for 1 responses" in check.text


def test_placebo_needs_two_windows(observations):
    check = _check(observations(600, history=1.2), "placebo_before")
    assert check.verdict == "not_run"
    assert "does not reach back two windows of 180 days" in check.text


@pytest.mark.parametrize("outcome", ["revenue", "retention"])
def test_placebo_rarely_fires_in_clean_worlds(observations, outcome):
    fails = sum(
        _check(observations(400, seed=s), "placebo_before", outcome).verdict == "fail"
        for s in range(12)
    )
    assert fails <= 1


# -- timing ----------------------------------------------------------------------------------


@pytest.mark.parametrize("outcome", ["revenue", "retention"])
def test_timing_fails_when_the_decision_came_before_the_answer(observations, outcome):
    obs = observations(
        3_000, seed=2, early_decision=0.1, log_odds_per_point=0.0, dollars_per_point=0.0
    )
    check = check_timing(_fit(obs, outcome))
    assert check.verdict == "fail"
    assert check.statistic > 0.5
    assert "decisions were taken before the answer, or the effect fades at once" in check.text


@pytest.mark.parametrize("outcome", ["revenue", "retention"])
def test_timing_passes_when_the_effect_lasts(observations, outcome):
    check = check_timing(_fit(observations(3_000, seed=2), outcome))
    assert check.verdict == "pass"
    assert "from 90 days on" in check.text


def test_timing_compares_with_longer_gaps_than_the_stated_one(observations):
    from cxmodel.tables.observation_table import Windows

    obs = observations(1_000, seed=2, windows=Windows(gap_days=30))
    check = check_timing(_fit(obs))
    assert "begins 30 days after the response" in check.text
    assert "from 30 days on" not in check.text


def test_timing_has_nothing_longer_than_a_gap_of_ninety_days(observations):
    from cxmodel.tables.observation_table import Windows

    check = check_timing(_fit(observations(600, seed=2, windows=Windows(gap_days=90))))
    assert check.verdict == "not_run"
    assert "gap of 90 days is already as long as the longest" in check.text


def test_timing_takes_the_additive_slope_where_interactions_are_separated(observations):
    """At 90 days nobody is left in two months, but for those with the same outcome."""
    obs = observations(1_500, seed=2)
    month = obs.frame["_month"]
    low = obs.frame["rating"] < 7
    obs.frame["_churned_g90"] = np.where(
        month == "2025-06", np.where(low, 1.0, 0.0), obs.frame["_churned_g90"]
    )
    check = check_timing(_fit(obs, "retention"))
    assert "From 90 days on it is the additive slope" in check.text


def test_timing_says_at_which_gap_nothing_could_be_fitted(observations):
    obs = observations(1_500, seed=2)
    obs.frame["_churned_g60"] = 0.0
    check = check_timing(_fit(obs, "retention"))
    assert "It could not be fitted from 60 days on." in check.text
    assert "from 90 days on" in check.text


def test_timing_needs_dates(observations):
    obs = observations(600, seed=1)
    bare = obs.frame.drop(columns=[c for c in obs.frame if "_g" in c and c[0] == "_"])
    check = check_timing(_fit(replace(obs, frame=bare)))
    assert check.verdict == "not_run"
    assert "would make it run" in check.text


# -- linearity -------------------------------------------------------------------------------


def test_small_levels_join_the_smaller_neighbour():
    rating = np.repeat([0.0, 1.0, 2.0, 3.0], [5, 40, 10, 60])
    codes, centres = merged_levels(rating, 30)
    assert np.bincount(codes).tolist() == [55, 60]
    assert centres[0] == pytest.approx((40 + 20) / 55)


def test_f_is_the_wald_test_of_statsmodels_with_hc3(observations):
    """statsmodels 0.14 f_test on the level dummies, cov_type HC3, use_t."""
    fit = _fit(observations(900, seed=4))
    codes, centres = merged_levels(fit.sample.rating, 30)
    dummies = np.eye(len(centres))[codes][:, 1:-1]
    design = np.column_stack([np.ones(900), centres[codes], dummies, fit.sample.controls])
    other = sm.OLS(fit.sample.outcome, design).fit(cov_type="HC3", use_t=True)
    chosen = np.eye(design.shape[1])[2 : len(centres)]
    expected = other.f_test(chosen)
    check = check_linearity(fit)
    assert check.statistic == pytest.approx(float(expected.fvalue), rel=1e-8)
    assert check.p_value == pytest.approx(float(expected.pvalue), rel=1e-6)


def test_a_ceiling_warns(observations):
    obs = observations(3_000, seed=5, dollars_per_point=0.0)
    obs.frame["revenue_after"] += 12 * np.minimum(obs.frame["rating"], 6)
    check = check_linearity(_fit(obs))
    assert check.verdict == "warn"
    assert "do not lie on one line" in check.text


def test_a_step_against_the_line_fails(observations):
    obs = observations(3_000, seed=5)
    obs.frame["revenue_after"] -= 20 * (obs.frame["rating"] == 10)
    check = check_linearity(_fit(obs))
    assert check.verdict == "fail"
    assert "to 10 the outcome moves against the line" in check.text


def test_a_true_line_is_left_alone_also_when_customers_repeat(observations):
    """The plain Wald test rejects a true line far too often at n = 300 (methods 5)."""
    verdicts = [check_linearity(_fit(observations(300, seed=s))).verdict for s in range(20)]
    assert verdicts.count("pass") >= 19
    repeated = [check_linearity(_fit(observations(200, seed=s, repeats=2))) for s in range(10)]
    assert sum(check.verdict == "pass" for check in repeated) >= 9


def test_an_outcome_that_never_varies_has_no_line(observations):
    obs = observations(600, seed=1)
    obs.frame["revenue_after"] = 100.0
    assert check_linearity(_fit(obs)).verdict == "not_run"


@pytest.mark.slow
@pytest.mark.parametrize("dollars", [0.0, 0.5, 5.0])
def test_a_true_line_is_rarely_called_bent(observations, dollars):
    """Methods 7: at most 7%; 200 replications, so up to 11% by chance."""
    verdicts = [
        check_linearity(
            _fit(observations(800, seed=s, dollars_per_point=dollars), controls=["revenue_before"])
        ).verdict
        for s in range(200)
    ]
    assert verdicts.count("pass") >= 178


def test_two_ratings_make_any_line_fit(observations):
    obs = observations(600, seed=1)
    obs.frame["rating"] = np.where(obs.frame["rating"] > 6, 9.0, 3.0)
    assert check_linearity(_fit(obs)).verdict == "not_run"


# -- the others ------------------------------------------------------------------------------


@pytest.mark.parametrize(("rate", "verdict"), [(0.99, "pass"), (0.9, "warn"), (0.4, "fail")])
def test_join_goes_by_the_match_rate(observations, rate, verdict):
    check = _check(observations(300, audit={"match_rate": rate}), "join")
    assert check.verdict == verdict
    assert check.statistic == rate


def test_join_fails_when_the_ledger_does_not_add_up(observations):
    audit = {"match_rate": 1.0, "revenue_reconciled": {"difference": 12.5}}
    check = _check(observations(300, audit=audit), "join")
    assert check.verdict == "fail"
    assert "The ledger does not add up: USD 12.50 are missing" in check.text


def test_join_is_not_run_on_a_joined_table(observations):
    assert _check(observations(300, is_joined=True), "join").verdict == "not_run"


def test_sample_size_counts_events_and_doubts_the_inactivity_rule(observations):
    obs = observations(
        3_000,
        seed=1,
        churn_rule="inactivity",
        audit={"match_rate": 1.0, "long_gaps": {"share": 0.3}},
    )
    check = _check(obs, "sample_size", "retention")
    assert check.verdict == "warn"
    assert "30% of past pauses" in check.text
    assert _check(observations(250, seed=1), "sample_size").verdict in ("warn", "pass")


def test_separation_fails_warns_and_passes(observations):
    obs = observations(2_000, seed=1)
    assert _check(obs, "separation", "retention").verdict in ("pass", "warn")
    obs.frame.loc[obs.frame["rating"] >= 9, "churned"] = 0.0
    check = _check(obs, "separation", "retention")
    assert check.verdict == "fail"
    assert "On nps, everybody who answered 9 and 10 stayed" in check.text
    assert _check(obs, "separation", "revenue").verdict == "not_run"


def test_a_penalised_slope_is_offered_where_a_plain_one_has_no_end(observations):
    """Two ratings, 6 points apart, that tell who leaves: half a count is added to each cell."""
    obs = observations(600, seed=1)
    low = np.arange(600) % 5 == 0
    frame = obs.frame.assign(rating=np.where(low, 3.0, 9.0), churned=low.astype(float))
    lift = LiftModel(outcome="retention", controls=[]).fit(replace(obs, frame=frame))
    # 120 who left at 3 and 480 who stayed at 9
    at_low, at_high = 0.5 / 121, 480.5 / 481
    steep = 0.2 * at_low * (1 - at_low) + 0.8 * at_high * (1 - at_high)
    log_odds = np.log(at_high / (1 - at_high)) - np.log(at_low / (1 - at_low))
    expected = 100 * steep * log_odds / 6
    text = {check.name: check.text for check in lift.checks}["separation"]
    assert text.endswith(
        f"a penalised logit (Firth 1993) gives {expected:.2f} percentage points per rating point."
    )


def test_separation_by_controls_together_fails_and_shows_levels(observations):
    """Neither column knows the outcome, their sum does."""
    obs = observations(600, seed=1)
    rng = np.random.default_rng(3)
    obs.frame["one"] = rng.normal(0, 10, 600)
    obs.frame["other"] = obs.frame["churned"] + 0.4 * rng.random(600) - obs.frame["one"]
    lift = LiftModel(outcome="retention", controls=["one", "other"]).fit(
        replace(obs, attributes=("one", "other"))
    )
    verdicts = {check.name: check for check in lift.checks}
    assert verdicts["leakage"].verdict == "pass"
    assert verdicts["separation"].verdict == "fail"
    assert "Rating and controls together tell who stays" in verdicts["separation"].text
    assert isinstance(lift.terms["per_rating_point"], NotRun)
    observed = 1 - obs.frame.groupby("rating")["churned"].mean()
    assert lift.by_rating[7]["estimate"] == pytest.approx(observed[7.0])
    assert lift.controls.names == ()


def test_undated_attributes_warn_and_show_the_headline_with_and_without(observations):
    check = _check(observations(800, seed=1, attributes_as_of_extract=True), "leakage")
    assert check.verdict == "warn"
    assert "segment is as of the day of the extract" in check.text
    assert "with it and" in check.text
    assert "without" in check.text


def test_attributes_of_the_response_were_known_at_the_response(observations):
    obs = observations(800, seed=1, attributes_as_of_extract=True, customer_attributes=())
    assert _check(obs, "leakage").verdict == "pass"


def test_leave_one_group_out_is_the_fit_without_the_group(observations):
    """Subtracted moments against a fit on the remaining rows (numpy lstsq)."""
    fit = _fit(observations(900, seed=4), average="variance")
    check = next(c for c in run_checks(fit) if c.name == "leave_one_group_out")
    slopes = []
    for group in ("small", "middle", "large"):
        rows = (fit.frame["segment"] != group).to_numpy()
        design = np.column_stack([np.ones(rows.sum()), fit.sample.rating[rows]])
        design = np.column_stack([design, fit.sample.controls[rows]])
        slopes.append(np.linalg.lstsq(design, fit.sample.outcome[rows], rcond=1e-10)[0][1])
    assert fit.headline is not None
    assert check.statistic == pytest.approx(min(slopes) / fit.headline.slope.value, rel=1e-6)
    assert check.verdict == "pass"


def test_leave_one_group_out_warns_when_one_group_carries_the_sign(observations):
    obs = observations(2_000, seed=4, dollars_per_point=-2.0)
    is_large = obs.frame["segment"] == "large"
    obs.frame["revenue_after"] += np.where(is_large, 40 * (obs.frame["rating"] - 7), 0.0)
    assert _check(obs, "leave_one_group_out").verdict == "warn"


def test_repeat_customers_counts_and_warns_when_few(observations):
    many = _check(observations(300, seed=1, repeats=2), "repeat_customers")
    assert many.verdict == "pass"
    assert many.statistic == 2.0
    few = observations(20, seed=1, repeats=20)
    assert _check(few, "repeat_customers", controls=["revenue_before"]).verdict == "warn"
