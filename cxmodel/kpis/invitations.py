"""Response rates: which invitations were answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cxmodel.kpis.cut import SCORE, Cut, prepared, share_figures
from cxmodel.kpis.groups import Slot
from cxmodel.results import NotRun
from cxmodel.tables.joining.invitations import Invitations

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from cxmodel.tables.sources import Source


def response_rows(
    invitations: Source, surveys: Source, cut: Cut
) -> tuple[list[dict[str, Any]] | NotRun, dict[str, int]]:
    """Give the share of invitations that were answered, and what was left out.

    An answer is a response with at least one rating, however late: see `Invitations` for the
    invitation that it belongs to.
    """
    asked = Invitations(
        invitations=invitations,
        answers=_answers(surveys, cut),
        ends_at=cut.ends_at,
        within_days=None,
    )
    if not asked.can_match:
        return NotRun(
            "surveys need customer_id and responded_at, or invitation_id, to be matched to "
            "invitations"
        ), {}
    with prepared(invitations, _scored(asked.answered()), "invited_at", cut) as kept:
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


def _scored(asked: ir.Table) -> ir.Table:
    score = asked.is_answered.ifelse(1, 0).cast("int64")
    return asked.mutate(**{SCORE: score}).select("customer_id", "invited_at", SCORE)
