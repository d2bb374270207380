"""Sums and counts of dated rows inside windows around each response.

A window is two offsets in days of 86,400 seconds from the response at time t, and the side of t on
which it lies. Before a response it is ``[t + start, t + end)``, after it ``(t + start, t + end]``:
a row at t itself is in neither, so that nothing is both a control and an outcome. This is the one
place where these boundaries are written.

Two plans give equal results. ``range`` joins rows and responses of one customer and adds up by
condition: cheap while customers have few rows. ``stack`` puts rows and window ends on one time line
per customer, runs a sum along it and subtracts: no join, so that one account with a tenth of all
rows does no harm. `choose_plan` counts the pairs that the join would make and picks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from cxmodel.tables.observation_table import Windows

if TYPE_CHECKING:
    import ibis.expr.types as ir

Plan = Literal["range", "stack"]
Keep = Callable[[Any, str], Any]

PAIRS_WORTH_STACKING = 30
"""Pairs per row that is read anyway, from which on running sums are cheaper than the join."""


@dataclass(frozen=True, kw_only=True)
class Window:
    """A stretch of time at a fixed distance from a response.

    Parameters
    ----------
    start, end : int
        Offsets from the response in days of 86,400 seconds; ``start < end``.
    is_after : bool
        After the response a window is ``(t + start, t + end]``, before it ``[t + start, t + end)``.

    Examples
    --------
    >>> Window(start=-180, end=0, is_after=False)
    Window(start=-180, end=0, is_after=False)
    """

    start: int
    end: int
    is_after: bool

    def holds(self, at: ir.Value, responded_at: ir.Value) -> ir.BooleanValue:
        """Say whether the time `at` lies in the window of the response at `responded_at`."""
        start, end = shifted(responded_at, self.start), shifted(responded_at, self.end)
        if self.is_after:
            return (start < at) & (at <= end)
        return (start <= at) & (at < end)


@dataclass(frozen=True, kw_only=True)
class Total:
    """What to add up in a window: a whole-number column, or the rows themselves.

    Parameters
    ----------
    name : str
        The column that comes out.
    window : Window
        Where to add up.
    value : str, optional
        The column to add; None counts rows.
    """

    name: str
    window: Window
    value: str | None = None


def shifted(time: ir.Value, days: int) -> ir.Value:
    """Move a naive UTC time by days of 86,400 seconds."""
    import ibis

    if days == 0:
        return time
    step = ibis.interval(days=abs(days))
    return time + step if days > 0 else time - step


def before(windows: Windows, which: int = 1) -> Window:
    """Give the window before a response: the last one, the one before that, and so on.

    Examples
    --------
    >>> before(Windows(lookback_days=90), 2)
    Window(start=-180, end=-90, is_after=False)
    """
    days = windows.lookback_days
    return Window(start=-which * days, end=-(which - 1) * days, is_after=False)


def after(windows: Windows, gap_days: int | None = None) -> Window:
    """Give the outcome window, at the stated gap or at another one.

    Examples
    --------
    >>> after(Windows(outcome_days=91, gap_days=7))
    Window(start=7, end=98, is_after=True)
    """
    gap = windows.gap_days if gap_days is None else gap_days
    return Window(start=gap, end=gap + windows.outcome_days, is_after=True)


def totals_in_windows(
    responses: ir.Table,
    rows: ir.Table,
    totals: Sequence[Total],
    *,
    at: str,
    plan: Plan = "range",
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
    plan : {"range", "stack"}
        How; the results are equal.

    Returns
    -------
    ibis table
        ``row_number`` and the totals as whole numbers, never null under ``stack``; a response
        without a row in any window may be missing under ``range``: join from the left, fill with 0.
    """
    responses = responses.select("row_number", "customer_id", "responded_at")
    if plan == "range":
        return _by_range(responses, rows, totals, at)
    return _by_stack(responses, rows, totals, at)


def _by_range(responses: ir.Table, rows: ir.Table, totals: Sequence[Total], at: str) -> ir.Table:
    """Join on the customer within the widest bounds, then add up by condition."""
    values = sorted({total.value for total in totals if total.value})
    first = min(total.window.start for total in totals)
    last = max(total.window.end for total in totals)
    probes = responses.mutate(
        first_at=shifted(responses.responded_at, first),
        last_at=shifted(responses.responded_at, last),
    )
    rows = rows.select("customer_id", *values, row_at=rows[at])
    pairs = probes.join(
        rows,
        [
            probes.customer_id == rows.customer_id,
            rows.row_at >= probes.first_at,
            rows.row_at <= probes.last_at,
        ],
    )
    return pairs.group_by("row_number").aggregate(
        **{total.name: _conditional_total(pairs, total) for total in totals}
    )


