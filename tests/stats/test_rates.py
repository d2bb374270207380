"""Rates and their periods."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxmodel.stats.rates import (
    DAYS_PER_MONTH,
    annual_from_monthly_churn,
    discount_factors,
    monthly_discount_rate,
    monthly_from_annual_churn,
)

# -- worked by hand


def test_a_month_is_a_twelfth_of_a_julian_year() -> None:
    assert DAYS_PER_MONTH == 30.4375


def test_twenty_percent_a_month_is_ninety_three_a_year() -> None:
    # KPI reference C6: 1 - .8 ** 12
    assert annual_from_monthly_churn(0.20) == pytest.approx(0.9313, abs=5e-5)
    assert annual_from_monthly_churn(0.20) == pytest.approx(1 - 0.8**12)


def test_seven_percent_a_year_is_point_six_a_month() -> None:
    assert monthly_from_annual_churn(0.07) == pytest.approx(0.006029, abs=5e-7)


def test_discount_rate_compounds_to_the_year() -> None:
    assert (1 + monthly_discount_rate(0.10)) ** 12 == pytest.approx(1.10)
    assert discount_factors(0.10, [0, 12, 24]) == pytest.approx([1, 1 / 1.1, 1 / 1.21])


# -- properties


@settings(deadline=None)
@given(st.floats(0, 0.999))
def test_there_and_back(rate: float) -> None:
    assert annual_from_monthly_churn(monthly_from_annual_churn(rate)) == pytest.approx(rate)


@settings(deadline=None)
@given(st.floats(0, 1), st.integers(0, 60))
def test_discounting_never_adds(rate: float, month: int) -> None:
    assert 0 < float(discount_factors(rate, month)) <= 1
    assert np.isfinite(monthly_discount_rate(rate))


# -- errors


@pytest.mark.parametrize("rate", [-0.01, 1.01, float("nan")])
def test_impossible_churn_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match="monthly_churn_rate must lie in"):
        annual_from_monthly_churn(rate)
    with pytest.raises(ValueError, match="annual_churn_rate must lie in"):
        monthly_from_annual_churn(rate)


def test_negative_discount_is_refused() -> None:
    with pytest.raises(ValueError, match="annual_discount_rate must be 0 or more, not -"):
        monthly_discount_rate(-0.1)
