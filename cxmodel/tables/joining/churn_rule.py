"""When a customer left, and who was still there at a response.

The first of these that the study has decides, never two together: churn events; the customers' own
churn date; the end of the last subscription; inactivity. A customer who left is back from the next
booking or subscription start after it. A departure at the very moment of the response lies before
it: what counts as an outcome is strictly later.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from cxmodel.tables.observation_table import Windows
from cxmodel.tables.windows import Total, Window

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from cxmodel.tables.engines.engine import Session

ChurnRule = Literal["churn_events", "churned_at", "subscription_end", "inactivity"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Departures:
    """Which rule says that a customer left, and what it says.

    Parameters
    ----------
    rule : str, optional
        The rule; None where nothing in the study says who left.
    events : ibis table, optional
        ``customer_id`` and ``left_at`` (naive UTC), none later than ``as_of``. None for inactivity,
        which depends on the response.
    comebacks : ibis table, optional
        ``customer_id`` and ``back_at``: bookings and subscription starts.
    """

    rule: ChurnRule | None = None
    events: ir.Table | None = None
    comebacks: ir.Table | None = None


def find_departures(
    *,
    churn: ir.Table | None,
    customers: ir.Table | None,
    subscriptions: ir.Table | None,
    revenue: ir.Table | None,
    ends_at: dt.datetime | None,
) -> Departures:
    """Choose the rule and list the departures that it knows up to ``as_of``.

    Parameters
    ----------
    churn, customers, subscriptions, revenue : ibis tables, optional
        In canonical form.
    ends_at : datetime, optional
        The instant (naive UTC) from which nothing is known: the end of ``as_of``.

    Returns
    -------
    Departures
    """
    comebacks = _comebacks(revenue, subscriptions)
    if churn is not None:
        events, rule = _dated(churn, "churned_at", ends_at), "churn_events"
    elif customers is not None and "churned_at" in customers.columns:
        events, rule = _dated(customers, "churned_at", ends_at), "churned_at"
    elif subscriptions is not None:
        events, rule = _last_ends(subscriptions, ends_at), "subscription_end"
    else:
        return Departures(rule="inactivity" if revenue is not None else None)
    return Departures(rule=rule, events=events, comebacks=comebacks)  # type: ignore[arg-type]


def _dated(table: ir.Table, column: str, ends_at: dt.datetime | None) -> ir.Table:
    import ibis

    events = table.select("customer_id", left_at=table[column])
    events = events.filter(events.customer_id.notnull(), events.left_at.notnull())
    if ends_at is not None:
        events = events.filter(events.left_at < ibis.literal(ends_at, "timestamp(6)"))
    return events.distinct()


def _last_ends(subscriptions: ir.Table, ends_at: dt.datetime | None) -> ir.Table:
    """Say when the last subscription ended, for customers in whom none is open at ``as_of``."""
    started = subscriptions
    if ends_at is not None:
        import ibis

        started = started.filter(started.started_at < ibis.literal(ends_at, "timestamp(6)"))
    per_customer = started.group_by("customer_id").aggregate(
        ended_at=started.ended_at.max(), n_open=started.ended_at.isnull().sum()
    )
    closed = per_customer.filter(per_customer.n_open == 0)
    return _dated(closed, "ended_at", ends_at)


def _comebacks(revenue: ir.Table | None, subscriptions: ir.Table | None) -> ir.Table | None:
    import ibis

    signs = []
    if revenue is not None:
        signs.append(revenue.select("customer_id", back_at=revenue.booked_at))
    if subscriptions is not None:
        signs.append(subscriptions.select("customer_id", back_at=subscriptions.started_at))
    if not signs:
        return None
    return signs[0] if len(signs) == 1 else ibis.union(*signs, distinct=False)


def standings(responses: ir.Table, departures: Departures) -> ir.Table:
    """Say for each response whether the customer had left, and when they left next.

    Parameters
    ----------
    responses : ibis table
        ``row_number``, ``customer_id``, ``responded_at``.
    departures : Departures
        With ``events``.

    Returns
    -------
    ibis table
        ``row_number``, ``customer_id``, ``has_left`` (left at or before the response and not back
        by then) and ``next_left_at`` (the first departure strictly after it). Responses of
        customers who never left are missing.
    """
    events = departures.events
    if events is None:
        raise ValueError("standings needs dated departures; inactivity has none.")
    probes = responses.select("row_number", "customer_id", "responded_at")
    pairs = probes.join(events, "customer_id")
    is_past = pairs.left_at <= pairs.responded_at
    found = pairs.group_by("row_number", "customer_id", "responded_at").aggregate(
        last_left_at=pairs.left_at.max(where=is_past),
        next_left_at=pairs.left_at.min(where=~is_past),
    )
    if departures.comebacks is None:
        return found.select(
            "row_number", "customer_id", "next_left_at", has_left=found.last_left_at.notnull()
        )
    left = found.filter(found.last_left_at.notnull())
    returns = departures.comebacks
    back = (
        left.join(
            returns,
            [
                left.customer_id == returns.customer_id,
                returns.back_at > left.last_left_at,
                returns.back_at <= left.responded_at,
            ],
        )
        .select("row_number")
        .distinct()
        .mutate(is_back=True)
    )
    joined = found.left_join(back, "row_number")
    return joined.select(
        "row_number",
        "customer_id",
        "next_left_at",
        has_left=joined.last_left_at.notnull() & joined.is_back.isnull(),
    )


def activity_totals(windows: Windows) -> list[Total]:
    """Name the counts of bookings from which inactivity is read.

    ``_n_active_g{g}``: in the `inactive_days` before response + g (at risk, still there);
    ``_n_stayed_g{g}``: in the last `inactive_days` of the outcome window at gap g.
    """
    days = windows.inactive_days or 0
    totals = []
    for gap in sorted({0, *windows.timing_gaps}):
        active = Window(start=gap - days, end=gap, is_after=False)
        end = gap + windows.outcome_days
        stayed = Window(start=end - days, end=end, is_after=True)
        totals += [
            Total(name=f"_n_active_g{gap}", window=active),
            Total(name=f"_n_stayed_g{gap}", window=stayed),
        ]
    return totals


def long_gaps(
    session: Session, revenue: ir.Table, inactive_days: int
) -> dict[str, float | int | None]:
    """Count the gaps between bookings of customers who came back, and those longer than allowed.

    Returns
    -------
    dict
        ``n`` gaps, ``n_long`` beyond `inactive_days`, and their ``share`` (null without a gap).
    """
    import ibis

    dated = revenue.filter(revenue.customer_id.notnull(), revenue.booked_at.notnull())
    previous = dated.booked_at.lag().over(
        ibis.window(group_by=dated.customer_id, order_by=dated.booked_at)
    )
    gaps = dated.select(at=dated.booked_at, previous=previous)
    gaps = gaps.filter(gaps.previous.notnull())
    is_long = gaps.at > gaps.previous + ibis.interval(days=inactive_days)
    found = session.one_row(gaps.aggregate(n=gaps.count(), n_long=is_long.sum()))
    n, n_long = int(found["n"]), int(found["n_long"] or 0)
    return {"n": n, "n_long": n_long, "share": n_long / n if n else None}
