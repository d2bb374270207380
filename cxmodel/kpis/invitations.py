"""Response rates: which invitations were answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cxmodel.kpis.cut import SCORE, Cut, prepared, share_figures
from cxmodel.kpis.groups import Slot
from cxmodel.results import NotRun

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from cxmodel.tables.sources import Source


def response_rows(
    invitations: Source, surveys: Source, cut: Cut
) -> tuple[list[dict[str, Any]] | NotRun, dict[str, int]]:
    """Give the share of invitations that were answered, and what was left out.

    An answer is a response with at least one rating. It belongs to the invitation of its
    invitation_id where both tables have it, else to the latest invitation of the customer at or
    before it. Reminders under one id, or at one time, are one invitation.
    """
    answers = _answers(surveys, cut)
    by_id = "invitation_id" in invitations.columns and "invitation_id" in surveys.columns
    if not by_id and not {"customer_id", "responded_at"} <= surveys.columns:
        return NotRun(
            "surveys need customer_id and responded_at, or invitation_id, to be matched to "
            "invitations"
        ), {}
    asked = _asked(invitations.table, by_id, cut)
    matched = _matched_by_id(asked, answers) if by_id else _matched_by_time(asked, answers)
    with prepared(invitations, matched, "invited_at", cut) as kept:
        by = cut.columns_for(kept)
        figures = share_figures(kept, by, cut.conf_level)
    if not figures:
        return NotRun("no invitation has a customer and a time"), {}
    dropped = {"not_usable": invitations.n_rows - figures[Slot()].n_obs}
    rows = cut.rows("response_rate", figures, unit="percent of invitations, 0-100", by=by)
    return rows, dropped


def _answers(surveys: Source, cut: Cut) -> ir.Table:
    import ibis

    table = surveys.table
    rated = [table[f"rating_{key}"].notnull() for key in surveys.ratings]
    answers = table.filter(ibis.or_(*rated)) if rated else table
    if cut.ends_at is not None and "responded_at" in answers.columns:
        end = ibis.literal(cut.ends_at, "timestamp(6)")
        answers = answers.filter((answers.responded_at < end).fill_null(True))
    return answers


def _asked(table: ir.Table, by_id: bool, cut: Cut) -> ir.Table:
    """Give one row per invitation."""
    import ibis

    table = table.filter(table.invited_at.notnull())
    if cut.ends_at is not None:
        table = table.filter(table.invited_at < ibis.literal(cut.ends_at, "timestamp(6)"))
    if not by_id:
        named = table.filter(table.customer_id.notnull())
        return named.select("customer_id", "invited_at").distinct()
    named = table.filter(table.invitation_id.notnull())
    return named.group_by("invitation_id").agg(
        customer_id=named.customer_id.min(), invited_at=named.invited_at.min()
    )


def _matched_by_id(asked: ir.Table, answers: ir.Table) -> ir.Table:
    ids = answers.filter(answers.invitation_id.notnull())
    ids = ids.select(answered_id=ids.invitation_id).distinct()
    joined = asked.left_join(ids, asked.invitation_id == ids.answered_id)
    return _scored(joined, joined.answered_id)


def _matched_by_time(asked: ir.Table, answers: ir.Table) -> ir.Table:
    answers = answers.select("row_number", "customer_id", "responded_at")
    pairs = answers.join(
        asked,
        [answers.customer_id == asked.customer_id, asked.invited_at <= answers.responded_at],
    ).select("row_number", "customer_id", "invited_at")
    latest = pairs.group_by("row_number").agg(
        who=pairs.customer_id.min(), answered_at=pairs.invited_at.max()
    )
    answered = latest.select("who", "answered_at").distinct()
    joined = asked.left_join(
        answered,
        [asked.customer_id == answered.who, asked.invited_at == answered.answered_at],
    )
    return _scored(joined, joined.answered_at)


def _scored(joined: ir.Table, answered: ir.Value) -> ir.Table:
    score = answered.notnull().ifelse(1, 0).cast("int64")
    return joined.mutate(**{SCORE: score}).select("customer_id", "invited_at", SCORE)
