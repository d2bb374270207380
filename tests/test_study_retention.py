"""Stage ``retention`` of a study: its model, the hazard of leaving, and how long bands stay."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from company import Company

import cxmodel as cx
from cxmodel.commands.answer import short_answer
from cxmodel.report.sections.retention import retention_section
from cxmodel.report.tables_csv import tables

SCHEMA = json.loads(files("cxmodel").joinpath("schema/results.schema.json").read_text())


def run(company: Company) -> dict[str, Any]:
    results = cx.Study.from_toml(company.write()).run(only=["retention"]).to_dict()
    jsonschema.validate(results, SCHEMA)
    return results


def test_hazard_and_bands_stand_in_the_results_the_report_and_the_tables(company: Company) -> None:
    results = run(company)
    found = results["retention"]
    chosen = [row for row in found["families"]["rows"] if row["is_chosen"]]
    assert [row["model"] for row in chosen] == [found["model"]]
    assert chosen[0]["aic"] == min(row["aic"] for row in found["families"]["rows"])
    assert "lowest AIC" in found["choice"]
    hazard = found["hazard"]
    # the company was made so that better ratings stay longer
    ratio = hazard["hazard_ratio_per_rating_point"]
    assert ratio["conf_low"] < ratio["conf_high"] < 1
    assert hazard["errors"] == "by customer"
    assert [row["band"] for row in hazard["by_band"]["rows"]] == ["passive", "promoter"]
    bands = found["by_band"]
    assert [row["band"] for row in bands["rows"]] == ["detractor", "passive", "promoter"]
    assert bands["log_rank"]["deg_freedom"] == 2
    blocks = retention_section(results)
    said = " ".join(str(getattr(block, "words", "")) for block in blocks)
    assert "fewer customers leaving in a month" in said
    assert "This is an association" in said
    captions = " ".join(str(getattr(block, "caption", "")) for block in blocks)
    assert "Models that could continue the curve" in captions
    assert "How many of the first" in captions
    written = tables(results)
    for name in ("retention_families", "retention_by_band", "hazard_by_band", "hazard_terms"):
        assert len(written[name]) >= 2, name


def test_leaving_read_from_silence_has_no_hazard(company: Company) -> None:
    company.replace('churned_at = "cancelled"\n', "")
    results = run(company)
    for part in ("hazard", "by_band"):
        found = results["retention"][part]
        assert found["status"] == "not_run"
        assert "read from silence" in found["reason"]
    said = short_answer(results, Path("out")).splitlines()
    # a model that other businesses get and this one does not: its reason is printed
    assert [line for line in said if line.startswith("Not run: hazard")] == [
        f"Not run: hazard of leaving: {results['retention']['hazard']['reason']}"
    ]


@pytest.mark.parametrize("name", ["HazardModel"])
def test_it_is_public(name: str) -> None:
    assert name in cx.__all__
