"""Figures of lifetime value: what a rating point adds, and forecasts beside what came."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure

from cxmodel.plots.style import (
    BLUE,
    GOLD,
    GREY,
    NAVY,
    FormatValue,
    Rows,
    format_axis,
    new_figure,
    plain,
    rows_of,
    styled,
    wrapped,
)

_COLOURS = {"staying": BLUE, "spending": GOLD, "total": NAVY}


@styled
def plot_value_change(
    rows: Rows,
    *,
    axis_label: str = "Change in value per rating point",
    format_value: FormatValue | None = None,
) -> Figure:
    """Draw the change in lifetime value as parts that add up to the total, with both bounds.

    Parameters
    ----------
    rows : frame or list of mappings
        ``key, label, estimate, conf_low, conf_high``. Keys ``staying`` and ``spending`` stand one
        after the other, ``total`` is their sum; all others are bounds, drawn from zero.
    axis_label : str
        What is drawn, with its unit.
    format_value : callable, optional
        Writes a value in words.

    Examples
    --------
    >>> rows = [{"key": "total", "label": "Total", "estimate": 2.0, "conf_low": 1.0,
    ...          "conf_high": 3.0}]
    >>> plot_value_change(rows).axes[0].get_yticklabels()[0].get_text()
    'Total'
    """
    data = [row for row in rows_of(rows) if row["estimate"] is not None]
    figure, axes = new_figure(0.6 + 0.42 * len(data))
    write = format_value or plain
    reached = 0.0
    for place, row in enumerate(data):
        start = reached if row["key"] == "spending" else 0.0
        reached = row["estimate"] if row["key"] == "staying" else 0.0
        axes.barh(
            place, row["estimate"], left=start, height=0.55,
            color=_COLOURS.get(str(row["key"]), GREY),
        )  # fmt: skip
        _whisker(axes, place, row, start)
        ends = [start, start + row["estimate"]]
        ends += [start + row[key] for key in ("conf_low", "conf_high") if row[key] is not None]
        axes.annotate(
            write(row["estimate"]),
            (max(ends), place),
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
            fontsize=8.5,
            fontweight="bold",
        )
    axes.axvline(0, color=NAVY, linewidth=0.9)
    axes.set_yticks(range(len(data)), [wrapped(row["label"]) for row in data])
    axes.invert_yaxis()
    axes.margins(x=0.14)
    axes.set_xlabel(axis_label)
    format_axis(axes.xaxis, format_value)
    return figure


def _whisker(axes: Any, place: int, row: dict[str, Any], start: float) -> None:
    if row["conf_low"] is None or row["conf_high"] is None:
        return
    axes.plot(
        [start + row["conf_low"], start + row["conf_high"]],
        [place, place],
        color="#7b8798",
        linewidth=2.0,
        solid_capstyle="butt",
    )


@styled
def plot_value_backtest(
    rows: Rows,
    *,
    axis_label: str = "Per customer",
    format_value: FormatValue | None = None,
) -> Figure:
    """Draw what was foretold and what came, by tenth of the forecast.

    Parameters
    ----------
    rows : frame or list of mappings
        ``decile, predicted, actual, conf_low, conf_high`` (of actual).
    axis_label : str
        What is drawn, with its unit.
    format_value : callable, optional
        Writes a value in words.

    Examples
    --------
    >>> rows = [{"decile": 1, "predicted": 2.0, "actual": 3.0, "conf_low": 1.0, "conf_high": 5.0}]
    >>> plot_value_backtest(rows).axes[0].get_ylabel()
    'Per customer'
    """
    data = rows_of(rows)
    figure, axes = new_figure(2.4)
    places = [row["decile"] for row in data]
    axes.vlines(
        places,
        [row["conf_low"] for row in data],
        [row["conf_high"] for row in data],
        color=GREY,
        linewidth=2.0,
    )
    axes.plot(
        places, [row["actual"] for row in data], "o", color=NAVY, markersize=5, label="what came"
    )
    axes.plot(
        places, [row["predicted"] for row in data], color=BLUE, linewidth=2.1, label="foretold"
    )
    figure.legend(loc="outside upper left", ncols=2)
    axes.set_xlabel("Customers in order of the forecast, lowest first")
    axes.set_ylabel(axis_label)
    axes.set_xticks(places)
    axes.grid(axis="y")
    format_axis(axes.yaxis, format_value)
    return figure
