"""How good predicted probabilities are: ranking, sharpness and calibration, on arrays."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from cxmodel.errors import InsufficientDataError, SeparationError
from cxmodel.results import CONF_LEVEL, critical_value
from cxmodel.stats.intervals import Interval

Floats = npt.NDArray[np.float64]
SMALLEST_PROB = 1e-15
MAX_STEPS = 50


class Calibration(NamedTuple):
    """How predicted probabilities must be bent to fit what happened; 1, 0 and 0 are perfect.

    Attributes
    ----------
    slope, slope_std_error : float
        Of the logit of the prediction, refitted with an intercept; under 1 the predictions are too
        extreme.
    intercept, intercept_std_error : float
        The intercept of that refit, on the logit scale.
    in_the_large, in_the_large_std_error : float
        The intercept when the slope is held at 1: above 0 the predictions are too low on the whole.
    """

    slope: float
    slope_std_error: float
    intercept: float
    intercept_std_error: float
    in_the_large: float
    in_the_large_std_error: float


def brier(outcome: npt.ArrayLike, prob: npt.ArrayLike) -> float:
    """Give the Brier score, the mean squared difference of outcome and probability.

    Parameters
    ----------
    outcome : array-like, shape (n,)
        1 where it happened, else 0.
    prob : array-like, shape (n,)
        Predicted probabilities.

    References
    ----------
    Brier, G. W. (1950). Monthly Weather Review 78, 1-3.

    Raises
    ------
    ValueError
        If shapes differ, there are no rows, an outcome is not 0 or 1, or a probability is not in
        0 to 1.

    Examples
    --------
    >>> round(brier([1, 0], [0.8, 0.4]), 3)
    0.1
    """
    y, p = _checked(outcome, prob)
    return float(np.mean((y - p) ** 2))


def log_loss(outcome: npt.ArrayLike, prob: npt.ArrayLike) -> float:
    """Give the mean negative log-likelihood, in nats; 0 and 1 are held 1e-15 away from certainty.

    Parameters
    ----------
    outcome, prob : array-like, shape (n,)
        As in `brier`.

    Raises
    ------
    ValueError
        As in `brier`.

    Examples
    --------
    >>> round(log_loss([1, 0], [0.5, 0.5]), 4)
    0.6931
    """
    y, p = _checked(outcome, prob)
    p = np.clip(p, SMALLEST_PROB, 1 - SMALLEST_PROB)
    return float(-np.mean(y * np.log(p) + (1 - y) * np.log1p(-p)))


def roc_auc(
    outcome: npt.ArrayLike, score: npt.ArrayLike, *, conf_level: float = CONF_LEVEL
) -> Interval:
    """Give the chance that a case scores above a non-case (ties count half), with its interval.

    The variance is that of DeLong; the interval is made on the logit scale, so it stays in 0 to 1.
    At an area of exactly 0 or 1 the variance is 0 and the far end is taken from the rule of three.

    Parameters
    ----------
    outcome : array-like, shape (n,)
        1 for cases, else 0.
    score : array-like, shape (n,)
        Any number that is higher where a case is likelier.
    conf_level : float
        Level of the interval.

    References
    ----------
    DeLong, E. R., DeLong, D. M. and Clarke-Pearson, D. L. (1988). Biometrics 44, 837-845; by
    midranks as in Sun, X. and Xu, W. (2014). IEEE Signal Processing Letters 21, 1389-1393.

    Raises
    ------
    ValueError
        If shapes differ, or an outcome is not 0 or 1.
    InsufficientDataError
        If there are no cases or no others.

    Examples
    --------
    >>> roc_auc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]).estimate
    0.75
    """
    y, s = _checked(outcome, score, is_prob=False)
    cases, others = s[y == 1], s[y == 0]
    _require_both(len(cases), len(others))
    above, below = _placements(cases, others)
    area = float(above.mean())
    std_error = math.sqrt(_variance_of_mean(above) + _variance_of_mean(below))
    low, high = _area_interval(area, std_error, min(len(cases), len(others)), conf_level)
    return Interval(area, std_error, low, high)


def auc_influence(outcome: npt.ArrayLike, score: npt.ArrayLike) -> tuple[float, Floats]:
    """Give the area under the ROC curve, and how far each row moves it.

    Parameters
    ----------
    outcome, score : array-like, shape (n,)
        As in `roc_auc`.

    Returns
    -------
    area : float
    influence : numpy.ndarray, shape (n,)
        Sums to 0. Its mean square over n is the variance of the area (DeLong's but for n - 1 in the
        place of n); sums by customer give it for repeated customers (Obuchowski 1997), and
        differences of two of them that of a paired difference.

    Raises
    ------
    ValueError, InsufficientDataError
        As in `roc_auc`.

    Examples
    --------
    >>> area, influence = auc_influence([0, 0, 1, 1], [1, 2, 2, 3])
    >>> area, influence.tolist()
    (0.875, [0.25, -0.25, -0.25, 0.25])
    """
    y, s = _checked(outcome, score, is_prob=False)
    n_cases = int(y.sum())
    _require_both(n_cases, len(y) - n_cases)
    above, below = _placements(s[y == 1], s[y == 0])
    area = float(above.mean())
    influence = np.empty(len(y))
    influence[y == 1] = (above - area) * len(y) / n_cases
    influence[y == 0] = (below - area) * len(y) / (len(y) - n_cases)
    return area, influence


def pr_auc(outcome: npt.ArrayLike, score: npt.ArrayLike) -> float:
    """Give the average precision: the area under the precision-recall steps, without interpolation.

    Parameters
    ----------
    outcome, score : array-like, shape (n,)
        As in `roc_auc`. Equal scores enter together.

    References
    ----------
    Davis, J. and Goadrich, M. (2006). Proceedings of ICML 23, 233-240.

    Raises
    ------
    ValueError, InsufficientDataError
        As in `roc_auc`.

    Examples
    --------
    >>> round(pr_auc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]), 4)
    0.8333
    """
    y, s = _checked(outcome, score, is_prob=False)
    n_cases = int(y.sum())
    _require_both(n_cases, len(y) - n_cases)
    order = np.argsort(-s, kind="stable")
    last_of_ties = np.append(np.diff(s[order]) != 0, True)
    hits = np.cumsum(y[order])[last_of_ties]
    taken = np.flatnonzero(last_of_ties) + 1
    recall_gained = np.diff(hits, prepend=0.0) / n_cases
    return float(recall_gained @ (hits / taken))


def calibration(outcome: npt.ArrayLike, prob: npt.ArrayLike) -> Calibration:
    """Refit outcomes on the logit of their predicted probability by maximum likelihood.

    Parameters
    ----------
    outcome, prob : array-like, shape (n,)
        As in `brier`. Probabilities of 0 and 1 are held 1e-15 away.

    References
    ----------
    Cox, D. R. (1958). Biometrika 45, 562-565; Van Calster, B. et al. (2019). BMC Medicine 17, 230.

    Raises
    ------
    ValueError
        As in `brier`.
    InsufficientDataError
        If nothing or everything happened, or all predictions are equal.
    SeparationError
        If the predictions order the outcomes perfectly, so that no finite slope exists.

    Examples
    --------
    >>> prob = [0.2] * 10 + [0.8] * 10
    >>> happened = [1] * 4 + [0] * 6 + [1] * 6 + [0] * 4
    >>> round(calibration(happened, prob).slope, 3)
    0.292
    """
    y, p = _checked(outcome, prob)
    n_cases = int(y.sum())
    _require_both(n_cases, len(y) - n_cases)
    p = np.clip(p, SMALLEST_PROB, 1 - SMALLEST_PROB)
    logit = np.log(p) - np.log1p(-p)
    if float(np.ptp(logit)) == 0:
        raise InsufficientDataError(
            f"All {len(y)} predictions are {p[0]:.4g}: a calibration slope needs predictions "
            "that differ."
        )
    _refuse_separation(logit[y == 1], logit[y == 0])
    bent, bent_errors = _logit_fit(np.column_stack([np.ones_like(logit), logit]), y, 0 * logit)
    moved, moved_errors = _logit_fit(np.ones((len(y), 1)), y, logit)
    return Calibration(
        float(bent[1]),
        float(bent_errors[1]),
        float(bent[0]),
        float(bent_errors[0]),
        float(moved[0]),
        float(moved_errors[0]),
    )


def _checked(
    outcome: npt.ArrayLike, score: npt.ArrayLike, *, is_prob: bool = True
) -> tuple[Floats, Floats]:
    y, s = np.asarray(outcome, dtype=float), np.asarray(score, dtype=float)
    if y.ndim != 1 or y.shape != s.shape or not len(y):
        raise ValueError(f"Outcomes and predictions need one shape (n,), not {y.shape}, {s.shape}.")
    if not bool(np.isin(y, (0.0, 1.0)).all()):
        raise ValueError("Outcomes must be 0 or 1.")
    if not bool(np.isfinite(s).all()):
        raise ValueError("Predictions must be finite numbers.")
    if is_prob and bool(((s < 0) | (s > 1)).any()):
        raise ValueError("Predicted probabilities must lie between 0 and 1.")
    return y, s


def _require_both(n_cases: int, n_others: int) -> None:
    if not n_cases or not n_others:
        raise InsufficientDataError(
            f"{n_cases} rows where it happened and {n_others} where it did not: both are needed."
        )


def _placements(cases: Floats, others: Floats) -> tuple[Floats, Floats]:
    """Share of the others below each case, and of the cases above each other; ties count half."""
    from scipy.stats import rankdata

    n_cases, n_others = len(cases), len(others)
    joint = rankdata(np.concatenate([cases, others]))
    above = (joint[:n_cases] - rankdata(cases)) / n_others
    below = 1 - (joint[n_cases:] - rankdata(others)) / n_cases
    return above, below


def _variance_of_mean(values: Floats) -> float:
    return float(np.var(values, ddof=1)) / len(values) if len(values) > 1 else 0.0


def _area_interval(
    area: float, std_error: float, n_fewer: int, conf_level: float
) -> tuple[float, float]:
    if area in (0.0, 1.0):
        reach = -math.log(1 - conf_level) / n_fewer
        return (max(0.0, 1 - reach), 1.0) if area == 1 else (0.0, min(1.0, reach))
    centre = math.log(area / (1 - area))
    half = critical_value(conf_level) * std_error / (area * (1 - area))
    return _expit(centre - half), _expit(centre + half)


def _expit(value: float) -> float:
    return 0.5 * (1 + math.tanh(value / 2))


def _refuse_separation(cases: Floats, others: Floats) -> None:
    if cases.min() >= others.max() or cases.max() <= others.min():
        raise SeparationError(
            f"The predictions separate {len(cases)} cases from {len(others)} others, so there is "
            "no finite calibration slope. Look for a leak among the predictors."
        )


def _logit_fit(x: Floats, y: Floats, offset: Floats) -> tuple[Floats, Floats]:
    """Maximum likelihood by Newton steps, halved while they lose likelihood; (k,), (k,)."""
    coefficients = np.zeros(x.shape[1])
    value = _logit_likelihood(x, y, offset, coefficients)
    slack = 1e-12 * (1 + abs(value))
    for _ in range(MAX_STEPS):
        mu = 0.5 * (1 + np.tanh((x @ coefficients + offset) / 2))
        information = x.T @ (x * (mu * (1 - mu))[:, None])
        step = np.linalg.solve(information, x.T @ (y - mu))
        scale = 1.0
        while _logit_likelihood(x, y, offset, coefficients + scale * step) < value - slack:
            scale /= 2
        coefficients = coefficients + scale * step
        value = _logit_likelihood(x, y, offset, coefficients)
        if np.max(np.abs(step)) < 1e-10:
            break
    return coefficients, np.sqrt(np.diag(np.linalg.inv(information)))


def _logit_likelihood(x: Floats, y: Floats, offset: Floats, coefficients: Floats) -> float:
    eta = x @ coefficients + offset
    return float(y @ eta - np.logaddexp(0.0, eta).sum())
