"""``cxmodel score`` with purchase, spend, hazard and value models: files, engines, studies."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from stored_rows import (
    file_by_hand,
    fitted_hazard,
    fitted_purchases,
    fitted_value,
    histories,
)

import cxmodel as cx
from cxmodel import cli
from cxmodel.models.model_file import make_model_file, write_model_file
from cxmodel.scoring import batches
from cxmodel.tables.purchase_customers import purchases_by_customer


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("purchases", "spend", "hazard", "contract", "by_purchases"):
        write_model_file(file_by_hand(name), tmp_path / f"{name}.json")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def failed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run a command that is refused, and give what it says."""
    assert cli.main(["score", *arguments]) == 2
    return capsys.readouterr().err


# -- worked by hand


def test_values_of_a_file_by_hand(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("in.csv").write_text("customer_id,monthly_revenue\na,100\nb,\nc,20\n")
    assert cli.main(["score", "contract.json", "in.csv", "out.csv"]) == 0
    out, err = capsys.readouterr()
    assert out == "out.csv\n"
    version = file_by_hand("contract").version
    unit = "USD margin per customer over 2 months"
    # .6 x 100 x .75 = 45, .6 x 20 x .75 = 9; nothing is known of b
    lines = Path("out.csv").read_text().splitlines()
    assert [line.replace('"', "") for line in lines] == [
        "customer_id,prob_stays,cltv,unit,model_version",
        f"a,0.25,45,{unit},{version}",
        f"b,,,{unit},{version}",
        f"c,0.25,9,{unit},{version}",
    ]
    assert "Scored 2 rows with model" in err
    assert f"Mean value, in {unit}: 27, and 45 where it was fitted." in err
    assert "Warning: 1 row without a score: a value is missing (monthly_revenue: 1)" in err


def test_a_hazard_counts_levels_and_gaps(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = "customer_id,rating,plan,period\na,5,a,0\nb,5,z,0\nc,,a,0\nd,5,,0\n"
    Path("in.csv").write_text(rows)
    assert cli.main(["score", "hazard.json", "in.csv", "out.parquet", "--periods", "2"]) == 0
    found = pd.read_parquet("out.parquet")["prob_stays"]
    assert found.tolist() == pytest.approx([0.72, 0.72, np.nan, np.nan], nan_ok=True)
    err = capsys.readouterr().err
    assert "levels that the model did not learn about (plan: 1)" in err
    assert "Warning: 2 rows without a score: a value is missing (plan: 1, rating: 1)" in err
    assert "staying through the next 2 period(s) of one month: 0.72." in err


def test_money_that_is_missing_is_counted(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("in.csv").write_text("frequency,recency,T,monetary_value\n0,0,9,\n2,3,9,\n2,3,9,20\n")
    assert cli.main(["score", "spend.json", "in.csv", "out.parquet"]) == 0
    mean = 6.25 * 15.44 / 2.74
    found = pd.read_parquet("out.parquet")["expected_spend"]
    assert found.tolist() == pytest.approx([mean, mean, 6.25 * 55.44 / 15.24])
    assert "Warning: 1 row of customers who bought again without monetary_value" in (
        capsys.readouterr().err
    )


# -- against a reference: prediction of the whole table


def test_batches_give_what_the_whole_gives(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    frame, buys = fitted_purchases("bg_nbd")
    buys.save("buys.json")
    frame.to_parquet("in.parquet", index=False)
    monkeypatch.setattr(batches, "BATCH_ROWS", 64)
    assert cli.main(["score", "buys.json", "in.parquet", "out.parquet", "--periods", "26"]) == 0
    found, expected = pd.read_parquet("out.parquet"), buys.predict(frame, 26)
    for name in ("prob_alive", "expected_purchases"):
        assert found[name].to_numpy() == pytest.approx(expected[name].to_numpy(), rel=1e-12)
    assert found["customer_id"].tolist() == frame["customer_id"].tolist()
    assert "Mean purchases expected in the next 26 unit(s) of 1 day(s)" in capsys.readouterr().err
    first = Path("out.parquet").read_bytes()
    assert cli.main(["score", "buys.json", "in.parquet", "out.parquet", "--periods", "26"]) == 0
    assert Path("out.parquet").read_bytes() == first


def test_an_engine_computes_what_is_linear_and_gives_the_rest_in_batches(folder: Path) -> None:
    import duckdb

    rng = np.random.default_rng(1)
    money = pd.DataFrame(
        {"customer_id": [f"c{i:03d}" for i in range(200)], "revenue_before": rng.gamma(4, 25, 200)}
    )
    _, result = fitted_value("window")
    result.save("value.json")
    bought = histories(200).drop(columns=["rating", "heavy"])
    with duckdb.connect("w.duckdb") as base:
        base.execute("create table money as select * from money")
        base.execute("create table bought as select * from bought")
    for model, table, frame, column in (
        ("value.json", "money", money, "cltv"),
        ("by_purchases.json", "bought", bought, "cltv"),
    ):
        arguments = ["score", model, table, "out.parquet", "--engine", "duckdb://w.duckdb"]
        assert cli.main([*arguments, "--at", "2026-01-01"]) == 0
        found = pd.read_parquet("out.parquet")
        expected = cx.load_model(model, at=dt.date(2026, 1, 1)).predict(frame)
        assert found["customer_id"].tolist() == frame["customer_id"].tolist()
        assert found[column].to_numpy() == pytest.approx(expected[column].to_numpy(), rel=1e-10)


def test_a_study_gives_its_purchasers_as_of_a_day(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger = "customer_id,booked_at,amount\na,2026-01-01,10\na,2026-01-15,20\nb,2026-02-01,7\n"
    Path("ledger.csv").write_text(ledger + "c,2026-03-01,5\n")
    Path("surveys.csv").write_text("customer_id,responded_at,nps\na,2026-01-20,9\n")
    Path("study.toml").write_text(
        '[study]\ncurrency = "USD"\n[sources.surveys]\npath = "surveys.csv"\n'
        '[sources.surveys.ratings]\nnps = { column = "nps", scale = "nps" }\n'
        '[sources.revenue]\npath = "ledger.csv"\n'
    )
    arguments = ["score", "by_purchases.json", "study.toml", "out.parquet", "--at", "2026-02-12"]
    assert cli.main(arguments) == 0
    found = pd.read_parquet("out.parquet")
    # c came later
    assert found["customer_id"].tolist() == ["a", "b"]
    revenue = cx.read_revenue("ledger.csv", currency="USD")
    then = purchases_by_customer(revenue, as_of="2026-02-12", unit_days=7.0)
    expected = cx.load_model("by_purchases.json").predict(then)
    assert found["cltv"].to_numpy() == pytest.approx(expected["cltv"].to_numpy(), rel=1e-12)
    assert "--at 2026-04-01 lies after the data" in failed(
        capsys, "by_purchases.json", "study.toml", "o.csv", "--at", "2026-04-01"
    )
    Path("study.toml").write_text(Path("study.toml").read_text().replace("USD", "EUR"))
    assert "amounts in USD, and the study has EUR" in failed(
        capsys, "by_purchases.json", "study.toml", "o.csv", "--at", "2026-02-12"
    )


def test_a_study_with_contracts_gives_its_active_customers(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # in a window as long as the horizon a unit of spending counts once: .6 x (10 + .5 x revenue of
    # the 30 days before)
    file = file_by_hand(
        "contract",
        window_months=2.0,
        spending_line={"mean_before": 40.0, "coefficients": [10.0, 0.5], "lookback_days": 30.0},
        windows={"lookback_days": 30, "outcome_days": 61, "gap_days": 0, "inactive_days": 60},
    )
    write_model_file(file, "value.json")
    Path("people.csv").write_text(
        "customer_id,started_at,churned_at\na,2025-01-01,\nb,2025-01-01,\nc,2025-01-01,2026-02-01\n"
        "d,2026-03-01,\ne,2026-02-02,\n"
    )
    Path("ledger.csv").write_text(
        "customer_id,booked_at,amount\na,2026-02-01,100\na,2026-01-01,900\nb,2026-03-01,70\n"
        "e,2026-02-05,60\n"
    )
    Path("study.toml").write_text(
        '[study]\ncurrency = "USD"\nas_of = 2026-04-01\n[sources.customers]\npath = "people.csv"\n'
        '[sources.revenue]\npath = "ledger.csv"\n'
    )
    assert cli.main(["score", "value.json", "study.toml", "o.csv", "--at", "2026-02-12"]) == 0
    found = pd.read_csv("o.csv").set_index("customer_id")
    # e was seen for eleven days, too few to say what a day brings: the mean stands in
    values = {"a": 36.0, "b": 6.0, "e": 0.6 * (10 + 0.5 * 40)}
    assert found["cltv"].to_dict() == pytest.approx(values)
    assert set(found["prob_stays"]) == {0.25}
    assert "Scored 3 rows with model" in capsys.readouterr().err


# -- errors


def test_what_is_wrong_with_the_input_is_said(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("in.csv").write_text("customer_id,frequency,recency\na,1,2\n")
    assert "looks at 'T', which the input does not have" in failed(
        capsys, "purchases.json", "in.csv", "out.csv"
    )
    Path("in.csv").write_text("frequency,recency,T\n1,2,9\n1,12,9\n")
    said = failed(capsys, "purchases.json", "in.csv", "out.csv")
    assert "Row 2 of the input: Purchase histories: recency is negative or beyond T" in said
    Path("in.csv").write_text("frequency,recency,T\nonce,2,9\n")
    assert "held numbers at the fit, and 'once' is none" in failed(
        capsys, "purchases.json", "in.csv", "out.csv"
    )
    Path("in.csv").write_text("a,b\n1,2\n")
    assert "has none of the columns of the model" in failed(
        capsys, "contract.json", "in.csv", "out.csv"
    )
    assert not Path("out.csv").exists()


def test_how_far_to_look_is_asked_of_what_can(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("in.csv").write_text("monthly_revenue\n1\n")
    for model, periods, said in (
        ("contract.json", "3", "has no other horizon than that of its fit"),
        ("purchases.json", "0", "--periods must be above 0"),
        ("hazard.json", "1.5", "must be a whole number for a hazard"),
        ("hazard.json", "9", "reaches beyond the 3 period(s) that the hazard was seen in"),
        ("hazard.json", "nan", "--periods must be above 0"),
    ):
        assert said in failed(capsys, model, "in.csv", "out.csv", "--periods", periods)


def test_an_option_that_nothing_looks_at_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("in.csv").write_text("monthly_revenue\n1\n")
    assert "--answer-days is for a study with --at" in failed(
        capsys, "contract.json", "in.csv", "out.csv", "--answer-days", "30"
    )
    assert "for models that look at the latest answer" in failed(
        capsys, "purchases.json", "any.toml", "out.csv", "--at", "2026-01-01", "--answer-days", "30"
    )


def test_amounts_of_nothing_or_less_and_days_that_are_not_known_are_counted(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("in.csv").write_text(
        "frequency,recency,T,monetary_value\n2,3,9,-1000\n2,3,9,\n2,3,9,0\n2,3,9,20\n"
    )
    assert cli.main(["score", "spend.json", "in.csv", "out.csv"]) == 0
    found = pd.read_csv("out.csv")["expected_spend"]
    # what is no amount says nothing: the mean of all stands in
    assert found[0] == found[1] == found[2] != found[3]
    assert "Warning: 3 rows of customers who bought again without monetary_value above 0" in (
        capsys.readouterr().err
    )
    file = file_by_hand(
        "contract",
        window_months=2.0,
        spending_line={"mean_before": 40.0, "coefficients": [10.0, 0.5], "lookback_days": 90.0},
    )
    write_model_file(file, "value.json")
    rows = "customer_id,revenue_before,days_observed_before\na,100,\nb,100,45\nc,100,10\nd,,90\n"
    Path("in.csv").write_text(rows + "e,inf,90\nf,100,inf\n")
    found = {}
    for engine in ([], ["--engine", "duckdb://"]):
        assert cli.main(["score", "value.json", "in.csv", "out.csv", *engine]) == 0
        found[bool(engine)] = pd.read_csv("out.csv").set_index("customer_id")["cltv"]
        said = capsys.readouterr().err
        assert "Warning: 2 rows without a score" in said
    # .6 x (10 + .5 x): a whole window, twice the half of one, too few days, nothing known
    expected = {"a": 36.0, "b": 66.0, "c": 18.0, "f": 36.0}
    assert found[False].dropna().to_dict() == pytest.approx(expected)
    pd.testing.assert_series_equal(found[False], found[True])


def test_a_retention_curve_gives_no_number_a_row(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cx.RetentionModel(n_draws=5).fit_counts([1000, 869, 743, 653]).save("curve.json")
    Path("in.csv").write_text("a\n1\n")
    assert "gives single customers no number. Name a model of churn, hazard, purchases" in failed(
        capsys, "curve.json", "in.csv", "out.csv"
    )


def test_an_old_model_is_told_with_quiet_too(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = file_by_hand("contract").content
    old = make_model_file("cltv", content, created_at=dt.date(2020, 1, 1))
    write_model_file(old, "old.json")
    Path("in.csv").write_text("monthly_revenue\n1\n")
    assert cli.main(["score", "old.json", "in.csv", "out.csv", "--quiet"]) == 0
    said = capsys.readouterr().err
    assert said.startswith("Warning: the model expired on 2020-12-31")
    assert fitted_hazard().as_of is not None


def test_other_files_are_never_written_over(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("in.csv").write_text("monthly_revenue\n1\n")
    Path("mine.csv").write_text("cltv,notes\n1,2\n")
    assert "holds no scores of cxmodel" in failed(capsys, "contract.json", "in.csv", "mine.csv")
