"""Customer KPIs: the worked examples of kpis.md K4 to K7 and F."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxmodel.kpis.customer import (
    churn_rate,
    convert_churn,
    customer_equity,
    earned_growth,
    net_customer_decline,
    perpetual_lifetime_value,
    reconcile_retention,
    repeat_purchase_rate,
    retention_from_totals,
    retention_rate,
    simple_lifetime_value,
)

# -- worked by hand ------------------------------------------------------------------------------


def test_churn_of_the_article():
    # K4a (004:70): 20 of 100 lost in a month is 20%; Wilson 13.34 to 28.88
    churn = churn_rate(20, 100, period="month")
    assert churn.estimate == 20
    assert (churn.conf_low, churn.conf_high) == pytest.approx((13.34, 28.88), abs=5e-3)
    assert churn.unit == "percent of opening customers per month"


def test_the_period_is_part_of_the_rate():
    # K4a, C6: 20% a month is 93.13% a year, 7% a year 0.6029% a month; never c x k
    yearly = convert_churn(churn_rate(20, 100, period="month"), to="year")
    monthly = convert_churn(churn_rate(7, 100, period="year"), to="month")
    assert yearly.estimate == pytest.approx(93.13, abs=5e-3)
    assert monthly.estimate == pytest.approx(0.6029, abs=5e-5)
    assert monthly.unit == "percent of opening customers per month"
    assert "taken as constant" in yearly.caveats[0]


def test_net_decline_hides_lost_customers():
    # K4b: start 100, lost 20, new 15, end 95: 5%; new 30: -10%
    assert net_customer_decline(100, 95) == pytest.approx(5)
    assert net_customer_decline(100, 110) == pytest.approx(-10)


def test_retention_of_the_article():
    # K5 (000:87): churn 25% is retention 75%; 100, lost 20, new 15: 80%
    assert retention_rate(75, 100).estimate == 75
    assert churn_rate(25, 100, period="year").estimate + retention_rate(75, 100).estimate == 100
    assert retention_from_totals(100, 95, 15) == 80


def test_new_customers_who_leave_make_the_gap():
    # K5: 5 of the 15 new leave within the period: formula 75%, cohort 80%
    gap = reconcile_retention(n_opening=100, n_closing=90, n_new=15, n_retained=80)
    assert (gap.from_totals, gap.of_cohort, gap.gap_points) == (75, 80, 5)


def test_simple_lifetime_value():
    # K6a, K6b: 50 x 4 a year x 5 years is 1,000 of revenue, 300 at a margin of 30%
    assert simple_lifetime_value(50, 4, years=5) == 1_000
    assert simple_lifetime_value(50, 4, years=5, gross_margin=0.3) == 300


def test_discounted_lifetime_value():
    # K6a: margin 60 a year, r .8, d .10: 160 from the end of the first year, 220 paid now
    assert perpetual_lifetime_value(60, retention=0.8, discount_rate=0.1) == pytest.approx(160)
    now = perpetual_lifetime_value(60, retention=0.8, discount_rate=0.1, first_payment="now")
    assert now == pytest.approx(220)


def test_customer_equity_is_the_sum():
    # K7
    assert customer_equity([160.0] * 3) == pytest.approx(480)


def test_earned_growth():
    # F: 85% + 25% - 100% = 10%, 33.3% of 30%
    growth = earned_growth(net_revenue_retention=85, earned_new_revenue=25, total_growth=30)
    assert growth.rate == pytest.approx(10)
    assert growth.share_of_growth == pytest.approx(33.3, abs=0.05)


def test_repeat_purchase():
    # B, R6: "+10%" of 20% is 22% (relative) or 30% (points)
    assert repeat_purchase_rate(22, 100).estimate == pytest.approx(20 * 1.10)
    assert repeat_purchase_rate(30, 100).estimate == pytest.approx(20 + 10)


# -- properties ----------------------------------------------------------------------------------


@given(st.integers(0, 60), st.sampled_from(["month", "year"]))
def test_conversion_and_back(n_lost: int, period):
    churn = churn_rate(n_lost, 100, period=period)
    other = "year" if period == "month" else "month"
    back = convert_churn(convert_churn(churn, to=other), to=period)
    assert back.estimate == pytest.approx(churn.estimate, abs=1e-6)


@given(st.integers(1, 500), st.integers(0, 500), st.integers(0, 500))
def test_cohort_equals_totals_when_no_new_one_leaves(n_opening: int, lost: int, n_new: int):
    n_lost = min(lost, n_opening)
    gap = reconcile_retention(
        n_opening=n_opening,
        n_closing=n_opening - n_lost + n_new,
        n_new=n_new,
        n_retained=n_opening - n_lost,
    )
    assert gap.gap_points == pytest.approx(0, abs=1e-9)


# -- errors --------------------------------------------------------------------------------------


def test_negative_churn_is_refused():
    with pytest.raises(ValueError, match="net_customer_decline"):
        churn_rate(-10, 100, period="month")


def test_more_lost_than_there_were():
    with pytest.raises(ValueError, match="120 lost of 100"):
        churn_rate(120, 100, period="month")


def test_only_a_churn_rate_is_converted():
    with pytest.raises(ValueError, match="is no churn rate"):
        convert_churn(replace(churn_rate(1, 9, period="year"), unit="USD"), to="month")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: net_customer_decline(0, 3), "n_opening must be 1"),
        (lambda: simple_lifetime_value(1, 1, years=1, gross_margin=40), r"\[0, 1\]"),
        (lambda: perpetual_lifetime_value(1, retention=1, discount_rate=0), "below 1"),
        (
            lambda: earned_growth(net_revenue_retention=90, earned_new_revenue=10, total_growth=0),
            "no growth",
        ),
    ],
)
def test_impossible_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call()
