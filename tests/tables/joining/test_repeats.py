"""The last booking before an answer that repeats an earlier one."""

import datetime as dt

import ibis
import pyarrow as pa
import pytest

from cxmodel.tables.engines.engine import default_session
from cxmodel.tables.joining.repeats import last_bookings

BASE = dt.datetime(2025, 6, 15)
DAY = dt.timedelta(days=1)
TIME = pa.timestamp("us")


def table(rows, **kinds):
    columns = {name: pa.array([r[i] for r in rows], kinds[name]) for i, name in enumerate(kinds)}
    return default_session().keep(ibis.memtable(pa.table(columns)), "test")


def found(answers, bookings, plan):
    """Give the days from the last booking to each answer that has one, by number of the answer."""
    asked = table(
        [(i, who, BASE + t * DAY) for i, (who, t) in enumerate(answers)],
        row_number=pa.int64(),
        customer_id=pa.string(),
        responded_at=TIME,
    )
    held = table(
        [(who, BASE + t * DAY) for who, t in bookings], customer_id=pa.string(), booked_at=TIME
    )
    rows = default_session().arrow(last_bookings(asked, held, plan)).to_pylist()
    return {
        row["row_number"]: BASE + answers[row["row_number"]][1] * DAY - row["_last_booking_at"]
        for row in rows
        if row["_last_booking_at"] is not None
    }


# -- Worked by hand ------------------------------------------------------------------------------


@pytest.mark.parametrize("plan", ["range", "stack", "mixed"])
def test_only_answers_that_repeat_one_within_90_days_ask_for_bookings(plan):
    answers = [("a", 0), ("a", 90), ("a", 181), ("b", 50), ("c", 0), ("c", 10)]
    bookings = [("a", 80), ("a", 90), ("a", 170), ("b", 40), ("c", 0)]
    # the booking on day 90 is not before the answer of that day; 181 is 91 days after 90
    assert found(answers, bookings, plan) == {1: 10 * DAY, 5: 10 * DAY}


def test_a_customer_who_answers_often_is_put_on_a_line_and_gives_the_same():
    answers = [("a", 3 * i) for i in range(40)] + [("b", 0), ("b", 5)]
    bookings = [("a", 7 * i + 1) for i in range(20)] + [("b", 4)]
    assert found(answers, bookings, "mixed") == found(answers, bookings, "range")