def _conditional_total(pairs: ir.Table, total: Total) -> ir.Value:
    import ibis

    amount = pairs[total.value] if total.value else ibis.literal(1, "int64")
    inside = total.window.holds(pairs.row_at, pairs.responded_at)
    return ibis.ifelse(inside, amount, ibis.literal(0, "int64")).sum().cast("int64")


@dataclass(frozen=True)
class _Mark:
    """An end of a window on a time line; a sum up to it holds rows at its instant or not."""

    offset: int
    holds_its_instant: bool


def _marks(window: Window) -> tuple[_Mark, _Mark]:
    return _Mark(window.start, window.is_after), _Mark(window.end, window.is_after)


def _by_stack(responses: ir.Table, rows: ir.Table, totals: Sequence[Total], at: str) -> ir.Table:
    """Put rows and window ends on one line per customer, run sums along it, and subtract."""
    import ibis

    marks = sorted(
        {mark for total in totals for mark in _marks(total.window)},
        key=lambda mark: (mark.offset, mark.holds_its_instant),
    )
    # Counting is adding ones: every value that is summed has a column on the line.
    columns = {value: f"sum_{i}" for i, value in enumerate(_distinct_values(totals))}
    rows = rows.semi_join(responses, "customer_id")
    line = ibis.union(
        _rows_on_line(rows, at, columns),
        *(_marks_on_line(responses, i, mark, columns) for i, mark in enumerate(marks)),
        distinct=False,
    )
    running = ibis.window(
        group_by="customer_id", order_by=["line_at", "line_order"], preceding=(None, 0)
    )
    line = line.mutate(**{name: line[name].sum().over(running) for name in columns.values()})
    line = line.filter(line.row_number.notnull())
    return line.group_by("row_number").aggregate(
        **{
            total.name: _difference(line, columns[total.value], total.window, marks)
            for total in totals
        }
    )


def _distinct_values(totals: Sequence[Total]) -> list[str | None]:
    return list(dict.fromkeys(total.value for total in totals))


def _rows_on_line(rows: ir.Table, at: str, columns: dict[str | None, str]) -> ir.Table:
    import ibis

    one = ibis.literal(1, "int64")
    return rows.select(
        customer_id=rows.customer_id,
        line_at=rows[at].cast("timestamp(6)"),
        line_order=ibis.literal(1, "int8"),
        row_number=ibis.null("int64"),
        mark=ibis.null("int8"),
        **{name: rows[value].cast("int64") if value else one for value, name in columns.items()},
    )


def _marks_on_line(
    responses: ir.Table, number: int, mark: _Mark, columns: dict[str | None, str]
) -> ir.Table:
    import ibis

    return responses.select(
        customer_id=responses.customer_id,
        line_at=shifted(responses.responded_at, mark.offset).cast("timestamp(6)"),
        line_order=ibis.literal(2 if mark.holds_its_instant else 0, "int8"),
        row_number=responses.row_number.cast("int64"),
        mark=ibis.literal(number, "int8"),
        **{name: ibis.literal(0, "int64") for name in columns.values()},
    )


def _difference(line: ir.Table, column: str, window: Window, marks: Sequence[_Mark]) -> ir.Value:
    import ibis

    start, end = (marks.index(mark) for mark in _marks(window))
    sign = line.mark.cases((end, 1), (start, -1), else_=0)
    return (ibis.coalesce(line[column], 0) * sign).sum().cast("int64")


def choose_plan(responses: ir.Table, rows: ir.Table) -> tuple[Plan, int]:
    """Count the pairs that a join on the customer would make, and choose the cheaper plan.

    Parameters
    ----------
    responses, rows : ibis tables
        Both with ``customer_id``.

    Returns
    -------
    (plan, n_pairs)
        ``"stack"`` from about 30 pairs for each row read, else ``"range"``.
    """
    per_customer = responses.group_by("customer_id").aggregate(n_responses=responses.count())
    counted = rows.group_by("customer_id").aggregate(n_rows=rows.count())
    both = per_customer.left_join(counted, "customer_id")
    both = both.select("n_responses", n_rows=both.n_rows.fill_null(0))
    found = (
        both.aggregate(
            n_pairs=(both.n_responses * both.n_rows).sum(),
            n_rows=both.n_rows.sum(),
            n_responses=both.n_responses.sum(),
        )
        .to_pyarrow()
        .to_pylist()[0]
    )
    n_pairs = int(found["n_pairs"] or 0)
    n_read = int(found["n_rows"] or 0) + 4 * int(found["n_responses"] or 0)
    return ("stack" if n_pairs >= PAIRS_WORTH_STACKING * max(n_read, 1) else "range"), n_pairs
