"""Poisson purchases over an exponential lifetime: the Pareto/NBD model.

Rates of purchase follow Gamma(r, alpha) over customers, rates of leaving Gamma(s, beta).

Schmittlein, Morrison & Colombo (1987), Counting your customers, Management Science 33(1); Fader &
Hardie (2005), A note on deriving the Pareto/NBD model and related expressions.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import exprel

from cxmodel.stats.purchases.beta_geometric import poisson_gamma
from cxmodel.stats.purchases.family import Family
from cxmodel.stats.purchases.histories import Histories, Parameters, log_rising
from cxmodel.stats.purchases.quadrature import (
    discounted_power,
    nodes_between,
    power_product_integral,
)

FloatArray = npt.NDArray[np.float64]
PARAMETERS = ("r", "alpha", "s", "beta")
_ROWS_AT_ONCE = 2_000  # their nodes then lie in the processor's cache: half the time of all at once


def start(histories: Histories) -> FloatArray:
    """Give a first guess of the parameters from rates of purchase and the time observed."""
    w = histories.weights
    rate = float(w @ histories.frequency) / max(float(w @ histories.age), 1e-12)
    age = float(w @ histories.age) / max(float(w.sum()), 1e-12)
    return np.array([0.5, 0.5 / max(rate, 1e-9), 0.6, max(0.5 * age, 1e-9)])


def log_likelihood(
    parameters: Parameters, histories: Histories
) -> tuple[FloatArray, tuple[FloatArray, ...]]:
    """Give the log-likelihood of each row, and its slope in each parameter.

    A customer is active at the end, or left at some time u after the last purchase::

        (alpha + T)^-(r + x) (beta + T)^-s
          + s x integral over u from t_x to T of (alpha + u)^-(r + x) (beta + u)^-(s + 1)

    times Gamma(r + x) / Gamma(r) alpha^r beta^s. The papers write the integral as a difference of
    two Gauss hypergeometric functions, of which little is left where t_x is near T.

    Parameters
    ----------
    parameters : tuple of array
        r, alpha, s, beta; each one number, or one a row.
    histories : Histories
        Frequency, recency and age.

    Returns
    -------
    log_likelihood : array, (n,)
    slopes : four arrays, (n,)
    """
    value, slopes = [], []
    for part in _parts(parameters, histories):
        found, by = _log_likelihood(*part)
        value.append(found)
        slopes.append(by)
    if len(value) == 1:
        return value[0], slopes[0]
    joined = [np.concatenate(column) for column in zip(*slopes, strict=True)]
    return np.concatenate(value), tuple(joined)


def _parts(parameters: Parameters, histories: Histories) -> list[tuple[Parameters, Histories]]:
    """Cut many rows into parts, so that their nodes fit in memory."""
    n = len(histories.frequency)
    if n <= _ROWS_AT_ONCE:
        return [(parameters, histories)]
    cuts = [slice(i, i + _ROWS_AT_ONCE) for i in range(0, n, _ROWS_AT_ONCE)]
    return [
        (
            tuple(p if p.ndim == 0 else p[cut] for p in parameters),
            Histories(
                histories.frequency[cut],
                histories.recency[cut],
                histories.age[cut],
                histories.weights[cut],
            ),
        )
        for cut in cuts
    ]


def _log_likelihood(
    parameters: Parameters, histories: Histories
) -> tuple[FloatArray, tuple[FloatArray, ...]]:
    r, alpha, s, beta = parameters
    x, age = histories.frequency, histories.age
    in_r, by_r = log_rising(r, histories.counts)
    log_alpha, log_beta = np.log(alpha + age), np.log(beta + age)
    alive = -(r + x) * log_alpha - s * log_beta
    gone, means = power_product_integral(
        histories.recency, age, first=(alpha, r + x), second=(beta, s + 1)
    )
    gone = gone + np.log(s)
    both = np.logaddexp(alive, gone)
    left = np.exp(gone - both)
    value = in_r + r * np.log(alpha) + s * np.log(beta) + both
    slopes = (
        by_r + np.log(alpha) - (1 - left) * log_alpha - left * means[0],
        r / alpha - (r + x) * ((1 - left) / (alpha + age) + left * means[2]),
        np.log(beta) - (1 - left) * log_beta + left * (1 / s - means[1]),
        s / beta - (1 - left) * s / (beta + age) - left * (s + 1) * means[3],
    )
    return value, slopes


def prob_alive(parameters: Parameters, histories: Histories) -> FloatArray:
    """Give the probability that each customer is still active at the end of observation."""
    found = []
    for (r, alpha, s, beta), rows in _parts(parameters, histories):
        x = rows.frequency
        alive = -(r + x) * np.log(alpha + rows.age) - s * np.log(beta + rows.age)
        gone, _ = power_product_integral(
            rows.recency, rows.age, first=(alpha, r + x), second=(beta, s + 1)
        )
        found.append(np.exp(alive - np.logaddexp(alive, gone + np.log(s))))
    return np.concatenate(found)


def expected(parameters: Parameters, t: FloatArray) -> FloatArray:
    """Give the repeat purchases expected of a new customer in `t` periods."""
    r, alpha, s, beta = parameters
    return np.asarray(r / alpha * _time_alive(s, beta, t))


def conditional(parameters: Parameters, histories: Histories, t: FloatArray) -> FloatArray:
    """Give the purchases expected of each customer in the next `t` periods."""
    r, alpha, s, beta = parameters
    rate = (r + histories.frequency) / (alpha + histories.age)
    ahead = _time_alive(s, beta + histories.age, t)
    return np.asarray(prob_alive(parameters, histories) * rate * ahead)


def residual(parameters: Parameters, histories: Histories, rate: float) -> FloatArray:
    """Give the discounted purchases still expected of each customer, at a force of interest.

    Without discounting it is infinite where s <= 1.

    References
    ----------
    Fader, Hardie & Lee (2005), RFM and CLV: using iso-value curves for customer base analysis,
    Journal of Marketing Research 42(4), equation 2.
    """
    r, alpha, s, beta = parameters
    buys = (r + histories.frequency) / (alpha + histories.age)
    alive = prob_alive(parameters, histories)
    ahead = np.where(alive > 0, discounted_power(beta + histories.age, s, rate), 0.0)
    return np.asarray(alive * buys * ahead)


def count_probability(parameters: Parameters, n: FloatArray, t: float) -> FloatArray:
    """Give the probability that a new customer makes `n` repeat purchases in `t` periods.

    Still active at the end, or left at some time before it (Fader & Hardie 2006, Deriving an
    expression for P(X(t) = x) under the Pareto/NBD model).
    """
    r, alpha, s, beta = parameters
    at_end = poisson_gamma(r, alpha, n, t) * (beta / (beta + t)) ** s
    when, weights = nodes_between(float(np.minimum(alpha, beta)), t)
    density = s * beta**s * (beta + when) ** -(s + 1) * weights
    return np.asarray(at_end + poisson_gamma(r, alpha, n[:, None], when) @ density)


def _time_alive(s: FloatArray, beta: FloatArray, t: FloatArray) -> FloatArray:
    """Give the mean time alive within `t`: of (1 - e^(-mu t)) / mu, also at s = 1."""
    logs = np.log1p(t / beta)
    return np.asarray(beta * logs * exprel((1 - s) * logs))


FAMILY = Family(
    name="pareto_nbd",
    title="Pareto/NBD",
    parameters=PARAMETERS,
    purchase_scale=("alpha", -1.0),
    dropout_scales=(("beta", -1.0),),
    start=start,
    log_likelihood=log_likelihood,
    prob_alive=prob_alive,
    expected=expected,
    conditional=conditional,
    residual=residual,
    count_probability=count_probability,
)
