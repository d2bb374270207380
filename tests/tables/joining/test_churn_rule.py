"""Which rule says who left, and what it says of a response."""

import datetime as dt

import ibis
import pyarrow as pa
import pytest

from cxmodel.tables.engines.engine import default_session
from cxmodel.tables.joining.churn_rule import (
    Departures,
    activity_totals,
    find_departures,
    long_gaps,
    standings,
)
from cxmodel.tables.observation_table import Windows


def table(*rows):
    """Put rows onto the engine: names that end in _at are times, the rest is text or numbers."""
    names = list(rows[0])

    def kind(name):
        if name.endswith("_at"):
            return pa.timestamp("us")
        return pa.int64() if name in ("row_number", "monthly_units") else pa.string()

    columns = {
        name: pa.array(
            [
                dt.datetime.fromisoformat(v) if kind(name) == pa.timestamp("us") and v else v
                for v in (row[name] for row in rows)
            ],
            kind(name),
        )
        for name in names
    }
    return default_session().keep(ibis.memtable(pa.table(columns)), "test")


def left(*events):
    return table(*({"customer_id": c, "churned_at": t} for c, t in events))


def booked(*rows):
    return table(*({"customer_id": c, "booked_at": t} for c, t in rows))


def subscribed(*rows):
    return table(*({"customer_id": c, "started_at": s, "ended_at": e} for c, s, e in rows))


def answered(*rows):
    return table(
        *(
            {"row_number": i, "customer_id": c, "responded_at": t}
            for i, (c, t) in enumerate(rows, start=1)
        )
    )


def events_of(departures):
    if departures.events is None:
        return None
    rows = departures.events.to_pyarrow().to_pylist()
    return sorted((row["customer_id"], f"{row['left_at']:%Y-%m-%d}") for row in rows)


END = dt.datetime(2025, 7, 1)


def found(**given):
    sources = {"churn": None, "customers": None, "subscriptions": None, "revenue": None}
    return find_departures(**(sources | given), ends_at=END)


# -- Worked by hand ------------------------------------------------------------------------------


def test_the_first_source_that_is_there_decides_and_never_two():
    events = left(("a", "2025-06-01"))
    people = table({"customer_id": "b", "churned_at": "2025-06-02"})
    lines = subscribed(("c", "2025-01-01", "2025-06-03"))
    ledger = booked(("d", "2025-01-01"))
    everything = {"churn": events, "customers": people, "subscriptions": lines, "revenue": ledger}
    rules = []
    for name in list(everything):
        departures = found(**everything)
        rules.append((departures.rule, events_of(departures)))
        del everything[name]
    assert rules == [
        ("churn_events", [("a", "2025-06-01")]),
        ("churned_at", [("b", "2025-06-02")]),
        ("subscription_end", [("c", "2025-06-03")]),
        ("inactivity", None),
    ]
    assert found().rule is None


def test_customers_without_a_churn_date_leave_the_word_to_the_next_rule():
    people = table({"customer_id": "b"})
    assert found(customers=people, revenue=booked(("b", "2025-01-01"))).rule == "inactivity"


def test_what_lies_after_as_of_has_not_happened():
    departures = found(churn=left(("a", "2025-06-30T23:59:59"), ("b", "2025-07-01")))
    assert events_of(departures) == [("a", "2025-06-30")]


def test_the_end_of_the_last_subscription_counts_if_none_is_open():
    lines = subscribed(
        ("a", "2025-01-01", "2025-02-01"),
        ("a", "2025-03-01", "2025-04-01"),
        ("b", "2025-01-01", "2025-02-01"),
        ("b", "2025-03-01", None),
        ("c", "2025-01-01", "2025-08-01"),  # ends after as_of: still open
        ("d", "2025-01-01", "2025-02-01"),
        ("d", "2025-09-01", None),  # starts after as_of: not there yet
    )
    assert events_of(found(subscriptions=lines)) == [("a", "2025-04-01"), ("d", "2025-02-01")]


@pytest.mark.parametrize(
    ("back_at", "responded_at", "has_left"),
    [
        ("2025-06-01", "2025-06-10", True),  # at the moment of leaving: not back
        ("2025-06-02", "2025-06-01T12:00:00", True),  # not back yet
        ("2025-06-02", "2025-06-02", False),  # back at the response itself
        ("2025-06-02", "2025-06-10", False),
        ("2025-06-02", "2025-05-31", False),  # had not left
        ("2025-06-02", "2025-06-01", True),  # leaving at the response lies before it
    ],
)
def test_back_from_the_next_booking(back_at, responded_at, has_left):
    departures = found(churn=left(("a", "2025-06-01")), revenue=booked(("a", back_at)))
    row = standings(answered(("a", responded_at)), departures).to_pyarrow().to_pylist()[0]
    assert row["has_left"] is has_left


def test_a_subscription_start_is_a_comeback_too():
    departures = found(
        churn=left(("a", "2025-06-01")), subscriptions=subscribed(("a", "2025-06-05", None))
    )
    rows = standings(answered(("a", "2025-06-04"), ("a", "2025-06-05")), departures)
    rows = rows.order_by("row_number").to_pyarrow().to_pylist()
    assert [row["has_left"] for row in rows] == [True, False]


def test_the_first_departure_after_the_response_counts():
    departures = found(churn=left(("a", "2025-06-01"), ("a", "2025-06-20"), ("a", "2025-06-10")))
    rows = standings(answered(("a", "2025-06-05")), departures).to_pyarrow().to_pylist()
    assert rows[0]["next_left_at"] == dt.datetime(2025, 6, 10)


def test_customers_who_never_left_are_not_listed():
    departures = found(churn=left(("a", "2025-06-01")))
    assert standings(answered(("b", "2025-06-05")), departures).to_pyarrow().num_rows == 0


def test_inactivity_counts_bookings_before_and_at_the_end_of_the_window():
    windows = Windows(outcome_days=20, inactive_days=7, gap_days=30)
    names = [total.name for total in activity_totals(windows)]
    assert names == [
        f"_n_{what}_g{gap}" for gap in (0, 30, 60, 90) for what in ("active", "stayed")
    ]
    stayed = activity_totals(windows)[3].window
    assert (stayed.start, stayed.end, stayed.is_after) == (43, 50, True)


def test_gaps_of_customers_who_came_back():
    ledger = booked(
        ("a", "2025-01-01"), ("a", "2025-01-08"), ("a", "2025-01-16"), ("b", "2025-01-01")
    )
    assert long_gaps(default_session(), ledger, 7) == {"n": 2, "n_long": 1, "share": 0.5}
    once = booked(("b", "2025-01-01"))
    assert long_gaps(default_session(), once, 7) == {"n": 0, "n_long": 0, "share": None}


# -- Errors --------------------------------------------------------------------------------------


def test_inactivity_has_no_dates():
    with pytest.raises(ValueError, match="inactivity has none"):
        standings(answered(("a", "2025-06-05")), Departures(rule="inactivity"))
