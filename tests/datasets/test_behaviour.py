"""The laws of the simulated company."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate

from cxmodel.datasets.behaviour import USUAL_RATING, Law, time_alive
from cxmodel.datasets.calendar import END, LEDGER_START, SURVEY_START, WINDOW, month_number


def one_law(stay_per_point=0.2, money=16.0, stay_logit=2.6, spend=700.0, ceiling=4.0):
    return Law(
        stay_logit=np.array([stay_logit]),
        stay_per_point=stay_per_point,
        spend=np.array([spend]),
        money_per_point=np.array([money]),
        ceiling=np.array([ceiling]),
    )


def test_the_calendar_leaves_three_windows_of_ledger_before_the_first_answer():
    assert SURVEY_START - LEDGER_START >= 3 * WINDOW
    assert END - SURVEY_START >= 2 * WINDOW


def test_months_are_counted_from_the_first_survey():
    december = np.datetime64("2025-12-31T23:59:59").astype(np.int64)
    assert month_number(np.array([SURVEY_START, december])).tolist() == [0, 14]


def test_half_a_point_of_log_odds():
    # log-odds 2.6 at the usual rating, 0.2 a point: five points lower is log-odds 1.6
    assert one_law().stay(USUAL_RATING - 5)[0] == pytest.approx(1 / (1 + np.exp(-1.6)))


def test_expected_revenue_by_hand():
    # 700 a window while there, 93.09% stay: (1 - .9309) / -ln .9309 = .9650 of the window
    stay = 1 / (1 + np.exp(-2.6))
    usual = 700 * (1 - stay) / -np.log(stay)
    law = one_law()
    assert law.revenue(USUAL_RATING)[0] == pytest.approx(usual)
    assert law.revenue(USUAL_RATING + 2)[0] == pytest.approx(usual + 32)


def test_time_alive_is_the_integral_of_survival():
    area, _ = integrate.quad(lambda t: 0.8**t, 0, 1)
    assert time_alive(np.array([0.8]))[0] == pytest.approx(area)


@given(
    st.floats(-0.1, 0.4),
    st.floats(-20, 20),
    st.floats(0.5, 4.0),
    st.integers(0, 9),
)
def test_expected_revenue_is_a_straight_line_in_the_rating(stay_per_point, money, logit, rating):
    law = one_law(stay_per_point, money, logit, spend=900.0)
    step = law.revenue(rating + 1.0) - law.revenue(float(rating))
    assert step[0] == pytest.approx(money, abs=1e-8)


@given(st.floats(0.01, 0.99))
def test_time_alive_lies_between_the_chance_to_stay_and_one(stay):
    assert stay <= time_alive(np.array([stay]))[0] <= 1


def test_a_factor_never_leaves_its_bounds():
    law = one_law(money=500.0, spend=100.0, ceiling=2.0)
    assert law.factor(0.0)[0] == 0
    assert law.factor(10.0)[0] == 2.0
