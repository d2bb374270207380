"""Files scored in batches: the model's own probabilities, whatever the file looks like."""

from __future__ import annotations

import csv
import errno
import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stored_models import HOSTILE, by_hand, fitted

from cxmodel.errors import OutputError, SchemaError, SourceError
from cxmodel.models.churn.stored import StoredChurnModel
from cxmodel.scoring import batches
from cxmodel.scoring.batches import score_file
from cxmodel.scoring.churn_rows import score_batch
from cxmodel.scoring.encode import encode
from cxmodel.scoring.summary import Tally
from cxmodel.scoring.write import ScoreWriter, check_replaceable, score_schema


def scored(model: StoredChurnModel, table: pa.Table) -> tuple[pa.Table, Tally]:
    tally = Tally(model)
    parts = [score_batch(model, batch, tally) for batch in table.combine_chunks().to_batches()]
    return pa.Table.from_batches(parts), tally


# -- By hand -------------------------------------------------------------------------------------


def test_flags_and_sums_by_hand(hand_model):
    table = pa.table(
        {
            "customer_id": ["x", "x", None],
            "rating": pa.array([5.0, None, float("inf")]),
            "plan": ["a", " b", "new"],
        }
    )
    found, tally = scored(hand_model, table)
    # log-odds 0; 0.5 + 2 + 1; 0.5 + 2: see by_hand
    expected = [0.5, 1 / (1 + np.exp(-3.5)), 1 / (1 + np.exp(-2.5))]
    assert found["prob_churn"].to_pylist() == pytest.approx(expected)
    assert found["customer_id"].to_pylist() == ["x", "x", None]
    assert found["has_unseen_level"].to_pylist() == [False, False, True]
    assert found["has_filled_value"].to_pylist() == [False, True, True]
    assert set(found["model_version"].to_pylist()) == {hand_model.version}
    summary = tally.summary()
    assert (summary.n_rows, summary.unseen, summary.filled) == (3, {"plan": 1}, {"rating": 2})
    said = "\n".join(summary.lines(hand_model))
    assert "Scored 3 rows with model" in said
    assert "1 row with a level that the model did not learn about (plan: 1)" in said
    assert "2 rows with a missing value (rating: 2)" in said


def test_formulas_in_ids_are_made_safe_in_csv_and_kept_in_parquet(hand_model, tmp_path):
    ids = ["=1+1", "+49", "-x", "@SUM(A1)", "\tx", "  =1", "a\x00b", 'q"', "a,b", "plain", None]
    n = len(ids)
    rows = pa.table({"customer_id": ids, "rating": [5.0] * n, "plan": ["a"] * n})
    pq.write_table(rows, tmp_path / "in.parquet")
    score_file(hand_model, str(tmp_path / "in.parquet"), tmp_path / "out.csv")
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as stream:
        found = [row["customer_id"] for row in csv.DictReader(stream)]
    assert found == ["'=1+1", "'+49", "'-x", "'@SUM(A1)", "'\tx", "'  =1", "a\ufffdb", 'q"',
                     "a,b", "plain", ""]  # fmt: skip
    score_file(hand_model, str(tmp_path / "in.parquet"), tmp_path / "out.parquet")
    assert pq.read_table(tmp_path / "out.parquet")["customer_id"].to_pylist() == ids


def test_numbers_as_ids_stay_numbers(hand_model, tmp_path):
    rows = pa.table({"customer_id": [7, -3], "rating": [5, 6], "plan": ["a", "a"]})
    pq.write_table(rows, tmp_path / "in.parquet")
    score_file(hand_model, str(tmp_path / "in.parquet"), tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text().splitlines()[2].startswith("-3,")


# -- Against the fitted model --------------------------------------------------------------------


@pytest.mark.parametrize("form", ["parquet", "csv", "csv.gz", "many"])
def test_a_file_gives_what_the_fitted_model_predicts(fit, form, tmp_path, monkeypatch):
    obs, result, stored = fit
    frame = obs.to_frame()[["plan", "customer_id", "revenue_before", "rating"]]
    table = pa.Table.from_pandas(frame, preserve_index=False)
    path = tmp_path / f"in.{form}"
    if form == "parquet":
        pq.write_table(table, path)
    elif form == "many":
        for i in range(3):
            pq.write_table(table.slice(200 * i, 200), tmp_path / f"part-{i}.parquet")
        path = tmp_path / "part-*.parquet"
    else:
        with pa.output_stream(path, compression="gzip" if form.endswith("gz") else None) as sink:
            pa_csv.write_csv(table, sink)
    monkeypatch.setattr(batches, "BATCH_ROWS", 64)
    summary = score_file(stored, str(path), tmp_path / "out.parquet")
    found = pq.read_table(tmp_path / "out.parquet").to_pandas()
    assert found["customer_id"].tolist() == obs.frame["customer_id"].tolist()
    expected = result.predict(obs).prob_churn.to_numpy()
    np.testing.assert_allclose(found["prob_churn"], expected, rtol=0, atol=1e-12)
    assert summary.n_rows == 600
    assert summary.drift.verdict == "pass"
    drift = stored.drift(obs)
    assert [row["index"] for row in summary.drift.rows] == pytest.approx(
        [row["index"] for row in drift.rows]
    )


def test_many_kinds_of_columns_are_read_alike(hand_model):
    plain = pa.table({"rating": [5.0, 6.0, None], "plan": ["a", "b", None]})
    expected, _ = scored(hand_model, plain)
    for kind in (pa.int8(), pa.float32(), pa.decimal128(9, 2), pa.string(), pa.large_string()):
        for words in (pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())):
            table = pa.table(
                {"rating": plain["rating"].cast(pa.int8()).cast(kind),
                 "plan": plain["plan"].cast(words)}
            )  # fmt: skip
            assert scored(hand_model, table)[0] == expected


