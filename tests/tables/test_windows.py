"""Sums inside windows: the edges by hand, and every plan against an obvious loop."""

import datetime as dt

import ibis
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cxmodel.tables import plan_choice
from cxmodel.tables.engines.engine import default_session
from cxmodel.tables.observation_table import Windows
from cxmodel.tables.plan_choice import PlanChoice
from cxmodel.tables.window_sums import totals_in_windows
from cxmodel.tables.windows import (
    Total,
    Window,
    after,
    before,
    shifted,
)

NOON = dt.datetime(2025, 6, 15, 12)
ODD = dt.datetime(2025, 6, 15, 12, 34, 56, 789_012)
DAY, SECOND = dt.timedelta(days=1), dt.timedelta(seconds=1)
MICROSECOND = dt.timedelta(microseconds=1)
RESPONSE = pa.schema(
    [("row_number", pa.int64()), ("customer_id", pa.string()), ("responded_at", pa.timestamp("us"))]
)
BOOKING = pa.schema(
    [("customer_id", pa.string()), ("booked_at", pa.timestamp("us")), ("units", pa.int64())]
)
CHOICES = [
    PlanChoice(plan="range"),
    *(PlanChoice(plan="stack", step=step) for step in (None, "day", "hour", "minute")),
    PlanChoice(plan="mixed", step="hour"),
]
every_plan = pytest.mark.parametrize("choice", CHOICES, ids=lambda c: f"{c.plan}-{c.step}")


@pytest.fixture
def tables():
    """Put rows onto the engine; drop them afterwards."""
    kept = []

    def put(responses, bookings):
        kept.extend(on_engine(responses, bookings))
        return kept[-2:]

    yield put
    for table in kept:
        default_session().drop(table)


@pytest.fixture
def two_are_many(monkeypatch):
    """Have ``mixed`` stack customers who answered twice."""
    monkeypatch.setattr(plan_choice, "PAIRS_WORTH_STACKING", 2)


def on_engine(responses, bookings):
    return [
        default_session().register(
            pa.Table.from_pylist(
                [dict(zip(schema.names, row, strict=True)) for row in rows], schema
            )
        )
        for schema, rows in ((RESPONSE, responses), (BOOKING, bookings))
    ]


def summed(responses, bookings, totals, choice):
    found = totals_in_windows(responses, bookings, totals, at="booked_at", plan=choice)
    rows = responses.select("row_number").left_join(found, "row_number")
    return {
        row["row_number"]: tuple(row[total.name] or 0 for total in totals)
        for row in default_session().rows(rows)
    }


def revenue(start, end, *, is_after, value="units"):
    return Total(name="total", window=Window(start=start, end=end, is_after=is_after), value=value)


# -- Worked by hand ------------------------------------------------------------------------------

# Windows [t - 3, t), (t + 2, t + 7] and (t, t + 5] in days. Which hold a row so far from t:
EDGES = [
    (-3 * DAY - SECOND, (0, 0, 0)),
    (-3 * DAY - MICROSECOND, (0, 0, 0)),
    (-3 * DAY, (1, 0, 0)),
    (-3 * DAY + MICROSECOND, (1, 0, 0)),
    (-SECOND, (1, 0, 0)),
    (-MICROSECOND, (1, 0, 0)),
    (0 * DAY, (0, 0, 0)),
    (MICROSECOND, (0, 0, 1)),
    (SECOND, (0, 0, 1)),
    (2 * DAY - SECOND, (0, 0, 1)),
    (2 * DAY, (0, 0, 1)),
    (2 * DAY + MICROSECOND, (0, 1, 1)),
    (2 * DAY + SECOND, (0, 1, 1)),
    (5 * DAY, (0, 1, 1)),
    (5 * DAY + MICROSECOND, (0, 1, 0)),
    (5 * DAY + SECOND, (0, 1, 0)),
    (7 * DAY - SECOND, (0, 1, 0)),
    (7 * DAY, (0, 1, 0)),
    (7 * DAY + MICROSECOND, (0, 0, 0)),
    (7 * DAY + SECOND, (0, 0, 0)),
]


