"""The functions that engines write each in their own way: one answer everywhere."""

import datetime as dt
import math
from decimal import Decimal

import pyarrow as pa
import pytest

from cxmodel.errors import ConfigError
from cxmodel.tables.engines.functions import (
    decimal_of,
    epoch_micros,
    first_group,
    fraction,
    half_digests,
    is_finite,
    number_of,
    replace_groups,
    timestamp_of,
)
from cxmodel.tables.opening.fingerprints import fingerprint
from cxmodel.tables.times.strptime import strptime

at = dt.datetime
MIDNIGHT = at(2024, 2, 1)

# Text -> the number that it is, worked by hand.
NUMBERS = {
    "1": 1.0, "1.": 1.0, ".5": 0.5, "1e5": 1e5, "1E+5": 1e5, "-2.5e-3": -0.0025, "+1": 1.0,
    " 1 ": 1.0, "\t1\n": 1.0, "0.1": 0.1, "0.30000000000000004": 0.30000000000000004,
    "123456789012345678901234567890": 1.2345678901234568e29, "007": 7.0,
    "1_000": None, "1,5": None, "1,000": None, "0x10": None, "infinity": None, "NaN": None,
    "--1": None, "1e": None, "-": None, ".": None, "": None, "1 2": None, "1d": None, "1f": None,
    "\u0663": None, "\u00a01": None, "$5": None,
}  # fmt: skip
TIMES = {
    "2026-01-01": at(2026, 1, 1),
    "2026-01-01T10:00": at(2026, 1, 1, 10),
    " 2026-01-01 ": at(2026, 1, 1),
    "2026-01-01 10:00:00.123456": at(2026, 1, 1, 10, 0, 0, 123456),
    "2026-01-01 10:00:00.9999999": at(2026, 1, 1, 10, 0, 0, 999999),
    "2026-01-01 24:00:00": at(2026, 1, 2),
    "1969-12-31 23:59:59.5": at(1969, 12, 31, 23, 59, 59, 500000),
    "2024-02-29": at(2024, 2, 29),
    "2000-02-29": at(2000, 2, 29),
    "1900-02-29": None,
    "2026-02-30": None,
    "2026-04-31": None,
    "2026-01-01 10:60": None,
    "2026-01-01 25:00": None,
    "2026-01-01 10:00:60": None,
    "2026-01-01 10": None,
    "": None,
    "x": None,
}
# (text, format) -> the time that it is, as `strptime` has it; blanks around it do not matter.
FORMATTED = {
    ("1/2/2024", "%d/%m/%Y"): MIDNIGHT,
    (" 01/02/2024 ", "%d/%m/%Y"): MIDNIGHT,
    ("1-2-2024", "%-d-%-m-%Y"): MIDNIGHT,
    ("01/02/2024", "%m/%d/%Y"): at(2024, 1, 2),
    ("01/02/69", "%d/%m/%y"): at(1969, 2, 1),
    ("01/02/68", "%d/%m/%y"): at(2068, 2, 1),
    ("5 jan 2024", "%d %b %Y"): at(2024, 1, 5),
    ("5 JANUARY 2024", "%d %B %Y"): at(2024, 1, 5),
    ("Jan 5, 2024", "%b %d, %Y"): at(2024, 1, 5),
    ("Thursday 1/2/2024", "%A %d/%m/%Y"): MIDNIGHT,
    ("20240105", "%Y%m%d"): at(2024, 1, 5),
    ("1/2/2024%", "%d/%m/%Y%%"): MIDNIGHT,
    ("1/2/2024 1:05 PM", "%d/%m/%Y %I:%M %p"): at(2024, 2, 1, 13, 5),
    ("1/2/2024 12:05 am", "%d/%m/%Y %I:%M %p"): at(2024, 2, 1, 0, 5),
    ("1/2/2024 12:05 pm", "%d/%m/%Y %I:%M %p"): at(2024, 2, 1, 12, 5),
    ("1/2/2024  13:05", "%d/%m/%Y %H:%M"): at(2024, 2, 1, 13, 5),
    ("1/2/2024 1:5", "%d/%m/%Y %H:%M"): at(2024, 2, 1, 1, 5),
    ("1/2/2024 10:00:00.12", "%d/%m/%Y %H:%M:%S.%f"): at(2024, 2, 1, 10, 0, 0, 120000),
    ("1/2/2024 10:00 +0200", "%d/%m/%Y %H:%M %z"): at(2024, 2, 1, 8),
    ("1/2/2024 10:00 -03:30", "%d/%m/%Y %H:%M %z"): at(2024, 2, 1, 13, 30),
    ("5 JANUARY 2024", "%d %b %Y"): None,
    ("01/02/2024", "%d/%m/%y"): None,
    ("31/02/2024", "%d/%m/%Y"): None,
    ("1/13/2024", "%d/%m/%Y"): None,
    ("0/2/2024", "%d/%m/%Y"): None,
    ("001/2/2024", "%d/%m/%Y"): None,
    ("1/2/12024", "%d/%m/%Y"): None,
    ("1/2/2024 24:00", "%d/%m/%Y %H:%M"): None,
    ("1/2/2024 10:00:60", "%d/%m/%Y %H:%M:%S"): None,
    ("1/2/2024 13:05 PM", "%d/%m/%Y %I:%M %p"): None,
    ("1/2/2024 10:00:00.1234567", "%d/%m/%Y %H:%M:%S.%f"): None,
    ("2024-02-01", "%d/%m/%Y"): None,
}


