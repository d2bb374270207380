"""The whole study: results as the contract lays them down, the same bytes for the same input."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pandas as pd
import pytest
from company import Company, make_company

import cxmodel as cx
from cxmodel.cli import main
from cxmodel.errors import EngineError, InsufficientDataError, SourceError
from cxmodel.models.evidence import NEEDED

SCHEMA = json.loads(files("cxmodel").joinpath("schema/results.schema.json").read_text())
CHECKS = {
    "placebo_before",
    "timing",
    "unobserved_confounding",
    "linearity",
    "overlap",
    "weighting",
    "non_response",
    "feedback",
    "shuffled_rating",
    "leakage",
    "separation",
    "leave_one_group_out",
    "repeat_customers",
    "join",
    "sample_size",
}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that a run of the small company leaves, with everything but the report."""
    company = make_company(tmp_path_factory.mktemp("company"))
    results = cx.Study.from_toml(company.write()).run()
    results.write(company.folder / "out", keep_observations=True)
    return company.folder / "out"


@pytest.fixture(scope="module")
def results(written: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((written / "results.json").read_text())
    return loaded


def test_results_follow_the_schema(results: dict[str, Any]) -> None:
    jsonschema.validate(results, SCHEMA)


def test_every_response_is_accounted_for(results: dict[str, Any]) -> None:
    audit = results["audit"]
    dropped = sum(row["n"] for row in audit["dropped"]["rows"])
    assert audit["n_responses"] == 500
    assert audit["n_observations"] + dropped == audit["n_responses"]


def test_the_money_is_reconciled_with_the_ledger(written: Path, results: dict[str, Any]) -> None:
    ledger = pd.read_csv(written.parent / "transactions.csv")
    found = results["audit"]["revenue_reconciled"]
    parts = ("in_windows", "outside_windows", "unmatched", "after_as_of")
    assert results["audit"]["revenue_total"] == pytest.approx(ledger.amount.sum(), abs=1e-6)
    assert sum(found[part] for part in parts) == pytest.approx(ledger.amount.sum(), abs=1e-6)
    assert found["difference"] == 0


def test_all_fifteen_checks_stand_for_each_outcome(results: dict[str, Any]) -> None:
    for outcome in ("revenue", "retention"):
        rows = [row for row in results["checks"]["rows"] if row["outcome"] == outcome]
        assert {row["name"] for row in rows} == CHECKS
        assert len(rows) == 15


def test_the_grade_is_what_the_checks_allow(results: dict[str, Any]) -> None:
    for outcome, evidence in results["evidence"]["by_outcome"].items():
        verdicts = {
            row["name"]: row["verdict"]
            for row in results["checks"]["rows"]
            if row["outcome"] == outcome
        }
        stands = all(verdicts[name] in ("pass", "warn") for name in NEEDED)
        assert evidence["grade"] == ("adjusted" if stands else "association"), outcome
    assert results["evidence"]["grade"] == "adjusted"


def test_no_customer_id_is_in_results(written: Path) -> None:
    for path in written.rglob("*"):
        if path.is_file() and path.suffix != ".parquet":
            assert "C0001" not in path.read_text(encoding="utf-8"), path


def test_no_path_is_in_results(written: Path) -> None:
    assert str(written.parent) not in (written / "results.json").read_text()


def test_observations_are_written_in_order(written: Path, results: dict[str, Any]) -> None:
    observations = pd.read_parquet(written / "observations.parquet")
    assert len(observations) == results["audit"]["n_observations"]
    ordered = observations.sort_values(["customer_id", "responded_at"], ignore_index=True)
    pd.testing.assert_frame_equal(observations, ordered)
    assert not [name for name in observations.columns if name.startswith("_")]


def test_active_customers_are_counted_by_hand(written: Path, results: dict[str, Any]) -> None:
    customers = pd.read_csv(written.parent / "customers.csv")
    ledger = pd.read_csv(written.parent / "transactions.csv").groupby("cust").paid_at.max()
    left = customers.cancelled.notna()
    back = customers.id.map(ledger) > customers.cancelled
    assert results["audit"]["n_customers_active"] == int((~left | back).sum())


def test_results_read_back_as_they_were(written: Path) -> None:
    found = cx.read_results(written)
    assert found.to_json() == (written / "results.json").read_text()
    assert isinstance(found.lift.revenue.per_rating_point, cx.Estimate)
    assert isinstance(found.drivers, cx.NotRun)


def test_results_hold_no_observations_when_read(written: Path) -> None:
    with pytest.raises(SourceError, match=r"observations\.parquet"):
        _ = cx.read_results(written).observations


def test_results_of_another_version_are_refused(tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text('{"schema_version": 99}')
    with pytest.raises(SourceError, match="schema_version 99"):
        cx.read_results(tmp_path)
    with pytest.raises(SourceError, match="does not exist"):
        cx.read_results(tmp_path / "nowhere")


def digests(folder: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield path.relative_to(folder).as_posix(), hashlib.sha256(path.read_bytes()).hexdigest()


def test_two_runs_give_the_same_bytes(company: Company) -> None:
    config, first, second = company.write(), company.folder / "first", company.folder / "second"
    for out in (first, second):
        arguments = ["run", str(config), "--out", str(out), "--keep-observations", "--quiet"]
        assert main(arguments) == 0
    assert dict(digests(first)) == dict(digests(second))
    assert {"results.json", "report.html", "report.pdf", "report.ipynb"} <= dict(
        digests(first)
    ).keys()


def test_a_run_replaces_only_its_own_files(company: Company) -> None:
    config, out = company.write(), company.folder / "out"
    arguments = ["run", str(config), "--out", str(out), "--report", "none", "--quiet"]
    assert main(arguments) == 0
    (out / "notes.txt").write_text("mine")
    assert main(arguments) == 0
    assert (out / "notes.txt").read_text() == "mine"


def test_scores_alone_are_a_study(tmp_path: Path) -> None:
    config = tmp_path / "cxmodel.toml"
    answers = pd.DataFrame({"when": "2026-03-01", "score": [10] * 50 + [8] * 30 + [3] * 20})
    answers.to_csv(tmp_path / "answers.csv", index=False)
    config.write_text(
        '[sources.surveys]\npath = "answers.csv"\nresponded_at = "when"\n'
        'ratings.nps = { column = "score", scale = "nps" }\n'
    )
    found = cx.Study.from_toml(config).run()
    jsonschema.validate(found.to_dict(), SCHEMA)
    overall = found.kpis.rows[0]
    # kpis.md K1: 50 promoters and 20 detractors of 100; Rocks interval 14.05 to 44.20
    assert overall.estimate == 30.0
    assert round(overall.conf_low, 2) == 14.05
    assert found.lift.reason.startswith("revenue: there are no observations")


def test_only_runs_what_was_named(company: Company) -> None:
    found = cx.Study.from_toml(company.write()).run(only=["retention"])
    assert found.retention.status == "ok"
    assert found.kpis.reason == "left out by --only"


def test_repeats_refunds_and_strangers_are_data(company: Company) -> None:
    surveys, ledger = company.tables["surveys"], company.tables["transactions"]
    strangers = pd.DataFrame({"cust": ["X1", None], "answered_at": "2025-07-01", "recommend": 5})
    silent = surveys.head(4).assign(recommend=None)
    company.tables["surveys"] = pd.concat([surveys, surveys.head(5), silent, strangers])
    company.tables["transactions"] = pd.concat([ledger, ledger.head(10).assign(amount=-5.0)])
    found = cx.Study.from_toml(company.write()).run(only=["lift"])
    dropped = {row.reason: row.n for row in found.audit.dropped.rows}
    assert dropped["duplicate_response"] == 5
    assert dropped["missing_rating"] == 4
    assert dropped["unmatched_customer"] == 1
    assert dropped["missing_customer_id"] == 1
    assert found.audit.refunds.n == 10
    assert found.audit.match_rate == pytest.approx(500 / 501)


HOSTILE = [
    "<script>alert(1)</script>",
    "#panic()",
    "$5 & more",
    "=cmd()|'/c calc'!A1",
    "a\"b'c",
    "😀",
]


def test_hostile_text_comes_out_as_text(company: Company) -> None:
    customers = company.tables["customers"]
    company.tables["customers"] = customers.assign(
        segment=[HOSTILE[i % len(HOSTILE)] for i in range(len(customers))]
    )
    company.replace('title = "A small company"', "title = '<b>#panic() $5</b>'")
    company.replace('name = "Call-backs"', "name = '=HYPERLINK(\"x\")'")
    out = company.folder / "out"
    assert main(["run", str(company.write()), "--out", str(out), "--quiet"]) == 0
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "<b>#panic()" not in page
    for table in (out / "tables").glob("*.csv"):
        for line in table.read_text(encoding="utf-8").splitlines():
            assert not any(c.lstrip('"').startswith("=") for c in line.split(",")), (table, line)


def test_what_programmes_assume_is_a_caveat(company: Company) -> None:
    company.toml += (
        'touchpoint = "phone"\nrequires = ["Letters"]\n'
        '[[programmes]]\nname = "Letters"\nrating_points = 0.1\nlasts_months = 12\n'
    )
    said = " ".join(cx.Study.from_toml(company.write()).run(only=["kpis"]).caveats.rows)
    assert "Call-backs share a touchpoint, require or exclude another" in said
    assert "Programme Letters: that the gain outlasts the outcome window" in said


def test_a_programme_is_valued_with_the_lift_corrected_for_noise_too(company: Company) -> None:
    company.toml += (
        '[[programmes]]\nname = "Letters"\nkpi_points = 2.0\nreach = 0.5\n'
        '[[programmes]]\nname = "Talks"\nkpi_points = 2.0\nkpi_path = "detractor_to_passive"\n'
        "[lift]\nreliability = { mean = 0.7, sd = 0.05 }\n"
    )
    results = cx.Study.from_toml(company.write()).run(only=["lift", "programmes"]).to_dict()
    lift = results["lift"]["revenue"]
    first, second, third = results["programmes"]["rows"]
    ratio = (
        lift["reliability_corrected_per_rating_point"]["estimate"]
        / lift["per_rating_point"]["estimate"]
    )
    assert ratio == pytest.approx(1 / lift["reliability"]["left"]["estimate"])
    # costs are 1,000 at the start, and the gain is proportional to the lift
    gain = first["npv"]["estimate"] + 1_000
    assert first["npv_reliability_corrected"]["estimate"] + 1_000 == pytest.approx(ratio * gain)
    # along uniform_shift the lift per KPI point corrects by the same factor
    per_kpi = lift["per_kpi_point"]["uniform_shift"]["estimate"]
    corrected = lift["reliability_corrected_per_kpi_point"]
    assert corrected["uniform_shift"]["estimate"] == pytest.approx(ratio * per_kpi)
    gain = second["npv"]["estimate"]
    assert second["npv_reliability_corrected"]["estimate"] == pytest.approx(ratio * gain)
    # from band to band there is no such factor
    reason = "noise in answers puts some customers into the wrong band"
    assert reason in corrected["detractor_to_passive"]["reason"]
    assert reason in third["npv_reliability_corrected"]["reason"]


def test_what_validate_warns_of_is_a_caveat(company: Company) -> None:
    ledger = company.tables["transactions"].astype({"amount": object})
    ledger.loc[:4, "amount"] = None
    company.tables["transactions"] = ledger
    said = cx.Study.from_toml(company.write()).run(only=["kpis"]).caveats.rows
    assert "sources.revenue: 5 row(s) have no amount." in said


def test_contacts_that_count_for_nobody_are_a_caveat(company: Company) -> None:
    company.tables["calls"] = pd.DataFrame(
        {"cust": ["C0001", None, "C0002"], "at": ["2025-06-01", "2025-06-01", None]}
    )
    company.toml += """
[sources.interactions]
path = "calls.csv"
customer_id = "cust"
started_at = "at"
"""
    found = cx.Study.from_toml(company.write()).run(only=["kpis"])
    assert found.audit.rows_without_key.interactions == 2
    assert (
        "sources.interactions: 2 row(s) have no customer_id or no started_at, so they count for "
        "nobody."
    ) in found.caveats.rows


def test_observations_outlast_the_engine_of_the_run(company: Company) -> None:
    found = cx.Study.from_toml(company.write()).run(only=["kpis"])
    assert len(found.observations.frame) == found.audit.n_observations
    with pytest.raises(EngineError, match="no longer on the engine"):
        _ = found.observations.table


def test_windows_that_nothing_shows_to_be_over_are_a_caveat(company: Company) -> None:
    ledger = company.toml[company.toml.index("[sources.revenue]") : company.toml.index("[kpis]")]
    company.replace(ledger, "")
    company.replace("as_of = 2026-06-30", "")
    found = cx.Study.from_toml(company.write()).run(only=["kpis"])
    assert found.study.as_of is None
    assert any("Every outcome window is taken as over" in line for line in found.caveats.rows)
    with pytest.raises(InsufficientDataError, match=r"until when .* state study\.as_of"):
        cx.Study.from_toml(company.write()).run(only=["retention"])


def test_ratings_that_run_against_each_other_are_a_caveat(company: Company) -> None:
    surveys = company.tables["surveys"]
    company.tables["surveys"] = surveys.assign(effort=7 - surveys.recommend // 2)
    company.replace(
        "[sources.customers]", 'ces = { column = "effort", scale = "ces7" }\n[sources.customers]'
    )
    said = cx.Study.from_toml(company.write()).run(only=["kpis"]).caveats.rows
    assert any("better on 'nps' are worse on 'ces'" in line for line in said)


def test_the_study_leaves_a_lift_card(written: Path, results: dict[str, Any]) -> None:
    schema = json.loads(files("cxmodel").joinpath("schema/lift_card.schema.json").read_text())
    content = json.loads((written / "lift_card.json").read_text())
    jsonschema.validate(content, schema)
    card = cx.read_lift_card(written, at=pd.Timestamp(content["created_at"]).date())
    headline = results["lift"]["revenue"]["per_rating_point"]
    carried = card.per_rating_point().to_dict()
    assert carried["estimate"] == headline["estimate"]
    assert carried["conf_low"] == pytest.approx(headline["conf_low"], rel=1e-12)
    assert card.content["study"]["inputs"] == results["study"]["inputs"]
    assert card.content["evidence"]["grade"] == results["evidence"]["grade"]
