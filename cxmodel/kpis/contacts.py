"""Service KPIs of contacts, tickets and deliveries, counted where the data lie."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cxmodel.kpis.cut import SCORE, Cut, share_figures
from cxmodel.kpis.durations import (
    censored_median,
    mean_if_all_over,
    median_interval,
    median_of_counts,
)
from cxmodel.kpis.groups import Slot, distributions, moments
from cxmodel.kpis.result import Figure
from cxmodel.results import NotRun
from cxmodel.stats.intervals import mean_interval

if TYPE_CHECKING:
    import ibis.expr.types as ir

Rows = list[dict[str, Any]]
REPEAT_DAYS = 7
MILLISECONDS_PER_MINUTE = 60_000
VALUE, IS_OVER = "_value", "_is_over"


def late_rows(contacts: ir.Table, cut: Cut, now: dt.datetime) -> Rows | NotRun:
    """Give the share of promised contacts that were late: resolved too late, or open past the date.

    Those that are open and not yet due are left out: nobody knows.
    """
    missing = _missing(contacts, "resolve_by", "resolved_at")
    if missing:
        return missing
    is_resolved = _is_resolved(contacts, cut)
    is_overdue = contacts.resolve_by < _instant(now)
    known = contacts.mutate(
        **{SCORE: _flag(is_resolved.ifelse(contacts.resolved_at > contacts.resolve_by, is_overdue))}
    ).filter(contacts.resolve_by.notnull() & (is_resolved | is_overdue))
    return _share_rows("late_rate", known, cut, "percent of promised contacts, 0-100")


def first_contact_rows(contacts: ir.Table, cut: Cut, now: dt.datetime) -> Rows | NotRun:
    """Give the share of first contacts that solved the issue.

    A contact is a first one when the same customer had none about the same issue in the 7 days
    before it. A flag says whether it solved the issue; without one it did when no contact about the
    issue follows within 7 days, and contacts whose 7 days are not over are left out.
    """
    has_flag = "first_contact_resolution" in contacts.columns
    has_issue = "issue" in contacts.columns
    if not has_flag and not has_issue:
        return NotRun(
            "interactions have neither first_contact_resolution nor issue, which says when two "
            "contacts are about the same thing"
        )
    firsts = _first_contacts(contacts) if has_issue else contacts
    if has_flag:
        known = firsts.filter(firsts.first_contact_resolution.notnull())
        known = known.mutate(**{SCORE: _flag(known.first_contact_resolution)})
    else:
        is_settled = firsts["_came_back"] | _over_before(firsts, now)
        known = firsts.mutate(**{SCORE: _flag(~firsts["_came_back"])}).filter(is_settled)
    unit = "percent of first contacts, 0-100" if has_issue else "percent of contacts, 0-100"
    return _share_rows("first_contact_resolution", known, cut, unit)


def _first_contacts(contacts: ir.Table) -> ir.Table:
    """Keep the first contacts about an issue, and say whether the customer came back in 7 days."""
    import ibis

    named = contacts.filter(contacts.issue.notnull() & contacts.customer_id.notnull())
    order = ibis.window(
        group_by=[named.customer_id, named.issue], order_by=[named.started_at, named.row_number]
    )
    named = named.mutate(
        _previous=named.started_at.lag().over(order), _next=named.started_at.lead().over(order)
    )
    week = ibis.interval(days=REPEAT_DAYS)
    is_first = named["_previous"].isnull() | (named["_previous"] + week < named.started_at)
    came_back = named["_next"].notnull() & (named["_next"] <= named.started_at + week)
    return named.mutate(_came_back=came_back.fill_null(False)).filter(is_first)


def _over_before(contacts: ir.Table, now: dt.datetime) -> ir.BooleanValue:
    return contacts.started_at <= _instant(now - dt.timedelta(days=REPEAT_DAYS))


def handle_time_rows(contacts: ir.Table, cut: Cut, now: dt.datetime) -> Rows | NotRun:
    """Give the mean time spent on an answered contact, with Student's t interval."""
    missing = _missing(contacts, "handle_seconds")
    if missing:
        return missing
    answered = contacts.filter(contacts.handle_seconds.notnull())
    answered = answered.mutate(
        **{
            SCORE: (answered.handle_seconds * 1000).round().cast("int64"),
            VALUE: answered.handle_seconds.round().cast("int64"),
        }
    )
    by = cut.columns_for(answered)
    counts = distributions(answered, by, [VALUE])
    figures = {}
    for slot, sums in moments(answered, by, SCORE, is_wide=True).items():
        n_effective = sums.n_effective
        mean = sums.mean / MILLISECONDS_PER_MINUTE
        variance = sums.variance / MILLISECONDS_PER_MINUTE**2
        figures[slot] = Figure(
            mean_interval(
                mean, variance, sums.n, conf_level=cut.conf_level, n_effective=n_effective
            ),
            sums.n,
            n_effective,
            mean,
            median_of_counts(counts[slot]) / 60,
        )
    return _rows("handle_time", figures, cut, "minutes per answered contact", by)


