"""The maximum of many smooth functions at once, by Newton steps that never go downhill."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cxmodel.errors import ConvergenceError

FloatArray = npt.NDArray[np.float64]
Terms = Callable[[FloatArray], tuple[FloatArray, FloatArray, FloatArray]]

_MAX_STEPS = 100
# Still to be won by a Newton step, per unit of scale.
_CLOSE, _NEAR = 1e-10, 1e-6


@dataclass(frozen=True, eq=False)
class Box:
    """The range in which each parameter is looked for.

    Parameters
    ----------
    low, high : numpy.ndarray, shape (p,)
        Ends of the range.
    """

    low: FloatArray
    high: FloatArray

    def clip(self, theta: FloatArray) -> FloatArray:
        """Put parameters outside the range on its end."""
        return np.asarray(np.clip(theta, self.low, self.high), dtype=float)

    def pinned(self, theta: FloatArray, gradient: FloatArray) -> npt.NDArray[np.bool_]:
        """Say which parameters stand at an end and would leave the range."""
        at_low = (theta <= self.low + 1e-9) & (gradient < 0)
        at_high = (theta >= self.high - 1e-9) & (gradient > 0)
        return np.asarray(at_low | at_high)


def climb(
    terms: Terms, start: FloatArray, box: Box, scale: FloatArray, *, what: str
) -> tuple[FloatArray, FloatArray]:
    """Climb to the maximum from each start.

    Parameters
    ----------
    terms : function
        Takes parameters (draws, p) and gives values (draws,), gradients (draws, p) and Hessians
        (draws, p, p).
    start : numpy.ndarray, shape (draws, p)
        Where to begin.
    box : Box
        Where to look.
    scale : numpy.ndarray, shape (draws,)
        The weight behind each value: what can still be won is judged by it.
    what : str
        What is fitted, for the message.

    Returns
    -------
    tuple of numpy.ndarray
        Parameters (draws, p) and values (draws,).

    Raises
    ------
    ConvergenceError
        If the maximum is not reached.

    Examples
    --------
    >>> def parabola(x):
    ...     return -(x[:, 0] - 3) ** 2, -2 * (x - 3), np.full((len(x), 1, 1), -2.0)
    >>> box = Box(np.array([-9.0]), np.array([9.0]))
    >>> climb(parabola, np.zeros((1, 1)), box, np.ones(1), what="parabola")[0].tolist()
    [[3.0]]
    """
    theta = box.clip(start)
    value, gradient, hessian = terms(theta)
    n_steps = 0
    while n_steps < _MAX_STEPS:
        n_steps += 1
        _require_finite(gradient, hessian, what)
        step = _ascent(theta, gradient, hessian, box)
        to_win = (gradient * step).sum(axis=1) / scale
        if np.all(to_win <= _CLOSE):
            return theta, value
        stood = theta
        theta, value, gradient, hessian = _line_search(terms, theta, step, value, box)
        if np.array_equal(theta, stood):  # no step climbs: the next would be the same
            break
    if not np.all(to_win <= _NEAR):
        raise ConvergenceError(
            f"{what[0].upper()}{what[1:]} did not converge in {n_steps} steps. "
            'Take family="geometric", or more periods.'
        )
    return theta, value


def _require_finite(gradient: FloatArray, hessian: FloatArray, what: str) -> None:
    if not (np.isfinite(gradient).all() and np.isfinite(hessian).all()):
        raise ConvergenceError(
            f"The likelihood of {what} has no finite slope where it was looked for. "
            'Take family="geometric", or more periods.'
        )


def _ascent(theta: FloatArray, gradient: FloatArray, hessian: FloatArray, box: Box) -> FloatArray:
    """Give an uphill Newton step; where the surface curves up, along its eigenvectors instead."""
    pinned = box.pinned(theta, gradient)
    slope = np.where(pinned, 0.0, gradient)
    bend = hessian.copy()
    for axis in range(theta.shape[1]):  # a pinned parameter does not move, nor turns the others
        bend[pinned[:, axis], axis, :] = 0.0
        bend[pinned[:, axis], :, axis] = 0.0
        bend[pinned[:, axis], axis, axis] = -1.0
    eigenvalues, vectors = np.linalg.eigh(bend)
    stiffness = np.maximum(np.abs(eigenvalues), 1e-10 * np.abs(eigenvalues).max(axis=1)[:, None])
    along = np.einsum("dij,di->dj", vectors, slope) / np.maximum(stiffness, 1e-300)
    step = np.einsum("dij,dj->di", vectors, along)
    longest = np.abs(step).max(axis=1, keepdims=True)
    return np.asarray(step * np.minimum(1.0, 2.0 / np.maximum(longest, 1e-300)), dtype=float)


def _line_search(
    terms: Terms, theta: FloatArray, step: FloatArray, value: FloatArray, box: Box
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Halve each step until its value no longer falls; one that never climbs is not taken."""
    length = np.ones(len(theta))
    for _ in range(40):
        trial = box.clip(theta + length[:, None] * step)
        found, gradient, hessian = terms(trial)
        fell = ~(found >= value - 1e-10 * np.abs(value))  # less than that is rounding
        if not fell.any():
            break
        length = np.where(fell, length / 2, length)
    else:
        trial = np.where(fell[:, None], theta, trial)
        found, gradient, hessian = terms(trial)
    return trial, found, gradient, hessian
