"""Values that cannot be used: each refused in words that say what to write instead."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxmodel.errors import SchemaError
from cxmodel.scales import NPS
from cxmodel.tables.engines.engine import Session, connect
from cxmodel.tables.opening.advice import amount_advice, number_as_time
from cxmodel.tables.sources import open_sources
from cxmodel.tables.specs import RatingSpec, SourceSpec


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    with connect() as opened:
        yield opened


def times(session: Session, values, **options) -> list[str]:
    frame = pd.DataFrame({"customer_id": [f"c{i}" for i in range(len(values))], "at": values})
    spec = SourceSpec(kind="churn", data=frame, columns={"churned_at": "at"}, **options)
    found = open_sources([spec], session).by_kind["churn"].to_frame()
    return [str(time) for time in found.churned_at]


def amounts(session: Session, values) -> list[int]:
    frame = pd.DataFrame({"customer_id": "a", "booked_at": "2026-01-01", "amount": values})
    spec = SourceSpec(kind="revenue", data=frame)
    found = open_sources([spec], session, currency="EUR").by_kind["revenue"]
    return found.to_frame().amount_units.fillna(-1).astype(int).tolist()


# -- by hand: amounts ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("1,234.56", r"nothing between thousands: it would be read as 1234\.56\.$"),
        ("1.234,56", r"a point before the decimals.*: it would be read as 1234\.56\.$"),
        ("1 234,56", r"it would be read as 1234\.56\.$"),
        ("1'234.50", r"it would be read as 1234\.50\.$"),
        ("12,34,567.5", r"it would be read as 1234567\.5\.$"),
        ("1,234,567", r"it would be read as 1234567\.$"),
        ("12,5", r"it would be read as 12\.5\.$"),
        ("1,234", r"^Is it 1234 or 1\.234\? Write a point before the decimals"),
        (
            "$12.50",
            r"^Leave out the currency sign \(study\.currency names it\): .* as 12\.50\.$",
        ),
        ("€ -3", r"read as -3\.$"),
        ("12 EUR", r"Leave out the currency sign.* read as 12\.$"),
        ("USD 1,234.5", r"currency sign.* and write a point.* read as 1234\.5\.$"),
        ("(12.50)", r"^Write a minus before a negative amount: it would be read as -12\.50\.$"),
        ("12.50-", r"read as -12\.50\.$"),
        ("nan", r"^Mend the division that made it"),
        ("-Infinity", r"^Mend the division that made it"),
        ("12 dollars", r"^Clean them"),
        ("1,23,4", r"^Clean them"),
        ("50%", r"^Clean them"),
    ],
)
def test_the_advice_shows_how_an_amount_would_be_read(session, text, advice):
    assert re.search(advice, amount_advice(text)), amount_advice(text)
    with pytest.raises(SchemaError, match=r"1 amount\(s\) that are text \(first: .*, row 2\)") as e:
        amounts(session, ["1", text])
    assert amount_advice(text) in str(e.value)


@given(st.decimals(min_value=0, max_value=10**9, places=2))
def test_an_amount_written_either_way_is_read_as_it_was_meant(amount):
    english, german = f"{amount:,}", f"{amount:,}".translate(str.maketrans(",.", ".,"))
    for text in (english, german, f"€{english}", f"{german} EUR"):
        if text != str(amount):
            assert f" {amount}." in amount_advice(text), amount_advice(text)


def test_a_number_that_is_nan_is_missing_but_infinity_is_refused(session):
    assert amounts(session, [float("nan"), 1.0]) == [-1, 10_000]
    with pytest.raises(
        SchemaError, match=r"1 amount\(s\) that are NaN or infinite \(first: -inf, row 2\)"
    ):
        amounts(session, [1.0, float("-inf")])


# -- by hand: numbers for times --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (1_756_512_000, r"seconds since 1970: 2025-08-30 00:00:00 UTC.*to_timestamp\(\"at\"\)"),
        (1_756_512_000_000, r"milliseconds since 1970: 2025-08-30 00:00:00 UTC.*/ 1000\.0\)"),
        (1_756_512_000_000_000, r"microseconds since 1970: 2025-08-30.*/ 1000000\.0\)"),
        (1_756_512_000_000_000_000, r"nanoseconds since 1970: 2025-08-30"),
        (20_250_830, r"days written as numbers: 2025-08-30.*date_format = \"%Y%m%d\""),
        (45_899, r"days as a spreadsheet counts them: 2025-08-30 00:00:00"),
        (7, r"Turn it into times first"),
    ],
)
def test_a_number_in_a_column_of_times_says_what_it_looks_like(session, number, words):
    with pytest.raises(SchemaError) as e:
        times(session, [number, number])
    assert re.search(rf"holds 2 number\(s\) \(first: {number}, row 1\)\. .*{words}", str(e.value))
    if number > 10**8:
        with pytest.raises(SchemaError) as e:
            times(session, [str(number)] * 2)
        assert re.search(words, str(e.value))


def test_the_sql_that_is_advised_gives_that_time(session):
    for number in (1_756_512_000, 1_756_512_000_000):
        advice = re.search(r"SELECT \.\.\., (.*) FROM", number_as_time(number, "at"))
        assert advice is not None
        query = session.query(f"SELECT {advice[1]}, 'a' AS id FROM (SELECT {number} AS \"at\")")
        columns = {"churned_at": "at", "customer_id": "id"}
        spec = SourceSpec(kind="churn", data=query, columns=columns)
        found = open_sources([spec], session).by_kind["churn"].to_frame()
        assert str(found.churned_at[0]) == "2025-08-30 00:00:00"


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_any_number_has_some_advice(number):
    assert number_as_time(number, "at")


def test_an_empty_column_of_numbers_is_a_column_of_missing_times(session):
    with pytest.raises(SchemaError, match="must hold times, but is of type float64"):
        times(session, pd.array([None, None], dtype="Float64"))


# -- by hand: two formats, two zones ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (
            ["31/12/2025", "2025-12-30", "2025-12-31", "2026-01-02"],
            r"two formats: 3 such as '2025-12-30' and 1 such as '31/12/2025'\. Write "
            r'date_format = \["%Y-%m-%d", "%d/%m/%Y"\]; each value must match exactly one',
        ),
        (
            ["31/12/2025 10:00", "30/12/2025 11:00", "2025-12-31T10:00:00"],
            r"2 such as '30/12/2025 11:00' and 1 such as '2025-12-31T10:00:00'\. Write "
            r'date_format = \["%d/%m/%Y %H:%M", "%Y-%m-%dT%H:%M:%S"\]',
        ),
        (
            ["2025-12-30", "2025-12-31", "01/02/2026"],
            r"Day or month first\? Write date_format = \[\"%Y-%m-%d\", \"%d/%m/%Y\"\] or "
            r'date_format = \["%Y-%m-%d", "%m/%d/%Y"\]',
        ),
    ],
)
def test_two_formats_in_one_column_are_refused_with_both(session, values, words):
    with pytest.raises(SchemaError, match=words):
        times(session, values)


def test_two_formats_are_read_when_both_are_stated(session):
    values = ["31/12/2025", "2025-12-30", "2025-12-31"]
    found = times(session, values, date_format=("%Y-%m-%d", "%d/%m/%Y"))
    assert found == ["2025-12-31 00:00:00", "2025-12-30 00:00:00", "2025-12-31 00:00:00"]


def test_a_late_value_in_another_format_is_refused_with_that_format(session):
    values = ["2025-12-30"] * 2_000 + ["31/12/2025"]
    with pytest.raises(
        SchemaError,
        match=r"1 value\(s\) that do not match ISO 8601 .*'31/12/2025', row 2,001\)\. They are in "
        r'another format\. Write: date_format = \["%Y-%m-%d", "%d/%m/%Y"\]',
    ):
        times(session, values)
    stated = {"date_format": ("%Y-%m-%d",)}
    with pytest.raises(SchemaError, match=r'Write: date_format = \["%Y-%m-%d", "%d/%m/%Y"\]'):
        times(session, values, **stated)


MIXED = ["2025-07-01 12:00:00Z", "2025-07-01T14:00+02:00", "2025-07-01 14:00", "2025-07-01"]


def test_times_with_and_without_a_zone_need_a_stated_zone(session):
    with pytest.raises(
        SchemaError,
        match=r"churned_at \(column 'at'\) holds 2 time\(s\) with a distance from UTC and 1 "
        r"without \(first: 2025-07-01 14:00:00, row 3\)\. Say on which clock the others are: "
        r"time_zone = ",
    ):
        times(session, MIXED)
    noon = "2025-07-01 12:00:00"
    berlin = times(session, MIXED, time_zone="Europe/Berlin")
    assert berlin == [noon, noon, noon, "2025-06-30 22:00:00"]
    assert times(session, MIXED, time_zone="UTC")[2] == "2025-07-01 14:00:00"


def test_days_beside_times_with_a_zone_are_days(session):
    found = times(session, [MIXED[1], MIXED[3]])
    assert found == ["2025-07-01 12:00:00", "2025-07-01 00:00:00"]


def test_hours_that_the_clock_leaves_out_or_repeats(session):
    berlin = {"time_zone": "Europe/Berlin"}
    # 2025-10-26 02:30 came twice, at 00:30 UTC and at 01:30 UTC: the first counts.
    assert times(session, ["2025-10-26 02:30"], **berlin) == ["2025-10-26 00:30:00"]
    typed = [dt.datetime(2025, 10, 26, 2, 30), dt.datetime(2025, 10, 26, 3)]
    assert times(session, typed, **berlin) == ["2025-10-26 00:30:00", "2025-10-26 02:00:00"]
    for value in ("2025-03-30 02:30", dt.datetime(2025, 3, 30, 2, 30)):
        with pytest.raises(
            SchemaError,
            match=r"1 local time\(s\) that do not exist in Europe/Berlin "
            r"\(first: 2025-03-30 02:30:00, row 1\): the clock was put forward",
        ):
            times(session, [value], **berlin)


# -- rows without a number -------------------------------------------------------------------------


def test_where_rows_have_no_order_the_smallest_value_is_shown(session):
    rows = session.register(pd.DataFrame({"customer_id": ["a", "b", "c"], "q1": [7, 99, 12]}))
    spec = SourceSpec(kind="surveys", data=rows, ratings={"nps": RatingSpec("q1", NPS)})
    with pytest.raises(Exception, match=r"2 ratings lie outside NPS 0-10 \(first: 12\) in"):
        open_sources([spec], session)


def test_every_breach_of_a_table_is_told_beside_a_column_of_the_wrong_type(session):
    frame = pd.DataFrame({"customer_id": "a", "booked_at": [1_756_512_000] * 2, "amount": "x"})
    with pytest.raises(Exception, match=r"(?s)seconds since 1970.*2 amount\(s\) that are text"):
        open_sources([SourceSpec(kind="revenue", data=frame)], session)
