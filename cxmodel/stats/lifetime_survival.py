"""The share of customers still there after t periods, by each family of lifetimes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from cxmodel.stats.lifetime_likelihood import (
    LifetimeFamily,
    has_power,
    log_beta_survival,
    n_loss_parameters,
)

FloatArray = npt.NDArray[np.float64]


def geometric_survival(prob_loss: npt.ArrayLike, t: npt.ArrayLike) -> FloatArray:
    """Give S(t) when every period loses the same share.

    Examples
    --------
    >>> geometric_survival(0.2, [0, 1, 2]).round(2).tolist()
    [1.0, 0.8, 0.64]
    """
    return np.asarray((1 - np.asarray(prob_loss)) ** np.asarray(t, dtype=float), dtype=float)


def discrete_weibull_survival(
    prob_loss: npt.ArrayLike, c: npt.ArrayLike, t: npt.ArrayLike
) -> FloatArray:
    """Give S(t) = (1 - loss) ^ (t^c): customers are alike, and the hazard moves with tenure.

    It is the beta-discrete-Weibull in the limit of gamma and delta growing without end at
    gamma / (gamma + delta) = loss.

    Parameters
    ----------
    prob_loss : array_like of float
        Share that leaves in the first period.
    c : array_like of float
        Positive; above 1 the hazard rises with tenure, below 1 it falls. At 1 this is the geometric
        exactly.
    t : array_like of float
        Periods since the start.

    References
    ----------
    Nakagawa & Osaki (1975), The discrete Weibull distribution.

    Examples
    --------
    >>> discrete_weibull_survival(0.2, 2.0, [0, 1, 2]).round(4).tolist()
    [1.0, 0.8, 0.4096]
    """
    own = np.power(np.asarray(t, dtype=float), np.asarray(c, dtype=float))
    rate = -np.log1p(-np.asarray(prob_loss, dtype=float))
    return np.asarray(np.exp(-rate * own), dtype=float)


def sbg_survival(alpha: npt.ArrayLike, beta: npt.ArrayLike, t: npt.ArrayLike) -> FloatArray:
    """Give S(t) = B(alpha, beta + t) / B(alpha, beta) of the shifted beta-geometric.

    Parameters
    ----------
    alpha, beta : array_like of float
        Positive; loss per period is beta-distributed over customers with these parameters.
    t : array_like of float
        Periods since the start.

    References
    ----------
    Fader & Hardie (2007), How to project customer retention.

    Examples
    --------
    >>> sbg_survival(0.6681, 3.8061, [8, 12]).round(3).tolist()
    [0.46, 0.378]
    """
    return np.asarray(np.exp(log_beta_survival(alpha, beta, t)), dtype=float)


def bdw_survival(
    gamma: npt.ArrayLike, delta: npt.ArrayLike, c: npt.ArrayLike, t: npt.ArrayLike
) -> FloatArray:
    """Give S(t) = B(gamma, delta + t^c) / B(gamma, delta) of the beta-discrete-Weibull.

    Parameters
    ----------
    gamma, delta : array_like of float
        Positive; loss in the first period is beta-distributed over customers.
    c : array_like of float
        Positive; above 1 the hazard of each customer rises with tenure, below 1 it falls. At 1 this
        is the shifted beta-geometric exactly.
    t : array_like of float
        Periods since the start.

    References
    ----------
    Fader, Hardie, Liu, Davin & Steenburgh (2018), "How to project customer retention" revisited:
    the role of duration dependence.

    Examples
    --------
    >>> bdw_survival(0.6681, 3.8061, 1.0, [8, 12]).round(3).tolist()
    [0.46, 0.378]
    """
    own = np.power(np.asarray(t, dtype=float), np.asarray(c, dtype=float))
    return np.asarray(np.exp(log_beta_survival(gamma, delta, own)), dtype=float)


def lifetime_survival(
    family: LifetimeFamily,
    parameters: FloatArray,
    t: npt.ArrayLike,
    hazard_ratio: npt.ArrayLike = 1.0,
) -> FloatArray:
    """Give S(t) of a family with these parameters, in the order of `PARAMETER_NAMES`.

    `hazard_ratio` is exp(x'beta): how much faster a customer's own time runs.

    Examples
    --------
    >>> lifetime_survival("geometric", np.array([0.2]), [0, 1, 2]).round(2).tolist()
    [1.0, 0.8, 0.64]
    >>> lifetime_survival("sbg", np.array([0.7, 1.2]), 2, hazard_ratio=2.0).round(4).tolist()
    0.337
    """
    time = np.asarray(t, dtype=float)
    ratio = np.asarray(hazard_ratio, dtype=float)
    if family == "geometric":
        return geometric_survival(parameters[0], ratio * time)
    n_loss = n_loss_parameters(family)
    own = ratio * (np.power(time, parameters[n_loss]) if has_power(family) else time)
    if family == "discrete_weibull":
        return discrete_weibull_survival(parameters[0], 1.0, own)
    return np.asarray(np.exp(log_beta_survival(parameters[0], parameters[1], own)), dtype=float)
