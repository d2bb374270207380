"""The last booking before an answer that repeats an earlier one: whether anything came between.

Two answers of a customer tell how noisy one answer is only where nothing happened between them. Of
contacts the table knows when the last one was (``contacts.py``). Of bookings that is asked only for
answers that follow another of the same customer within `REPEAT_DAYS`, and no further back than
that: the bookings of everybody else are not touched.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cxmodel.tables.joining.contacts import LAST_CONTACT, contacts_so_far
from cxmodel.tables.plan_choice import Plan, split_by_responses
from cxmodel.tables.windows import shifted

if TYPE_CHECKING:
    import ibis.expr.types as ir

LAST_BOOKING = "_last_booking_at"
REPEAT_DAYS = 90
"""Answers further apart than this are no repeats: the customer's mind may have changed."""


def last_bookings(responses: ir.Table, bookings: ir.Table, plan: Plan) -> ir.Table:
    """Say for each answer that repeats an earlier one when the last booking before it was.

    A booking at the very moment of the answer is not before it.

    Parameters
    ----------
    responses : ibis table
        ``row_number``, ``customer_id``, ``responded_at`` (naive UTC).
    bookings : ibis table
        ``customer_id``, ``booked_at``.
    plan : {"range", "stack", "mixed"}
        As for sums in windows: a join, a line of time, or this for customers who answer often.

    Returns
    -------
    ibis table
        ``row_number`` and ``_last_booking_at``; an answer that repeats none, or has no booking in
        the `REPEAT_DAYS` before it, may be missing.
    """
    import ibis

    repeats = _repeats(responses)
    few, many = split_by_responses(repeats) if plan == "mixed" else (repeats, repeats)
    parts = []
    if plan in ("range", "mixed"):
        parts.append(_by_join(few, bookings))
    if plan in ("stack", "mixed"):
        dated = bookings.select("customer_id", started_at=bookings.booked_at.cast("timestamp(6)"))
        parts.append(contacts_so_far(many, dated).rename({LAST_BOOKING: LAST_CONTACT}))
    return parts[0] if len(parts) == 1 else ibis.union(*parts, distinct=False)


def _repeats(responses: ir.Table) -> ir.Table:
    """Keep the answers that follow another of the same customer within `REPEAT_DAYS`."""
    import ibis

    in_order = ibis.window(group_by="customer_id", order_by=["responded_at", "row_number"])
    dated = responses.select("row_number", "customer_id", "responded_at")
    dated = dated.mutate(previous_at=dated.responded_at.lag().over(in_order))
    is_close = dated.previous_at >= shifted(dated.responded_at, -REPEAT_DAYS)
    return dated.filter(is_close.fill_null(False)).drop("previous_at")


def _by_join(repeats: ir.Table, bookings: ir.Table) -> ir.Table:
    probes = repeats.select(
        "row_number",
        probe_id=repeats.customer_id,
        before_at=repeats.responded_at,
        from_at=shifted(repeats.responded_at, -REPEAT_DAYS),
    )
    dated = bookings.select("customer_id", row_at=bookings.booked_at.cast("timestamp(6)"))
    pairs = probes.join(
        dated,
        [
            probes.probe_id == dated.customer_id,
            dated.row_at >= probes.from_at,
            dated.row_at < probes.before_at,
        ],
    )
    return pairs.group_by("row_number").aggregate(**{LAST_BOOKING: pairs.row_at.max()})
