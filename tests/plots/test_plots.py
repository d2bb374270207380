"""Figures: what is drawn, from frames and lists alike, the same bytes on every run."""

import warnings

import matplotlib as mpl
import pandas as pd
import pytest

from cxmodel.plots.churn import plot_calibration, plot_gain
from cxmodel.plots.churn_use import plot_decision_curve, plot_dependence, plot_importance
from cxmodel.plots.kpis import plot_kpi_groups, plot_kpi_trend
from cxmodel.plots.lifetime_value import plot_value_backtest, plot_value_change
from cxmodel.plots.lift import plot_estimators, plot_rating_levels
from cxmodel.plots.retention import plot_retention
from cxmodel.plots.style import svg_of
from cxmodel.plots.value import (
    plot_cash_flow,
    plot_cltv_bands,
    plot_programmes,
    plot_uncertainty,
)

PERIODS = [
    {"period": f"2026-{m:02d}", "estimate": 30.0 + m, "conf_low": 25.0, "conf_high": 45.0}
    for m in range(1, 10)
]
DOTS = [
    {"label": "A", "band": "promoter", "estimate": 5.0, "conf_low": 3.0, "conf_high": 7.0},
    {"label": "B", "band": "rest", "estimate": -5.0, "conf_low": -7.0, "conf_high": -3.0},
    {"label": "C", "estimate": 1.0, "conf_low": None, "conf_high": None},
]
LEVELS = [
    {
        "rating": r,
        "estimate": 4.0 * r,
        "conf_low": 4.0 * r - 3,
        "conf_high": 4.0 * r + 3,
        "n_obs": 9,
    }
    for r in range(11)
]
CURVE = [
    {"month": m, "retention": 0.9**m, "conf_low": 0.8**m, "conf_high": 1.0, "observed": m < 4}
    for m in range(9)
]
FLOW = [{"label": n, "month": m, "cumulative": 2.0 * m - 5} for n in "ab" for m in range(6)]
GAIN = [{"share_of_customers": x / 4, "share_of_churners": (x / 4) ** 0.5} for x in range(5)]
CALIBRATION = [{"predicted": 0.1, "observed": 0.12}, {"predicted": 0.4, "observed": 0.35}]
DECISION = [
    {
        "threshold": t,
        "estimate": 0.2 - t / 2,
        "conf_low": 0.1,
        "conf_high": 0.2,
        "everybody": 0.2 - t,
    }
    for t in (0.1, 0.2, 0.3)
]
DEPENDENCE = [
    {"column": "age", "label": f"{v}", "value": float(v), "estimate": 0.2, "observed": 0.1}
    for v in (20, 30)
] + [
    {"column": f"plan {n}", "label": label, "value": None, "estimate": 0.3, "observed": 0.2}
    for n in range(7)
    for label in ("gold", "silver")
]
IMPORTANCE = [{**row, "column": row["label"]} for row in DOTS]
CHANGES = [
    {"key": k, "label": k, "estimate": 2.0, "conf_low": 1.0, "conf_high": 3.0}
    for k in ("staying", "spending", "total", "total_no_fade")
]
DECILES = [
    {"decile": d, "predicted": 1.0 * d, "actual": 1.1 * d, "conf_low": 0.5, "conf_high": 2.0 * d}
    for d in range(1, 11)
]
EVERY = [
    (plot_kpi_trend, PERIODS),
    (plot_kpi_groups, DOTS),
    (plot_rating_levels, LEVELS),
    (plot_estimators, DOTS),
    (plot_gain, GAIN),
    (plot_calibration, CALIBRATION),
    (plot_decision_curve, DECISION),
    (plot_importance, IMPORTANCE),
    (plot_dependence, DEPENDENCE),
    (plot_retention, CURVE),
    (plot_cltv_bands, DOTS),
    (plot_value_change, CHANGES),
    (plot_value_backtest, DECILES),
    (plot_programmes, DOTS),
    (plot_cash_flow, FLOW),
    (plot_uncertainty, [{"label": "lift", "share": 0.7}]),
]


