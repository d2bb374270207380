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
from scipy.optimize import minimize

from cxmodel.stats.purchases.maximise import Objective

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
_ROOTS = 30  # steps of the search for an end; it takes three or four
_MOST_AHEAD = 4.0
_CLIMBS = 60  # steps of the others' climb at one value
_NEAR_ROOT = 1e-3  # of the root of twice the loss, of which 1.96 is sought
_NEAR_TOP = 1e-8  # what the log-likelihood could still gain
_MOST = 12.0  # units from the peak: beyond this a logarithm means 0 or infinity
_FURTHEST = 15.0  # the others may go on a little, so that they can follow
_LONGEST = 2.0  # units: no step of the others is longer
_HALVINGS = 12
_CONCAVE = 1e-8  # cosine between a step and the fall of the slopes on it


@dataclass(frozen=True, eq=False, kw_only=True)
class Peak:
    """A likelihood at its maximum, from which profiles are taken.

    Its coordinates are in units of like size, such as logarithms: none is sought further than 12 of
    them from the maximum.

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
    # values nearer than the end and further, with their roots; before the nearer the one before it
    before, near = (start, 0.0), (start, 0.0)
    far: tuple[float, float] | None = None
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
            before, near = near, (at, root)
        else:
            far = (at, root)
        at = _ahead(before, near, wanted) if far is None else _between(near, far, wanted)
    # not met in so many steps: take the end that leaves nothing out
    return side * np.inf if far is None else far[0]


def _between(near: tuple[float, float], far: tuple[float, float], wanted: float) -> float:
    """Go along the chord from the nearer value to the further one."""
    share = (wanted - near[1]) / (far[1] - near[1])
    return near[0] + float(np.clip(share, 0.05, 0.95)) * (far[0] - near[0])


def _ahead(before: tuple[float, float], near: tuple[float, float], wanted: float) -> float:
    """Go along the chord beyond the nearer value, at most four times the way from the one before.

    Where the likelihood flattens out the chord of the last two values says how much.
    """
    way, rise = near[0] - before[0], near[1] - before[1]
    share = (wanted - near[1]) / rise if rise * wanted > 0 else _MOST_AHEAD
    return near[0] + float(np.clip(share, 0.05, _MOST_AHEAD)) * way


def _best_of_others(
    peak: Peak, which: int, at: float, start: FloatArray
) -> tuple[float, FloatArray]:
    """Climb with one coordinate held, by quasi-Newton steps from the information of the peak.

    The others stay within reach of the peak too: where it is all but flat, as at the edge of a
    family, a step would lead to where the likelihood cannot be computed.
    """
    free = np.arange(len(start)) != which
    inverse = np.asarray(np.linalg.inv(peak.information[np.ix_(free, free)]), dtype=float)
    # along the ridge: where a normal likelihood would have its best
    point = start.copy()
    point[free] -= _capped(inverse @ peak.information[free, which] * (at - start[which]))
    point[which] = at
    value, slopes = peak.objective(point)
    for _ in range(_CLIMBS):
        step = inverse @ slopes[free]
        if float(slopes[free] @ step) < _NEAR_TOP:
            break
        found = _higher(peak.objective, point, value, free, _capped(step))
        if found is None:
            break
        moved, value, steeper = found
        if np.abs(moved - peak.point)[free].max() > _FURTHEST:
            return _best_within_reach(peak, free, point)
        inverse = _learnt(inverse, (moved - point)[free], (slopes - steeper)[free])
        point, slopes = moved, steeper
    return value, point


def _capped(step: FloatArray) -> FloatArray:
    """Shorten a step that is too long in some coordinate."""
    longest = float(np.abs(step).max(initial=0.0))
    return step * (_LONGEST / longest) if longest > _LONGEST else step


def _higher(
    objective: Objective, point: FloatArray, value: float, free: BoolArray, step: FloatArray
) -> tuple[FloatArray, float, FloatArray] | None:
    """Halve a step of the free coordinates until the log-likelihood rises; None where it does not.

    Give the point, the log-likelihood there and its slopes.
    """
    for halving in range(_HALVINGS):
        moved = point.copy()
        moved[free] += step * 0.5**halving
        found, slopes = objective(moved)
        if found > value:
            return moved, found, slopes
    return None


def _best_within_reach(peak: Peak, free: BoolArray, start: FloatArray) -> tuple[float, FloatArray]:
    """Climb with bounds, where the best lies at the edge of what can be computed."""
    point = start.copy()

    def downhill(others: FloatArray) -> tuple[float, FloatArray]:
        point[free] = others
        value, slopes = peak.objective(point)
        return -value, -slopes[free]

    centre = peak.point[free]
    bounds = list(zip(centre - _FURTHEST, centre + _FURTHEST, strict=True))
    found = minimize(downhill, start[free], jac=True, method="L-BFGS-B", bounds=bounds)
    point[free] = found.x
    return -float(found.fun), point


def _learnt(inverse: FloatArray, moved: FloatArray, flatter: FloatArray) -> FloatArray:
    """Correct the inverse of the information by what a step told of it: the rule of BFGS.

    Parameters
    ----------
    inverse : array, (k, k)
        As it was.
    moved, flatter : array, (k,)
        The step, and by how much the slopes fell on it.
    """
    agreement = float(moved @ flatter)
    if agreement <= _CONCAVE * float(np.linalg.norm(moved) * np.linalg.norm(flatter)):
        return inverse  # not concave on that way: nothing is learnt
    turned = np.eye(len(moved)) - np.outer(moved, flatter) / agreement
    return np.asarray(turned @ inverse @ turned.T + np.outer(moved, moved) / agreement)
