"""Simulated tables as files, and the configuration that goes with them."""

import json
import tomllib

import pandas as pd
import pytest

import cxmodel as cx
from cxmodel.config import load_config
from cxmodel.errors import OutputError

FILES = {
    "surveys.parquet",
    "customers.csv",
    "transactions.parquet",
    "tickets.csv",
    "invitations.parquet",
    "truth.json",
    "cxmodel.toml",
}


@pytest.fixture(scope="module")
def sim():
    return cx.datasets.simulate(n_customers=80, seed=6)


def test_everything_is_written_and_nothing_else(sim, tmp_path):
    assert sim.write(tmp_path / "out") == tmp_path / "out" / "cxmodel.toml"
    assert {path.name for path in (tmp_path / "out").iterdir()} == FILES


def test_the_configuration_maps_every_column_that_it_names(sim, tmp_path):
    settings = tomllib.loads(sim.write(tmp_path).read_text(encoding="utf-8"))
    surveys = pd.read_parquet(tmp_path / "surveys.parquet")
    source = settings["sources"]["surveys"]
    assert source["customer_id"] in surveys
    assert source["responded_at"] in surveys
    assert source["ratings"]["nps"] == {"column": "recommend", "scale": "nps"}
    for kind, reader in (("customers", pd.read_csv), ("interactions", pd.read_csv)):
        source = settings["sources"][kind]
        columns = set(reader(tmp_path / source["path"]).columns)
        named = {value for key, value in source.items() if key not in ("path", "attributes")}
        assert named <= columns
    assert len(settings["programmes"]) == 3


@pytest.mark.parametrize("n_customers", [12, 80])
def test_the_configuration_is_accepted(n_customers, tmp_path):
    path = cx.datasets.simulate(n_customers=n_customers, seed=1).write(tmp_path)
    assert load_config(path).study.currency == "USD"


def test_the_truth_is_a_flat_table_of_paths(sim, tmp_path):
    sim.write(tmp_path)
    assert json.loads((tmp_path / "truth.json").read_text(encoding="utf-8")) == sim.truth


@pytest.mark.parametrize("file_format", ["parquet", "csv"])
def test_two_simulations_give_equal_bytes(file_format, tmp_path):
    for name in ("one", "two"):
        cx.datasets.simulate(n_customers=50, seed=3).write(tmp_path / name, format=file_format)
    one, two = (sorted((tmp_path / name).iterdir()) for name in ("one", "two"))
    assert [path.name for path in one] == [path.name for path in two]
    assert all(a.read_bytes() == b.read_bytes() for a, b in zip(one, two, strict=True))


def test_csv_holds_the_same_rows(sim, tmp_path):
    sim.write(tmp_path, format="csv")
    surveys = pd.read_csv(tmp_path / "surveys.csv", parse_dates=["answered_at"])
    assert surveys["recommend"].isna().equals(sim.surveys["nps"].isna())
    assert (surveys["answered_at"] == sim.surveys["responded_at"]).all()
    revenue = pd.read_csv(tmp_path / "transactions.csv")
    assert (revenue["amount"] == sim.revenue["amount"]).all()


def test_our_own_folder_is_written_again(sim, tmp_path):
    sim.write(tmp_path)
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    sim.write(tmp_path)
    assert (tmp_path / "notes.txt").read_text(encoding="utf-8") == "mine"


def test_a_folder_of_other_things_is_refused(sim, tmp_path):
    (tmp_path / "thesis.doc").write_text("mine", encoding="utf-8")
    with pytest.raises(OutputError, match=r"is not empty and holds neither .*found thesis.doc"):
        sim.write(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.doc"]


def test_a_file_is_no_folder(sim, tmp_path):
    (tmp_path / "out").write_text("", encoding="utf-8")
    with pytest.raises(OutputError, match=r"is a file\. Name a folder"):
        sim.write(tmp_path / "out")


def test_an_unknown_format_is_refused(sim, tmp_path):
    with pytest.raises(ValueError, match="'parquet' or 'csv', not 'xlsx'"):
        sim.write(tmp_path, format="xlsx")


# -- A business without contracts ------------------------------------------------------------------


def test_a_purchase_business_is_written_with_a_study_that_finds_its_tables(tmp_path):
    business = cx.datasets.simulate_purchases(120, seed=3)
    path = business.write(tmp_path / "shop", format="csv")
    written = {"surveys.csv", "customers.csv", "transactions.csv", "truth.json", "cxmodel.toml"}
    assert {file.name for file in path.parent.iterdir()} == written
    assert json.loads((path.parent / "truth.json").read_text(encoding="utf-8")) == business.truth
    found = cx.Study.from_toml(path).run(only=["kpis"]).to_dict()
    assert found["study"]["churn_rule"] == "inactivity"
    assert found["audit"]["match_rate"] == 1.0
    assert found["audit"]["revenue_total"] == pytest.approx(business.revenue["amount"].sum())


def test_a_folder_of_somebody_else_is_refused_to_a_purchase_business_too(tmp_path):
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(OutputError, match="neither truth"):
        cx.datasets.simulate_purchases(20, seed=3).write(tmp_path)
