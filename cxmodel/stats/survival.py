"""How long customers stay, as observed: Kaplan-Meier with censoring and delayed entry."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cxmodel.results import critical_value

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


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
        self, times: npt.ArrayLike, conf_level: float = 0.95
    ) -> tuple[FloatArray, FloatArray]:
        """Give log-log intervals (Kalbfleisch & Prentice 1980), which stay inside [0, 1].

        Where nobody has left yet, or nobody is left, the interval is the point itself.
        """
        survival = self.at(times)
        variance = self._step(self.log_variance, 0.0, times)
        inner = (survival > 0) & (survival < 1)
        log_survival = np.log(np.where(inner, survival, 0.5))
        half = critical_value(conf_level) * np.sqrt(np.where(inner, variance, 0.0)) / -log_survival
        low = np.where(inner, np.exp(log_survival * np.exp(half)), survival)
        high = np.where(inner, np.exp(log_survival * np.exp(-half)), survival)
        return low, high

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
