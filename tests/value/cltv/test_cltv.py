"""Lifetime value: what the ledger shows, then margin per survivor times retention."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated_observations import joined_table, simulate_observations

from cxmodel.errors import ConfigError, InsufficientDataError
from cxmodel.models.retention.curve import RetentionCurve
from cxmodel.models.retention.model import RetentionModel
from cxmodel.results import Estimate, NotRun
from cxmodel.stats.rates import DAYS_PER_MONTH, monthly_discount_rate
from cxmodel.tables.observation_table import Observations, Windows
from cxmodel.value.cltv.lifetime import Horizon
from cxmodel.value.cltv.model import CltvModel

WINDOW = 180 / DAYS_PER_MONTH

# -- worked by hand


def test_who_never_leaves_is_an_annuity() -> None:
    horizon = Horizon(n_months=36, annual_discount_rate=0.10, window_months=WINDOW)
    rate = monthly_discount_rate(0.10)
    annuity = (1 - (1 + rate) ** -36) / rate
    # 1 over the window is 1 / WINDOW a month
    assert horizon.lifetimes(np.ones((1, 37)))[0] == pytest.approx(annuity / WINDOW)


def test_monthly_spending_times_retention() -> None:
    # KPI reference K6a: 60 a year, r = .8, d = .10, first payment after a year: 160 (here monthly)
    horizon = Horizon(n_months=600, annual_discount_rate=0.10, window_months=0.0)
    stays = 0.98 ** np.arange(601)
    rate = monthly_discount_rate(0.10)
    assert horizon.lifetimes(stays[None, :])[0] == pytest.approx(0.98 / (1 + rate - 0.98), rel=1e-4)


def test_the_window_is_what_the_ledger_shows() -> None:
    # everybody leaves in the window: nothing beyond, whatever was paid stays in
    horizon = Horizon(n_months=12, annual_discount_rate=0.0, window_months=6.0)
    stays = np.maximum(0.0, 1 - np.arange(13) / 6)
    assert horizon.lifetimes(stays[None, :])[0] == pytest.approx(1.0)


def test_beyond_the_window_survivors_go_on_spending() -> None:
    # half leave at once: 50 in 6 months is 100 per survivor, so 50 more in each 6 months
    horizon = Horizon(n_months=12, annual_discount_rate=0.0, window_months=6.0)
    stays = np.append(1.0, np.full(12, 0.5))
    there = 6 * 0.5 + 0.25  # the first month loses its half evenly
    assert 50 * horizon.lifetimes(stays[None, :])[0] == pytest.approx(50 + 50 * 6 * 0.5 / there)


def test_a_gap_starts_the_clock_later() -> None:
    late = Horizon(n_months=12, annual_discount_rate=0.1, window_months=6.0, gap_months=2.0)
    now = Horizon(n_months=12, annual_discount_rate=0.1, window_months=6.0)
    stays = 0.9 ** np.arange(20)
    assert late.lifetimes(stays[None, :]) == pytest.approx(now.lifetimes(stays[None, :]))


# -- a known truth


def test_a_known_value_is_recovered() -> None:
    obs = simulate_observations(4_000, loss_per_month=0.03, rating_effect=0.0, monthly_spend=20)
    model = CltvModel(gross_margin=0.6, annual_discount_rate=0.10, n_draws=100)
    found = model.fit(obs).per_customer
    force = math.log(1.10) / 12
    truth = 12 * (1 - math.exp(-(0.03 + force) * 36)) / (0.03 + force)
    assert found.conf_low is not None
    assert found.conf_high is not None
    # months are discounted from their ends and the window evenly: 2% at most
    assert found.conf_low < truth * 1.0 < found.conf_high * 1.02
    assert found.estimate == pytest.approx(truth, rel=0.03)
    assert found.unit == "USD margin per customer over 36 months"


def test_bands_that_stay_longer_are_worth_more() -> None:
    obs = simulate_observations(3_000, loss_per_month=0.04, rating_effect=-0.4)
    rows = CltvModel(gross_margin=0.6, annual_discount_rate=0.10, n_draws=20).fit(obs).by_band
    assert [row["band"] for row in rows] == ["detractor", "passive", "promoter"]
    values = [row["estimate"] for row in rows]
    assert values == sorted(values)
    assert {row["retention_of"] for row in rows} == {"this group"}


@pytest.mark.slow
def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    force = math.log(1.10) / 12
    big = simulate_observations(40_000, seed=999, rating_effect=0.0, loss_per_month=0.03)
    model = CltvModel(gross_margin=0.6, annual_discount_rate=0.10, n_draws=100)
    alone = NotRun("values alone are judged here: no lifts, no bands")

    def value_of(obs: Observations) -> Estimate:
        return model.fit(
            replace(obs, frame=obs.frame.drop(columns="band")), lift=alone
        ).per_customer

    truth = value_of(big).estimate  # of the estimand, with its monthly discounting
    assert truth == pytest.approx(
        12 * (1 - math.exp(-(0.03 + force) * 36)) / (0.03 + force), rel=0.02
    )
    n, held = 300, []
    for seed in range(n):
        obs = simulate_observations(500, seed=seed, rating_effect=0.0, loss_per_month=0.03)
        found = value_of(obs)
        held.append(found.conf_low <= truth <= found.conf_high)  # type: ignore[operator]
    # methods 7: the 99% Monte Carlo interval of the share against 93-97%
    share = float(np.mean(held))
    error = 2.576 * np.sqrt(share * (1 - share) / n)
    assert share + error >= 0.93, share
    assert share - error <= 0.97, share


# -- the parts of the result


def test_revenue_and_margin_basis_are_in_the_unit() -> None:
    obs = simulate_observations(400)
    margin, revenue = (
        CltvModel(gross_margin=0.5, annual_discount_rate=0.1, benefit=basis, n_draws=5).fit(obs)
        for basis in ("margin", "revenue")
    )
    assert revenue.per_customer.estimate == pytest.approx(2 * margin.per_customer.estimate)
    assert revenue.per_customer.unit == "USD revenue per customer over 36 months"


def test_customer_equity_is_the_value_of_all() -> None:
    obs = simulate_observations(400)
    model = CltvModel(gross_margin=0.5, annual_discount_rate=0.1, n_draws=5)
    result = model.fit(obs, n_customers=1_000)
    assert isinstance(result.customer_equity, Estimate)
    assert result.customer_equity.estimate == 1_000 * result.per_customer.estimate
    assert isinstance(model.fit(obs).customer_equity, NotRun)


def test_small_groups_are_suppressed() -> None:
    obs = simulate_observations(400)
    frame = obs.frame.copy()
    frame.loc[frame.index[:20], "segment"] = "tiny"
    rows = (
        CltvModel(gross_margin=0.5, annual_discount_rate=0.1, by="segment", n_draws=5)
        .fit(replace(obs, frame=frame))
        .by_group
    )
    tiny = next(row for row in rows if row["group"] == {"segment": "tiny"})
    assert tiny["suppressed"]
    assert tiny["estimate"] is None
    assert all(row["estimate"] > 0 for row in rows if not row["suppressed"])


def test_a_group_that_cannot_borrow_a_curve_says_so() -> None:
    obs = joined_table(1_000)
    frame = obs.frame.copy()
    loyal = frame["band"] == "top_box"
    frame.loc[loyal, ["churned", "_event"]] = [0.0, False]
    rows = (
        CltvModel(gross_margin=0.5, annual_discount_rate=0.1, n_draws=5)
        .fit(replace(obs, frame=frame))
        .by_band
    )
    assert rows[0]["estimate"] > 0
    assert rows[1]["estimate"] is None
    assert "too unlike to borrow" in rows[1]["reason"]


def test_who_is_left_out_is_counted() -> None:
    obs = simulate_observations(500, windows=Windows(gap_days=30), loss_per_month=0.06)
    frame = obs.frame.copy()
    frame.loc[frame.index[:4], "_status"] = "before_start"
    result = CltvModel(gross_margin=0.5, annual_discount_rate=0.1, n_draws=5).fit(
        replace(obs, frame=frame)
    )
    counted = {row["reason"]: row["n"] for row in result.not_used}
    assert counted["before_start"] == 4
    assert {"open_window", "left_in_gap"} <= set(counted)
    assert sum(counted.values()) + (result.per_customer.n_obs or 0) == obs.n_obs


def test_joined_tables_use_monthly_revenue() -> None:
    obs = joined_table(2_000)
    result = CltvModel(gross_margin=0.6, annual_discount_rate=0.10, n_draws=20).fit(obs)
    fit = RetentionModel(family="auto", n_draws=20).fit(obs)
    from cxmodel.models.retention.durations import read_durations

    rows = read_durations(obs, stage="cltv")
    assert rows.entry_months is not None
    discounts = (1 + monthly_discount_rate(0.10)) ** -np.arange(1.0, 37)
    # each customer's own money times the own months still to come
    tenures, place = np.unique(np.floor(rows.entry_months), return_inverse=True)
    lives = [fit.residual_curve([t], 36).retention[1:] @ discounts for t in tenures]
    expected = 0.6 * (obs.frame["_monthly_revenue"] * np.array(lives)[place]).mean()
    assert result.per_customer.estimate == pytest.approx(expected)
    assert any("Monthly revenue is taken to stay" in caveat for caveat in result.caveats)


def test_who_has_been_there_for_long_may_pay_more() -> None:
    obs = joined_table(600)
    tenure = obs.frame["_duration_months"]
    # newcomers leave eight times as often
    left = np.random.default_rng(2).random(600) < np.where(tenure > 30, 0.05, 0.4)
    obs = replace(obs, frame=obs.frame.assign(churned=left.astype(float), _event=left))
    dearer = obs.frame.assign(_monthly_revenue=np.where(tenure > 30, 80.0, 20.0))
    same = obs.frame.assign(_monthly_revenue=float(dearer["_monthly_revenue"].mean()))
    fit = RetentionModel(n_draws=20).fit(obs)
    model = CltvModel(gross_margin=0.6, annual_discount_rate=0.10, n_draws=20)
    values = []
    for frame in (dearer, same):
        table = replace(obs, frame=frame.drop(columns="band"))
        found = model.fit(table, fit, lift=NotRun("not asked for"))
        assert model.predict(table, fit)["cltv"].mean() == pytest.approx(
            found.per_customer.estimate
        )
        values.append(found.per_customer)
    # who pays more also stays longer: more than the mean price times the mean stay
    assert values[0].estimate > 1.1 * values[1].estimate
    assert values[0].std_error is not None
    assert 0 < values[0].std_error < 0.1 * values[0].estimate


def test_section_has_the_names_of_the_contract() -> None:
    result = CltvModel(gross_margin=0.5, annual_discount_rate=0.1, n_draws=5).fit(
        simulate_observations(300)
    )
    section = result.to_section()
    assert set(section) >= {
        "status",
        "per_customer",
        "by_band",
        "by_group",
        "customer_equity",
        "change_per_rating_point",
    }
    assert set(section["change_per_rating_point"]) == {
        "total",
        "staying",
        "spending",
        "total_window_only",
        "total_no_fade",
    }
    frame = result.to_frame().set_index("term")
    bands = ["all", "detractor", "passive", "promoter"]
    assert frame.loc["per_customer", "group"].tolist() == bands
    total = result.change_per_rating_point["total"]
    assert frame["estimate"].get("change_per_rating_point.total") == (
        total.estimate if isinstance(total, Estimate) else None
    )


# -- properties


@settings(max_examples=40, deadline=None)
@given(st.floats(0.0, 0.3), st.floats(0.0, 0.5), st.floats(1.0, 12.0), st.integers(1, 60))
def test_value_falls_with_discount_and_loss(
    loss: float, rate: float, window: float, n_months: int
) -> None:
    stays = ((1 - loss) ** np.arange(80))[None, :]
    horizon = Horizon(n_months=n_months, annual_discount_rate=rate, window_months=window)
    undiscounted = Horizon(n_months=n_months, annual_discount_rate=0.0, window_months=window)
    found = horizon.lifetimes(stays)[0]
    assert 0 < found <= undiscounted.lifetimes(stays)[0] + 1e-9
    assert found <= horizon.lifetimes(np.ones((1, 80)))[0] + 1e-9
    longer = replace(horizon, n_months=n_months + 1)
    assert longer.lifetimes(stays)[0] >= found


def test_same_seed_same_value() -> None:
    obs = simulate_observations(300)
    model = CltvModel(gross_margin=0.5, annual_discount_rate=0.1, n_draws=10)
    assert model.fit(obs).per_customer == model.fit(obs).per_customer


# -- errors


def test_money_needs_a_currency() -> None:
    obs = replace(simulate_observations(300), currency=None)
    with pytest.raises(ConfigError, match=r"study\.currency is missing"):
        CltvModel(gross_margin=0.5, annual_discount_rate=0.1).fit(obs)


def test_no_revenue_is_refused() -> None:
    obs = simulate_observations(300)
    bare = replace(obs, frame=obs.frame.drop(columns="revenue_after"))
    with pytest.raises(InsufficientDataError, match=r"give sources\.revenue"):
        CltvModel(gross_margin=0.5, annual_discount_rate=0.1).fit(bare)


def test_no_finished_window_is_refused() -> None:
    obs = simulate_observations(300)
    frame = obs.frame.assign(outcome_complete=False)
    with pytest.raises(InsufficientDataError, match="none of 360 observations"):
        CltvModel(gross_margin=0.5, annual_discount_rate=0.1).fit(replace(obs, frame=frame))


def test_too_few_spenders_are_refused() -> None:
    obs = simulate_observations(300)
    frame = obs.frame.assign(revenue_after=0.0)
    with pytest.raises(InsufficientDataError, match=r"0 of .* have any revenue"):
        CltvModel(gross_margin=0.5, annual_discount_rate=0.1).fit(replace(obs, frame=frame))


def test_an_unknown_group_is_refused() -> None:
    with pytest.raises(ConfigError, match="by names 'colour'"):
        CltvModel(gross_margin=0.5, annual_discount_rate=0.1, by="colour", n_draws=5).fit(
            simulate_observations(300)
        )


def test_a_curve_that_is_too_short_is_refused() -> None:
    curve = RetentionCurve.constant(prob_churn_per_month=0.02, horizon_months=12)
    with pytest.raises(ValueError, match="curve ends at month 12"):
        CltvModel(gross_margin=0.5, annual_discount_rate=0.1, n_draws=5).fit(
            simulate_observations(300), curve
        )


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="gross_margin must lie in"):
        CltvModel(gross_margin=60, annual_discount_rate=0.1)
