"""Benchmarks are citations: each has a source, and the figures are those printed (kpis.md D)."""

from __future__ import annotations

from cxmodel.kpis.benchmarks import BENCHMARKS, benchmarks_for


def test_every_number_has_a_source_and_a_unit():
    for benchmark in BENCHMARKS:
        assert benchmark.source
        assert benchmark.unit
        assert benchmark.low is not None or benchmark.high is not None


def test_the_printed_figures():
    assert [b.low for b in benchmarks_for("nps")] == [0, 32]
    assert (benchmarks_for("csat")[0].low, benchmarks_for("csat")[0].high) == (75, 85)
    assert benchmarks_for("churn")[0].high == 7
    assert (benchmarks_for("response_rate")[0].low, benchmarks_for("response_rate")[0].high) == (
        5,
        20,
    )
    assert benchmarks_for("first_response_time")[0].low == 80


def test_the_study_credited_twice_has_one_record():
    # C11: 140% is Kriss, Harvard Business Review, 2014
    spending = benchmarks_for("spending")
    assert len(spending) == 1
    assert spending[0].citation.endswith("Harvard Business Review, 2014")


def test_undated_sources_say_so():
    assert benchmarks_for("csat")[0].citation.endswith("(undated)")
    assert benchmarks_for("nothing") == ()
