"""Leaks in columns that a study maps to nothing: event tables, customers, and joined tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import cxmodel as cx
from cxmodel.study_leaks import _needed
from cxmodel.tables.engines.engine import connect
from cxmodel.tables.opening.catalog import Catalog
from cxmodel.tables.opening.opening import open_source
from cxmodel.tables.source_columns import EVENT_AT
from cxmodel.tables.specs import RatingSpec, SourceSpec


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated company, with further columns in its tables."""
    folder = tmp_path_factory.mktemp("company")
    cx.datasets.simulate(n_customers=700, seed=1).write(folder)
    people = pd.read_csv(folder / "customers.csv", dtype=str)
    gone = people.set_index("id")["cancelled"].notna()
    people["letters"] = np.arange(len(people)) % 5
    people["_private"] = "x"
    people.to_csv(folder / "customers.csv", index=False)
    tickets = pd.read_csv(folder / "tickets.csv", dtype=str)
    tickets["room"] = np.arange(len(tickets)) % 4
    tickets.to_csv(folder / "tickets.csv", index=False)
    money = pd.read_parquet(folder / "transactions.parquet")
    # as of the extract: old bookings of customers who left say so too
    money["account_state"] = np.where(money["cust"].isin(gone[gone].index), "closed", "open")
    money["till"] = np.arange(len(money)) % 9
    money.to_parquet(folder / "transactions.parquet", index=False)
    return folder


@pytest.fixture(scope="module")
def results(folder: Path) -> dict[str, Any]:
    study = cx.Study.from_toml(folder / "cxmodel.toml")
    return study.run(only=("churn", "lift", "checks", "evidence")).to_dict()


def test_a_column_of_bookings_that_knows_is_named(results: dict[str, Any]) -> None:
    leaks = {row["column"]: row for row in results["churn"]["leaks"]["rows"]}
    assert set(leaks) == {"revenue.account_state"}
    assert leaks["revenue.account_state"]["pure_share"] > 0.25
    checks = [row for row in results["checks"]["rows"] if row["name"] == "leakage"]
    assert {row["verdict"] for row in checks} == {"fail"}
    assert all("revenue.account_state" in row["text"] for row in checks)
    assert results["evidence"]["by_outcome"]["retention"]["grade"] == "association"


def test_what_was_examined_and_what_not_is_told(results: dict[str, Any]) -> None:
    told = results["audit"]["source_columns"]
    examined = {row["table"]: row["examined"] for row in told["rows"]}
    assert examined["revenue"] == ["revenue.account_state", "revenue.till"]
    assert examined["customers"] == ["customers.letters"]
    assert "interactions.room" in examined["interactions"]
    notes = {row["table"]: row["note"] for row in told["rows"]}
    assert notes["customers"] == "churned_at says who left: it is the outcome itself"
    assert notes["revenue"] == "amount is examined as what it sums up to, revenue_before"
    assert notes["surveys"] == "no column beyond those that the study maps"
    assert [row["column"] for row in told["not_examined"]] == ["customers._private"]
    said = [text for text in results["caveats"]["rows"] if "leak alarm did not examine" in text]
    assert len(said) == 1
    assert "customers._private (its name is one that the observation table uses itself)" in said[0]


def test_when_contacts_were_solved_is_examined_as_known_at_the_answer(
    results: dict[str, Any], folder: Path
) -> None:
    (row,) = (
        row for row in results["audit"]["source_columns"]["rows"] if row["table"] == "interactions"
    )
    assert "interactions.resolved_at" in row["examined"]
    # contacts begun by an answer and solved after it, counted from the tables as they came
    answers = pd.read_parquet(folder / "surveys.parquet").dropna(subset=["cust", "recommend"])
    contacts = pd.read_csv(folder / "tickets.csv", dtype=str)
    pairs = answers.merge(contacts, left_on="cust", right_on="account_id")
    begun, solved, answered = (
        pd.to_datetime(pairs[name], utc=True)
        for name in ("submitted_at", "resolved_at", "answered_at")
    )
    n_later = int(((begun <= answered) & (solved > answered)).sum())
    assert n_later > 0
    assert f"interactions.resolved_at is dated after the response {n_later} time(s)" in row["note"]


def test_a_user_may_vouch_for_such_a_column(folder: Path) -> None:
    text = (folder / "cxmodel.toml").read_text()
    kept = 'keep = ["revenue.account_state"]\n'
    text = (
        text.replace("[lift]\n", f"[lift]\n{kept}")
        if "[lift]" in text
        else f"{text}\n[lift]\n{kept}"
    )
    (folder / "kept.toml").write_text(text)
    found = cx.Study.from_toml(folder / "kept.toml").run(only=("churn",)).to_dict()
    (leak,) = found["churn"]["leaks"]["rows"]
    assert (leak["column"], leak["kept"]) == ("revenue.account_state", True)


EVENTS = {
    "surveys": {"customer_id": "a", "responded_at": "2026-01-02", "touchpoint": "web", "nps": 7},
    "invitations": {"customer_id": "a", "invited_at": "2026-01-02", "invitation_id": "i1"},
    "customers": {"customer_id": "a", "started_at": "2026-01-02", "valid_from": "2026-01-03"},
    "subscriptions": {
        "customer_id": "a", "started_at": "2026-01-02", "ended_at": "2026-02-02",
        "monthly_amount": 9.5,
    },
    "interactions": {"customer_id": "a", "started_at": "2026-01-02", "resolved_at": "2026-01-03"},
}  # fmt: skip


@pytest.mark.parametrize("kind", EVENTS)
def test_no_more_of_a_table_is_read_again_than_is_needed(kind: str) -> None:
    table = pd.DataFrame([{**EVENTS[kind], "Extra": "x"}]).rename(columns={"customer_id": "Who"})
    ratings = {"nps": RatingSpec("nps", cx.NPS)} if kind == "surveys" else {}
    spec = SourceSpec(kind=kind, data=table, columns={"customer_id": "Who"}, ratings=ratings)  # type: ignore[arg-type]
    with connect() as session:
        found = open_source(_needed(spec, ["Extra"]), Catalog(session, {}, Path()), "USD")
    at = EVENT_AT.get(kind, "valid_from")
    wanted = {"customer_id", at, "Extra"} | ({"row_number"} if kind == "surveys" else set())
    wanted |= {"monthly_units"} if kind == "subscriptions" else set()
    assert found.columns == wanted


TELCO = """
[sources.observations]
path = "{path}"
customer_id = "Customer ID"
churned = "Churn Label"
controls = ["Contract", "Internet Type"]
ignore = ["Latitude"]
[sources.observations.ratings]
csat = {{ column = "Satisfaction Score", scale = "csat5" }}
"""


def test_telco_names_its_leaks_where_they_are_no_controls(data_dir: Path, tmp_path: Path) -> None:
    path = data_dir / "ibm_telco" / "telco_11_1_3_joined.csv"
    (tmp_path / "telco.toml").write_text(TELCO.format(path=path))
    found = cx.Study.from_toml(tmp_path / "telco.toml").run(only=("churn",)).to_dict()
    named = {row["column"] for row in found["churn"]["leaks"]["rows"]}
    leaking = ("Customer Status", "Churn Score", "Churn Category", "Churn Reason")
    assert named == {f"observations.{name}" for name in leaking}
    assert found["audit"]["source_columns"]["not_examined"] == [
        {
            "column": "observations.Latitude",
            "reason": "it is listed in sources.observations.ignore",
        }
    ]
