"""Estimates: units that never mix, intervals that follow."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxmodel.results import Estimate, NotRun, critical_value

UNIT = "USD per rating point per customer per 180 days"


def test_a_normal_interval_by_hand() -> None:
    # 10 +- 1.959963985 x 2
    made = Estimate.from_std_error(10.0, 2.0, unit=UNIT)
    assert made.conf_low == pytest.approx(6.080072, abs=1e-6)
    assert made.conf_high == pytest.approx(13.919928, abs=1e-6)


def test_a_t_interval_by_hand() -> None:
    # t(.975, 10 degrees of freedom) = 2.228139, any printed table
    made = Estimate.from_std_error(0.0, 1.0, unit=UNIT, deg_freedom=10)
    assert made.conf_high == pytest.approx(2.228139, abs=1e-6)


def test_p_value_of_1_96_standard_errors_is_5_percent() -> None:
    made = Estimate.from_std_error(1.959963985, 1.0, unit=UNIT)
    assert made.p_value == pytest.approx(0.05, abs=1e-9)


def test_adding_uses_the_covariance() -> None:
    # var(a + b) = 9 + 16 + 2 x 12 = 49
    total = Estimate.from_std_error(1.0, 3.0, unit=UNIT).plus(
        Estimate.from_std_error(2.0, 4.0, unit=UNIT), covariance=12.0
    )
    assert (total.estimate, total.std_error) == (3.0, 7.0)


def test_caveats_are_inherited_once() -> None:
    a = Estimate(estimate=1.0, std_error=1.0, unit=UNIT, caveats=("old",))
    b = Estimate(estimate=1.0, std_error=1.0, unit=UNIT, caveats=("old", "new"))
    assert a.plus(b).caveats == ("old", "new")


@given(st.floats(-1e6, 1e6), st.floats(0, 1e6), st.floats(-10, 10))
def test_scaling_keeps_the_interval_in_order(value: float, error: float, factor: float) -> None:
    made = Estimate.from_std_error(value, error, unit=UNIT).scaled(factor, unit="USD")
    assert made.conf_low is not None
    assert made.conf_high is not None
    assert made.conf_low <= made.conf_high
    assert made.std_error is not None
    assert made.std_error >= 0


def test_to_dict_has_the_fields_of_the_contract_and_no_nan() -> None:
    made = Estimate(estimate=math.nan, unit="USD")
    assert made.to_dict() == {
        "estimate": None,
        "std_error": None,
        "conf_low": None,
        "conf_high": None,
        "conf_level": 0.95,
        "unit": "USD",
        "n_obs": None,
    }


def test_dict_and_back() -> None:
    made = Estimate.from_std_error(4.0, 1.0, unit=UNIT, n_obs=10)
    assert Estimate.from_dict(made.to_dict()) == made


def test_plus_and_minus_signs_are_refused() -> None:
    a = Estimate(estimate=1.0, unit="USD")
    with pytest.raises(TypeError, match="plus"):
        a + a
    with pytest.raises(TypeError, match="subtract"):
        a - a
    with pytest.raises(TypeError, match="plus"):
        1 + a


def test_unlike_units_are_refused() -> None:
    a = Estimate.from_std_error(1.0, 1.0, unit="percent")
    b = Estimate.from_std_error(1.0, 1.0, unit="percentage points")
    with pytest.raises(ValueError, match="Units differ: 'percent' and 'percentage points'"):
        a.plus(b)


def test_an_impossible_covariance_is_refused() -> None:
    a = Estimate.from_std_error(1.0, 1.0, unit="USD")
    with pytest.raises(ValueError, match="covariance"):
        a.plus(a, covariance=-2.0)


def test_a_confidence_level_outside_0_1_is_refused() -> None:
    with pytest.raises(ValueError, match="conf_level"):
        critical_value(1.0)


def test_not_run_says_why() -> None:
    assert NotRun("no revenue").status == "not_run"
