"""The change in lifetime value per rating point: the identity, its chain and its words."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated_observations import simulate_observations

from cxmodel.models.joint import joint_covariance
from cxmodel.models.lift import LiftModel
from cxmodel.models.lift_result import LiftResult
from cxmodel.models.retention.curve import RetentionCurve
from cxmodel.results import Estimate, NotRun
from cxmodel.stats.rates import DAYS_PER_MONTH, discount_factors
from cxmodel.tables.observation_table import Observations
from cxmodel.value.cash_flow import Fade, benefit_weights
from cxmodel.value.cltv.change import ChangeInputs, change_per_point
from cxmodel.value.cltv.drawn_lifts import DrawnLift, DrawPlan, draw_lifts
from cxmodel.value.cltv.lifetime import Horizon
from cxmodel.value.cltv.model import CltvModel
from cxmodel.value.cltv.result import CltvResult
from cxmodel.value.lift_card import LiftCard
from cxmodel.value.make_card import make_lift_card
from cxmodel.value.programme import Programme
from cxmodel.value.roi import project_roi

WINDOW = 180 / DAYS_PER_MONTH
PER_POINT = "USD per rating point per customer per 180 days"
STAYING = "probability of staying per rating point per 180 days"
Fitted = tuple[Observations, LiftResult, LiftResult]


def _inputs(**changes: object) -> ChangeInputs:
    made: dict[str, object] = {
        "revenue_lift": np.array([6.0]),
        "retention_lift": np.array([0.03]),
        "spend": np.array([600.0]),
        "retention": (0.97 ** np.arange(40))[None, :],
    }
    return ChangeInputs(**{**made, **changes})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def fitted() -> Fitted:
    obs = simulate_observations(1_200, rating_effect=-0.3)
    lifts = [LiftModel(outcome=name).fit(obs) for name in ("revenue", "retention")]  # type: ignore[arg-type]
    # bands have their own test; without them a fit is quick
    return replace(obs, frame=obs.frame.drop(columns="band")), lifts[0], lifts[1]


@pytest.fixture(scope="module")
def valued(fitted: Fitted) -> CltvResult:
    obs, revenue, retention = fitted
    model = CltvModel(gross_margin=0.6, annual_discount_rate=0.10, lasts_months=24)
    return model.fit(obs, lift=revenue, retention_lift=retention, n_customers=1_000)


def _value(found: Estimate | NotRun) -> float:
    assert isinstance(found, Estimate), found
    return found.estimate


# -- worked by hand


def test_the_identity_by_hand() -> None:
    # one window of 6 months is the horizon, nothing discounted; half leave at once in the baseline
    # and, with the lift of .1 at the end of the window, S1 = .5 ** k, k = log .6 / log .5
    horizon = Horizon(n_months=6, annual_discount_rate=0.0, window_months=6.0)
    stays = np.append(1.0, np.full(6, 0.5))[None, :]
    inputs = _inputs(
        retention=stays,
        retention_lift=np.array([0.1]),
        spend=np.array([300.0]),
        revenue_lift=np.array([30.0]),
    )
    found = change_per_point(inputs, horizon, Fade(window_months=6.0))
    s0 = (0.75 + 5 * 0.5) / 6  # the first month loses its half evenly
    s1 = ((1 + 0.6) / 2 + 5 * 0.6) / 6
    m0, m1 = 300 / s0, 330 / s1
    assert found.staying is not None
    assert found.spending is not None
    assert found.staying[0] == pytest.approx((s1 - s0) * (m0 + m1) / 2)
    assert found.spending[0] == pytest.approx((m1 - m0) * (s0 + s1) / 2)
    assert found.total[0] == pytest.approx(30.0)


def test_the_first_window_is_the_lift_discounted() -> None:
    horizon = Horizon(n_months=36, annual_discount_rate=0.10, window_months=WINDOW)
    found = change_per_point(_inputs(), horizon, Fade(window_months=WINDOW))
    # 5 whole months and .914 of the sixth, each discounted from its end
    months = np.append(np.ones(5), WINDOW - 5)
    expected = 6.0 / WINDOW * (months @ 1.10 ** (-np.arange(1, 7) / 12))
    assert found.total[0] == pytest.approx(expected, rel=1e-12)


def test_beyond_the_window_it_is_a_programmes_flow() -> None:
    horizon = Horizon(n_months=36, annual_discount_rate=0.10, window_months=WINDOW)
    stays = 0.97 ** np.arange(40)
    discounts = discount_factors(0.10, np.arange(1, 37))
    for how in ({"lasts_months": 24.0}, {"half_life_months": 9.0}, {"lasts_months": math.inf}):
        fade = Fade(window_months=WINDOW, **how)
        weights = benefit_weights(fade, stays[1:37], ramp_months=0, outcome_days=180)
        found = change_per_point(_inputs(), horizon, fade)
        assert found.total[0] == pytest.approx(6.0 * (weights @ discounts), rel=1e-12)


def test_who_only_stays_longer_spends_no_more() -> None:
    # 100 a month while there; hazard .03 falls to .025: the money is the months, so spending is 0
    horizon = Horizon(n_months=36, annual_discount_rate=0.0, window_months=6.0)
    months = np.arange(40)
    stays, moved = np.exp(-0.03 * months)[None, :], np.exp(-0.025 * months)[None, :]
    there, there_moved = (horizon.months_there(curve)[0] for curve in (stays, moved))
    inputs = _inputs(
        retention=stays,
        retention_lift=moved[:, 6] - stays[:, 6],
        spend=np.array([100 * there]),
        revenue_lift=np.array([100 * (there_moved - there)]),
    )
    for lasts in (None, 24.0):
        found = change_per_point(inputs, horizon, Fade(window_months=6.0, lasts_months=lasts))
        assert found.spending is not None
        assert found.spending[0] == pytest.approx(0.0, abs=1e-9 * found.total[0])


def test_who_only_spends_more_stays_no_longer() -> None:
    horizon = Horizon(n_months=36, annual_discount_rate=0.1, window_months=WINDOW)
    found = change_per_point(
        _inputs(retention_lift=np.zeros(1)), horizon, Fade(window_months=WINDOW)
    )
    assert found.staying is not None
    assert found.staying[0] == pytest.approx(0.0, abs=1e-12)


def test_a_share_that_leaves_the_range_is_cut_and_counted() -> None:
    horizon = Horizon(n_months=36, annual_discount_rate=0.1, window_months=WINDOW)
    inputs = _inputs(
        revenue_lift=np.full(3, 6.0),
        retention_lift=np.array([0.01, 0.4, -0.9]),
        spend=np.full(3, 600.0),
        retention=np.repeat((0.97 ** np.arange(40))[None, :], 3, axis=0),
    )
    found = change_per_point(inputs, horizon, Fade(window_months=WINDOW))
    assert found.was_clipped.tolist() == [False, True, True]
    assert found.total == pytest.approx(np.full(3, found.total[0]), rel=1e-9)
    assert found.staying is not None
    assert np.isfinite(found.staying).all()


# -- against a reference


def test_draws_have_the_joint_covariance_of_the_lifts(fitted: Fitted) -> None:
    # methods 6: the covariance is the sum of psi psi' over customers; 4,000 weightings find it
    obs, revenue, retention = fitted
    lifts = draw_lifts(revenue, retention, DrawPlan.of(obs, 4_000, 5))
    found = [lifts.revenue["per_rating_point"], lifts.retention["per_rating_point"]]
    assert all(isinstance(each, DrawnLift) for each in found)
    draws = np.array([each.draws for each in found])  # type: ignore[union-attr]
    _, values, covariance = joint_covariance([revenue, retention])
    sd = np.sqrt(np.diag(covariance))
    assert np.cov(draws) / np.outer(sd, sd) == pytest.approx(
        covariance / np.outer(sd, sd), abs=0.08
    )
    assert (draws.mean(axis=1) - values) / sd == pytest.approx([0, 0], abs=0.06)


def test_draws_follow_the_customers_of_the_chain(fitted: Fitted) -> None:
    # a lift refitted under the weights of draw k moves as its draw k does
    from cxmodel.stats.draws import draw_customer_weights

    obs, _, _ = fitted
    complete = obs.frame[obs.frame["outcome_complete"]]
    one = replace(obs, frame=complete.drop_duplicates("customer_id").reset_index(drop=True))
    revenue = LiftModel(controls=()).fit(one)
    plan = DrawPlan.of(one, 60, 3)
    lifts = draw_lifts(revenue, None, plan)
    found = lifts.revenue["per_rating_point"]
    assert isinstance(found, DrawnLift)
    design = np.column_stack([np.ones(one.n_obs), one.frame["rating"]])
    money = one.frame["revenue_after"].to_numpy()
    refitted = []
    for draw in range(60):
        root = np.sqrt(draw_customer_weights(one.n_obs, draw, 3))
        refitted.append(np.linalg.lstsq(design * root[:, None], money * root)[0][1])
    assert np.corrcoef(found.draws, refitted)[0, 1] > 0.99


def test_the_default_change_is_the_lift_times_margin(fitted: Fitted) -> None:
    obs, revenue, retention = fitted
    model = CltvModel(gross_margin=0.6, annual_discount_rate=0.10)
    found = model.fit(obs, lift=revenue, retention_lift=retention).change_per_rating_point
    months = np.append(np.ones(5), WINDOW - 5)
    factor = 0.6 / WINDOW * float(months @ 1.10 ** (-np.arange(1, 7) / 12))
    lift = revenue.per_rating_point()
    assert _value(found["total"]) == pytest.approx(factor * lift.estimate, rel=1e-12)
    assert _value(found["total_window_only"]) == pytest.approx(_value(found["total"]), rel=1e-12)
    assert found["total"].std_error == pytest.approx(  # type: ignore[union-attr]
        factor * lift.std_error,  # type: ignore[operator]
        rel=0.15,  # 200 draws know an error to 5%
    )


def test_cltv_programmes_are_the_change_times_points_and_customers(valued: CltvResult) -> None:
    calls = Programme(
        name="Calls", rating_points=0.5, customers=200, lasts_months=24, value_by="cltv"
    )
    result = project_roi(calls, valued, gross_margin=0.6, annual_discount_rate=0.10)
    total = valued.change_per_rating_point["total"]
    assert _value(result.npv) == pytest.approx(0.5 * 200 * _value(total), rel=1e-12)
    assert result.npv.std_error == pytest.approx(  # type: ignore[union-attr]
        100 * total.std_error,  # type: ignore[union-attr,operator]
        rel=0.05,
    )
    assert any("never add a value by revenue" in said for said in result.caveats)
    by_path = replace(calls, rating_points=None, kpi_points=4, kpi_path="uniform_shift")
    assert isinstance(
        project_roi(by_path, valued, gross_margin=0.6, annual_discount_rate=0.10).npv, Estimate
    )


# -- the parts of the result


def test_parts_add_up_to_the_last_bit(valued: CltvResult) -> None:
    change = valued.to_dict()["change_per_rating_point"]
    staying, spending = change["staying"]["estimate"], change["spending"]["estimate"]
    assert staying + spending == change["total"]["estimate"]
    assert (
        change["total_window_only"]["estimate"]
        < change["total"]["estimate"]
        < change["total_no_fade"]["estimate"]
    )
    assert set(valued.change_per_rating_point) == {
        "total", "staying", "spending", "total_window_only", "total_no_fade",
    }  # fmt: skip
    assert change["total"]["unit"] == "USD margin per rating point per customer over 36 months"


def test_the_world_where_only_leaving_moves(valued: CltvResult) -> None:
    # spending per day is the same whatever the rating: the split must find staying alone
    change = valued.change_per_rating_point
    spending, staying = change["spending"], change["staying"]
    assert isinstance(spending, Estimate)
    assert spending.conf_low is not None
    assert spending.conf_high is not None
    assert spending.conf_low < 0 < spending.conf_high
    assert abs(spending.estimate) < 0.15 * _value(staying)


def test_how_long_it_lasts_is_in_the_caveats(valued: CltvResult, fitted: Fitted) -> None:
    said = " ".join(valued.to_section()["change"]["caveats"])
    assert "lasts 24 months is an assumption" in said
    assert "bookkeeping of one change, not two effects" in said
    assert "whom the baseline retention curve still holds" in said
    obs, revenue, retention = fitted
    for how, words in (
        ({}, "the 180 days over which the lift was measured, and no longer"),
        ({"half_life_months": 6.0}, "halves every 6 months after the first 180 days"),
    ):
        model = CltvModel(gross_margin=0.6, annual_discount_rate=0.10, n_draws=5, **how)  # type: ignore[arg-type]
        total = model.fit(obs, lift=revenue, retention_lift=retention).change_per_rating_point[
            "total"
        ]
        assert isinstance(total, Estimate)
        assert any(words in caveat for caveat in total.caveats)


def test_what_moves_the_answer_most(valued: CltvResult) -> None:
    rows = valued.to_section()["change"]["drivers_of_uncertainty"]["rows"]
    total = [row for row in rows if row["term"] == "total"]
    assert total[0]["input"] == "lift of revenue"
    assert sum(row["share"] for row in total) == pytest.approx(1.0)


def test_a_card_and_lifts_by_hand_stand_in(fitted: Fitted) -> None:
    obs, revenue, retention = fitted
    model = CltvModel(gross_margin=0.6, annual_discount_rate=0.10, n_draws=10)
    card = make_lift_card([revenue, retention], obs)
    assert isinstance(card, LiftCard)
    of_card = model.fit(obs, lift=card).change_per_rating_point
    by_hand = model.fit(
        obs,
        lift=revenue.per_rating_point(),
        retention_lift=retention.per_rating_point(),
    )
    fitted_change = model.fit(obs, lift=revenue, retention_lift=retention).change_per_rating_point
    for name, found in fitted_change.items():
        assert _value(of_card[name]) == pytest.approx(_value(found), rel=1e-9)
        assert _value(by_hand.change_per_rating_point[name]) == pytest.approx(_value(found))
    assert any("written by hand" in said for said in by_hand.change.caveats)


def test_a_lift_in_margin_takes_no_margin_again(fitted: Fitted) -> None:
    obs, _, _ = fitted
    model = CltvModel(gross_margin=0.5, annual_discount_rate=0.0, n_draws=5)
    unit = "USD margin per rating point per customer per 180 days"
    total = model.fit(obs, lift=Estimate(estimate=3.0, unit=unit)).change_per_rating_point["total"]
    assert _value(total) == pytest.approx(3.0)
    assert any("no interval holds its error" in said for said in total.caveats)  # type: ignore[union-attr]


def test_lifts_are_fitted_where_none_are_given(fitted: Fitted) -> None:
    obs, revenue, retention = fitted
    model = CltvModel(gross_margin=0.6, annual_discount_rate=0.10, n_draws=5)
    own = model.fit(obs).change_per_rating_point
    given = model.fit(obs, lift=revenue, retention_lift=retention).change_per_rating_point
    for name, found in given.items():
        assert _value(own[name]) == pytest.approx(_value(found), rel=1e-9)
    no_rating = model.fit(replace(obs, rating=None)).change_per_rating_point["total"]
    assert isinstance(no_rating, NotRun)
    assert "hold no rating" in no_rating.reason


def test_a_lift_from_sums_has_its_own_draws(fitted: Fitted) -> None:
    obs, revenue, retention = fitted
    sums = replace(revenue, influence={}, values={})
    lifts = draw_lifts(sums, retention, DrawPlan.of(obs, 2_000, 5))
    found = lifts.revenue["per_rating_point"]
    assert isinstance(found, DrawnLift)
    headline = revenue.per_rating_point()
    assert found.draws.std() == pytest.approx(headline.std_error, rel=0.06)
    assert any("comes from sums over the table" in said for said in lifts.caveats)


def test_without_lifts_it_says_why(fitted: Fitted) -> None:
    obs, revenue, _ = fitted
    model = CltvModel(gross_margin=0.6, annual_discount_rate=0.10, n_draws=5)
    missing = model.fit(obs, lift=NotRun("no revenue")).change_per_rating_point["staying"]
    assert isinstance(missing, NotRun)
    assert missing.reason == "it needs the lift of revenue: no revenue"
    half = model.fit(obs, lift=revenue).change_per_rating_point
    assert isinstance(half["total"], Estimate)
    assert isinstance(half["staying"], NotRun)
    assert "needs the lift of retention" in half["staying"].reason


def test_programmes_by_cltv_need_a_curve_or_the_chain() -> None:
    calls = Programme(name="Calls", rating_points=1.0, customers=10, value_by="cltv")
    lift = Estimate.from_std_error(4.0, 1.0, unit=PER_POINT)
    how = {"gross_margin": 0.6, "annual_discount_rate": 0.10, "n_draws": 100}
    curve = RetentionCurve.constant(prob_churn_per_month=0.02, horizon_months=36)
    alone = project_roi(calls, lift, **how)  # type: ignore[arg-type]
    assert isinstance(alone.npv, NotRun)
    assert "value_by" in alone.npv.reason
    with_curve = project_roi(calls, lift, curve=curve, **how)  # type: ignore[arg-type]
    by_revenue = project_roi(
        replace(calls, value_by="revenue"),
        lift,
        curve=curve,
        **how,  # type: ignore[arg-type]
    )
    assert _value(with_curve.npv) == _value(by_revenue.npv)
    missing = project_roi(calls, NotRun("no currency"), **how)  # type: ignore[arg-type]
    assert "needs the lifetime value: no currency" in missing.npv.reason  # type: ignore[union-attr]


# -- properties


@settings(max_examples=60, deadline=None)
@given(
    st.floats(-50, 50),
    st.floats(-0.3, 0.3),
    st.floats(0.0, 0.3),
    st.floats(0.0, 0.5),
    st.floats(1.0, 12.0),
    st.sampled_from([None, 3.0, 24.0, math.inf]),
)
def test_parts_add_up_and_the_total_needs_no_split(
    lift: float, stay: float, loss: float, rate: float, window: float, lasts: float | None
) -> None:
    horizon = Horizon(n_months=24, annual_discount_rate=rate, window_months=window)
    inputs = _inputs(
        revenue_lift=np.array([lift]),
        retention_lift=np.array([stay]),
        retention=((1 - loss) ** np.arange(60))[None, :],
    )
    fade = Fade(window_months=window, lasts_months=lasts)
    found = change_per_point(inputs, horizon, fade)
    assert found.staying is not None
    assert found.spending is not None
    assert found.staying[0] + found.spending[0] == found.total[0]
    alone = change_per_point(replace(inputs, retention_lift=None), horizon, fade)
    assert found.total[0] == pytest.approx(alone.total[0], rel=1e-9, abs=1e-7)


# -- errors


def test_what_is_no_lift_is_refused(fitted: Fitted) -> None:
    obs, revenue, retention = fitted
    model = CltvModel(gross_margin=0.6, annual_discount_rate=0.10, n_draws=2)
    with pytest.raises(TypeError, match="must be a LiftResult, a LiftCard or an Estimate, not int"):
        model.fit(obs, lift=4)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="given for revenue is one of retention"):
        model.fit(obs, lift=retention)
    other = Estimate(estimate=1.0, unit="USD per rating point per customer per 90 days")
    with pytest.raises(ValueError, match=r"per 90 days, the observations have .* 180 days"):
        model.fit(obs, lift=other)
    by_kpi = Estimate(
        estimate=1.0, unit="USD per KPI point (uniform_shift) per customer per 180 days"
    )
    with pytest.raises(ValueError, match="is per rating point, the lift given per KPI point"):
        model.fit(obs, lift=by_kpi)
    with pytest.raises(ValueError, match=r"State it like 'probability of staying"):
        model.fit(obs, lift=revenue, retention_lift=Estimate(estimate=3.0, unit="percent"))
    with pytest.raises(ValueError, match="holds both lifts"):
        model.fit(obs, lift=make_lift_card([revenue], obs), retention_lift=retention)


def test_a_gain_lasts_in_one_way() -> None:
    with pytest.raises(ValueError, match="lasts_months or half_life_months, not both"):
        CltvModel(gross_margin=0.6, annual_discount_rate=0.1, lasts_months=3, half_life_months=3)
    with pytest.raises(ValueError, match="half_life_months must be above 0"):
        CltvModel(gross_margin=0.6, annual_discount_rate=0.1, half_life_months=-3)


def test_a_programme_cannot_look_further_than_the_value(valued: CltvResult) -> None:
    calls = Programme(name="Calls", rating_points=1.0, customers=10, value_by="cltv")
    with pytest.raises(ValueError, match="looks 36 months ahead, the programme 48"):
        project_roi(calls, valued, gross_margin=0.6, annual_discount_rate=0.10, horizon_months=48)
