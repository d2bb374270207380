"""Sums and counts of dated rows inside windows around each response.

Three plans give equal results. ``range`` joins rows and responses of one customer and adds up by
condition: cheap while customers answered few times. ``stack`` adds up the rows of each customer by
stretches of time, runs a sum along these, and subtracts; only the stretch in which a window ends is
looked at row by row. A customer with a tenth of all rows does it no harm. ``mixed`` takes ``stack``
for customers with many responses and ``range`` for all others. ``plan_choice.py`` counts and picks.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cxmodel.tables.plan_choice import Plan, PlanChoice, Step, split_by_responses
from cxmodel.tables.windows import Total, Window, shifted

if TYPE_CHECKING:
    import ibis.expr.types as ir


def totals_in_windows(
    responses: ir.Table,
    rows: ir.Table,
    totals: Sequence[Total],
    *,
    at: str,
    plan: Plan | PlanChoice = "range",
) -> ir.Table:
    """Add up dated rows inside windows around each response.

    Parameters
    ----------
    responses : ibis table
        ``row_number`` (unique), ``customer_id``, ``responded_at`` (naive UTC).
    rows : ibis table
        ``customer_id``, the time column `at` (naive UTC) and the whole-number columns to add.
    totals : sequence of Total
        What to add up, where; one column comes out for each.
    at : str
        The time column of `rows`.
    plan : {"range", "stack", "mixed"} or PlanChoice
        How; the results are equal.

    Returns
    -------
    ibis table
        ``row_number`` and the totals as whole numbers, never null. A response without a row in any
        window may be missing: join from the left, fill with 0.
    """
    import ibis

    choice = plan if isinstance(plan, PlanChoice) else PlanChoice(plan=plan)
    responses = responses.select("row_number", "customer_id", "responded_at")
    responses = responses.filter(responses.customer_id.notnull(), responses.responded_at.notnull())
    few, many = split_by_responses(responses) if choice.plan == "mixed" else (responses, responses)
    parts = []
    if choice.plan in ("range", "mixed"):
        parts.append(_by_range(few, _dated_amounts(rows, totals, at), totals))
    if choice.plan in ("stack", "mixed"):
        # The filter comes first, and the join last and unnamed, so that no two parts share an
        # expression over all rows: DuckDB would hold its rows in memory.
        dated = rows.filter(rows.customer_id.notnull(), rows[at].notnull())
        theirs = _dated_amounts(dated, totals, at).semi_join(many, "customer_id")
        parts.append(_by_stack(many, theirs, totals, choice.step))
    return parts[0] if len(parts) == 1 else ibis.union(*parts, distinct=False)


def _amount_names(totals: Sequence[Total]) -> dict[str | None, str]:
    """Name one column for each value that is added up; a count adds up ones."""
    values = dict.fromkeys(total.value for total in totals)
    return {value: f"amount_{i}" for i, value in enumerate(values)}


def _dated_amounts(rows: ir.Table, totals: Sequence[Total], at: str) -> ir.Table:
    """Keep ``customer_id``, ``row_at`` and the amounts of rows, a column for each value."""
    import ibis

    one = ibis.literal(1, "int64")
    amounts = {
        name: rows[value].cast("int64") if value else one
        for value, name in _amount_names(totals).items()
    }
    return rows.select("customer_id", row_at=rows[at].cast("timestamp(6)"), **amounts)


# -- Range ---------------------------------------------------------------------------------------


def _by_range(responses: ir.Table, rows: ir.Table, totals: Sequence[Total]) -> ir.Table:
    """Join on the customer within the widest bounds, then add up by condition.

    Rows without a customer or a time meet no response.
    """
    # Window ends are worked out once per response, not once per pair.
    offsets = sorted({days for total in totals for days in (total.window.start, total.window.end)})
    ends = {days: f"end_{i}" for i, days in enumerate(offsets)}
    probes = responses.select(
        "row_number",
        probe_id=responses.customer_id,
        **{name: shifted(responses.responded_at, days) for days, name in ends.items()},
    )
    pairs = probes.join(
        rows,
        [
            probes.probe_id == rows.customer_id,
            rows.row_at >= probes[ends[offsets[0]]],
            rows.row_at <= probes[ends[offsets[-1]]],
        ],
    )
    names = _amount_names(totals)
    return pairs.group_by("row_number").aggregate(
        **{
            total.name: _total_where(
                pairs[names[total.value]],
                total.window.lies_between(
                    pairs.row_at, pairs[ends[total.window.start]], pairs[ends[total.window.end]]
                ),
            )
            for total in totals
        }
    )


def _total_where(amount: ir.Value, condition: ir.BooleanValue) -> ir.Value:
    import ibis

    summed = ibis.ifelse(condition, amount, ibis.literal(0, "int64")).sum().cast("int64")
    return ibis.coalesce(summed, ibis.literal(0, "int64"))


# -- Stack ---------------------------------------------------------------------------------------


@dataclass(frozen=True, order=True)
class _Mark:
    """An end of a window on a time line; a sum up to it holds rows at its instant or not."""

    offset: int
    holds_its_instant: bool


def _marks(window: Window) -> tuple[_Mark, _Mark]:
    return _Mark(window.start, window.is_after), _Mark(window.end, window.is_after)


def _all_marks(totals: Sequence[Total]) -> list[_Mark]:
    return sorted({mark for total in totals for mark in _marks(total.window)})


def _by_stack(
    responses: ir.Table, rows: ir.Table, totals: Sequence[Total], step: Step | None
) -> ir.Table:
    """Subtract what a customer had up to the start of a window from what they had up to its end."""
    import ibis

    if step is None:
        return _by_running_sums(responses, rows, totals, step)
    whole, rest = (
        _by_running_sums(responses, rows, totals, step),
        _within_steps(responses, rows, totals, step),
    )
    both = ibis.union(whole, rest, distinct=False)
    return both.group_by("row_number").aggregate(
        **{total.name: both[total.name].sum().cast("int64") for total in totals}
    )


# Order on a line at one instant: what lies at it, between a mark that leaves it out and one that
# holds it; then the rest of the step that begins there.
_LEAVES_OUT, _AT_INSTANT, _HOLDS, _REST_OF_STEP = 0, 1, 2, 3


def _by_running_sums(
    responses: ir.Table, rows: ir.Table, totals: Sequence[Total], step: Step | None
) -> ir.Table:
    """Put rows and window ends on one line per customer, run sums along it, and subtract."""
    import ibis

    marks, names = _all_marks(totals), _amount_names(totals)
    line = ibis.union(
        _rows_on_line(rows, names.values(), step),
        *(
            _mark_on_line(responses, number, mark, names.values(), step)
            for number, mark in enumerate(marks)
        ),
        distinct=False,
    )
    running = ibis.window(
        group_by="customer_id", order_by=["line_at", "line_order"], preceding=(None, 0)
    )
    line = line.mutate(**{name: line[name].sum().over(running) for name in names.values()})
    line = line.filter(line.row_number.notnull())
    return line.group_by("row_number").aggregate(
        **{
            total.name: (
                ibis.coalesce(line[names[total.value]], 0)
                * _sign(line.mark, *(marks.index(mark) for mark in _marks(total.window)))
            )
            .sum()
            .cast("int64")
            for total in totals
        }
    )


def _sign(mark: ir.Value, start: int, end: int) -> ir.Value:
    return mark.cases((end, 1), (start, -1), else_=0)


def _rows_on_line(rows: ir.Table, amounts: Iterable[str], step: Step | None) -> ir.Table:
    """Place rows one by one, or added up by step: those at its very start, and the others."""
    import ibis

    placed = rows.select(
        "customer_id",
        *amounts,
        line_at=_start_of_step(rows.row_at, step),
        line_order=ibis.ifelse(
            rows.row_at == _start_of_step(rows.row_at, step), _AT_INSTANT, _REST_OF_STEP
        ).cast("int8"),
    )
    if step is not None:
        placed = placed.group_by("customer_id", "line_at", "line_order").aggregate(
            **{name: placed[name].sum().cast("int64") for name in amounts}
        )
    return placed.select(
        "customer_id",
        "line_at",
        "line_order",
        row_number=ibis.null("int64"),
        mark=ibis.null("int8"),
        **{name: placed[name] for name in amounts},
    )


def _mark_on_line(
    responses: ir.Table, number: int, mark: _Mark, amounts: Iterable[str], step: Step | None
) -> ir.Table:
    import ibis

    mark_at = shifted(responses.responded_at, mark.offset).cast("timestamp(6)")
    start = _start_of_step(mark_at, step)
    holds = ibis.literal(_HOLDS, "int8")
    order = holds if mark.holds_its_instant else ibis.ifelse(mark_at == start, _LEAVES_OUT, _HOLDS)
    return responses.select(
        customer_id=responses.customer_id,
        line_at=start,
        line_order=order.cast("int8"),
        row_number=responses.row_number.cast("int64"),
        mark=ibis.literal(number, "int8"),
        **{name: ibis.literal(0, "int64") for name in amounts},
    )


def _within_steps(
    responses: ir.Table, rows: ir.Table, totals: Sequence[Total], step: Step
) -> ir.Table:
    """Add up, row by row, what lies between the start of a step and a window end inside it."""
    import ibis

    offsets = sorted({mark.offset for mark in _all_marks(totals)})
    # A window has two ends, so there are two tables at least.
    ends = ibis.union(
        *(_end_in_step(responses, number, days, step) for number, days in enumerate(offsets)),
        distinct=False,
    )
    ends = ends.filter(ends.end_at > ends.step_at)
    rows = rows.mutate(row_step=_start_of_step(rows.row_at, step))
    rows = rows.filter(rows.row_at > rows.row_step)
    pairs = ends.join(
        rows,
        [
            ends.end_id == rows.customer_id,
            ends.step_at == rows.row_step,
            rows.row_at <= ends.end_at,
        ],
    )
    names = _amount_names(totals)
    return pairs.group_by("row_number").aggregate(
        **{
            total.name: _total_where(
                pairs[names[total.value]]
                * _sign(
                    pairs.end,
                    offsets.index(total.window.start),
                    offsets.index(total.window.end),
                ),
                ibis.literal(True) if total.window.is_after else pairs.row_at < pairs.end_at,
            )
            for total in totals
        }
    )


def _end_in_step(responses: ir.Table, number: int, days: int, step: Step) -> ir.Table:
    import ibis

    end_at = shifted(responses.responded_at, days).cast("timestamp(6)")
    return responses.select(
        "row_number",
        end_id=responses.customer_id,
        end=ibis.literal(number, "int8"),
        end_at=end_at,
        step_at=_start_of_step(end_at, step),
    )


def _start_of_step(time: ir.Value, step: Step | None) -> ir.Value:
    return time if step is None else time.truncate(step).cast("timestamp(6)")
