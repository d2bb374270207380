"""Programmes: what they cost and bring, month by month."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxmodel.models.retention.curve import RetentionCurve
from cxmodel.results import Estimate, NotRun
from cxmodel.stats.rates import DAYS_PER_MONTH, monthly_discount_rate
from cxmodel.value.cash_flow import Fade, net_present_value, payback_months
from cxmodel.value.lift_units import parse_lift_unit
from cxmodel.value.programme import Programme
from cxmodel.value.programme_result import ProgrammeResult
from cxmodel.value.roi import project_roi

PER_POINT = "USD per rating point per customer per 180 days"
NOTHING = Estimate(estimate=0.0, unit=PER_POINT)
LIFT = Estimate.from_std_error(4.0, 1.0, unit=PER_POINT, n_obs=900)
WINDOW = 180 / DAYS_PER_MONTH


def _project(programme: Programme, lift: Estimate = LIFT, **changes: object) -> ProgrammeResult:
    settings_: dict[str, object] = {
        "gross_margin": 0.6,
        "annual_discount_rate": 0.10,
        "n_draws": 2_000,
    }
    return project_roi(programme, lift, **{**settings_, **changes})  # type: ignore[arg-type]


def _value(estimate: Estimate | NotRun) -> float:
    assert isinstance(estimate, Estimate), estimate
    return estimate.estimate


# -- worked by hand


def test_two_names_of_roi() -> None:
    # KPI reference R1, R2, C8: a portal of $100K that saves $150K
    portal = Programme(name="Portal", customers=1, upfront_cost=100_000, monthly_cost_saving=12_500)
    result = _project(portal, NOTHING, annual_discount_rate=0.0, horizon_months=12)
    assert _value(result.net_roi) == pytest.approx(0.5)
    assert _value(result.benefit_cost_ratio) == pytest.approx(1.5)
    assert _value(result.npv) == pytest.approx(50_000)
    assert _value(result.payback_months) == pytest.approx(8.0)
    assert result.prob_loss == 0.0


def test_every_cost_counts() -> None:
    # KPI reference R5: programme administration, not the licence alone
    portal = Programme(
        name="Portal",
        customers=1,
        upfront_cost=60_000,
        monthly_cost=5_000,
        monthly_cost_saving=12_500,
    )
    result = _project(portal, NOTHING, annual_discount_rate=0.0, horizon_months=12)
    assert _value(result.net_roi) == pytest.approx(150 / 120 - 1)


def test_revenue_and_margin_are_not_the_same_return() -> None:
    # KPI reference R3: the same form on revenue overstates
    calls = Programme(name="Calls", rating_points=1.0, customers=1_000, upfront_cost=1_000)
    margin = _project(calls, annual_discount_rate=0.0)
    revenue = _project(calls, annual_discount_rate=0.0, benefit="revenue")
    assert _value(margin.benefit_cost_ratio) == pytest.approx(2.4)
    assert _value(revenue.benefit_cost_ratio) == pytest.approx(4.0)
    assert isinstance(revenue.npv, Estimate)
    assert revenue.npv.unit == "USD (revenue basis)"
    assert any("overstates" in caveat for caveat in revenue.caveats)


def test_the_window_brings_the_lift_once() -> None:
    calls = Programme(name="Calls", rating_points=0.8, customers=5_000, upfront_cost=90_000)
    result = _project(calls, annual_discount_rate=0.0)
    assert _value(result.npv) == pytest.approx(4.0 * 0.8 * 5_000 * 0.6 - 90_000)
    assert _value(result.npv_window_only) == pytest.approx(_value(result.npv))
    assert _value(result.break_even_rating_points) == pytest.approx(90_000 / (4.0 * 5_000 * 0.6))


def test_monthly_benefit_is_the_formula_of_the_house() -> None:
    calls = Programme(
        name="Calls", rating_points=0.5, customers=100, ramp_months=3, lasts_months=24
    )
    curve = RetentionCurve.constant(prob_churn_per_month=0.02, horizon_months=36)
    rows = _project(calls, curve=curve).cash_flow
    full = 4.0 * 0.5 * 100 * DAYS_PER_MONTH / 180 * 0.6
    assert [rows[m]["benefit"] for m in (0, 1, 2, 3, 5)] == pytest.approx(
        [0, full / 3, 2 * full / 3, full, full]
    )
    inside = WINDOW - 5
    assert rows[6]["benefit"] == pytest.approx(full * (inside + (1 - inside) * 0.98**6))
    assert rows[24]["benefit"] == pytest.approx(full * 0.98**24)
    assert rows[25]["benefit"] == 0.0


def test_flows_are_discounted_from_the_end_of_the_month() -> None:
    portal = Programme(
        name="Portal", customers=1, upfront_cost=1_000, monthly_cost=10, monthly_cost_saving=60
    )
    result = _project(portal, NOTHING, horizon_months=24)
    rate = monthly_discount_rate(0.10)
    annuity = (1 - (1 + rate) ** -24) / rate
    assert _value(result.npv) == pytest.approx(50 * annuity - 1_000)
    assert _value(result.net_roi) == pytest.approx(60 * annuity / (1_000 + 10 * annuity) - 1)
    assert result.cash_flow[-1]["cumulative"] == pytest.approx(_value(result.npv))
    # the discounted months until an annuity of 50 has returned 1,000
    months = -math.log(1 - 1_000 * rate / 50) / math.log(1 + rate)
    assert _value(result.discounted_payback_months) == pytest.approx(months, abs=0.02)
    assert _value(result.payback_months) == pytest.approx(20.0)


def test_half_life_by_hand() -> None:
    fade = Fade(window_months=6, half_life_months=4)
    beyond = fade.beyond(14)
    assert beyond[:6].tolist() == [0] * 6
    # the mean over months 7-10 of a quantity that halves in those four months
    assert beyond[6:10].sum() == pytest.approx(4 * 0.5 / math.log(2))
    assert beyond[10:14].sum() == pytest.approx(0.5 * beyond[6:10].sum())


def test_payback_that_does_not_hold_is_no_payback() -> None:
    assert float(payback_months([-10, 5, -5, 5, 15])) == pytest.approx(2.5)
    assert float(payback_months([-10, 5, -5])) == math.inf
    assert float(payback_months([0, 5, 10])) == 0.0
    assert payback_months([[-10, 0], [-10, -1]]).tolist() == [1.0, math.inf]


# -- against a reference


def test_net_present_value_as_numpy_financial() -> None:
    # numpy-financial 1.0 npv(0.281, [-100, 39, 59, 55, 20]) = -0.0084785916384548798, by years
    flows = np.zeros(49)
    flows[[0, 12, 24, 36, 48]] = [-100, 39, 59, 55, 20]
    assert float(net_present_value(flows, 0.281)) == pytest.approx(-0.0084785916384548798)


def test_draws_agree_with_the_closed_form() -> None:
    # a product of independent normals has variance a^2 v + b^2 u + u v
    calls = Programme(
        name="Calls", rating_points={"mean": 0.8, "sd": 0.3}, customers=5_000, upfront_cost=9_000
    )
    result = _project(calls, annual_discount_rate=0.0, n_draws=100_000)
    money = 5_000 * 0.6
    variance = money**2 * (4**2 * 0.3**2 + 0.8**2 * 1**2 + 0.3**2 * 1**2)
    assert isinstance(result.npv, Estimate)
    assert result.npv.std_error == pytest.approx(math.sqrt(variance), rel=0.02)
    shares = {row["input"]: row["share"] for row in result.drivers_of_uncertainty}
    expected = 4**2 * 0.3**2 / (4**2 * 0.3**2 + 0.8**2)
    assert shares["points gained"] == pytest.approx(expected, abs=0.02)
    assert sum(shares.values()) == pytest.approx(1.0)


def test_chance_of_a_loss_agrees_with_the_closed_form() -> None:
    from scipy.stats import norm

    calls = Programme(name="Calls", rating_points=1.0, customers=1_000, upfront_cost=2_000)
    result = _project(calls, annual_discount_rate=0.0, n_draws=100_000)
    assert result.prob_loss == pytest.approx(norm.cdf((2_000 - 2_400) / 600), abs=0.01)


# -- lasting gains, caveats


def test_lasting_gains_lie_between_their_bounds() -> None:
    curve = RetentionCurve.constant(prob_churn_per_month=0.02, horizon_months=36)
    calls = Programme(
        name="Calls", rating_points=0.8, customers=5_000, upfront_cost=5_000, lasts_months=12
    )
    result = _project(calls, curve=curve)
    assert _value(result.npv_window_only) < _value(result.npv) < _value(result.npv_no_fade)
    assert any("lasts 12 months is an assumption" in caveat for caveat in result.caveats)


def test_how_long_a_gain_lasts_is_always_said() -> None:
    for lasting in ({}, {"lasts_months": 12.0}, {"half_life_months": 6.0}):
        calls = Programme(name="Calls", rating_points=0.8, customers=10, **lasting)  # type: ignore[arg-type]
        assert any("180 days" in caveat for caveat in _project(calls).caveats)


def test_caveats_of_the_lift_ride_along() -> None:
    lift = Estimate(estimate=4.0, unit=PER_POINT, caveats=("An association.",))
    result = _project(Programme(name="Calls", rating_points=1, customers=10), lift)
    assert "An association." in result.caveats
    assert isinstance(result.npv, Estimate)
    assert "An association." in result.npv.caveats
    assert any("without a standard error" in caveat for caveat in result.caveats)
    assert any("No retention curve" in caveat for caveat in result.caveats)


def test_a_programme_that_never_pays_says_so() -> None:
    calls = Programme(name="Calls", rating_points=0.1, customers=10, upfront_cost=9_000)
    result = _project(calls)
    assert result.payback_months == NotRun("it does not pay back within 36 months")
    assert result.prob_loss == 1.0


def test_a_lift_below_zero_has_no_break_even() -> None:
    lift = Estimate.from_std_error(-1.0, 0.2, unit=PER_POINT)
    calls = Programme(name="Calls", rating_points=1.0, customers=10, upfront_cost=100)
    found = _project(calls, lift).break_even_rating_points
    assert isinstance(found, NotRun)
    assert "not above zero" in found.reason


def test_a_programme_without_cost_has_no_return_on_it() -> None:
    result = _project(Programme(name="Calls", rating_points=1.0, customers=10))
    assert isinstance(result.net_roi, NotRun)
    assert isinstance(result.npv, Estimate)


def test_reach_is_a_share_of_the_active_customers() -> None:
    half = Programme(name="Calls", rating_points=1.0, reach=0.5)
    whole = Programme(name="Calls", rating_points=1.0, customers=500)
    assert _value(_project(half, n_customers=1_000).npv) == _value(_project(whole).npv)


def test_kpi_points_take_a_lift_by_their_path() -> None:
    unit = "USD per KPI point (detractor_to_passive) per customer per 180 days"
    lift = Estimate.from_std_error(0.5, 0.1, unit=unit)
    calls = Programme(
        name="Calls", kpi_points=5, kpi_path="detractor_to_passive", customers=1_000, upfront_cost=1
    )
    result = _project(calls, lift, annual_discount_rate=0.0)
    assert _value(result.npv) == pytest.approx(0.5 * 5 * 1_000 * 0.6 - 1)
    assert isinstance(result.break_even_rating_points, Estimate)
    assert result.break_even_rating_points.unit == "KPI points (detractor_to_passive)"


def test_a_fitted_lift_is_asked_for_the_right_point() -> None:
    class Fitted:
        def per_rating_point(self) -> Estimate:
            return LIFT

        def per_kpi_point(self, *, path: str) -> NotRun:
            return NotRun(f"nobody stands below {path}")

    by_rating = Programme(name="Calls", rating_points=1.0, customers=10)
    assert (
        _value(
            project_roi(
                by_rating, Fitted(), gross_margin=0.6, annual_discount_rate=0.1, n_draws=10
            ).npv
        )
        > 0
    )
    by_kpi = Programme(name="Calls", kpi_points=1.0, customers=10)
    result = project_roi(by_kpi, Fitted(), gross_margin=0.6, annual_discount_rate=0.1)
    assert result.npv == NotRun("nobody stands below uniform_shift")


def test_margin_is_taken_once() -> None:
    lift = LIFT.scaled(0.6, unit="USD margin per rating point per customer per 180 days")
    calls = Programme(name="Calls", rating_points=1.0, customers=10)
    assert _value(_project(calls, lift).npv) == pytest.approx(_value(_project(calls).npv))


# -- properties


@settings(max_examples=25, deadline=None)
@given(
    st.floats(0.1, 3),
    st.floats(0, 50_000),
    st.floats(0, 24),
    st.one_of(st.none(), st.floats(1, 60)),
)
def test_figures_agree_with_each_other(
    points: float, cost: float, ramp: float, lasts: float | None
) -> None:
    calls = Programme(
        name="Calls",
        rating_points=points,
        customers=1_000,
        upfront_cost=cost + 1,
        ramp_months=ramp,
        lasts_months=lasts,
    )
    result = _project(calls, n_draws=50)
    npv, roi, ratio = (_value(x) for x in (result.npv, result.net_roi, result.benefit_cost_ratio))
    assert ratio - 1 == pytest.approx(roi)
    assert npv == pytest.approx(roi * (cost + 1), abs=1e-6)
    paid_back = isinstance(result.discounted_payback_months, Estimate)
    if abs(npv) > 1e-6:
        assert paid_back == (npv > 0)
    flows = [row["net_discounted"] for row in result.cash_flow]
    assert sum(flows) == pytest.approx(npv, abs=1e-6)
    if lasts is None or lasts <= WINDOW:
        assert _value(result.npv_window_only) == pytest.approx(npv)
    at_break_even = Programme(
        name="Calls",
        rating_points=_value(result.break_even_rating_points),
        customers=1_000,
        upfront_cost=cost + 1,
        ramp_months=ramp,
        lasts_months=lasts,
    )
    assert _value(_project(at_break_even, n_draws=2).npv) == pytest.approx(0, abs=1e-6)


@given(st.floats(0.5, 40), st.floats(0.5, 60), st.integers(1, 60))
def test_a_fade_covers_what_it_says(window: float, lasts: float, n_months: int) -> None:
    fade = Fade(window_months=window, lasts_months=lasts)
    covered = fade.within(n_months) + fade.beyond(n_months)
    assert covered.sum() == pytest.approx(min(lasts, n_months), abs=1e-9)
    assert fade.cut_off().beyond(n_months).sum() == 0
    whole = fade.unending().within(n_months) + fade.unending().beyond(n_months)
    assert whole == pytest.approx(np.ones(n_months))


def test_same_seed_same_draws_and_one_lift_for_all_programmes() -> None:
    calls = Programme(name="Calls", rating_points=1.0, customers=10, upfront_cost=10)
    assert _project(calls).npv == _project(calls).npv
    assert _project(calls, seed=1).npv != _project(calls, seed=2).npv


def test_a_row_has_the_names_of_the_contract() -> None:
    row = _project(
        Programme(name="Calls", rating_points=1.0, customers=10, upfront_cost=1)
    ).to_section()
    assert {
        "name",
        "npv",
        "net_roi",
        "benefit_cost_ratio",
        "payback_months",
        "break_even_rating_points",
        "prob_loss",
        "npv_window_only",
        "npv_no_fade",
        "cash_flow",
        "drivers_of_uncertainty",
    } <= set(row)
    assert [r["month"] for r in row["cash_flow"]["rows"]] == list(range(37))


# -- errors


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"gross_margin": 1.0}, r"gross_margin must lie in \[0, 1\), not 1.0"),
        ({"annual_discount_rate": -0.1}, "annual_discount_rate must lie in"),
        ({"horizon_months": 0}, "horizon_months must be 1 to 1,200, not 0"),
        ({"benefit": "profit"}, "benefit is 'margin' or 'revenue'"),
        ({"outcome_days": 90}, "outcome_days is 90, but the lift is per 180 days"),
        (
            {"curve": RetentionCurve.constant(prob_churn_per_month=0.1, horizon_months=12)},
            "curve ends at month 12, the horizon is 36",
        ),
    ],
)
def test_impossible_settings_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        _project(Programme(name="Calls", rating_points=1.0, customers=10), **changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rating_points": 1, "kpi_points": 1}, "rating_points or kpi_points, not both"),
        ({"kpi_path": "uniform_shift"}, "kpi_path goes with kpi_points"),
        ({"reach": 0}, r"reach is a share in \(0, 1\]"),
        ({"upfront_cost": -1}, "upfront_cost must be 0 or more"),
        ({"lasts_months": 3, "half_life_months": 3}, "lasts_months or half_life_months"),
        ({"ramp_months": -1}, "ramp_months must be 0 or more"),
        ({"value_by": "both"}, "value_by is 'revenue' or 'cltv'"),
        ({"upfront_cost": {"low": 3, "mode": 2, "high": 1}}, "low <= mode <= high"),
        ({"customers": 0}, "customers must be 1 or more"),
        ({"name": ""}, "needs a name"),
    ],
)
def test_impossible_programmes_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Programme(**{"name": "Calls", **changes})  # type: ignore[arg-type]


def test_points_of_two_kinds_are_refused() -> None:
    calls = Programme(name="Calls", kpi_points=1.0, customers=10)
    with pytest.raises(ValueError, match=r"in KPI points .* the lift per rating point"):
        _project(calls)
    unit = "USD per KPI point (uniform_shift) per customer per 180 days"
    with pytest.raises(ValueError, match="the lift per KPI point"):
        _project(
            Programme(name="Calls", rating_points=1.0, customers=10),
            Estimate(estimate=1.0, unit=unit),
        )


def test_a_lift_that_is_no_money_is_refused() -> None:
    calls = Programme(name="Calls", rating_points=1.0, customers=10)
    lift = Estimate(estimate=0.1, unit="probability of staying per rating point per 180 days")
    with pytest.raises(ValueError, match="cannot be turned into money"):
        _project(calls, lift)
    with pytest.raises(TypeError, match="a LiftResult, a LiftCard or an Estimate, not float"):
        _project(calls, 4.0)  # type: ignore[arg-type]


def test_reach_needs_to_know_how_many_there_are() -> None:
    with pytest.raises(ValueError, match="n_customers= is needed"):
        _project(Programme(name="Calls", rating_points=1.0))


def test_what_cannot_be_projected_says_why() -> None:
    calls = Programme(name="Calls", rating_points=1.0, customers=10)
    lift = Estimate(estimate=4.0, unit="USD per rating point per customer per observation window")
    found = _project(calls, lift).npv
    assert isinstance(found, NotRun)
    assert "set windows.outcome_days" in found.reason
    by_value = Programme(name="Calls", rating_points=1.0, customers=10, value_by="cltv")
    assert "value_by" in _project(by_value).npv.reason  # type: ignore[union-attr]


def test_units_are_taken_apart() -> None:
    unit = parse_lift_unit("EUR margin per KPI point (rest_to_top_box) per customer per 90 days")
    assert (unit.currency, unit.is_margin, unit.path, unit.outcome_days) == (
        "EUR",
        True,
        "rest_to_top_box",
        90.0,
    )
