"""Figures of what a churn model is good for, and of what it looks at."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cxmodel.plots.style import (
    BLUE,
    GOLD,
    GREY,
    INK,
    MUTED,
    WIDTH,
    ReportFigure,
    Rows,
    dots,
    format_axis,
    new_figure,
    row_height,
    rows_of,
    styled,
    wrapped,
)

MOST_PANELS = 6
_PER_LINE = 3


def _percent(value: float) -> str:
    return f"{100 * value:g}%"


def _thousandths(value: float) -> str:
    """Write a rise to three decimals, with no sign where all of them are zero.

    Examples
    --------
    >>> _thousandths(-0.0001), _thousandths(-0.02)
    ('0.000', '−0.020')
    """
    return f"{value + 0.0 if abs(value) >= 0.0005 else 0.0:.3f}".replace("-", "\u2212")


@styled
def plot_decision_curve(rows: Rows) -> Figure:
    """Draw the net benefit of calling by risk, against calling everybody and nobody.

    Parameters
    ----------
    rows : frame or list of mappings
        ``threshold, estimate, everybody`` and, where known, ``conf_low, conf_high``.

    References
    ----------
    Vickers, A. J. and Elkin, E. B. (2006). Medical Decision Making 26, 565-574.

    Examples
    --------
    >>> rows = [{"threshold": t, "estimate": 0.2 - t / 2, "everybody": 0.2 - t} for t in (0.1, 0.3)]
    >>> plot_decision_curve(rows).axes[0].get_xlabel()
    'Risk from which on a customer is called'
    """
    data = sorted(rows_of(rows), key=lambda row: row["threshold"])
    figure, axes = new_figure(2.3)
    levels = [row["threshold"] for row in data]
    model = [row["estimate"] for row in data]
    axes.axhline(0, color=GREY, linewidth=1.2)
    axes.plot(
        levels,
        [row["everybody"] for row in data],
        color=GOLD,
        linewidth=1.6,
        linestyle=(0, (4, 3)),
        label="Call everybody",
    )
    known = [row for row in data if row.get("conf_low") is not None]
    if known:
        axes.fill_between(
            [row["threshold"] for row in known],
            [row["conf_low"] for row in known],
            [row["conf_high"] for row in known],
            color=BLUE,
            alpha=0.15,
            linewidth=0,
        )
    axes.plot(levels, model, color=BLUE, linewidth=2.4, label="Call by risk")
    axes.plot([], [], color=GREY, linewidth=1.2, label="Call nobody")
    top = max([*model, 0.001])
    axes.set_ylim(-0.25 * top, 1.15 * top)
    axes.set_xlim(0, max(levels))
    axes.set_xlabel("Risk from which on a customer is called")
    axes.set_ylabel("Leavers reached, net,\nper 100 customers")
    axes.legend(loc="upper right")
    axes.grid()
    format_axis(axes.xaxis, _percent)
    format_axis(axes.yaxis, lambda value: f"{100 * value:.3g}")
    return figure


@styled
def plot_importance(rows: Rows) -> Figure:
    """Draw what is lost when each column is shuffled, the largest first.

    Parameters
    ----------
    rows : frame or list of mappings
        ``column, estimate`` and, where known, ``conf_low, conf_high``.

    Examples
    --------
    >>> rows = [{"column": c, "estimate": 0.02, "conf_low": 0.01, "conf_high": 0.03} for c in "ab"]
    >>> [tick.get_text() for tick in plot_importance(rows).axes[0].get_yticklabels()]
    ['a', 'b']
    """
    data = [{**row, "label": row["column"]} for row in rows_of(rows)]
    figure, axes = new_figure(row_height(len(data)))
    dots(
        axes,
        data,
        colours=[BLUE if (row.get("conf_low") or 0) > 0 else MUTED for row in data],
        format_value=_thousandths,
        reference=0.0,
    )
    axes.set_xlabel("Rise of the log loss when the column is shuffled")
    return figure


@styled
def plot_dependence(rows: Rows) -> Figure:
    """Draw the mean probability at each value of the columns, and the share who left there.

    Parameters
    ----------
    rows : frame or list of mappings
        ``column, label, value, estimate, observed``; a panel for each of up to six columns. Numbers
        are a line that ends where the data end, words are dots.

    Examples
    --------
    >>> rows = [{"column": "age", "label": f"{v}", "value": v, "estimate": 0.2, "observed": 0.1}
    ...         for v in (20.0, 30.0)]
    >>> plot_dependence(rows).axes[0].get_title(loc="left")
    'age'
    """
    data = [row for row in rows_of(rows) if row["estimate"] is not None]
    names = list(dict.fromkeys(row["column"] for row in data))[:MOST_PANELS]
    n_lines = max(1, -(-len(names) // _PER_LINE))
    figure = ReportFigure(figsize=(WIDTH, 0.35 + 1.75 * n_lines), layout="constrained")
    n_wide = min(_PER_LINE, max(1, len(names)))
    grid = figure.subplots(n_lines, n_wide, squeeze=False, sharey=True)
    panels = [axes for line in grid for axes in line]
    for axes, name in zip(panels, names, strict=False):
        _panel(axes, [row for row in data if row["column"] == name], name)
    for axes in panels[len(names) :]:
        axes.set_visible(False)
    top = max([row["estimate"] for row in data] + [row["observed"] for row in data] + [0.01])
    panels[0].set_ylim(0, 1.08 * top)
    return figure


def _panel(axes: Axes, rows: list[dict[str, Any]], name: str) -> None:
    """Draw one column; a missing value stands apart as a dot at the right."""
    numbers = [row for row in rows if row["value"] is not None]
    words = [row for row in rows if row["value"] is None]
    axes.set_title(wrapped(name, 30, 1), loc="left", fontsize=8.5, color=INK)
    if numbers:
        at = [row["value"] for row in numbers]
        axes.plot(at, [row["estimate"] for row in numbers], color=BLUE, linewidth=2)
        axes.plot(at, [row["observed"] for row in numbers], "o", color=GREY, markersize=3.5)
        format_axis(axes.xaxis, None)
    else:
        places = range(len(words))
        axes.plot(places, [row["estimate"] for row in words], "o", color=BLUE, markersize=6)
        axes.plot(places, [row["observed"] for row in words], "o", color=GREY, markersize=3.5)
        axes.set_xticks(places, [wrapped(row["label"], 11) for row in words], fontsize=7.5)
        axes.set_xlim(-0.5, len(words) - 0.5)
        if len(words) > 3:
            axes.tick_params(axis="x", labelrotation=60)
    axes.grid(axis="y")
    format_axis(axes.yaxis, _percent)


__all__ = ["plot_decision_curve", "plot_dependence", "plot_importance"]
