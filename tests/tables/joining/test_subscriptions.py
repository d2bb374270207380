"""Recurring amounts by the day, against a look at every day of every subscription."""

import datetime as dt
from fractions import Fraction
from zoneinfo import ZoneInfo

import ibis
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxmodel.tables.engines.engine import default_session
from cxmodel.tables.joining.subscriptions import covered_days, prorated, unit_days_in_windows
from cxmodel.tables.times.calendar_days import Calendar, day_number
from cxmodel.tables.windows import Total, Window

TIME, DAY, MICROSECOND = pa.timestamp("us"), dt.timedelta(days=1), dt.timedelta(microseconds=1)
BEFORE = Window(start=-10, end=0, is_after=False)
AFTER = Window(start=2, end=12, is_after=True)
TOTALS = [Total(name="before", window=BEFORE), Total(name="after", window=AFTER)]
AS_OF = dt.date(2018, 11, 30)


def table(rows, **kinds):
    columns = {name: pa.array([r[i] for r in rows], kinds[name]) for i, name in enumerate(kinds)}
    return default_session().keep(ibis.memtable(pa.table(columns)), "test")


def at(text):
    return dt.datetime.fromisoformat(text) if text else None


def money(answers, subscriptions, zone="UTC"):
    """Give (before, after) in whole units for answers (customer, time), in their order."""
    calendar = Calendar(time_zone=zone, low=dt.datetime(2018, 1, 1), high=dt.datetime(2019, 12, 31))
    asked = table(
        [(i, *answer) for i, answer in enumerate(answers)],
        row_number=pa.int64(),
        customer_id=pa.string(),
        responded_at=TIME,
    )
    ledger = table(
        subscriptions,
        customer_id=pa.string(),
        started_at=TIME,
        ended_at=TIME,
        monthly_units=pa.int64(),
    )
    ends_before = day_number(AS_OF) + 1
    days = covered_days(ledger, calendar, ends_before)
    days = days.mutate(end_day=ibis.least(days.end_day, ends_before))
    summed = unit_days_in_windows(asked, days, TOTALS, calendar)
    summed = summed.mutate(before=prorated(summed.before), after=prorated(summed.after))
    found = {
        row["row_number"]: (row["before"], row["after"])
        for row in default_session().arrow(summed).to_pylist()
    }
    return [found.get(i, (0, 0)) for i in range(len(answers))]


# -- Worked by hand (487 a month is 16 a day) ----------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "days"),
    [
        ([("2018-06-05", "2018-06-09")], (4, 0)),  # from the 5th up to the 8th
        ([("2018-06-05", None)], (10, 10)),  # open: windows of the 5th-14th and the 18th-27th
        ([("2018-06-05", "2018-06-05")], (0, 0)),
        ([("2018-06-05", "2018-06-01")], (0, 0)),  # ended before it began: no day, and none owed
        ([("2018-06-05T00:00:01", "2018-06-06T23:59:59")], (1, 0)),  # days, not hours
        ([("2018-06-01", "2018-06-10"), ("2018-06-10", None)], (10, 10)),  # the next one, no gap
        ([("2018-06-01", "2018-06-10"), ("2018-06-08", None)], (12, 10)),  # two at once: both
    ],
)
def test_days_of_a_subscription(lines, days):
    ledger = [("a", at(start), at(end), 487) for start, end in lines]
    (found,) = money([("a", at("2018-06-15"))], ledger)
    assert found == (16 * days[0], 16 * days[1])


def test_an_upgrade_changes_the_amount_on_its_day():
    ledger = [
        ("a", at("2018-01-01"), at("2018-06-10"), 487),
        ("a", at("2018-06-10"), None, 2 * 487),
    ]
    # the 5th to the 9th at 16 a day, the 10th to the 14th at 32
    assert money([("a", at("2018-06-15"))], ledger) == [(5 * 16 + 5 * 32, 10 * 32)]


def test_an_open_subscription_stops_with_as_of():
    ledger = [("a", at("2018-01-01"), None, 487)]
    # as_of is 30 November; the window after holds 24 November to 3 December
    assert money([("a", at("2018-11-21"))], ledger) == [(160, 7 * 16)]


def test_a_day_without_a_midnight_begins_at_one():
    # In Sao Paulo 4 November 2018 began at 01:00 (03:00 UTC): at that instant the day has begun.
    zone, ledger = "America/Sao_Paulo", [("a", at("2018-11-04T03:00"), at("2018-11-05T02:00"), 487)]
    instant = at("2018-11-04T03:00")
    answers = [("a", instant), ("a", instant + MICROSECOND), ("a", instant + 10 * DAY)]
    assert money(answers, ledger, zone) == [(0, 0), (16, 0), (16, 0)]
    assert money([("a", instant + 10 * DAY + MICROSECOND)], ledger, zone) == [(0, 0)]


# -- Properties ----------------------------------------------------------------------------------


def slow_money(answers, subscriptions, zone):
    """Look at every day of every subscription, and ask in which window its midnight lies."""
    tz = ZoneInfo(zone)

    def midnight(day):
        local = dt.datetime.combine(day, dt.time(), tzinfo=tz)
        return local.astimezone(dt.UTC).replace(tzinfo=None)

    def local_day(time):
        return time.replace(tzinfo=dt.UTC).astimezone(tz).date()

    found = []
    for customer, t in answers:
        before = after = 0
        for who, started_at, ended_at, monthly in subscriptions:
            day = local_day(started_at)
            last = AS_OF + DAY if ended_at is None else min(local_day(ended_at), AS_OF + DAY)
            while who == customer and day < last:
                before += monthly * (t - 10 * DAY <= midnight(day) < t)
                after += monthly * (t + 2 * DAY < midnight(day) <= t + 12 * DAY)
                day += DAY
        found.append(tuple(round(Fraction(16 * n, 487)) for n in (before, after)))
    return found


ZONES = ["UTC", "America/Sao_Paulo", "Europe/Berlin", "Asia/Kathmandu", "America/Havana"]
MOMENTS = st.builds(
    lambda day, hour, beside: dt.datetime(2018, 10, 20) + day * DAY + hour + beside * MICROSECOND,
    st.integers(0, 45),
    st.sampled_from([dt.timedelta(hours=h) for h in (0, 3, 4, 5, 12, 22)]),
    st.integers(-1, 1),
)
LINES = st.tuples(
    st.sampled_from("ab"),
    MOMENTS,
    st.none() | MOMENTS,
    st.integers(-10_000, 100_000) | st.integers(10**14, 10**15),
)


@settings(max_examples=25, deadline=None)
@given(
    answers=st.lists(st.tuples(st.sampled_from("ab"), MOMENTS), min_size=1, max_size=5),
    subscriptions=st.lists(LINES, max_size=6),
    zone=st.sampled_from(ZONES),
)
def test_money_equals_a_look_at_every_day(answers, subscriptions, zone):
    assert money(answers, subscriptions, zone) == slow_money(answers, subscriptions, zone)
