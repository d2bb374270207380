"""The last contact before a response, and those that were still open."""

import datetime as dt

import ibis
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from cxmodel.tables.engines.engine import default_session
from cxmodel.tables.joining.contacts import contacts_so_far

BASE = dt.datetime(2025, 6, 15)
MINUTE = dt.timedelta(minutes=1)
TIME = pa.timestamp("us")


def table(rows, **kinds):
    columns = {name: pa.array([r[i] for r in rows], kinds[name]) for i, name in enumerate(kinds)}
    return default_session().keep(ibis.memtable(pa.table(columns)), "test")


def minute(n):
    return None if n is None else BASE + n * MINUTE


def found(answers, contacts, *, resolved=True):
    """Ask for answers (customer, minute) and contacts (customer, from, to): minutes after BASE."""
    asked = table(
        [(i, who, minute(t)) for i, (who, t) in enumerate(answers)],
        row_number=pa.int64(),
        customer_id=pa.string(),
        responded_at=TIME,
    )
    held = table(
        [(who, minute(start), minute(end)) for who, start, end in contacts],
        customer_id=pa.string(),
        started_at=TIME,
        resolved_at=TIME,
    )
    so_far = contacts_so_far(asked, held if resolved else held.drop("resolved_at"))
    rows = default_session().arrow(so_far.order_by("row_number")).to_pylist()
    last = [row["_last_contact_at"] for row in rows]
    since = [
        None if at is None else (minute(t) - at) // MINUTE
        for at, (_, t) in zip(last, answers, strict=True)
    ]
    return since, [row.get("contacts_unresolved") for row in rows]


# -- Worked by hand ------------------------------------------------------------------------------


def test_what_begins_at_the_response_is_not_before_it_and_what_ends_there_is_over():
    contacts = [("a", 5, None), ("a", 10, None), ("a", 3, 10), ("a", 4, 11), ("b", 1, 2)]
    assert found([("a", 10)], contacts) == ([5], [2])  # 5 is open, 4 until 11


def test_contacts_ever_count_and_those_of_others_do_not():
    contacts = [("a", -5_000_000, None), ("b", 9, None), (None, 9, None), ("a", None, None)]
    assert found([("a", 10), ("c", 10)], contacts) == ([5_000_010, None], [1, 0])


def test_a_contact_resolved_before_it_began_is_resolved():
    assert found([("a", 10), ("a", 11)], [("a", 10, 4), ("a", 10, 10)]) == ([None, 1], [0, 0])


def test_without_times_of_resolution_nobody_knows_what_is_open():
    assert found([("a", 10)], [("a", 5, 6)], resolved=False) == ([5], [None])


# -- Properties ----------------------------------------------------------------------------------

WHO, WHEN = st.sampled_from("ab"), st.integers(0, 9)
CONTACTS = st.tuples(st.sampled_from(["a", "b", None]), WHEN, st.none() | WHEN)


@settings(max_examples=25, deadline=None)
@given(
    answers=st.lists(st.tuples(WHO, WHEN), min_size=1, max_size=6),
    contacts=st.lists(CONTACTS, max_size=12),
)
def test_both_equal_a_look_at_every_contact(answers, contacts):
    since, n_open = [], []
    for who, t in answers:
        earlier = [c for c in contacts if c[0] == who and c[1] < t]
        since.append(min((t - c[1] for c in earlier), default=None))
        n_open.append(sum(c[2] is None or c[2] > t for c in earlier))
    assert found(answers, contacts) == (since, n_open)
