"""The rows that a reduction uses: complete, of known type and known range."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal

from cxmodel.errors import DataError, SchemaError, nearest
from cxmodel.tables.reduction.exact_sums import constant

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from cxmodel.tables.engines.engine import Session

Kind = Literal["integer", "real", "text"]

LARGEST = 1e100
"""Numbers beyond this are refused: their squares would leave the doubles."""

_LOW_BITS = 2**31 - 1


@dataclass(frozen=True, kw_only=True)
class Range:
    """What is known of a column over the rows used.

    Parameters
    ----------
    kind : {"integer", "real", "text"}
        Flags count as integers, decimals as reals.
    low, high : float or int
        The smallest and the largest value; 0 for text and where there are no rows.
    mean : Fraction, optional
        The exact unweighted mean of an integer column.
    """

    kind: Kind
    low: float = 0.0
    high: float = 0.0
    mean: Fraction | None = None

    @property
    def is_number(self) -> bool:
        """Whether one can calculate with it."""
        return self.kind != "text"


@dataclass(frozen=True, eq=False, kw_only=True)
class CompleteRows:
    """Observations without a gap in any column that is used.

    Parameters
    ----------
    session : Session
        The engine.
    table : ibis table
        The columns used: whole numbers and flags as int64, other numbers as double, text as it is.
    ranges : dict of str to Range
        What is known of each column.
    weight, customer : str or None
        The columns that hold the weight and the customer's id.
    n_rows : int
        Rows looked at.
    n_used : int
        Rows without a gap.
    missing : dict of str to int
        Rows in which a column is null or not a number; columns without such rows are not listed.
    """

    session: Session
    table: ir.Table
    ranges: dict[str, Range]
    weight: str | None
    customer: str | None
    n_rows: int
    n_used: int
    missing: dict[str, int]

    @property
    def n_left_out(self) -> int:
        """Rows with a gap in at least one column."""
        return self.n_rows - self.n_used

    @property
    def largest_weight(self) -> float:
        """The largest weight, 1 without weights."""
        return 1.0 if self.weight is None else float(self.ranges[self.weight].high)

    def number(self, column: str) -> Range:
        """Give the range of a column that must be a number.

        Raises
        ------
        SchemaError
            If the column was not asked for, or is text.
        """
        found = self.known(column)
        if not found.is_number:
            raise SchemaError(
                f"Column {column!r} is text, not numbers. Use it as a key, or through its levels."
            )
        return found

    def known(self, column: str) -> Range:
        """Give what is known of a column.

        Raises
        ------
        SchemaError
            If the column was not asked for.
        """
        if column not in self.ranges:
            raise SchemaError(
                f"Column {column!r} is not among those looked at. {nearest(column, self.ranges)}"
            )
        return self.ranges[column]


def complete_rows(
    session: Session,
    table: ir.Table,
    columns: Sequence[str],
    *,
    weight: str | None = None,
    customer: str | None = None,
) -> CompleteRows:
    """Look at columns once: their gaps and ranges; rows with a gap are left out and counted.

    One pass over the table, and one more where rows are left out.

    Parameters
    ----------
    session : Session
        The engine on which the table lives.
    table : ibis table
        One row per observation.
    columns : sequence of str
        Outcomes, rating and controls.
    weight : str, optional
        A column of positive weights.
    customer : str, optional
        A column of customer ids.

    Returns
    -------
    CompleteRows

    Raises
    ------
    SchemaError
        If a column is missing or is of a type that is neither number nor text.
    DataError
        If a number is infinite or beyond 1e100, or a weight is not positive.

    Examples
    --------
    >>> import pandas as pd
    >>> from cxmodel.tables.engines.engine import connect
    >>> with connect() as session:
    ...     frame = pd.DataFrame({"rating": [9, 7, None], "spent": [5.0, 6.0, 7.0]})
    ...     table = session.register(frame)
    ...     rows = complete_rows(session, table, ["rating", "spent"])
    >>> rows.n_used, rows.missing, rows.ranges["spent"].high
    (2, {'rating': 1}, 6.0)
    """
    wanted = list(dict.fromkeys([*columns, *(c for c in (weight, customer) if c is not None)]))
    kinds = {name: kind_of(table, name) for name in wanted}
    if weight is not None and kinds[weight] == "text":
        raise SchemaError(f"The weight {weight!r} is text. Weights are positive numbers.")
    view = table.select(**{name: as_number(table[name], kinds[name]) for name in wanted})
    facts = session.one_row(_look(view, kinds))
    undefined = [name for i, name in enumerate(wanted) if _holds_nan(facts, i, kinds[name])]
    if undefined:
        view = view.mutate(**{name: _nan_to_null(view[name]) for name in undefined})
        facts = session.one_row(_look(view, kinds))
    n_rows = int(facts["n"])
    missing = {name: n_rows - int(facts[f"known_{i}"]) for i, name in enumerate(wanted)}
    missing = {name: count for name, count in missing.items() if count}
    if missing:
        view = view.filter([view[name].notnull() for name in missing])
        facts = session.one_row(_look(view, kinds))
    ranges = {name: _range_of(facts, i, kinds[name]) for i, name in enumerate(wanted)}
    _refuse_boundless(session, view, ranges)
    if weight is not None and facts["n"]:
        _refuse_weights(session, view, weight, ranges[weight])
    return CompleteRows(
        session=session,
        table=view,
        ranges=ranges,
        weight=weight,
        customer=customer,
        n_rows=n_rows,
        n_used=int(facts["n"]),
        missing=missing,
    )


def levels_of(rows: CompleteRows, column: str, *, max_levels: int = 200) -> tuple[Any, ...]:
    """List the values of a categorical column, in order of their code points or size.

    Raises
    ------
    DataError
        If there are more than `max_levels`.
    """
    rows.known(column)
    distinct = rows.table.select(value=rows.table[column]).distinct().limit(max_levels + 1)
    found: list[Any] = rows.session.arrow(distinct)["value"].to_pylist()
    if len(found) > max_levels:
        raise DataError(
            f"Column {column!r} has more than {max_levels} levels. "
            "Group rare levels together, or leave it out."
        )
    return tuple(sorted(found))


def kind_of(table: ir.Table, name: str) -> Kind:
    """Say what a column is.

    Raises
    ------
    SchemaError
        If it is missing, or neither a number nor text.
    """
    if name not in table.columns:
        raise SchemaError(f"There is no column {name!r}. {nearest(name, table.columns)}")
    kind = table[name].type()
    if kind.is_integer() or kind.is_boolean():
        return "integer"
    if kind.is_floating() or kind.is_decimal():
        return "real"
    if kind.is_string():
        return "text"
    raise SchemaError(f"Column {name!r} is {kind}, neither a number nor text. Convert it first.")


def as_number(column: ir.Value, kind: Kind) -> ir.Value:
    """Give whole numbers and flags as int64, other numbers as doubles, text as it is."""
    if kind == "text":
        return column
    if column.type().is_boolean():
        # PostgreSQL does not cast a flag to a big integer, but to an integer.
        return column.cast("int32").cast("int64")
    return column.cast("int64" if kind == "integer" else "float64")


def _holds_nan(facts: dict[str, Any], i: int, kind: Kind) -> bool:
    """Say whether a column holds NaN: engines take it for the greatest number, so its maximum."""
    if kind != "real" or not facts[f"known_{i}"]:
        return False
    # From Spark a NaN arrives as nothing.
    return facts[f"high_{i}"] is None or math.isnan(facts[f"high_{i}"])


def _nan_to_null(column: ir.FloatingColumn) -> ir.FloatingColumn:
    import ibis

    return ibis.ifelse(column.isnan(), ibis.null("float64"), column)


def _look(view: ir.Table, kinds: dict[str, Kind]) -> ir.Table:
    """Count what is known and take ranges, in one aggregate.

    Results are numbered: what users call their columns need not be a name on every engine.
    """
    found: dict[str, Any] = {"n": view.count()}
    for i, (name, kind) in enumerate(kinds.items()):
        column = view[name]
        found[f"known_{i}"] = column.count()
        if kind != "text":
            found[f"low_{i}"], found[f"high_{i}"] = column.min(), column.max()
        if kind == "integer":
            # In two halves: the sum of large whole numbers may not fit into one.
            found[f"upper_{i}"] = (column >> 31).sum()
            found[f"lower_{i}"] = (column & _LOW_BITS).sum()
    return view.aggregate(**found)


def _range_of(facts: dict[str, Any], i: int, kind: Kind) -> Range:
    if kind == "text" or facts[f"low_{i}"] is None:
        return Range(kind=kind)
    low, high = facts[f"low_{i}"], facts[f"high_{i}"]
    if kind == "real":
        return Range(kind=kind, low=float(low), high=float(high))
    total = int(facts[f"upper_{i}"]) * 2**31 + int(facts[f"lower_{i}"])
    return Range(kind=kind, low=int(low), high=int(high), mean=Fraction(total, int(facts["n"])))


def _refuse_boundless(session: Session, view: ir.Table, ranges: dict[str, Range]) -> None:
    import ibis

    suspects = [n for n, r in ranges.items() if max(abs(r.low), abs(r.high)) > LARGEST]
    if not suspects:
        return
    counts = session.one_row(
        view.aggregate(
            **{
                f"n_{i}": ibis.ifelse(view[n].abs() > constant(LARGEST), 1, 0).sum()
                for i, n in enumerate(suspects)
            }
        )
    )
    seen = ", ".join(f"{n!r} in {int(counts[f'n_{i}']):,}" for i, n in enumerate(suspects))
    raise DataError(
        f"Numbers are infinite or beyond {LARGEST:g}: {seen} rows. "
        "Correct them at the source, or make them null: null rows are left out and counted."
    )


def _refuse_weights(session: Session, view: ir.Table, weight: str, found: Range) -> None:
    import ibis

    if found.low > 0:
        return
    bad = session.one_row(view.aggregate(n=ibis.ifelse(view[weight] <= 0, 1, 0).sum()))["n"]
    raise DataError(
        f"Weight {weight!r} is zero or negative in {int(bad):,} rows (smallest: {found.low:g}). "
        "Weights are positive; make the weight null to leave a row out."
    )
