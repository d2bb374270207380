"""One look for every figure: colours, type, sizes, and SVG that is the same on every run."""

from __future__ import annotations

import functools
import io
import re
import statistics
import textwrap
import warnings
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, TypeAlias

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

if TYPE_CHECKING:
    import pandas as pd

NAVY, BLUE, SKY, GOLD = "#14213d", "#1d5ba6", "#dbe5f1", "#c98f2b"
GREEN, RED, GREY, PALE = "#2a7f62", "#b0413e", "#9aa5b4", "#e4e9ef"
INK, MUTED = "#1c2a44", "#5f6b7f"
WIDTH = 6.5  # inches: the text width of the page
LABEL_WIDTH = 26
MOST_WIDTHS = 6
"""How far beyond the estimates an interval is drawn, in widths of the usual interval."""

Rows: TypeAlias = "pd.DataFrame | Iterable[Mapping[str, Any]]"
FormatValue: TypeAlias = Callable[[float], str]
P = ParamSpec("P")

_RC: dict[str, Any] = {
    "font.size": 9.0,
    "text.color": INK,
    "text.parse_math": False,  # a dollar sign in a name is no mathematics
    "axes.edgecolor": "#b8c1cd",
    "axes.labelcolor": MUTED,
    "axes.labelsize": 9.0,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "axes.formatter.use_mathtext": False,
    "grid.color": PALE,
    "grid.linewidth": 0.8,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "xtick.labelsize": 9.0,
    "ytick.labelsize": 9.0,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "lines.solid_capstyle": "round",
    "svg.hashsalt": "cxmodel",
    "figure.facecolor": "white",
    "figure.constrained_layout.h_pad": 0.05,
    "figure.constrained_layout.w_pad": 0.05,
}


class ReportFigure(Figure):
    """A matplotlib figure that shows itself in a notebook without pyplot."""

    def _repr_svg_(self) -> str:
        return svg_of(self, text="path")


@functools.cache
def font_family() -> tuple[str, ...]:
    """Name the fonts of figures, best first, making the font of the reports known to matplotlib."""
    from matplotlib import font_manager

    try:
        import font_source_sans_pro
    except ImportError:
        return ("DejaVu Sans",)
    for weight in ("Regular", "Semibold", "Bold"):
        path = Path(font_source_sans_pro.font_directory) / f"SourceSansPro-{weight}.otf"
        if path.is_file():
            font_manager.fontManager.addfont(str(path))
    return ("Source Sans Pro", "DejaVu Sans")


def apply_settings(**more: Any) -> None:
    """Set matplotlib's parameters to those of every figure, and to `more`."""
    parameters: Any = mpl.rcParams
    parameters.update({**_RC, "font.family": list(font_family()), **more})


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Make a plotting function draw in the look of the reports, whatever the user has set."""

    @functools.wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with mpl.rc_context():
            mpl.rcdefaults()
            apply_settings()
            return draw(*args, **kwargs)

    return drawn


def svg_of(figure: Figure, *, text: Literal["none", "path"] = "path") -> str:
    """Write a figure as SVG, the same bytes on every run.

    Parameters
    ----------
    figure : matplotlib Figure
        Drawn by one of the functions of this folder.
    text : {"path", "none"}
        Whether letters become outlines, or stay letters that need the font where they are shown.
        A figure with characters that the fonts lack keeps its letters: the reader's own system
        may have them.

    Returns
    -------
    str
        The SVG, without date or creator.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        svg = _saved(figure, text)
    lacks_glyphs = any("missing from font" in str(warning.message) for warning in caught)
    if lacks_glyphs and text == "path":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            return _saved(figure, "none")
    return svg


def _saved(figure: Figure, text: str) -> str:
    with mpl.rc_context():
        mpl.rcdefaults()
        apply_settings(**{"svg.fonttype": text})
        stream = io.StringIO()
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    svg = stream.getvalue()
    return svg[svg.index("<svg") :]


def row_height(n_rows: int) -> float:
    """Give the height in inches of a figure with a dot and an interval per row."""
    return 0.74 + 0.36 * n_rows


def new_figure(height: float) -> tuple[Figure, Axes]:
    """Begin a figure of the page's width and a height in inches."""
    figure = ReportFigure(figsize=(WIDTH, height), layout="constrained")
    return figure, figure.add_subplot()


def rows_of(data: Rows) -> list[dict[str, Any]]:
    """Take a frame or a list of rows as a list of rows.

    Raises
    ------
    ValueError
        If there are no rows.
    """
    records: Any = data.to_dict("records") if hasattr(data, "to_dict") else data
    rows = [{name: _none_if_nan(value) for name, value in row.items()} for row in records]
    if not rows:
        raise ValueError("There are no rows to draw.")
    return rows


def _none_if_nan(value: Any) -> Any:
    """Take NaN as what it is here: no number."""
    return None if isinstance(value, float) and value != value else value


def plain(value: float) -> str:
    """Write a tick as a plain number with a true minus sign.

    Examples
    --------
    >>> plain(-1200.0), plain(0.25)
    ('−1,200', '0.25')
    """
    return f"{value:,.6g}".replace("-", "\u2212")


