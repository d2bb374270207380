"""How the rows of a KPI are cut: into periods, groups and both, and counted where the data lie.

Every function takes and gives Ibis tables; only counts and integer sums leave the engine.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from cxmodel.errors import SchemaError, nearest
from cxmodel.kpis.periods import local_time, period_starts
from cxmodel.stats.intervals import design_effect_from_sums
from cxmodel.tables.engines.engine import rows_of
from cxmodel.tables.joining.attributes import customer_facts

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from cxmodel.tables.engines.engine import Session
    from cxmodel.tables.sources import Source

Period = Literal["year", "quarter", "month", "week"]
MISSING_GROUP = "(missing)"
PERIOD_START = "_period_start"
CLUSTER = "_cluster"
LONE_ROW = "_lone_row"


class Slot(NamedTuple):
    """One row of the output: a value of a column (or everything) in a period (or always)."""

    column: str | None = None
    value: str | int | float | bool | None = None
    start: dt.date | None = None


class Moments(NamedTuple):
    """Integer sums of a score over the rows of a slot, and over its customers.

    Attributes
    ----------
    n, n_clusters, total, total_squares : int
        Rows, customers, sum of the score and of its square.
    squared_totals, totals_by_size, squared_sizes : int
        Sums over customers of (their total)^2, their total x their rows, (their rows)^2.
    """

    n: int
    n_clusters: int
    total: int
    total_squares: int
    squared_totals: int
    totals_by_size: int
    squared_sizes: int

    @property
    def mean(self) -> float:
        """Mean score."""
        return float(Fraction(self.total, self.n))

    @property
    def variance(self) -> float:
        """Variance of the score with divisor n - 1; 0 for one row."""
        if self.n < 2:
            return 0.0
        return float((self.total_squares - Fraction(self.total**2, self.n)) / (self.n - 1))

    @property
    def n_effective(self) -> float:
        """Rows over the design effect of repeats."""
        mean = Fraction(self.total, self.n)
        between = (
            self.squared_totals - 2 * mean * self.totals_by_size + mean**2 * self.squared_sizes
        )
        return self.n / design_effect_from_sums(
            between=float(between),
            simple=float(self.total_squares - mean * self.total),
            n=self.n,
            n_clusters=self.n_clusters,
            fully_dependent=self.squared_sizes / self.n,
        )


def as_list(columns: str | Sequence[str] | None) -> list[str]:
    """Take a lone column, several or none as a list without repeats.

    Examples
    --------
    >>> as_list("segment"), as_list(None)
    (['segment'], [])
    """
    if columns is None:
        return []
    return [columns] if isinstance(columns, str) else list(dict.fromkeys(columns))


def with_groups(
    table: ir.Table, by: Sequence[str], *, at: str, customers: Source | None = None
) -> ir.Table:
    """Add the columns of `by` that the rows lack from the customers, as of the rows' time.

    A column of the rows themselves comes first. Rows of unknown customers keep a missing value.

    Raises
    ------
    SchemaError
        If neither has a column, or the rows have no customer_id to join by.
    """
    import ibis

    wanted = [column for column in by if column not in table.columns]
    if not wanted:
        return table
    offered = () if customers is None else customers.attributes
    for column in wanted:
        if column not in offered:
            raise SchemaError(
                f"kpis.by names {column!r}, which is no attribute of the responses or customers. "
                f"{nearest(column, [*own_columns(table), *offered])}"
            )
    if customers is None or "customer_id" not in table.columns:
        raise SchemaError(
            f"kpis.by names {wanted[0]!r} of the customers, but the responses have no customer_id "
            "to join by. Map customer_id, or take the column out of kpis.by."
        )
    when = table[at] if at in table.columns else ibis.null("timestamp(6)")
    facts = customer_facts(table.mutate(responded_at=when), customers)
    facts = facts.select("row_number", *wanted)
    joined = table.left_join(facts, "row_number")
    return joined.select(*table.columns, *wanted)


def own_columns(table: ir.Table) -> list[str]:
    """List the columns that rows can be grouped by: no ids, times, ratings or amounts."""
    return [
        name
        for name in table.columns
        if not name.endswith(("_id", "_at", "_units", "_seconds", "_minutes"))
        and not name.startswith(("rating_", "_"))
        and name not in ("row_number", "comment", "resolve_by")
    ]


def with_labels(table: ir.Table, by: Sequence[str]) -> ir.Table:
    """Give rows without a value of a group column one common label, on the engine.

    Text takes the label itself, so that a text that is equal to it joins that group; in numbers,
    what is not a number is missing.
    """
    import ibis

    labels: dict[str, Any] = {}
    for name in by:
        column = table[name]
        if column.type().is_string():
            labels[name] = column.fill_null(MISSING_GROUP)
        elif column.type().is_floating():
            labels[name] = column.isnan().ifelse(ibis.null(column.type()), column)
    return table.mutate(**labels) if labels else table


def with_periods(
    table: ir.Table, period: Period | None, *, at: str, time_zone: str = "UTC"
) -> ir.Table:
    """Add the first day of each row's period in the study's time zone, where there is a time."""
    if period is None or at not in table.columns:
        return table
    local = local_time(table, at, time_zone)
    return table.mutate(**{PERIOD_START: period_starts(local, period)})


def with_clusters(table: ir.Table) -> ir.Table:
    """Add who stands behind a row: the customer, or the row itself where nobody is named.

    The table needs `row_number`, and may have `customer_id`.
    """
    import ibis

    if "customer_id" not in table.columns:
        return table.mutate(**{CLUSTER: ibis.literal(None, "string"), LONE_ROW: table.row_number})
    lone = ibis.ifelse(table.customer_id.isnull(), table.row_number, 0)
    return table.mutate(**{CLUSTER: table.customer_id, LONE_ROW: lone})


@contextmanager
def computed(
    session: Session, table: ir.Table, by: Sequence[str], values: Sequence[str]
) -> Iterator[ir.Table]:
    """Compute once, on the engine, what the counts need, and drop it again."""
    needed = [CLUSTER, LONE_ROW, PERIOD_START, *by, *values]
    narrow = table.select(*dict.fromkeys(c for c in needed if c in table.columns))
    kept = session.keep(with_labels(narrow, by), "kpi")
    try:
        yield kept
    finally:
        session.drop(kept)


def cuts(table: ir.Table, by: Sequence[str]) -> list[tuple[str | None, bool]]:
    """List how rows are cut: (column or None, by period too)."""
    in_time = (False, True) if PERIOD_START in table.columns else (False,)
    return [(column, over_time) for column in (None, *by) for over_time in in_time]


def distributions(
    table: ir.Table, by: Sequence[str], values: Sequence[str]
) -> dict[Slot, list[tuple[Any, ...]]]:
    """Count the rows of each slot by value.

    Returns
    -------
    dict of Slot to list of tuple
        Sorted ``(*values, n)``.
    """
    found = {}
    for column, over_time in cuts(table, by):
        keys = _keys(column, over_time)
        held = rows_of(_grouped(table, [*keys, *values], _n=table.count()))
        counts: dict[tuple[Any, ...], list[tuple[Any, ...]]] = defaultdict(list)
        for row in held:
            place = tuple(row[key] for key in keys)
            counts[place].append(tuple(row[name] for name in (*values, "_n")))
        for place, rows in counts.items():
            found[_slot(dict(zip(keys, place, strict=True)), column)] = sorted(rows)
    return found


def moments(
    table: ir.Table, by: Sequence[str], score: str, *, is_wide: bool = False
) -> dict[Slot, Moments]:
    """Sum an integer score over the rows and the customers of each slot, exactly.

    Parameters
    ----------
    table : ibis table
        With the columns of `with_clusters`.
    by : list of str
        Columns to cut by.
    score : str
        An integer column without nulls.
    is_wide : bool
        Whether scores are so large that 64 bits do not hold the sum of their squares.
    """
    kind = "decimal(38, 0)" if is_wide else "int64"
    scored = table.mutate(_number=table[score].cast(kind))
    return {
        slot: Moments(**{name: int(row[f"_{name}"]) for name in Moments._fields})
        for column, over_time in cuts(table, by)
        for slot, row in _moment_rows(scored, column, over_time, kind)
    }


def _moment_rows(
    table: ir.Table, column: str | None, over_time: bool, kind: str
) -> list[tuple[Slot, dict[str, Any]]]:
    # Names that begin with an underscore: a group column may be called n or total.
    keys = _keys(column, over_time)
    number = table["_number"]
    customers = table.group_by([*keys, CLUSTER, LONE_ROW]).agg(
        _size=table.count().cast(kind),
        _total=number.sum().cast(kind),
        _squares=(number * number).sum().cast(kind),
    )
    size, total = customers["_size"], customers["_total"]
    sums = _grouped(
        customers,
        keys,
        _n=size.sum(),
        _n_clusters=customers.count(),
        _total=total.sum(),
        _total_squares=customers["_squares"].sum(),
        _squared_totals=(total * total).sum(),
        _totals_by_size=(total * size).sum(),
        _squared_sizes=(size * size).sum(),
    )
    rows = rows_of(sums)
    return [(_slot(row, column), row) for row in rows if row["_n"]]


def _grouped(table: ir.Table, keys: list[str], **totals: ir.Value) -> ir.Table:
    return table.group_by(keys).agg(**totals) if keys else table.agg(**totals)


def _keys(column: str | None, over_time: bool) -> list[str]:
    return [*([column] if column else []), *([PERIOD_START] if over_time else [])]


def _slot(row: dict[str, Any], column: str | None) -> Slot:
    value = None if column is None else group_label(row[column])
    return Slot(column, value, row.get(PERIOD_START))


def group_label(value: Any) -> str | int | float | bool:
    """Turn a value of a group column into what results can hold.

    Examples
    --------
    >>> group_label(None), group_label(9.0), group_label(dt.date(2026, 1, 5))
    ('(missing)', 9, '2026-01-05')
    """
    if value is None or value != value:  # NaN is the one value that differs from itself
        return MISSING_GROUP
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, (str, int, float, bool)) else str(value)


def slot_order(slot: Slot, by: Sequence[str]) -> tuple[Any, ...]:
    """Sort key of slots: everything, then each column's values (missing last), then time."""
    column = -1 if slot.column is None else list(by).index(slot.column)
    is_text = isinstance(slot.value, str)
    value = (slot.value == MISSING_GROUP, is_text, str(slot.value) if is_text else slot.value or 0)
    return (column, value, slot.start is not None, slot.start or dt.date.min)
