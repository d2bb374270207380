"""The form of KPI results: rows, frame, words and HTML."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from cxmodel.kpis.result import KpiResult, combine
from cxmodel.kpis.survey import measure_kpi
from cxmodel.results import TIDY_COLUMNS, NotRun
from cxmodel.scales import CSAT5
from cxmodel.tables.readers import read_surveys


@pytest.fixture(scope="module")
def result() -> KpiResult:
    frame = pd.DataFrame(
        {
            "customer_id": [f"c{i}" for i in range(100)],
            "responded_at": ["2026-01-05"] * 60 + ["2026-05-05"] * 40,
            "csat": [5, 4, 3, 2] * 25,
            "segment": ["<b>large</b>"] * 50 + ["small"] * 45 + [None] * 5,
        }
    )
    surveys = read_surveys(frame, ratings={"csat": ("csat", CSAT5)}, attributes=["segment"])
    return measure_kpi(surveys, "csat", by="segment", period="quarter", targets={"csat": 85})


def test_rows_have_the_fields_of_the_contract(result):
    fields = {"kpi", "group", "period", "median", "mean", "n_effective", "suppressed"}
    fields |= {"estimate", "std_error", "conf_low", "conf_high", "conf_level", "unit", "n_obs"}
    for row in result.rows:
        assert fields <= row.keys()
    section = result.to_section()
    assert section["status"] == "ok"
    assert json.loads(json.dumps(section, allow_nan=False)) == section


def test_missing_group_is_named_and_comes_last(result):
    groups = [row["group"].get("segment") for row in result.rows if row["period"] is None]
    assert groups == [None, "<b>large</b>", "small", "(missing)"]


def test_frame_begins_with_the_columns_of_every_result(result):
    frame = result.to_frame()
    assert tuple(frame.columns[: len(TIDY_COLUMNS)]) == TIDY_COLUMNS
    assert len(frame) == len(result.rows)
    assert frame.n_obs.isna().equals(frame.suppressed)
    assert (frame.target == 85).all()


def test_summary_says_numbers_and_what_is_hidden(result):
    words = result.summary()
    assert "csat: 50.0 (40.4 to 59.6) percent in the top box, 0-100; n 100" in words
    assert "suppressed" in words


def test_html_is_escaped(result):
    page = result._repr_html_()
    assert "&lt;b&gt;large" in page
    assert "<b>large" not in page


def test_combined_results_keep_their_order_and_reasons(result):
    other = KpiResult(rows=(), not_run={"late_rate": NotRun("no interactions")})
    both = combine([result, other])
    assert both.rows == result.rows
    assert both.not_run["late_rate"].reason == "no interactions"
    assert "late_rate: not run" in both.summary()


def test_trend_is_drawn(result):
    assert "csat" in result.plot().axes[0].get_ylabel()


def test_nothing_to_draw():
    frame = pd.DataFrame({"csat": [5, 4], "responded_at": "2026-01-01"})
    lone = measure_kpi(read_surveys(frame, ratings={"csat": ("csat", CSAT5)}), "csat")
    with pytest.raises(ValueError, match="nothing to draw"):
        lone.plot()


def test_unknown_kpi(result):
    with pytest.raises(KeyError, match="there are: csat"):
        result.overall("nps")
