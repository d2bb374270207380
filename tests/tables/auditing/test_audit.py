"""Every response counted once, every booking counted once."""

import datetime as dt

import ibis
import pyarrow as pa
import pytest

from cxmodel.errors import JoinError
from cxmodel.scales import NPS
from cxmodel.tables.auditing.audit import REASONS, ResponseCounts, count_reasons, label_responses
from cxmodel.tables.auditing.reconciliation import Reconciliation, union_of_spans
from cxmodel.tables.engines.engine import default_session
from cxmodel.tables.observation_table import Windows
from cxmodel.tables.observations import join_observations
from cxmodel.tables.sources import Source

KINDS = {
    "row_number": pa.int64(),
    "amount_units": pa.int64(),
    "monthly_units": pa.int64(),
    "rating_nps": pa.float64(),
}


def kind_of(name):
    return pa.timestamp("us") if name.endswith("_at") else KINDS.get(name, pa.string())


def table(names, *rows):
    columns = {}
    for name, values in zip(names, zip(*rows, strict=True), strict=True):
        if name.endswith("_at"):
            values = [dt.datetime.fromisoformat(v) if v else None for v in values]
        columns[name] = pa.array(values, kind_of(name))
    return default_session().keep(ibis.memtable(pa.table(columns)), "test")


def source(kind, names, *rows, **about):
    made = table(names, *rows)
    return Source(
        kind=kind,
        label=f"sources.{kind}",
        session=default_session(),
        table=made,
        columns=frozenset(names),
        n_rows=len(rows),
        **about,
    )


SURVEYS = ("row_number", "customer_id", "responded_at", "rating_nps", "comment")


def surveys(*rows):
    return source("surveys", SURVEYS, *rows, ratings={"nps": NPS})


def ledger(*rows):
    return source("revenue", ("customer_id", "booked_at", "amount_units"), *rows, currency="USD")


# -- Worked by hand ------------------------------------------------------------------------------


def test_each_response_has_the_first_reason_that_applies():
    responses = table(
        SURVEYS,
        (1, None, None, None, "all at once: no customer comes first"),
        (2, "a", None, None, ""),
        (3, "a", "2030-01-01", None, ""),
        (4, "a", "2030-01-01", 9.0, ""),
        (5, "a", "2025-06-01", 9.0, "same"),
        (6, "a", "2025-06-01", 9.0, "same"),
        (7, "a", "2025-06-01", 9.0, "same"),
        (8, "a", "2025-06-01", 9.0, "another comment is another response"),
        (9, "z", "2025-06-01", 9.0, None),
        (10, "z", "2025-06-01", 9.0, None),
    )
    labelled = label_responses(
        responses,
        rating="nps",
        ends_at=dt.datetime(2026, 1, 1),
        known=table(("customer_id",), ("a",), (None,)),
    )
    rows = labelled.order_by("row_number").to_pyarrow().to_pylist()
    assert [row["_reason"] for row in rows] == [
        "missing_customer_id",
        "missing_responded_at",
        "missing_rating",
        "after_as_of",
        None,
        "duplicate_response",
        "duplicate_response",
        None,
        "unmatched_customer",
        "duplicate_response",
    ]
    section = count_reasons(default_session(), labelled).to_section()
    assert section["n_responses"] == 10
    assert section["n_observations"] == 2
    assert [row["reason"] for row in section["dropped"]["rows"]] == list(REASONS)
    assert [row["n"] for row in section["dropped"]["rows"]] == [1, 1, 1, 1, 3, 1]
    assert section["match_rate"] == 2 / 3


def test_nobody_that_got_so_far_has_no_match_rate():
    assert ResponseCounts(n_observations=0, dropped={"missing_rating": 4}).match_rate is None


def test_each_booking_has_one_place():
    obs = join_observations(
        surveys((1, "a", "2025-06-15", 9.0, ""), (2, "a", "2025-06-20", 9.0, "")),
        revenue=ledger(
            ("a", "2025-06-14", 1_0000),  # in windows of both responses: once
            ("a", "2025-06-15", 2_0000),  # the moment of one response, before the other
            ("a", "2025-06-20", 4_0000),
            ("a", "2025-01-01", 8_0000),  # outside
            ("b", "2025-06-14", 16_0000),  # answered nothing
            (None, "2025-06-14", 32_0000),
            ("a", "2025-12-31T23:59:59", 64_0000),
            ("b", "2026-01-01", 128_0000),  # after as_of before anything else
            ("a", "2025-06-16", -3_0000),
        ),
        windows=Windows(lookback_days=10, outcome_days=20),
        as_of="2025-12-31",
    )
    assert obs.audit["revenue_total"] == 252.0
    assert obs.audit["revenue_reconciled"] == {
        "in_windows": 4.0,
        "outside_windows": 72.0,
        "unmatched": 48.0,
        "after_as_of": 128.0,
        "difference": 0.0,
    }
    assert obs.audit["rows_after_as_of"] == {"revenue": 1}
    assert obs.audit["refunds"] == {"n": 1, "total": -3.0}


