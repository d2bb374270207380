"""Columns of the sources that no model looks at, as they were known at each response.

The leak alarm examines every column of the source, control or not. A table of events has many rows
a customer, so each of its columns is brought to one value a response: the last one known by then,
and the lowest and the highest. Nothing but these values leaves the engine.

A time that the study maps, such as when a contact was solved, is known from that time on: it counts
as the days from it to the response, and as missing where it lies after the response.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
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
_PLACE, _AT, _MOMENT, _LATEST, _LATER = "_place", "_at", "_moment", "_latest", "later"


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


@dataclass(frozen=True, eq=False, kw_only=True)
class KnownByThen:
    """Columns of one source as they were known at each response.

    Parameters
    ----------
    frame : pandas.DataFrame
        One row an observation, in their order: see `SourceColumns`. Missing where no row of the
        customer was known by then.
    n_later : mapping of str to int
        ``kind.name`` of a time -> in how many rows of responses and events it lies after the
        response, and so is not known.
    """

    frame: pd.DataFrame
    n_later: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def together(cls, parts: Sequence[KnownByThen]) -> KnownByThen | None:
        """Put columns of one source side by side; None where there are none."""
        if not parts:
            return None
        return cls(
            frame=pd.concat([part.frame for part in parts], axis=1),
            n_later={name: n for part in parts for name, n in part.n_later.items()},
        )


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


def known_by_then(
    obs: Observations, source: Source, names: Sequence[str], times: Sequence[str] = ()
) -> KnownByThen:
    """Bring columns of a source beside the observations, as they were known at each response.

    Parameters
    ----------
    obs : Observations
        With ``customer_id``, and ``responded_at`` where the source has times.
    source : Source
        On any engine; `names` and `times` are columns of its table.
    names : sequence of str
        Which columns that hold words, numbers, flags or ids.
    times : sequence of str
        Which columns that hold times; only of a source whose rows are dated.

    Returns
    -------
    KnownByThen
    """
    import pyarrow as pa

    frame, at = obs.frame, _time_of(source)
    moments = {
        _PLACE: pa.array(np.arange(len(frame)), pa.int64()),
        "customer_id": pa.array(frame["customer_id"].astype("string"), pa.string()),
    }
    if at is not None:
        moments[_MOMENT] = pa.array(frame["responded_at"].astype("datetime64[us]"))
    columns = {f"c{i}": name for i, name in enumerate((*names, *times))}
    dated = {code for code, name in columns.items() if name in times}
    session = source.session
    asked = session.register(pa.table(moments), "moments")
    try:
        found = session.arrow(_aggregate(asked, source, columns, dated))
    finally:
        session.drop(asked)
    values: pd.DataFrame = found.to_pandas().set_index(_PLACE).reindex(range(len(frame)))
    labels = {
        f"{code}_{way}": f"{source.kind}.{name}" + ("" if way == LAST else f" ({way})")
        for code, name in columns.items()
        for way in (LAST, LOWEST, HIGHEST)
    }
    n_later = {
        f"{source.kind}.{name}": int(values.pop(f"{code}_{_LATER}").sum())
        for code, name in columns.items()
        if code in dated
    }
    named: pd.DataFrame = values.rename(columns=labels).reset_index(drop=True)
    return KnownByThen(frame=named, n_later=n_later)


def _time_of(source: Source) -> str | None:
    """Name the time from which a row is known; None where a row is of all time."""
    if source.kind == "customers":
        return "valid_from" if "valid_from" in source.columns else None
    return EVENT_AT.get(source.kind)


def _aggregate(
    asked: ir.Table, source: Source, names: Mapping[str, str], dated: Collection[str]
) -> ir.Table:
    """Write the one query: of the rows known by then, the last values and the ends of the range."""
    import ibis

    table, at = source.table, _time_of(source)
    key = table["customer_id"] if "customer_id" in table.columns else table["row_number"]
    columns = {code: table[name] for code, name in names.items()}
    own_time = {} if at is None else {_AT: table[at]}
    rows = table.select(_whose=key.cast("string"), **own_time, **columns)
    rows = rows.filter(rows["_whose"].notnull())
    joined = asked.inner_join(rows, asked["customer_id"] == rows["_whose"])
    if at is None:
        single = {f"{code}_{LAST}": joined[code].max() for code in columns}
        return joined.group_by(_PLACE).aggregate(**single)
    # of times with a zone as without: both are UTC by now
    joined = joined.filter(joined[_AT] <= joined[_MOMENT])
    joined = joined.mutate(**{_LATEST: joined[_AT].max().over(ibis.window(group_by=_PLACE))})
    is_last = joined[_AT] == joined[_LATEST]
    found: dict[str, Any] = {}
    for code in columns:
        value = _days_since(joined, code) if code in dated else joined[code]
        # of rows of one moment the highest: which one comes first must not depend on the engine
        found[f"{code}_{LAST}"] = value.max(where=is_last)
        found[f"{code}_{LOWEST}"] = value.min()
        found[f"{code}_{HIGHEST}"] = value.max()
        if code in dated:
            found[f"{code}_{_LATER}"] = (joined[code] > joined[_MOMENT]).sum()
    return joined.group_by(_PLACE).aggregate(**found)


def _days_since(joined: ir.Table, code: str) -> ir.Value:
    """Give the days from a time to the response; missing where it lies after it."""
    import ibis

    seconds = joined[_MOMENT].epoch_seconds() - joined[code].epoch_seconds()
    # as a float first: engines divide whole numbers each in their own way
    days = seconds.cast("float64") / 86_400.0
    return (joined[code] <= joined[_MOMENT]).ifelse(days, ibis.null("float64"))


def put_together(
    obs: Observations, parts: Iterable[KnownByThen], not_examined: Mapping[str, str]
) -> SourceColumns:
    """Put what was brought from each source side by side."""
    frames = [part.frame for part in parts if len(part.frame.columns)]
    if not frames:
        # rows that lie on an engine stay there
        nothing = pd.DataFrame()
        return SourceColumns(frame=nothing, customer_id=np.empty(0), not_examined=not_examined)
    return SourceColumns(
        frame=pd.concat(frames, axis=1),
        customer_id=obs.frame["customer_id"].to_numpy(),
        not_examined=not_examined,
    )
