"""KPIs over time and by group, and the KPIs of service."""

from __future__ import annotations

from typing import Any

from cxmodel.report import words
from cxmodel.report.blocks import Block, Column, Heading, Picture, Table, Text, picture
from cxmodel.report.reading import Results, as_estimate, figure_of, part, rows
from cxmodel.report.sections import common
from cxmodel.results import Estimate

MOST_MEANS = 6


def kpi_section(results: Results) -> list[Block]:
    """Give the KPIs of ratings: now, over time, by group."""
    names = common.rating_kpis(results)
    found = [row for name in names if (row := common.kpi_overall(results, name))]
    if not found:
        return []
    first = str(found[0]["kpi"])
    return [
        Heading(text=kpi_headline(results, first), topic="KPIs"),
        *trend_pictures(results, first, is_own=True),
        *group_pictures(results, first),
        _kpi_table(found, "KPIs of ratings over the whole study."),
        *_suppressed_note(results),
    ]


def service_section(results: Results) -> list[Block]:
    """Give the KPIs of service: response rate, lateness, resolution, times."""
    found = [row for name in common.SERVICE_KPIS if (row := common.kpi_overall(results, name))]
    if not found:
        return []
    pictures = [
        block
        for row in found
        if row["kpi"] != "response_rate"
        for block in trend_pictures(results, str(row["kpi"]))
    ]
    return [
        Heading(text=_service_headline(found), topic="Service"),
        _kpi_table(found, "KPIs of service over the whole study."),
        *pictures[:2],
    ]


def _service_headline(found: list[dict[str, Any]]) -> str:
    by_name = {row["kpi"]: as_estimate(row) for row in found}
    for name, text in (
        ("late_rate", "{} came later than promised"),
        ("first_contact_resolution", "{} of contacts were resolved the first time"),
        ("response_rate", "{} of those invited answered"),
    ):
        estimate = by_name.get(name)
        if estimate is not None:
            return text.format(words.quantity(estimate.estimate, estimate.unit))
    row = found[0]
    value = words.quantity(figure_of(row), row.get("unit"))
    return f"{words.sentence(words.name(row['kpi']))} is {value}"


def kpi_headline(results: Results, kpi: str) -> str:
    """Say whether a KPI moved more than its noise, and else what it is."""
    periods = common.kpi_rows(results, kpi, by_period=True)
    row = common.kpi_overall(results, kpi)
    if row is None:
        return words.name(kpi)
    name = words.sentence(common.kpi_label(row))
    now = words.quantity(figure_of(row), row.get("unit"))
    if len(periods) < 2:
        return f"{name} is {now}"
    first, last = periods[0], periods[-1]
    change = common.difference_is_shown(first, last)
    span = f"between {words.period(first['period'])} and {words.period(last['period'])}"
    if change is None:
        return f"{name} is {now}; no change {span} is shown"
    verb = "rose" if change > 0 else "fell"
    start = words.quantity(first["estimate"], first.get("unit"))
    end = words.quantity(last["estimate"], last.get("unit"))
    return f"{name} {verb} from {start} to {end} {span}"


def trend_pictures(results: Results, kpi: str, *, is_own: bool = False) -> list[Picture]:
    """Draw a KPI over time where there are two periods or more."""
    periods = common.kpi_rows(results, kpi, by_period=True)
    if len(periods) < 2:
        return []
    from cxmodel.plots.kpis import plot_kpi_trend

    row = common.kpi_overall(results, kpi) or periods[-1]
    target = figure_of(row.get("target"))
    name = words.sentence(common.kpi_label(row))
    write = common.writer(row.get("unit"), common.ends_of(periods))
    figure = plot_kpi_trend(
        periods, axis_label=_axis(name, row.get("unit")), target=target, format_value=write
    )
    last = as_estimate(periods[-1])
    if last is None:  # kpi_rows leaves out what has no number
        return []
    latest = words.with_interval(last)
    goal = f", and the target of {write(target)}" if target is not None else ""
    return [
        picture(
            figure,
            headline=_trend_headline(name, periods, target, last, is_own=is_own),
            caption=f"{name} by period, with {_level(periods)} intervals{goal}.",
            alt=f"Line of {name} over {len(periods)} periods, ending at {latest} in "
            f"{words.period(periods[-1]['period'])}.",
            source=_source(row),
        )
    ]


