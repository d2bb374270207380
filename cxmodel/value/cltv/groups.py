"""Which groups of customers are valued, and which are too small to be shown."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from cxmodel.errors import ConfigError
from cxmodel.kpis.groups import Slot
from cxmodel.kpis.periods import period_label
from cxmodel.kpis.suppression import suppressed_slots
from cxmodel.scales import Scale
from cxmodel.tables.observation_table import Observations
from cxmodel.tables.purchase_summary import PurchaseSummary

BoolArray = npt.NDArray[np.bool_]
COHORT_PERIODS = ("year", "quarter", "month")


@dataclass(frozen=True, eq=False, kw_only=True)
class Group:
    """One group: how its row is labelled, whose it is, and whether it may be shown."""

    label: Mapping[str, object]
    mine: BoolArray
    is_shown: bool


def groups_of(
    values: pd.Series,
    *,
    column: str,
    valued: BoolArray,
    min_group_size: int,
    order: tuple[str, ...] | None = None,
) -> list[Group]:
    """Cut customers by a column.

    A group under `min_group_size` is not shown, nor the next smallest where only one would be
    missing: it would follow from the others and the total.

    Parameters
    ----------
    values : pandas.Series
        The level of each row; rows without one are in no group.
    column : str
        ``"band"`` and ``"cohort"`` label rows by themselves, anything else as a group.
    valued : array of bool
        Rows that are valued, one a customer: the size of a group is counted among them.
    order : tuple of str, optional
        The levels in order; alphabetical otherwise.
    """
    text = values.astype("string")
    levels = order or tuple(sorted(text.dropna().unique()))
    masks = {level: (text == level).fillna(False).to_numpy(dtype=bool) for level in levels}
    sizes = {Slot(column, level): int((mask & valued).sum()) for level, mask in masks.items()}
    found = {slot: n for slot, n in sizes.items() if n}
    hidden = suppressed_slots({Slot(): int(valued.sum()), **found}, min_group_size)
    return [
        Group(
            label={column: level} if column in ("band", "cohort") else {"group": {column: level}},
            mine=mask,
            is_shown=sizes[Slot(column, level)] > 0 and Slot(column, level) not in hidden,
        )
        for level, mask in masks.items()
    ]


def cohorts_of(obs: Observations, period: str) -> pd.Series | None:
    """Give the period in which each customer started; None where nobody knows.

    Parameters
    ----------
    period : {"year", "quarter", "month"}
        How finely.
    """
    if not obs.has("responded_at", "tenure_days"):
        return None
    tenure = pd.to_timedelta(obs.frame["tenure_days"].astype(float), unit="D")
    started = pd.to_datetime(obs.frame["responded_at"]) - tenure
    return cohort_labels(started, period)


def cohort_labels(started: pd.Series, period: str) -> pd.Series:
    """Name the period of each start; missing where the start is.

    Examples
    --------
    >>> cohort_labels(pd.Series(pd.to_datetime(["2026-05-03", None])), "quarter").tolist()
    ['2026-Q2', <NA>]
    """
    labels = [
        pd.NA if pd.isna(at) else period_label(dt.date(at.year, at.month, 1), period)  # type: ignore[arg-type]
        for at in started
    ]
    return pd.Series(labels, index=started.index, dtype="string")


def group_columns(by: str | tuple[str, ...], obs: Observations) -> tuple[str, ...]:
    """Give the columns to cut by.

    Raises
    ------
    ConfigError
        If one is not there.
    """
    names = (by,) if isinstance(by, str) else tuple(by)
    missing = [name for name in names if not obs.has(name)]
    if missing:
        raise ConfigError(
            f"by names {missing[0]!r}, which the observations do not have. Attributes: "
            f"{', '.join(obs.attributes) or 'none'}."
        )
    return names


def groups_of_observations(
    obs: Observations, by: str | tuple[str, ...], valued: npt.NDArray[np.bool_], period: str
) -> tuple[list[Group], list[Group], list[Group]]:
    """Cut by band, by the columns asked for, and by the period of the start."""
    how: dict[str, Any] = {"valued": valued, "min_group_size": obs.min_group_size}
    bands, groups = [], []
    if obs.has("band"):
        bands = groups_of(obs.frame["band"], column="band", order=_bands(obs.scale), **how)
    for column in group_columns(by, obs):
        groups += groups_of(obs.frame[column], column=column, **how)
    started = cohorts_of(obs, period)
    cohorts = [] if started is None else groups_of(started, column="cohort", **how)
    return bands, groups, cohorts


def groups_of_purchases(
    rows: PurchaseSummary,
    ids: npt.NDArray[Any] | None,
    obs: Observations | None,
    *,
    by: str | tuple[str, ...],
    period: str,
    min_group_size: int,
) -> tuple[list[Group], list[Group], list[Group]]:
    """Cut the customers of purchase histories: bands and groups by their latest response."""
    everybody = np.ones(len(rows.frequency), dtype=bool)
    cohorts: list[Group] = []
    if rows.learnt_until is not None:
        age = pd.to_timedelta(rows.T * rows.unit_days, unit="D")
        started = pd.Series(pd.Timestamp(rows.learnt_until) - age)
        cohorts = _sized_groups(cohort_labels(started, period), "cohort", rows, min_group_size)
    if obs is None or ids is None or not obs.has("customer_id"):
        return [], [], cohorts
    latest = obs.frame.drop_duplicates("customer_id", keep="last").set_index("customer_id")
    known = latest.reindex(ids).reset_index(drop=True)
    how: dict[str, Any] = {"valued": everybody, "min_group_size": min_group_size}
    bands, groups = [], []
    if obs.has("band"):
        bands = groups_of(known["band"], column="band", order=_bands(obs.scale), **how)
    for column in group_columns(by, obs):
        groups += groups_of(known[column], column=column, **how)
    return bands, groups, cohorts


def _sized_groups(
    labels: pd.Series, column: str, rows: PurchaseSummary, min_group_size: int
) -> list[Group]:
    """Cut rows that stand for several customers each."""
    place = np.repeat(np.arange(len(labels)), rows.n_customers)
    spread = labels.iloc[place].reset_index(drop=True)
    found = groups_of(
        spread,
        column=column,
        valued=np.ones(len(spread), dtype=bool),
        min_group_size=min_group_size,
    )
    first = np.searchsorted(place, np.arange(len(labels)))
    return [
        Group(label=group.label, mine=group.mine[first], is_shown=group.is_shown) for group in found
    ]


def _bands(scale: Scale | None) -> tuple[str, ...] | None:
    return None if scale is None else tuple(scale.bands)
