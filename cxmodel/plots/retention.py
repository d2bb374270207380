"""The figure of a retention curve."""

from __future__ import annotations

from matplotlib.figure import Figure

from cxmodel.plots.style import (
    BLUE,
    GREY,
    SKY,
    Rows,
    format_axis,
    mark_edge,
    new_figure,
    rows_of,
    styled,
)


@styled
def plot_retention(rows: Rows, *, month_label: str = "Months since the customer started") -> Figure:
    """Draw the share of customers still there by month: seen as a full line, projected dashed.

    Parameters
    ----------
    rows : frame or list of mappings
        A row per month: ``month, retention, conf_low, conf_high`` (fractions) and ``observed``.
    month_label : str
        From when months are counted.

    Examples
    --------
    >>> rows = [{"month": m, "retention": 0.9**m, "conf_low": None, "conf_high": None,
    ...          "observed": m < 3} for m in range(6)]
    >>> plot_retention(rows).axes[0].get_ylabel()
    'Still a customer'
    """
    data = sorted(
        (row for row in rows_of(rows) if row["retention"] is not None),
        key=lambda row: row["month"],
    )
    figure, axes = new_figure(2.3)
    known = [r for r in data if r.get("conf_low") is not None and r.get("conf_high") is not None]
    if known:
        axes.fill_between(
            [row["month"] for row in known],
            [row["conf_low"] for row in known],
            [row["conf_high"] for row in known],
            color=SKY,
            linewidth=0,
        )
    seen = [row for row in data if row["observed"]]
    ahead = ([seen[-1]] if seen else []) + [row for row in data if not row["observed"]]
    _line(axes, seen, BLUE, "-")
    _line(axes, ahead, BLUE, (0, (3, 2)))
    if seen and len(ahead) > 1:
        edge = seen[-1]["month"]
        mark_edge(axes, edge, "observed", "projected")
    last = data[-1]
    axes.annotate(
        f"{100 * last['retention']:.0f}%",
        (last["month"], last["retention"]),
        xytext=(6, 0),
        textcoords="offset points",
        va="center",
        color=BLUE,
        fontsize=11,
        fontweight="bold",
    )
    axes.set_ylim(0, 1.04)
    axes.set_xlim(left=0, right=last["month"] * 1.07 + 0.5)
    axes.set_xlabel(month_label)
    axes.set_ylabel("Still a customer")
    axes.grid(axis="y")
    format_axis(axes.xaxis, None)
    format_axis(axes.yaxis, lambda value: f"{100 * value:g}%")
    return figure


@styled
def plot_hazard_ratios(rows: Rows, *, label: str = "Hazard ratio") -> Figure:
    """Draw hazard ratios with their intervals, 1 marked: to the left fewer leave.

    Parameters
    ----------
    rows : frame or list of mappings
        A row per ratio: ``label, estimate, conf_low, conf_high``.
    label : str
        Of the axis.

    Examples
    --------
    >>> rows = [{"label": "rating", "estimate": 0.8, "conf_low": 0.7, "conf_high": 0.9}]
    >>> plot_hazard_ratios(rows).axes[0].get_xlabel()
    'Hazard ratio'
    """
    data = [row for row in rows_of(rows) if row["estimate"] is not None]
    figure, axes = new_figure(0.8 + 0.32 * len(data))
    places = range(len(data))
    for place, row in zip(places, data, strict=True):
        axes.plot([row["conf_low"], row["conf_high"]], [place, place], color=SKY, linewidth=4)
        axes.plot(row["estimate"], place, "o", color=BLUE, markersize=7)
    axes.axvline(1.0, color=GREY, linewidth=0.9)
    axes.set_yticks(list(places), [str(row["label"]) for row in data])
    axes.set_ylim(len(data) - 0.5, -0.5)
    axes.set_xlabel(label)
    axes.grid(axis="x")
    return figure


def _line(axes: object, data: list[dict[str, float]], colour: str, style: object) -> None:
    if data:
        axes.plot(  # type: ignore[attr-defined]
            [row["month"] for row in data],
            [row["retention"] for row in data],
            color=colour,
            linewidth=2.3,
            linestyle=style,
        )
