"""Experiments and instruments from the configuration to the results."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import jsonschema
import numpy as np
import pytest
from company import Company

import cxmodel as cx
from cxmodel.errors import ConfigError

SCHEMA = json.loads(files("cxmodel").joinpath("schema/results.schema.json").read_text())
EXPERIMENT = '\n[experiment]\narm = "variant"\ncontrol = "A"\nshares = { A = 1, B = 1 }\n'


def lift_of(company: Company) -> dict[str, Any]:
    results = cx.Study.from_toml(company.write()).run(only=["lift"]).to_dict()
    jsonschema.validate(results, SCHEMA)
    lift: dict[str, Any] = results["lift"]["revenue"]
    return lift


@pytest.mark.parametrize(("table", "extra"), [("surveys", ""), ("customers", '"variant", ')])
def test_an_arm_reaches_the_lift_wherever_it_stands(
    company: Company, table: str, extra: str
) -> None:
    """A column of surveys or customers, listed among the attributes or not."""
    n = len(company.tables[table])
    company.tables[table]["variant"] = np.random.default_rng(3).choice(["A", "B"], n)
    if extra:
        company.replace('attributes = ["segment"]', f'attributes = [{extra}"segment"]')
    company.toml += EXPERIMENT
    lift = lift_of(company)
    found = lift["experiment"]
    assert found["status"] == "ok", found
    assert [row["arm"] for row in found["arms"]["rows"]] == ["B"]
    assert found["evidence"]["grade"] == "experiment"
    assert "variant" not in lift["controls"]
    unit = found["arms"]["rows"][0]["outcome_effect"]["unit"]
    assert unit == "USD per customer per 180 days"


def test_agents_of_surveys_are_an_instrument(company: Company) -> None:
    n = len(company.tables["surveys"])
    company.tables["surveys"]["who"] = np.random.default_rng(3).integers(0, 12, n)
    company.replace('responded_at = "answered_at"', 'responded_at = "answered_at"\nagent = "who"')
    company.toml += '\n[lift]\ninstrument = "agent_mean"\n'
    lift = lift_of(company)
    assert lift["instrument"]["diagnostics"]["n_agents"] == 12
    assert lift["instrumented_per_rating_point"]["estimate"] is not None


def test_a_table_already_joined_has_an_arm_too(company: Company) -> None:
    rng = np.random.default_rng(1)
    joined = company.tables["surveys"].copy()
    n = len(joined)
    joined["spent"] = 50 + 3 * joined["recommend"] + rng.normal(0, 9, n)
    joined["spent_before"] = rng.gamma(9.0, 9.0, n).round(2)
    joined["variant"] = rng.integers(0, 2, n)
    company.tables = {"joined": joined.drop(columns="answered_at")}
    company.toml = """
[study]
currency = "USD"
[sources.observations]
path = "joined.csv"
customer_id = "cust"
revenue_after = "spent"
revenue_before = "spent_before"
controls = []
[sources.observations.ratings]
nps = { column = "recommend", scale = "nps" }
[experiment]
arm = "variant"
control = "0"
"""
    found = lift_of(company)["experiment"]
    assert [row["arm"] for row in found["arms"]["rows"]] == ["1"]


def test_without_any_the_results_say_so(company: Company) -> None:
    lift = lift_of(company)
    assert lift["experiment"] == {"status": "not_run", "reason": "no [experiment] is declared"}
    assert lift["instrument"]["reason"] == "no lift.instrument was asked for"


def test_columns_that_are_nowhere(company: Company) -> None:
    company.toml += '\n[experiment]\narm = "varian"\ncontrol = "A"\n[lift]\ninstrument = "pushed"\n'
    with pytest.raises(ConfigError) as caught:
        cx.Study.from_toml(company.write()).run()
    said = str(caught.value)
    assert 'experiment.arm = "varian" is no column of surveys, customers or observations' in said
    assert 'lift.instrument = "pushed" is no column' in said
    breaches, _ = cx.Study.from_toml(company.write()).validate()
    assert [str(breach) for breach in breaches] == [said]


def test_a_roll_out_reaches_the_lift(company: Company) -> None:
    n = len(company.tables["surveys"])
    company.tables["surveys"]["region"] = np.random.default_rng(3).integers(0, 6, n)
    company.toml += (
        '\n[rollout]\ngroup = "region"\n'
        'starts = { "0" = 2025-09-01, "1" = 2025-09-01, "2" = 2025-10-01 }\n'
    )
    found = lift_of(company)["rollout"]
    assert found["status"] == "ok", found
    assert (found["n_groups"], found["n_groups_started"]) == (6, 3)
    assert found["rating"]["effect"]["unit"] == "rating points"


def test_a_roll_out_whose_starts_stand_in_a_column_of_dates(company: Company) -> None:
    """The same numbers as with stated starts, though the dates lie after many responses."""
    n = len(company.tables["customers"])
    region = np.random.default_rng(3).integers(0, 6, n)
    began = {0: "2025-09-01", 1: "2025-09-01", 2: "2025-10-01"}
    company.tables["customers"]["region"] = region
    stated = company.toml + (
        '\n[rollout]\ngroup = "region"\n'
        'starts = { "0" = 2025-09-01, "1" = 2025-09-01, "2" = 2025-10-01 }\n'
    )
    company.tables["customers"]["began"] = [began.get(place) for place in region]
    dated = company.toml + '\n[rollout]\ngroup = "region"\nstarted_at = "began"\n'
    found = []
    for company.toml in (stated, dated):
        results = cx.Study.from_toml(company.write()).run(only=["lift", "churn"]).to_dict()
        jsonschema.validate(results, SCHEMA)
        found.append(results["lift"]["revenue"])
    assert found[1]["rollout"]["started_at"] == "began"
    assert {**found[1]["rollout"], "started_at": None} == found[0]["rollout"]
    assert found[1]["controls"] == found[0]["controls"]


def test_a_roll_out_needs_starts_in_one_way(company: Company) -> None:
    company.toml += '\n[rollout]\ngroup = "region"\n'
    with pytest.raises(ConfigError, match=r"rollout.*exactly one of starts.*it has neither"):
        cx.Study.from_toml(company.write())


def test_validate_and_run_refuse_all_that_is_named_and_does_not_occur(company: Company) -> None:
    """Ten mistakes in one message; no value of a small group is told, and no id."""
    n = len(company.tables["surveys"])
    arms = np.random.default_rng(3).choice(["A", "B"], n).astype(object)
    arms[:3] = "Mr Smith"
    company.tables["surveys"]["variant"] = arms
    regions = np.random.default_rng(4).choice(["north", "south"], n).astype(object)
    regions[:5] = "tiny village"
    company.tables["surveys"]["region"] = regions
    company.replace('by = ["segment"]', 'by = ["segmnt"]')
    company.toml += """
