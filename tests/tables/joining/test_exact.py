"""Whole numbers divided exactly, and days from whole microseconds."""

import datetime as dt
from fractions import Fraction

import ibis
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from cxmodel.tables.engines.engine import default_session
from cxmodel.tables.joining.exact import days_between, floor_divided, remainder
from cxmodel.tables.joining.subscriptions import prorated

WHOLE = st.lists(st.integers(-(2**62), 2**62), min_size=1, max_size=40)


def on_engine(numbers, expression):
    table = ibis.memtable(pa.table({"x": pa.array(numbers, pa.int64())}))
    return default_session().arrow(table.select(y=expression(table.x)))["y"].to_pylist()


# -- Worked by hand ------------------------------------------------------------------------------


def test_a_quotient_beyond_the_floats_is_exact():
    # beyond 2^53 floats know only every second number: Ibis's own x // 487 is off there
    numbers = [2**62, -(2**62), 2**62 - 1, 2**53 + 1, -1, 0]
    assert on_engine(numbers, lambda x: floor_divided(x, 487)) == [n // 487 for n in numbers]


def test_a_month_is_prorated_by_the_day():
    # 12 / 365.25 = 16 / 487: 487 units a month are 16 a day; 30 days of a million 985,626.28
    sums = [487, -487, 30 * 1_000_000, 33, -33, 0]
    assert on_engine(sums, prorated) == [16, -16, 985_626, 1, -1, 0]


def test_days_are_whole_microseconds_divided_once():
    start, end = dt.datetime(2024, 2, 28, 23, 59, 59, 999_999), dt.datetime(2024, 3, 1)
    literal = [ibis.literal(time, "timestamp(6)") for time in (start, end)]
    assert on_engine([0], lambda x: days_between(*literal)) == [86_400_000_001 / 86_400_000_000]
    assert on_engine([0], lambda x: days_between(*literal[::-1]))[0] < -1


# -- Properties ----------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(numbers=WHOLE, divisor=st.sampled_from([1, 2, 3, 487, 974, 999_983]))
def test_division_equals_pythons(numbers, divisor):
    found = on_engine(numbers, lambda x: floor_divided(x, divisor))
    assert found == [n // divisor for n in numbers]
    assert on_engine(numbers, lambda x: remainder(x, divisor)) == [n % divisor for n in numbers]


@settings(max_examples=30, deadline=None)
@given(sums=WHOLE)
def test_proration_equals_rounding_the_fraction(sums):
    assert on_engine(sums, prorated) == [round(Fraction(16 * n, 487)) for n in sums]


def test_what_is_not_known_stays_unknown():
    assert on_engine([None], prorated) == [None]
