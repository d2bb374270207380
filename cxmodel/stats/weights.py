"""Weights for answers that not everybody gave: inverse probabilities, trimming, balance, tilts."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

# A tilt beyond this many units of the score is no answer: a few answers would stand for all.
MOST_TILT = 5.0


class Trimmed(NamedTuple):
    """Weights after trimming, the cap, and which of them it holds down."""

    weights: Floats
    cap: float
    is_trimmed: Bools


def stabilised_weights(prob: Floats, rate: float) -> Floats:
    """Give the overall rate of answering over each answer's own probability.

    Robins, Hernan & Brumback (2000). They reproduce the population as plain inverse probabilities
    do, but are 1 on average, so that their size does not depend on how rare answers are.

    Parameters
    ----------
    prob : array (n,)
        Probability of answering, above 0 and at most 1, of those who answered.
    rate : float
        Share of the population that answered.

    Raises
    ------
    ValueError
        If a probability lies outside (0, 1].

    Examples
    --------
    >>> stabilised_weights(np.array([0.1, 0.2, 0.4]), 0.2)
    array([2. , 1. , 0.5])
    """
    prob = np.asarray(prob, dtype=float)
    if not ((prob > 0) & (prob <= 1)).all():
        raise ValueError("A probability of answering must be above 0 and at most 1.")
    return np.asarray(rate / prob)


def trim_weights(weights: Floats, share: float) -> Trimmed:
    """Pull the largest weights in to the value that a `share` of them exceeds.

    Parameters
    ----------
    weights : array (n,)
        Positive.
    share : float
        The share of weights that may be pulled in, from 0 (none) to under 0.5.

    Raises
    ------
    ValueError
        If `share` lies outside [0, 0.5).

    Examples
    --------
    >>> trim_weights(np.array([1.0, 2.0, 3.0, 4.0, 9.0]), 0.25).weights
    array([1., 2., 3., 4., 4.])
    """
    if not 0 <= share < 0.5:
        raise ValueError(f"trim must be 0 or more and below 0.5, not {share}.")
    weights = np.asarray(weights, dtype=float)
    if share == 0 or not len(weights):
        return Trimmed(weights, float("inf"), np.zeros(len(weights), dtype=bool))
    cap = float(np.quantile(weights, 1 - share))
    return Trimmed(np.minimum(weights, cap), cap, weights > cap)


def standardised_differences(
    columns: Floats, population: Floats, weights: Floats | None = None
) -> Floats:
    """Give how far the means of those who answered lie from the population's, in its spreads.

    Parameters
    ----------
    columns : array (n, p)
        What is known of those who answered.
    population : array (N, p)
        The same of everybody, those who answered among them.
    weights : array (n,), optional
        Of those who answered.

    Returns
    -------
    array (p,)
        0 for a column without spread. Above 0.1 is commonly called out of balance (Austin 2009).

    Examples
    --------
    >>> everybody = np.array([[0.0], [0.0], [2.0], [2.0]])
    >>> standardised_differences(everybody[2:], everybody)
    array([1.])
    """
    means = np.average(columns, axis=0, weights=weights)
    spread = population.std(axis=0)
    apart = means - population.mean(axis=0)
    is_flat = spread <= 1e-12 * np.maximum(1.0, np.abs(population).max(axis=0, initial=0.0))
    return np.asarray(np.where(is_flat, 0.0, apart / np.where(is_flat, 1.0, spread)))


def tilted_weights(inverse_prob: Floats, score: Floats, tilt: float) -> Floats:
    """Give weights had answering depended on `score` too, beyond what the model knows.

    Each answer stands for itself and for those like it who did not answer: ``1/p - 1`` of them.
    If the odds of answering rise by ``exp(tilt)`` for each unit of the score, those who did not
    answer are the answers tilted by ``exp(-tilt score)`` (exponential tilting; Robins, Rotnitzky &
    Scharfstein 2000). Their number stays as it is.

    Parameters
    ----------
    inverse_prob : array (n,)
        One over the probability of answering, 1 or more.
    score : array (n,)
        What answering may depend on.
    tilt : float
        Change of the log-odds of answering per unit of the score; 0 gives `inverse_prob` back.

    Examples
    --------
    >>> tilted_weights(np.array([3.0, 3.0]), np.array([0.0, 1.0]), 0.0)
    array([3., 3.])
    >>> tilted_weights(np.array([3.0, 3.0]), np.array([0.0, 1.0]), np.log(3)).round(9)
    array([4., 2.])
    """
    absent = np.maximum(np.asarray(inverse_prob, dtype=float) - 1, 0.0)
    return np.asarray(1 + absent.sum() * _tilted_shares(absent, score, tilt))


def closing_tilt(inverse_prob: Floats, score: Floats, residuals: Floats) -> float | None:
    """Find the tilt under which those who answered stand for the outcomes of those who did not.

    Parameters
    ----------
    inverse_prob : array (n,)
        One over the probability of answering.
    score : array (n,)
        What answering may depend on.
    residuals : array (n,)
        Outcome of each answer less what those like it who did not answer had.

    Returns
    -------
    float or None
        The tilt at which the tilted mean of the residuals is 0; of several the one nearest to 0.
        None where none within 5 either way is.

    Examples
    --------
    >>> residuals = np.array([-1.0, 3.0])
    >>> found = closing_tilt(np.array([3.0, 3.0]), np.array([0.0, 1.0]), residuals)
    >>> round(found, 6), round(float(np.log(3)), 6)
    (1.098612, 1.098612)
    """
    absent = np.maximum(np.asarray(inverse_prob, dtype=float) - 1, 0.0)
    if not absent.sum() > 0:
        return None

    def left_over(tilt: float) -> float:
        return float(_tilted_shares(absent, score, tilt) @ residuals)

    if left_over(0.0) == 0:
        return 0.0
    steps = np.linspace(0.0, MOST_TILT, 41)
    sign = np.sign(left_over(0.0))
    for near, far in pairwise(steps):
        # outward on both sides at once, so that the nearest is found first
        for side in (1.0, -1.0):
            if np.sign(left_over(side * far)) != sign:
                return _bisected(left_over, side * near, side * far)
    return None


def _tilted_shares(absent: Floats, score: Floats, tilt: float) -> Floats:
    """Share those who did not answer among the answers, tilted; without overflow."""
    power = -tilt * np.asarray(score, dtype=float)
    tilted = absent * np.exp(power - power.max(initial=-np.inf))
    total = tilted.sum()
    return np.asarray(tilted / total if total > 0 else tilted)


def _bisected(left_over: Callable[[float], float], near: float, far: float) -> float:
    """Halve an interval at whose ends the sign differs until it is a point."""
    sign = np.sign(left_over(near))
    for _ in range(60):
        middle = (near + far) / 2
        near, far = (middle, far) if np.sign(left_over(middle)) == sign else (near, middle)
    return float((near + far) / 2)