def _trend_headline(
    name: str,
    periods: list[dict[str, Any]],
    target: float | None,
    last: Estimate,
    *,
    is_own: bool,
) -> str:
    """Say where the KPI stands now: against its target, else against the first period."""
    latest = words.quantity(last.estimate, last.unit)
    text = f"{name} was {latest} in {words.period(periods[-1]['period'])}"
    if target is not None:
        return f"{text}, {_against(last, target)}"
    if is_own:  # the section's own headline says how it moved
        return text
    since = words.period(periods[0]["period"])
    change = common.difference_is_shown(periods[0], periods[-1])
    if change is None:
        return f"{text}; no change since {since} is shown"
    return f"{text}, {'up' if change > 0 else 'down'} from {_first_value(periods)} in {since}"


def _first_value(periods: list[dict[str, Any]]) -> str:
    return words.quantity(periods[0]["estimate"], periods[0].get("unit"))


def _against(last: Estimate, target: float) -> str:
    """Say by how much a KPI misses its target, if its interval leaves the target out."""
    low, high = last.conf_low, last.conf_high
    if low is not None and high is not None and low <= target <= high:
        return f"within its noise of the target of {words.quantity(target, last.unit)}"
    gap = last.estimate - target
    is_share = "0-100" in last.unit or "percent" in last.unit
    is_nps = last.unit.startswith("NPS")
    unit = "percentage points" if is_share and not is_nps else "KPI points"
    side = "above" if gap > 0 else "below"
    return f"{words.number(abs(gap), 1)} {unit} {side} target"


def group_pictures(results: Results, kpi: str) -> list[Picture]:
    """Draw a KPI by group for every column it is cut by."""
    columns = dict.fromkeys(
        column
        for row in rows(results, "kpis")
        if row.get("kpi") == kpi
        for column in (row.get("group") or {})
    )
    return [block for column in columns for block in _groups_of(results, kpi, str(column))]


def _groups_of(results: Results, kpi: str, column: str) -> list[Picture]:
    found = common.kpi_rows(results, kpi, column=column)
    if len(found) < 2:
        return []
    from cxmodel.plots.kpis import plot_kpi_groups

    largest = sorted(found, key=lambda row: -(row.get("n_obs") or 0))[: common.MOST_GROUPS]
    shown = sorted(largest, key=lambda row: -row["estimate"])
    overall = common.kpi_overall(results, kpi)
    unit = found[0].get("unit")
    name = words.sentence(common.kpi_label(found[0]))
    figure = plot_kpi_groups(
        [{**row, "label": common.group_label(row["group"])} for row in shown],
        axis_label=_axis(name, unit),
        overall=figure_of(overall),
        format_value=common.writer(unit, common.ends_of(shown)),
    )
    left_out = len(found) - len(shown)
    rest = f" The {len(shown)} largest of {len(found)} groups are drawn." if left_out else ""
    ends = words.listing(
        [f"{common.group_label(r['group'])} {words.quantity(r['estimate'], unit)}" for r in shown]
    )
    return [
        picture(
            figure,
            headline=_group_headline(name, column, found),
            caption=f"{name} by {words.name(column)}, with {_level(found)} intervals.{rest}"
            f"{_means(shown)}",
            alt=f"{name} by {words.name(column)}: {ends}.",
            source="survey responses, all periods",
        )
    ]