[lift]
controls = ["revenue_befor", "churned"]
keep = ["signupp"]
by = ["segmet"]
[response]
population = "at_risk"
controls = ["variant"]
[experiment]
arm = "variant"
control = "C"
[rollout]
group = "region"
starts = { nort = 2025-09-01, "tiny villag" = 2025-09-01 }
"""
    study = cx.Study.from_toml(company.write())
    breaches, _ = study.validate()
    (said,) = map(str, breaches)
    with pytest.raises(ConfigError) as caught:
        study.run(only=["kpis"])
    assert str(caught.value) == said
    for part in (
        "kpis.by has \"segmnt\", which is no attribute. Did you mean 'segment'?",
        'lift.by has "segmet"',
        "lift.controls has \"revenue_befor\", which is no column. Did you mean 'revenue_before'?",
        'lift.controls has "churned", which is the rating or an outcome',
        'lift.keep has "signupp", which is no column.',
        'response.controls has "variant", which is not known of customers who did not answer.',
        'experiment.control has "C", which does not occur in variant of sources.surveys. Seen in '
        "30 rows or more: A, B; 1 other value has fewer.",
        'rollout.starts has "nort", which does not occur in region of sources.surveys. Did you '
        "mean 'north'? Seen in 30 rows or more: north, south; 1 other value has fewer.",
        'rollout.starts has "tiny villag"',
    ):
        assert part in said, part
    assert "Smith" not in said
    assert "tiny village" not in said.replace('"tiny villag"', "")
    assert "C0001" not in said


def test_validate_reads_the_column_of_starts(company: Company) -> None:
    n = len(company.tables["customers"])
    company.tables["customers"]["region"] = np.arange(n) % 6
    company.tables["customers"]["began"] = ["2025-09-01", "2025-09-02"] * (n // 2)
    company.tables["customers"].loc[:5, "began"] = "2025-09-05"
    company.toml += '\n[rollout]\ngroup = "region"\nstarted_at = "began"\n'
    breaches, _ = cx.Study.from_toml(company.write()).validate()
    (said,) = map(str, breaches)
    assert "6 of 6 groups of region hold more than one start in began" in said


def test_what_occurs_is_no_breach(company: Company) -> None:
    """Every column that an observation table holds may be a control, a number may be an arm."""
    n = len(company.tables["surveys"])
    company.tables["surveys"]["variant"] = np.random.default_rng(3).integers(0, 2, n)
    company.toml += """
[lift]
controls = ["segment", "revenue_before", "revenue_before_2", "tenure_days", "_month",
            "days_observed_before"]
keep = ["segment"]
[response]
population = "at_risk"
controls = ["segment", "revenue_before"]
[experiment]
arm = "variant"
control = "0"
"""
    assert cx.Study.from_toml(company.write()).validate()[0] == []
