"""From the rows of the engine to the columns that people and models read.

The rows come as they are stored (see ``columns.py``): here whole units become money, numbers of
months their names, and null becomes what pandas calls missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from cxmodel.scales import Scale
from cxmodel.tables.joining.arrow_columns import ArrowColumns, as_text, month_names
from cxmodel.tables.joining.columns import Column, Written, stored_table
from cxmodel.tables.joining.scratch import Scratch
from cxmodel.tables.joining.stored import StoredObservations

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa


def keep_observations(
    scratch: Scratch,
    rows: ir.Table,
    columns: Sequence[Written],
    *,
    order: tuple[str, ...],
    scale: Scale | None,
    units_per_money: int,
) -> StoredObservations:
    """Compute the observation table once, for observations that may outlast the work.

    Parameters
    ----------
    scratch : Scratch
        Of the work; whoever wants the table to outlast it releases it at the end.
    rows, columns
        What `stored_table` writes.
    order : tuple of str
        The columns that say in which order rows leave the engine.
    scale, units_per_money
        As `observation_frame`.
    """
    session = scratch.session
    table = scratch.keep(stored_table(rows, columns), "observations")
    layout = tuple(each.column for each in columns)
    return StoredObservations(
        session,
        table,
        n_rows=int(session.one_row(table.aggregate(n=table.count()))["n"]),
        columns=layout,
        order=order,
        dress=partial(
            observation_frame, columns=layout, scale=scale, units_per_money=units_per_money
        ),
    )


def observation_frame(
    rows: pa.Table, columns: Sequence[Column], *, scale: Scale | None, units_per_money: int
) -> pd.DataFrame:
    """Write the observation table as people read it: see ``observations.py`` for its columns.

    Parameters
    ----------
    rows : pyarrow.Table
        The stored columns, in order of the rows.
    columns : sequence of Column
        What to write, in order.
    scale : Scale, optional
        Of the rating, for its bands.
    units_per_money : int
        Whole units in one unit of currency.

    Examples
    --------
    >>> import pyarrow as pa
    >>> rows = pa.table({"_month_number": [24302], "revenue_after_units": [125_000]})
    >>> columns = [Column("revenue_after", "money"), Column("_month", "month")]
    >>> observation_frame(rows, columns, scale=None, units_per_money=10_000).values.tolist()
    [[12.5, '2025-03']]
    """
    reader = _Reader(rows, scale, units_per_money)
    return pd.DataFrame({column.name: reader.read(column) for column in columns})


class _Reader(ArrowColumns):
    """Reads each kind of column."""

    def __init__(self, rows: pa.Table, scale: Scale | None, units_per_money: int) -> None:
        super().__init__(rows)
        self._scale, self._units_per_money = scale, units_per_money

    def read(self, column: Column) -> Any:
        """Give the values of a column as people read them."""
        read = {
            "text": self.text,
            "time": self.time,
            "number": self.number,
            "flag": self.flag,
            "attribute": self.attribute,
            "money": self._money,
            "month": self._month,
            "one_of": self._share,
            "band": self._band,
        }
        return read[column.kind](column.stored)

    def _money(self, name: str) -> Any:
        """Divide whole units once."""
        return self.units(name) / self._units_per_money

    def _month(self, name: str) -> Any:
        return month_names(self.whole(name))

    def _share(self, name: str) -> Any:
        return 1.0 / self.whole(name)

    def _band(self, name: str) -> Any:
        if self._scale is None:
            raise ValueError("A rating has bands only on a scale.")
        return bands_of(self.number(name), self._scale)


def bands_of(ratings: npt.ArrayLike, scale: Scale) -> pd.Series[Any]:
    """Name the band of each rating; missing stays missing.

    Examples
    --------
    >>> from cxmodel.scales import NPS
    >>> bands_of([10, 7, 3], NPS).tolist()
    ['promoter', 'passive', 'detractor']
    """
    values = pd.Series(np.asarray(ratings, dtype=float))
    names = {rating: scale.band(rating) for rating in values.dropna().unique()}
    return as_text(values.map(names))
