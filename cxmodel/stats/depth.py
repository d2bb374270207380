"""What a list in order of risk finds when only its top can be worked through, on arrays."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.intp]


class ByRisk(NamedTuple):
    """Rows in order of falling score, and where runs of equal scores end.

    Attributes
    ----------
    order : numpy.ndarray of int, shape (n,)
        Rows, the highest score first.
    ends : numpy.ndarray of int, shape (m,)
        Last place of each run of equal scores in that order.
    """

    order: Rows
    ends: Rows


def order_by_risk(score: npt.ArrayLike) -> ByRisk:
    """Sort rows by falling score, once for many weights.

    Examples
    --------
    >>> order_by_risk([0.1, 0.9, 0.9]).ends.tolist()
    [1, 2]
    """
    values = np.asarray(score, dtype=float)
    order = np.argsort(-values, kind="stable")
    return ByRisk(order, np.flatnonzero(np.append(np.diff(values[order]) != 0, True)))


def found_at_depth(outcome: Floats, by_risk: ByRisk, weight: Floats, shares: Floats) -> Floats:
    """Give the share of cases among the top of the list, at each share of rows worked through.

    Rows of equal score stand in random order, so within a run of them cases are found at an even
    pace.

    Parameters
    ----------
    outcome : numpy.ndarray of 0/1, shape (n,)
        Whether it happened.
    by_risk : ByRisk
        The list.
    weight : numpy.ndarray, shape (n,)
        How much each row counts.
    shares : numpy.ndarray, shape (m,)
        Depths, 0 to 1.

    Returns
    -------
    numpy.ndarray, shape (m,)
        NaN where there are no cases.

    Examples
    --------
    >>> y, score = np.array([1.0, 0, 0, 0]), np.array([0.5, 0.5, 0.1, 0.1])
    >>> found_at_depth(y, order_by_risk(score), np.ones(4), np.array([0.25, 0.5])).tolist()
    [0.5, 1.0]
    """
    in_order = weight[by_risk.order]
    rows = np.cumsum(in_order)[by_risk.ends]
    cases = np.cumsum(in_order * outcome[by_risk.order])[by_risk.ends]
    if rows[-1] <= 0 or cases[-1] <= 0:
        return np.full(len(shares), np.nan)
    taken = np.append(0.0, rows / rows[-1])
    found = np.append(0.0, cases / cases[-1])
    return np.asarray(np.interp(shares, taken, found), dtype=float)
