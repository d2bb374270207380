"""Scores where the table lies: the same probabilities on every engine as in batches."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from stored_models import HOSTILE, by_hand, fitted, observations

from cxmodel.errors import SchemaError, SourceError
from cxmodel.models.churn.classifier import ChurnClassifier
from cxmodel.models.churn.expression import scored_table
from cxmodel.models.churn.model import ChurnModel
from cxmodel.models.churn.stored import store_churn
from cxmodel.scoring.churn_rows import score_batch
from cxmodel.scoring.on_engine import open_table, score_table
from cxmodel.scoring.summary import Tally

ENGINES = ["duckdb_session", "postgres_session", "spark_session"]


pytestmark = pytest.mark.usefixtures("workers_find_cxmodel")


def rows() -> pa.Table:
    """Rows with everything that may go wrong in them, twice the same customer too."""
    words = [*HOSTILE, "plain", " plain ", "never seen", "", None]
    n = 4 * len(words)
    rating = np.resize([0.0, 3.5, 10.0, np.nan, np.inf, -1e300, 11.0, -1.0], n)
    return pa.table(
        {
            "customer_id": [f"c{i // 2:03d}" for i in range(n)],
            "rating": pa.array(rating, from_pandas=True),
            "revenue_before": pa.array(np.resize([12.5, -3.0, 1e6], n)),
            "plan": np.resize(np.array(words, dtype=object), n).tolist(),
        }
    )


def in_batches(model, table: pa.Table) -> tuple[pd.DataFrame, object]:
    tally = Tally(model)
    parts = [score_batch(model, b, tally) for b in table.combine_chunks().to_batches()]
    found = pa.Table.from_batches(parts).to_pandas().sort_values(["customer_id", "prob_churn"])
    return found.reset_index(drop=True), tally.summary()


def isotonic():
    obs = observations(1_200, 3, isotonic=True)
    result = ChurnModel().fit(obs)
    classifier = ChurnClassifier(calibration="isotonic").fit(
        result.features.matrix(obs.frame), obs.frame["churned"].to_numpy().astype(int)
    )
    object.__setattr__(result, "model", classifier)
    return store_churn(result)


@pytest.fixture(scope="module", params=["sigmoid", "isotonic", "by hand", "trees"])
def model(request):
    if request.param == "isotonic":
        return isotonic()
    if request.param == "by hand":
        return by_hand()
    return fitted("gradient_boosting" if request.param == "trees" else "logistic")[2]


@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_gives_the_probabilities_of_batches(request, engine, model, tmp_path):
    session = request.getfixturevalue(engine)
    expected, summary = in_batches(model, rows())
    table = session.register(rows(), "people")
    found = score_table(model, session, table, tmp_path / "out.parquet")
    got = pd.read_parquet(tmp_path / "out.parquet")
    got = got.sort_values(["customer_id", "prob_churn"]).reset_index(drop=True)
    pd.testing.assert_frame_equal(got, expected, rtol=0, atol=1e-12)
    for name in ("n_rows", "n_unseen", "n_filled", "off_scale"):
        assert getattr(found, name) == getattr(summary, name)
    drift = {row["column"]: row["index"] for row in found.drift.rows}
    assert drift == pytest.approx({r["column"]: r["index"] for r in summary.drift.rows})


@pytest.mark.parametrize("engine", ENGINES)
def test_numbers_and_flags_of_other_types(request, engine):
    session = request.getfixturevalue(engine)
    model = by_hand()
    table = session.register(
        pa.table({"customer_id": ["a", "b", "c"], "rating": ["5", " 6.5 ", ""],
                  "plan": ["a", "b", "a"]}),
        "texts",
    )  # fmt: skip
    found = session.arrow(scored_table(model, table).order_by("customer_id"))
    # log-odds 0; 0.5 x 0.75 + 1; 0.5 + 2
    expected = 1 / (1 + np.exp(-np.array([0.0, 1.375, 2.5])))
    np.testing.assert_allclose(found["prob_churn"], expected, atol=1e-12)
    whole = session.register(pa.table({"rating": [5], "plan": ["a"]}), "whole")
    assert session.arrow(scored_table(model, whole))["prob_churn"].to_pylist() == [0.5]


def test_extreme_scores_stay_probabilities(request):
    """PostgreSQL refuses exp(1000), and the far end is 0 or 1 all the same."""
    model = by_hand(rating=None)
    for engine in ENGINES[:2]:
        session = request.getfixturevalue(engine)
        table = session.register(
            pa.table({"customer_id": ["a"], "rating": [-1e6], "plan": ["a"]}), "far"
        )
        found = session.arrow(scored_table(model, table))["prob_churn"].to_pylist()
        assert found == pytest.approx([0.0], abs=1e-200)


def test_a_table_of_the_server_is_found_by_its_name(postgres_session, tmp_path):
    session = postgres_session
    session.backend.raw_sql("CREATE SCHEMA crm")
    session.backend.raw_sql(
        "CREATE TABLE crm.people AS SELECT 'a' AS customer_id, 5.0::numeric AS rating, "
        "'b'::text AS plan, 1 AS other"
    )
    model = by_hand()
    table = open_table(session, "crm.people", model)
    assert score_table(model, session, table, tmp_path / "out.csv").n_rows == 1
    with pytest.raises(SourceError, match=r"no table 'crm.nobody' on PostgreSQL"):
        open_table(session, "crm.nobody", model)


def test_what_cannot_be_scored_on_an_engine_is_told(duckdb_session, tmp_path):
    session, model = duckdb_session, by_hand()
    table = session.register(pa.table({"rating": [5.0], "plan": ["a"]}), "nameless")
    with pytest.raises(SchemaError, match="no customer_id, so nobody could tell whose"):
        score_table(model, session, table, tmp_path / "out.csv")
    with pytest.raises(SchemaError, match="no column 'plan'"):
        model.expression(session.register(pa.table({"rating": [5.0]}), "less"))
    with pytest.raises(SchemaError, match="'plan' held words at the fit and holds int64 now"):
        model.expression(session.register(pa.table({"rating": [5.0], "plan": [1]}), "wrong"))
    with pytest.raises(SchemaError, match="has the column 'prob_churn' already"):
        model.expression(session.register(
            pa.table({"rating": [5.0], "plan": ["a"], "prob_churn": [1.0]}), "taken"
        ))  # fmt: skip
    trees = fitted("gradient_boosting")[2]
    with pytest.raises(ValueError, match="trees are no expression"):
        trees.expression(session.register(rows(), "people"))
