"""Sums inside windows: the edges by hand, and both plans against an obvious loop."""

import datetime as dt

import ibis
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxmodel.tables.engines.engine import default_session
from cxmodel.tables.observation_table import Windows
from cxmodel.tables.windows import (
    Total,
    Window,
    after,
    before,
    choose_plan,
    shifted,
    totals_in_windows,
)

NOON = dt.datetime(2025, 6, 15, 12)
DAY, MICROSECOND = dt.timedelta(days=1), dt.timedelta(microseconds=1)
RESPONSE = pa.schema(
    [("row_number", pa.int64()), ("customer_id", pa.string()), ("responded_at", pa.timestamp("us"))]
)
BOOKING = pa.schema(
    [("customer_id", pa.string()), ("booked_at", pa.timestamp("us")), ("units", pa.int64())]
)


@pytest.fixture
def tables():
    """Put rows onto the engine; drop them afterwards."""
    session, kept = default_session(), []

    def put(responses, bookings):
        rows = [
            pa.Table.from_pylist(
                [dict(zip(schema.names, row, strict=True)) for row in rows], schema
            )
            for schema, rows in ((RESPONSE, responses), (BOOKING, bookings))
        ]
        kept.extend(session.keep(ibis.memtable(table)) for table in rows)
        return kept[-2:]

    yield put
    for table in kept:
        session.drop(table)


def summed(responses, bookings, totals, plan):
    found = totals_in_windows(responses, bookings, totals, at="booked_at", plan=plan)
    rows = responses.select("row_number").left_join(found, "row_number")
    return {
        row["row_number"]: tuple(row[total.name] or 0 for total in totals)
        for row in rows.to_pyarrow().to_pylist()
    }


# -- Worked by hand ------------------------------------------------------------------------------


@pytest.mark.parametrize("plan", ["range", "stack"])
@pytest.mark.parametrize(
    ("offset", "counts"),
    [
        (-3 * DAY - MICROSECOND, (0, 0, 0)),
        (-3 * DAY, (1, 0, 0)),
        (-MICROSECOND, (1, 0, 0)),
        (0 * DAY, (0, 0, 0)),
        (MICROSECOND, (0, 0, 1)),
        (2 * DAY, (0, 0, 1)),
        (2 * DAY + MICROSECOND, (0, 1, 1)),
        (5 * DAY, (0, 1, 1)),
        (6 * DAY, (0, 1, 0)),
        (7 * DAY, (0, 1, 0)),
        (7 * DAY + MICROSECOND, (0, 0, 0)),
    ],
)
def test_edges(tables, plan, offset, counts):
    responses, bookings = tables([(1, "a", NOON)], [("a", NOON + offset, 7)])
    windows = Windows(lookback_days=3, outcome_days=5, gap_days=2)
    totals = [
        Total(name="before", window=before(windows)),
        Total(name="after", window=after(windows)),
        Total(name="no_gap", window=after(windows, 0)),
    ]
    assert summed(responses, bookings, totals, plan) == {1: counts}


def test_a_day_is_86_400_seconds_whatever_the_clocks_do():
    table = ibis.memtable(pa.table({"t": pa.array([dt.datetime(2025, 3, 29, 12)])}))
    moved = default_session().backend.to_pyarrow(shifted(table.t, 2)).to_pylist()
    assert moved == [dt.datetime(2025, 3, 31, 12)]


def test_rows_without_a_customer_belong_to_nobody(tables):
    responses, bookings = tables([(1, "a", NOON)], [(None, NOON - DAY, 7), ("b", NOON - DAY, 7)])
    total = Total(name="n", window=Window(start=-2, end=0, is_after=False))
    assert summed(responses, bookings, [total], "range") == {1: (0,)}
    assert summed(responses, bookings, [total], "stack") == {1: (0,)}


def test_the_plan_follows_the_pairs_of_each_customer(tables):
    few = tables([(i, f"c{i}", NOON) for i in range(50)], [(f"c{i}", NOON, 1) for i in range(50)])
    assert choose_plan(*few) == ("range", 50)
    many = tables([(i, "a", NOON) for i in range(200)], [("a", NOON, 1) for _ in range(400)])
    assert choose_plan(*many) == ("stack", 80_000)
    assert choose_plan(*tables([], [])) == ("range", 0)


# -- Properties ----------------------------------------------------------------------------------

moments = st.integers(-6, 6).map(lambda half_days: NOON + half_days * DAY / 2)
people = st.sampled_from("abc")


@settings(max_examples=25, deadline=None)
@given(
    answers=st.lists(st.tuples(people, moments), min_size=1, max_size=8),
    booked=st.lists(st.tuples(people, moments, st.integers(-5, 100)), max_size=20),
    edges=st.lists(
        st.tuples(st.integers(-3, 2), st.integers(1, 3), st.booleans()), min_size=1, max_size=4
    ),
)
def test_both_plans_equal_an_obvious_loop(answers, booked, edges):
    session = default_session()
    rows = [(i, *answer) for i, answer in enumerate(answers)]
    totals = [
        Total(
            name=f"t{i}",
            window=Window(start=start, end=start + length, is_after=is_after),
            value="units" if i % 2 else None,
        )
        for i, (start, length, is_after) in enumerate(edges)
    ]

    def loop(customer, t, total):
        first, last = t + total.window.start * DAY, t + total.window.end * DAY
        return sum(
            units if total.value else 1
            for c, time, units in booked
            if c == customer
            and (first < time <= last if total.window.is_after else first <= time < last)
        )

    expected = {i: tuple(loop(c, t, total) for total in totals) for i, c, t in rows}
    responses, bookings = (
        session.keep(
            ibis.memtable(
                pa.Table.from_pylist([dict(zip(s.names, r, strict=True)) for r in data], s)
            )
        )
        for s, data in ((RESPONSE, rows), (BOOKING, booked))
    )
    assert summed(responses, bookings, totals, "range") == expected
    assert summed(responses, bookings, totals, "stack") == expected
    session.drop(responses)
    session.drop(bookings)
