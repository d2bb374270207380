"""Lifetime value: per customer, by band, by group, and its change per rating point."""

from __future__ import annotations

from typing import Any

from cxmodel.report import amounts, words
from cxmodel.report.blocks import Block, Column, Heading, Picture, Table, Text, picture
from cxmodel.report.reading import Results, as_estimate, estimate, figure_of, part, rows
from cxmodel.report.sections import cltv_parts, cltv_windows, common
from cxmodel.results import Estimate

_CHANGES = {
    "total": "Total",
    "staying": "of it by staying",
    "spending": "of it by spending",
    "total_window_only": "Total, cut off after the observed window",
    "total_no_fade": "Total, if the gain never faded",
}


def cltv_section(results: Results) -> list[Block]:
    """Give the lifetime value of a customer: by band, by group, and its change per rating point."""
    found = estimate(results, "cltv.per_customer")
    if found is None:
        return []
    equity = estimate(results, "cltv.customer_equity")
    return [
        Heading(text=_cltv_headline(results, found), topic="Lifetime value"),
        Text(
            words=f"Per customer: {words.with_interval(found)}.{_equity(results, equity)}"
            f"{cltv_parts.how_valued(results)}{cltv_parts.beside_value(results)}{_caveats(results)}"
        ),
        *cltv_parts.failed_test(results),
        *cltv_windows.windows_failed(results),
        *cltv_pictures(results),
        *cltv_parts.change_pictures(results),
        *_change_table(results),
        *_cltv_groups(results),
        *cltv_parts.cohort_table(results),
        *cltv_parts.backtest_blocks(results),
        *cltv_windows.window_blocks(results),
    ]


def horizon_words(results: Results) -> str:
    """Name the horizon of values, where the results give it."""
    for path in ("cltv.horizon_months", "study.value.horizon_months", "study.horizon_months"):
        months = figure_of(part(results, path))
        if months:
            return f"over {months:g} months"
    return "over the horizon of the study"


def _cltv_headline(results: Results, found: Estimate) -> str:
    value = words.quantity(found.estimate, found.unit)
    what = "revenue" if part(results, "cltv.benefit") == "revenue" else "margin"
    if common.is_chained(results):
        return (
            f"If the one window seen repeated itself, a customer would bring {value} of {what} "
            f"{horizon_words(results)}"
        )
    return f"A customer is worth {value} of {what} {horizon_words(results)}"


def _equity(results: Results, equity: Estimate | None) -> str:
    if equity is None:
        return ""
    by_purchases = part(results, "cltv.kind") == "purchases"
    who = "All customers with a purchase" if by_purchases else "All active customers"
    return f" {who} together: {words.with_interval(equity)}."


def _caveats(results: Results) -> str:
    """Say what the value takes for granted."""
    found = [words.ended(str(text)) for text in part(results, "cltv.caveats") or []]
    elsewhere = ("retention.caveats", "cltv.change.caveats")
    said = {words.ended(str(text)) for path in elsewhere for text in part(results, path) or []}
    said |= set(cltv_windows.said_in_callout(results))
    new = [text for text in found if text not in said]
    return "".join(f" {text}" for text in new)


def _band_rows(results: Results) -> list[dict[str, Any]]:
    found = common.shown_rows(rows(results, "cltv.by_band"))
    return [
        {**row, "label": common.BAND_NAMES.get(str(row.get("band")), str(row.get("band")))}
        for row in found
    ]


def cltv_pictures(results: Results) -> list[Picture]:
    """Draw the lifetime value of each band."""
    found = _band_rows(results)
    if len(found) < 2:
        return []
    from cxmodel.plots.value import plot_cltv_bands

    unit = found[0].get("unit")
    figure = plot_cltv_bands(
        found,
        axis_label=f"{amounts.currency_of(unit) or 'Value'} per customer, {horizon_words(results)}",
        format_value=common.writer(unit, common.ends_of(found)),
    )
    values = [f"{r['label']} {words.quantity(r['estimate'], unit)}" for r in found]
    return [
        picture(
            figure,
            headline=_band_headline(found),
            caption="Discounted value per customer by band of the rating, with intervals. The "
            "bands differ in more than their rating.",
            alt=f"Dots with intervals: {words.listing(values)}.",
            source=f"n = {words.count(sum(row.get('n_obs') or 0 for row in found))}"
            if all(row.get("n_obs") for row in found)
            else "",
        )
    ]


def _band_headline(found: list[dict[str, Any]]) -> str:
    ordered = sorted(found, key=lambda row: row["estimate"])
    low, high = ordered[0], ordered[-1]
    if common.difference_is_shown(low, high, n_pairs=len(found)) is None:
        return "No difference in value between bands is shown"
    values = [words.quantity(row["estimate"], row.get("unit")) for row in (high, low)]
    return (
        f"{high['label']} are worth {values[0]} each, {words.lower_first(low['label'])} {values[1]}"
    )


def _change_table(results: Results) -> list[Block]:
    found = [
        (label, e)
        for key, label in _CHANGES.items()
        if (e := estimate(results, f"cltv.change_per_rating_point.{key}"))
    ]
    if not found:
        return []
    return [
        Table(
            caption=f"Change in lifetime value per {common.rating_point(results)}, per customer.",
            columns=[
                Column(key="name", label="Change"),
                Column(key="value", label="Estimate", align="right"),
                Column(key="interval", label=f"{words.level(found[0][1])} interval", align="right"),
            ],
            rows=[
                {
                    "name": label,
                    "value": words.quantity(e.estimate, e.unit),
                    "interval": words.interval(e) or "none",
                    "_strong": label == "Total",
                }
                for label, e in found
            ],
            note=cltv_parts.change_caveats(results)
            or "Staying and spending are bookkeeping of one change, not two effects: spending "
            "per remaining customer also moves because others remain.",
        )
    ]


def _cltv_groups(results: Results) -> list[Block]:
    found = common.shown_rows(rows(results, "cltv.by_group"))
    if not found:
        return []
    ordered = sorted(found, key=lambda row: -row["estimate"])
    return [
        Table(
            caption="Lifetime value per customer by group.",
            columns=[
                Column(key="group", label="Group"),
                Column(key="value", label="Per customer", align="right"),
                Column(key="interval", label="Interval", align="right"),
                Column(key="n", label="n", align="right"),
            ],
            rows=[
                {
                    "group": common.group_label(row.get("group")),
                    "value": words.quantity(row["estimate"], row.get("unit")),
                    "interval": words.interval(e) if (e := as_estimate(row)) else "",
                    "n": words.count(row["n_obs"]) if row.get("n_obs") is not None else "",
                }
                for row in ordered
            ],
        )
    ]
