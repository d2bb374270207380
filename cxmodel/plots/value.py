"""Figures of money: lifetime value by band, programmes, and cash flow over time."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure

from cxmodel.plots.style import (
    BLUE,
    GOLD,
    GREEN,
    GREY,
    NAVY,
    PALE,
    RED,
    FormatValue,
    Rows,
    dots,
    format_axis,
    new_figure,
    plain,
    row_height,
    rows_of,
    styled,
    wrapped,
)

_BAND_COLOURS = {
    "detractor": RED,
    "passive": GOLD,
    "promoter": GREEN,
    "rest": GOLD,
    "top_box": GREEN,
}


@styled
def plot_cltv_bands(
    rows: Rows,
    *,
    axis_label: str = "Value per customer",
    format_value: FormatValue | None = None,
) -> Figure:
    """Draw the lifetime value per customer of each band, with intervals.

    Parameters
    ----------
    rows : frame or list of mappings
        A row per band: ``band, label, estimate, conf_low, conf_high``.
    axis_label : str
        What is drawn, with its unit.
    format_value : callable, optional
        Writes a value in words.

    Examples
    --------
    >>> rows = [{"band": "promoter", "label": "Promoters", "estimate": 90.0, "conf_low": 80.0,
    ...          "conf_high": 100.0}]
    >>> plot_cltv_bands(rows).axes[0].get_xlabel()
    'Value per customer'
    """
    data = [row for row in rows_of(rows) if row["estimate"] is not None]
    figure, axes = new_figure(row_height(len(data)))
    colours = [_BAND_COLOURS.get(str(row.get("band")), BLUE) for row in data]
    dots(axes, data, colours=colours, format_value=format_value or plain, reference=0.0)
    axes.set_xlabel(axis_label)
    format_axis(axes.xaxis, format_value)
    return figure


@styled
def plot_programmes(
    rows: Rows,
    *,
    axis_label: str = "Net present value",
    format_value: FormatValue | None = None,
) -> Figure:
    """Draw the net present value of programmes with intervals: green above zero, red below.

    Parameters
    ----------
    rows : frame or list of mappings
        A row per programme: ``label, estimate, conf_low, conf_high``.
    axis_label : str
        What is drawn, with its unit.
    format_value : callable, optional
        Writes a value in words.

    Examples
    --------
    >>> rows = [{"label": "Portal", "estimate": 9.0, "conf_low": -1.0, "conf_high": 20.0}]
    >>> plot_programmes(rows).axes[0].get_xlabel()
    'Net present value'
    """
    data = [row for row in rows_of(rows) if row["estimate"] is not None]
    figure, axes = new_figure(row_height(len(data)))
    colours = [_sign_colour(row) for row in data]
    dots(axes, data, colours=colours, format_value=format_value or plain, reference=0.0)
    axes.set_xlabel(axis_label)
    format_axis(axes.xaxis, format_value)
    return figure


def _sign_colour(row: dict[str, Any]) -> str:
    """Colour an interval by the side of zero on which the whole of it lies."""
    if row.get("conf_low") is not None and row["conf_low"] > 0:
        return GREEN
    if row.get("conf_high") is not None and row["conf_high"] < 0:
        return RED
    return "#7b8798"


@styled
def plot_cash_flow(
    rows: Rows,
    *,
    axis_label: str = "Cumulative, discounted",
    format_value: FormatValue | None = None,
) -> Figure:
    """Draw the cumulative discounted cash flow of programmes by month.

    Parameters
    ----------
    rows : frame or list of mappings
        ``label, month, cumulative``, months from 0 on.
    axis_label : str
        What is drawn, with its unit.
    format_value : callable, optional
        Writes a value in words.

    Examples
    --------
    >>> rows = [{"label": "Portal", "month": m, "cumulative": 2.0 * m - 5} for m in range(6)]
    >>> plot_cash_flow(rows).axes[0].get_xlabel()
    'Month'
    """
    data = [row for row in rows_of(rows) if row["cumulative"] is not None]
    labels = list(dict.fromkeys(str(row["label"]) for row in data))
    figure, axes = new_figure(2.3)
    axes.axhline(0, color=NAVY, linewidth=0.9)
    palette = [BLUE, GOLD, GREEN, RED, GREY, NAVY]
    for place, label in enumerate(labels):
        line = [row for row in data if str(row["label"]) == label]
        axes.plot(
            [row["month"] for row in line],
            [row["cumulative"] for row in line],
            color=palette[place % len(palette)],
            linestyle="-" if place < len(palette) else "--",
            linewidth=2.1,
            label=wrapped(label, 34, 1),
        )
    if len(labels) > 1:
        figure.legend(loc="outside upper left", ncols=2)
    axes.set_xlabel("Month")
    axes.set_ylabel(axis_label)
    axes.margins(x=0.01)
    axes.grid(axis="y")
    format_axis(axes.xaxis, None)
    format_axis(axes.yaxis, format_value)
    return figure


@styled
def plot_uncertainty(rows: Rows) -> Figure:
    """Draw the share of a result's uncertainty that comes from each input.

    Parameters
    ----------
    rows : frame or list of mappings
        ``label, share``; shares are fractions.

    Examples
    --------
    >>> plot_uncertainty([{"label": "lift", "share": 0.7}]).axes[0].get_yticklabels()[0].get_text()
    'lift'
    """
    data = rows_of(rows)
    figure, axes = new_figure(0.5 + 0.32 * len(data))
    places = range(len(data))
    axes.barh(places, [1.0] * len(data), color=PALE, height=0.5)
    axes.barh(places, [row["share"] for row in data], color=BLUE, height=0.5)
    for place, row in enumerate(data):
        axes.annotate(
            f"{100 * row['share']:.0f}%",
            (row["share"], place),
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
            fontsize=8.5,
            fontweight="bold",
        )
    axes.set_yticks(places, [wrapped(row["label"]) for row in data])
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.set_xticks([])
    for side in ("bottom", "left"):
        axes.spines[side].set_visible(False)
    return figure
