"""Non-response in a whole study: what is weighted, what is said, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pandas as pd
import pytest

import cxmodel as cx
from cxmodel.config import parse_config
from cxmodel.errors import ConfigError


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("response")
    cx.datasets.simulate(n_customers=700, seed=2).write(path)
    return path


def run(folder, name="study", section="", *, only=("kpis", "lift", "checks"), drop=()):
    text = (folder / "cxmodel.toml").read_text(encoding="utf-8")
    for table in drop:
        head, _, rest = text.partition(f"[sources.{table}]")
        text = head + rest[rest.index("\n[") :]
    file = folder / f"{name}.toml"
    file.write_text(f"{text}\n{section}\n", encoding="utf-8")
    return cx.Study.from_toml(file).run(only=list(only)).to_dict()


@pytest.fixture(scope="module")
def tree(folder):
    return run(folder)


def check_of(tree, outcome="revenue"):
    rows = tree["checks"]["rows"]
    return next(r for r in rows if (r["name"], r["outcome"]) == ("non_response", outcome))


def test_with_invitations_the_answers_stand_for_the_invited(tree):
    found = tree["audit"]["response"]
    assert found["status"] == "ok"
    assert found["population"] == "the customers who were invited"
    assert found["n_answered"] < found["n_occasions"]
    assert tree["lift"]["revenue"]["non_response"]["is_headline"] is True
    lift = tree["lift"]["revenue"]
    assert lift["per_rating_point"] == lift["weighted_per_rating_point"]
    assert lift["unweighted_per_rating_point"]["estimate"] is not None
    assert check_of(tree)["verdict"] in ("pass", "warn", "fail")
    assert any("stand for the customers who were invited" in c for c in tree["caveats"]["rows"])


def test_every_rating_has_its_weighted_kpi_beside_the_plain_one(tree):
    rows = tree["kpis"]["rows"]
    whole = {row["kpi"]: row for row in rows if not row["group"] and row["period"] is None}
    for kpi in ("nps", "ease"):
        weighted = whole[kpi]["weighted"]
        assert weighted["n_effective"] <= weighted["n_obs"] <= whole[kpi]["n_obs"]
        assert weighted["conf_low"] <= weighted["estimate"] <= weighted["conf_high"]
        assert [row["tilt"] for row in whole[kpi]["tilt"]["rows"]] == sorted(
            row["tilt"] for row in whole[kpi]["tilt"]["rows"]
        )
    assert "weighted" not in whole["response_rate"]
    for row in rows:
        if row["suppressed"]:
            assert "weighted" not in row


def test_weighted_rows_of_groups_and_periods_add_up_to_the_answers(tree):
    rows = [row for row in tree["kpis"]["rows"] if row["kpi"] == "nps" and "weighted" in row]
    whole = next(row for row in rows if not row["group"] and row["period"] is None)
    n = whole["weighted"]["n_obs"]
    by_segment = [row for row in rows if row["group"] and row["period"] is None]
    assert sum(row["weighted"]["n_obs"] for row in by_segment if "segment" in row["group"]) <= n
    for row in rows:
        if "n_obs" in row["weighted"]:
            assert row["weighted"]["n_obs"] <= row["n_obs"]


def test_the_tree_fits_its_schema(tree):
    schema = json.loads(
        (Path(cx.__file__).parent / "schema" / "results.schema.json").read_text(encoding="utf-8")
    )
    jsonschema.validate(json.loads(json.dumps(tree, default=str)), schema)


def test_the_same_study_gives_the_same_bytes(folder, tree):
    again = run(folder, "again")
    assert json.dumps(again["lift"]) == json.dumps(tree["lift"])
    assert json.dumps(again["audit"]["response"]) == json.dumps(tree["audit"]["response"])


def test_without_invitations_they_stand_for_customers_at_risk(folder):
    tree = run(folder, "at_risk", '[response]\npopulation = "at_risk"\nlandmark_days = 56',
               only=("lift",))  # fmt: skip
    found = tree["audit"]["response"]
    assert (found["population"], found["period_days"]) == ("customers at risk", 56)
    assert any("at the beginning of every 56 days answered" in c for c in tree["caveats"]["rows"])


def test_none_leaves_the_lift_as_it_was(folder):
    tree = run(folder, "none", '[response]\npopulation = "none"', only=("kpis", "lift", "checks"))
    assert tree["audit"]["response"] == {
        "status": "not_run",
        "reason": 'response.population is "none"',
    }
    lift = tree["lift"]["revenue"]
    assert lift["weighted_per_rating_point"]["status"] == "not_run"
    assert lift["per_rating_point"] == lift["unweighted_per_rating_point"]
    assert check_of(tree)["verdict"] == "not_run"
    assert not any("weighted" in row for row in tree["kpis"]["rows"])


def test_stated_controls_are_used(folder):
    section = '[response]\ncontrols = ["segment", "tenure_days"]\ntrim = 0'
    found = run(folder, "controls", section, only=("lift",))["audit"]["response"]
    assert found["controls"] == ["segment", "tenure"]
    assert (found["trim"], found["n_trimmed"]) == (0, 0)


def test_a_joined_table_says_why_it_cannot_be_weighted(tmp_path):
    table = pd.DataFrame(
        {"score": [9, 3, 5, 8] * 30, "left": ["no", "yes", "no", "yes", "no", "no"] * 20}
    )
    table.to_csv(tmp_path / "flat.csv", index=False)
    (tmp_path / "flat.toml").write_text(
        '[sources.observations]\npath = "flat.csv"\nchurned = "left"\n'
        'ratings.nps = { column = "score", scale = "nps" }\n'
    )
    tree = cx.Study.from_toml(tmp_path / "flat.toml").run(only=["kpis", "checks"]).to_dict()
    assert "holds only those who answered" in tree["audit"]["response"]["reason"]
    assert "already joined and holds only those who answered" in check_of(tree, "retention")["text"]


# -- Settings that cannot be ---------------------------------------------------------------------

SURVEYS = {"path": "s.csv", "ratings": {"nps": {"column": "q", "scale": "nps"}}}


@pytest.mark.parametrize(
    ("response", "sources", "message"),
    [
        ({"population": "invitd"}, {"surveys": SURVEYS}, r"response.population = \"invitd\""),
        ({"landmark": 28}, {"surveys": SURVEYS}, r"response.landmark.*landmark_days"),
        ({"landmark_days": 0}, {"surveys": SURVEYS}, r"response.landmark_days = 0: must be"),
        ({"trim": 0.5}, {"surveys": SURVEYS}, r"response.trim = 0.5: must be below 0.5"),
        ({"population": "invited"}, {"surveys": SURVEYS}, "needs sources.invitations"),
        (
            {"population": "at_risk"},
            {"observations": {"path": "t.csv"}},
            "a table already joined holds only those who answered",
        ),
    ],
)
def test_settings_that_cannot_be(response, sources, message):
    with pytest.raises(ConfigError, match=message):
        parse_config({"sources": sources, "response": response})


def test_defaults():
    response = parse_config({"sources": {"surveys": SURVEYS}}).response
    assert (response.population, response.controls) == (None, None)
    assert (response.landmark_days, response.within_days) == (28, 30)


def test_a_control_that_nobody_knows_is_named(folder):
    with pytest.raises(ConfigError, match=r'response\.controls has "segmnt"'):
        run(folder, "wrong", '[response]\ncontrols = ["segmnt"]', only=("lift",))
