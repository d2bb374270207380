"""Rows of every kind of model: the same file, summary and errors on every engine."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from stored_models import fitted
from stored_rows import (
    file_by_hand,
    fitted_covariates,
    fitted_hazard,
    fitted_purchases,
    fitted_spend,
    fitted_value,
    histories,
    occasions,
)

from cxmodel.errors import SchemaError
from cxmodel.models.churn.stored import StoredChurnModel
from cxmodel.models.model_file import make_model_file
from cxmodel.models.retention.stored_hazard import read_hazard, store_hazard
from cxmodel.scoring.batches import score_batches
from cxmodel.scoring.on_engine import score_table
from cxmodel.scoring.row_models import RowScorer, row_scorer
from cxmodel.value.cltv.stored import read_cltv, store_cltv
from cxmodel.value.purchases.stored import read_purchases, store_purchases
from cxmodel.value.purchases.stored_spend import read_spend_model, store_spend

pytestmark = pytest.mark.usefixtures("workers_find_cxmodel")
ENGINES = ["duckdb_session", "postgres_session", "spark_session"]
N = 150


def owners(n: int) -> list[str]:
    """Two rows of most customers, in no order."""
    return [f"c{(i * 37) % n // 2:03d}" for i in range(n)]


def people(rng: np.random.Generator) -> pa.Table:
    """Rows for a hazard: with gaps, ratings off the scale and levels that were not seen."""
    segment = np.resize(np.array(["large", "small", "new", None, " small "], dtype=object), N)
    return pa.table(
        {
            "customer_id": owners(N),
            "rating": pa.array(np.resize([0.0, 5.0, 11.0, 9.0, np.nan, -1.0], N), from_pandas=True),
            "segment": segment.tolist(),
            "period": rng.integers(0, 20, N),
        }
    )


def money(*columns: str) -> pa.Table:
    """Rows for values with a contract: with gaps, and days that cannot be."""
    rng = np.random.default_rng(8)
    spent = np.where(rng.random(N) < 0.1, np.nan, rng.gamma(4.0, 25.0, N).round(2))
    known = {
        "revenue_before": spent,
        "monthly_revenue": spent,
        "days_observed_before": np.resize([180.0, np.nan, -3.0, 45.0, 400.0, np.inf], N),
        "tenure_months": np.resize([0.0, 3.0, 12.0], N),
    }
    arrays = {name: pa.array(known[name], from_pandas=True) for name in columns}
    return pa.table({"customer_id": owners(N), **arrays})


def bought(frame: pd.DataFrame, n: int = N) -> pa.Table:
    rows = pa.Table.from_pandas(frame.sample(n, random_state=3, replace=True), preserve_index=False)
    return rows.append_column("customer_id", pa.array(owners(n)))


def churn() -> tuple[StoredChurnModel, pa.Table]:
    obs, _, stored = fitted("gradient_boosting")
    rows = pa.Table.from_pandas(obs.to_frame()[list(stored.columns)].head(N), preserve_index=False)
    return stored, rows.append_column("customer_id", pa.array(owners(N)))


def of(model: Any, periods: float | None = None) -> RowScorer:
    scorer = row_scorer(model, periods)
    assert scorer is not None
    return scorer


def purchases(family: str, frame: Callable[[], pd.DataFrame]) -> tuple[RowScorer, pa.Table]:
    model = read_purchases(store_purchases(fitted_purchases(family)[1]), "the file")
    rows = frame()[list(model.columns)]
    return of(model, 5.0), bought(rows)


def value(kind: str) -> tuple[RowScorer, pa.Table]:
    scorer = of(read_cltv(store_cltv(fitted_value(kind)[1]), "the file"))
    if kind == "purchases":
        return scorer, bought(histories(200)[list(scorer.columns)])
    return scorer, money(*scorer.columns)


def by_window() -> tuple[RowScorer, pa.Table]:
    """A value that is linear in what was spent, and in the days observed."""
    columns = ["revenue_before", "days_observed_before"]
    line = {"mean_before": 40.0, "coefficients": [10.0, 0.5, 3.0, 0.1], "lookback_days": 90.0}
    file = file_by_hand("contract", window_months=2.0, spending_line=line)
    return of(read_cltv(file, "the file")), money(*columns)


def hazard() -> tuple[RowScorer, pa.Table]:
    return of(fitted_hazard(), 6), people(np.random.default_rng(5))


def by_covariates() -> tuple[RowScorer, pa.Table]:
    rows = people(np.random.default_rng(6))
    return of(fitted_covariates(), 6), rows.rename_columns({"period": "months"})


def spend() -> tuple[RowScorer, pa.Table]:
    model = read_spend_model(store_spend(fitted_spend()[1]), "the file")
    return of(model), bought(histories(200)[list(model.columns)])


KINDS: dict[str, Callable[[], tuple[Any, pa.Table]]] = {
    "churn, trees": churn,
    "hazard": hazard,
    "retention with covariates": by_covariates,
    "spend": spend,
    "BG/NBD": lambda: purchases("bg_nbd", histories),
    "Pareto/NBD": lambda: purchases("pareto_nbd", histories),
    "BG/BB": lambda: purchases("bg_bb", occasions),
    "value by a window": by_window,
    "value by tenure": lambda: value("tenure"),
    "value by purchases": lambda: value("purchases"),
}


def expected_of(model: Any, rows: pa.Table, output: Path) -> tuple[pa.Table, Any]:
    """Score rows in this process, in the order that engines give them."""
    names = [name for name in rows.column_names if name != "customer_id"]
    ordered = rows.sort_by([("customer_id", "ascending"), *((name, "ascending") for name in names)])
    batches = ordered.combine_chunks().to_batches(max_chunksize=40)
    summary = score_batches(model, batches, ordered.schema, output)
    return pq.read_table(output), summary


def same_summary(found: Any, expected: Any) -> None:
    """Hold every count of two summaries against each other."""
    for name, value in vars(expected).items():
        mine = getattr(found, name)
        if name == "drift":
            assert [row["column"] for row in mine.rows] == [row["column"] for row in value.rows]
            indices = [row["index"] for row in value.rows]
            assert [row["index"] for row in mine.rows] == pytest.approx(indices, rel=1e-9)
        elif isinstance(value, dict):
            some = {key: n for key, n in value.items() if n}
            assert {key: n for key, n in mine.items() if n} == pytest.approx(some, rel=1e-12)
        else:
            assert mine == pytest.approx(value, rel=1e-12, nan_ok=True)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_gives_the_rows_of_batches(request, engine, kind, tmp_path):
    session = request.getfixturevalue(engine)
    model, rows = KINDS[kind]()
    expected, summary = expected_of(model, rows, tmp_path / "expected.parquet")
    found = score_table(model, session, session.register(rows, "people"), tmp_path / "o.parquet")
    got = pq.read_table(tmp_path / "o.parquet")
    assert got.schema == expected.schema
    assert got["customer_id"].to_pylist() == expected["customer_id"].to_pylist()
    is_linear = kind == "value by a window"
    keys = ["customer_id", got.column_names[2]] if is_linear else []
    left, right = (
        table.to_pandas().sort_values(keys, ignore_index=True) if keys else table.to_pandas()
        for table in (got, expected)
    )
    pd.testing.assert_frame_equal(left, right, rtol=1e-12, atol=1e-12)
    same_summary(found, summary)
    assert found.lines(model) == summary.lines(model)


def test_there_is_something_to_count(tmp_path):
    """What the comparison above would not see where nothing is odd in any row."""
    hazard_summary = expected_of(*hazard(), tmp_path / "h.parquet")[1]
    assert hazard_summary.off_scale == {"rating": 50}
    assert hazard_summary.missing["rating"] == 75
    assert hazard_summary.unseen["segment"] > 0
    value_summary = expected_of(*by_window(), tmp_path / "v.parquet")[1]
    assert all(value_summary.odd[what] > 0 for what in ("no_days", "days_below"))
    assert math.isfinite(value_summary.means["cltv"])


@pytest.mark.parametrize("kind", ["value by a window", "BG/NBD"])
def test_the_order_is_that_of_code_points_whatever_the_collation(postgres_session, kind, tmp_path):
    session = postgres_session
    model, rows = KINDS[kind]()
    names = ["a", "B", "_x", "Z", "b", "\u00e4", "9", "10", ""]
    few = rows.slice(0, len(names)).set_column(
        rows.column_names.index("customer_id"), "customer_id", pa.array(names)
    )
    table = session.register(few, "few")
    kept = session.fresh_name("collated")
    # as somebody else's table: under the collation of the server, in which a comes before B
    session.backend.raw_sql(
        f'CREATE TEMPORARY TABLE {kept} AS SELECT *, customer_id COLLATE "default" AS theirs '
        f"FROM {table.get_name()}"
    )
    session.backend.raw_sql(f"ALTER TABLE {kept} DROP COLUMN customer_id")
    session.backend.raw_sql(f"ALTER TABLE {kept} RENAME COLUMN theirs TO customer_id")
    score_table(model, session, session.backend.table(kept), tmp_path / "o.parquet")
    assert pq.read_table(tmp_path / "o.parquet")["customer_id"].to_pylist() == sorted(names)


@pytest.mark.parametrize("engine", ENGINES)
def test_an_error_of_a_row_has_the_same_words(request, engine, tmp_path):
    session = request.getfixturevalue(engine)
    model, rows = purchases("pareto_nbd", histories)
    recency = rows["recency"].to_pylist()
    names = rows["customer_id"].to_pylist()
    # the last row of all, in order of the customer
    last = max(range(N), key=lambda i: (names[i], rows["frequency"][i].as_py()))
    recency[last] = 1e6
    wrong = rows.set_column(rows.column_names.index("recency"), "recency", pa.array(recency))
    said = rf"^Row {N} of the table, in order of customer_id: .* recency is negative or beyond T"
    with pytest.raises(SchemaError, match=said):
        score_table(model, session, session.register(wrong, "wrong"), tmp_path / "o.parquet")


def test_workers_read_the_model_that_was_loaded(spark_session, tmp_path):
    # as of another day, its version is another too, and travels
    fit = read_hazard(
        make_model_file("hazard", store_hazard(fitted_hazard()).content, created_at=None), "it"
    )
    scorer = of(fit, 6)
    rows = people(np.random.default_rng(5))
    table = spark_session.register(rows, "people")
    score_table(scorer, spark_session, table, tmp_path / "o.parquet")
    assert set(pq.read_table(tmp_path / "o.parquet")["model_version"].to_pylist()) == {
        scorer.version
    }
