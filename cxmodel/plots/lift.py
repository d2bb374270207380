"""Figures of the lift: the outcome by rating, and the estimators side by side."""

from __future__ import annotations

from matplotlib.figure import Figure

from cxmodel.plots.style import (
    BLUE,
    GREY,
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
def plot_rating_levels(
    rows: Rows,
    *,
    axis_label: str = "Adjusted mean",
    rating_label: str = "Rating",
    format_value: FormatValue | None = None,
) -> Figure:
    """Draw the adjusted mean of the outcome at each rating, with intervals.

    Parameters
    ----------
    rows : frame or list of mappings
        A row per rating: ``rating, estimate, conf_low, conf_high, n_obs``.
    axis_label : str
        The outcome, with its unit.
    rating_label : str
        What was rated.
    format_value : callable, optional
        Writes a value in words.

    Examples
    --------
    >>> rows = [{"rating": r, "estimate": 4.0 * r, "conf_low": 4.0 * r - 2,
    ...          "conf_high": 4.0 * r + 2, "n_obs": 40} for r in range(11)]
    >>> len(plot_rating_levels(rows).axes)
    1
    """
    data = [row for row in rows_of(rows) if row["estimate"] is not None]
    data.sort(key=lambda row: row["rating"])
    figure, axes = new_figure(2.3)
    ratings = [row["rating"] for row in data]
    axes.plot(ratings, [row["estimate"] for row in data], color=SKY, linewidth=2.4, zorder=1)
    for row in data:
        if row.get("conf_low") is not None and row.get("conf_high") is not None:
            axes.plot(
                [row["rating"]] * 2,
                [row["conf_low"], row["conf_high"]],
                color=BLUE,
                alpha=0.35,
                linewidth=5,
                solid_capstyle="butt",
            )
        axes.plot([row["rating"]], [row["estimate"]], "o", color=BLUE, markersize=6)
    axes.set_xticks(ratings, [_rating_and_n(row) for row in data])
    axes.margins(x=0.04, y=0.1)
    axes.set_xlabel(f"{rating_label}; below it the number of responses")
    axes.set_ylabel(axis_label)
    axes.grid(axis="y")
    format_axis(axes.yaxis, format_value)
    return figure


def _rating_and_n(row: dict[str, float]) -> str:
    n = row.get("n_obs")
    return plain(row["rating"]) + (f"\nn {n:,}" if n is not None else "")


@styled
def plot_estimators(
    rows: Rows,
    *,
    axis_label: str = "Lift per rating point",
    format_value: FormatValue | None = None,
) -> Figure:
    """Draw several estimates of one thing as dots with intervals; the headline in colour.

    Parameters
    ----------
    rows : frame or list of mappings
        A row per estimate, top to bottom: ``label, estimate, conf_low, conf_high, is_headline``.
    axis_label : str
        What is drawn, with its unit.
    format_value : callable, optional
        Writes a value in words.

    Examples
    --------
    >>> rows = [{"label": "Unadjusted", "estimate": 9.0, "conf_low": 7.0, "conf_high": 11.0},
    ...         {"label": "Adjusted", "estimate": 4.0, "conf_low": 2.0, "conf_high": 6.0,
    ...          "is_headline": True}]
    >>> plot_estimators(rows).axes[0].get_xlabel()
    'Lift per rating point'
    """
    data = [row for row in rows_of(rows) if row["estimate"] is not None]
    has_headline = any(row.get("is_headline") for row in data)
    figure, axes = new_figure(row_height(len(data)))
    is_blue = [bool(row.get("is_headline")) or not has_headline for row in data]
    dots(
        axes,
        data,
        colours=[BLUE if blue else "#7b8798" for blue in is_blue],
        format_value=format_value or plain,
        reference=0.0,
    )
    for label, row in zip(axes.get_yticklabels(), data, strict=True):
        if row.get("is_headline"):
            label.set_fontweight("bold")
    axes.lines[-1].set_color(GREY)
    axes.set_xlabel(axis_label)
    format_axis(axes.xaxis, format_value)
    return figure
