"""The leak alarm over every column of the sources, whether an observation carries it or not."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxmodel.models.leaks import (
    MAX_LEVELS,
    Leak,
    LeakReport,
    as_levels,
    as_numbers,
    find_leaks,
)
from cxmodel.tables.observation_table import Observations
from cxmodel.tables.source_columns import base_name

_CHANGED = "the observations are no longer the rows that the sources were laid beside"


def find_all_leaks(
    obs: Observations,
    chosen: NDArray[np.bool_],
    outcome: NDArray[np.float64],
    *,
    columns: Iterable[str],
    keep: Iterable[str] = (),
) -> LeakReport:
    """Look for leaks among the columns of observations, and of the sources beside them.

    Of a table of events the last value known at the response is examined, and the lowest and the
    highest; the one that tells most stands for the column. Of text of over 50 levels it is examined
    whether it is filled.

    Parameters
    ----------
    obs : Observations
    chosen : array of bool, (n_obs,)
        The population.
    outcome : array of 0/1
        One for each of the population.
    columns : iterable of str
        Which columns of the observations to examine.
    keep : iterable of str
        Columns for which the user vouches.
    """
    own = find_leaks(obs.frame.loc[chosen], outcome, columns=columns, keep=keep)
    beside = obs.source_columns
    if beside is None or not len(beside.frame.columns) or not beside.fits(obs):
        return own
    frame, many = _readable(beside.frame[np.asarray(chosen, dtype=bool)])
    found = find_leaks(frame, outcome, columns=list(frame.columns), keep=keep)
    leaks = _one_a_column(found.leaks, set(keep))
    unexamined = dict.fromkeys((*own.unexamined, *many, *map(base_name, found.unexamined)))
    return LeakReport((*own.leaks, *leaks), tuple(unexamined))


def why_not_examined(obs: Observations) -> dict[str, str]:
    """Say which columns of the sources could not be laid beside observations, and why."""
    beside = obs.source_columns
    if beside is None:
        return {}
    found = dict(beside.not_examined)
    if len(beside.frame.columns) and not beside.fits(obs):
        found |= {base_name(str(name)): _CHANGED for name in beside.frame.columns}
    return found


def source_column_names(obs: Observations) -> set[str]:
    """List the columns of the sources that were laid beside observations."""
    beside = obs.source_columns
    return set() if beside is None else {base_name(str(name)) for name in beside.frame.columns}


def _readable(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Turn text of too many levels into whether it is filled; name what was turned."""
    found, many = {}, []
    for name in map(str, frame.columns):
        values = frame[name]
        if as_numbers(values) is None and as_levels(values).nunique() > MAX_LEVELS:
            if name == base_name(name):
                many.append(f"{name} (but for whether it is filled)")
                found[name] = values.notna()
            continue
        found[name] = values
    return pd.DataFrame(found, index=frame.index), many


def _one_a_column(leaks: Iterable[Leak], keep: set[str]) -> tuple[Leak, ...]:
    """Keep the most telling of the values of each column, under the name of the column."""
    best: dict[str, Leak] = {}
    for leak in leaks:
        name = base_name(leak.column)
        known = best.get(name)
        if known is None or (leak.auc, leak.pure_share) > (known.auc, known.pure_share):
            best[name] = Leak(name, leak.auc, leak.pure_share, leak.reason, name in keep)
    return tuple(best.values())
