"""One SELECT over known tables goes through, and nothing else."""

from __future__ import annotations

import pytest

from cxmodel.errors import SourceError
from cxmodel.tables.opening.sql_guard import rewrite_select

TABLES = {"orders": "cx_1", "customers": "cx_2"}


def rewrite(sql: str) -> str:
    return rewrite_select(sql, "sources.revenue", TABLES, lambda name: TABLES.get(name.lower()))


@pytest.mark.parametrize(
    ("sql", "wanted"),
    [
        ("SELECT a FROM orders", 'SELECT a FROM "cx_1" AS "orders"'),
        ("SELECT a FROM ORDERS o;", 'SELECT a FROM "cx_1" AS o'),
        ("SELECT orders.a FROM orders", 'SELECT orders.a FROM "cx_1" AS "orders"'),
        ("FROM orders", 'SELECT * FROM "cx_1" AS "orders"'),
        (
            "SELECT a FROM orders JOIN customers USING (id)",
            'SELECT a FROM "cx_1" AS "orders" JOIN "cx_2" AS "customers" USING (id)',
        ),
        (
            "SELECT 1 FROM orders UNION ALL SELECT 2 FROM customers",
            'SELECT 1 FROM "cx_1" AS "orders" UNION ALL SELECT 2 FROM "cx_2" AS "customers"',
        ),
        # The name that WITH gives hides the table, but not inside its own query.
        (
            "WITH orders AS (SELECT a FROM orders) SELECT a FROM orders",
            'WITH orders AS (SELECT a FROM "cx_1" AS "orders") SELECT a FROM orders',
        ),
        ("SELECT x FROM UNNEST([1, 2]) AS t(x)", "SELECT x FROM UNNEST([1, 2]) AS t(x)"),
    ],
)
def test_names_are_replaced_and_the_rest_is_kept(sql, wanted):
    assert rewrite(sql) == wanted


def test_a_recursive_query_may_name_itself():
    numbers = "SELECT 1 AS x UNION ALL SELECT x + 1 FROM n WHERE x < 3"
    sql = f"WITH RECURSIVE n AS ({numbers}) SELECT x FROM n"
    assert "FROM n WHERE" in rewrite(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM orders",
        "INSERT INTO orders VALUES (1)",
        "UPDATE orders SET a = 1",
        "DROP TABLE orders",
        "CREATE TABLE x AS SELECT 1",
        "COPY orders TO 'x.csv'",
        "ATTACH 'x.db'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET memory_limit = '1GB'",
        "PRAGMA database_list",
        "CALL pragma_version()",
        "EXPLAIN SELECT 1",
        "DESCRIBE orders",
        "VALUES (1)",
    ],
)
def test_other_statements_are_refused(sql, caplog):
    with pytest.raises(
        SourceError, match=r"sources\.revenue\.sql is no SELECT: it begins with [A-Z]+"
    ):
        rewrite(sql)
    assert not caplog.records


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_csv('x.csv')",
        "SELECT * FROM read_csv_auto('x.csv')",
        "SELECT * FROM read_parquet('x')",
        "SELECT * FROM read_json('x')",
        "SELECT * FROM read_text('x')",
        "SELECT * FROM parquet_scan('x')",
        "SELECT * FROM sqlite_scan('a', 'b')",
        "SELECT * FROM glob('*')",
        "SELECT * FROM duckdb_settings()",
        "SELECT * FROM query('SELECT 1')",
        "SELECT getenv('HOME') FROM orders",
        "SELECT a FROM orders WHERE a IN (SELECT b FROM read_csv('x'))",
    ],
)
def test_calls_that_look_outside_are_refused(sql):
    with pytest.raises(SourceError, match=r"calls \w+\(\), which reads outside the tables"):
        rewrite(sql)


@pytest.mark.parametrize("name", ["'data/x.csv'", '"x.parquet"', "'s3://bucket/x'"])
def test_a_path_is_no_table(name):
    with pytest.raises(SourceError, match=r"reads the file .*Name the file in \[tables\]"):
        rewrite(f"SELECT * FROM {name}")


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        (
            "SELECT * FROM orderz",
            r"names the table 'orderz', which is not there\. Did you mean 'orders'",
        ),
        ("SELECT * FROM information_schema.tables", r"Known: orders, customers"),
        ("SELECT 1; SELECT 2", r"holds 2 statements"),
        ("", r"holds 0 statements"),
        ("SELEC a FROM", r"begins with SELEC"),
        ("SELECT a FROM orders WHERE (", r"cannot be read"),
        ("SELECT 1; CALL x()", r"holds 2 statements"),
        ("SELECT * INTO x FROM orders", r"would change something \(INTO\)"),
        ("WITH d AS (DELETE FROM orders RETURNING *) SELECT * FROM d", r"would change something"),
    ],
)
def test_what_is_wrong_is_said(sql, message):
    with pytest.raises(SourceError, match=message):
        rewrite(sql)
