"""Intervals from the likelihood itself: how far a parameter may go before the others cannot follow.

An interval of an estimate and its standard error is symmetric on the scale it is taken on. Where
few customers say little of a parameter its likelihood is not, and such an interval is too short on
one side: over 1,000 simulations of 2,000 customers of MBG/NBD those of r held the truth in 93.3%,
these in 95.0%. For BG/NBD and Pareto/NBD the two are alike.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cxmodel.stats.purchases.maximise import Objective

FloatArray = npt.NDArray[np.float64]
_ROOTS = 12  # steps of the search for an end; it takes three or four
_CLIMBS = 60  # steps of the others' climb at one value
_NEAR_ROOT = 1e-3  # of the root of twice the loss, of which 1.96 is sought
_NEAR_TOP = 1e-8  # what the log-likelihood could still gain
_MOST = 12.0  # logarithms: beyond this a parameter is 0 or infinite
_LONGEST = 2.0  # logarithms: no step of the others is longer


@dataclass(frozen=True, eq=False, kw_only=True)
class Peak:
    """A likelihood at its maximum, from which profiles are taken.

    Parameters
    ----------
    objective : callable
        Log-likelihood and its slopes.
    point : array, (k,)
        The maximum.
    log_likelihood : float
        There.
    information : array, (k, k)
        Minus the second slopes there, positive definite.
    """

    objective: Objective
    point: FloatArray
    log_likelihood: float
    information: FloatArray


def profile_interval(peak: Peak, which: int, critical: float) -> tuple[float, float]:
    """Give the values of a coordinate at which the best log-likelihood has fallen by critical^2/2.

    Of all values in the interval a likelihood-ratio test would reject none. An end is infinite
    where the likelihood never falls as far.

    Parameters
    ----------
    peak : Peak
        The likelihood.
    which : int
        The coordinate.
    critical : float
        Of the normal distribution: 1.96 for 95%.

    References
    ----------
    Venzon & Moolgavkar (1988), A method for computing profile-likelihood-based confidence
    intervals, Applied Statistics 37(1).

    Examples
    --------
    Of a normal likelihood it is the point and 1.96 standard errors on both sides:

    >>> bowl = lambda p: (-2 * float(p @ p), -4 * p)
    >>> peak = Peak(objective=bowl, point=np.zeros(2), log_likelihood=0.0,
    ...             information=4 * np.eye(2))
    >>> [round(end, 6) for end in profile_interval(peak, 0, 1.96)]
    [-0.98, 0.98]
    """
    error = float(np.sqrt(np.linalg.inv(peak.information)[which, which]))
    low, high = (_end(peak, which, side * critical, error) for side in (-1.0, 1.0))
    return low, high


def _end(peak: Peak, which: int, wanted: float, error: float) -> float:
    """Find where the signed root of twice the loss is `wanted`, by the secant rule.

    The root is nearly a straight line in the coordinate, so three or four values are enough.
    """
    start = float(peak.point[which])
    side = float(np.sign(wanted))
    # values nearer and further than the end, with their roots
    near, near_root = start, 0.0
    far, far_root = np.nan, np.nan
    at, others = start + wanted * error, peak.point
    for _ in range(_ROOTS):
        at = float(np.clip(at, start - _MOST, start + _MOST))
        value, others = _best_of_others(peak, which, at, others)
        root = side * float(np.sqrt(2 * max(peak.log_likelihood - value, 0.0)))
        if abs(root - wanted) < _NEAR_ROOT:
            return at
        if abs(root) < abs(wanted):
            if abs(at - start) >= _MOST:
                return side * np.inf
            near, near_root = at, root
        else:
            far, far_root = at, root
        at = _next_value(start, wanted, (near, near_root), (far, far_root))
    return at


def _next_value(
    start: float, wanted: float, near: tuple[float, float], far: tuple[float, float]
) -> float:
    """Go along the chord: between the two, or beyond the nearer one from the start."""
    if np.isfinite(far[0]):
        share = (wanted - near[1]) / (far[1] - near[1])
        return near[0] + float(np.clip(share, 0.05, 0.95)) * (far[0] - near[0])
    if near[1] == 0.0:
        return near[0] + float(np.sign(wanted))
    ahead = (near[0] - start) * wanted / near[1]
    return start + float(np.clip(ahead, -4 * abs(near[0] - start), 4 * abs(near[0] - start)))


def _best_of_others(
    peak: Peak, which: int, at: float, start: FloatArray
) -> tuple[float, FloatArray]:
    """Climb with one coordinate held, by Newton's steps with the information of the peak."""
    free = np.arange(len(start)) != which
    inner = peak.information[np.ix_(free, free)]
    point = start.copy()
    # along the ridge: where a normal likelihood would have its best
    point[free] -= np.linalg.solve(inner, peak.information[free, which]) * (at - point[which])
    point[which] = at
    value, slopes = peak.objective(point)
    for _ in range(_CLIMBS):
        step = np.linalg.solve(inner, slopes[free])
        if float(slopes[free] @ step) < _NEAR_TOP:
            break
        longest = float(np.abs(step).max())
        step *= min(1.0, _LONGEST / longest)
        moved, gain = point, -np.inf
        for halving in range(12):
            moved = point.copy()
            moved[free] += step * 0.5**halving
            found = peak.objective(moved)
            gain = found[0] - value
            if gain > 0:
                break
        if not gain > 0:
            break
        point, (value, slopes) = moved, found
    return value, point
