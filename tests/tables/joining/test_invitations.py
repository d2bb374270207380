"""Which invitation an answer belongs to, and which invitations were answered."""

import datetime as dt

import ibis
import pyarrow as pa
import pytest

from cxmodel.tables.engines.engine import default_session
from cxmodel.tables.joining.invitations import ANSWER_DAYS, Invitations
from cxmodel.tables.sources import Source


def at(text):
    return dt.datetime.fromisoformat(text) if text else None


def table(names, rows):
    columns = {}
    for name, values in zip(names, zip(*rows, strict=True), strict=True):
        if name.endswith("_at"):
            columns[name] = pa.array([at(v) for v in values], pa.timestamp("us"))
        else:
            columns[name] = pa.array(values, pa.int64() if name == "row_number" else pa.string())
    return default_session().keep(ibis.memtable(pa.table(columns)), "test")


def invitations_of(asked, answers, names=("customer_id", "invited_at"), **about):
    kept = table(names, asked)
    source = Source(
        kind="invitations",
        label="sources.invitations",
        session=default_session(),
        table=kept,
        columns=frozenset(names),
        n_rows=len(asked),
    )
    by_id = ("invitation_id",) if "invitation_id" in names else ()
    answer_names = ("row_number", "customer_id", "responded_at", *by_id)
    return Invitations(invitations=source, answers=table(answer_names, answers), **about)


def rows(expr, *order):
    return [
        tuple(row.values()) for row in default_session().arrow(expr.order_by(order)).to_pylist()
    ]


# -- Worked by hand ------------------------------------------------------------------------------


def test_an_answer_belongs_to_the_latest_invitation_before_it():
    found = invitations_of(
        [("a", "2025-01-01"), ("a", "2025-01-10"), ("a", "2025-01-10"), ("b", "2025-01-05")],
        [
            (1, "a", "2025-01-09"),
            (2, "a", "2025-01-10"),  # the very moment of an invitation: at or before
            (3, "a", "2025-01-12"),
            (4, "b", "2025-01-04"),  # before it was asked
        ],
    )
    assert rows(found.matched(), "row_number") == [
        (1, at("2025-01-01")),
        (2, at("2025-01-10")),
        (3, at("2025-01-10")),
    ]
    assert rows(found.answered(), "customer_id", "invited_at") == [
        ("a", at("2025-01-01"), at("2025-01-09"), True),
        ("a", at("2025-01-10"), at("2025-01-10"), True),  # sent twice, answered twice: once
        ("b", at("2025-01-05"), None, False),
    ]


def test_an_answer_after_thirty_days_belongs_to_no_invitation():
    asked = [("a", "2025-01-01"), ("b", "2025-01-01")]
    answers = [(1, "a", "2025-01-31"), (2, "b", "2025-01-31T00:00:00.000001")]
    assert ANSWER_DAYS == 30  # methods 4
    found = invitations_of(asked, answers)
    assert rows(found.matched(), "row_number") == [(1, at("2025-01-01"))]
    assert [row[-1] for row in rows(found.answered(), "customer_id")] == [True, False]
    whenever = invitations_of(asked, answers, within_days=None)
    assert [row[-1] for row in rows(whenever.answered(), "customer_id")] == [True, True]


def test_an_id_is_believed_whatever_the_times_and_customers_say():
    found = invitations_of(
        [
            ("a", "2025-01-02", "i"),
            ("a", "2025-01-01", "i"),  # a reminder: the first one counts
            ("b", "2025-01-01", "j"),
            (None, "2025-01-01", "k"),
            ("c", "2025-01-01", None),
        ],
        [
            (1, "a", "2025-06-01", "i"),
            (2, "a", "2025-05-01", "i"),
            (3, "z", "2024-12-31", "j"),
            (4, "c", "2025-01-02", None),
        ],
        names=("customer_id", "invited_at", "invitation_id"),
    )
    assert rows(found.matched(), "row_number") == [
        (1, at("2025-01-01")),
        (2, at("2025-01-01")),
        (3, at("2025-01-01")),
    ]
    assert rows(found.answered(), "invitation_id") == [
        ("i", "a", at("2025-01-01"), at("2025-05-01"), True),
        ("j", "b", at("2025-01-01"), at("2024-12-31"), True),
        ("k", None, at("2025-01-01"), None, False),
    ]


def test_invitations_after_as_of_are_left_out():
    found = invitations_of(
        [("a", "2025-01-01"), ("a", "2025-01-05")],
        [(1, "a", "2025-01-06")],
        ends_at=dt.datetime(2025, 1, 5),
    )
    assert rows(found.matched(), "row_number") == [(1, at("2025-01-01"))]


# -- Errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("columns", "can_match"),
    [
        (("row_number", "customer_id", "responded_at"), True),
        (("row_number", "invitation_id"), True),
        (("row_number", "customer_id"), False),
    ],
)
def test_what_an_answer_needs_to_be_matched(columns, can_match):
    names = ("customer_id", "invited_at", "invitation_id")
    found = invitations_of([("a", "2025-01-01", "i")], [(1, "a", "2025-01-02", "i")], names=names)
    answers = found.answers.select(*columns)
    assert Invitations(invitations=found.invitations, answers=answers).can_match == can_match