@every_plan
@pytest.mark.parametrize("t", [NOON, ODD, NOON.replace(hour=0)], ids=["hour", "odd", "midnight"])
def test_edges(tables, choice, t, two_are_many):
    # A customer for each edge, who answered twice at the same instant, so that `mixed` stacks
    # every second of them; all others answered once.
    people = [(f"c{i}", offset, holds) for i, (offset, holds) in enumerate(EDGES)]
    answers = [(who, t) for who, _, _ in people] + [(who, t) for who, _, _ in people[::2]]
    responses, bookings = tables(
        [(i, *answer) for i, answer in enumerate(answers)],
        [(who, t + offset, 7) for who, offset, _ in people],
    )
    windows = Windows(lookback_days=3, outcome_days=5, gap_days=2)
    totals = [
        Total(name="before", window=before(windows)),
        Total(name="after", window=after(windows)),
        Total(name="no_gap", window=after(windows, 0), value="units"),
    ]
    expected = {who: (b, a, 7 * n) for who, _, (b, a, n) in people}
    assert summed(responses, bookings, totals, choice) == {
        i: expected[who] for i, (who, _) in enumerate(answers)
    }


@every_plan
def test_ties_at_every_edge_count_each_row_once(tables, choice):
    # Two rows at t - 2 days, at t and at t + 2 days: [t - 2, t) holds the first pair (1 + 2),
    # (t, t + 2] the last one (16 + 32), and the pair at t is in neither.
    times = [NOON - 2 * DAY, NOON - 2 * DAY, NOON, NOON, NOON + 2 * DAY, NOON + 2 * DAY]
    responses, bookings = tables(
        [(1, "a", NOON)], [("a", time, 2**i) for i, time in enumerate(times)]
    )
    assert summed(responses, bookings, [revenue(-2, 0, is_after=False)], choice) == {1: (3,)}
    assert summed(responses, bookings, [revenue(0, 2, is_after=True)], choice) == {1: (48,)}


@every_plan
def test_overlapping_windows_of_one_customer_share_rows(tables, choice, two_are_many):
    # Responses on days 0, 1 and 1 again (a duplicate), each with (t, t + 2 days]:
    # the row on day 1 is after day 0 alone, those on days 2 and 3 as the windows reach.
    responses, bookings = tables(
        [(1, "a", NOON), (2, "a", NOON + DAY), (3, "a", NOON + DAY), (4, "b", NOON)],
        [("a", NOON + days * DAY, 10**days) for days in range(5)] + [("b", NOON + DAY, 7)],
    )
    found = summed(responses, bookings, [revenue(0, 2, is_after=True)], choice)
    assert found == {1: (110,), 2: (1_100,), 3: (1_100,), 4: (7,)}


@every_plan
def test_windows_beyond_the_ends_of_the_data_hold_what_there_is(tables, choice):
    responses, bookings = tables(
        [(1, "a", NOON), (2, "a", NOON + 9 * DAY), (3, "none", NOON)],
        [("a", NOON + days * DAY, 10**days) for days in range(1, 4)],
    )
    totals = [
        Total(name="before", window=Window(start=-400, end=0, is_after=False), value="units"),
        Total(name="after", window=Window(start=0, end=400, is_after=True), value="units"),
    ]
    assert summed(responses, bookings, totals, choice) == {1: (0, 1_110), 2: (1_110, 0), 3: (0, 0)}


@every_plan
def test_what_is_not_known_is_in_no_window(tables, choice, two_are_many):
    # Of the rows only the last has customer, time and amount; one without an amount still counts.
    responses, bookings = tables(
        [(1, "a", NOON), (2, None, NOON), (3, "a", None), (4, "b", NOON), (5, None, None)],
        [
            (None, NOON - DAY, 1),
            ("b", None, 2),
            ("a", None, 4),
            ("a", NOON - DAY, None),
            ("c", NOON - DAY, 8),
            ("a", NOON - DAY / 2, 16),
        ],
    )
    window = Window(start=-2, end=0, is_after=False)
    totals = [Total(name="n", window=window), Total(name="sum", window=window, value="units")]
    nothing = dict.fromkeys((2, 3, 4, 5), (0, 0))
    assert summed(responses, bookings, totals, choice) == {1: (2, 16)} | nothing


