"""Empirical Bayes: estimates of many groups drawn towards their common mean."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
# Halving an interval so often leaves nothing of it that a float could hold.
HALVINGS = 200


@dataclass(frozen=True, eq=False)
class Shrunken:
    """Estimates drawn towards their mean, and how much they differ in truth.

    Parameters
    ----------
    mean : float
        Weighted by precision.
    variance_between : float
        Of what the groups are in truth, tau squared; 0 where noise alone explains the spread.
    values : array (k,)
        The shrunken estimates: noisy ones move furthest.
    """

    mean: float
    variance_between: float
    values: Floats


def shrink(estimates: Floats, variances: Floats) -> Shrunken:
    """Draw each estimate towards the common mean, the further the noisier it is.

    The groups' true values are taken as normal about one mean with variance tau squared, which is
    found as Paule & Mandel (1982) do: the value at which the weighted sum of squares about the mean
    is what it should be, k - 1. A shrunken value is ``B mean + (1 - B) estimate`` with
    ``B = variance / (variance + tau^2)`` (Efron & Morris 1975).

    Parameters
    ----------
    estimates, variances : array (k,)
        Three or more groups, variances above zero.

    Returns
    -------
    Shrunken

    Raises
    ------
    ValueError
        With fewer than three groups, or a variance that is not positive.

    References
    ----------
    .. [1] Paule, R. C. and Mandel, J. (1982). Consensus values and weighting factors. Journal of
       Research of the National Bureau of Standards 87(5), 377-385.
    .. [2] Efron, B. and Morris, C. (1975). Data analysis using Stein's estimator and its
       generalizations. Journal of the American Statistical Association 70, 311-319.

    Examples
    --------
    >>> found = shrink(np.array([0.0, 3.0, 6.0]), np.array([1.0, 1.0, 1.0]))
    >>> round(found.mean, 6), round(found.variance_between, 6), found.values.round(3)
    (3.0, 8.0, array([0.333, 3.   , 5.667]))
    """
    if len(estimates) < 3:
        raise ValueError("Fewer than three groups say nothing of how groups differ.")
    if not (np.isfinite(variances) & (variances > 0)).all():
        raise ValueError("Every group needs a variance above zero.")
    between = _variance_between(estimates, variances)
    weights = 1 / (variances + between)
    mean = float(weights @ estimates / weights.sum())
    towards = variances / (variances + between)
    return Shrunken(mean, between, towards * mean + (1 - towards) * estimates)


def _variance_between(estimates: Floats, variances: Floats) -> float:
    """Find the tau squared at which the weighted sum of squares is k - 1, by halving."""
    wanted = len(estimates) - 1
    if _weighted_squares(estimates, variances, 0.0) <= wanted:
        return 0.0
    low, high = 0.0, float(np.sum((estimates - estimates.mean()) ** 2))
    # the sum of squares falls with tau squared: at `high` it is below k - 1
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        if _weighted_squares(estimates, variances, middle) > wanted:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _weighted_squares(estimates: Floats, variances: Floats, between: float) -> float:
    weights = 1 / (variances + between)
    mean = weights @ estimates / weights.sum()
    return float(weights @ (estimates - mean) ** 2)
