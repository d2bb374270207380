"""What is wrong with a table is said in the same words on every engine."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from checking import check_sources

from cxmodel.scales import CSAT5, NPS
from cxmodel.tables.engines.engine import Session
from cxmodel.tables.opening.plausibility import worth_a_look
from cxmodel.tables.sources import open_sources
from cxmodel.tables.specs import RatingSpec, SourceSpec

SLOW = pytest.mark.slow  # Spark takes seconds over each
NAMES = ["select", "months", "Order", 'a "b"', "c d", "e.f", "g`h", "Größe ж 名", "x" * 60, "n'n"]


@pytest.fixture(params=["postgres_session", "spark_session"])
def other(request: pytest.FixtureRequest) -> Session:
    return request.getfixturevalue(request.param)


def ledger(**columns: Any) -> SourceSpec:
    n = len(next(iter(columns.values())))
    usual = {"customer_id": ["a"] * n, "booked_at": ["2025-01-01"] * n, "amount": [1.0] * n}
    return SourceSpec(kind="revenue", data=pd.DataFrame({**usual, **columns}))


def answers(**columns: Any) -> SourceSpec:
    n = len(next(iter(columns.values())))
    usual = {"customer_id": ["a"] * n, "responded_at": ["2025-01-01"] * n, "q1": [5] * n}
    ratings = {"nps": RatingSpec("q1", NPS)}
    return SourceSpec(kind="surveys", data=pd.DataFrame({**usual, **columns}), ratings=ratings)


def stay(**columns: Any) -> SourceSpec:
    data = pd.DataFrame({"customer_id": ["a", "b", "c"], **columns})
    return SourceSpec(kind="customers", data=data, attributes=("plan",) if "plan" in data else ())


def at(data: list[str], **options: Any) -> SourceSpec:
    frame = pd.DataFrame({"customer_id": ["a"] * len(data), "churned_at": data})
    return SourceSpec(kind="churn", data=frame, **options)


BAD = {
    "amounts as text": ledger(amount=["1", "1,234.56", " ", "$3"]),
    "infinite amounts": ledger(amount=[1.0, float("inf"), float("nan")]),
    "large amounts": ledger(amount=[1e15, 2.0]),
    "seconds since 1970": ledger(booked_at=[1_756_512_000, 1_756_512_001]),
    "seconds as text": ledger(booked_at=["1756512000", "1756512001"]),
    "ratings outside": answers(q1=[3, 11, 12]),
    "ratings between": answers(q1=[3.5, 4.0, 2.25]),
    "ratings as text": answers(q1=["3", "good", "4"]),
    "two formats": at(["31/12/2025", "2025-12-30", "2025-12-31"]),
    "ambiguous dates": at(["03/04/2025", "05/06/2025"]),
    "no dates": at(["soon", "later"]),
    "another clock": at(["2025-07-01 12:00Z", "2025-07-01 14:00"]),
    "a missing hour": at(["2025-03-30 02:30", "2025-03-30 03:30"], time_zone="Europe/Berlin"),
    "a day that is none": at(["2025-02-30", "2025-02-28"]),
    "long ago": at(["0012-02-28", "2025-02-28"]),
    "repeated customers": stay(customer_id=["a", "b", "a"]),
    "times in no order": stay(started_at=["2025-01-01"] * 3, churned_at=["2024-01-01", "", ""]),
    "the future": ledger(booked_at=["2025-01-01", "2150-01-01"]),
    "no flag": SourceSpec(
        kind="observations",
        data=pd.DataFrame({"churned": ["yes", "perhaps", "no"], "s": [1, 2, 9]}),
        ratings={"csat": RatingSpec("s", CSAT5)},
    ),
}


def said(session: Session, spec: SourceSpec) -> tuple[list[str], list[str]]:
    breaches, warnings = check_sources([spec], session, currency="EUR")
    return [f"{type(breach).__name__}: {breach}" for breach in breaches], warnings


@pytest.mark.parametrize("name", BAD)
def test_a_frame_is_refused_in_the_same_words(name, postgres_session, duckdb_session):
    expected = said(duckdb_session, BAD[name])
    assert expected != ([], [])
    assert said(postgres_session, BAD[name]) == expected


@pytest.mark.parametrize(
    "name",
    [
        name if name in ("ratings outside", "another clock") else pytest.param(name, marks=SLOW)
        for name in BAD
    ],
)
def test_a_frame_is_refused_in_the_same_words_on_spark(name, spark_session, duckdb_session):
    assert said(spark_session, BAD[name]) == said(duckdb_session, BAD[name])


@pytest.mark.parametrize("name", ["amounts as text", "a missing hour"])
def test_a_table_without_order_is_refused_in_the_same_words(name, other, duckdb_session):
    spec = BAD[name]

    def on(session: Session) -> tuple[list[str], list[str]]:
        table = session.register(spec.data.astype(object).convert_dtypes())
        return said(session, SourceSpec(**{**vars(spec), "data": table}))

    expected = on(duckdb_session)
    assert "row" not in expected[0][0]
    assert on(other) == expected


def test_keys_spelt_in_two_ways_are_told_in_the_same_words(other, duckdb_session):
    specs = [answers(customer_id=["a", "B", "07 "]), stay(customer_id=["a", "b", "7.0"])]
    for session in (duckdb_session, other):
        assert worth_a_look(open_sources(specs, session), None) == [
            "2 customer_id(s) of sources.surveys are in sources.customers only in another spelling "
            "('07 ' against '7.0'): they count as other people. Make the two alike with sql."
        ]


def test_columns_with_strange_names_are_carried(other, duckdb_session):
    frame = pd.DataFrame({"customer_id": ["a", "b", "c"], "n": [1, 2, 3]})
    for i, name in enumerate(NAMES):
        frame[name] = ["<b>x</b>", f"'; DROP TABLE t{i}; --", "=1+1"]
    spec = SourceSpec(kind="customers", data=frame, attributes=tuple(NAMES))
    found = open_sources([spec], other).by_kind["customers"]
    expected = open_sources([spec], duckdb_session).by_kind["customers"]
    assert found.attributes == tuple(NAMES)
    assert found.fingerprint() == expected.fingerprint()
    rows = found.to_frame().sort_values("customer_id")
    assert rows[NAMES[3]].tolist() == ["<b>x</b>", "'; DROP TABLE t3; --", "=1+1"]