def wrapped(label: Any, width: int = LABEL_WIDTH, lines: int = 2) -> str:
    r"""Break a label into short lines; what is too long ends in an ellipsis.

    Examples
    --------
    >>> wrapped("Mid-market companies of the north", 16)
    'Mid-market\ncompanies of th…'
    """
    parts = textwrap.wrap(str(label), width, break_on_hyphens=False) or [""]
    if len(parts) > lines:
        last = parts[lines - 1]
        parts = [*parts[: lines - 1], f"{last[: width - 1].rstrip()}…"]
    return "\n".join(parts)


def format_axis(axis: Any, format_value: FormatValue | None) -> None:
    """Write the ticks of an axis with `format_value`, few of them, without empty decimals."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    write = format_value or plain
    axis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 2.5, 5, 10]))
    axis.set_major_formatter(FuncFormatter(lambda value, _: _without_zeros(write(value))))


def _without_zeros(text: str) -> str:
    """Take decimals that are all zero away: ``$20.00`` becomes ``$20``, ``$2.50`` stays."""
    return re.sub(r"\.0+(?=\D|$)", "", text)


def mark_edge(axes: Axes, at: float, before: str, after: str) -> None:
    """Draw an upright line with a word on either side: what was seen, and what is foretold."""
    axes.axvline(at, color=GREY, linewidth=0.9)
    for text, shift, align in ((before, -5, "right"), (after, 5, "left")):
        axes.annotate(
            text,
            (at, 1.0),
            xytext=(shift, 2),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            ha=align,
            color=MUTED,
            fontsize=8.5,
        )


def _ends_of_axis(rows: list[dict[str, Any]], reference: float | None) -> tuple[float, float]:
    """Give the ends that show every estimate, and every interval that is not far too wide.

    Examples
    --------
    >>> row = {"estimate": 5.0, "conf_low": 4.0, "conf_high": 6.0}
    >>> _ends_of_axis([row, row, {**row, "conf_high": 9.0}], None)
    (4.0, 9.0)
    >>> _ends_of_axis([row, row, {**row, "conf_high": 900.0}], None)
    (4.0, 17.0)
    """
    estimates = [row["estimate"] for row in rows] + ([] if reference is None else [reference])
    lows, highs = (
        [row[end] for row in rows if row.get(end) is not None] for end in ("conf_low", "conf_high")
    )
    if not (lows and highs):
        return min(estimates), max(estimates)
    widths = [row["conf_high"] - row["conf_low"] for row in rows if _has_interval(row)]
    room = max(MOST_WIDTHS * statistics.median(widths), max(estimates) - min(estimates))
    low, high = min(estimates) - room, max(estimates) + room
    return max(min(*estimates, *lows), low), min(max(*estimates, *highs), high)


def _has_interval(row: dict[str, Any]) -> bool:
    return row.get("conf_low") is not None and row.get("conf_high") is not None


def _interval(
    axes: Axes, row: dict[str, Any], place: int, colour: str, ends: tuple[float, float]
) -> None:
    """Draw an interval as far as the axis goes, with an arrow where it goes on beyond."""
    low, high = max(row["conf_low"], ends[0]), min(row["conf_high"], ends[1])
    axes.plot(
        [low, high], [place, place],
        color=colour, linewidth=5.5, alpha=0.32, solid_capstyle="butt",
    )  # fmt: skip
    for end, at, arrow in ((row["conf_low"], low, "<"), (row["conf_high"], high, ">")):
        if end != at:
            axes.plot([at], [place], arrow, color=colour, markersize=7, gid="goes-on")


def dots(
    axes: Axes,
    rows: list[dict[str, Any]],
    *,
    colours: list[str],
    format_value: FormatValue,
    reference: float | None = None,
) -> None:
    """Draw a dot and an interval per row, top to bottom, with its value written at the end.

    An interval far wider than the others is cut off, with an arrow where it goes on: it would
    squeeze all others into a point.
    """
    low, high = _ends_of_axis(rows, reference)
    span = (high - low) or abs(high) or 1.0
    for place, (row, colour) in enumerate(zip(rows, colours, strict=True)):
        if _has_interval(row):
            _interval(axes, row, place, colour, (low, high))
        axes.plot([row["estimate"]], [place], "o", color=colour, markersize=7)
        axes.annotate(
            format_value(row["estimate"]),
            (row["estimate"], place),
            xytext=(0, 6.5),
            textcoords="offset points",
            ha="center",
            color=colour,
            fontsize=8.5,
            fontweight="bold",
        )
    axes.set_xlim(low - 0.07 * span, high + 0.07 * span)
    axes.set_yticks(range(len(rows)), [wrapped(row["label"]) for row in rows])
    axes.set_ylim(len(rows) - 0.5, -0.62)
    axes.tick_params(axis="y", labelcolor=INK)
    axes.grid(axis="x")
    if reference is not None:
        axes.axvline(reference, color=NAVY, linewidth=1.0, zorder=1)