def first_response_rows(contacts: ir.Table, cut: Cut, now: dt.datetime) -> Rows | NotRun:
    """Give the median time to the first response, with the mean beside it."""
    missing = _missing(contacts, "first_response_minutes")
    if missing:
        return missing
    answered = contacts.filter(contacts.first_response_minutes.notnull())
    answered = answered.mutate(
        **{VALUE: (answered.first_response_minutes * 60).round().cast("int64")}
    )
    by = cut.columns_for(answered)
    counts = distributions(answered, by, [VALUE])
    if not counts:
        return _nothing_left("first_response_minutes")
    n_effective = _effective(answered, by, median_of_counts(counts[Slot()]))
    figures = {}
    for slot, pairs in counts.items():
        minutes = [(seconds / 60, n) for seconds, n in pairs]
        n_obs = sum(n for _, n in minutes)
        figures[slot] = Figure(
            median_interval(minutes, conf_level=cut.conf_level, n_effective=n_effective[slot]),
            n_obs,
            n_effective[slot],
            sum(value * n for value, n in minutes) / n_obs,
            median_of_counts(minutes),
        )
    return _rows("first_response_time", figures, cut, "minutes, median", by)


def resolution_rows(contacts: ir.Table, cut: Cut, now: dt.datetime) -> Rows | NotRun:
    """Give the Kaplan-Meier median time to resolution: open cases count as long as they have run.

    Lengths are in whole minutes. The mean stands beside it only where no case is open.
    """
    missing = _missing(contacts, "resolved_at")
    if missing:
        return missing
    is_resolved = _is_resolved(contacts, cut)
    end = is_resolved.ifelse(contacts.resolved_at, _instant(now))
    minutes = (end.epoch_seconds() - contacts.started_at.epoch_seconds() + 30) // 60
    cases = contacts.mutate(**{VALUE: minutes.cast("int64"), IS_OVER: _flag(is_resolved)})
    cases = cases.filter((end >= contacts.started_at).fill_null(False))
    by = cut.columns_for(cases)
    counts = distributions(cases, by, [VALUE, IS_OVER])
    if not counts:
        return _nothing_left("resolved_at")
    whole = _lengths(counts[Slot()])
    middle = censored_median(*whole, conf_level=cut.conf_level).estimate
    n_effective = _effective(cases, by, 60 * middle)
    figures = {}
    for slot, triples in counts.items():
        lengths = _lengths(triples)
        median = censored_median(*lengths, conf_level=cut.conf_level, n_effective=n_effective[slot])
        n_obs = sum(lengths[2])
        figures[slot] = Figure(
            median, n_obs, n_effective[slot], mean_if_all_over(*lengths), median.estimate
        )
    return _rows("time_to_resolution", figures, cut, "hours, median", by)


def _lengths(
    triples: Sequence[tuple[int, int, int]],
) -> tuple[list[float], list[bool], list[int]]:
    """Hours, whether over, and how many."""
    return (
        [minutes / 60 for minutes, _, _ in triples],
        [bool(over) for _, over, _ in triples],
        [n for _, _, n in triples],
    )


def _effective(table: ir.Table, by: Sequence[str], middle: float) -> dict[Slot, float]:
    """Give the independent rows of each slot, judged by who lies above one value in the middle."""
    is_above = table[VALUE] > (0.0 if middle != middle else middle)
    scored = table.mutate(**{SCORE: _flag(is_above)})
    return {slot: sums.n_effective for slot, sums in moments(scored, by, SCORE).items()}


def _share_rows(kpi: str, known: ir.Table, cut: Cut, unit: str) -> Rows | NotRun:
    by = cut.columns_for(known)
    return _rows(kpi, share_figures(known, by, cut.conf_level), cut, unit, by)


def _rows(
    kpi: str, figures: dict[Slot, Figure], cut: Cut, unit: str, by: Sequence[str]
) -> Rows | NotRun:
    if not figures:
        return NotRun("no contact has what this needs")
    return cut.rows(kpi, figures, unit=unit, by=by)


def _is_resolved(contacts: ir.Table, cut: Cut) -> ir.BooleanValue:
    resolved = contacts.resolved_at.notnull()
    if cut.ends_at is None:
        return resolved
    return resolved & (contacts.resolved_at < _instant(cut.ends_at))


def _flag(condition: ir.BooleanValue) -> ir.IntegerValue:
    """Write a condition as 1 and 0: a boolean does not cast to a number on every engine."""
    return condition.ifelse(1, 0).cast("int64")


def _instant(moment: dt.datetime) -> ir.TimestampScalar:
    import ibis

    return ibis.literal(moment, "timestamp(6)")


def _missing(contacts: ir.Table, *columns: str) -> NotRun | None:
    absent = [name for name in columns if name not in contacts.columns]
    return NotRun(f"interactions have no {' and no '.join(absent)}") if absent else None


def _nothing_left(column: str) -> NotRun:
    return NotRun(f"no contact has a usable {column}")
