"""What the board report says of experiments, instruments and roll-outs."""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import cxmodel as cx
from cxmodel.report.blocks import Table
from cxmodel.report.sections.estimators import estimator_pictures, estimator_rows
from cxmodel.report.sections.experiments import experiment_blocks
from cxmodel.report.tables_csv import tables, to_csv
from cxmodel.results import to_plain

sys.path.insert(0, str(Path(__file__).parents[1]))
from simulated_observations import simulate_observations


@pytest.fixture(scope="module")
def results() -> dict[str, Any]:
    obs = simulate_observations(2_000)
    rng = np.random.default_rng(3)
    frame = obs.frame
    customer = pd.factorize(frame["customer_id"])[0]
    frame["variant"] = rng.choice(["A", "<b>B</b>"], customer.max() + 1)[customer]
    frame["_agent"] = [f"agent {i}" for i in rng.integers(0, 20, len(frame))]
    frame["region"] = [f"r{i}" for i in rng.integers(0, 8, len(frame))]
    frame["_month"] = frame["responded_at"].dt.strftime("%Y-%m")
    model = cx.LiftModel(
        experiment=cx.Experiment(arm="variant", control="A"),
        instrument="agent_mean",
        rollout=cx.Rollout(
            group="region", starts={f"r{i}": dt.date(2024, 7, 1) for i in range(4)},
            period="quarter",
        ),
    )  # fmt: skip
    section = to_plain(model.fit(obs).to_section())
    return {"study": {"rating": "nps", "currency": "USD"}, "lift": {"revenue": section}}


def test_all_three_are_said(results: dict[str, Any]) -> None:
    table, *texts = experiment_blocks(results, "revenue")
    assert isinstance(table, Table)
    assert table.rows[0]["arm"] == "<b>B</b>"
    assert table.rows[0]["outcome"].startswith(("$", "−$"))
    assert "among those who answered" in table.note
    said = " ".join(text.plain_text() for text in texts)
    assert "The lift from the arm: " in said
    assert "Evidence grade: experiment. variant was drawn by lot" in table.note
    assert "Evidence grade: association. The arm was drawn by lot, but nobody" in said
    assert "nobody declares that it works through the rating alone" in said
    assert "from the agent as an instrument" in said
    assert "Evidence grade: association. To be believed: customers came to agents" in said
    assert "To be believed: customers came to agents as if by lot" in said
    assert "What the roll-out by region did: on revenue" in said
    assert "rating points (" in said


def test_a_weak_instrument_is_not_drawn_beside_the_others(results: dict[str, Any]) -> None:
    lift = results["lift"]["revenue"]
    assert lift["instrument"]["diagnostics"]["is_weak"]
    (drawn,) = estimator_pictures(results, "revenue")
    assert "From an instrument" not in drawn.alt
    assert "From an instrument" in [row["label"] for row in estimator_rows(results, "revenue")]
    strong = {**lift, "instrument": {**lift["instrument"], "diagnostics": {"is_weak": False}}}
    (drawn,) = estimator_pictures({**results, "lift": {"revenue": strong}}, "revenue")
    assert "From an instrument" in drawn.alt


def test_a_broken_lot_is_a_warning(results: dict[str, Any]) -> None:
    experiment = {
        **results["lift"]["revenue"]["experiment"],
        "evidence": {"grade": "association", "text": "The arms do not have the planned sizes."},
    }
    lift = {**results["lift"]["revenue"], "experiment": experiment}
    blocks = experiment_blocks({**results, "lift": {"revenue": lift}}, "revenue")
    said = [block.plain_text() for block in blocks]
    assert any("The lot did not go as planned" in text for text in said)
    assert sum(text.count("do not have the planned sizes") for text in said) == 1


def test_without_any_nothing_is_said(values: dict[str, Any]) -> None:
    assert experiment_blocks(values, "revenue") == []


def test_arms_instruments_and_roll_outs_are_tables(results: dict[str, Any]) -> None:
    lift, found = results["lift"]["revenue"], tables(results)
    (arm,), (seen,) = found["lift_revenue_arms"], lift["experiment"]["arms"]["rows"]
    assert (arm["column"], arm["control"], arm["arm"]) == ("variant", "A", "<b>B</b>")
    assert arm["outcome_effect"] == seen["outcome_effect"]["estimate"]
    assert arm["rating_effect_conf_high"] == seen["rating_effect"]["conf_high"]
    assert arm["n_customers"] == seen["n_customers"]
    assert arm["grade"] == "experiment"
    from_arm, from_agent = found["lift_revenue_instruments"]
    assert from_arm["estimate"] == lift["experiment"]["complier_per_rating_point"]["estimate"]
    assert (from_arm["instrument"], from_arm["grade"]) == ("variant", "association")
    assert from_agent["instrument"] == "agent_mean"
    assert from_agent["effective_f"] == lift["instrument"]["diagnostics"]["effective_f"]
    assert from_agent["is_weak"]
    assert from_agent["grade"] == "association"
    believed = lift["instrument"]["must_be_believed"]
    assert from_agent["evidence"].endswith(believed)
    assert from_arm["evidence"] == lift["experiment"]["complier_evidence"]["text"]
    rolled = found["lift_revenue_rollout"]
    whole = [row for row in rolled if row["term"] == "effect"]
    assert [row["on"] for row in whole] == ["revenue", "rating"]
    assert whole[0]["estimate"] == lift["rollout"]["outcome"]["effect"]["estimate"]
    n_periods = len(lift["rollout"]["outcome"]["event_study"]["rows"])
    assert sum(row["on"] == "revenue" for row in rolled) == 1 + n_periods
    for name in ("arms", "instruments", "rollout"):
        assert "{" not in to_csv(found[f"lift_revenue_{name}"])


def test_a_small_arm_is_named_and_empty_in_its_table(results: dict[str, Any]) -> None:
    lift = results["lift"]["revenue"]
    hidden = {
        **dict.fromkeys(lift["experiment"]["arms"]["rows"][0]),
        "arm": "C",
        "suppressed": True,
    }
    rows = [*lift["experiment"]["arms"]["rows"], hidden]
    experiment = {**lift["experiment"], "arms": {"rows": rows}}
    found = tables({**results, "lift": {"revenue": {**lift, "experiment": experiment}}})
    small = found["lift_revenue_arms"][1]
    known = {name for name, value in small.items() if value is not None}
    assert known == {"column", "control", "arm", "suppressed"}
