"""How long customers stay, as observed: Kaplan-Meier with censoring and delayed entry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from cxmodel.results import critical_value

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


def _log_log(share: FloatArray, half: FloatArray) -> tuple[FloatArray, FloatArray]:
    reach = half / -np.log(share)
    return share ** np.exp(reach), share ** np.exp(-reach)


def _arcsine(share: FloatArray, half: FloatArray) -> tuple[FloatArray, FloatArray]:
    centre = np.arcsin(np.sqrt(share))
    reach = 0.5 * half * np.sqrt(share / (1 - share))
    low, high = np.maximum(centre - reach, 0.0), np.minimum(centre + reach, np.pi / 2)
    return np.sin(low) ** 2, np.sin(high) ** 2


def _log(share: FloatArray, half: FloatArray) -> tuple[FloatArray, FloatArray]:
    return share * np.exp(-half), np.minimum(share * np.exp(half), 1.0)


def _plain(share: FloatArray, half: FloatArray) -> tuple[FloatArray, FloatArray]:
    return np.maximum(share - share * half, 0.0), np.minimum(share + share * half, 1.0)


IntervalKind = Literal["log_log", "arcsine", "log", "plain"]
_INTERVALS: dict[IntervalKind, Callable[[FloatArray, FloatArray], tuple[FloatArray, FloatArray]]]
_INTERVALS = {"log_log": _log_log, "arcsine": _arcsine, "log": _log, "plain": _plain}


@dataclass(frozen=True, eq=False)
class KaplanMeier:
    """A survival curve at the times where something ended.

    Parameters
    ----------
    times : numpy.ndarray, shape (k,)
        Distinct durations, ascending.
    at_risk, events : numpy.ndarray, shape (k,)
        Weight still there just before each time, and weight that left at it.
    survival : numpy.ndarray, shape (k,)
        Share that stays longer than each time.
    log_variance : numpy.ndarray, shape (k,)
        Greenwood's variance of the logarithm of `survival`.
    """

    times: FloatArray
    at_risk: FloatArray
    events: FloatArray
    survival: FloatArray
    log_variance: FloatArray

    def at(self, times: npt.ArrayLike) -> FloatArray:
        """Give the share that stays beyond each of `times`."""
        return self._step(self.survival, 1.0, times)

    def at_risk_at(self, times: npt.ArrayLike) -> FloatArray:
        """Give the weight that is under observation just before each of `times`."""
        place = np.searchsorted(self.times, np.asarray(times, dtype=float), side="left")
        return np.append(self.at_risk, 0.0)[place]

    def interval_at(
        self, times: npt.ArrayLike, conf_level: float = 0.95, kind: IntervalKind = "log_log"
    ) -> tuple[FloatArray, FloatArray]:
        """Give pointwise intervals from Greenwood's variance.

        Where nobody has left yet, or nobody is left, the interval is the point itself.

        Parameters
        ----------
        times : array_like of float
            Where.
        conf_level : float
            Of each interval.
        kind : {"log_log", "arcsine", "log", "plain"}
            Scale on which the interval is symmetric. The first two stay inside [0, 1] and keep
            their level in small samples (Borgan & Liestol 1990); ``"log"`` and ``"plain"`` are cut
            off at 0 and 1, and are there to compare with other software.
        """
        survival = self.at(times)
        inner = (survival > 0) & (survival < 1)
        share = np.where(inner, survival, 0.5)
        error = np.sqrt(np.where(inner, self._step(self.log_variance, 0.0, times), 0.0))
        low, high = _INTERVALS[kind](share, critical_value(conf_level) * error)
        return np.where(inner, low, survival), np.where(inner, high, survival)

    def quantile(self, share_left: float = 0.5) -> float:
        """Give the time by which a share has left, the median by default; NaN where it has not.

        Examples
        --------
        >>> kaplan_meier([1, 2, 3, 4], [True, True, True, False]).quantile()
        2.0
        """
        reached = np.flatnonzero(self.survival <= 1 - share_left + 1e-12)
        return float(self.times[reached[0]]) if reached.size else float("nan")

    def _step(self, values: FloatArray, before: float, times: npt.ArrayLike) -> FloatArray:
        place = np.searchsorted(self.times, np.asarray(times, dtype=float), side="right")
        return np.concatenate([[before], values])[place]


def kaplan_meier(
    durations: npt.ArrayLike,
    events: npt.ArrayLike,
    *,
    weights: npt.ArrayLike | None = None,
    entries: npt.ArrayLike | None = None,
) -> KaplanMeier:
    """Estimate the share that stays, from durations some of which are still running.

    Parameters
    ----------
    durations : array_like of float, shape (n,)
        Time until the customer left, or until observation ended.
    events : array_like of bool, shape (n,)
        Whether the customer left; False means censored.
    weights : array_like of float, shape (n,), optional
        1 for each by default.
    entries : array_like of float, shape (n,), optional
        When each came under observation (delayed entry); 0 by default.

    Returns
    -------
    KaplanMeier

    References
    ----------
    Kaplan & Meier (1958); variance of Greenwood (1926).

    Examples
    --------
    >>> curve = kaplan_meier([1, 2, 2, 3], [True, True, False, True])
    >>> curve.at([0.5, 1, 2, 3]).tolist()
    [1.0, 0.75, 0.5, 0.0]
    """
    ends = np.asarray(durations, dtype=float)
    left = np.asarray(events, dtype=bool)
    mass = np.ones(ends.size) if weights is None else np.asarray(weights, dtype=float)
    times, place = np.unique(ends, return_inverse=True)
    entered = None if entries is None else np.asarray(entries, dtype=float)
    return _curve_on(times, place, left, mass, entered)


def _curve_on(
    times: FloatArray,
    place: npt.NDArray[np.intp],
    left: BoolArray,
    mass: FloatArray,
    entries: FloatArray | None,
) -> KaplanMeier:
    """Kaplan-Meier where the distinct times, and the place of each row in them, are known."""
    lost = np.asarray(np.bincount(place, weights=mass * left, minlength=times.size), dtype=float)
    total = np.bincount(place, weights=mass, minlength=times.size)
    at_risk = np.asarray(np.cumsum(total[::-1])[::-1], dtype=float)
    if entries is not None:
        # Somebody who enters at or after a time is not at risk at that time.
        slot = np.searchsorted(times, entries, side="right")
        entered_before = np.cumsum(np.bincount(slot, weights=mass, minlength=times.size + 1))
        at_risk = at_risk - (mass.sum() - entered_before[:-1])
        # Cancelled sums may leave rounding where nobody is at risk.
        at_risk = np.where(at_risk < 1e-9 * max(mass.sum(), 1.0), 0.0, at_risk)
    share = np.divide(lost, at_risk, out=np.zeros(times.size), where=at_risk > 0).clip(0.0, 1.0)
    rest = at_risk * (at_risk - lost)
    variance = np.divide(lost, rest, out=np.zeros(times.size), where=rest > 0)
    return KaplanMeier(times, at_risk, lost, np.cumprod(1 - share), np.cumsum(variance))


def kaplan_meier_redraws(
    durations: npt.ArrayLike,
    events: npt.ArrayLike,
    weight_draws: list[FloatArray],
    *,
    at: npt.ArrayLike,
    entries: npt.ArrayLike | None = None,
) -> FloatArray:
    """Estimate the curve again under each of many weightings: shape (draws, times).

    Examples
    --------
    >>> kaplan_meier_redraws([1, 2], [True, False], [np.array([1.0, 3.0])], at=[1]).tolist()
    [[0.75]]
    """
    ends = np.asarray(durations, dtype=float)
    left = np.asarray(events, dtype=bool)
    times, place = np.unique(ends, return_inverse=True)
    entered = None if entries is None else np.asarray(entries, dtype=float)
    curves = [_curve_on(times, place, left, mass, entered).at(at) for mass in weight_draws]
    return np.vstack(curves)