@pytest.fixture(params=["duckdb_session", "postgres_session", "spark_session"])
def session(request):
    return request.getfixturevalue(request.param)


def answers(session, values, function, kind=None):
    """Apply a function on the engine to values, and give the answers in their order."""
    rows = pa.table({"place": list(range(len(values))), "x": pa.array(list(values), kind)})
    table = session.register(rows)
    found = session.rows(table.select("place", answer=function(table.x)).order_by("place"))
    session.drop(table)
    return [row["answer"] for row in found]


# -- Worked by hand ------------------------------------------------------------------------------


def test_numbers_in_text(session):
    assert dict(zip(NUMBERS, answers(session, NUMBERS, number_of), strict=True)) == NUMBERS


def test_exact_numbers_in_text(session):
    texts = ["0.1", "1e-3", "-99.99999", "1_000", "5e30", "123.4567890123456", None, "x"]
    found = answers(session, texts, lambda text: decimal_of(text, 16, 10**11))
    exact = [None if t in ("1_000", "5e30", None, "x") else Decimal(t) for t in texts]
    assert found == exact


def test_times_in_text(session):
    assert dict(zip(TIMES, answers(session, TIMES, timestamp_of), strict=True)) == TIMES


@pytest.mark.parametrize("form", sorted({form for _, form in FORMATTED}))
def test_times_by_format(session, form):
    texts = [text for text, other in FORMATTED if other == form]
    found = answers(session, texts, lambda text: strptime(text, form))
    assert found == [FORMATTED[text, form] for text in texts]


def test_microseconds_since_1970(session):
    times = [at(2026, 6, 30, 1, 2, 3, 456789), at(1969, 12, 31, 23, 59, 59, 999999), None]
    micros = answers(session, times, epoch_micros, pa.timestamp("us"))
    assert micros == [1_782_781_323_456_789, -1, None]


def test_what_is_finite(session):
    values = [1.0, -1.7e308, math.inf, -math.inf, math.nan, None]
    found = answers(session, values, is_finite, pa.float64())
    assert found == [True, True, False, False, False, None]


def test_the_fraction_of_a_number(session):
    assert answers(session, [2.75, -2.75, 3.0, None], fraction) == [0.75, 0.25, 0.0, None]


def test_groups_of_a_pattern(session):
    texts = ["a1", "b", None]
    assert answers(session, texts, lambda t: first_group(t, "a([0-9])")) == ["1", None, None]
    swapped = answers(session, texts, lambda t: replace_groups(t, "(a)([0-9])", r"\2\1"))
    assert swapped == ["1a", "b", None]


