"""How long customers without a contract were there: days, shares, and what becomes of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cxmodel as cx
from cxmodel.datasets.purchase_business import simulate_purchases
from cxmodel.results import Estimate, NotRun
from cxmodel.stats.linear import fit_least_squares
from cxmodel.tables.observation_table import Observations, Windows
from cxmodel.value.cash_flow import Fade
from cxmodel.value.cltv.change import ChangeInputs, change_per_point
from cxmodel.value.cltv.drawn_lifts import DrawPlan
from cxmodel.value.cltv.lifetime import Horizon
from cxmodel.value.cltv.model import CltvModel
from cxmodel.value.cltv.presence import KnownDays, Presence, find_presence

MODEL = CltvModel(gross_margin=0.6, annual_discount_rate=0.10, n_draws=30)


@pytest.fixture(scope="module")
def obs() -> Observations:
    business = simulate_purchases(1_200, seed=2, leaves_per_point=-0.1)
    return cx.join_observations(
        cx.read_surveys(business.surveys, ratings={"nps": ("nps", cx.NPS)}),
        customers=cx.read_customers(business.customers),
        revenue=cx.read_revenue(business.revenue, currency="USD"),
        as_of=business.settings["as_of"],
    )


# -- worked by hand


def test_the_weights_of_days_by_hand() -> None:
    # of 120 days with day 30 known: 15 for the start, 15 + 45 for day 30, 45 for the end
    found = KnownDays.of(("_present_g30",), (30,), 120)
    assert found.start == pytest.approx(15 / 120)
    assert found.between == pytest.approx([60 / 120])
    assert found.end == pytest.approx(45 / 120)


def test_days_count_from_the_start_of_the_window(obs: Observations) -> None:
    # a gap of 30 days: what is known of day 60 is day 30 of the window, of 90 days
    late = replace(obs, windows=Windows(outcome_days=90, gap_days=30))
    found = KnownDays.in_table(late)
    assert found.names == ("_present_g60", "_present_g90")
    assert found.start == pytest.approx(15 / 90)
    assert found.between == pytest.approx([30 / 90, 30 / 90])
    assert found.end == pytest.approx(15 / 90)


def test_the_identity_with_what_bookings_show_by_hand() -> None:
    # half of the window there, 4 points of it more: .03 on the way and .04 x a quarter at the end
    inputs = ChangeInputs(
        revenue_lift=np.array([30.0]),
        retention_lift=np.array([0.04]),
        spend=np.array([300.0]),
        retention=np.ones((1, 8)),
        share=np.array([0.5]),
        before_end=np.array([0.03]),
        weight_of_end=0.25,
    )
    horizon = Horizon(n_months=6, annual_discount_rate=0.0, window_months=6.0)
    found = change_per_point(inputs, horizon, Fade(window_months=6.0))
    m0, m1 = 300 / 0.5, 330 / 0.54
    assert found.staying is not None
    assert found.spending is not None
    assert found.staying[0] == pytest.approx(0.04 * (m0 + m1) / 2)
    assert found.spending[0] == pytest.approx((m1 - m0) * (0.5 + 0.54) / 2)
    assert found.total[0] == pytest.approx(30.0)


# -- against a reference


def test_a_table_by_its_own_columns(obs: Observations) -> None:
    found = find_presence(obs, DrawPlan.of(obs, 20, 1))
    assert isinstance(found, Presence)
    rows = obs.frame[obs.frame["_at_risk"]]
    flags = rows[["_present_g30", "_present_g60", "_present_g90"]].to_numpy(dtype=float)
    stayed = 1 - rows["churned"].to_numpy()
    share = (15 + flags @ [30, 30, 60] + 45 * stayed) / 180
    assert found.share[0] == pytest.approx(share.mean(), rel=1e-12)
    assert found.weight_of_end == pytest.approx(45 / 180)
    # ratings depend on nothing here, so that the slope without controls is near the one with
    design = np.column_stack([np.ones(len(rows)), rows["rating"].to_numpy()])
    plain = fit_least_squares(design, flags @ [30, 30, 60] / 180).coefficients[1]
    error = found.before_end_draws.std()
    assert found.before_end[0] == pytest.approx(plain, abs=1.5 * error)


# -- properties


@settings(max_examples=60, deadline=None)
@given(
    st.floats(-20.0, 20.0),
    st.floats(0.2, 0.95),
    st.floats(-0.04, 0.04),
    st.floats(-0.04, 0.04),
    st.sampled_from([None, 24.0]),
)
def test_parts_add_up_and_the_total_needs_no_split(
    lift: float, share: float, on_the_way: float, stay: float, lasts: float | None
) -> None:
    inputs = ChangeInputs(
        revenue_lift=np.array([lift]),
        retention_lift=np.array([stay]),
        spend=np.array([300.0]),
        retention=(0.96 ** np.arange(60))[None, :],
        share=np.array([share]),
        before_end=np.array([on_the_way]),
        weight_of_end=0.25,
    )
    horizon = Horizon(n_months=24, annual_discount_rate=0.1, window_months=6.0)
    fade = Fade(window_months=6.0, lasts_months=lasts)
    found = change_per_point(inputs, horizon, fade)
    assert found.staying is not None
    assert found.spending is not None
    assert found.staying[0] + found.spending[0] == found.total[0]
    alone = change_per_point(replace(inputs, retention_lift=None), horizon, fade)
    assert found.total[0] == pytest.approx(alone.total[0], rel=1e-9, abs=1e-7)


def test_the_money_split_is_that_of_all_who_had_started(obs: Observations) -> None:
    # the lift of revenue holds those too who had not booked of late
    bare = replace(obs, frame=obs.frame.drop(columns="band"))
    lift = Estimate(
        estimate=6.0, unit="USD per rating point per customer per 180 days", std_error=1.0
    )
    stay = Estimate(
        estimate=0.0, unit="probability of staying per rating point per 180 days", std_error=0.01
    )
    found = MODEL.fit(bare, lift=lift, retention_lift=stay)
    assert found.change.baseline is not None
    everybody = bare.frame.loc[bare.frame["outcome_complete"], "revenue_after"].mean()
    assert found.change.baseline.spend[0] == pytest.approx(everybody, rel=1e-9)
    assert isinstance(found.change.baseline.presence, Presence)
    assert any("booking is recent enough" in said for said in found.change.caveats)
    inputs = {row["input"] for row in found.change.drivers_of_uncertainty}
    assert "lift of the share of the window customers are there" in inputs


# -- bad input


def test_a_table_that_does_not_know_falls_back_on_the_curve(obs: Observations) -> None:
    hidden = [name for name in obs.frame if name.startswith("_present_g")]
    blind = replace(obs, frame=obs.frame.drop(columns=["band", *hidden]))
    assert isinstance(find_presence(blind, DrawPlan.of(blind, 5, 1)), NotRun)
    found = MODEL.fit(blind, lift=Estimate(
        estimate=6.0, unit="USD per rating point per customer per 180 days", std_error=1.0
    ))  # fmt: skip
    said = " ".join(found.change.caveats)
    assert "read from the retention curve, as bookings do not show it" in said