@pytest.mark.parametrize(("plot", "rows"), EVERY)
def test_a_frame_and_a_list_give_the_same_bytes(plot, rows):
    assert svg_of(plot(rows)) == svg_of(plot(pd.DataFrame(rows)))


@pytest.mark.parametrize(("plot", "rows"), EVERY)
def test_the_users_own_settings_change_nothing(plot, rows):
    before = svg_of(plot(rows))
    with mpl.rc_context({"font.size": 30, "axes.facecolor": "red", "svg.hashsalt": "other"}):
        assert svg_of(plot(rows)) == before


@pytest.mark.parametrize(("plot", "rows"), EVERY)
def test_nothing_to_draw_is_an_error(plot, rows):
    with pytest.raises(ValueError, match=r"no rows to draw"):
        plot([])


def test_letters_are_text_or_outlines():
    figure = plot_kpi_groups(DOTS)
    assert "<text" in svg_of(figure, text="none")
    assert "<text" not in svg_of(figure, text="path")
    assert figure._repr_svg_().startswith("<svg")


def test_a_dollar_sign_is_no_mathematics():
    rows = [{**DOTS[0], "label": "$5 and $6"}]
    assert "$5 and $6" in svg_of(plot_kpi_groups(rows), text="none")


def test_characters_that_the_fonts_lack_stay_letters():
    rows = [{**DOTS[0], "label": "日本 <b>"}]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        svg = svg_of(plot_kpi_groups(rows), text="path")
    assert "日本 &lt;b&gt;" in svg


def test_the_last_value_and_the_target_are_written():
    figure = plot_kpi_trend(PERIODS, target=42.0, format_value=lambda value: f"{value:.1f}")
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts == ["39.0", "Target 42.0"]


def test_the_year_is_written_where_it_changes():
    rows = [{**PERIODS[0], "period": p} for p in ("2025-Q4", "2026-Q1", "2026-Q2")]
    labels = [tick.get_text() for tick in plot_kpi_trend(rows).axes[0].get_xticklabels()]
    assert labels == ["Q4\n2025", "Q1\n2026", "Q2"]


def test_the_headline_alone_is_in_colour():
    rows = [{**DOTS[0]}, {**DOTS[1], "is_headline": True}]
    axes = plot_estimators(rows).axes[0]
    weights = [tick.get_fontweight() for tick in axes.get_yticklabels()]
    assert weights == ["normal", "bold"]


def test_an_interval_far_too_wide_does_not_squeeze_the_others():
    """Six usual widths of 2 below zero, which is always shown: the axis ends near -12."""
    usual = [
        {"label": str(at), "estimate": at, "conf_low": at - 1.0, "conf_high": at + 1.0}
        for at in (4.0, 5.0, 6.0)
    ]
    wide = {"label": "wide", "estimate": 5.0, "conf_low": -4_000.0, "conf_high": 9.0}
    axes = plot_estimators([*usual, wide]).axes[0]
    assert axes.get_xlim()[0] == pytest.approx(-12.0, abs=2.0)
    assert axes.get_xlim()[1] == pytest.approx(9.0, abs=2.0)
    arrows = [line for line in axes.lines if line.get_gid() == "goes-on"]
    assert [(line.get_xdata()[0], line.get_marker()) for line in arrows] == [(-12.0, "<")]


def test_choices_have_a_column_each_and_the_headline_is_shaded():
    rows = [
        {**DOTS[0], "choices": {"Controls": False, "Weights": False}},
        {**DOTS[1], "is_headline": True, "choices": {"Controls": True, "Weights": False}},
    ]
    main, beside = plot_estimators(rows, choices=["Controls", "Weights"]).axes
    assert [tick.get_text() for tick in beside.get_xticklabels()] == ["Controls", "Weights"]
    assert len(beside.lines) == 4
    assert len({line.get_color() for line in beside.lines}) == 2
    assert len(main.patches) == 1
    assert beside.get_ylim() == main.get_ylim()
