"""Real or public studies: what is known of the data stands in the results, and no more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest
from test_study import SCHEMA

import cxmodel as cx

STUDIES = Path(__file__).parent / "studies"


def run(name: str, data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setenv("CXMODEL_DATA", str(data_dir))
    results = cx.Study.from_toml(STUDIES / f"{name}.toml").run().to_dict()
    jsonschema.validate(results, SCHEMA)
    return results


def overall(results: dict[str, Any], kpi: str) -> dict[str, Any]:
    rows = results["kpis"]["rows"]
    return next(r for r in rows if r["kpi"] == kpi and not r["group"] and r["period"] is None)


def check(results: dict[str, Any], name: str, outcome: str) -> dict[str, Any]:
    rows: list[dict[str, Any]] = results["checks"]["rows"]
    return next(row for row in rows if row["name"] == name and row["outcome"] == outcome)


def test_olist(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # 4,988 reviews, payments of R$789,498.77 over 5,160 rows, 9 repeat orders (the data's facts)
    results = run("olist", data_dir, monkeypatch)
    audit = results["audit"]
    assert audit["n_responses"] == 4988
    assert audit["revenue_total"] == pytest.approx(789_498.77, abs=1e-9)
    assert audit["revenue_reconciled"]["difference"] == 0
    for stage in ("lift", "churn", "cltv"):
        assert results[stage]["status"] == "not_run"
        assert results[stage]["reason"]
    assert overall(results, "review")["n_obs"] == audit["n_observations"]
    assert 0 < overall(results, "late_rate")["estimate"] < 20
    # mean review on time 4.32, late 2.61 (the data's facts)
    means = {
        row["group"]["delivery"]: round(row["mean"], 2)
        for row in results["kpis"]["rows"]
        if row["kpi"] == "review" and row["group"] and row["period"] is None
    }
    assert means["on time"] == 4.32
    assert means["late"] == 2.61


def test_ravenstack_claims_no_lift(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # 1,175 of 2,000 closed tickets have a score; the data were made without an effect
    results = run("ravenstack", data_dir, monkeypatch)
    assert overall(results, "response_rate")["estimate"] == pytest.approx(100 * 1175 / 2000)
    assert results["study"]["churn_rule"] == "churn_events"
    assert results["audit"]["revenue_reconciled"]["difference"] == 0
    for outcome in ("revenue", "retention"):
        lift = results["lift"][outcome]["per_rating_point"]
        assert lift["conf_low"] < 0 < lift["conf_high"]
        assert results["evidence"]["by_outcome"][outcome]["grade"] == "association"
        said = f"The interval of the lift of {outcome} holds zero"
        assert any(caveat.startswith(said) for caveat in results["caveats"]["rows"])


def test_telco_names_its_leaks_and_claims_no_forecast(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # churn score, category, reason and status leak; the score separates churn except at 3
    results = run("ibm_telco", data_dir, monkeypatch)
    leaks = {"Churn Score", "Churn Category", "Churn Reason", "Customer Status"}
    leakage = check(results, "leakage", "retention")
    assert leakage["verdict"] == "fail"
    assert all(name in leakage["text"] for name in leaks)
    assert {row["column"] for row in results["churn"]["leaks"]["rows"]} == leaks
    separation = check(results, "separation", "retention")
    assert separation["verdict"] == "fail"
    assert "csat" in separation["text"]
    retention = results["lift"]["retention"]
    assert retention["per_rating_point"]["status"] == "not_run"
    assert {row["rating"]: row["estimate"] for row in retention["by_rating"]["rows"]} == {
        1: 0.0,
        2: 0.0,
        3: pytest.approx(2236 / 2665),
        4: 1.0,
        5: 1.0,
    }
    assert results["lift"]["revenue"]["status"] == "not_run"
    assert results["churn"]["base_rate"] == pytest.approx(1869 / 7043)
    assert results["churn"]["separation"]["separates"]


def test_telco_extended_tables_name_the_four_leaks(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # the five tables joined as they come: the same four, and the label's own copy in numbers
    results = run("ibm_telco_tables", data_dir, monkeypatch)
    assert results["churn"]["base_rate"] == pytest.approx(1869 / 7043)
    leaks = {row["column"]: row for row in results["churn"]["leaks"]["rows"]}
    four = {"Churn Score", "Churn Category", "Churn Reason", "Customer Status"}
    assert set(leaks) == {*four, "Churn Value"}
    assert leaks["Churn Score"]["auc"] == pytest.approx(0.943, abs=5e-4)
    assert all(0.25 <= leaks[name]["pure_share"] <= 1 for name in four)
    used = {row["column"] for row in results["churn"]["importance"]["rows"]}
    assert not used & set(leaks)
    assert "Contract" in used
    caveats = " ".join(results["caveats"]["rows"])
    assert all(f"{name} (AUC" in caveats for name in four)
    assert "City" in results["churn"]["leaks"]["not_examined"]


def test_iranian_telecom_counts_its_duplicates(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # churn 10.1% without a complaint and 83.0% with one; 300 of 3,150 rows twice (the data's facts)
    results = run("iranian_telecom", data_dir, monkeypatch)
    churn = results["churn"]
    assert churn["n_obs"] == 3150
    assert churn["n_duplicate_rows"] == 300
    assert any(text.startswith("300 rows equal an earlier row")
               for text in results["caveats"]["rows"])  # fmt: skip
    observed = {
        row["value"]: round(100 * row["observed"], 1)
        for row in churn["partial_dependence"]["rows"]
        if row["column"] == "Complaints"
    }
    assert observed == {0.0: 10.1, 1.0: 83.0}
    assert churn["leaks"]["rows"] == []
    assert churn["metrics"]["roc_auc"]["conf_low"] > 0.9
    assert churn["one_column"]["added_by_model"]["roc_auc"]["conf_low"] > 0.1


def test_ecommerce_reports_that_churn_rises_with_satisfaction(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # 5,630 rows, churn 11.5% at score 1 and 23.8% at 5 (the data's facts): as it is, and why
    results = run("ecommerce_5630", data_dir, monkeypatch)
    assert results["audit"]["n_responses"] == 5630
    assert results["churn"]["base_rate"] == pytest.approx(948 / 5630)
    retention = results["lift"]["retention"]
    for term in ("per_rating_point", "unadjusted_per_rating_point", "additive_per_rating_point"):
        assert retention[term]["conf_high"] < 0
    # rows with a gap in a control are left out and counted; churn is 11.5% and 23.8% with them
    left_out = {row["reason"]: row["n"] for row in results["audit"]["not_used"]["rows"]
                if row["stage"] == "lift.retention"}  # fmt: skip
    assert retention["n_obs"] + sum(left_out.values()) == 5630
    by_rating = {row["rating"]: row["estimate"] for row in retention["by_rating"]["rows"]}
    assert by_rating[1] - by_rating[5] == pytest.approx(0.123, abs=0.03)
    caveat = next(c for c in results["caveats"]["rows"] if c.startswith("Better ratings go with"))
    assert "fewer customers who stay here, and it is reported as it is. What may explain" in caveat
    assert results["evidence"]["by_outcome"]["retention"]["grade"] == "association"


def test_support_tickets_claim_no_lift(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # 2,808 of 8,469 tickets have a rating; the ratings were made without any signal
    results = run("support_tickets", data_dir, monkeypatch)
    assert results["audit"]["n_responses"] == 2808
    lift = results["lift"]["retention"]["per_rating_point"]
    assert lift["conf_low"] < 0 < lift["conf_high"]
    assert results["evidence"]["by_outcome"]["retention"]["grade"] == "association"
    said = "The interval of the lift of retention holds zero"
    assert any(caveat.startswith(said) for caveat in results["caveats"]["rows"])
    # nor can anybody tell who will cancel: chance is .5
    roc_auc = results["churn"]["metrics"]["roc_auc"]
    assert roc_auc["conf_low"] < 0.5 < roc_auc["conf_high"]


def test_plain_telco_tells_who_leaves_as_well_as_others_do(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # .845 is the 5-fold AUC of an honest logit on this file (published for this file many times)
    results = run("telco_plain", data_dir, monkeypatch)
    assert results["lift"]["status"] == "not_run"
    assert "no rating" in results["lift"]["reason"]
    assert results["churn"]["metrics"]["roc_auc"]["estimate"] == pytest.approx(0.845, abs=0.005)
    assert results["churn"]["leaks"]["rows"] == []
    # calibrated: the intervals hold 1 and 0 (Van Calster et al. 2019)
    slope, intercept = (
        results["churn"]["metrics"][f"calibration_{name}"] for name in ("slope", "intercept")
    )
    assert slope["conf_low"] < 1 < slope["conf_high"]
    assert intercept["conf_low"] < 0 < intercept["conf_high"]
    for group in results["churn"]["calibration"]["rows"]:
        assert group["predicted"] == pytest.approx(group["observed"], abs=0.05)
    assert results["churn"]["sample_size"]["verdict"] == "pass"
    # the 11 customers of no month have no total charge, and all stayed: that column separates
    coefficients = results["churn"]["coefficients"]
    assert coefficients["status"] == "not_run"
    assert "without error in 11 of 7,043 rows" in coefficients["reason"]
