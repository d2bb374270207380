"""Figures of the lift: the outcome by rating, and the estimators side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cxmodel.plots.style import (
    BLUE,
    GREY,
    PALE,
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
    wrapped,
)

# Of estimates beside the headline.
_OTHER = "#7b8798"
# Of a column of choices, as a share of the width of the estimates.
_CHOICE_WIDTH = 0.16


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
    choices: Sequence[str] = (),
    axis_label: str = "Lift per rating point",
    format_value: FormatValue | None = None,
) -> Figure:
    """Draw several estimates of one thing as dots with intervals; the headline in colour.

    With `choices` it is a specification curve (Simonsohn, Simmons & Nelson 2020) on its side: a
    column for each choice, with a mark where an estimate makes it.

    Parameters
    ----------
    rows : frame or list of mappings
        A row per estimate, top to bottom: ``label, estimate, conf_low, conf_high, is_headline``,
        and ``choices``, a mapping of choice to bool.
    choices : sequence of str
        Choices to draw a column for, from left to right.
    axis_label : str
        What is drawn, with its unit.
    format_value : callable, optional
        Writes a value in words.

    Examples
    --------
    >>> rows = [{"label": "Unadjusted", "estimate": 9.0, "conf_low": 7.0, "conf_high": 11.0},
    ...         {"label": "Adjusted", "estimate": 4.0, "conf_low": 2.0, "conf_high": 6.0,
    ...          "is_headline": True, "choices": {"Controls": True}}]
    >>> plot_estimators(rows).axes[0].get_xlabel()
    'Lift per rating point'
    >>> len(plot_estimators(rows, choices=["Controls"]).axes)
    2
    """
    data = [row for row in rows_of(rows) if row["estimate"] is not None]
    has_headline = any(row.get("is_headline") for row in data)
    figure, axes = new_figure(row_height(len(data)) + (0.3 if choices else 0.0))
    is_blue = [bool(row.get("is_headline")) or not has_headline for row in data]
    colours = [BLUE if blue else _OTHER for blue in is_blue]
    if choices:
        grid = figure.add_gridspec(1, 2, width_ratios=[1, _CHOICE_WIDTH * len(choices)])
        axes.set_subplotspec(grid[0])
        beside = figure.add_subplot(grid[1])
    dots(axes, data, colours=colours, format_value=format_value or plain, reference=0.0)
    _shade_headline(axes, data)
    for label, row in zip(axes.get_yticklabels(), data, strict=True):
        if row.get("is_headline"):
            label.set_fontweight("bold")
    axes.set_xlabel(axis_label)
    format_axis(axes.xaxis, format_value)
    if choices:
        _mark_choices(beside, data, choices, colours)
        beside.set_ylim(axes.get_ylim())
    return figure


def _shade_headline(axes: Axes, data: list[dict[str, Any]]) -> None:
    """Shade the headline's interval behind all rows, and draw zero in grey."""
    axes.lines[-1].set_color(GREY)
    for row in data:
        if row.get("is_headline") and None not in (row.get("conf_low"), row.get("conf_high")):
            axes.axvspan(row["conf_low"], row["conf_high"], color=SKY, alpha=0.45, zorder=0)


def _mark_choices(
    axes: Axes, data: list[dict[str, Any]], choices: Sequence[str], colours: list[str]
) -> None:
    """Draw a mark for each choice that an estimate makes, a pale one where it does not."""
    for place, (row, colour) in enumerate(zip(data, colours, strict=True)):
        made = row.get("choices") or {}
        for column, choice in enumerate(choices):
            mark = colour if made.get(choice) else PALE
            axes.plot([column], [place], "o", markersize=6.5, color=mark)
    axes.set_xlim(-0.6, len(choices) - 0.4)
    axes.set_xticks(range(len(choices)), [wrapped(choice, 9, 3) for choice in choices])
    axes.xaxis.tick_top()
    axes.tick_params(axis="x", labelsize=7.5, pad=1)
    axes.set_yticks([])
    for side in axes.spines.values():
        side.set_visible(False)
