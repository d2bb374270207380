"""Service KPIs: how fast and how well contacts are handled, and how many answer a survey."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cxmodel.kpis import contacts as on_engine
from cxmodel.kpis.cut import Cut, prepared
from cxmodel.kpis.groups import Period, as_list, own_columns
from cxmodel.kpis.inputs import (
    open_customers,
    open_interactions,
    open_invitations,
    open_responses,
)
from cxmodel.kpis.invitations import response_rows
from cxmodel.kpis.result import KpiResult
from cxmodel.kpis.survey import MIN_GROUP_SIZE, check_settings, to_date
from cxmodel.results import CONF_LEVEL, Estimate, NotRun
from cxmodel.stats.intervals import wilson
from cxmodel.tables.engines.engine import rows_of
from cxmodel.tables.times.zones import as_of_end

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from cxmodel.tables.sources import Source

Measure = Callable[["ir.Table", Cut, dt.datetime], "list[dict[str, Any]] | NotRun"]
OF_CONTACTS: dict[str, Measure] = {
    "late_rate": on_engine.late_rows,
    "first_contact_resolution": on_engine.first_contact_rows,
    "handle_time": on_engine.handle_time_rows,
    "time_to_resolution": on_engine.resolution_rows,
    "first_response_time": on_engine.first_response_rows,
}
DEFINITIONS = {
    "response_rate": "Invitations with at least one answer, in percent of all invitations.",
    "late_rate": (
        "Contacts resolved after the promised time, or open past it, in percent of those promised "
        "whose fate is known."
    ),
    "first_contact_resolution": (
        "First contacts that solved the issue, in percent of first contacts; a contact about the "
        "same issue within 7 days is a repeat."
    ),
    "handle_time": "Talk, hold and follow-up over answered contacts, in minutes; the mean.",
    "time_to_resolution": (
        "Hours from start to resolution; the Kaplan-Meier median, in which open cases count."
    ),
    "first_response_time": "Minutes from start to the first response; the median.",
}


def service_kpis(
    interactions: Any = None,
    invitations: Any = None,
    surveys: Any = None,
    *,
    by: str | Sequence[str] | None = None,
    customers: Any = None,
    period: Period | None = None,
    min_group_size: int = MIN_GROUP_SIZE,
    conf_level: float = CONF_LEVEL,
    as_of: dt.date | str | None = None,
    time_zone: str = "UTC",
) -> KpiResult:
    """Measure what contacts and invitations give, over everything, by period and by group.

    ``response_rate``, ``late_rate`` and ``first_contact_resolution`` are in percent;
    ``handle_time`` (mean) and ``first_response_time`` (median) in minutes; ``time_to_resolution``
    (median, open cases counted) in hours. What the data do not give stands in ``not_run``.

    Parameters
    ----------
    interactions, invitations, surveys : source, frame, Ibis table or path, optional
        From `read_interactions`, `read_invitations` and `read_surveys`.
    by : str or list of str, optional
        Columns of the contacts, or attributes of the customers. A column that a source does not
        have is left out there.
    customers : source, frame, Ibis table or path, optional
        From `read_customers`.
    period : {"year", "quarter", "month", "week"}, optional
        Of the contact or invitation, in `time_zone`.
    min_group_size : int
        Smaller groups and periods are suppressed.
    conf_level : float
        Level of the intervals.
    as_of : date, optional
        What starts after the end of this day is left out, and what ends after it is still open.
        Default: the last time that the contacts hold.
    time_zone : str
        IANA name.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Examples
    --------
    >>> import pandas as pd
    >>> calls = pd.DataFrame({
    ...     "customer_id": [str(i) for i in range(100)], "started_at": "2026-03-01 09:00",
    ...     "handle_seconds": 240})
    >>> service_kpis(calls).overall("handle_time")["estimate"]
    4.0
    """
    check_settings(period, min_group_size, conf_level)
    contacts = open_interactions(interactions)
    wanted = as_list(by)
    own = [] if contacts is None else own_columns(contacts.table)
    cut = Cut(
        by=tuple(wanted),
        customers=open_customers(customers, [name for name in wanted if name not in own]),
        period=period,
        time_zone=time_zone,
        ends_at=None if as_of is None else as_of_end(to_date(as_of), time_zone),
        min_group_size=min_group_size,
        conf_level=conf_level,
    )
    asked = _response_rate(open_invitations(invitations), open_responses(surveys), cut)
    handled = _of_contacts(contacts, cut)
    return _gathered({**asked, **handled})


_Found = dict[str, tuple["list[dict[str, Any]] | NotRun", dict[str, int]]]


def _response_rate(invitations: Source | None, surveys: Source | None, cut: Cut) -> _Found:
    if invitations is None or surveys is None:
        lacking = "invitations" if invitations is None else "surveys"
        return {"response_rate": (NotRun(f"the study has no {lacking}"), {})}
    return {"response_rate": response_rows(invitations, surveys, cut)}


def _of_contacts(interactions: Source | None, cut: Cut) -> _Found:
    if interactions is None:
        return {kpi: (NotRun("the study has no interactions"), {}) for kpi in OF_CONTACTS}
    table = interactions.table
    n_rows = interactions.n_rows
    table = table.filter(table.started_at.notnull())
    if cut.ends_at is not None:
        table = table.filter(table.started_at < cut.ends_at)
    with prepared(interactions, table, "started_at", cut) as kept:
        now = cut.ends_at or _last_time(kept)
        if now is None:
            return {kpi: (NotRun("no interaction has started_at"), {}) for kpi in OF_CONTACTS}
        found = {kpi: measure(kept, cut, now) for kpi, measure in OF_CONTACTS.items()}
    return {kpi: (rows, _left_out(rows, n_rows)) for kpi, rows in found.items()}


def _left_out(rows: list[dict[str, Any]] | NotRun, n_rows: int) -> dict[str, int]:
    """Count the contacts that a KPI could not use: outside the study, or without what it needs."""
    if isinstance(rows, NotRun):
        return {}
    return {"not_usable": n_rows - int(rows[0]["n_obs"])}


def _last_time(contacts: ir.Table) -> dt.datetime | None:
    """Give the last time at which anything is known to have happened."""
    columns = [name for name in ("started_at", "resolved_at") if name in contacts.columns]
    spans = contacts.agg(**{name: contacts[name].max() for name in columns})
    times = [time for time in rows_of(spans)[0].values() if time is not None]
    return max(times, default=None)


def _gathered(found: _Found) -> KpiResult:
    rows = {kpi: made for kpi, (made, _) in found.items() if not isinstance(made, NotRun)}
    return KpiResult(
        rows=tuple(row for made in rows.values() for row in made),
        definitions={kpi: DEFINITIONS[kpi] for kpi in rows},
        dropped={kpi: dropped for kpi, (_, dropped) in found.items() if kpi in rows},
        not_run={kpi: made for kpi, (made, _) in found.items() if isinstance(made, NotRun)},
    )


def average_handle_time(
    talk_minutes: float, hold_minutes: float, follow_up_minutes: float, *, n_answered: int
) -> float:
    """Give the minutes spent on an answered call: talk, hold and follow-up over calls answered.

    Examples
    --------
    >>> average_handle_time(300, 60, 40, n_answered=100)
    4.0
    """
    if n_answered < 1:
        raise ValueError(f"n_answered must be 1 or more, not {n_answered}.")
    return (talk_minutes + hold_minutes + follow_up_minutes) / n_answered


def percent_of(count: float, n: float, *, unit: str, conf_level: float = CONF_LEVEL) -> Estimate:
    """Give a share in percent with Wilson's interval; `unit` names what it is a share of.

    Raises
    ------
    ValueError
        If `n` is not positive or `count` lies outside 0 to `n`.

    Examples
    --------
    Solved at the first call, of 100 first calls; not of all 130 calls.

    >>> percent_of(70, 100, unit="percent of first contacts, 0-100").estimate
    70.0
    """
    share = wilson(count, n, conf_level=conf_level)
    return Estimate(
        estimate=100 * share.estimate,
        std_error=100 * share.std_error,
        conf_low=100 * share.conf_low,
        conf_high=100 * share.conf_high,
        conf_level=conf_level,
        unit=unit,
        n_obs=round(n),
    )


def share_within(
    durations: npt.ArrayLike, limit: float, *, conf_level: float = CONF_LEVEL
) -> Estimate:
    """Give the share of durations within a limit, as a service level agreement has it.

    Parameters
    ----------
    durations : array-like, shape (n,)
        In the unit of `limit`; NaN is not answered yet and counts as outside.
    limit : float
        The promise, such as 60 seconds.

    Examples
    --------
    >>> share_within([20, 45, 60, 61, 300], 60).estimate
    60.0
    """
    values = np.asarray(durations, dtype=float)
    n_within = int(np.count_nonzero(values <= limit))
    unit = f"percent within {limit:g}, 0-100"
    return percent_of(n_within, values.size, unit=unit, conf_level=conf_level)


def invitations_needed(n_answers: float, prob_response: float) -> int:
    """Give how many must be invited so that so many answer.

    Examples
    --------
    >>> invitations_needed(938, 0.05), invitations_needed(938, 0.20)
    (18760, 4690)
    """
    if not 0 < prob_response <= 1:
        raise ValueError(f"prob_response must lie in (0, 1], not {prob_response}.")
    return math.ceil(round(n_answers / prob_response, 9))