def test_half_a_digest(session):
    # MD5 of "abc" is 900150983cd24fb0 d6963f7d28e17f72 (RFC 1321): the last eight bytes, the last
    # of them first, are 727fe128 7d3f96d6.
    high = answers(session, ["abc"], lambda text: half_digests(text)[0])
    low = answers(session, ["abc"], lambda text: half_digests(text)[1])
    assert (high, low) == ([0x727FE128], [0x7D3F96D6])


# -- One answer everywhere -----------------------------------------------------------------------


def test_a_fingerprint_is_the_same_on_every_engine(session, duckdb_session):
    rows = pa.table(
        {
            "customer_id": ["ä", "B", "", None, 'it\'s\n"so"'],
            "n": pa.array([1, None, -5, 2**62, 0], pa.int64()),
            "x": [0.1, None, -1e-300, 1e300, 282.68333333333334],
            "is_so": [True, False, None, True, False],
            "booked_at": pa.array(
                [at(2025, 1, 1, 0, 0, 0, 1), None, at(1950, 1, 1), at(2199, 1, 1), MIDNIGHT],
                pa.timestamp("us"),
            ),
        }
    )
    there, here = session.register(rows), duckdb_session.register(rows)
    assert fingerprint(session, there) == fingerprint(duckdb_session, here)
    assert fingerprint(session, there.filter(there.n.notnull())) != fingerprint(session, there)


def test_rows_come_and_go_as_they_are(session):
    rows = pa.table(
        {
            "words": ["a", "", None, "line\nbreak", '"quoted", with comma', "\\N", "ä😀"],
            "n": pa.array([1, None, 2**63 - 1, -(2**63), 0, 5, 6], pa.int64()),
            "x": [1.5, None, math.inf, -math.inf, 5e-324, 0.1, -0.0],
            "flag": [True, None, False, True, False, True, None],
            "t": pa.array([MIDNIGHT, None, at(1900, 1, 1), at(2199, 12, 31, 23, 59, 59, 999999),
                           MIDNIGHT, MIDNIGHT, MIDNIGHT], pa.timestamp("us")),
        }
    )  # fmt: skip
    table = session.register_in_order(rows, "rows")
    order = session.order_of_frames
    ordered = table.order_by(list(order)) if order else table
    assert session.arrow(ordered.drop(*order)).to_pylist() == rows.to_pylist()
    lone = session.arrow(session.register(pa.table({"a": pa.array([None, "x"])})))
    assert sorted(lone["a"].to_pylist(), key=str) == [None, "x"]


def test_text_is_ordered_by_code_point(session):
    table = session.register(pa.table({"a": ["b", "B", "a", "A", "ä", "_", "1", None]}))
    found = [row["a"] for row in session.rows(table.order_by("a"))]
    assert found == ["1", "A", "B", "_", "a", "b", "ä", None]


def test_a_part_that_stands_in_two_places_is_written_twice(session):
    # sqlglot 30.30 leaves SEMI JOIN, which PostgreSQL lacks, where a semi-join is shared.
    rows = session.register(pa.table({"k": ["a", "b", "c"], "n": [1, 2, 3]}))
    some = session.register(pa.table({"k": ["a", "b"]}))
    few = session.register(pa.table({"k": ["a"]}))
    shared = rows.semi_join(some, "k")
    both = [shared.semi_join(few, "k"), shared.anti_join(few, "k")]
    totals = [part.aggregate(total=part.n.sum().cast("int64")) for part in both]
    union = totals[0].union(totals[1], distinct=False)
    assert sorted(row["total"] for row in session.rows(union)) == [1, 2]


# -- Errors --------------------------------------------------------------------------------------


def test_a_directive_that_is_not_known_is_named(duckdb_session):
    table = duckdb_session.register(pa.table({"x": ["1"]}))
    with pytest.raises(ConfigError, match=r"date_format '%Q' has %Q, which is not known\. Known:"):
        strptime(table.x, "%Q")
    with pytest.raises(ConfigError, match=r"has %d twice. Take one out"):
        strptime(table.x, "%d %d %z")