def test_flags_are_the_words_that_a_study_makes_of_them():
    # plan "true" weighs 1, see by_hand
    column = {"name": "plan", "type": "words", "reference": None, "levels": ["true"],
              "profile": {"levels": ["false", "true"], "counts": [300, 100, 0],
                          "known": ["false", "true"]}}  # fmt: skip
    linear = {"kind": "linear", "mean": [0.0], "scale": [1.0], "coefficients": [1.0],
              "intercept": 0.0}  # fmt: skip
    stored = by_hand(columns=[column], model=linear)
    table = pa.table({"plan": [True, False]})
    expected = pytest.approx([1 / (1 + np.exp(-1.0)), 0.5])
    found, tally = scored(stored, table)
    assert found["prob_churn"].to_pylist() == expected
    assert tally.n_unseen == 0
    assert stored.predict(table).prob_churn.tolist() == expected


def test_a_column_of_the_model_may_come_under_its_public_name():
    column = {"name": "_monthly_revenue", "type": "number", "fill": 1.0, "has_missing": False,
              "cap": None, "profile": {"edges": [], "counts": [400]}}  # fmt: skip
    model = {"kind": "linear", "mean": [0.0], "scale": [1.0], "coefficients": [1.0],
             "intercept": 0.0}  # fmt: skip
    stored = by_hand(columns=[column], model=model)
    table = pa.table({"monthly_revenue": [0.0]})
    assert scored(stored, table)[0]["prob_churn"].to_pylist() == [0.5]
    assert stored.predict(table).prob_churn.tolist() == [0.5]


# -- Properties ----------------------------------------------------------------------------------

WORDS = st.one_of(st.none(), st.sampled_from([*HOSTILE, "plain", " plain\t", ""]), st.text())
NUMBERS = st.one_of(st.none(), st.floats(), st.integers(0, 10).map(float))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(NUMBERS, NUMBERS, WORDS), max_size=30), st.sampled_from([True, False]))
def test_batches_are_encoded_as_frames_are(rows, is_linear):
    stored = fitted("logistic" if is_linear else "gradient_boosting")[2]
    names = ["rating", "revenue_before", "plan"]
    kinds = [pa.float64(), pa.float64(), pa.string()]
    columns = [pa.array([row[i] for row in rows], kinds[i]) for i in range(3)]
    try:
        table = pa.RecordBatch.from_arrays(columns, names=names)
        frame = pd.DataFrame(
            {name: pd.Series(column.to_pylist(), dtype=kind) for name, column, kind in
             zip(names, columns, [float, float, object], strict=True)}
        )  # fmt: skip
    except UnicodeEncodeError:  # half a surrogate is no text for Arrow
        return
    expected = stored.features.matrix(frame)
    np.testing.assert_array_equal(encode(stored, table).matrix, expected)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=20))
def test_numbers_written_as_text_are_the_same_numbers(values):
    stored = fitted("logistic")[2]
    n = len(values)
    plain = pa.RecordBatch.from_pydict(
        {"rating": pa.array(values, pa.float64()), "revenue_before": pa.array([1.0] * n),
         "plan": pa.array(["plain"] * n, pa.string())}
    )  # fmt: skip
    text = pa.array([f" {value!r} " for value in values], pa.string())
    as_text = plain.set_column(0, "rating", text)
    np.testing.assert_array_equal(encode(stored, as_text).matrix, encode(stored, plain).matrix)


# -- Errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (pa.array(["high"]), "'high' is none. Correct it"),
        (pa.array(["1_000"]), "'1_000' is none"),
        (pa.array(["nan"]), "'nan' is none"),
        (pa.array([["a"]]), r"held numbers at the fit and holds list<.*> now"),
        (pa.array([b"1"]), "holds binary now"),
    ],
)
def test_words_among_numbers_are_refused(hand_model, column, message):
    batch = pa.RecordBatch.from_arrays([column, pa.array(["a"])], names=["rating", "plan"])
    with pytest.raises(SchemaError, match=message):
        encode(hand_model, batch)


