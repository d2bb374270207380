"""Medians of durations, with and without cases that are still open, from counts of values."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from cxmodel.results import critical_value
from cxmodel.stats.intervals import Interval
from cxmodel.stats.survival import KaplanMeier, kaplan_meier

HALF = 0.5
ROUNDING = 1e-9


def median_of_counts(pairs: Sequence[tuple[float, int]]) -> float:
    """Give the median of values that come with how often each occurs.

    Parameters
    ----------
    pairs : list of (value, n)
        Ascending by value.

    Examples
    --------
    >>> median_of_counts([(1.0, 1), (2.0, 1), (9.0, 2)])
    5.5
    """
    n = sum(count for _, count in pairs)
    return (ranked(pairs, (n - 1) // 2) + ranked(pairs, n // 2)) / 2


def ranked(pairs: Sequence[tuple[float, int]], rank: int) -> float:
    """Give the value of a rank counted from 0, of values with how often each occurs."""
    reached = 0
    for value, count in pairs:
        reached += count
        if rank < reached:
            return float(value)
    raise IndexError(f"rank {rank} is past {reached} values")


def median_interval(
    pairs: Sequence[tuple[float, int]], *, conf_level: float, n_effective: float | None = None
) -> Interval:
    """Give a median between two order statistics (Woodruff); it has no standard error.

    The share of values below the median has the standard error ``1 / (2 sqrt(n))``, with the
    effective n; the interval is read off the values at the ends of that share's interval. With
    too few values for the level an end is missing (NaN).

    Parameters
    ----------
    pairs : list of (value, n)
        Ascending by value.
    conf_level : float
        Level of the interval.
    n_effective : float, optional
        Independent values behind them; default their number.

    References
    ----------
    Woodruff, R. S. (1952). Journal of the American Statistical Association 47, 635-646.

    Examples
    --------
    >>> interval = median_interval([(float(i), 1) for i in range(1, 101)], conf_level=0.95)
    >>> interval.estimate, interval.conf_low, interval.conf_high
    (50.5, 40.0, 61.0)
    """
    n = sum(count for _, count in pairs)
    size = float(n) if n_effective is None else n_effective
    half = critical_value(conf_level) / (2 * math.sqrt(size))
    low, high = math.floor(n * (HALF - half)), math.ceil(n * (HALF + half)) + 1
    return Interval(
        median_of_counts(pairs),
        math.nan,
        ranked(pairs, low - 1) if low >= 1 else math.nan,
        ranked(pairs, high - 1) if high <= n else math.nan,
    )


def censored_median(
    durations: npt.ArrayLike,
    is_over: npt.ArrayLike,
    counts: npt.ArrayLike,
    *,
    conf_level: float,
    n_effective: float | None = None,
) -> Interval:
    """Give the Kaplan-Meier median of durations of which some are still running.

    The interval is where the log-log interval of the curve holds one half (Brookmeyer & Crowley
    1982); the median is NaN while fewer than half are over.

    Parameters
    ----------
    durations : array-like, shape (k,)
        Distinct lengths so far.
    is_over : array-like of bool, shape (k,)
        False where they go on.
    counts : array-like, shape (k,)
        How many cases have that length.
    conf_level : float
        Level of the interval.
    n_effective : float, optional
        Independent cases behind them; default their number.

    Examples
    --------
    >>> censored_median([1, 2, 3, 4], [True, True, False, True], [5, 5, 5, 5], conf_level=0.95)[0]
    3.0
    """
    weights = np.asarray(counts, dtype=float)
    if n_effective is not None:
        weights = weights * (n_effective / weights.sum())
    curve = kaplan_meier(durations, is_over, weights=weights)
    low, high = curve.interval_at(curve.times, conf_level)
    inner = (curve.survival > ROUNDING) & (curve.survival < 1)
    return Interval(
        _first_half(curve),
        math.nan,
        _first_time(curve, inner & (low <= HALF)),
        _first_time(curve, inner & (high <= HALF)),
    )


def mean_if_all_over(
    durations: npt.ArrayLike, is_over: npt.ArrayLike, counts: npt.ArrayLike
) -> float | None:
    """Give the mean duration, or None while any case is open: the mean of those over is too low."""
    over = np.asarray(is_over, dtype=bool)
    if not bool(over.all()):
        return None
    weights = np.asarray(counts, dtype=float)
    return float(np.asarray(durations, dtype=float) @ weights / weights.sum())


def _first_half(curve: KaplanMeier) -> float:
    """Where the curve reaches one half; the middle of the step where it lies on it (as in R)."""
    reached = np.flatnonzero((curve.survival <= HALF + ROUNDING) & (curve.events > 0))
    if not reached.size:
        return math.nan
    first = int(reached[0])
    if abs(curve.survival[first] - HALF) > ROUNDING or reached.size < 2:
        return float(curve.times[first])
    return float(curve.times[first] + curve.times[int(reached[1])]) / 2


def _first_time(curve: KaplanMeier, where: npt.NDArray[np.bool_]) -> float:
    places = np.flatnonzero(where)
    return float(curve.times[places[0]]) if places.size else math.nan
