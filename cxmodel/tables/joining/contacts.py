"""Contacts before a response: how long ago the last one was, and how many were still open.

Both look at all contacts ever, not only those in the lookback window: a complaint that has been
open for a year is open. Contacts and responses stand on one line of time for each customer, and
running totals are read off at the responses, so that no contact is joined to a response.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ibis.expr.types as ir

LAST_CONTACT = "_last_contact_at"
UNRESOLVED = "contacts_unresolved"


def contacts_so_far(responses: ir.Table, contacts: ir.Table) -> ir.Table:
    """Say for each response when the last contact before it began, and how many were unresolved.

    A contact that starts at the very moment of the response is not before it; one that is resolved
    at that moment is resolved.

    Parameters
    ----------
    responses : ibis table
        ``row_number``, ``customer_id``, ``responded_at`` (naive UTC).
    contacts : ibis table
        ``customer_id``, ``started_at`` and, if known, ``resolved_at`` (null while open).

    Returns
    -------
    ibis table
        ``row_number``, ``_last_contact_at`` (null where there was none) and, with ``resolved_at``,
        ``contacts_unresolved``.
    """
    import ibis

    contacts = contacts.filter(contacts.started_at.notnull())
    contacts = contacts.semi_join(responses, "customer_id")
    has_ends = "resolved_at" in contacts.columns
    line = ibis.union(
        _starts(contacts), *([_ends(contacts)] if has_ends else []), _probes(responses),
        distinct=False,
    )  # fmt: skip
    so_far = ibis.window(
        group_by="customer_id", order_by=["line_at", "line_order"], preceding=(None, 0)
    )
    seen = {LAST_CONTACT: line.contact_at.max().over(so_far)}
    if has_ends:
        seen[UNRESOLVED] = line.n_open.sum().over(so_far).cast("int64")
    seen_at = line.mutate(**seen)
    seen_at = seen_at.filter(seen_at.row_number.notnull())
    return seen_at.select("row_number", *seen)


def _starts(contacts: ir.Table) -> ir.Table:
    return _on_line(contacts, at=contacts.started_at, order=2, n_open=1, starts=True)


def _ends(contacts: ir.Table) -> ir.Table:
    """Put each contact's end on the line, but never before its start: what began is open first."""
    import ibis

    resolved = contacts.filter(contacts.resolved_at.notnull())
    # As a start counts only after its own instant, an end at or before it counts there too.
    comes_first = resolved.resolved_at <= resolved.started_at
    at = ibis.ifelse(comes_first, resolved.started_at, resolved.resolved_at)
    order = ibis.ifelse(comes_first, 2, 0)
    return _on_line(resolved, at=at, order=order, n_open=-1, starts=False)


def _on_line(
    contacts: ir.Table, *, at: ir.Value, order: int | ir.Value, n_open: int, starts: bool
) -> ir.Table:
    import ibis

    at = at.cast("timestamp(6)")
    return contacts.select(
        customer_id=contacts.customer_id,
        line_at=at,
        line_order=ibis.literal(order, "int64") if isinstance(order, int) else order.cast("int64"),
        row_number=ibis.null("int64"),
        contact_at=at if starts else ibis.null("timestamp(6)"),
        n_open=ibis.literal(n_open, "int64"),
    )


def _probes(responses: ir.Table) -> ir.Table:
    import ibis

    return responses.select(
        customer_id=responses.customer_id,
        line_at=responses.responded_at.cast("timestamp(6)"),
        line_order=ibis.literal(1, "int64"),
        row_number=responses.row_number.cast("int64"),
        contact_at=ibis.null("timestamp(6)"),
        n_open=ibis.literal(0, "int64"),
    )
