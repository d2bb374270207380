"""`cxmodel init URL`: the tables of a server are recognised, and the draft runs."""

from __future__ import annotations

import tomllib
from pathlib import Path

import psycopg
from servers import PostgresServer

from cxmodel.init_config import draft_config
from cxmodel.study import Study

TABLES = """
CREATE SCHEMA crm;
CREATE TABLE "My Answers" AS SELECT 'C' || i AS "Customer ID",
  timestamp '2026-01-01 10:00' + i * interval '1 hour' AS answered_at, i % 11 AS nps
  FROM generate_series(1, 60) i;
CREATE TABLE crm.orders AS SELECT i AS order_id, 'C' || i AS customer_id,
  date '2026-01-01' + i AS ordered_at FROM generate_series(1, 60) i;
CREATE VIEW crm.payments AS SELECT 1 + i % 60 AS order_id, (5.5 + i)::numeric(10, 2) AS amount
  FROM generate_series(1, 90) i;
CREATE TABLE crm.secret AS SELECT 1 AS a;
CREATE ROLE reader LOGIN;
GRANT USAGE ON SCHEMA crm TO reader;
GRANT SELECT ON "My Answers", crm.orders, crm.payments TO reader;
"""


def test_the_tables_of_postgresql_are_recognised(postgres: PostgresServer, tmp_path: Path) -> None:
    with psycopg.connect(postgres.url, autocommit=True) as con:
        con.execute(TABLES)
    url = postgres.url_of("reader")
    draft = draft_config([url], tmp_path)
    raw = tomllib.loads(draft.text)
    assert raw["engine"] == {"url": url}
    assert raw["sources"]["surveys"]["table"] == "My Answers"
    assert raw["sources"]["surveys"]["customer_id"] == "Customer ID"
    assert 'LEFT JOIN "crm"."orders"' in raw["sources"]["revenue"]["sql"]
    assert "secret" not in draft.text
    text = draft.text.replace("# decide: currency = ...", 'currency = "EUR"')
    (tmp_path / "cxmodel.toml").write_text(text)
    found = Study.from_toml(tmp_path / "cxmodel.toml").inspect()
    assert found.breaches == []
    assert found.n_rows == {"sources.surveys": 60, "sources.revenue": 90}
