"""From ratings and a line or a curve to changes in the outcome, stopping where the data stop."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Moves:
    """Changes in an outcome, one for each move.

    Parameters
    ----------
    estimate, std_error : array (n,)
        In the unit of the outcome.
    extrapolated : array of bool (n,)
        Whether the move leaves the ratings that were given; what lies beyond counts for nothing.
    """

    estimate: Floats
    std_error: Floats
    extrapolated: NDArray[np.bool_]


def moves_on_line(
    slope: float, variance: float, ends: tuple[float, float], start: Floats, end: Floats
) -> Moves:
    """Multiply each move, cut off at the ends, by the slope.

    Examples
    --------
    >>> moves_on_line(2.0, 1.0, (0.0, 10.0), np.array([8.0]), np.array([11.0])).estimate
    array([4.])
    """
    moved = np.clip(end, *ends) - np.clip(start, *ends)
    return Moves(slope * moved, np.sqrt(variance) * np.abs(moved), _outside(ends, start, end))


def moves_on_curve(
    ratings: Floats, means: Floats, covariance: Floats, start: Floats, end: Floats
) -> Moves:
    """Take differences of the means at both ratings, with straight lines between neighbours.

    Parameters
    ----------
    ratings : array (k,)
        Where the curve is known, rising; two or more.
    means : array (k,)
        The curve.
    covariance : array (k, k)
        Of the means.
    start, end : array (n,)
        The moves.

    Examples
    --------
    >>> known = np.array([0.0, 1.0, 2.0])
    >>> moves_on_curve(known, known**2, np.eye(3), np.array([0.5]), np.array([2.0])).estimate
    array([3.5])
    """
    weights = _weights(ratings, end) - _weights(ratings, start)
    variance = np.einsum("ij,jk,ik->i", weights, covariance, weights)
    ends = (float(ratings[0]), float(ratings[-1]))
    std_error = np.sqrt(np.maximum(variance, 0.0))
    return Moves(weights @ means, std_error, _outside(ends, start, end))


def _weights(ratings: Floats, at: Floats) -> Floats:
    """Give the weight of each known rating in the value of the curve at some place, (n, k)."""
    inside = np.clip(at, ratings[0], ratings[-1])
    right = np.clip(np.searchsorted(ratings, inside), 1, len(ratings) - 1)
    part = (inside - ratings[right - 1]) / (ratings[right] - ratings[right - 1])
    weights = np.zeros((len(at), len(ratings)))
    rows = np.arange(len(at))
    weights[rows, right - 1] = 1 - part
    weights[rows, right] = part
    return weights


def _outside(ends: tuple[float, float], start: Floats, end: Floats) -> NDArray[np.bool_]:
    return np.asarray((np.minimum(start, end) < ends[0]) | (np.maximum(start, end) > ends[1]))
