"""Figures of churn models: what a list by risk finds, and whether the probabilities hold."""

from __future__ import annotations

from matplotlib.figure import Figure

from cxmodel.plots.style import BLUE, GREY, Rows, format_axis, new_figure, rows_of, styled


def _percent(value: float) -> str:
    return f"{100 * value:g}%"


@styled
def plot_gain(rows: Rows) -> Figure:
    """Draw the share of churners found by contacting customers in order of risk.

    Parameters
    ----------
    rows : frame or list of mappings
        ``share_of_customers, share_of_churners``, both from 0 to 1; with ``conf_low`` and
        ``conf_high`` in every row a band too.

    Examples
    --------
    >>> rows = [{"share_of_customers": x, "share_of_churners": x**0.5} for x in (0, 0.5, 1)]
    >>> plot_gain(rows).axes[0].get_xlabel()
    'Customers contacted, riskiest first'
    """
    data = rows_of(rows)
    figure, axes = new_figure(2.2)
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=1.2, linestyle=(0, (4, 3)))
    axes.annotate("at random", (0.72, 0.66), color="#6d7888", fontsize=8.5)
    shares = [row["share_of_customers"] for row in data]
    if all(row.get("conf_low") is not None and row.get("conf_high") is not None for row in data):
        low, high = ([row[end] for row in data] for end in ("conf_low", "conf_high"))
        axes.fill_between(shares, low, high, color=BLUE, alpha=0.15, linewidth=0)
    axes.plot(shares, [row["share_of_churners"] for row in data], color=BLUE, linewidth=2.4)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.02)
    axes.set_xlabel("Customers contacted, riskiest first")
    axes.set_ylabel("Churners found")
    axes.grid()
    format_axis(axes.xaxis, _percent)
    format_axis(axes.yaxis, _percent)
    return figure


@styled
def plot_calibration(rows: Rows) -> Figure:
    """Draw how often customers churned against the probability predicted for them.

    Parameters
    ----------
    rows : frame or list of mappings
        ``predicted, observed``, both from 0 to 1, a row per group of customers of like risk.

    Examples
    --------
    >>> rows = [{"predicted": 0.1, "observed": 0.12}, {"predicted": 0.3, "observed": 0.28}]
    >>> plot_calibration(rows).axes[0].get_ylabel()
    'Churned'
    """
    data = rows_of(rows)
    figure, axes = new_figure(2.2)
    top = 1.08 * max(
        [row["predicted"] for row in data] + [row["observed"] for row in data] + [0.01]
    )
    axes.plot([0, top], [0, top], color=GREY, linewidth=1.2, linestyle=(0, (4, 3)))
    axes.annotate("as predicted", (0.8 * top, 0.72 * top), color="#6d7888", fontsize=8.5)
    predicted = [row["predicted"] for row in data]
    axes.plot(predicted, [row["observed"] for row in data], "o", color=BLUE, markersize=6.5)
    axes.set_xlim(0, top)
    axes.set_ylim(0, top)
    axes.set_xlabel("Predicted probability of churn")
    axes.set_ylabel("Churned")
    axes.grid()
    format_axis(axes.xaxis, _percent)
    format_axis(axes.yaxis, _percent)
    return figure
