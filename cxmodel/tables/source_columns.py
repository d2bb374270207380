"""Columns of the sources that no model looks at, as they were known at each response.

The leak alarm examines every column of the source, control or not. A table of events has many rows
a customer, so each of its columns is brought to one value a response: the last one known by then,
and the lowest and the highest. One query a table; nothing but these values leaves the engine.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from cxmodel.tables.observation_table import Observations
    from cxmodel.tables.sources import Source

EVENT_AT = {
    "surveys": "responded_at",
    "invitations": "invited_at",
    "revenue": "booked_at",
    "subscriptions": "started_at",
    "interactions": "started_at",
}
"""When a row of each kind of source happened: only rows up to the response are looked at."""
LAST, LOWEST, HIGHEST = "last", "lowest", "highest"
_PLACE, _AT, _MOMENT, _LATEST = "_place", "_at", "_moment", "_latest"


@dataclass(frozen=True, eq=False, kw_only=True)
class SourceColumns:
    """Columns of the sources beside an observation table, one row an observation.

    Parameters
    ----------
    frame : pandas.DataFrame
        One row an observation, in their order. A column is ``kind.name`` (its last value known), or
        that with `` (lowest)`` or `` (highest)``.
    customer_id : numpy.ndarray
        Whose row it is: it tells whether the observations are still the same rows.
    not_examined : mapping of str to str
        ``kind.name`` -> why it could not be brought beside the observations.
    """

    frame: pd.DataFrame
    customer_id: Any
    not_examined: Mapping[str, str] = field(default_factory=dict)

    def fits(self, obs: Observations) -> bool:
        """Say whether the rows are those of an observation table."""
        if len(self.frame) != obs.n_obs or not obs.has("customer_id"):
            return False
        return bool(np.array_equal(self.customer_id, obs.frame["customer_id"].to_numpy()))


def base_name(column: str) -> str:
    """Give the column of the source behind a column of `SourceColumns.frame`.

    Examples
    --------
    >>> base_name("revenue.state (lowest)"), base_name("revenue.state")
    ('revenue.state', 'revenue.state')
    """
    for suffix in (f" ({LOWEST})", f" ({HIGHEST})"):
        column = column.removesuffix(suffix)
    return column


def known_by_then(obs: Observations, source: Source, names: Sequence[str]) -> pd.DataFrame:
    """Bring columns of a source beside the observations, as they were known at each response.

    Parameters
    ----------
    obs : Observations
        With ``customer_id``, and ``responded_at`` where the source has times.
    source : Source
        On any engine; `names` are columns of its table.
    names : sequence of str
        Which columns.

    Returns
    -------
    pandas.DataFrame
        One row an observation, in their order: see `SourceColumns`. Missing where no row of the
        customer was known by then.
    """
    import pyarrow as pa

    frame, at = obs.frame, _time_of(source)
    moments = {
        _PLACE: pa.array(np.arange(len(frame)), pa.int64()),
        "customer_id": pa.array(frame["customer_id"].astype("string"), pa.string()),
    }
    if at is not None:
        moments[_MOMENT] = pa.array(frame["responded_at"].astype("datetime64[us]"))
    session = source.session
    asked = session.register(pa.table(moments), "moments")
    try:
        found = session.arrow(_aggregate(asked, source, names, at))
    finally:
        session.drop(asked)
    values: pd.DataFrame = found.to_pandas().set_index(_PLACE).reindex(range(len(frame)))
    labels = {
        f"c{i}_{way}": f"{source.kind}.{name}" + ("" if way == LAST else f" ({way})")
        for i, name in enumerate(names)
        for way in (LAST, LOWEST, HIGHEST)
    }
    named: pd.DataFrame = values.rename(columns=labels).reset_index(drop=True)
    return named


def _time_of(source: Source) -> str | None:
    """Name the time from which a row is known; None where a row is of all time."""
    if source.kind == "customers":
        return "valid_from" if "valid_from" in source.columns else None
    return EVENT_AT.get(source.kind)


def _aggregate(asked: ir.Table, source: Source, names: Sequence[str], at: str | None) -> ir.Table:
    """Write the one query: of the rows known by then, the last values and the ends of the range."""
    import ibis

    table = source.table
    key = table["customer_id"] if "customer_id" in table.columns else table["row_number"]
    columns = {f"c{i}": table[name] for i, name in enumerate(names)}
    times = {} if at is None else {_AT: table[at]}
    rows = table.select(_whose=key.cast("string"), **times, **columns)
    rows = rows.filter(rows["_whose"].notnull())
    joined = asked.inner_join(rows, asked["customer_id"] == rows["_whose"])
    if at is None:
        single = {f"{name}_{LAST}": joined[name].max() for name in columns}
        return joined.group_by(_PLACE).aggregate(**single)
    # of times with a zone as without: both are UTC by now
    joined = joined.filter(joined[_AT] <= joined[_MOMENT])
    joined = joined.mutate(**{_LATEST: joined[_AT].max().over(ibis.window(group_by=_PLACE))})
    is_last = joined[_AT] == joined[_LATEST]
    found: dict[str, Any] = {}
    for name in columns:
        # of rows of one moment the highest: which one comes first must not depend on the engine
        found[f"{name}_{LAST}"] = joined[name].max(where=is_last)
        found[f"{name}_{LOWEST}"] = joined[name].min()
        found[f"{name}_{HIGHEST}"] = joined[name].max()
    return joined.group_by(_PLACE).aggregate(**found)


def put_together(
    obs: Observations, parts: Iterable[pd.DataFrame], not_examined: Mapping[str, str]
) -> SourceColumns:
    """Put what was brought from each source side by side."""
    frames = [part for part in parts if len(part.columns)]
    if not frames:
        # rows that lie on an engine stay there
        nothing = pd.DataFrame()
        return SourceColumns(frame=nothing, customer_id=np.empty(0), not_examined=not_examined)
    return SourceColumns(
        frame=pd.concat(frames, axis=1),
        customer_id=obs.frame["customer_id"].to_numpy(),
        not_examined=not_examined,
    )
