"""An observation table that lies on an engine, until somebody asks for its rows."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING

from cxmodel.errors import EngineError
from cxmodel.tables.engines.engine import Session

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import numpy as np
    import numpy.typing as npt
    import pandas as pd
    import pyarrow as pa

    from cxmodel.tables.joining.columns import Column

_ADVICE = (
    "Ask for obs.frame (or obs.to_frame()) before the session is closed, or join the tables again."
)


class StoredObservations:
    """The observation table as one temporary table of a session.

    It is dropped when this object is closed or no longer used, or with the session. The rows are
    taken out once, when they are first asked for.

    Parameters
    ----------
    session : Session
        The engine.
    table : ibis table
        What `stored_table` wrote, kept on the session.
    n_rows : int
        How many observations.
    columns : sequence of Column
        What the rows hold, in order.
    order : sequence of str
        The columns that say in which order rows leave the engine.
    dress : callable
        Turns the rows, in order, into the frame.
    """

    def __init__(
        self,
        session: Session,
        table: ir.Table,
        *,
        n_rows: int,
        columns: tuple[Column, ...],
        order: tuple[str, ...],
        dress: Callable[[pa.Table], pd.DataFrame],
    ) -> None:
        self.session = session
        self.n_rows = n_rows
        self.columns = tuple(column.name for column in columns)
        self._layout = columns
        self._table = table
        self._order = order
        self._dress = dress
        self._frame: pd.DataFrame | None = None
        self._drop = weakref.finalize(self, session.discard, table)
        # At the end of the process the engine drops its temporary tables itself.
        self._drop.atexit = False

    @property
    def table(self) -> ir.Table:
        """The table on the engine.

        Raises
        ------
        EngineError
            If it has been dropped.
        """
        if not self._drop.alive:
            raise EngineError(
                "The observation table is no longer on the engine: it was closed, and only its "
                "frame is left. Join the tables again to compute where they lie."
            )
        return self._table

    @property
    def frame(self) -> pd.DataFrame:
        """The rows as people read them, taken out of the engine once.

        Raises
        ------
        EngineError
            If the table is gone before anybody asked for its rows.
        """
        if self._frame is None:
            self._frame = self._dress(self._rows())
        return self._frame

    def _rows(self) -> pa.Table:
        if not self._drop.alive:
            raise EngineError(
                f"The observations were closed before their rows were taken out. {_ADVICE}"
            )
        if self.session.is_closed:
            raise EngineError(
                f"The observations cannot be taken out of {self.session.shown}: its session has "
                f"ended. {_ADVICE}"
            )
        return _in_order(self.session.arrow(self._table.order_by(self._order)), self._order)

    @property
    def row_numbers(self) -> npt.NDArray[np.int64]:
        """The row of surveys behind each row of `frame`, in order."""
        numbers: npt.NDArray[np.int64] = self._keys().column("row_number").to_numpy()
        return numbers

    def _keys(self) -> pa.Table:
        names = dict.fromkeys([*self._order, "row_number"])
        return _in_order(self.session.arrow(self.table.select(*names)), self._order)

    def with_numbers(self, name: str, values: npt.NDArray[np.float64]) -> StoredObservations:
        """Give the same observations with other numbers in one column, on the engine too.

        Parameters
        ----------
        name : str
            A column of numbers.
        values : array (n_rows,)
            In the order of `frame`.

        Returns
        -------
        StoredObservations
            With a table of its own; this one stays until it is closed.
        """
        import pyarrow as pa

        brought = self.session.register(
            pa.table({"_row": self.row_numbers, "_value": values.astype("float64")}),
            "numbers",
        )
        old = self.table
        kept = [column for column in old.columns if column != name]
        joined = old.inner_join(brought, old.row_number == brought["_row"])
        table = self.session.keep(joined.select(*kept, **{name: joined["_value"]}), "observations")
        self.session.drop(brought)
        made = StoredObservations(
            self.session,
            table,
            n_rows=self.n_rows,
            columns=self._layout,
            order=self._order,
            dress=self._dress,
        )
        if self._frame is not None:
            made._frame = self._frame.assign(**{name: values})
        return made

    def close(self) -> None:
        """Drop the table from the engine; rows that were taken out stay."""
        if self._drop.detach() is not None:
            self.session.drop(self._table)


def _in_order(rows: pa.Table, order: tuple[str, ...]) -> pa.Table:
    """Put rows in order of their bytes: engines sort text by the language of their database."""
    import numpy as np
    import pyarrow.compute as pc

    places = pc.sort_indices(rows, sort_keys=[(name, "ascending") for name in order])
    if np.array_equal(places.to_numpy(), np.arange(rows.num_rows)):
        return rows
    return rows.take(places)
