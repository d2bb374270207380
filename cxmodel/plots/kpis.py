"""Figures of KPIs: over time, and by group."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cxmodel.plots.style import (
    BLUE,
    GOLD,
    NAVY,
    SKY,
    FormatValue,
    Rows,
    dots,
    format_axis,
    new_figure,
    plain,
    row_height,
    rows_of,
    styled,
)


@styled
def plot_kpi_trend(
    rows: Rows,
    *,
    axis_label: str = "KPI",
    target: float | None = None,
    format_value: FormatValue | None = None,
) -> Figure:
    """Draw a KPI over time with its interval as a band, and the target as a dashed line.

    Parameters
    ----------
    rows : frame or list of mappings
        A row per period, in order: ``period, estimate, conf_low, conf_high``.
    axis_label : str
        What is drawn, with its unit.
    target : float, optional
        In the KPI's unit.
    format_value : callable, optional
        Writes a value in words.

    Examples
    --------
    >>> rows = [{"period": f"2026-Q{q}", "estimate": 30 + q, "conf_low": 28, "conf_high": 36}
    ...         for q in (1, 2, 3)]
    >>> plot_kpi_trend(rows, axis_label="NPS").axes[0].get_ylabel()
    'NPS'
    """
    data = [row for row in rows_of(rows) if row["estimate"] is not None]
    figure, axes = new_figure(2.3)
    places = list(range(len(data)))
    estimates = [row["estimate"] for row in data]
    _band(axes, places, data)
    axes.plot(places, estimates, "-o", color=BLUE, linewidth=2.2, markersize=5)
    write = format_value or plain
    axes.annotate(
        write(estimates[-1]),
        (places[-1], estimates[-1]),
        xytext=(8, 0),
        textcoords="offset points",
        va="center",
        color=BLUE,
        fontsize=11,
        fontweight="bold",
    )
    if target is not None:
        axes.axhline(target, color=GOLD, linewidth=1.4, linestyle=(0, (5, 3)))
        axes.annotate(
            f"Target {write(target)}",
            (0, target),
            xytext=(0, 4),
            textcoords="offset points",
            color="#8a5f12",
            fontsize=8.5,
            fontweight="bold",
        )
    _period_ticks(axes, [str(row["period"]) for row in data])
    axes.set_xlim(-0.35, len(data) - 0.35)
    axes.margins(y=0.18)
    axes.set_ylabel(axis_label)
    axes.grid(axis="y")
    format_axis(axes.yaxis, format_value)
    return figure


def _band(axes: Axes, places: list[int], data: list[dict[str, Any]]) -> None:
    """Draw the interval as a band where it is known."""
    known = [
        (place, row["conf_low"], row["conf_high"])
        for place, row in zip(places, data, strict=True)
        if row.get("conf_low") is not None and row.get("conf_high") is not None
    ]
    if known:
        xs, lows, highs = zip(*known, strict=True)
        axes.fill_between(xs, lows, highs, color=SKY, linewidth=0)
    if len(known) == 1:
        axes.plot([known[0][0]] * 2, known[0][1:], color=SKY, linewidth=6, zorder=1)


def _period_ticks(axes: Axes, periods: list[str]) -> None:
    """Write periods below the axis, the year only where it changes, at most a dozen of them."""
    step = -(-len(periods) // 12)
    labels, year_before = [], ""
    for period in periods[::step]:
        year, _, part = period.partition("-")
        is_new = year != year_before
        labels.append(f"{part}\n{year}" if part and is_new else part or year)
        year_before = year
    axes.set_xticks(range(0, len(periods), step), labels)


@styled
def plot_kpi_groups(
    rows: Rows,
    *,
    axis_label: str = "KPI",
    overall: float | None = None,
    format_value: FormatValue | None = None,
) -> Figure:
    """Draw a KPI by group, a dot and an interval each, with the overall value as a line.

    Parameters
    ----------
    rows : frame or list of mappings
        A row per group, in the order drawn: ``label, estimate, conf_low, conf_high``.
    axis_label : str
        What is drawn, with its unit.
    overall : float, optional
        The value over all groups.
    format_value : callable, optional
        Writes a value in words.

    Examples
    --------
    >>> rows = [{"label": "North", "estimate": 30.0, "conf_low": 25.0, "conf_high": 35.0}]
    >>> [tick.get_text() for tick in plot_kpi_groups(rows).axes[0].get_yticklabels()]
    ['North']
    """
    data = [row for row in rows_of(rows) if row["estimate"] is not None]
    figure, axes = new_figure(row_height(len(data)))
    dots(
        axes,
        data,
        colours=[BLUE] * len(data),
        format_value=format_value or plain,
        reference=overall,
    )
    if overall is not None:
        axes.annotate(
            "all",
            (overall, len(data) - 0.5),
            xytext=(3, 3),
            textcoords="offset points",
            color=NAVY,
            fontsize=8.5,
        )
    axes.set_xlabel(axis_label)
    format_axis(axes.xaxis, format_value)
    return figure
