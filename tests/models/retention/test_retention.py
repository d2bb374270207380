"""Retention: counts of a cohort, observations with censoring, tables already joined."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated_observations import joined_table, simulate_observations

from cxmodel.errors import CxModelWarning, InsufficientDataError
from cxmodel.models.retention.curve import RetentionCurve
from cxmodel.models.retention.durations import expected_events, read_durations
from cxmodel.models.retention.model import RetentionModel
from cxmodel.stats.rates import DAYS_PER_MONTH
from cxmodel.tables.observation_table import Observations

HIGH_END = [1000, 869, 743, 653, 593, 551, 517, 491]

# -- worked by hand


def test_counts_are_the_observed_part_of_the_curve() -> None:
    curve = RetentionModel().fit_counts([100, 80, 64]).curve(4)
    assert curve.retention[:3] == pytest.approx([1.0, 0.8, 0.64])
    assert curve.observed.tolist() == [True, True, True, False, False]


def test_the_model_is_joined_to_the_last_observed_month() -> None:
    fit = RetentionModel().fit_counts(HIGH_END)
    curve = fit.curve(12)
    expected = 0.491 * fit.at([8, 12]) / fit.at(7)
    assert curve.retention[[8, 12]] == pytest.approx(expected)


def test_geometric_family() -> None:
    fit = RetentionModel(family="geometric").fit_counts([100, 80, 64])
    assert fit.parameters == pytest.approx({"prob_churn_per_period": 0.2})
    assert fit.at(3) == pytest.approx(0.512)
    # KPI reference K6a: 60 a year, r = .8, d = .10, paid now 220, first payment after a year 160
    assert 60 * fit.discounted_lifetime(0.10) == pytest.approx(220)
    assert 60 * fit.derl(0, 0.10) / 1.10 == pytest.approx(160)


def test_censored_observations_by_hand() -> None:
    obs = _few([(10.0, True), (40.0, False), (50.0, True), (70.0, False)] * 15)
    curve = RetentionModel(n_draws=5).fit(obs).curve(2)
    # within a month (30.4 days) 15 of 60 leave; of the 30 still seen at day 50, 15 leave
    assert curve.retention == pytest.approx([1.0, 0.75, 0.375])


def _few(rows: list[tuple[float, bool]], **changes: object) -> Observations:
    obs = simulate_observations(len(rows), repeats=0.0)
    frame = obs.frame.copy()
    frame["duration_days"] = [row[0] for row in rows]
    frame["_event"] = [row[1] for row in rows]
    return replace(obs, frame=frame, as_of=None, min_group_size=10, **changes)  # type: ignore[arg-type]


# -- against a reference


def test_fader_and_hardie_2007() -> None:
    # checked numbers of How to project customer retention, table "high end", t = 0..7
    fit = RetentionModel(family="sbg").fit_counts(HIGH_END)
    assert fit.log_likelihood == pytest.approx(-1611.1581, abs=1e-4)
    assert fit.parameters == pytest.approx({"alpha": 0.6681, "beta": 3.8061}, abs=1e-3)
    assert 100 * fit.at(np.arange(8, 13)) == pytest.approx([46.0, 43.6, 41.4, 39.5, 37.8], abs=0.05)


def test_known_loss_is_recovered() -> None:
    obs = simulate_observations(6_000, loss_per_month=0.03, rating_effect=0.0)
    curve = RetentionModel(n_draws=50).fit(obs).curve(48)
    truth = np.exp(-0.03 * curve.months)
    inside = (curve.conf_low <= truth) & (truth <= curve.conf_high)
    assert inside[1:].mean() > 0.8
    assert curve.retention == pytest.approx(truth, abs=0.03)


@pytest.mark.slow
def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    held = []
    for seed in range(300):
        obs = simulate_observations(600, seed=seed, rating_effect=0.0, repeats=0.3)
        curve = RetentionModel(n_draws=100).fit(obs).curve(48)
        truth = np.exp(-0.03 * np.array([6.0, 24.0, 48.0]))
        low, high = curve.conf_low[[6, 24, 48]], curve.conf_high[[6, 24, 48]]
        held.append((low <= truth) & (truth <= high))
    assert np.mean(held, axis=0) == pytest.approx(0.95, abs=0.04)


def test_partial_months_do_not_make_the_loss_look_larger() -> None:
    obs = simulate_observations(6_000, loss_per_month=0.10, rating_effect=0.0, years=1.0)
    fit = RetentionModel(family="geometric", n_draws=2).fit(obs)
    assert fit.parameters["prob_churn_per_period"] == pytest.approx(1 - math.exp(-0.1), abs=0.004)


# -- tables already joined


def test_a_stated_window_is_delayed_entry() -> None:
    rows = read_durations(joined_table(), stage="retention")
    window = 91 / DAYS_PER_MONTH
    left = rows.events
    assert rows.entry_months is not None
    assert rows.entry_months[~left] == pytest.approx(np.maximum(rows.months[~left] - window, 0))
    assert rows.entry_months[left] == pytest.approx(np.maximum(rows.months[left] - window / 2, 0))
    assert "delayed entry" in rows.caveats[0]


def test_residual_curve_agrees_with_the_share_that_left() -> None:
    obs = joined_table(8_000)
    fit = RetentionModel(n_draws=20).fit(obs)
    rows = read_durations(obs, stage="retention")
    curve = fit.residual_curve(rows.entry_months, 12)
    stayed = 1 - obs.frame["churned"].mean()
    assert float(curve.at(3)) == pytest.approx(stayed, abs=0.02)


def test_without_a_window_time_counts_from_the_start() -> None:
    rows = read_durations(joined_table(has_window=False), stage="retention")
    assert rows.entry_months is None
    assert "every customer who ever started" in rows.caveats[0]


# -- properties


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(5, 60), min_size=2, max_size=9), st.integers(5, 500))
def test_every_curve_starts_at_one_and_falls(losses: list[int], left_over: int) -> None:
    alive = np.cumsum([left_over, *losses])[::-1]
    curve = RetentionModel(n_draws=10).fit_counts(alive).curve(30)
    assert curve.retention[0] == 1.0
    assert (np.diff(curve.retention) <= 1e-12).all()
    assert (curve.conf_low <= curve.retention).all()
    assert (curve.conf_high >= curve.retention).all()
    assert curve.draws.shape == (10, 31)


def test_same_seed_same_curve() -> None:
    obs = simulate_observations(300)
    first, second = (RetentionModel(n_draws=10).fit(obs).curve(36) for _ in range(2))
    assert (first.draws == second.draws).all()
    assert (first.draw(7, seed=3) == second.draw(7, seed=3)).all()


def test_a_customer_counts_once_however_often_asked() -> None:
    obs = simulate_observations(300, repeats=0.0)
    doubled = obs.frame.loc[np.repeat(obs.frame.index, 2)].assign(_share=0.5)
    once = RetentionModel(n_draws=3).fit(obs)
    twice = RetentionModel(n_draws=3).fit(replace(obs, frame=doubled.reset_index(drop=True)))
    assert twice.curve(12).retention == pytest.approx(once.curve(12).retention)
    assert twice.curve(12).conf_low == pytest.approx(once.curve(12).conf_low)
    assert twice.parameters == pytest.approx(once.parameters, rel=1e-4)


def test_only_the_first_response_of_a_customer_counts() -> None:
    # whoever stays answers again; those answers must not thin out the weight of the first
    obs = simulate_observations(300, repeats=0.0)
    later = obs.frame[obs.frame.duration_days > 400].copy()
    later["responded_at"] += pd.Timedelta(days=400)
    later["duration_days"] -= 400
    frame = pd.concat([obs.frame, later]).sort_values(["customer_id", "responded_at"])
    fit = RetentionModel(n_draws=3).fit(replace(obs, frame=frame.reset_index(drop=True)))
    alone = RetentionModel(n_draws=3).fit(obs)
    assert fit.curve(12).retention == pytest.approx(alone.curve(12).retention)
    assert fit.not_used == ({"stage": "retention", "reason": "later_response", "n": len(later)},)


def test_who_is_not_at_risk_is_left_out_and_counted() -> None:
    obs = simulate_observations(400, repeats=0.0)
    frame = obs.frame.copy()
    frame.loc[frame.index[:5], "_status"] = "before_start"
    frame.loc[frame.index[5:8], "_status"] = "churned_before_response"
    frame.loc[frame.index[8:20], "_at_risk"] = False
    fit = RetentionModel(n_draws=2).fit(replace(obs, frame=frame))
    assert [(row["reason"], row["n"]) for row in fit.not_used] == [
        ("before_start", 5),
        ("churned_before_response", 3),
        ("not_at_risk", 12),
    ]
    assert {row["stage"] for row in fit.not_used} == {"retention"}
    assert fit.n_obs == 380


def test_customers_count_by_their_response_weight() -> None:
    obs = simulate_observations(1_000, repeats=0.0)
    # a customer of weight 2 is two customers; one that counts for 3 like all others is one
    some = np.arange(obs.n_obs) % 4 == 0
    weighted = replace(obs, frame=obs.frame.assign(response_weight=np.where(some, 2.0, 1.0)))
    again = obs.frame[some].assign(customer_id=lambda f: f["customer_id"] + "-2")
    twice = replace(obs, frame=pd.concat([obs.frame, again], ignore_index=True))
    model = RetentionModel(n_draws=5)
    fit, two = model.fit(weighted), model.fit(twice)
    assert fit.parameters == pytest.approx(two.parameters, rel=1e-3)
    # 1,250 of weight claim no more than 1,250 ** 2 / (750 + 250 x 4) = 892.9 customers
    assert fit.log_likelihood == pytest.approx(two.log_likelihood * 892.857 / 1250, rel=1e-4)
    same = model.fit(replace(obs, frame=obs.frame.assign(response_weight=3.0)))
    assert same.log_likelihood == pytest.approx(model.fit(obs).log_likelihood)


def test_expected_events_of_everybody_are_the_events() -> None:
    rows = read_durations(simulate_observations(300, repeats=0.0), stage="retention")
    assert expected_events(rows, rows) == pytest.approx(rows.events.sum(), rel=1e-9)


def test_section_has_the_names_of_the_contract() -> None:
    section = RetentionModel(n_draws=5).fit(simulate_observations(300)).to_section()
    assert section["status"] == "ok"
    assert section["model"] == "shifted beta-geometric"
    assert set(section["parameters"]) == {"alpha", "beta"}
    rows = section["curve"]["rows"]
    assert [row["month"] for row in rows] == list(range(37))
    assert set(rows[0]) == {"month", "retention", "conf_low", "conf_high", "observed"}


def test_constant_curve_interpolates() -> None:
    curve = RetentionCurve.constant(prob_churn_per_month=0.5, horizon_months=2)
    assert curve.at([0, 0.5, 1, 2]) == pytest.approx([1, 0.75, 0.5, 0.25])


# -- errors


def test_a_model_that_does_not_fit_says_so() -> None:
    # nobody leaves for five months, then nearly everybody: no constant or falling loss is like that
    rows = [(160.0, True)] * 90 + [(300.0, False)] * 30
    fit = RetentionModel(n_draws=3).fit(_few(rows))
    assert any("does not fit it" in caveat for caveat in fit.caveats)
    assert not any(
        "does not fit it" in caveat
        for caveat in RetentionModel(n_draws=3).fit(simulate_observations(2_000)).caveats
    )


def test_lifetime_without_discount_may_be_infinite() -> None:
    fit = RetentionModel().fit_counts(HIGH_END)
    assert fit.parameters["alpha"] < 1
    with pytest.warns(CxModelWarning, match=r"infinite without a discount: alpha is 0\.66"):
        assert fit.derl(0, 0.0) == math.inf
    with pytest.warns(CxModelWarning, match="State a discount rate above 0"):
        assert fit.discounted_lifetime(0.0) == math.inf


def test_equal_customers_are_named_as_a_boundary() -> None:
    fit = RetentionModel(n_draws=2).fit_counts([100_000, 90_000, 81_000, 72_900])
    assert "no difference between customers: it is a constant loss of 10.0" in fit.caveats[0]
    assert 'take family="geometric" or "auto"' in fit.caveats[0]


def test_one_period_does_not_determine_two_parameters() -> None:
    fit = RetentionModel(n_draws=2).fit_counts([1000, 869])
    assert "2 parameters, and customers left in 1 period alone" in fit.caveats[0]
    assert not RetentionModel(family="geometric", n_draws=2).fit_counts([1000, 869]).caveats


@pytest.mark.parametrize("t", [-1, [0, np.nan], np.inf])
def test_times_before_the_start_are_refused(t: float | list[float]) -> None:
    fit = RetentionModel(n_draws=2).fit_counts(HIGH_END)
    with pytest.raises(ValueError, match="finite times of 0 or more"):
        fit.at(t)


@pytest.mark.parametrize(
    ("alive", "message"),
    [
        ([100], "at least two counts"),
        ([100, 110], "rises from 100 to 110 in period 1"),
        ([1000, "many"], "must hold numbers"),
        ([1000, [900]], "must hold numbers"),
        ([100, -1], "finite counts of 0 or more"),
    ],
)
def test_impossible_counts_are_refused(alive: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RetentionModel().fit_counts(alive)


@pytest.mark.parametrize("alive", [[100, 100, 100], [100, 0]])
def test_no_churn_and_all_churn_are_named(alive: list[float]) -> None:
    with pytest.raises(InsufficientDataError, match="no loss, or everybody lost"):
        RetentionModel().fit_counts(alive)


def test_too_few_losses_of_a_count_are_refused() -> None:
    with pytest.raises(InsufficientDataError, match="7 of 1000 left; at least 10 are needed"):
        RetentionModel().fit_counts([1000, 997, 993])
    with pytest.raises(InsufficientDataError, match="shares of 1 say nothing of how many"):
        RetentionModel().fit_counts([1.0, 0.869, 0.743, 0.653])


def test_too_few_events_are_refused() -> None:
    obs = simulate_observations(60, loss_per_month=0.001)
    with pytest.raises(InsufficientDataError, match=r"end in churn and .* at least 10 of each"):
        RetentionModel().fit(obs)


def test_unknown_durations_are_refused() -> None:
    obs = simulate_observations(60)
    bare = replace(obs, frame=obs.frame.drop(columns="duration_days"))
    with pytest.raises(InsufficientDataError, match=r"give sources\.churn, customers\.churned_at"):
        RetentionModel().fit(bare)
    joined = joined_table(100)
    bare = replace(joined, frame=joined.frame.drop(columns="_duration_months"))
    with pytest.raises(InsufficientDataError, match="duration_months and churned"):
        RetentionModel().fit(bare)


def test_negative_tenure_is_refused() -> None:
    obs = joined_table(100)
    frame = obs.frame.assign(_duration_months=-1.0)
    with pytest.raises(InsufficientDataError, match="100 durations are negative"):
        RetentionModel().fit(replace(obs, frame=frame))


def test_a_curve_is_not_read_beyond_its_end() -> None:
    curve = RetentionCurve.constant(prob_churn_per_month=0.1, horizon_months=12)
    with pytest.raises(ValueError, match="covers months 0-12, not 13"):
        curve.at(13)
    with pytest.raises(ValueError, match="prob_churn_per_month must lie in"):
        RetentionCurve.constant(prob_churn_per_month=7, horizon_months=12)


def test_unknown_family_is_refused() -> None:
    with pytest.raises(ValueError, match="family must be one of"):
        RetentionModel(family="weibull")  # type: ignore[arg-type]