def test_numbers_where_words_were_are_refused(hand_model):
    batch = pa.RecordBatch.from_pydict({"rating": [1.0], "plan": [3]})
    with pytest.raises(SchemaError, match=r"'plan' held words .* holds int64 now\. Write it as"):
        encode(hand_model, batch)


def test_a_file_with_other_columns_is_refused(hand_model, tmp_path):
    (tmp_path / "in.csv").write_text("customer_id,rating,plans\na,1,b\n")
    with pytest.raises(SchemaError, match=r"fitted with 'plan', which the input does not have"):
        score_file(hand_model, str(tmp_path / "in.csv"), tmp_path / "out.csv")
    (tmp_path / "in.csv").write_text("x,y\n1,2\n")
    with pytest.raises(SourceError, match=r"none of the columns of the model: rating, plan"):
        score_file(hand_model, str(tmp_path / "in.csv"), tmp_path / "out.csv")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rating,plan\n1,a\n2\n", "has 1 columns where the header has 2"),
        ("", r"is empty \(0 bytes\)"),
        ("rating,rating,plan\n1,2,a\n", "'rating' 2 times"),
    ],
)
def test_a_damaged_file_is_refused(hand_model, tmp_path, text, message):
    (tmp_path / "in.csv").write_text(text)
    with pytest.raises(SourceError, match=message):
        score_file(hand_model, str(tmp_path / "in.csv"), tmp_path / "out.csv")


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_no_row_and_one_row(hand_model, tmp_path, suffix):
    for n in (0, 1):
        (tmp_path / "in.csv").write_text("rating,plan\n" + "5,a\n" * n)
        out = tmp_path / f"out.{suffix}"
        summary = score_file(hand_model, str(tmp_path / "in.csv"), out)
        found = pd.read_csv(out) if suffix == "csv" else pd.read_parquet(out)
        assert found.columns[0] == "prob_churn"
        assert found["prob_churn"].tolist() == [0.5] * n
        assert summary.lines(hand_model)[0].startswith(f"Scored {n} row{'s' * (n == 0)} with")
    assert summary.n_rows == 1


def test_only_scores_of_ours_are_replaced(hand_model, tmp_path):
    (tmp_path / "in.csv").write_text("rating,plan\n5,a\n")
    for name in ("out.csv", "out.parquet"):
        out = tmp_path / name
        check_replaceable(out)
        score_file(hand_model, str(tmp_path / "in.csv"), out)
        check_replaceable(out)
        out.write_text("the work of years")
        with pytest.raises(OutputError, match="is there already and holds no scores"):
            check_replaceable(out)
    with pytest.raises(OutputError, match=r"must end in \.parquet or \.csv"):
        check_replaceable(tmp_path / "out.xlsx")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(OutputError, match="is a folder"):
        check_replaceable(tmp_path / "folder.csv")


def test_a_full_disk_is_told_as_itself(tmp_path, monkeypatch):
    writer = ScoreWriter(tmp_path / "out.csv", score_schema(None))

    class Full:
        def write_batch(self, batch):
            raise OSError(errno.ENOSPC, "No space left on device")

        def close(self):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(writer, "_writer", Full())
    batch = pa.RecordBatch.from_pylist([], schema=score_schema(None))
    with pytest.raises(OSError, match="No space left"), writer:
        writer.write(batch)


# -- Memory --------------------------------------------------------------------------------------

PEAK = """
import resource, sys
from pathlib import Path
import cxmodel as cx
from cxmodel.scoring.batches import score_file
model = cx.load_model(sys.argv[1])
for source in sys.argv[3:]:
    score_file(model, source, Path(sys.argv[2]))
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.mark.parametrize(
    "n_parts", [3, pytest.param(40, marks=pytest.mark.slow, id="2M rows")]
)  # fmt: skip
def test_memory_does_not_grow_with_the_file(hand_model, tmp_path, n_parts):
    part = pa.table(
        {
            "customer_id": [f"customer number {i:020d}" for i in range(50_000)],
            "rating": np.resize(np.arange(11.0), 50_000),
            "plan": np.resize(["a", "b"], 50_000),
        }
    )
    sizes = {"small": 1, "large": n_parts}
    for name, n in sizes.items():
        with pq.ParquetWriter(tmp_path / f"{name}.parquet", part.schema) as writer:
            for _ in range(n):
                writer.write_table(part)
    hand_model.save(tmp_path / "m.json")
    files = [str(tmp_path / f"{name}.parquet") for name in sizes]
    done = subprocess.run(
        [sys.executable, "-c", PEAK, str(tmp_path / "m.json"), str(tmp_path / "out.parquet"),
         *files],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    small, large = map(int, done.stdout.split())
    # ids alone are 40 bytes: 2M rows of them would be 80 MB, and the columns as much again
    assert large - small < 150
    assert pq.read_metadata(tmp_path / "out.parquet").num_rows == 50_000 * n_parts
