"""What no retention model can be fitted to, named before it is tried."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from cxmodel.errors import InsufficientDataError
from cxmodel.models.retention.durations import Durations

FloatArray = npt.NDArray[np.float64]
MIN_EVENTS = 10


def require_events(rows: Durations) -> None:
    """Refuse fewer than 10 customers who left, or stayed."""
    n_events = int(rows.events.sum())
    n_stayed = len(rows.events) - n_events
    if min(n_events, n_stayed) < MIN_EVENTS:
        raise InsufficientDataError(
            f"Retention: {n_events} of {len(rows.events):,} observations at risk end in churn and "
            f"{n_stayed:,} do not; at least {MIN_EVENTS} of each are needed. Bring a longer "
            "history, or check sources.churn and customers.churned_at."
        )


def checked_counts(alive: Sequence[float] | npt.NDArray[Any]) -> FloatArray:
    """Refuse counts that no cohort can have."""
    try:
        counts = np.asarray(alive, dtype=float)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"alive must hold numbers, how many customers were left after each period: {alive!r}."
        ) from error
    if counts.ndim != 1 or counts.size < 2:
        raise ValueError("alive needs at least two counts: the cohort's size, then who was left.")
    if not np.isfinite(counts).all() or counts.min() < 0:
        raise ValueError(f"alive must hold finite counts of 0 or more: {counts.tolist()}.")
    rises = np.flatnonzero(np.diff(counts) > 0)
    if rises.size:
        where = int(rises[0]) + 1
        raise ValueError(
            f"alive rises from {counts[where - 1]:g} to {counts[where]:g} in period {where}. Give "
            "one cohort, without customers who joined later."
        )
    if counts[0] == counts[-1] or counts[1] == 0:
        raise InsufficientDataError(
            f"alive goes from {counts[0]:g} to {counts[-1]:g}: with no loss, or everybody lost in "
            "the first period, no retention model can be fitted. Bring more periods."
        )
    return counts


def require_losses(lost: FloatArray, censored: FloatArray) -> None:
    """Refuse counts of which fewer than 10 left."""
    n_lost, n = float(lost.sum()), float(lost.sum() + censored.sum())
    if n_lost < MIN_EVENTS:
        raise InsufficientDataError(
            f"Retention: {n_lost:g} of {n:g} left; at least {MIN_EVENTS} are needed. Bring more "
            "periods or a larger cohort, and count customers: shares of 1 say nothing of how many."
        )


def checked_times(t: npt.ArrayLike) -> FloatArray:
    """Refuse times before the start."""
    times = np.asarray(t, dtype=float)
    if not (np.isfinite(times).all() and (times >= 0).all()):
        raise ValueError(f"t must hold finite times of 0 or more, not {times}.")
    return times
