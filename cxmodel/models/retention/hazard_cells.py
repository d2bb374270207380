"""Spells as cells: from rows in memory, or grouped on the engine where a table lies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from cxmodel.errors import DataError, InsufficientDataError
from cxmodel.models.moments.opening import opened
from cxmodel.models.profile import Profile, profile_of
from cxmodel.models.retention.features import Feature, design_of
from cxmodel.models.retention.spells import NOBODY_SEEN, SINCE_ANSWER, SINCE_START, SpellRows
from cxmodel.stats.hazard import Spells
from cxmodel.tables.engines.engine import Engine
from cxmodel.tables.moments import complete_rows, count_cells
from cxmodel.tables.observation_table import Observations
from cxmodel.tables.reduction.at_once import cells_at_once
from cxmodel.tables.reduction.cells import Cells
from cxmodel.tables.reduction.spells import spells_of

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from cxmodel.tables.engines.engine import Session

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]


@dataclass(frozen=True, eq=False, kw_only=True)
class HazardCells:
    """What a hazard is fitted to: cells of equal spells, and what is known of them.

    Parameters
    ----------
    first, last, events, n : numpy.ndarray, shape (m,)
        As in ``stats.hazard.Spells``.
    frame : pandas.DataFrame
        The rating and the controls of each cell.
    clusters, kinds : numpy.ndarray of int, optional
        For each single spell its customer and its cell.
    weights : numpy.ndarray, optional
        How much each single spell counts; `n` then holds the sums of these.
    n_customers : int or None
        Where it is known.
    n_left_out : int
        Rows with a gap.
    """

    first: IntArray
    last: IntArray
    events: npt.NDArray[np.bool_]
    n: FloatArray
    frame: pd.DataFrame
    clusters: IntArray | None = None
    kinds: IntArray | None = None
    weights: FloatArray | None = None
    n_customers: int | None = None
    n_left_out: int = 0

    @property
    def counts(self) -> FloatArray:
        """How many spells each cell holds, whatever they weigh."""
        if self.weights is None or self.kinds is None:
            return self.n
        return np.bincount(self.kinds, minlength=self.n.size).astype(float)

    def profile(self, columns: Sequence[str], min_group_size: int) -> Profile:
        """Count spells by the values of some columns.

        How long customers had been there is none of them: the baseline holds for each period, so
        that another mix of periods is no drift.
        """
        weights = self.counts.astype(np.int64)
        rows = self.frame[list(columns)]
        return profile_of(rows, {}, min_group_size=min_group_size, weights=weights)

    def spells(self, features: Sequence[Feature]) -> Spells:
        """Give the arrays to fit."""
        return Spells(
            first=self.first,
            last=self.last,
            events=self.events,
            n=self.n,
            features=design_of(self.frame, features),
        )


def cells_of_rows(
    rows: SpellRows, names: Sequence[str], weights: FloatArray | None = None
) -> HazardCells:
    """Group spells in memory; rows with a gap in a column are left out and counted."""
    known = rows.frame[list(names)].notna().all(axis=1).to_numpy()
    frame = rows.frame.loc[known, list(names)].reset_index(drop=True)
    codes = [pd.factorize(frame[name], sort=True)[0] for name in names]
    every = np.column_stack([rows.first[known], rows.last[known], rows.events[known], *codes])
    kinds, at, place, n = np.unique(
        every, axis=0, return_index=True, return_inverse=True, return_counts=True
    )
    customer = rows.customer[known]
    place = place.reshape(-1)
    weights = None if weights is None else weights[known]
    return HazardCells(
        first=kinds[:, 0].astype(np.intp),
        last=kinds[:, 1].astype(np.intp),
        events=kinds[:, 2] > 0,
        n=np.asarray(n if weights is None else np.bincount(place, weights, len(n)), dtype=float),
        frame=frame.iloc[at].reset_index(drop=True),
        clusters=customer,
        kinds=place,
        weights=weights,
        n_customers=int(np.unique(customer).size),
        n_left_out=int((~known).sum()),
    )


def cells_of_table(
    table: Any,
    names: Sequence[str],
    *,
    periods: tuple[str, str],
    event: str,
    engine: Engine | None = None,
) -> HazardCells:
    """Group a table of spells where it lies: one look at it, and only cells come out.

    Parameters
    ----------
    table : frame, Ibis table or path of Parquet files
        A row per spell, or per customer-period.
    names : sequence of str
        The rating and the controls: text or whole numbers.
    periods : tuple of str
        The columns of the first and the last period; one column twice for customer-periods.
    event : str
        A flag: left in the last period.
    engine : Engine, optional
        Where to read frames and paths.
    """
    with opened(table, engine, outcomes=()) as found:
        return group_spells(found.session, found.table, names, periods=periods, event=event)


def cells_of_observations(
    obs: Observations, names: Sequence[str], *, period_days: float
) -> tuple[HazardCells, str]:
    """Build spells where the observations lie, and group them there; also name the clock."""
    session, table = obs.session, obs.table
    if session is None or table is None:
        raise DataError("These observations are rows in memory, not a table on an engine.")
    at_risk = [table["_status"] == "ok"] if "_status" in table.columns else []
    at_risk += [table[name] for name in ("_at_risk",) if name in table.columns]
    at_risk += [table[name].notnull() for name in ("duration_days", "_event")]
    rows = table.filter(at_risk)
    facts = {"n": rows.count(), "shortest": rows.duration_days.min()}
    if "tenure_days" in rows.columns:
        unknown = rows.tenure_days.isnull() | (rows.tenure_days < 0)
        facts["unknown"] = unknown.ifelse(1, 0).sum()
    found = session.one_row(rows.aggregate(**facts))
    if not found["n"]:
        raise InsufficientDataError(NOBODY_SEEN)
    if found["shortest"] < 0:
        raise InsufficientDataError(
            "Durations are negative: customers left before they answered. Check the dates of churn."
        )
    clock = SINCE_START if found.get("unknown") == 0 else SINCE_ANSWER
    if clock == SINCE_ANSWER and "tenure_days" in rows.columns:
        rows = rows.drop("tenure_days")
    spells = spells_of(rows, period_days=period_days, as_of=obs.as_of)
    kept = spells.select(*names, "spell_first", "spell_last", "spell_left")
    cells = group_spells(
        session,
        _whole_numbers(kept, names),
        names,
        periods=("spell_first", "spell_last"),
        event="spell_left",
    )
    return cells, clock


def _whole_numbers(table: ir.Table, names: Sequence[str]) -> ir.Table:
    """Give ratings of whole points as whole numbers, so that equal ones are one key."""
    real = [name for name in names if table[name].type().is_floating()]
    whole = {name: (table[name] == table[name].round(0)).ifelse(table[name], None) for name in real}
    return table.mutate(**{name: value.cast("int64") for name, value in whole.items()})


def group_spells(
    session: Session,
    rows: ir.Table,
    names: Sequence[str],
    *,
    periods: tuple[str, str],
    event: str,
) -> HazardCells:
    """Group spells on their engine; see `cells_of_table`."""
    keys = list(dict.fromkeys([*names, *periods]))
    found = cells_at_once(session, rows, keys, [event])
    if found is None:
        complete = complete_rows(session, rows, [*keys, event])
        found = count_cells(complete, keys, [event])
    return _cells(found, names, periods, event)


def _cells(found: Cells, names: Sequence[str], periods: tuple[str, str], event: str) -> HazardCells:
    """Part each cell into those who left and those who stayed."""
    sums = found.outcomes[event]
    n = found.n.astype(float)
    left = np.round(sums.centre * n + sums.d)
    if (left < 0).any() or (left > n).any() or not _are_flags(sums.d2, sums.d, sums.centre, n):
        raise DataError(f"{event!r} must be 0 or 1: whether the customer left in the last period.")
    first, last = (_whole(found.keys[name], name) for name in periods)
    if (first > last).any():
        n_wrong = int(n[first > last].sum())
        raise DataError(
            f"{n_wrong:,} spells end before they begin ({periods[1]} below {periods[0]}): churn "
            "before start. Check the dates that they were made of."
        )
    frame = pd.DataFrame({name: found.keys[name] for name in names})
    both = np.concatenate([left, n - left])
    kept = both > 0
    return HazardCells(
        first=np.tile(first, 2)[kept],
        last=np.tile(last, 2)[kept],
        events=np.repeat([True, False], len(n))[kept],
        n=both[kept],
        frame=pd.concat([frame, frame], ignore_index=True)[kept].reset_index(drop=True),
        n_left_out=found.n_rows - found.n_used,
    )


def _are_flags(squares: FloatArray, sums: FloatArray, centre: float, n: FloatArray) -> bool:
    """Say whether y and y squared add up alike, as they do for 0 and 1 alone."""
    plain = sums + centre * n
    square = squares + 2 * centre * sums + centre * centre * n
    return bool(np.allclose(plain, square, rtol=0, atol=1e-6 * np.maximum(n, 1)))


def _whole(column: Any, name: str) -> IntArray:
    values = np.asarray(column, dtype=float)
    if (values < 0).any():
        raise DataError(
            f"{name!r} holds {int((values < 0).sum()):,} kinds of negative periods (first: "
            f"{values[values < 0][0]:g}). Periods count from 0: check when customers started."
        )
    if (values != np.floor(values)).any():
        raise DataError(f"{name!r} must hold whole periods.")
    return values.astype(np.intp)