def test_each_day_of_a_subscription_has_one_place():
    names = ("customer_id", "started_at", "ended_at", "monthly_units")
    obs = join_observations(
        surveys((1, "a", "2025-06-15T12:00:00", 9.0, "")),
        subscriptions=source(
            "subscriptions",
            names,
            ("a", "2025-05-01", "2025-07-31", 487_0000),  # 16 a day
            ("b", "2025-12-30", None, 487_0000),  # two days, to the end of as_of
            ("a", "2025-12-31", "2026-01-02", 487_0000),  # one day inside, one after
            currency="USD",
        ),
        windows=Windows(lookback_days=10, outcome_days=20),
        as_of="2025-12-31",
    )
    # The windows reach from the midnight of 17 May to that of 5 July: 50 days of the 91.
    assert obs.audit["revenue_total"] == 16.0 * (91 + 2 + 2)
    assert obs.audit["revenue_reconciled"] == {
        "in_windows": 16.0 * 50,
        "outside_windows": 16.0 * (41 + 1),
        "unmatched": 16.0 * 2,
        "after_as_of": 16.0,
        "difference": 0.0,
    }


def test_spans_that_touch_or_overlap_are_one():
    spans = table(
        ("customer_id", "row_number", "amount_units"),
        *[("a", 0, 5), ("a", 5, 6), ("a", 1, 2), ("a", 1, 2), ("a", 8, 9), ("b", 5, 8)],
    )
    merged = union_of_spans(
        spans.select("customer_id", begin=spans.row_number, past=spans.amount_units)
    )
    rows = merged.order_by(["customer_id", "begin"]).to_pyarrow().to_pylist()
    assert [tuple(row.values()) for row in rows] == [("a", 0, 6), ("a", 8, 9), ("b", 5, 8)]


def test_a_difference_is_what_the_parts_lack():
    assert Reconciliation(total=10, parts={"in_windows": 4, "unmatched": 7}).difference == -1


def test_customers_without_bookings_and_bookings_without_customers_are_counted():
    obs = join_observations(
        surveys((1, "a", "2025-06-15", 9.0, ""), (2, "b", "2025-06-15", 9.0, "")),
        customers=source("customers", ("customer_id",), ("a",), ("b",)),
        revenue=ledger(("a", "2025-06-20", 1_0000), ("q", "2025-06-20", 5_0000)),
    )
    assert obs.frame.revenue_before.tolist() == [0.0, 0.0]
    assert obs.audit["n_customers_observed"] == 2
    assert obs.audit["n_customers_without_bookings"] == 1
    assert obs.audit["unknown_customers"] == {"n_customers": 1, "n": 1, "total": 5.0}
    assert obs.audit["match_rate"] == 1.0


def test_rows_without_a_customer_or_a_time_are_counted():
    times = ("customer_id", "started_at")
    obs = join_observations(
        surveys((1, "a", "2025-06-15", 9.0, "")),
        revenue=ledger(("a", "2025-06-14", 1_0000), (None, "2025-06-14", 2_0000)),
        interactions=source(
            "interactions", times, ("a", "2025-06-14"), (None, "2025-06-14"), ("a", None)
        ),
        invitations=source(
            "invitations", ("customer_id", "invited_at"), (None, None), ("a", "2025-06-14")
        ),
        as_of="2025-12-31",
    )
    assert obs.audit["rows_without_key"] == {"revenue": 1, "interactions": 2, "invitations": 1}
    assert obs.frame.contacts_before.tolist() == [1.0]


def test_without_customers_whoever_is_not_in_the_ledger_is_unmatched():
    obs = join_observations(
        surveys((1, "a", "2025-06-15", 9.0, ""), (2, "b", "2025-06-15", 9.0, "")),
        revenue=ledger(("a", "2025-06-20", 1_0000)),
    )
    assert obs.audit["match_rate"] == 0.5


# -- Errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ours", "theirs", "difference"),
    [
        ("A1", "a1", "letter case"),
        ("a1", " a1", "blanks around the key"),
        ("17", "17.0", "a trailing .0"),
        ("17", "0017", "leading zeros"),
        ("C-0017", "c-17", "letter case, blanks and leading zeros"),
    ],
)
def test_what_keeps_keys_apart_is_named(ours, theirs, difference):
    with pytest.raises(JoinError, match=f"Check the key: the two differ by {difference}"):
        join_observations(
            surveys((1, ours, "2025-06-15", 9.0, "")),
            customers=source("customers", ("customer_id",), (theirs,)),
        )


def test_keys_that_have_nothing_in_common_are_shown():
    with pytest.raises(JoinError, match=r"customers \(1 against 2 ids; 'a' against 'x'\)\. Check"):
        join_observations(
            surveys((1, "a", "2025-06-15", 9.0, "")),
            customers=source("customers", ("customer_id",), ("x",), ("y",)),
        )


def test_churn_of_other_people_is_no_error_unless_spelling_explains_it():
    answers = surveys((1, "a", "2025-06-15", 9.0, ""))
    names = ("customer_id", "churned_at")
    obs = join_observations(answers, churn=source("churn", names, ("x", "2025-06-20")))
    assert obs.n_obs == 1
    with pytest.raises(JoinError, match=r"occurs in churn .* differ by letter case"):
        join_observations(answers, churn=source("churn", names, ("A", "2025-06-20")))


def test_a_ledger_of_strangers_is_refused_though_customers_match():
    with pytest.raises(JoinError, match="occurs in revenue"):
        join_observations(
            surveys((1, "a", "2025-06-15", 9.0, "")),
            customers=source("customers", ("customer_id",), ("a",)),
            revenue=ledger(("x", "2025-06-20", 1_0000)),
        )
