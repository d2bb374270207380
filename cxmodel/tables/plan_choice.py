"""Which window plan is the cheaper one, found before any row is joined.

A join makes one pair for each response and row of a customer, so a customer who answered n times
costs n pairs for each row; running sums cost about the same for each row whatever n is. Customers
therefore part by their number of responses alone: the join is good enough for those who answered
fewer than `PAIRS_WORTH_STACKING` times, and their rows need not be counted. Only where some
answered more often are their rows counted, since many responses with few rows make few pairs.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from cxmodel.tables.engines.engine import Session

Plan = Literal["range", "stack", "mixed"]
Step = Literal["day", "hour", "minute"]

PAIRS_WORTH_STACKING = 20
"""Pairs for each row read from which on running sums are cheaper than the join.

Measured with 20 million bookings and 300,000 responses, two windows, CPU seconds of ``range``
against ``stack``: {measured}.
"""

STEP_SECONDS: dict[Step, int] = {"day": 86_400, "hour": 3_600, "minute": 60}
LINE_COST, PAIR_COST = 0.9, 0.1
"""Microseconds to add up and sort one entry of a time line, and to make one pair within a step."""
WINDOW_ENDS = 4
"""Ends of windows for each response: two windows, as a rule of thumb."""


@dataclass(frozen=True, kw_only=True)
class PlanChoice:
    """A window plan, and why it was taken.

    Parameters
    ----------
    plan : {"range", "stack", "mixed"}
        The plan: see ``windows.py``.
    step : {"day", "hour", "minute"}, optional
        The stretch of time by which ``stack`` adds up rows first; None puts every row on the line.
    n_responses : int, optional
        Responses counted.
    n_rows, n_pairs : int, optional
        Rows of the customers with many responses, and the pairs that a join would make of these;
        None where no customer has many, so that nobody needed to count.
    reason : str
        One sentence with the numbers.

    Examples
    --------
    >>> PlanChoice(plan="stack").reason
    'stack: asked for'
    """

    plan: Plan
    step: Step | None = "hour"
    n_responses: int | None = None
    n_rows: int | None = None
    n_pairs: int | None = None
    reason: str = ""

    def __post_init__(self) -> None:
        if not self.reason:
            object.__setattr__(self, "reason", f"{self.plan}: asked for")


def choose_plan(session: Session, responses: ir.Table, rows: ir.Table, *, at: str) -> PlanChoice:
    """Choose the cheapest window plan from what each customer has.

    Parameters
    ----------
    session : Session
        The engine to ask.
    responses, rows : ibis tables
        Both with ``customer_id``.
    at : str
        The time column of `rows`.

    Returns
    -------
    PlanChoice
        ``"range"`` where no customer makes many pairs, ``"stack"`` where all do, else ``"mixed"``.
    """
    per_customer = _responses_per_customer(responses)
    most = session.one_row(
        per_customer.aggregate(
            n_responses=per_customer.n_of_customer.sum(), most=per_customer.n_of_customer.max()
        )
    )
    n_responses, n_most = int(most["n_responses"] or 0), int(most["most"] or 0)
    if n_most < PAIRS_WORTH_STACKING:
        return PlanChoice(
            plan="range",
            n_responses=n_responses,
            reason=f"range: no customer answered more than {_times(n_most)}, so a join makes at "
            f"most {n_most:,} pairs for each row, below {PAIRS_WORTH_STACKING}",
        )
    counts = session.one_row(_many_counted(per_customer, rows, at))
    return _choose(n_responses, counts)


def _choose(n_responses: int, counts: dict[str, Any]) -> PlanChoice:
    """Compare the pairs of the customers with many responses to what is read of them anyway."""
    n_rows, n_pairs = int(counts["n_rows"] or 0), int(counts["n_pairs"] or 0)
    n_many = int(counts["n_responses"])
    density = n_pairs / max(n_rows + WINDOW_ENDS * n_many, 1)
    words = (
        f"{int(counts['n_customers']):,} customers who answered {PAIRS_WORTH_STACKING} times or "
        f"more would make {density:,.1f} pairs for each row read"
    )
    if density < PAIRS_WORTH_STACKING:
        plan: Plan = "range"
        reason = f"range: {words}, below {PAIRS_WORTH_STACKING}"
        step: Step | None = None
    else:
        plan = "stack" if n_many == n_responses else "mixed"
        step = _step(counts, n_rows, n_pairs)
        reason = f"{plan}: {words}, {PAIRS_WORTH_STACKING} or more"
        reason += f"; rows added up by {step}" if step else ""
    return PlanChoice(
        plan=plan,
        step=step,
        n_responses=n_responses,
        n_rows=n_rows,
        n_pairs=n_pairs,
        reason=reason,
    )


def _step(counts: dict[str, Any], n_rows: int, n_pairs: int) -> Step | None:
    """Weigh entries on the time line against pairs within a step, for rows spread evenly."""
    first: dt.datetime | None = counts["first_at"]
    seconds = (counts["last_at"] - first).total_seconds() if first is not None else 0.0
    costs: dict[Step | None, float] = {None: LINE_COST * n_rows}
    for step, length in STEP_SECONDS.items():
        n_steps = 1 + seconds / length
        # Steps without a row make no entry, and no step makes more than its rows.
        entries = min(n_rows, int(counts["n_customers"]) * n_steps)
        pairs = WINDOW_ENDS * n_pairs / n_steps
        costs[step] = LINE_COST * entries + PAIR_COST * (pairs + n_rows)
    return min(costs, key=lambda step: costs[step])


def _times(n: int) -> str:
    return "once" if n == 1 else f"{n:,} times"


def _responses_per_customer(responses: ir.Table) -> ir.Table:
    known = responses.filter(responses.customer_id.notnull())
    return known.group_by("customer_id").aggregate(n_of_customer=known.count())


def _many_counted(per_customer: ir.Table, rows: ir.Table, at: str) -> ir.Table:
    """Count rows and pairs of the customers with many responses, and see how far they reach."""
    many = per_customer.filter(per_customer.n_of_customer >= PAIRS_WORTH_STACKING)
    theirs = rows.select("customer_id", row_at=rows[at]).semi_join(many, "customer_id")
    theirs = theirs.group_by("customer_id").aggregate(
        n_rows=theirs.count(), first_at=theirs.row_at.min(), last_at=theirs.row_at.max()
    )
    both = many.left_join(theirs, "customer_id")
    return both.aggregate(
        n_customers=both.count(),
        n_responses=both.n_of_customer.sum(),
        n_rows=both.n_rows.sum(),
        n_pairs=(both.n_of_customer * both.n_rows).sum(),
        first_at=both.first_at.min(),
        last_at=both.last_at.max(),
    )


def split_by_responses(responses: ir.Table) -> tuple[ir.Table, ir.Table]:
    """Part the responses of customers with few from those of customers with many.

    Returns
    -------
    (few, many)
        Two tables like `responses`; a customer is whole in one of them.
    """
    per_customer = _responses_per_customer(responses)
    many = per_customer.filter(per_customer.n_of_customer >= PAIRS_WORTH_STACKING)
    few = responses.anti_join(many, "customer_id").select(*responses.columns)
    return few, responses.semi_join(many, "customer_id").select(*responses.columns)
