"""How many customers are active at ``as_of``: those of whom a programme's reach is a share."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import TYPE_CHECKING

from cxmodel.tables.joining.churn_rule import Departures, standings
from cxmodel.tables.observation_table import Windows

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from cxmodel.tables.engines.engine import Session


def count_active(
    session: Session,
    tables: Mapping[str, ir.Table],
    people: ir.Table | None,
    departures: Departures,
    *,
    ends_at: dt.datetime | None,
    windows: Windows,
) -> int | None:
    """Count the customers who have started and have not left by the end of ``as_of``.

    Without a contract these are the customers with a booking in the last `inactive_days`.

    Parameters
    ----------
    session : Session
        The engine.
    tables : mapping of str to ibis table
        The canonical tables of the study.
    people : ibis table, optional
        Column ``customer_id``: everyone known, from the customers or the ledger.
    departures : Departures
        The rule that says who left.
    ends_at : datetime, optional
        The end of ``as_of``, naive UTC.

    Returns
    -------
    int or None
        None where the study has no ``as_of`` or knows nobody.
    """
    if people is None or ends_at is None:
        return None
    people = active_people(tables, people, departures, ends_at=ends_at, windows=windows)
    return int(session.one_row(people.aggregate(n=people.count()))["n"])


def active_people(
    tables: Mapping[str, ir.Table],
    people: ir.Table,
    departures: Departures,
    *,
    ends_at: dt.datetime,
    windows: Windows,
) -> ir.Table:
    """List the customers who have started and have not left by a moment: see `count_active`."""
    import ibis

    end = ibis.literal(ends_at, "timestamp(6)")
    if departures.rule == "inactivity":
        bookings = tables["revenue"]
        is_recent = (bookings.booked_at < end) & (
            bookings.booked_at >= end - ibis.interval(days=windows.inactive_days or 0)
        )
        people = people.semi_join(bookings.filter(is_recent), "customer_id")
    elif "customers" in tables and "started_at" in tables["customers"].columns:
        customers = tables["customers"]
        not_yet = customers.filter(customers.started_at >= end)
        people = people.anti_join(not_yet, "customer_id")
    if departures.events is not None:
        people = people.anti_join(_gone(people.view(), departures, end), "customer_id")
    return people.filter(people.customer_id.notnull())


def _gone(people: ir.Table, departures: Departures, end: ir.TimestampValue) -> ir.Table:
    """List the customers who had left at the end and were not back by then."""
    # standings names its rows by `row_number`: here a row is a customer
    probes = people.select(
        "customer_id", row_number=people.customer_id, responded_at=end.cast("timestamp(6)")
    )
    standing = standings(probes, departures)
    return standing.filter(standing.has_left).select(customer_id="row_number")
