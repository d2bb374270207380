"""Find the maximum of a likelihood whose slopes are known, and how sharp it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
Objective = Callable[[FloatArray], tuple[float, FloatArray]]
"""From a point to the log-likelihood and its slopes."""

LOG_BOUND = 12.0
"""Logarithms of parameters stay within this of 0, in units of the data: beyond, a family has long
become its limit."""
_NEWTON_STEPS = 8
_STEP = 1e-4
_FLAT = 1e-7
_LAST, _NEAR = 1e-9, 1e-3
_LEVEL = 1e-2  # a log-likelihood that rises less than this by an e-fold has no more to say


@dataclass(frozen=True, eq=False)
class Maximum:
    """A maximum, and the curvature there.

    Parameters
    ----------
    point : array, (k,)
        Where.
    log_likelihood : float
        How high.
    information : array, (k, k)
        Minus the matrix of second slopes (observed information).
    at_bound : array of bool, (k,)
        Coordinates that ran to the end of their range.
    is_converged : bool
        Whether the other slopes vanish.
    """

    point: FloatArray
    log_likelihood: float
    information: FloatArray
    at_bound: BoolArray
    is_converged: bool

    def covariance(self) -> FloatArray:
        """Invert the information; NaN for coordinates at a bound, or along which it is flat.

        What the data say nothing of is held, so that the errors of the others are known.
        """
        k = len(self.point)
        free = np.flatnonzero(~self.at_bound)
        found = np.full((k, k), np.nan)
        while free.size:
            inner = self.information[np.ix_(free, free)]
            if np.linalg.eigvalsh(inner).min() > 0:
                found[np.ix_(free, free)] = np.linalg.inv(inner)
                break
            free = np.delete(free, int(np.argmin(np.diag(inner))))
        return found


def maximise(
    objective: Objective, starts: Sequence[FloatArray], bounds: tuple[FloatArray, FloatArray]
) -> Maximum:
    """Climb from one start, from the others only where that fails, and sharpen by Newton's steps.

    Parameters
    ----------
    objective : callable
        Log-likelihood and its slopes.
    starts : sequence of array, (k,)
        First guesses.
    bounds : pair of array, (k,)
        The range of each coordinate.
    """
    best: Maximum | None = None
    for start in starts:
        found = _climb(objective, np.clip(start, *bounds), bounds)
        if best is None or _is_better(found, best):
            best = found
        if best.is_converged and not best.at_bound.any():
            break
    if best is None:
        raise ValueError("maximise needs at least one start.")
    return best


def _is_better(one: Maximum, other: Maximum) -> bool:
    gain = one.log_likelihood - other.log_likelihood
    return gain > 1e-6 or (gain > -1e-6 and one.is_converged and not other.is_converged)


def _climb(
    objective: Objective, start: FloatArray, bounds: tuple[FloatArray, FloatArray]
) -> Maximum:
    scale = max(abs(objective(start)[0]), 1.0)

    def downhill(point: FloatArray) -> tuple[float, FloatArray]:
        value, slopes = objective(point)
        return -value / scale, -slopes / scale

    found = minimize(
        downhill,
        start,
        jac=True,
        method="L-BFGS-B",
        bounds=list(zip(*bounds, strict=True)),
        options={"maxiter": 1000, "ftol": 1e-12, "gtol": 1e-7, "maxcor": 20},
    )
    return _sharpen(objective, np.asarray(found.x, dtype=float), bounds)


def _sharpen(
    objective: Objective, point: FloatArray, bounds: tuple[FloatArray, FloatArray]
) -> Maximum:
    """Take Newton's steps inside the bounds until the slopes vanish."""
    low, high = bounds
    value, slopes = objective(point)
    information = observed_information(objective, point, bounds)
    for _ in range(_NEWTON_STEPS):
        free = ~_held(point, slopes, bounds)
        ahead = np.zeros_like(point)
        ahead[free] = np.linalg.solve(_positive(information[np.ix_(free, free)]), slopes[free])
        if float(slopes @ ahead) < _LAST and np.abs(ahead).max(initial=0.0) < _NEAR:
            # so near that the log-likelihood no longer tells points apart, but its slopes do
            point = np.clip(point + ahead, low, high)
            value, slopes = objective(point)
            break
        moved, gain = _line_search(objective, point, value, ahead, (low, high))
        if gain <= 0:
            break
        point, (value, slopes) = moved, objective(moved)
        information = observed_information(objective, point, bounds)
    held = _held(point, slopes, bounds)
    return Maximum(
        point=point,
        log_likelihood=value,
        information=information,
        at_bound=held,
        is_converged=_decrement(information, slopes, ~held) < 1e-6
        or bool(np.abs(slopes[~held]).max(initial=0.0) < _LEVEL),
    )


def _held(
    point: FloatArray, slopes: FloatArray, bounds: tuple[FloatArray, FloatArray]
) -> BoolArray:
    """Say which coordinates lie at the end of their range and would go on."""
    low, high = bounds
    return np.asarray(
        ((point <= low + 1e-9) & (slopes <= 0)) | ((point >= high - 1e-9) & (slopes >= 0))
    )


def _decrement(information: FloatArray, slopes: FloatArray, free: BoolArray) -> float:
    """Give twice the log-likelihood that a Newton step would still gain."""
    if not free.any():
        return 0.0
    inner = _positive(information[np.ix_(free, free)])
    return float(slopes[free] @ np.linalg.solve(inner, slopes[free]))


def _positive(matrix: FloatArray) -> FloatArray:
    """Make the curvature positive where a likelihood is flat or curves the wrong way."""
    values, vectors = np.linalg.eigh(matrix)
    floor = max(_FLAT * float(np.abs(values).max(initial=0.0)), 1e-10)
    return np.asarray((vectors * np.maximum(np.abs(values), floor)) @ vectors.T)


def _line_search(
    objective: Objective,
    point: FloatArray,
    value: float,
    ahead: FloatArray,
    bounds: tuple[FloatArray, FloatArray],
) -> tuple[FloatArray, float]:
    """Halve a step until the log-likelihood rises."""
    for halving in range(12):
        moved = np.clip(point + ahead * 0.5**halving, *bounds)
        gain = objective(moved)[0] - value
        if gain > 0:
            return moved, gain
    return point, 0.0


def observed_information(
    objective: Objective, point: FloatArray, bounds: tuple[FloatArray, FloatArray]
) -> FloatArray:
    """Give minus the second slopes, from central differences of the slopes.

    Examples
    --------
    >>> bowl = lambda p: (-(p[0] ** 2) - 2 * p[1] ** 2, np.array([-2 * p[0], -4 * p[1]]))
    >>> ends = (np.full(2, -9.0), np.full(2, 9.0))
    >>> observed_information(bowl, np.array([0.3, 0.1]), ends).round(6).tolist()
    [[2.0, -0.0], [-0.0, 4.0]]
    """
    low, high = bounds
    k = len(point)
    found = np.empty((k, k))
    for i in range(k):
        up, down = point.copy(), point.copy()
        up[i] = min(point[i] + _STEP, high[i])
        down[i] = max(point[i] - _STEP, low[i])
        found[i] = -(objective(up)[1] - objective(down)[1]) / (up[i] - down[i])
    return np.asarray((found + found.T) / 2)
