"""What a prediction owes to each of its columns: shuffling a column, or setting it, on arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from cxmodel.stats.classification import auc_influence
from cxmodel.stats.decision_curve import std_error_of_mean

Floats = npt.NDArray[np.float64]
Predict = Callable[[Floats], Floats]
_EDGE = 1e-6


class Importance(NamedTuple):
    """What is lost when a column is shuffled; errors hold rows and shuffles both.

    Attributes
    ----------
    log_loss, log_loss_std_error : float
        Rise of the log loss, in nats a row.
    roc_auc, roc_auc_std_error : float
        Fall of the area under the ROC curve.
    """

    log_loss: float
    log_loss_std_error: float
    roc_auc: float
    roc_auc_std_error: float


def shuffled_predictions(
    predict: Predict, matrix: Floats, columns: Sequence[int], *, n_repeats: int, seed: int
) -> Floats:
    """Predict with some columns shuffled between rows, together, everything else as it is.

    Parameters
    ----------
    predict : callable
        From a matrix (n, k) to probabilities (n,).
    matrix : numpy.ndarray, shape (n, k)
        Rows that the model was not fitted to; it is not changed.
    columns : sequence of int
        Columns that are one variable: all levels of a category and its missing mark move together.
    n_repeats, seed : int
        Shuffles, and their seed.

    Returns
    -------
    numpy.ndarray, shape (n_repeats, n)

    Examples
    --------
    >>> matrix = np.array([[0.1], [0.9]])
    >>> found = shuffled_predictions(lambda m: m[:, 0], matrix, [0], n_repeats=20, seed=1)
    >>> found.shape, sorted(set(found.ravel().tolist()))
    ((20, 2), [0.1, 0.9])
    """
    rng = np.random.default_rng(seed)
    places = list(columns)
    found = np.empty((n_repeats, len(matrix)))
    for repeat in range(n_repeats):
        shuffled = matrix.copy()
        shuffled[:, places] = matrix[rng.permutation(len(matrix))][:, places]
        found[repeat] = predict(shuffled)
    return found


def importance(
    outcome: Floats,
    prob: Floats,
    shuffled: Floats,
    clusters: npt.NDArray[np.intp] | None = None,
) -> Importance:
    """Compare predictions with those of a shuffled column, row by row.

    Parameters
    ----------
    outcome : numpy.ndarray of 0/1, shape (n,)
        Whether it happened.
    prob : numpy.ndarray, shape (n,)
        Predictions.
    shuffled : numpy.ndarray, shape (n_repeats, n)
        What `shuffled_predictions` gave.
    clusters : numpy.ndarray of int, shape (n,), optional
        Rows of one customer belong together.

    References
    ----------
    Breiman, L. (2001). Machine Learning 45, 5-32; Fisher, A., Rudin, C. and Dominici, F. (2019).
    Journal of Machine Learning Research 20, 177. The error of the area is that of DeLong (1988),
    by clusters as in Obuchowski, N. A. (1997). Biometrics 53, 567-578.

    Examples
    --------
    >>> y, p = np.array([0.0, 0, 1, 1]), np.array([0.2, 0.4, 0.6, 0.8])
    >>> importance(y, p, np.array([p[::-1]])).roc_auc
    1.0
    """
    codes = None if clusters is None else np.unique(clusters, return_inverse=True)[1]
    losses = np.array([_nats(outcome, each) - _nats(outcome, prob) for each in shuffled])
    area, own = auc_influence(outcome, prob)
    others = [auc_influence(outcome, each) for each in shuffled]
    falls = np.array([area - other for other, _ in others])
    influence = own - np.mean([each for _, each in others], axis=0)
    return Importance(
        float(losses.mean()),
        _with_shuffles(std_error_of_mean(losses.mean(axis=0), codes), losses.mean(axis=1)),
        float(falls.mean()),
        _with_shuffles(std_error_of_mean(influence, codes), falls),
    )


def partial_dependence(
    predict: Predict, matrix: Floats, columns: Sequence[int], values: Floats
) -> Floats:
    """Give the mean prediction when a variable is set to each of some values in every row.

    Parameters
    ----------
    predict : callable
        From a matrix (n, k) to probabilities (n,).
    matrix : numpy.ndarray, shape (n, k)
        Rows to average over; it is not changed.
    columns : sequence of int
        Columns of the variable.
    values : numpy.ndarray, shape (m, len(columns))
        What they are set to.

    Returns
    -------
    numpy.ndarray, shape (m,)

    References
    ----------
    Friedman, J. H. (2001). Annals of Statistics 29, 1189-1232.

    Examples
    --------
    >>> matrix = np.array([[0.0, 0.2], [1.0, 0.4]])
    >>> found = partial_dependence(lambda m: m.sum(axis=1), matrix, [0], np.array([[1.0], [2.0]]))
    >>> found.round(2).tolist()
    [1.3, 2.3]
    """
    places = list(columns)
    found = np.empty(len(values))
    for place, value in enumerate(values):
        changed = matrix.copy()
        changed[:, places] = value
        found[place] = predict(changed).mean()
    return found


def _nats(outcome: Floats, prob: Floats) -> Floats:
    """Give the log loss of each row."""
    p = prob.clip(_EDGE, 1 - _EDGE)
    return np.asarray(-np.where(outcome == 1, np.log(p), np.log1p(-p)), dtype=float)


def _with_shuffles(of_rows: float, by_repeat: Floats) -> float:
    """Add the error of having shuffled only so often."""
    n_repeats = len(by_repeat)
    of_shuffles = float(by_repeat.var(ddof=1)) / n_repeats if n_repeats > 1 else 0.0
    return float(np.sqrt(of_rows**2 + of_shuffles))
