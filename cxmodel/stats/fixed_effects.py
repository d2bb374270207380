"""Fixed effects: what is left of columns when each group's own mean is taken away."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cxmodel.stats.linear import LeastSquares, fit_least_squares
from cxmodel.stats.sandwich import cluster_sums

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
# Within groups a column counts as constant below this share of its own size: what is left is
# rounding, not spread.
ROUNDING = 1e-13


def within_groups(columns: Floats, groups: Ints, weights: Floats | None = None) -> Floats:
    """Take each group's weighted mean away from the columns.

    A column that never changes within a group is exactly zero afterwards.

    Parameters
    ----------
    columns : array (n,) or (n, k)
        What varies.
    groups : array of int (n,)
        Which group a row belongs to, numbered ``0 .. G - 1``; a number may be unused.
    weights : array (n,), optional
        Positive weights; default all 1.

    Returns
    -------
    array
        In the shape of `columns`.

    Examples
    --------
    >>> within_groups(np.array([1.0, 3.0, 5.0]), np.array([0, 0, 1]))
    array([-1.,  1.,  0.])
    """
    table = columns[:, None] if columns.ndim == 1 else columns
    weights = np.ones(len(table)) if weights is None else weights
    n_groups = int(groups.max()) + 1 if len(groups) else 0
    total = np.bincount(groups, weights=weights, minlength=n_groups)
    total[total == 0] = 1.0
    left = table
    # the second round takes away what rounding left of a large mean
    for _ in range(2):
        means = cluster_sums(left * weights[:, None], groups, n_groups) / total[:, None]
        left = left - means[groups]
    left[np.abs(left) <= ROUNDING * np.abs(table).max(axis=0, initial=0.0)] = 0.0
    return left[:, 0] if columns.ndim == 1 else left


def fit_within(
    design: Floats, outcome: Floats, groups: Ints, weights: Floats | None = None
) -> LeastSquares:
    """Fit least squares with an effect of its own for every group.

    The effects are absorbed: columns and outcome enter less their means within groups, which
    gives the same slopes and residuals as a dummy for each group (Frisch & Waugh 1933). The fit
    counts its slopes as parameters and not the absorbed effects. That is the convention for
    errors clustered by the same groups, which are nested in them: CR1 is then
    ``G/(G-1) (n-1)/(n-k)`` with k slopes, as pyfixest and Stata's reghdfe count them; linearmodels
    has ``n/(n-k-1)``. Errors that are not clustered need ``n - k - G`` instead.

    Parameters
    ----------
    design : array (n, k)
        Columns without a constant; one that never changes within a group is dropped.
    outcome : array (n,)
        What is explained.
    groups : array of int (n,)
        Numbered ``0 .. G - 1``.
    weights : array (n,), optional
        Positive weights.

    Returns
    -------
    LeastSquares
        Of the slopes; its residuals are those of the fit with all effects.

    Raises
    ------
    ValueError
        If shapes differ, a value is not finite, or a weight is not positive.

    References
    ----------
    Wooldridge, J. M. (2010). Econometric Analysis of Cross Section and Panel Data, 2nd ed., 10.5.

    Examples
    --------
    >>> x = np.array([[0.0], [1.0], [0.0], [2.0]])
    >>> y = np.array([5.0, 7.0, 1.0, 5.0])
    >>> fit_within(x, y, np.array([0, 0, 1, 1])).coefficients.round(10)
    array([2.])
    """
    return fit_least_squares(
        within_groups(design, groups, weights), within_groups(outcome, groups, weights), weights
    )
