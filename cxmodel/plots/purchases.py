"""Figures of purchase models: purchases over time and in the holdout, made and expected."""

from __future__ import annotations

from matplotlib.figure import Figure

from cxmodel.plots.style import (
    BLUE,
    GOLD,
    Rows,
    format_axis,
    mark_edge,
    new_figure,
    rows_of,
    styled,
)

_DASHED = (0, (3, 2))


@styled
def plot_tracking(
    rows: Rows, *, cumulative: bool = True, time_label: str = "Weeks since the first customer came"
) -> Figure:
    """Draw repeat purchases over time: made as a full line, expected dashed.

    Parameters
    ----------
    rows : frame or list of mappings
        A row per period: ``time, observed, expected, observed_cumulative, expected_cumulative,
        is_holdout``.
    cumulative : bool
        Whether purchases are added up.
    time_label : str
        The unit of time.

    Examples
    --------
    >>> rows = [{"time": t, "observed": 2, "expected": 2.2, "observed_cumulative": 2 * t,
    ...          "expected_cumulative": 2.2 * t, "is_holdout": t > 3} for t in range(1, 6)]
    >>> plot_tracking(rows).axes[0].get_ylabel()
    'Repeat purchases so far'
    """
    data = rows_of(rows)
    ending = "_cumulative" if cumulative else ""
    figure, axes = new_figure(2.6)
    times = [row["time"] for row in data]
    for name, colour, style in (("observed", BLUE, "-"), ("expected", GOLD, _DASHED)):
        axes.plot(
            times,
            [row[name + ending] for row in data],
            color=colour,
            linewidth=2.0,
            linestyle=style,
            label={"observed": "made", "expected": "expected"}[name],
        )
    held = [row["time"] for row in data if row["is_holdout"]]
    if held:
        edge = max((row["time"] for row in data if not row["is_holdout"]), default=0)
        mark_edge(axes, edge, "learnt from", "holdout")
    axes.set_ylim(bottom=0)
    axes.set_xlim(left=0)
    axes.set_xlabel(time_label)
    axes.set_ylabel("Repeat purchases so far" if cumulative else "Repeat purchases")
    axes.legend(loc="lower right" if cumulative else "upper right")
    axes.grid(axis="y")
    format_axis(axes.xaxis, None)
    format_axis(axes.yaxis, lambda value: f"{value:,.0f}")
    return figure


@styled
def plot_holdout(rows: Rows) -> Figure:
    """Draw mean purchases in the holdout by frequency before: made as bars, expected as points.

    Parameters
    ----------
    rows : frame or list of mappings
        A row per frequency: ``frequency, is_open, observed, expected``.

    Examples
    --------
    >>> rows = [{"frequency": x, "is_open": x == 3, "observed": 0.3 * x, "expected": 0.2 + 0.3 * x}
    ...         for x in range(4)]
    >>> [label.get_text() for label in plot_holdout(rows).axes[0].get_xticklabels()]
    ['0', '1', '2', '3+']
    """
    data = rows_of(rows)
    figure, axes = new_figure(2.6)
    places = list(range(len(data)))
    axes.bar(places, [row["observed"] for row in data], color=BLUE, width=0.6, label="made")
    axes.plot(
        places,
        [row["expected"] for row in data],
        color=GOLD,
        marker="o",
        markersize=6,
        linewidth=1.2,
        linestyle=_DASHED,
        label="expected",
    )
    labels = [f"{row['frequency']:g}{'+' if row['is_open'] else ''}" for row in data]
    axes.set_xticks(places, labels)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("Repeat purchases before the holdout")
    axes.set_ylabel("Purchases per customer in it")
    axes.legend(loc="upper left")
    axes.grid(axis="y")
    format_axis(axes.yaxis, lambda value: f"{value:,.2g}")
    return figure
