"""Poisson purchases until a coin says stop: what BG/NBD and MBG/NBD have in common.

While active, a customer buys at a rate that follows Gamma(r, alpha) over customers; after purchases
(BG/NBD: after every repeat; MBG/NBD: also after the first) the customer leaves with a probability
that follows Beta(a, b). `first_toss` says whether there is a toss at the first purchase: 0 or 1.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln, xlogy

from cxmodel.stats.purchases.histories import Histories, Parameters, log_rising
from cxmodel.stats.purchases.quadrature import beta_mean, discounted_power, log_beta

FloatArray = npt.NDArray[np.float64]
PARAMETERS = ("r", "alpha", "a", "b")
_ROWS_AT_ONCE = 20_000
_PAIRS_AT_ONCE = 20_000


def start(histories: Histories) -> FloatArray:
    """Give a first guess of the parameters from rates of purchase."""
    w = histories.weights
    rate = float(w @ histories.frequency) / max(float(w @ histories.age), 1e-12)
    return np.array([0.5, 0.5 / max(rate, 1e-9), 0.8, 2.5])


def log_likelihood(
    parameters: Parameters, histories: Histories, first_toss: int
) -> tuple[FloatArray, tuple[FloatArray, ...]]:
    """Give the log-likelihood of each row, and its slope in each parameter.

    Parameters
    ----------
    parameters : tuple of array
        r, alpha, a, b; each one number, or one a row.
    histories : Histories
        Frequency, recency and age.
    first_toss : {0, 1}
        Whether customers may leave at their first purchase.

    Returns
    -------
    log_likelihood : array, (n,)
    slopes : four arrays, (n,)

    References
    ----------
    Fader, Hardie & Lee (2005), "Counting your customers" the easy way, equation 6; Batislam,
    Denizel & Filiztekin (2007) and Hoppe & Wagner (2007) for the toss at the first purchase.
    """
    r, alpha, a, b = parameters
    x = histories.frequency
    tosses = x + first_toss
    counts = histories.counts
    in_r, by_r = log_rising(r, counts)
    in_b, by_b = log_rising(b, counts.plus(first_toss))
    in_ab, by_ab = log_rising(a + b, counts.plus(first_toss))
    end, last = np.log(alpha + histories.age), np.log(alpha + histories.recency)
    alive = -(r + x) * end
    tossed = tosses > 0
    before = np.where(tossed, b + tosses - 1, 1.0)
    gone = np.where(tossed, np.log(a) - np.log(before) - (r + x) * last, -np.inf)
    both = np.logaddexp(alive, gone)
    left = np.exp(gone - both)
    value = in_r + r * np.log(alpha) + in_b - in_ab + both
    slopes = (
        by_r + np.log(alpha) - (1 - left) * end - left * last,
        r / alpha
        - (r + x) * ((1 - left) / (alpha + histories.age) + left / (alpha + histories.recency)),
        left / a - by_ab,
        by_b - by_ab - left / before,
    )
    return value, slopes


def prob_alive(parameters: Parameters, histories: Histories, first_toss: int) -> FloatArray:
    """Give the probability that each customer is still active at the end of observation."""
    r, alpha, a, b = parameters
    x = histories.frequency
    tosses = x + first_toss
    before = np.where(tosses > 0, b + tosses - 1, 1.0)
    odds = np.log(a / before) + (r + x) * (
        np.log(alpha + histories.age) - np.log(alpha + histories.recency)
    )
    return np.where(tosses > 0, 1 / (1 + np.exp(np.minimum(odds, 700.0))), 1.0)


def expected(parameters: Parameters, t: FloatArray, first_toss: int) -> FloatArray:
    """Give the repeat purchases expected of a new customer in `t` periods.

    Parameters broadcast against `t`.
    """
    r, alpha, a, b, t = _same_shape(*parameters, t)
    mean = _purchases_ahead(r, alpha, a, b + first_toss, t)
    return np.asarray(mean * (b / (a + b) if first_toss else 1.0))


def conditional(
    parameters: Parameters, histories: Histories, t: FloatArray, first_toss: int
) -> FloatArray:
    """Give the purchases expected of each customer in the next `t` periods."""
    r, alpha, a, b = parameters
    x = histories.frequency
    return prob_alive(parameters, histories, first_toss) * _purchases_ahead(
        *_same_shape(r + x, alpha + histories.age, a, b + x + first_toss, t)
    )


def residual(
    parameters: Parameters, histories: Histories, rate: float, first_toss: int
) -> FloatArray:
    """Give the discounted purchases still expected of each customer, at a force of interest.

    Of an active customer it is the mean of rate of purchase / (rate of purchase x probability of
    leaving + discount). Without discounting that is the mean of 1 / probability of leaving,
    infinite where a <= 1.
    """
    r, alpha, a, b = parameters
    x = histories.frequency
    alive = prob_alive(parameters, histories, first_toss)
    shape, scale, a, b = _same_shape(r + x, alpha + histories.age, a, b + x + first_toss)
    if rate == 0:
        with np.errstate(divide="ignore"):
            ahead = np.where(a > 1, (a + b - 1) / np.maximum(a - 1, 0), np.inf)
        return np.where(alive > 0, alive * ahead, 0.0)
    found = np.empty_like(shape)
    for i in range(0, len(shape), _PAIRS_AT_ONCE // 100):
        part = slice(i, i + _PAIRS_AT_ONCE // 100)
        k, c = shape[part, None], scale[part, None]
        found[part] = beta_mean(
            lambda p, k=k, c=c: k / c * discounted_power(c / p, k + 1, rate),  # type: ignore[misc]
            a[part],
            b[part],
        )
    return alive * found


def count_probability(
    parameters: Parameters, n: FloatArray, t: float, first_toss: int
) -> FloatArray:
    """Give the probability that a new customer makes `n` repeat purchases in `t` periods.

    Still active after n, or left at the n-th with that many made in time (Fader, Hardie & Lee
    2005, equation 8).

    Parameters
    ----------
    parameters : tuple of array
        r, alpha, a, b; one number each.
    n : array, (k,)
        Whole numbers.
    t : float
        Above 0.
    """
    r, alpha, a, b = parameters
    tosses = n + first_toss
    made = poisson_gamma(r, alpha, np.arange(int(n.max(initial=0)) + 1.0), t)
    at_least = 1 - np.concatenate([[0.0], np.cumsum(made)])[n.astype(int)]
    stays = np.exp(log_beta(a, b + tosses) - log_beta(a, b))
    left = np.where(tosses > 0, np.exp(log_beta(a + 1, b + np.maximum(tosses, 1) - 1)), 0.0)
    return np.asarray(stays * made[n.astype(int)] + left / np.exp(log_beta(a, b)) * at_least)


def poisson_gamma(r: FloatArray, alpha: FloatArray, n: FloatArray, t: npt.ArrayLike) -> FloatArray:
    """Give the negative binomial probability of `n` purchases in `t` while a customer is there."""
    t = np.asarray(t, dtype=float)
    logs = gammaln(r + n) - gammaln(r) - gammaln(n + 1)
    return np.asarray(np.exp(logs - r * np.log1p(t / alpha) + xlogy(n, t / (alpha + t))))


def _purchases_ahead(
    shape: FloatArray, scale: FloatArray, a: FloatArray, b: FloatArray, t: FloatArray
) -> FloatArray:
    """Give the mean of (1 - e^(-rate p t)) / p over rate ~ Gamma and p ~ Beta.

    The papers' form, ``(a + b - 1) / (a - 1) (1 - ... 2F1(...))``, is this mean, but breaks at
    a = 1.
    """
    flat = [np.ravel(part) for part in (shape, scale, a, b, t)]
    found = np.empty_like(flat[0])
    for i in range(0, len(found), _ROWS_AT_ONCE):
        k, c, a_, b_, t_ = (part[i : i + _ROWS_AT_ONCE] for part in flat)
        reach = (t_ / c)[:, None]
        found[i : i + _ROWS_AT_ONCE] = beta_mean(
            lambda p, k=k, reach=reach: -np.expm1(-k[:, None] * np.log1p(p * reach)) / p,  # type: ignore[misc]
            a_,
            b_,
        )
    return found.reshape(np.shape(shape))


def _same_shape(*values: FloatArray) -> list[FloatArray]:
    return [np.array(value, dtype=float) for value in np.broadcast_arrays(*values)]
