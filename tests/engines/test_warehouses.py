"""Snowflake and BigQuery: the SQL of the observation table compiles. Nobody has run it there."""

from __future__ import annotations

import datetime as dt

import ibis
import pytest
import sqlglot

import cxmodel as cx
from cxmodel.tables.joining.columns import stored_table
from cxmodel.tables.joining.history import Horizon
from cxmodel.tables.joining.observation_columns import observation_columns
from cxmodel.tables.joining.observation_join import ObservationJoin
from cxmodel.tables.sources import Source, Sources
from cxmodel.tables.times.calendar_days import Calendar

TIME = "timestamp(6)"
COLUMNS = {
    "surveys": {"row_number": "int64", "customer_id": "string", "responded_at": TIME,
                "rating_nps": "float64", "touchpoint": "string"},
    "customers": {"customer_id": "string", "started_at": TIME, "churned_at": TIME,
                  "segment": "string"},
    "revenue": {"customer_id": "string", "booked_at": TIME, "amount_units": "int64"},
    "subscriptions": {"customer_id": "string", "started_at": TIME, "ended_at": TIME,
                      "monthly_units": "int64"},
    "interactions": {"customer_id": "string", "started_at": TIME, "resolved_at": TIME},
}  # fmt: skip


def source(kind: str) -> Source:
    return Source(
        kind=kind,
        label=f"sources.{kind}",
        session=None,  # nothing is asked: the expression is only written
        table=ibis.table(COLUMNS[kind], name=kind),
        ratings={"nps": cx.NPS} if kind == "surveys" else {},
        attributes=("segment",) if kind == "customers" else (),
        columns=frozenset(COLUMNS[kind]),
        n_rows=1,
    )


@pytest.mark.parametrize("dialect", ["snowflake", "bigquery"])
@pytest.mark.parametrize("plan", ["range", "stack"])
@pytest.mark.parametrize("kinds", [("customers", "revenue", "interactions"), ("subscriptions",)])
def test_the_observation_table_compiles(kinds, plan, dialect):
    sources = {kind: source(kind) for kind in ("surveys", *kinds)}
    join = ObservationJoin(
        sources=Sources(session=None, by_kind=sources, currency="USD"),
        windows=cx.Windows(),
        horizon=Horizon(
            as_of=dt.date(2025, 12, 31),
            ends_at=dt.datetime(2026, 1, 1),
            ledger_starts_at=dt.datetime(2020, 1, 1),
            calendar=Calendar(
                time_zone="Europe/Berlin", low=dt.datetime(2020, 1, 1), high=dt.datetime(2026, 1, 1)
            ),
        ),
        responses=sources["surveys"].table,
        wanted_plan=plan,
    )
    rows = join.joined()
    attributes = ["segment"] if "customers" in kinds else []
    table = stored_table(rows, observation_columns(join, rows, rating="nps", attributes=attributes))
    sql = ibis.to_sql(table, dialect=dialect)
    assert isinstance(sqlglot.parse_one(sql, dialect=dialect), sqlglot.exp.Select)
    assert "revenue_after_units" in sql
