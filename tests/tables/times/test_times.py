"""Times: text by stated formats, zones by their transitions, naive UTC in the end."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxmodel.errors import ConfigError, SchemaError
from cxmodel.tables.engines.engine import Session, connect
from cxmodel.tables.readers import read_churn
from cxmodel.tables.times import zones


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    with connect() as opened:
        yield opened


def read(values, **options) -> list[str]:
    frame = pd.DataFrame({"customer_id": "a", "churned_at": values})
    found = read_churn(frame, **options).to_frame().churned_at
    return [str(value) for value in found]


# -- by hand: text ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026-02-01", "2026-02-01 00:00:00"),
        ("2026-02-01 08:00", "2026-02-01 08:00:00"),
        ("2026-02-01T08:00:00", "2026-02-01 08:00:00"),
        ("2026-02-01T08:00Z", "2026-02-01 08:00:00"),
        ("2026-02-01T08:00:00+02", "2026-02-01 06:00:00"),
        ("2026-02-01T08:00:00.5+0200", "2026-02-01 06:00:00.500000"),
        ("2026-02-01T08:00:00.123456789-03:30", "2026-02-01 11:30:00.123456"),
        (" 2026-02-01 08:00 +05:30 ", "2026-02-01 02:30:00"),
    ],
)
def test_iso_8601_needs_no_format(text, utc):
    assert read([text]) == [utc]


@pytest.mark.parametrize(
    ("form", "text", "utc"),
    [
        ("%d-%m-%Y", "27-07-2023", "2023-07-27 00:00:00"),
        ("%m/%d/%Y %H:%M", "4/8/2017 0:05", "2017-04-08 00:05:00"),
        ("%d %b %Y", "3 Mar 2024", "2024-03-03 00:00:00"),
        ("%m/%d/%Y %I:%M %p", "12/31/2024 11:59 PM", "2024-12-31 23:59:00"),
        ("%Y-%m-%dT%H:%M:%S%z", "2024-01-01T10:00:00+0200", "2024-01-01 08:00:00"),
    ],
)
def test_a_stated_format_is_followed(form, text, utc):
    assert read([text], date_format=form) == [utc]


def test_two_columns_of_two_formats_match_one_each():
    found = read(["27-07-2023", "28-07-2023 03:00"], date_format=["%d-%m-%Y", "%d-%m-%Y %H:%M"])
    assert found == ["2023-07-27 00:00:00", "2023-07-28 03:00:00"]


@pytest.mark.parametrize("text", ["2024/04/13", "20240413", "13 Apr 2024", "Apr 13, 2024"])
def test_text_that_reads_in_one_way_only_is_read_and_named(text):
    frame = pd.DataFrame({"customer_id": "a", "churned_at": [text]})
    source = read_churn(frame)
    assert str(source.to_frame().churned_at[0]) == "2024-04-13 00:00:00"
    assert "the one way to read it. State date_format." in source.facts["warnings"][0]


def test_blank_text_is_missing():
    assert read(["2024-01-01", "", "  ", None]) == ["2024-01-01 00:00:00", "NaT", "NaT", "NaT"]
    assert read(["", " "]) == ["NaT", "NaT"]


def test_typed_columns_come_as_they_are():
    assert read([dt.date(2024, 1, 1)]) == ["2024-01-01 00:00:00"]
    assert read(pd.to_datetime(["2024-01-01T10:00:00.123456789"])) == ["2024-01-01 10:00:00.123456"]
    aware = pd.to_datetime(["2024-01-01T10:00"]).tz_localize("Europe/Berlin")
    assert read(aware) == ["2024-01-01 09:00:00"]
    assert read(aware, time_zone="America/New_York") == ["2024-01-01 09:00:00"]


# -- by hand: zones --------------------------------------------------------------------------------


def test_local_times_become_utc_and_an_hour_that_comes_twice_is_the_first():
    # Europe/Berlin: clocks forward on 2024-03-31 01:00 UTC, back on 2024-10-27 01:00 UTC.
    local = ["2024-03-31 01:59:59", "2024-03-31 03:00", "2024-10-27 02:30", "2024-10-27 03:00"]
    assert read(local, time_zone="Europe/Berlin") == [
        "2024-03-31 00:59:59",
        "2024-03-31 01:00:00",
        "2024-10-27 00:30:00",
        "2024-10-27 02:00:00",
    ]


def test_a_stated_distance_from_utc_beats_the_zone():
    local = ["2024-03-31T02:30Z", "2024-07-01T12:00"]
    assert read(local, time_zone="Europe/Berlin") == ["2024-03-31 02:30:00", "2024-07-01 10:00:00"]


@pytest.mark.parametrize("value", ["2018-11-04", dt.date(2018, 11, 4)])
def test_a_day_without_midnight_begins_at_its_first_moment(value):
    # America/Sao_Paulo put clocks forward at midnight: 2018-11-04 began at 01:00, 03:00 UTC.
    assert read([value], time_zone="America/Sao_Paulo") == ["2018-11-04 03:00:00"]
    assert zones.local_midnight_utc(dt.date(2018, 11, 4), "America/Sao_Paulo") == dt.datetime(
        2018, 11, 4, 3
    )


def test_as_of_holds_to_the_end_of_the_local_day():
    assert zones.as_of_end(dt.date(2024, 3, 31), "Europe/Berlin") == dt.datetime(2024, 3, 31, 22)
    assert zones.as_of_end(dt.date(2024, 3, 31)) == dt.datetime(2024, 4, 1)


def test_transitions_are_those_of_the_zone():
    offset, found = zones.transitions(
        "America/New_York", dt.datetime(2024, 1, 1), dt.datetime(2025, 1, 1)
    )
    assert offset == -5 * 3600
    assert [(c.at, c.after) for c in found] == [
        (dt.datetime(2024, 3, 10, 7), -4 * 3600),
        (dt.datetime(2024, 11, 3, 6), -5 * 3600),
    ]


# -- properties ------------------------------------------------------------------------------------

ZONES = st.sampled_from(
    [
        "Europe/Berlin",
        "America/Sao_Paulo",
        "Australia/Lord_Howe",
        "Asia/Kolkata",
        "Africa/Casablanca",
    ]
)
MOMENTS = st.lists(
    st.datetimes(dt.datetime(1975, 1, 1), dt.datetime(2035, 1, 1)).map(
        lambda moment: moment.replace(microsecond=0)
    ),
    min_size=1,
    max_size=20,
)


@settings(max_examples=12, deadline=None)
@given(ZONES, MOMENTS)
def test_utc_to_local_agrees_with_zoneinfo(session, zone, moments):
    table = session.register(pd.DataFrame({"at": moments}))
    at = table["at"].cast("timestamp(6)")
    local = zones.to_local(at, zone, min(moments), max(moments))
    found = session.arrow(table.select(local=local))["local"].to_pylist()
    tz = ZoneInfo(zone)
    wanted = [m.replace(tzinfo=dt.UTC).astimezone(tz).replace(tzinfo=None) for m in moments]
    session.drop(table)
    assert found == wanted


@settings(max_examples=12, deadline=None)
@given(ZONES, MOMENTS)
def test_local_to_utc_agrees_with_zoneinfo(session, zone, moments):
    table = session.register(pd.DataFrame({"at": moments}))
    at = table["at"].cast("timestamp(6)")
    zoned = zones.to_utc(at, zone, min(moments), max(moments))
    missing = False if zoned.is_missing_hour is None else zoned.is_missing_hour
    rows = session.arrow(table.select(utc=zoned.time, missing=missing)).to_pylist()
    session.drop(table)
    tz = ZoneInfo(zone)
    for moment, row in zip(moments, rows, strict=True):
        utc = moment.replace(tzinfo=tz).astimezone(dt.UTC)
        exists = utc.astimezone(tz).replace(tzinfo=None) == moment
        assert row["missing"] is not exists
        assert row["utc"] == utc.replace(tzinfo=None)


# -- errors ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [
        (
            ["03/04/2024", "05/06/2024"],
            {},
            r"holds 2 ambiguous text date\(s\) such as '03/04/2024': day first or month first\? "
            r'Say which: date_format = "%d/%m/%Y" or date_format = "%m/%d/%Y"',
        ),
        (
            ["27-07-2023"],
            {},
            r'one fits every value; if it is meant, write date_format = "%d-%m-%Y"',
        ),
        (["soon"], {}, r"no ISO 8601 times and of no common form \(first: 'soon'\)"),
        (
            ["2024-01-01", "2024-02-30", "x"],
            {},
            r"holds 2 value\(s\) that do not match ISO 8601 .*\(first: '2024-02-30', row 2\)",
        ),
        (
            ["13/04/2024", "x"],
            {"date_format": "%d/%m/%Y"},
            r'1 value\(s\) that do not match date_format "%d/%m/%Y" \(first: \'x\', row 2\)',
        ),
        (
            ["13/04/2024", "03/04/2024"],
            {"date_format": ["%d/%m/%Y", "%m/%d/%Y"]},
            r"1 value\(s\) that match more than one of date_format .*'03/04/2024', row 2",
        ),
        (
            [1_700_000_000],
            {},
            r"must hold times, but holds 1 number\(s\) \(first: 1700000000, row 1\)\. It looks "
            r"like seconds since 1970: 2023-11-14 22:13:20 UTC",
        ),
        ([True], {}, r"must hold times, but is of type boolean"),
        (["9999-12-31"], {}, r"before 1900 or after 2199 \(first: '9999-12-31', row 1\)"),
        (["04/08/17"], {"date_format": "%d/%m/%Y"}, r"before 1900 or after 2199"),
        (
            ["2024-03-31 02:30"],
            {"time_zone": "Europe/Berlin"},
            r"1 local time\(s\) that do not exist in Europe/Berlin "
            r"\(first: 2024-03-31 02:30:00, row 1\)",
        ),
    ],
)
def test_times_that_cannot_be_known_are_refused(values, options, message):
    with pytest.raises(SchemaError, match=message):
        read(values, **options)


def test_an_unknown_zone_names_the_nearest():
    with pytest.raises(
        ConfigError, match=r"no time zone 'Europe/Berln'\. Did you mean 'Europe/Berlin'"
    ):
        read(["2024-01-01"], time_zone="Europe/Berln")
