"""The churn section: what a manager reads of depth, net benefit, importance and leaks."""

from __future__ import annotations

import pytest

from cxmodel.report import sections
from cxmodel.report.blocks import Picture, Table
from cxmodel.report.sections.churn_use import use_pictures
from cxmodel.report.tables_csv import tables


def _estimate(value, error, unit="share", n_obs=900):
    low, high = value - 1.96 * error, value + 1.96 * error
    return {"estimate": value, "std_error": error, "conf_low": low, "conf_high": high,
            "conf_level": 0.95, "unit": unit, "n_obs": n_obs}  # fmt: skip


@pytest.fixture
def used(values, quick_pictures):
    """Results of a churn model with everything that can be said of it."""
    added = {
        "roc_auc": _estimate(0.05, 0.01),
        "pr_auc": _estimate(0.04, 0.03),
        "brier": _estimate(-0.004, 0.001),
        "log_loss": _estimate(-0.01, 0.002),
    }
    values["checks"]["rows"] = [
        row for row in values["checks"]["rows"] if row["name"] not in ("separation", "timing")
    ]
    values["churn"] |= {
        "added_by_rating": added,
        "one_column": {"name": "x", "columns": {"tenure_days": 3}, "metrics": {},
                       "added_by_model": {**added, "roc_auc": _estimate(0.01, 0.02)}},
        "at_depth": {"contact_share": 0.1, "n_contacts": 120,
                     "leavers_found": _estimate(0.35, 0.02),
                     "precision": _estimate(0.36, 0.03),
                     "lift_over_chance": _estimate(3.5, 0.2), "base_rate": 0.1},
        "decision_curve": {"rows": [
            {"threshold": t, "n_called": 300, **_estimate(0.1 - t / 4, 0.005),
             "everybody": 0.1 - t, "over_everybody": _estimate(0.75 * t, 0.02)}
            for t in (0.02, 0.1, 0.2, 0.3)
        ]},
        "importance": {"rows": [
            {"column": name, **_estimate(value, 0.004), "roc_auc_drop": _estimate(value, 0.01)}
            for name, value in (("rating", 0.03), ("tenure_days", 0.01), ("plan", 0.0))
        ]},
        "partial_dependence": {"rows": [
            {"column": "rating", "label": str(v), "value": float(v), "estimate": 0.3 - 0.02 * v,
             "observed": 0.29 - 0.02 * v, "n": 80, "suppressed": False}
            for v in range(3, 11)
        ] + [{"column": "plan", "label": "Gold", "value": None, "estimate": None,
              "observed": None, "n": None, "suppressed": True}]},
        "sample_size": {"verdict": "pass", "n_needed": 500, "text": "enough"},
    }  # fmt: skip
    return values


def text_of(values):
    return "\n".join(block.plain_text() for block in sections.churn_section(values))


def test_a_team_reads_what_its_calls_find(used):
    text = text_of(used)
    assert "calls the 10% at most risk (120 calls) reaches 35% of those who leave" in text
    assert "(31% to 39%). Of 100 called, 36 leave (30 to 42): 3.5 times as many" in text
    assert "Whether a call keeps them is another question" in text


def test_what_the_rating_adds_is_said(used):
    text = text_of(used)
    assert "NPS tells who leaves beyond what behaviour tells." in text
    assert "+0.050 (+0.030 to +0.070)" in text
    notes = [b.note for b in sections.churn_section(used) if isinstance(b, Table)]
    assert any("The best single column was tenure days." in note for note in notes)
    used["churn"]["added_by_rating"]["roc_auc"] = _estimate(0.0, 0.01)
    assert "It is not shown that NPS tells more than behaviour alone." in text_of(used)
    used["churn"]["added_by_rating"]["roc_auc"] = _estimate(-0.05, 0.01)
    assert "With NPS the model ranks worse" in text_of(used)


def test_an_answer_after_the_decision_is_no_early_sign(used):
    assert "may come too late to warn" not in text_of(used)
    row = {"name": "timing", "outcome": "retention", "verdict": "fail", "text": "It fades."}
    used["checks"]["rows"].append(row)
    assert "The rating may come too late to warn" in text_of(used)


