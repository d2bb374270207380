"""Integrals of purchase models, to about twelve digits, over many rows at once.

Where the papers write a Gauss hypergeometric function, the integral behind it is taken instead: its
terms are all positive, so nothing cancels when a customer bought a moment ago, and logarithms keep
hundreds of purchases finite.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln

FloatArray = npt.NDArray[np.float64]

N_LEGENDRE = 48
N_BETA = 110
_NEGLIGIBLE = 42.0  # e^-42 is below the last digit
_STEP_EXPONENTIAL = 0.3


@cache
def _legendre() -> tuple[FloatArray, FloatArray]:
    nodes, weights = np.polynomial.legendre.leggauss(N_LEGENDRE)
    return (nodes + 1) / 2, weights / 2


def power_product_integral(
    low: FloatArray,
    high: FloatArray,
    *,
    first: tuple[FloatArray, FloatArray],
    second: tuple[FloatArray, FloatArray],
) -> tuple[FloatArray, tuple[FloatArray, FloatArray, FloatArray, FloatArray]]:
    """Integrate ``(c + u)^-A (d + u)^-B`` over u from `low` to `high`, in logs.

    Parameters
    ----------
    low, high : array, (n,)
        The limits, 0 <= low <= high.
    first, second : pair of array
        (c, A) and (d, B); c and d positive.

    Returns
    -------
    log_integral : array, (n,)
        Minus infinity where the limits are equal.
    means : four arrays, (n,)
        Under the integrand as a density: of ln(c + u), ln(d + u), 1/(c + u) and 1/(d + u); they are
        what its slopes in the parameters need.

    Notes
    -----
    Gauss-Legendre in v = ln(m + u), m the smaller of c and d, cut where the integrand has fallen by
    e^-42.
    """
    (c, a), (d, b) = first, second
    nodes, weights = _legendre()
    m = np.minimum(c, d)
    start = low + m
    slope = a * start / (low + c) + b * start / (low + d) - 1
    width = np.log((high + m) / start)
    is_long = slope * width > _NEGLIGIBLE
    width = np.where(is_long, _NEGLIGIBLE / np.where(is_long, slope, 1.0), width)
    # u - low, by expm1 so that a short interval keeps its digits
    ahead = start[:, None] * np.expm1(width[:, None] * nodes)
    to_c, to_d = (low + c)[:, None] + ahead, (low + d)[:, None] + ahead
    log_c, log_d = np.log(to_c), np.log(to_d)
    a, b = np.asarray(a)[..., None], np.asarray(b)[..., None]
    logs = np.log(start[:, None] + ahead) - a * log_c - b * log_d
    top = logs.max(axis=1, keepdims=True)
    parts = np.exp(logs - top) * weights
    total = parts.sum(axis=1)
    with np.errstate(divide="ignore"):
        log_integral = np.log(width) + top[:, 0] + np.log(total)
    share = parts / total[:, None]
    means = tuple(
        np.einsum("ij,ij->i", share, values) for values in (log_c, log_d, 1 / to_c, 1 / to_d)
    )
    return log_integral, (means[0], means[1], means[2], means[3])


def nodes_between(scale: float, end: float) -> tuple[FloatArray, FloatArray]:
    """Give nodes from 0 to `end`, dense near 0, and weights of an integral over them.

    Gauss-Legendre in ln(scale + u).
    """
    nodes, weights = _legendre()
    width = np.log1p(end / scale)
    return scale * np.expm1(width * nodes), scale * np.exp(width * nodes) * width * weights


def beta_mean(
    function: Callable[[FloatArray], FloatArray], a: FloatArray, b: FloatArray
) -> FloatArray:
    """Give the mean of a smooth function of a probability that follows Beta(a, b), by row.

    Parameters
    ----------
    function : callable
        From probabilities (n, nodes) to values of that shape; bounded near 0 and 1.
    a, b : array, (n,)
        Positive.

    Returns
    -------
    array, (n,)

    Notes
    -----
    The trapezoidal rule in y, logit(p) = mode + spread x sinh(y): it reaches the slow tails of
    small parameters and the narrow peak of large ones, and converges exponentially (Takahasi &
    Mori 1974).

    Examples
    --------
    >>> beta_mean(lambda p: p, np.array([0.2, 3e5]), np.array([0.6, 1e5])).round(12).tolist()
    [0.25, 0.75]
    """
    p, weight = _beta_nodes(a, b)
    return np.asarray(np.einsum("ij,ij->i", weight, function(p)))


def _beta_nodes(a: FloatArray, b: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Give probabilities and their weights, each (n, nodes); of equal rows computed once.

    Customers who bought equally often have the same, so there are far fewer than rows.
    """
    pairs, place = np.unique(np.stack([a, b], axis=1), axis=0, return_inverse=True)
    a, b = pairs.T
    spread = np.sqrt(1 / a + 1 / b)
    left = np.arcsinh((_NEGLIGIBLE / a) / spread + 10)
    right = np.arcsinh((_NEGLIGIBLE / b) / spread + 10)
    step = (left + right) / (N_BETA - 1)
    y = -left[:, None] + step[:, None] * np.arange(N_BETA)
    logit = (np.log(a) - np.log(b))[:, None] + spread[:, None] * np.sinh(y)
    log_p, log_q = -np.logaddexp(0, -logit), -np.logaddexp(0, logit)
    log_weight = a[:, None] * log_p + b[:, None] * log_q + np.log(np.cosh(y))
    weight = np.exp(log_weight - log_weight.max(axis=1, keepdims=True))
    weight /= weight.sum(axis=1, keepdims=True)
    return np.exp(np.maximum(log_p, -600.0))[place], weight[place]


def discounted_power(scale: FloatArray, power: FloatArray, rate: float) -> FloatArray:
    """Integrate ``e^(-rate t) (1 + t / scale)^-power`` over t from 0 to infinity.

    It is ``scale^power rate^(power - 1) U(power, power, rate scale)``, U the confluent
    hypergeometric function of the second kind; at rate 0 it is scale / (power - 1), infinite up to
    a power of 1.

    Examples
    --------
    >>> discounted_power(np.array(2.0), np.array([3.0, 1.0]), 0.0).tolist()
    [1.0, inf]
    >>> round(float(discounted_power(np.array(1.0), np.array(1.0), 1.0)), 6)  # e x E1(1)
    0.596347
    """
    scale, power = np.broadcast_arrays(np.asarray(scale, float), np.asarray(power, float))
    if rate == 0:
        with np.errstate(divide="ignore"):
            return np.where(power > 1, scale / np.maximum(power - 1, 0), np.inf)
    w = np.arange(-_NEGLIGIBLE, 4.0, _STEP_EXPONENTIAL)
    y = np.exp(w)
    log_weight = w - y
    inner = np.exp(log_weight - power[..., None] * np.log1p(y / (rate * scale[..., None])))
    return np.asarray(inner.sum(axis=-1) * _STEP_EXPONENTIAL / rate)


def log_beta(a: FloatArray, b: FloatArray) -> FloatArray:
    """Give the logarithm of the beta function."""
    return np.asarray(gammaln(a) + gammaln(b) - gammaln(a + b))
