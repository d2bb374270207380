"""Curves in one column: a natural spline, and the steps of a monotone curve on moments."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
# Harrell's places for four knots, as shares of the base.
KNOTS = (0.05, 0.35, 0.65, 0.95)
# Directions that hold less than this share of the largest are rounding.
SINGULAR = 1e-12


def spline_knots(values: Floats, share: Floats) -> Floats:
    """Place up to four knots of a natural spline where the base lies; fewer where it clumps.

    Parameters
    ----------
    values : array (n,)
        The column that is curved.
    share : array (n,)
        Weights of the rows.

    Returns
    -------
    array (k,)
        Distinct and in order; fewer than three leave no curve but the line.

    References
    ----------
    Harrell, F. E. (2015). Regression Modeling Strategies, 2nd ed., section 2.4.6.

    Examples
    --------
    >>> spline_knots(np.arange(11.0), np.full(11, 1 / 11)).tolist()
    [0.0, 3.0, 7.0, 10.0]
    """
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(share[order]) / share.sum()
    places = np.searchsorted(reached, KNOTS).clip(0, len(values) - 1)
    return np.unique(values[order][places])


def natural_spline(values: Floats, knots: Floats) -> Floats:
    """Give the columns of a natural cubic spline: the value itself, then one for each inner knot.

    The curve is a cubic between the knots and a line beyond the outer ones.

    Parameters
    ----------
    values : array (n,)
        Where to evaluate.
    knots : array (k,)
        In order; with fewer than three the value itself is the only column.

    Returns
    -------
    array (n, max(k - 1, 1))

    References
    ----------
    Harrell (2015), equation 2.25, divided by the squared range of the knots.

    Examples
    --------
    >>> natural_spline(np.array([0.0, 1.0, 2.0]), np.array([0.0, 1.0, 2.0])).tolist()
    [[0.0, 0.0], [1.0, 0.25], [2.0, 1.5]]
    """
    if len(knots) < 3:
        return values[:, None].copy()
    last, before = knots[-1], knots[-2]
    columns = [values]
    for knot in knots[:-2]:
        column = (
            _cube(values - knot)
            - _cube(values - before) * (last - knot) / (last - before)
            + _cube(values - last) * (before - knot) / (last - before)
        )
        columns.append(column / (last - knots[0]) ** 2)
    return np.column_stack(columns)


def monotone_steps(products: Floats, cross: Floats, n_steps: int) -> Floats:
    """Fit least squares whose last coefficients all have one sign, from cross-products.

    Where those columns are the steps ``1(x >= level)`` the fitted curve in x is monotone: without
    further columns that is isotonic regression. Rising or falling is taken as fits better.

    Parameters
    ----------
    products : array (k, k)
        Weighted cross-products of all columns.
    cross : array (k,)
        Those with the outcome.
    n_steps : int
        How many of the last columns are steps.

    Returns
    -------
    array (k,)
        Coefficients.
    """
    free, steps = slice(0, len(cross) - n_steps), slice(len(cross) - n_steps, len(cross))
    inverse = np.linalg.pinv(products[free, free], rcond=SINGULAR, hermitian=True)
    towards = inverse @ products[free, steps]
    # what the free columns leave of the steps and of the outcome
    left = products[steps, steps] - products[steps, free] @ towards
    target = cross[steps] - towards.T @ cross[free]
    found = [sign * _non_negative(left, sign * target) for sign in (1.0, -1.0)]
    losses = [step @ left @ step - 2 * target @ step for step in found]
    best = found[int(np.argmin(losses))]
    return np.concatenate([inverse @ (cross[free] - products[free, steps] @ best), best])


def _non_negative(products: Floats, cross: Floats) -> Floats:
    """Minimise ``d'Pd - 2 c'd`` over d >= 0."""
    from scipy.optimize import nnls

    values, vectors = np.linalg.eigh((products + products.T) / 2)
    kept = values > SINGULAR * max(values.max(initial=0.0), 1e-300)
    if not kept.any():
        return np.zeros(len(cross))
    root = np.sqrt(values[kept])[:, None] * vectors[:, kept].T
    target = (vectors[:, kept].T @ cross) / np.sqrt(values[kept])
    return np.asarray(nnls(root, target)[0])


def _cube(values: Floats) -> Floats:
    return np.asarray(np.maximum(values, 0.0) ** 3)
