"""What acting on a probability brings: net benefit over thresholds, on arrays."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


class DecisionCurve(NamedTuple):
    """Net benefit at each threshold, with errors; every array has shape (m,).

    Attributes
    ----------
    threshold : numpy.ndarray
        Probability from which on somebody is treated.
    n_treated : numpy.ndarray of int
        Rows at or above it.
    model, model_std_error : numpy.ndarray
        Net benefit of treating those, in true positives per row; treating nobody brings 0.
    everybody, everybody_std_error : numpy.ndarray
        Net benefit of treating all rows.
    over_everybody, over_everybody_std_error : numpy.ndarray
        The first less the second, paired row by row.
    """

    threshold: Floats
    n_treated: npt.NDArray[np.int64]
    model: Floats
    model_std_error: Floats
    everybody: Floats
    everybody_std_error: Floats
    over_everybody: Floats
    over_everybody_std_error: Floats


def net_benefit_of_rows(outcome: Floats, is_treated: Floats, threshold: float) -> Floats:
    """Give what each row adds: 1 for a case that is treated, minus the odds for another.

    Parameters
    ----------
    outcome : numpy.ndarray of 0/1, shape (n,)
        Whether it happened.
    is_treated : numpy.ndarray of 0/1 or bool, shape (n,)
        Whether the row is acted upon.
    threshold : float
        The probability at which acting and not acting are worth the same, over 0 and under 1.

    Examples
    --------
    >>> net_benefit_of_rows(np.array([1.0, 0, 0]), np.array([1.0, 1, 0]), 0.2).tolist()
    [1.0, -0.25, 0.0]
    """
    odds = threshold / (1 - threshold)
    # plus 0, so that who is not treated adds no negative zero
    return np.asarray(np.where(outcome == 1, 1.0, -odds) * is_treated + 0.0, dtype=float)


def decision_curve(
    outcome: npt.ArrayLike,
    prob: npt.ArrayLike,
    thresholds: npt.ArrayLike,
    *,
    clusters: npt.ArrayLike | None = None,
) -> DecisionCurve:
    """Give the net benefit of acting from each threshold on, against acting on all.

    Net benefit is true positives per row less false positives per row times the odds of the
    threshold. It is a mean over rows, so its error, also that of a difference, is that of a mean,
    with the rows of one cluster added up first.

    Parameters
    ----------
    outcome : array-like of 0/1, shape (n,)
        Whether it happened.
    prob : array-like, shape (n,)
        Predicted probabilities; a row is acted upon when its own is at the threshold or above.
    thresholds : array-like, shape (m,)
        Over 0 and under 1.
    clusters : array-like, shape (n,), optional
        Rows of one customer belong together.

    Returns
    -------
    DecisionCurve

    References
    ----------
    Vickers, A. J. and Elkin, E. B. (2006). Medical Decision Making 26, 565-574.

    Raises
    ------
    ValueError
        If shapes differ or a threshold is not between 0 and 1.

    Examples
    --------
    >>> curve = decision_curve([1, 0, 1, 0], [0.9, 0.6, 0.4, 0.1], [0.5])
    >>> curve.model.tolist(), curve.everybody.tolist()
    ([0.0], [0.0])
    """
    y, p = np.asarray(outcome, dtype=float), np.asarray(prob, dtype=float)
    levels = np.atleast_1d(np.asarray(thresholds, dtype=float))
    if y.ndim != 1 or y.shape != p.shape or not len(y):
        raise ValueError(f"Outcomes and predictions need one shape (n,), not {y.shape}, {p.shape}.")
    if not bool(((levels > 0) & (levels < 1)).all()):
        raise ValueError("Thresholds must lie between 0 and 1.")
    codes = None if clusters is None else np.unique(np.asarray(clusters), return_inverse=True)[1]
    found: list[list[float]] = []
    for level in levels:
        is_treated = p >= level
        model = net_benefit_of_rows(y, is_treated, level)
        everybody = net_benefit_of_rows(y, np.ones_like(y), level)
        row = [float(level), float(is_treated.sum())]
        for values in (model, everybody, model - everybody):
            row += [float(values.mean()), std_error_of_mean(values, codes)]
        found.append(row)
    columns = np.array(found).T
    return DecisionCurve(columns[0], columns[1].astype(np.int64), *columns[2:])


def std_error_of_mean(values: Floats, codes: npt.NDArray[np.intp] | None) -> float:
    """Give the standard error of a mean of rows, those of one cluster added up first.

    Parameters
    ----------
    values : numpy.ndarray, shape (n,)
        A number a row.
    codes : numpy.ndarray of int, shape (n,), optional
        Cluster of each row, 0 to g - 1; None where every row is its own. Both forms have the factor
        g / (g - 1).

    Examples
    --------
    >>> round(std_error_of_mean(np.array([0.0, 1.0]), None), 4)
    0.5
    """
    centred = values - values.mean()
    sums = centred if codes is None else np.bincount(codes, weights=centred)
    n_clusters = len(sums)
    if n_clusters < 2:
        return float("nan")
    variance = (sums @ sums) / len(values) ** 2 * n_clusters / (n_clusters - 1)
    return float(np.sqrt(variance))
