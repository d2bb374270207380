"""Figures of the lift: the outcome at each rating."""

from __future__ import annotations

from typing import Any

from cxmodel.report import words
from cxmodel.report.blocks import Picture, picture
from cxmodel.report.reading import Results, rows
from cxmodel.report.sections import common


def level_pictures(results: Results, outcome: str) -> list[Picture]:
    """Draw the adjusted mean of the outcome at each rating."""
    all_rows = rows(results, f"lift.{outcome}.by_rating")
    found = common.shown_rows(all_rows)
    if len(found) < 2:
        return []
    from cxmodel.plots.lift import plot_rating_levels

    unit = str(found[0].get("unit") or "")
    name = common.rating_name(results)
    write = common.writer(unit, common.ends_of(found))
    is_adjusted = common.lift_of(results, outcome) is not None
    label = _level_label(outcome, is_adjusted=is_adjusted)
    figure = plot_rating_levels(
        found,
        axis_label=f"{label}{', adjusted' if is_adjusted else ''}",
        rating_label=f"{name} rating",
        format_value=write,
    )
    ordered = sorted(found, key=lambda row: row["rating"])
    values = words.listing([f"{_plain(r['rating'])}: {write(r['estimate'])}" for r in ordered])
    return [
        picture(
            figure,
            headline=_level_headline(label, ordered, write, is_adjusted=is_adjusted),
            caption=f"{label} at each rating, {_held_equal(is_adjusted)}, with "
            f"{100 * (found[0].get('conf_level') or 0.95):g}% intervals."
            f"{_left_out(found, all_rows)}",
            alt=f"{label} by rating: {values}.",
            source=_source(found),
        )
    ]


def _level_label(outcome: str, *, is_adjusted: bool) -> str:
    if outcome == "revenue":
        return "Revenue per customer"
    return "Probability of staying" if is_adjusted else "Share who stayed"


def _held_equal(is_adjusted: bool) -> str:
    if is_adjusted:
        return "as if customers were alike in the controls"
    return "as observed, with nothing held equal"


def _left_out(found: list[dict[str, Any]], all_rows: list[dict[str, Any]]) -> str:
    """Name the ratings that too few gave to be drawn."""
    drawn = {row["rating"] for row in found}
    few = [_plain(row.get("rating")) for row in all_rows if row.get("rating") not in drawn]
    return f" Too few gave {words.listing(few, last='or')}." if few else ""


def _level_headline(
    label: str, ordered: list[dict[str, Any]], write: Any, *, is_adjusted: bool
) -> str:
    low, high = ordered[0], ordered[-1]
    change = common.difference_is_shown(low, high)
    subject = words.sentence(f"adjusted {words.lower_first(label)}" if is_adjusted else label)
    ends = f"{write(low['estimate'])} at {_plain(low['rating'])}"
    tops = f"{write(high['estimate'])} at {_plain(high['rating'])}"
    doubt = ", too uncertain to tell the two apart" if change is None else ""
    return f"{subject} is {ends} and {tops}{doubt}"


def _plain(rating: Any) -> str:
    return f"{rating:g}" if isinstance(rating, (int, float)) else str(rating)


def _source(found: list[dict[str, Any]]) -> str:
    sizes = [row["n_obs"] for row in found if row.get("n_obs") is not None]
    if not sizes:
        return "responses joined to what happened after them"
    return f"responses joined to what happened after them, n = {words.count(sum(sizes))}"
