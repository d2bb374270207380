"""The columns of an observation table: how each stands on the engine, and how people read it.

On the engine money is whole units, months and shares are whole numbers and what is not known is
null; ``observation_frame.py`` makes money, names and fractions of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import ibis.expr.types as ir

Kind = Literal[
    "text", "time", "number", "flag", "attribute", "money", "month", "one_of", "band"
]  # fmt: skip
_STORED: dict[Kind, str] = {"money": "{name}_units", "month": "{name}_number"}
N_OF_CUSTOMER = "_n_of_customer"


@dataclass(frozen=True)
class Column:
    """A column of the observation table as it is called and what it holds.

    Parameters
    ----------
    name : str
        Its name for people and models.
    kind : str
        ``"money"`` is stored as whole units (``<name>_units``), ``"month"`` as year x 12 + month -
        1 (``<name>_number``), ``"one_of"`` (a share 1/n) as the whole number n, ``"band"`` not at
        all: it is read off the rating. The others are stored as they are.

    Examples
    --------
    >>> Column("revenue_after", "money").stored, Column("_month", "month").stored
    ('revenue_after_units', '_month_number')
    """

    name: str
    kind: Kind

    @property
    def stored(self) -> str:
        """Its name on the engine."""
        if self.kind == "one_of":
            return N_OF_CUSTOMER
        if self.kind == "band":
            return "rating"
        return _STORED.get(self.kind, "{name}").format(name=self.name)


@dataclass(frozen=True, eq=False)
class Written:
    """A column and the expression that fills it; none where it is read off another column."""

    column: Column
    value: ir.Value | None


def written(name: str, kind: Kind, value: ir.Value | None = None) -> Written:
    """Name a column and what fills it."""
    return Written(Column(name, kind), value)


def stored_table(rows: ir.Table, columns: Sequence[Written]) -> ir.Table:
    """Select the columns of an observation table as they are stored, after ``row_number``."""
    values = {each.column.stored: each.value for each in columns if each.value is not None}
    return rows.select(
        row_number=as_stated(rows.row_number),
        **{name: as_stated(value) for name, value in values.items()},
    )


def as_stated(value: ir.Value) -> ir.Value:
    """Have the engine give a value the type that Ibis says it has.

    PostgreSQL adds int64 up to numeric and Spark takes 1.0 for a decimal, while Ibis, which
    believes that they are int64 and float64, leaves out a cast to these.

    Examples
    --------
    >>> import ibis
    >>> total = ibis.table({"x": "int64"}, name="t").x.sum()
    >>> "CAST" in ibis.to_sql(total.cast("int64")), "CAST" in ibis.to_sql(as_stated(total))
    (False, True)
    """
    import ibis.expr.operations as ops

    return ops.Cast(value, to=value.type()).to_expr()


def exact(value: float) -> ir.FloatingValue:
    """Write a number that every engine reads as this very double.

    As text: DuckDB and Spark take bare figures for a decimal, and lose the last digit on the way.
    """
    import ibis

    return as_stated(ibis.literal(repr(float(value)), "string").cast("float64"))
