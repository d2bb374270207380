"""Which window plan is the cheaper one, found before any row is joined.

A join makes one pair for each response and row of a customer, so a customer who answered n times
costs n pairs for each row; running sums cost about the same for each row whatever n is. Customers
therefore part by their number of responses alone: the join is good enough for those who answered
fewer than `PAIRS_WORTH_STACKING` times, and their rows need not be counted. Only where some
answered more often are their rows counted, since many responses with few rows make few pairs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from cxmodel.tables.engines.engine import Session

Plan = Literal["range", "stack", "mixed"]
Step = Literal["day", "hour", "minute"]

PAIRS_WORTH_STACKING = 20
"""Responses of a customer, so pairs for each row, from which on running sums may be cheaper.

Measured with DuckDB, 20 million bookings over three years, 300,000 responses, two windows, as the
data of ``benchmarks/window_join.py`` with other numbers of customers; seconds of CPU:

    customers   pairs per row   range   stack by row   by day   by hour
      200,000               2       4             12                 22
       20,000              20      20             19       21        27
        2,000             196                     26       10        30
           20          18,160   > 100           > 29                 11
"""

STEP_SECONDS: dict[Step, int] = {"day": 86_400, "hour": 3_600, "minute": 60}
PASS_COST, PAIR_COST, LINE_COST = 0.08, 0.06, 0.9
"""Microseconds of CPU to read a row, to make a pair, and to sort an entry of a time line.

From the same measurements: 400 million pairs in 20 s, 20 million entries in 19-26 s, and 20 million
ids looked up in a small table in 1-2 s. Only their ratios matter.
"""
WINDOW_ENDS = 4
"""Ends of windows for each response: two windows, as a rule of thumb."""


@dataclass(frozen=True, kw_only=True)
class PlanChoice:
    """A window plan, and why it was taken.

    Parameters
    ----------
    plan : {"range", "stack", "mixed"}
        The plan: see ``window_sums.py``.
    step : {"day", "hour", "minute"}, optional
        The stretch of time by which ``stack`` adds up rows first; None puts every row on the line.
    n_responses : int, optional
        Responses counted.
    n_rows, n_pairs : int, optional
        Rows of the customers with many responses, and the pairs that a join would make of these;
        None where no customer has many, so that nobody needed to count.
    reason : str
        One sentence with the numbers.

    Raises
    ------
    ValueError
        If there is no such plan or step.

    Examples
    --------
    >>> PlanChoice(plan="stack").reason
    'stack: asked for'
    """

    plan: Plan
    step: Step | None = None
    n_responses: int | None = None
    n_rows: int | None = None
    n_pairs: int | None = None
    reason: str = ""

    def __post_init__(self) -> None:
        for name, known in (("plan", get_args(Plan)), ("step", (None, *STEP_SECONDS))):
            if getattr(self, name) not in known:
                raise ValueError(
                    f"{name} must be one of {', '.join(map(str, known))}, "
                    f"not {getattr(self, name)!r}."
                )
        if not self.reason:
            object.__setattr__(self, "reason", f"{self.plan}: asked for")


def choose_plan(session: Session, responses: ir.Table, rows: ir.Table) -> PlanChoice:
    """Choose the cheapest window plan from what each customer has.

    Parameters
    ----------
    session : Session
        The engine to ask.
    responses : ibis table
        ``customer_id``, ``responded_at``.
    rows : ibis table
        ``customer_id``.

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
    counts = session.one_row(_many_counted(per_customer, rows))
    n_other_rows = 0
    if int(counts["n_responses"]) < n_responses:
        n_other_rows = int(session.one_row(rows.aggregate(n=rows.count()))["n"])
    return _choose(n_responses, counts, n_other_rows)


def _choose(n_responses: int, counts: dict[str, Any], n_passed: int) -> PlanChoice:
    """Weigh the pairs of the customers with many responses against stacking them.

    Where there are others too, stacking takes a second pass over all rows: `n_passed`.
    """
    n_rows, n_pairs = int(counts["n_rows"] or 0), int(counts["n_pairs"] or 0)
    step, cost = _cheapest_step(counts, n_rows, n_pairs)
    n_customers = int(counts["n_customers"])
    who = "1 customer" if n_customers == 1 else f"{n_customers:,} customers"
    words = (
        f"{who} with {PAIRS_WORTH_STACKING} responses or more would make "
        f"{n_pairs / max(n_rows, 1):,.1f} pairs for each of their {n_rows:,} rows"
    )
    if PAIR_COST * n_pairs <= cost + PASS_COST * n_passed:
        plan: Plan = "range"
        reason = f"range: {words}, which costs no more than stacking them"
    else:
        plan = "mixed" if n_passed else "stack"
        reason = f"{plan}: {words}; these are added up by {step or 'row'} and stacked"
    return PlanChoice(
        plan=plan,
        step=step,
        n_responses=n_responses,
        n_rows=n_rows,
        n_pairs=n_pairs,
        reason=reason,
    )


def _cheapest_step(counts: dict[str, Any], n_rows: int, n_pairs: int) -> tuple[Step | None, float]:
    """Weigh entries on the time line against pairs within a step, for rows spread evenly."""
    seconds = 0.0 if not n_rows else (counts["last_at"] - counts["first_at"]).total_seconds()
    n_marks = WINDOW_ENDS * int(counts["n_responses"])
    costs: dict[Step | None, float] = {None: LINE_COST * (n_rows + n_marks)}
    for step, length in STEP_SECONDS.items():
        n_steps = 1 + seconds / length
        # Steps without a row make no entry, and no step makes more than its rows.
        entries = min(n_rows, int(counts["n_customers"]) * n_steps)
        pairs = WINDOW_ENDS * n_pairs / n_steps
        costs[step] = LINE_COST * (entries + n_marks) + PAIR_COST * pairs + 2 * PASS_COST * n_rows
    cost, step = min((cost, step) for step, cost in costs.items() if step)
    return (step, cost) if cost < costs[None] else (None, costs[None])


def _times(n: int) -> str:
    return "once" if n == 1 else f"{n:,} times"


def _responses_per_customer(responses: ir.Table) -> ir.Table:
    known = responses.filter(responses.customer_id.notnull())
    return known.group_by("customer_id").aggregate(
        n_of_customer=known.count(),
        first_at=known.responded_at.min(),
        last_at=known.responded_at.max(),
    )


def _many_counted(per_customer: ir.Table, rows: ir.Table) -> ir.Table:
    """Count rows and pairs of the customers with many responses, and see how far these reach."""
    many = per_customer.filter(per_customer.n_of_customer >= PAIRS_WORTH_STACKING)
    theirs = rows.select("customer_id").semi_join(many, "customer_id").select("customer_id")
    theirs = theirs.group_by("customer_id").aggregate(n_rows=theirs.count())
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
