"""Which observations on an engine a lift is about: the rules of ``LiftModel``, where they lie."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cxmodel.tables.observation_table import Observations

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from cxmodel.tables.engines.engine import Session

SAID = {
    "open_window": "with an outcome window that is not over or an outcome that is not known",
    "churned_before_response": "by customers who had churned",
    "not_at_risk": "by customers who were not active before the response",
    "left_in_gap": "by customers who left within the gap",
    "before_start": "before the customer started",
}


def lift_rows(
    obs: Observations, session: Session, table: ir.Table, column: str
) -> tuple[ir.Table, dict[str, int]]:
    """Keep the observations that a lift uses, each left out under the first reason that applies.

    Parameters
    ----------
    obs : Observations
        Whose table it is; its rule of churn decides who was at risk.
    session, table
        Where the observations lie.
    column : str
        The outcome: a row in which it is not known is left out. With ``churned``, and churn told by
        inactivity, only customers who were active before the response count.

    Returns
    -------
    table : ibis table
        With a column ``reason`` that is empty.
    left_out : dict of str to int
        Rows left out under each reason, in the order in which reasons are asked.
    """
    import ibis

    status = table["_status"]
    risk = column == "churned" and obs.churn_rule == "inactivity"
    at_risk = table["_at_risk"].fill_null(False) if risk else ibis.literal(True)
    left = table["_left_in_gap"].fill_null(True)
    gone, early = status == "churned_before_response", status == "before_start"
    unknown = table[column].isnull() & ~gone & ~early & at_risk & ~left
    reasons = {
        "open_window": ~table["outcome_complete"].fill_null(False) | unknown,
        "churned_before_response": gone,
        "not_at_risk": ~at_risk,
        "left_in_gap": left,
        "before_start": early,
    }
    marked = table.mutate(
        reason=ibis.cases(*[(applies, name) for name, applies in reasons.items()], else_="")
    )
    counts = marked.group_by("reason").aggregate(n=marked.count())
    found = {row["reason"]: int(row["n"]) for row in session.rows(counts)}
    left_out = {name: found[name] for name in reasons if name in found}
    return marked.filter(marked["reason"] == ""), left_out


def said_of_left_out(left_out: dict[str, int]) -> str:
    """Say in a sentence which observations are not in the lift."""
    parts = ", ".join(f"{n:,} {SAID[name]}" for name, n in left_out.items())
    return f"Observations left out, as in a lift: {parts}."
