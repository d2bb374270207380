"""How far the data reach: the day to which they are complete, and where the ledger begins."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from cxmodel.errors import ConfigError
from cxmodel.tables.times.calendar_days import Calendar
from cxmodel.tables.times.zones import as_of_end, zone

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from cxmodel.tables.engines.engine import Session


@dataclass(frozen=True, kw_only=True)
class Horizon:
    """The two ends of what is known.

    Parameters
    ----------
    as_of : datetime.date, optional
        The data are complete to the end of this day, in the study's time zone. None where neither
        the study nor a ledger says so: then nothing is left out for being too recent.
    ends_at : datetime, optional
        The first instant (naive UTC) after that day.
    ledger_starts_at : datetime, optional
        The first booking or subscription start (naive UTC).
    calendar : Calendar
        The study's days, over the range of responses and ledger.
    """

    as_of: dt.date | None = None
    ends_at: dt.datetime | None = None
    ledger_starts_at: dt.datetime | None = None
    calendar: Calendar


def find_horizon(
    session: Session,
    *,
    surveys: ir.Table | None,
    revenue: ir.Table | None,
    subscriptions: ir.Table | None,
    as_of: dt.date | None,
    time_zone: str,
    today: dt.date | None = None,
) -> Horizon:
    """Find the day to which the data are complete, unless the study states it.

    The default is the day of the latest booking, else of the latest subscription start or end; rows
    later than `today` do not count.

    Parameters
    ----------
    session : Session
        The engine.
    surveys, revenue, subscriptions : ibis tables
        In canonical form.
    as_of : date, optional
        What the study states.
    time_zone : str
        Whose days are meant.
    today : date, optional
        The day of the run; by default the clock's.

    Raises
    ------
    ConfigError
        If `as_of` lies before all data, or all of the ledger after `today`.
    """
    local = zone(time_zone)
    limit = as_of_end(today or dt.datetime.now(local).date(), time_zone)
    responded = _span(session, surveys, ["responded_at"], limit)
    booked = _span(session, revenue, ["booked_at"], limit)
    subscribed = _span(session, subscriptions, ["started_at", "ended_at"], limit)
    starts = [span.first for span in (booked, subscribed) if span.first is not None]
    ledger_starts_at = min(starts) if starts else None
    latest = booked.last_known or subscribed.last_known
    if as_of is None and latest is not None:
        as_of = latest.replace(tzinfo=dt.UTC).astimezone(local).date()
    if as_of is None and ledger_starts_at is not None:
        raise ConfigError(
            "study.as_of is missing and every row of the ledger lies after today (first: "
            f"{ledger_starts_at:%Y-%m-%d}). Set study.as_of to the last day for which the data are "
            "complete."
        )
    ends_at = None if as_of is None else as_of_end(as_of, time_zone)
    _check_against_data(as_of, ends_at, [span.first for span in (responded, booked, subscribed)])
    ends = [span.last for span in (responded, booked, subscribed)] + [ends_at]
    firsts = [span.first for span in (responded, booked, subscribed)] + [ends_at]
    return Horizon(
        as_of=as_of,
        ends_at=ends_at,
        ledger_starts_at=ledger_starts_at,
        calendar=Calendar(
            time_zone=time_zone,
            low=min((time for time in firsts if time is not None), default=limit),
            high=max((time for time in ends if time is not None), default=limit),
        ),
    )


class _Span(NamedTuple):
    """The first time of a table, its last one, and the last one that is not in the future."""

    first: dt.datetime | None = None
    last: dt.datetime | None = None
    last_known: dt.datetime | None = None


def _span(
    session: Session, table: ir.Table | None, columns: list[str], limit: dt.datetime
) -> _Span:
    import ibis

    columns = [name for name in columns if table is not None and name in table.columns]
    if table is None or not columns:
        return _Span()
    until = ibis.literal(limit, "timestamp(6)")
    asked = {"first": table[columns[0]].min()}
    for name in columns:
        asked[f"last_{name}"] = table[name].max()
        asked[f"known_{name}"] = table[name].max(where=table[name] < until)
    found = session.one_row(table.aggregate(**asked))
    return _Span(
        found["first"],
        max((t for k, t in found.items() if k.startswith("last_") and t is not None), default=None),
        max(
            (t for k, t in found.items() if k.startswith("known_") and t is not None), default=None
        ),
    )


def _check_against_data(
    as_of: dt.date | None, ends_at: dt.datetime | None, firsts: list[dt.datetime | None]
) -> None:
    dated = [time for time in firsts if time is not None]
    if ends_at is not None and dated and ends_at <= min(dated):
        raise ConfigError(
            f"study.as_of ({as_of}) lies before all data: the first row is of "
            f"{min(dated):%Y-%m-%d}. Set it to the last day for which the data are complete."
        )