@every_plan
def test_totals_are_never_null(tables, choice):
    responses, bookings = tables([(1, "a", NOON)], [("a", NOON - DAY, None)])
    found = totals_in_windows(
        responses, bookings, [revenue(-2, 0, is_after=False)], at="booked_at", plan=choice
    )
    assert default_session().rows(found) == [{"row_number": 1, "total": 0}]


@every_plan
def test_sums_beyond_doubles_are_exact(tables, choice):
    # 2^53 is where doubles lose the last digit.
    units = [2**53, 1, -(2**52), 3]
    responses, bookings = tables(
        [(1, "a", ODD)], [("a", ODD - (i + 1) * SECOND, u) for i, u in enumerate(units)]
    )
    found = summed(responses, bookings, [revenue(-1, 0, is_after=False)], choice)
    assert found == {1: (2**52 + 4,)}


def test_a_day_is_86_400_seconds_whatever_the_clocks_do():
    table = ibis.memtable(pa.table({"t": pa.array([dt.datetime(2025, 3, 29, 12)])}))
    moved = default_session().backend.to_pyarrow(shifted(table.t, 2)).to_pylist()
    assert moved == [dt.datetime(2025, 3, 31, 12)]


@every_plan
@pytest.mark.parametrize("dialect", ["duckdb", "postgres", "pyspark"])
def test_every_plan_compiles_for_every_engine(choice, dialect):
    responses, bookings = (ibis.table(ibis.Schema.from_pyarrow(s)) for s in (RESPONSE, BOOKING))
    totals = [revenue(-180, 0, is_after=False)]
    found = totals_in_windows(responses, bookings, totals, at="booked_at", plan=choice)
    assert "SELECT" in ibis.to_sql(found, dialect=dialect)


# -- Properties ----------------------------------------------------------------------------------

# Half days apart or nearly so: rows meet window ends, or miss them by next to nothing.
moments = st.builds(
    lambda half_days, nudge: NOON + half_days * DAY / 2 + nudge,
    st.integers(-6, 6),
    st.sampled_from(
        [0 * DAY, 0 * DAY, MICROSECOND, -MICROSECOND, SECOND, 17 * SECOND, -61 * SECOND]
    ),
)
people = st.sampled_from("abc")
maybe = st.one_of(st.none(), people), st.one_of(st.none(), moments)


@settings(max_examples=15, deadline=None)
@given(
    answers=st.lists(st.one_of(st.tuples(people, moments), st.tuples(*maybe)), max_size=8),
    booked=st.lists(
        st.one_of(
            st.tuples(people, moments, st.integers(-5, 100)),
            st.tuples(*maybe, st.one_of(st.none(), st.integers(-5, 100))),
        ),
        max_size=20,
    ),
    edges=st.lists(
        st.tuples(st.integers(-3, 2), st.integers(1, 3), st.booleans()), min_size=1, max_size=4
    ),
)
@example(
    answers=[("a", NOON)] * 2, booked=[("a", NOON, 5)] * 2, edges=[(0, 1, True), (-1, 1, False)]
)
def test_every_plan_equals_an_obvious_loop(answers, booked, edges):
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
        if customer is None or t is None:
            return 0
        first, last = t + total.window.start * DAY, t + total.window.end * DAY
        return sum(
            (units or 0) if total.value else 1
            for c, time, units in booked
            if c == customer
            and time is not None
            and (first < time <= last if total.window.is_after else first <= time < last)
        )

    expected = {i: tuple(loop(c, t, total) for total in totals) for i, c, t in rows}
    responses, bookings = on_engine(rows, booked)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan_choice, "PAIRS_WORTH_STACKING", 2)
        found = [summed(responses, bookings, totals, choice) for choice in CHOICES]
    default_session().drop(responses)
    default_session().drop(bookings)
    assert found == [expected] * len(CHOICES)


# -- Errors --------------------------------------------------------------------------------------


def test_an_unknown_plan_is_refused(tables):
    responses, bookings = tables([(1, "a", NOON)], [])
    with pytest.raises(ValueError, match=r"plan must be one of range, stack, mixed, not 'sort'"):
        totals_in_windows(
            responses, bookings, [revenue(-1, 0, is_after=False)], at="booked_at", plan="sort"
        )
