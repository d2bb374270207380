"""How much of a measurement is not noise: repeats, several items, controls, and ratios of both."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cxmodel.stats.sandwich import cluster_sums

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
MAX_ITERATIONS = 5_000
# Step of numerical derivatives, as a share of the items' spread: its error is of the square.
STEP = 1e-4


class Share(NamedTuple):
    """A share of a variance, and each row's (or pair's) pull on it."""

    value: float
    influence: Floats


def pair_correlation(first: Floats, second: Floats, weights: Floats) -> Share:
    """Give the intraclass correlation of pairs: covariance over variance, about one common mean.

    Parameters
    ----------
    first, second : array (m,)
        Two measurements of the same thing; which comes first does not matter.
    weights : array (m,)
        Weights that sum to 1.

    References
    ----------
    Fisher, R. A. (1925). Statistical Methods for Research Workers, section 38.

    Raises
    ------
    ValueError
        If all measurements are equal.

    Examples
    --------
    >>> pairs = pair_correlation(np.array([1.0, 3.0]), np.array([1.0, 3.0]), np.array([0.5, 0.5]))
    >>> pairs.value
    1.0
    """
    mean = weights @ (first + second) / 2
    one, two = first - mean, second - mean
    covariances, variances = one * two, (one**2 + two**2) / 2
    variance = float(weights @ variances)
    if not variance:
        raise ValueError("All measurements are equal: there is no variance to share.")
    value = float(weights @ covariances) / variance
    return Share(value, weights * (covariances - value * variances) / variance)


def group_correlation(values: Floats, groups: Ints) -> Share:
    """Give the intraclass correlation within groups of any size, every group counting once.

    Groups of one row say nothing and get no influence; the covariance of a group is the mean over
    its pairs, its variance the mean over its rows, both about the mean of all groups.

    Parameters
    ----------
    values : array (n,)
        Measurements.
    groups : array of int (n,)
        Numbers from 0.

    Returns
    -------
    Share
        Its influence has one value a group.

    Raises
    ------
    ValueError
        If no group has two rows, or all measurements are equal.

    Examples
    --------
    >>> group_correlation(np.array([1.0, 3.0, 3.0, 1.0]), np.array([0, 0, 1, 1])).value
    -1.0
    """
    n_groups = int(groups.max()) + 1 if len(groups) else 0
    sizes = np.bincount(groups, minlength=n_groups).astype(float)
    repeated = sizes > 1
    if not repeated.any():
        raise ValueError("No group has two rows.")
    share = repeated / repeated.sum()
    sizes = np.maximum(sizes, 2.0)
    mean = float(share @ (cluster_sums(values, groups, n_groups) / sizes))
    centred = values - mean
    sums = cluster_sums(centred, groups, n_groups)
    squares = cluster_sums(centred**2, groups, n_groups)
    variances = squares / sizes
    covariances = (sums**2 - squares) / (sizes * (sizes - 1))
    variance = float(share @ variances)
    if not variance:
        raise ValueError("All measurements are equal: there is no variance to share.")
    value = float(share @ covariances) / variance
    return Share(value, share * (covariances - value * variances) / variance)


def omega(covariance: Floats, weights: Floats) -> float:
    """Give McDonald's omega: the share of a weighted sum of items that one common factor explains.

    The loadings are those of one factor fitted by least squares to the correlations of the items
    (minimum residuals); of two items both are taken to load alike. With a single weight that is
    not zero it is the share of that item alone.

    Parameters
    ----------
    covariance : array (k, k)
        Of the items.
    weights : array (k,)
        Of the items in the sum.

    References
    ----------
    McDonald, R. P. (1999). Test Theory: A Unified Treatment, chapter 6.

    Raises
    ------
    ValueError
        If no factor with loadings below 1 fits, or two items do not go together at all.

    Examples
    --------
    Three items with loadings .8 and errors .36, summed: 2.4^2 / (2.4^2 + 3 x .36).

    >>> items = np.full((3, 3), 0.64) + 0.36 * np.eye(3)
    >>> round(omega(items, np.ones(3)), 6)
    0.842105
    """
    spread = np.sqrt(np.diag(covariance))
    loadings = spread * _loadings(covariance / np.outer(spread, spread))
    common = float(weights @ loadings) ** 2
    own = float(weights**2 @ (np.diag(covariance) - loadings**2))
    return common / (common + own)


def _loadings(correlation: Floats) -> Floats:
    """Fit one factor by principal axes, repeated until the communalities stand still."""
    n_items = len(correlation)
    if n_items == 2:
        together = float(correlation[0, 1])
        if not together:
            raise ValueError("The two items do not go together at all.")
        return np.array(
            [math.sqrt(abs(together)), math.copysign(math.sqrt(abs(together)), together)]
        )
    reduced = correlation.copy()
    np.fill_diagonal(reduced, np.max(np.abs(correlation - np.eye(n_items)), axis=0))
    for _ in range(MAX_ITERATIONS):
        values, vectors = np.linalg.eigh(reduced)
        if values[-1] <= 0:
            raise ValueError("The items have nothing in common.")
        loadings = vectors[:, -1] * math.sqrt(values[-1])
        moved = float(np.abs(loadings**2 - np.diag(reduced)).max())
        np.fill_diagonal(reduced, loadings**2)
        if moved < 1e-12:
            break
    if (loadings**2 >= 1).any():
        raise ValueError("One common factor does not fit the items: an item would hold no noise.")
    return np.asarray(loadings)


def omega_of_rows(items: Floats, sum_weights: Floats, weights: Floats) -> Share:
    """Give omega from rows, with each row's pull on it through the items' covariance.

    Parameters
    ----------
    items : array (n, k)
        Measurements.
    sum_weights : array (k,)
        Of the items in the sum.
    weights : array (n,)
        Weights of rows that sum to 1.

    Raises
    ------
    ValueError
        As `omega`; and if an item never varies.

    Examples
    --------
    >>> rows = np.array([[1.0, 1.0], [2.0, 3.0], [3.0, 2.0], [4.0, 4.0]])
    >>> round(omega_of_rows(rows, np.array([1.0, 0.0]), np.full(4, 0.25)).value, 2)
    0.8
    """
    centred = items - weights @ items
    covariance = (centred * weights[:, None]).T @ centred
    spread = np.sqrt(np.diag(covariance))
    if not spread.all():
        raise ValueError("An item has the same value in every row.")
    value = omega(covariance, sum_weights)
    pulls = np.zeros(len(items))
    for i in range(len(spread)):
        for j in range(i, len(spread)):
            change = np.zeros_like(covariance)
            change[i, j] = change[j, i] = step = STEP * spread[i] * spread[j]
            up, down = (omega(covariance + s * change, sum_weights) for s in (1, -1))
            slope = (up - down) / (2 * step)
            pulls += slope * (centred[:, i] * centred[:, j] - covariance[i, j])
    return Share(value, weights * pulls)


def left_by(reliability: float, explained: float) -> float:
    """Give the reliability of what is left when a share of the variance is held equal.

    ``(lambda - R2) / (1 - R2)``: controls explain true differences and no noise. The same holds
    for the correlation between waves in place of R2, within customers.

    Examples
    --------
    >>> round(left_by(0.7, 0.25), 6)
    0.6
    """
    return (reliability - explained) / (1 - explained)


def fieller(
    ratio: float,
    denominator: float,
    covariance: Floats,
    critical: float,
) -> tuple[float, float] | None:
    """Give Fieller's interval for a ratio; None where it has no ends.

    All values t for which numerator - t x denominator does not differ from zero.

    Parameters
    ----------
    ratio, denominator : float
        The estimate, and what it was divided by.
    covariance : array (2, 2)
        Of numerator and denominator.
    critical : float
        Two-sided critical value.

    References
    ----------
    Fieller, E. C. (1954). Some problems in interval estimation. Journal of the Royal Statistical
    Society B 16(2), 175-185.

    Examples
    --------
    >>> low, high = fieller(2.0, 1.0, np.diag([0.0, 0.01]), 2.0)
    >>> round(low, 4), round(high, 4)
    (1.6667, 2.5)
    """
    numerator = ratio * denominator
    squared = critical**2
    a = denominator**2 - squared * covariance[1, 1]
    b = numerator * denominator - squared * covariance[0, 1]
    c = numerator**2 - squared * covariance[0, 0]
    if a <= 0:
        return None
    root = math.sqrt(max(b**2 - a * c, 0.0))
    return float((b - root) / a), float((b + root) / a)
