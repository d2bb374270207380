"""Amounts become whole units: minor units of ISO 4217 and two digits, half to even."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import ROUND_HALF_EVEN, Decimal

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxmodel.errors import ConfigError, SchemaError
from cxmodel.tables.engines.engine import Session, connect
from cxmodel.tables.opening.money import MINOR_DIGITS, money, to_units, unit_digits
from cxmodel.tables.readers import read_revenue


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    with connect() as opened:
        yield opened


def units_of(session: Session, amounts: list[object], digits: int) -> list[int | None]:
    table = session.register(pd.DataFrame({"amount": amounts}))
    units = table.select(units=to_units(table.amount, digits).units)
    found = session.arrow(units)["units"].to_pylist()
    session.drop(table)
    return found


def ledger(amounts: list[object], currency: str = "USD"):
    frame = pd.DataFrame({"customer_id": "a", "booked_at": "2026-01-01", "amount": amounts})
    return read_revenue(frame, currency=currency)


# -- by hand ---------------------------------------------------------------------------------------


def test_a_dollar_has_cents_and_two_digits_more():
    assert ledger([1.0, 0.01, -3.5]).to_frame().amount_units.tolist() == [10_000, 100, -35_000]


def test_each_currency_has_its_own_minor_unit():
    # ISO 4217: JPY 0, USD 2, KWD 3 digits.
    assert [unit_digits(code) for code in ("JPY", "USD", "KWD", None)] == [2, 4, 5, 4]
    assert ledger([100], "JPY").to_frame().amount_units.tolist() == [10_000]
    assert ledger([1.5], "KWD").to_frame().amount_units.tolist() == [150_000]
    assert money(150_000, "KWD") == 1.5


@pytest.mark.parametrize("kind", [str, float, Decimal])
def test_ties_go_to_the_even_unit_in_text_in_floats_and_in_decimals(session, kind):
    ties = ["0.00005", "0.00015", "0.00025", "-0.00005", "-0.00015", "1.005", "0.000049999"]
    amounts = [kind(tie) for tie in ties]
    assert units_of(session, amounts, 4) == [0, 2, 2, 0, -2, 10_050, 0]


def test_what_rounding_changes_is_summed():
    # 0.00001 dollars are a tenth of a unit each, and become no unit.
    facts = ledger(["0.00001"] * 10).facts["amount_units"]
    assert facts["total_units"] == 0
    assert facts["rounding"] == 1000  # thousandths of a unit


def test_an_exact_ledger_has_nothing_rounded():
    facts = ledger(["19.99", "0.07", "-5.1", "1e3"]).facts["amount_units"]
    assert (facts["total_units"], facts["rounding"], facts["n_negative"]) == (10_149_600, 0, 1)


def test_amounts_that_a_double_rounds_stay_exact(session):
    assert units_of(session, ["112345678901.2345", "90071992547.0985"], 4) == [
        1_123_456_789_012_345,
        900_719_925_470_985,
    ]


def test_missing_amounts_are_missing_and_counted():
    source = ledger(["1", "", " ", None])
    assert source.facts["amount_units"]["n_missing"] == 3
    assert source.facts["warnings"] == ("revenue: 3 row(s) have no amount.",)


def test_unsigned_and_small_integers_do_not_overflow(session):
    import pyarrow as pa

    table = session.register(
        pa.table({"a": pa.array([127], pa.int8()), "b": pa.array([1], "uint8")})
    )
    found = session.arrow(
        table.select(a=to_units(table.a, 4).units, b=to_units(table.b, 4).units)
    ).to_pylist()
    assert found == [{"a": 1_270_000, "b": 10_000}]


# -- properties ------------------------------------------------------------------------------------

AMOUNTS = st.lists(
    st.decimals(min_value=-(10**10), max_value=10**10, places=7, allow_nan=False), min_size=1
)


@settings(max_examples=15, deadline=None)
@given(AMOUNTS, st.sampled_from([2, 4, 5]))
def test_text_is_rounded_as_python_rounds_decimals(session, amounts, digits):
    step = Decimal(1).scaleb(-digits)
    wanted = [int(a.quantize(step, ROUND_HALF_EVEN).scaleb(digits)) for a in amounts]
    assert units_of(session, [str(a) for a in amounts], digits) == wanted


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(-(10**10), 10**10), min_size=1))
def test_floats_and_text_of_the_same_cents_agree(session, cents):
    amounts = [value / 100 for value in cents]
    assert units_of(session, amounts, 4) == [value * 100 for value in cents]
    assert units_of(session, [repr(a) for a in amounts], 4) == [value * 100 for value in cents]


# -- errors ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("amounts", "message"),
    [
        (
            ["1", "abc"],
            r"revenue\.amount holds 1 amount\(s\) that are text \(first: 'abc', row 2\)",
        ),
        (["1,234.50"], r"'1,234.50', row 1\)\. Write a point before the decimals"),
        (["$5"], r"Leave out the currency sign"),
        (["nan", "inf"], r"holds 2 amount\(s\) that are text \(first: 'nan', row 1\)"),
        ([1.0, float("inf")], r"1 amount\(s\) that are NaN or infinite \(first: inf, row 2\)"),
        ([10**17], r"1 amount\(s\) beyond 1e\+11 \(first: 100000000000000000, row 1\)"),
        (["1e30"], r"beyond 1e\+11"),
        ([1e30], r"beyond 1e\+11"),
        ([True], r"must hold amounts, but is of type boolean"),
    ],
)
def test_what_is_no_amount_is_refused(amounts, message):
    with pytest.raises(SchemaError, match=message):
        ledger(amounts)


def test_not_a_number_is_refused_where_missing_is_something_else():
    import polars as pl

    frame = pl.DataFrame(
        {"customer_id": ["a"], "booked_at": ["2026-01-01"], "amount": [float("nan")]}
    )
    with pytest.raises(SchemaError, match="NaN or infinite"):
        read_revenue(frame)


@pytest.mark.parametrize(("code", "hint"), [("usd", "'USD'"), ("EURO", "'EUR'"), ("GPBP", "'GBP'")])
def test_an_unknown_currency_names_the_nearest(code, hint):
    with pytest.raises(ConfigError, match=rf"no ISO 4217 code\. Did you mean .*({hint})"):
        unit_digits(code)


def test_every_code_has_three_capitals():
    assert all(len(code) == 3 and code.isupper() for code in MINOR_DIGITS)
