"""Numbers as words: signs, units, currencies, intervals."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxmodel.report import amounts, words
from cxmodel.results import Estimate


def spaced(text):
    return text.replace(amounts.NO_BREAK, " ")


@pytest.mark.parametrize(
    ("value", "currency", "said"),
    [
        (6.1, "USD", "$6.10"),
        (-6.1, "USD", "−$6.10"),
        (0.0, "USD", "$0.00"),
        (-0.001, "USD", "−$0.0010"),
        (0.004, "EUR", "€0.0040"),
        (999.999, "USD", "$1,000.00"),
        (1234.0, "USD", "$1,234"),
        (9_994.0, "USD", "$9,994"),
        (12_345.0, "USD", "$12.3k"),
        (999_400.0, "USD", "$999k"),
        (999_950.0, "USD", "$1.00m"),
        (1_900_000.0, "USD", "$1.90m"),
        (-2.5e9, "GBP", "−£2.50bn"),
        (789_498.77, "BRL", "R$789k"),
        (1500.0, "JPY", "¥1,500"),
        (12.0, "JPY", "¥12"),
        (1.2345, "KWD", "KWD 1.234"),
        (4.0, "CHF", "CHF 4.00"),
        (float("nan"), "USD", "not known"),
        (None, "USD", "not known"),
    ],
)
def test_money_is_written_as_a_reader_expects(value, currency, said):
    assert spaced(amounts.money(value, currency)) == said


def test_both_ends_of_an_interval_share_one_unit():
    wide = Estimate(estimate=1e6, unit="USD", conf_low=-4_000.0, conf_high=2.5e6)
    assert words.interval(wide) == "−$4,000 to $2.50m"
    lift = Estimate(
        estimate=0.012,
        unit="probability of staying per rating point per 180 days",
        conf_low=0.007,
        conf_high=0.0172,
    )
    assert words.interval(lift) == "0.70 to 1.72 percentage points"


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (0.8, "probability of staying per 180 days", "80.0%"),
        (-0.012, "probability of staying per rating point per 180 days", "−1.20 percentage points"),
        (2.9, "percent per rating point", "2.9%"),
        (41.0, "NPS, -100 to 100", "41.0"),
        (63.21, "percent in the top box, 0-100", "63.2%"),
        (7.1, "months", "7.1 months"),
        (31.2, "hours", "31.2 hours"),
        (0.42, "rating points", "0.420"),
    ],
)
def test_a_value_is_written_in_its_unit(value, unit, said):
    assert words.quantity(value, unit) == said


def test_an_interval_that_touches_zero_shows_nothing():
    def found(low, high):
        return words.shown(Estimate(estimate=1.0, unit="USD", conf_low=low, conf_high=high))

    assert found(0.01, 2.0) == "higher"
    assert found(-2.0, -0.01) == "lower"
    assert found(0.0, 2.0) == "not shown"
    assert found(-1.0, 0.0) == "not shown"
    assert found(None, None) == "no interval"


@pytest.mark.parametrize("unit", ["NPS, -100 to 100", "KPI", "months", "", None])
def test_no_currency_is_read_where_there_is_none(unit):
    assert amounts.currency_of(unit) is None


@given(st.floats(allow_nan=False, allow_infinity=False, width=64))
def test_money_carries_a_sign_only_when_it_is_below_zero(value):
    said = amounts.money(value, "USD")
    assert said.count("$") == 1
    assert (amounts.MINUS in said) <= (value < 0)
    assert "-" not in said


@given(st.floats(min_value=-1e14, max_value=1e14), st.integers(0, 4))
def test_a_number_reads_back(value, digits):
    said = words.number(value, digits).replace(",", "").replace(amounts.MINUS, "-")
    assert math.isclose(float(said), value, abs_tol=0.51 * 10.0**-digits, rel_tol=1e-12)
