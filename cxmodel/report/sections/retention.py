"""Retention: how long customers stay, as observed and as continued by a model."""

from __future__ import annotations

from typing import Any

from cxmodel.report import words
from cxmodel.report.blocks import Block, Callout, Column, Heading, Picture, Table, Text, picture
from cxmodel.report.reading import Results, part, rows
from cxmodel.report.sections import common
from cxmodel.report.sections.survival import family_blocks, survival_blocks


def retention_section(results: Results) -> list[Block]:
    """Give the retention curve: as observed, and as continued by the model."""
    found = shown_months(results)
    if len(found) < 2:
        return []
    return [
        Heading(text=_headline(results, found), topic="Retention"),
        *_what_it_is(results),
        *retention_pictures(results),
        *_caveats(results, found),
        *_milestones(found),
        *survival_blocks(results),
        *(family_blocks(results) if any(not row.get("observed") for row in found) else []),
    ]


def shown_months(results: Results) -> list[dict[str, Any]]:
    """Give the months of the curve that can be stood for.

    Where leaving is read from silence, nobody can be seen leaving until the silence is over: a
    curve continued from that flat start would claim customers who are gone.
    """
    found = [r for r in rows(results, "retention.curve") if r.get("retention") is not None]
    if is_from_silence(results):
        return [row for row in found if row.get("observed")]
    return found


def is_from_silence(results: Results) -> bool:
    """Say whether leaving is read from silence, not from an event."""
    return bool(part(results, "study.churn_rule") == "inactivity")


def _origin(results: Results) -> str:
    """Name the moment from which months are counted."""
    return "the customer started" if common.is_flat(results) else "the first answer"


def _what_it_is(results: Results) -> list[Block]:
    """Say what the curve is and what it is not, where a reader would take it for more."""
    window = part(results, "study.window_words")
    if common.is_chained(results):
        return [
            Callout(
                title="What this curve is, and what it is not",
                words=f"The table shows one window of {window}. The curve chains how customers of "
                "every age fared in it: the share of those in their first month who stayed, times "
                "that of those in their second month, and so on. It is what would become of new "
                "customers if that window repeated itself for ever. Nobody was followed from the "
                "start, so it is no forecast.",
                tone="warn",
            )
        ]
    if is_from_silence(results):
        days = part(results, "study.windows.inactive_days")
        after = words.plural(days, "day") if days else "a time"
        return [
            Callout(
                title="What this curve is, and what it is not",
                words=f"A customer counts as gone {after} after the last booking, so hardly anyone "
                "can be seen leaving before that: the flat start is made by the rule. The curve "
                "ends where too few customers are left to follow, and it is not continued.",
                tone="warn",
            )
        ]
    if common.is_flat(results):
        return []
    return [
        Text(
            words="Customers who answered, followed from their first answer in the study; those "
            "who still were customers on its last day count as followed until then."
        )
    ]


def _caveats(results: Results, found: list[dict[str, Any]]) -> list[Block]:
    """Give the caveats of the curve, unless what they speak of is said above or not shown."""
    is_projected = any(not row.get("observed") for row in found)
    if common.is_chained(results) or not is_projected:
        return []
    return [Text(words=words.ended(str(text))) for text in part(results, "retention.caveats") or []]


def retention_pictures(results: Results) -> list[Picture]:
    """Draw the retention curve."""
    found = shown_months(results)
    if len(found) < 2:
        return []
    from cxmodel.plots.retention import plot_retention

    seen = [row for row in found if row.get("observed")]
    last = found[-1]
    is_continued = bool(seen) and seen[-1] is not last
    dashes = " The dashed line is projected." if is_continued else ""
    n, events = part(results, "retention.n_obs"), part(results, "retention.n_events")
    source = f"{words.count(n)} customers, of whom {words.count(events)} left" if n else ""
    return [
        picture(
            plot_retention(found, month_label=f"Months since {_origin(results)}"),
            headline=_half_life(results, found),
            caption=f"Share of customers still there, with intervals.{dashes}",
            alt=f"Falling curve; observed to month {seen[-1]['month']:g}"
            if is_continued
            else f"Falling curve to {words.percent(last['retention'])} at month {last['month']:g}",
            source=source or "customers and their churn",
        )
    ]


def _headline(results: Results, found: list[dict[str, Any]]) -> str:
    seen = [row for row in found if row.get("observed")] or found
    year = next((row for row in seen if row["month"] == 12), seen[-1])
    share = words.number(100 * year["retention"], 0)
    months = f"{year['month']:g} {'month' if year['month'] == 1 else 'months'}"
    if common.is_chained(results):
        return f"If the one window seen repeated itself, {share} of 100 would stay {months}"
    if is_from_silence(results):
        return _silence_headline(results)
    start = "starting" if common.is_flat(results) else "their first answer"
    return f"{words.sentence(months)} after {start} {share} of 100 customers are still there"


def _silence_headline(results: Results) -> str:
    n, events = part(results, "retention.n_obs"), part(results, "retention.n_events")
    days = part(results, "study.windows.inactive_days")
    if not n or events is None or not days:
        return "Who left is read from silence"
    return (
        f"{words.count(events)} of {words.plural(n, 'customer')} have been silent for "
        f"{words.plural(days, 'day')}"
    )


def _half_life(results: Results, found: list[dict[str, Any]]) -> str:
    if is_from_silence(results):
        return "The curve stays flat until a silence can be over, then falls"
    gone = next((row for row in found if row["retention"] <= 0.5), None)
    if gone is None:
        last = found[-1]
        how = "are" if last.get("observed") else "are projected to be"
        return f"More than half {how} still customers after {last['month']:g} months"
    if common.is_chained(results):
        return f"Half would have left by month {gone['month']:g}"
    how = "have left" if gone.get("observed") else "are projected to have left"
    return f"Half of the customers {how} by month {gone['month']:g}"


def _milestones(found: list[dict[str, Any]]) -> list[Block]:
    months = [row for row in found if row["month"] in (1, 3, 6, 12, 24, 36, 48, 60)]
    if len(months) < 3:
        return []
    is_mixed = len({bool(row.get("observed")) for row in months}) > 1
    return [
        Table(
            caption="Share of customers still there.",
            columns=[
                Column(key="month", label="Month"),
                Column(key="value", label="Still there", align="right"),
                Column(key="interval", label="Interval", align="right"),
                *([Column(key="kind", label="Observed or projected")] if is_mixed else []),
            ],
            rows=[
                {
                    "month": f"{row['month']:g}",
                    "value": words.percent(row["retention"]),
                    "interval": _share_ends(row),
                    "kind": "observed" if row.get("observed") else "projected",
                }
                for row in months
            ],
        )
    ]


def _share_ends(row: dict[str, Any]) -> str:
    if row.get("conf_low") is None or row.get("conf_high") is None:
        return ""
    return f"{words.percent(row['conf_low'])} to {words.percent(row['conf_high'])}"