def test_pictures_say_what_they_show(used):
    headlines = [block.headline for block in use_pictures(used)]
    assert headlines == [
        "Calling by risk beats calling everybody or nobody where a call begins to pay at a risk "
        "of 10% to 30%",
        "The model leans most on NPS",
        "How the risk runs along NPS",
    ]
    alts = " ".join(block.alt for block in use_pictures(used))
    assert "from 10%: 7.5 against 0.0 for everybody" in alts
    assert "NPS: 10% at 10, 24% at 3" in alts
    # a group too small to show is not in the picture
    assert "Gold" not in alts


def test_a_column_that_is_shown_to_matter_is_named_whatever_stands_first(used):
    found = used["churn"]["importance"]["rows"]
    found.insert(0, {**found[0], "column": "segment", **_estimate(0.05, 0.04)})
    headlines = [block.headline for block in use_pictures(used)]
    assert "Shown to matter: NPS and tenure days" in headlines
    for row in found:
        row |= _estimate(row["estimate"], 0.04)
    assert "No column alone is shown to matter" in [b.headline for b in use_pictures(used)]


def test_where_nothing_is_foretold_no_one_is_sent_to_call(used):
    used["churn"]["metrics"]["roc_auc"] |= {"estimate": 0.51, "conf_low": 0.45, "conf_high": 0.57}
    text = text_of(used)
    assert "This model should not choose whom to call" in text
    assert "A team that calls" not in text
    assert not [b for b in sections.churn_section(used) if isinstance(b, Picture)]


def test_few_customers_are_said(used):
    assert "Few customers" not in text_of(used)
    used["churn"]["sample_size"] |= {"verdict": "fail", "text": "40 customers for 12 terms."}
    assert "40 customers for 12 terms." in text_of(used)


def test_a_rating_that_knows_the_outcome_is_not_praised(used):
    used["churn"]["metrics"]["roc_auc"] |= {"estimate": 0.99, "conf_low": 0.98, "conf_high": 1.0}
    text = text_of(used)
    assert "No forecast can be claimed" in text
    assert "tells who leaves beyond" not in text
    assert "What NPS adds in this table, where the outcome may have been known already." in text


def test_leaks_have_both_figures_and_the_unexamined_are_named(used):
    used["churn"]["leaks"] = {
        "rows": [{"column": "Churn Score", "auc": 0.943, "pure_share": 0.41,
                  "reason": "41% of the rows lie in levels of one outcome", "kept": False}],
        "not_examined": ["City"],
    }  # fmt: skip
    text = text_of(used)
    assert "Churn Score" in text
    # each figure once
    assert "41% of the rows lie in levels of one outcome (AUC 0.943)" in text
    assert "Not examined, as it is text of too many values: City." in text


def test_how_the_method_was_chosen_is_said(used):
    used["churn"]["method_choice"] = {
        "method": "logistic",
        "rows": [{"method": "logistic", "log_loss": 0.3012}, {"method": "gradient_boosting",
                                                              "log_loss": 0.3}],
    }  # fmt: skip
    assert "logistic (log loss: logistic 0.3012 and gradient boosting 0.3000)" in text_of(used)


def test_tables_hold_it_all(used):
    found = tables(used)
    assert {row["added_by"] for row in found["churn_added"]} == {"rating", "model"}
    assert [row["term"] for row in found["churn_at_depth"]] == [
        "leavers_found", "precision", "lift_over_chance"
    ]  # fmt: skip
    assert found["churn_decision_curve"][1]["over_everybody_conf_low"] == pytest.approx(0.0358)
    assert found["churn_importance"][0]["roc_auc_drop"] == 0.03
    assert found["churn_partial_dependence"][-1]["estimate"] is None
    assert {row["term"] for row in found["churn_sample_size"]} >= {"verdict", "n_needed"}


def test_hostile_names_stay_text(used, helpers):
    for text in helpers.HOSTILE:
        for row in used["churn"]["importance"]["rows"][:1]:
            row["column"] = text
        for row in used["churn"]["partial_dependence"]["rows"]:
            row |= {"column": text, "label": text}
        blocks = sections.churn_section(used)
        assert any(isinstance(block, Picture) for block in blocks)
