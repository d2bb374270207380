"""``cxmodel score``: exit codes, what goes where, and nothing half-written."""

from __future__ import annotations

import datetime as dt
import errno
import json
from pathlib import Path

import pandas as pd
import pytest
from stored_models import fitted

import cxmodel as cx
from cxmodel import cli
from cxmodel.models.model_file import make_model_file, read_model_file, to_json
from cxmodel.scoring import batches, churn_rows


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    obs, result, _ = fitted("logistic")
    result.save(tmp_path / "churn.json")
    obs.to_frame()[["customer_id", "rating", "revenue_before", "plan"]].to_csv(
        tmp_path / "in.csv", index=False
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_scores_are_written_and_the_summary_is_said(folder, capsys):
    assert cli.main(["score", "churn.json", "in.csv", "out.parquet"]) == 0
    out, err = capsys.readouterr()
    assert out == "out.parquet\n"
    assert "Scored 600 rows with model" in err
    obs, result, _ = fitted("logistic")
    found = pd.read_parquet("out.parquet")
    expected = result.predict(obs).prob_churn
    assert found["prob_churn"].to_numpy() == pytest.approx(expected.to_numpy(), abs=1e-12)
    assert left_in(folder) == ["churn.json", "in.csv", "out.parquet"]


def test_the_same_input_gives_the_same_bytes(folder):
    for name in ("a.parquet", "b.parquet", "a.csv", "b.csv"):
        assert cli.main(["score", "churn.json", "in.csv", name, "--quiet"]) == 0
    assert Path("a.parquet").read_bytes() == Path("b.parquet").read_bytes()
    assert Path("a.csv").read_bytes() == Path("b.csv").read_bytes()


def test_quiet_says_the_file_and_warnings(folder, capsys):
    expired = make_model_file(
        "churn", cx.load_model("churn.json").file.content, created_at=dt.date(2020, 1, 1)
    )
    Path("old.json").write_text(to_json(expired))
    assert cli.main(["score", "old.json", "in.csv", "out.csv", "--quiet"]) == 0
    said = capsys.readouterr()
    assert said.out == "out.csv\n"
    # a job that runs quietly must still learn that its model is too old
    assert said.err.startswith("Warning: the model expired on 2020-12-31")
    assert cli.main(["score", "churn.json", "in.csv", "out.csv", "--quiet"]) == 0
    assert capsys.readouterr() == ("out.csv\n", "")
    assert cli.main(["score", "old.json", "in.csv", "out.csv"]) == 0
    assert "Warning: the model expired on 2020-12-31" in capsys.readouterr().err
    assert cli.main(["score", "old.json", "in.csv", "out.csv", "--at", "2020-06-30"]) == 0
    assert "Warning" not in capsys.readouterr().err


def test_drift_is_told(folder, capsys):
    frame = pd.read_csv("in.csv")
    frame["rating"] = 0
    frame.to_csv("moved.csv", index=False)
    assert cli.main(["score", "churn.json", "moved.csv", "out.csv"]) == 0
    assert "Warning: drift: The values of 'rating' are spread as in another" in (
        capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.json", "in.csv", "out.csv"], "none.json does not exist"),
        (["churn.json", "none.csv", "out.csv"], "none.csv"),
        (["churn.json", "in.csv", "out.xlsx"], "must end in .parquet or .csv"),
        (["churn.json", "in.csv", "in.csv"], "in.csv is read, so it cannot be written"),
        (["churn.json", "study.toml", "out.csv"], "say on which day its customers are scored"),
        (["churn.json", "in.csv", "out.csv", "--engine", "nonsense"], "nonsense"),
        (["churn.json", "orders", "out.csv", "--engine", "duckdb://"], "no table 'orders'"),
        (["retention.json", "in.csv", "out.csv"], "gives single customers no number"),
        (["broken.json", "in.csv", "out.csv"], "was changed after it was written"),
        (["churn.json", "in.csv", "out.csv", "--at", "soon"], "--at"),
    ],
)
def test_bad_input_is_told_in_one_message_and_leaves_nothing(folder, capsys, arguments, message):
    cx.RetentionModel().fit_counts([1000, 869, 743]).save("retention.json")
    found = json.loads(Path("churn.json").read_text("utf-8"))
    Path("broken.json").write_text(json.dumps({**found, "created_at": "2020-01-01"}))
    before = left_in(folder)
    assert cli.main(["score", *arguments]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert "Traceback" not in err
    assert left_in(folder) == before


def test_an_interrupt_leaves_nothing_and_keeps_the_old_scores(folder, monkeypatch, capsys):
    assert cli.main(["score", "churn.json", "in.csv", "out.csv", "--quiet"]) == 0
    before = Path("out.csv").read_bytes()
    whole, calls = churn_rows.score_batch, []

    def interrupted(*arguments):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return whole(*arguments)

    monkeypatch.setattr(batches, "BATCH_ROWS", 100)
    monkeypatch.setattr(churn_rows, "score_batch", interrupted)
    assert cli.main(["score", "churn.json", "in.csv", "out.csv", "--quiet"]) == 130
    assert Path("out.csv").read_bytes() == before
    assert left_in(folder) == ["churn.json", "in.csv", "out.csv"]


def test_a_full_disk_is_told_and_leaves_nothing(folder, monkeypatch, capsys):
    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(batches.ScoreWriter, "write", full)
    assert cli.main(["score", "churn.json", "in.csv", "out.csv", "--quiet"]) == 2
    assert "The disk is full" in capsys.readouterr().err
    assert left_in(folder) == ["churn.json", "in.csv"]


def test_a_duckdb_file_is_scored_where_it_lies(folder):
    import duckdb

    with duckdb.connect("warehouse.db") as con:
        con.execute("CREATE TABLE people AS SELECT * FROM 'in.csv'")
    url = "duckdb:///warehouse.db"
    assert cli.main(["score", "churn.json", "people", "out.csv", "--engine", url, "--quiet"]) == 0
    assert cli.main(["score", "churn.json", "in.csv", "own.csv", "--quiet"]) == 0
    found, own = pd.read_csv("out.csv"), pd.read_csv("own.csv")
    pd.testing.assert_frame_equal(found, own, rtol=0, atol=1e-12)


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    cx.datasets.simulate(n_customers=600, seed=1).write(folder / "sim")
    assert cli.main(["run", str(folder / "sim" / "cxmodel.toml"), "--out", str(folder / "out"),
                     "--report", "none", "--only", "churn,retention", "--quiet"]) == 0  # fmt: skip
    return folder


def test_a_run_lists_every_model_that_it_wrote(study):
    results = json.loads((study / "out" / "results.json").read_text())
    rows = results["study"]["models"]["rows"]
    assert [row["model"] for row in rows] == ["churn", "retention", "hazard"]
    for row in rows:
        written = read_model_file(study / "out" / row["file"])
        assert (written.version, str(written.expires_at)) == (row["version"], row["expires_at"])
        assert written.created_at == dt.date(2026, 6, 30)
    assert left_in(study / "out" / "models") == ["churn.json", "hazard.json", "retention.json"]


def test_a_run_writes_a_model_that_scores_the_customers_of_a_day(study, capsys):
    arguments = ["score", str(study / "out" / "models" / "churn.json"),
                 str(study / "sim" / "cxmodel.toml"), str(study / "scores.csv")]  # fmt: skip
    assert cli.main([*arguments, "--at", "2026-06-30"]) == 0
    found = pd.read_csv(study / "scores.csv")
    assert 100 < len(found) <= 600
    assert found["customer_id"].is_unique
    assert found["customer_id"].is_monotonic_increasing
    assert found["prob_churn"].between(0, 1).all()
    n = len(found)
    err = capsys.readouterr().err
    assert f"Scored {n} rows with model" in err
    assert " days old on average; where the model was fitted each was of the day itself." in err
    assert "older than the 180 days that the model looks back" in err
    assert cli.main([*arguments, "--at", "2026-06-30", "--answer-days", "180"]) == 0
    err = capsys.readouterr().err
    assert "in the 180 days up to 2026-06-30: the model stands on what else is known" in err
    assert "Warning: the last answer" not in err
    assert cli.main([*arguments, "--at", "2026-07-01"]) == 2
    assert "lies after the data, which are complete to 2026-06-30" in capsys.readouterr().err
