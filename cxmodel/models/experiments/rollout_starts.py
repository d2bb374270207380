"""When each group of a roll-out began: as stated, or as a column of dates says."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cxmodel.errors import ConfigError, nearest
from cxmodel.models.experiments.experiment import arm_names
from cxmodel.models.experiments.levels_seen import levels_seen
from cxmodel.models.leaks import MISSING

if TYPE_CHECKING:
    from cxmodel.models.experiments.rollout_settings import Rollout


def starts_of(frame: pd.DataFrame, settings: Rollout, at_least: int = 30) -> Mapping[str, dt.date]:
    """Give the first day of each group that began: as stated, or from ``rollout.started_at``.

    Parameters
    ----------
    frame : pandas.DataFrame
        Observations, with the column of the group, and of its start where that is a column.
    settings : Rollout
        What was declared.
    at_least : int
        Groups of fewer rows are not named in a message.

    Raises
    ------
    ConfigError
        If a column is not there, a stated group does not occur, a start is no date, a group has
        several starts or rows without one, or no group began.

    Examples
    --------
    >>> from cxmodel.models.experiments.rollout_settings import Rollout
    >>> regions = pd.DataFrame({"region": ["n", "n", "s"], "began": ["2025-03-01"] * 2 + [None]})
    >>> starts_of(regions, Rollout(group="region", started_at="began"))
    {'n': datetime.date(2025, 3, 1)}
    """
    _require(frame, settings.group, "rollout.group")
    groups = pd.Series(arm_names(frame[settings.group]))
    if settings.started_at is None:
        stated = settings.starts or {}
        counts = Counter(name for name in groups if name != MISSING)
        for name in stated:
            if name not in counts:
                raise ConfigError(
                    f"rollout.starts: no response is of the group {name!r} of {settings.group}. "
                    f"{levels_seen(name, counts, at_least)}"
                )
        return stated
    _require(frame, settings.started_at, "rollout.started_at")
    days = dates_of(frame[settings.started_at], settings.started_at)
    return _of_groups(groups, days, settings)


def dates_of(values: pd.Series, column: str) -> pd.Series:
    """Read a column as days: times as they are, text as ISO 8601; empty where there is none.

    Raises
    ------
    ConfigError
        Counting the values that are no dates.
    """
    if pd.api.types.is_datetime64_any_dtype(values):
        found = values.reset_index(drop=True)
    elif pd.api.types.is_numeric_dtype(values) and values.notna().any():
        raise ConfigError(f"rollout.started_at: {column} holds numbers, not dates.")
    else:
        texts = values.reset_index(drop=True).astype(object)
        texts = texts.where(texts.notna() & (texts.astype(str).str.strip() != ""), None)
        found = pd.to_datetime(texts, errors="coerce", format="ISO8601")
        n_bad = int((texts.notna() & found.isna()).sum())
        if n_bad:
            raise ConfigError(
                f"rollout.started_at: {n_bad:,} of {int(texts.notna().sum()):,} values of "
                f"{column} are no dates. Write them as 2025-03-01, or cast the column by sql."
            )
    if getattr(found.dtype, "tz", None) is not None:
        found = found.dt.tz_convert("UTC").dt.tz_localize(None)
    return pd.Series(found.dt.floor("D"))


def _of_groups(groups: pd.Series, days: pd.Series, settings: Rollout) -> dict[str, dt.date]:
    inside = (groups != MISSING).to_numpy()
    # a group without a start is one value as well, so that rows with and without one are told
    codes = days.to_numpy(dtype="datetime64[D]")
    pairs = pd.DataFrame({"group": groups[inside].to_numpy(), "day": codes[inside]})
    pairs = pairs.drop_duplicates()
    several = pairs.groupby("group").size()
    n_mixed = int((several > 1).sum())
    if n_mixed:
        raise ConfigError(
            f"rollout.started_at: {n_mixed:,} of {len(several):,} groups of {settings.group} hold "
            f"more than one start in {settings.started_at}, or rows with and without one. A group "
            "begins on one day: name a finer rollout.group, or state each group's first day in "
            "rollout.starts."
        )
    began = pairs[~np.isnat(pairs["day"].to_numpy(dtype="datetime64[D]"))]
    if began.empty:
        raise ConfigError(
            f"rollout.started_at: {settings.started_at} is empty in every response, so no group "
            "began. Give each group that began its first day."
        )
    starts = dict(zip(began["group"], began["day"], strict=True))
    return {str(name): pd.Timestamp(starts[name]).date() for name in sorted(starts)}


def _require(frame: pd.DataFrame, column: str, setting: str) -> None:
    if column not in frame.columns:
        public = [str(name) for name in frame.columns if not str(name).startswith("_")]
        raise ConfigError(f"{setting}: there is no column {column!r}. {nearest(column, public)}")
