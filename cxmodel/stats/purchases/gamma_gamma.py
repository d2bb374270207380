"""What customers spend per purchase: the Gamma-Gamma model.

Amounts of a customer follow Gamma(p, nu), and nu Gamma(q, v) over customers; it takes spend to be
unrelated to how often a customer buys.

Fader & Hardie (2013), The Gamma-Gamma model of monetary value; Fader, Hardie & Lee (2005), RFM and
CLV.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import digamma, gammaln

FloatArray = npt.NDArray[np.float64]
Parameters = tuple[FloatArray, ...]
PARAMETERS = ("p", "q", "v")


def start(mean_spend: FloatArray, weights: FloatArray) -> FloatArray:
    """Give a first guess that meets the mean of the data."""
    average = float(weights @ mean_spend / weights.sum())
    return np.array([5.0, 4.0, max(average, 1e-12) * 3 / 5])


def log_likelihood(
    parameters: Parameters, n_purchases: FloatArray, mean_spend: FloatArray
) -> tuple[FloatArray, tuple[FloatArray, ...]]:
    """Give the log-likelihood of each row, and its slope in p, q and v.

    Parameters
    ----------
    parameters : tuple of array
        p, q, v; each one number, or one a row.
    n_purchases, mean_spend : array, (n,)
        Purchases that the mean is of, 1 or more, and the mean, above 0.

    References
    ----------
    Fader & Hardie (2013), equation 1a.
    """
    p, q, v = parameters
    x, m = n_purchases, mean_spend
    shape, total = p * x, x * m
    reach = np.log(v + total)
    log_gamma = gammaln(shape + q) - gammaln(shape) - gammaln(q)
    value = log_gamma + q * np.log(v) + (shape - 1) * np.log(m) + shape * np.log(x)
    value = value - (shape + q) * reach
    up = digamma(shape + q)
    slopes = (
        x * (up - digamma(shape) + np.log(m) + np.log(x) - reach),
        up - digamma(q) + np.log(v) - reach,
        q / v - (shape + q) / (v + total),
    )
    return value, slopes


def population_mean(parameters: Parameters) -> FloatArray:
    """Give the mean spend per purchase over customers, infinite where q <= 1."""
    p, q, v = parameters
    with np.errstate(divide="ignore"):
        return np.where(q > 1, p * v / np.maximum(q - 1, 0), np.inf)


def expected_spend(
    parameters: Parameters, n_purchases: FloatArray, mean_spend: FloatArray
) -> FloatArray:
    """Give the mean spend per purchase expected of each customer; without purchases, of all.

    It weighs the customer's own mean against that of all customers.
    """
    p, q, v = parameters
    x = n_purchases
    total = np.where(x > 0, x * mean_spend, 0.0)
    after = p * x + q - 1
    with np.errstate(divide="ignore"):
        return np.where(after > 0, p * (v + total) / np.maximum(after, 0), np.inf)
