"""Results as a study writes them: whole, and with parts that were not run."""

import copy
import json
from pathlib import Path

import pytest

FULL = Path(__file__).parent / "fixtures" / "full.json"
HOSTILE = [
    "<script>alert('x')</script>",
    '#panic("x") #import "@preview/x:1.0.0": *',
    "$5 and $6 $x^2$",
    '=cmd()|"/c calc"!A1',
    "[link](javascript:alert(1)) **bold** _it_ `code`",
    "\"quotes' & <b>amp</b> \\ backslash \\u{41} @ref <label>",
    "x" * 300,
    "{{ 7 * 7 }} {% raw %} ${HOME}",
    "line one\nline two\ttab\x07bell",
]


def not_run(reason):
    return {"status": "not_run", "reason": reason}


def without(values, **stages):
    """Results in which stages, written with two underscores for a dot, were not run."""
    values = copy.deepcopy(values)
    for path, reason in stages.items():
        *above, last = path.split("__")
        part = values
        for step in above:
            part = part[step]
        part[last] = not_run(reason)
    return values


@pytest.fixture(scope="session")
def full_values():
    return json.loads(FULL.read_text(encoding="utf-8"))


@pytest.fixture
def values(full_values):
    return copy.deepcopy(full_values)


@pytest.fixture(scope="session")
def kpis_only(full_values):
    reason = "Surveys name no customer, so only KPIs can be computed."
    stages = ("lift", "checks", "evidence", "churn", "retention", "cltv", "programmes")
    values = without(full_values, **dict.fromkeys((*stages, "audit"), reason))
    values["study"] |= {"currency": None, "churn_rule": None}
    values["kpis"]["rows"] = [r for r in values["kpis"]["rows"] if not r["group"]]
    return values


def with_lift(values, outcome, estimate, low, high):
    """Results whose headline has another value and interval."""
    values = copy.deepcopy(values)
    values["lift"][outcome]["per_rating_point"] |= {
        "estimate": estimate,
        "conf_low": low,
        "conf_high": high,
    }
    return values


def with_grade(values, grade):
    """Results of another evidence grade."""
    values = copy.deepcopy(values)
    values["evidence"]["grade"] = grade
    for outcome in values["evidence"]["by_outcome"].values():
        outcome["grade"] = grade
    return values


def hostile(values, text):
    """Results in which a text stands wherever a user's text may stand."""
    values = copy.deepcopy(values)
    values["study"]["title"] = text
    values["programmes"]["rows"][0]["name"] = text
    values["churn"]["leaks"]["rows"][0] |= {"column": text, "reason": text}
    values["churn"]["coefficients"]["rows"][0]["term"] = text
    values["checks"]["rows"][0]["text"] = text
    values["caveats"]["rows"][0] = text
    values["drivers"] = not_run(text)
    values["study"]["inputs"]["rows"][0]["table"] = text
    values["audit"]["dropped"]["rows"][0]["reason"] = text
    for row in values["kpis"]["rows"]:
        if row["group"].get("segment") == "Enterprise":
            row["group"] = {"segment": text}
    for row in values["lift"]["revenue"]["by_group"]["rows"][:1]:
        row["group"] = {text: text}
    return values


@pytest.fixture
def quick_pictures(monkeypatch):
    """Draw figures but do not write them as SVG, which takes most of the time."""
    from cxmodel.report.blocks import Picture
    from cxmodel.report.sections import (
        churn,
        churn_use,
        cltv,
        cltv_parts,
        kpis,
        lift_pictures,
        programmes,
        retention,
    )

    def drawn(figure, **words):
        assert figure.axes
        return Picture(svg_text="<svg/>", svg_path="<svg/>", **words)

    drawing = (churn, churn_use, cltv, cltv_parts, kpis, lift_pictures, programmes, retention)
    for module in drawing:
        monkeypatch.setattr(module, "picture", drawn)


@pytest.fixture
def helpers():
    """The functions above, for tests that vary results."""

    class Helpers:
        pass

    for function in (not_run, without, with_lift, with_grade, hostile):
        setattr(Helpers, function.__name__, staticmethod(function))
    Helpers.HOSTILE = HOSTILE
    return Helpers