def _means(shown: list[dict[str, Any]]) -> str:
    """Give the mean rating of a few groups, where a share in the top box hides it."""
    is_few = len(shown) <= MOST_MEANS and all(row.get("mean") is not None for row in shown)
    if not is_few or "top box" not in str(shown[0].get("unit")):
        return ""
    means = [
        f"{words.shortened(common.group_label(row['group']), 30)} {words.number(row['mean'], 2)}"
        for row in shown
    ]
    return f" Mean rating: {words.listing(means)}."


def _group_headline(name: str, column: str, found: list[dict[str, Any]]) -> str:
    """Name the lowest and the highest group, if they can be told apart."""
    ordered = sorted(found, key=lambda row: row["estimate"])
    low, high = ordered[0], ordered[-1]
    n_pairs = len(found) * (len(found) - 1) // 2
    if common.difference_is_shown(low, high, n_pairs=n_pairs) is None:
        return f"No difference in {name} between groups of {words.name(column)} is shown"
    values = [words.quantity(row["estimate"], row.get("unit")) for row in (low, high)]
    lowest, highest = (words.shortened(common.group_label(r["group"])) for r in (low, high))
    return f"{name} is lowest in {lowest} ({values[0]}) and highest in {highest} ({values[1]})"


def _kpi_table(found: list[dict[str, Any]], caption: str) -> Table:
    has_mean = any(row.get("mean") is not None for row in found)
    has_target = any(row.get("target") is not None for row in found)
    columns = [
        Column(key="kpi", label="KPI"),
        Column(key="value", label="Value", align="right"),
        Column(key="interval", label=f"{_level(found)} interval", align="right"),
        *([Column(key="mean", label="Mean", align="right")] if has_mean else []),
        *([Column(key="median", label="Median", align="right")] if has_mean else []),
        *([Column(key="target", label="Target", align="right")] if has_target else []),
        Column(key="n", label="n", align="right"),
    ]
    note = "Mean and median are on the rating's own scale, or in the KPI's own unit."
    return Table(
        caption=caption,
        columns=columns,
        rows=[_kpi_row(row) for row in found],
        note=note if has_mean else "",
    )


def _kpi_row(row: dict[str, Any]) -> dict[str, Any]:
    found = as_estimate(row)
    target = figure_of(row.get("target"))
    return {
        "kpi": words.sentence(common.kpi_label(row)),
        "value": words.quantity(found.estimate, found.unit) if found else "",
        "interval": words.interval(found) if found else "",
        "mean": "" if row.get("mean") is None else words.number(row["mean"], 2),
        "median": "" if row.get("median") is None else words.significant(row["median"]),
        "target": "" if target is None else words.quantity(target, row.get("unit")),
        "n": words.count(row.get("n_obs")) if row.get("n_obs") is not None else "",
    }


def _suppressed_note(results: Results) -> list[Block]:
    """Say how many rows are hidden because their group is small."""
    n = sum(bool(row.get("suppressed")) for row in rows(results, "kpis"))
    if not n:
        return []
    smallest = part(results, "study.min_group_size")
    why = f"fewer than {smallest} responses" if smallest else "few responses"
    return [
        Text(
            words=f"{words.plural(n, 'figure')} of groups with {why}, or that would give one away, "
            f"{'is' if n == 1 else 'are'} not shown."
        )
    ]


def _level(found: list[dict[str, Any]]) -> str:
    return f"{100 * (found[0].get('conf_level') or 0.95):g}%"


def _axis(name: str, unit: Any) -> str:
    text = str(unit or "")
    if "top box" in text:
        return f"{name}, %" if "(top box)" in name else f"{name}, % in the top box"
    if text.startswith("percent") or "0-100" in text:
        return f"{name}, %"
    if text.startswith("NPS") or not text:
        return name
    return f"{name}, {text}"


def _source(row: dict[str, Any]) -> str:
    n = row.get("n_obs")
    what = "service records" if row.get("kpi") in common.SERVICE_KPIS else "survey responses"
    return f"{what}, n = {words.count(n)}" if n is not None else what
