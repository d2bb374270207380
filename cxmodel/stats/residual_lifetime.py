"""How many periods customers will still stay, discounted, under each lifetime family."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy import special

from cxmodel.stats.lifetime_likelihood import log_beta_survival

FloatArray = npt.NDArray[np.float64]

_SUMMED = 2_000  # periods that are added one by one; the rest is an integral


def geometric_derl(prob_loss: float, discount_rate_per_period: float) -> float:
    """Give the discounted expected residual lifetime when every period loses the same share.

    Examples
    --------
    >>> round(geometric_derl(0.2, 0.10), 4)
    2.9333
    """
    rate = discount_rate_per_period
    if rate + prob_loss == 0:
        return float("inf")
    return float((1 - prob_loss) * (1 + rate) / (rate + prob_loss))


def discrete_weibull_derl(
    prob_loss: float,
    c: float,
    *,
    n_renewals: int = 0,
    discount_rate_per_period: float = 0.0,
    hazard_ratio: float = 1.0,
) -> float:
    """Give the discounted expected residual lifetime when all customers share a moving hazard.

    The sum of S(n + t) / S(n), S(t) = (1 - loss) ^ (t^c), as in `bdw_derl`. Without a discount it
    is finite for every c, though large where c is small.

    Parameters
    ----------
    prob_loss : float
        Share that leaves in the first period, above 0 and below 1.
    c : float
        Positive; c = 1 is the geometric.
    n_renewals : int
        Renewals made so far.
    discount_rate_per_period : float
        0 or more.
    hazard_ratio : float
        How much faster the customer's own time runs: exp(x'beta) of the features.

    Returns
    -------
    float
        Periods.

    Raises
    ------
    ValueError
        If the loss lies outside (0, 1), c is not positive, or the rate or the renewals are
        negative.

    References
    ----------
    Nakagawa & Osaki (1975), The discrete Weibull distribution; Fader & Hardie (2010) for the sum.

    Examples
    --------
    >>> round(discrete_weibull_derl(0.2, 1.0, discount_rate_per_period=0.10), 4)
    2.9333
    """
    _check(n_renewals, discount_rate_per_period, prob_loss=prob_loss, c=c)
    if prob_loss >= 1:
        raise ValueError(f"prob_loss must be below 1, not {prob_loss}.")
    if hazard_ratio <= 0:
        raise ValueError(f"hazard_ratio must be positive, not {hazard_ratio}.")
    loss_rate = -hazard_ratio * float(np.log1p(-prob_loss))
    log_rate = float(np.log1p(discount_rate_per_period))
    so_far = float(n_renewals) ** c

    def log_term(ahead: FloatArray) -> FloatArray:
        own = np.power(n_renewals + ahead, c) - so_far
        return np.asarray(-loss_rate * own - log_rate * (ahead - 1), dtype=float)

    log_last = float(np.log(750.0 / loss_rate + so_far)) / c  # there S(t) / S(n) is e^-750
    if log_rate > 0:
        log_last = min(log_last, float(np.log(750.0 / log_rate)))
    return _summed(log_term, min(log_last, 700.0), log_rate, np.inf)


def sbg_derl(
    alpha: float, beta: float, *, n_renewals: int = 0, discount_rate_per_period: float = 0.0
) -> float:
    """Give the discounted expected residual lifetime under the shifted beta-geometric.

    Parameters
    ----------
    alpha, beta : float
        Positive parameters.
    n_renewals : int
        Renewals made so far.
    discount_rate_per_period : float
        0 or more.

    Returns
    -------
    float
        Periods; infinite at discount 0 when alpha is 1 or less.

    Raises
    ------
    ValueError
        If a parameter is not positive, or the rate or the renewals are negative.

    References
    ----------
    Fader & Hardie (2010), Customer-base valuation in a contractual setting.

    Examples
    --------
    >>> round(sbg_derl(3.80, 15.20, n_renewals=0, discount_rate_per_period=0.10), 6)
    3.309818
    >>> sbg_derl(0.7, 1.2)
    inf
    """
    _check(n_renewals, discount_rate_per_period, alpha=alpha, beta=beta)
    so_far = beta + n_renewals
    if discount_rate_per_period == 0:
        # 2F1 at 1 has a closed form (Gauss), which diverges for alpha <= 1.
        return float(so_far / (alpha - 1)) if alpha > 1 else float("inf")
    return _mean_geometric_derl(alpha, so_far, discount_rate_per_period)


def bdw_derl(
    gamma: float,
    delta: float,
    c: float,
    *,
    n_renewals: int = 0,
    discount_rate_per_period: float = 0.0,
    hazard_ratio: float = 1.0,
) -> float:
    """Give the discounted expected residual lifetime under the beta-discrete-Weibull.

    There is no closed form: the first periods are added up one by one, the rest is integrated with
    the first correction of Euler and Maclaurin.

    Parameters
    ----------
    gamma, delta, c : float
        Positive parameters; c = 1 is the shifted beta-geometric.
    n_renewals : int
        Renewals made so far.
    discount_rate_per_period : float
        0 or more.
    hazard_ratio : float
        How much faster the customer's own time runs: exp(x'beta) of the features.

    Returns
    -------
    float
        Periods; infinite at discount 0 when gamma x c is 1 or less, since S(t) falls as
        ``t ** (-gamma c)``.

    Raises
    ------
    ValueError
        If a parameter is not positive, or the rate or the renewals are negative.

    References
    ----------
    Fader, Hardie, Liu, Davin & Steenburgh (2018), "How to project customer retention" revisited.

    Examples
    --------
    >>> round(bdw_derl(3.80, 15.20, 1.0, n_renewals=0, discount_rate_per_period=0.10), 6)
    3.309818
    >>> bdw_derl(0.5, 2.0, 1.5)
    inf
    """
    _check(n_renewals, discount_rate_per_period, gamma=gamma, delta=delta, c=c)
    if hazard_ratio <= 0:
        raise ValueError(f"hazard_ratio must be positive, not {hazard_ratio}.")
    if discount_rate_per_period == 0 and gamma * c <= 1:
        return float("inf")
    log_rate = float(np.log1p(discount_rate_per_period))
    at_now = float(log_beta_survival(gamma, delta, hazard_ratio * float(n_renewals) ** c))

    def log_term(ahead: FloatArray) -> FloatArray:
        """Log of S(n + t) / S(n), discounted to the next renewal, at t = `ahead`."""
        own = hazard_ratio * np.power(n_renewals + ahead, c)
        return log_beta_survival(gamma, delta, own) - at_now - log_rate * (ahead - 1)

    # So far out S(t) is a power of t, and discounted terms are nothing.
    log_last = min(np.log(1e9 * (1 + (gamma + delta) / hazard_ratio + n_renewals**c)) / c, 300.0)
    if log_rate > 0:
        log_last = np.log(750.0 / log_rate)
    return _summed(log_term, log_last, log_rate, gamma * c)


def _summed(
    log_term: Callable[[FloatArray], FloatArray], log_last: float, log_rate: float, power: float
) -> float:
    """Add up all terms from t = 1 on; they fall as ``t ** -power`` where nothing is discounted."""
    ahead = np.arange(1.0, _SUMMED)
    return float(np.exp(log_term(ahead)).sum() + _rest(log_term, log_last, log_rate, power))


def _rest(
    log_term: Callable[[FloatArray], FloatArray], log_last: float, log_rate: float, power: float
) -> float:
    """Add the terms from `_SUMMED` on: their integral, half the first, a twelfth of its slope."""
    from scipy import integrate

    first = float(_SUMMED)

    def term(log_ahead: float) -> float:
        return float(np.exp(log_term(np.exp(log_ahead)) + log_ahead))

    def single(ahead: float) -> float:
        return float(np.exp(log_term(np.asarray(ahead))))

    low, high = np.log(first), max(float(log_last), np.log(first) + 1)
    edges = np.linspace(low, high, 1 + int(np.ceil(high - low)))
    total = sum(
        integrate.quad(term, a, b, epsabs=0, epsrel=1e-11, limit=200)[0] for a, b in pairwise(edges)
    )
    if log_rate == 0:
        total += term(high) / (power - 1)
    slope = (single(first + 0.5) - single(first - 0.5)) / 12
    return float(total + single(first) / 2 - slope)


def _mean_geometric_derl(alpha: float, beta: float, rate: float) -> float:
    """Average the lifetimes of customers whose loss per period is Beta(alpha, beta).

    This is the published 2F1 as an integral over the logarithm of the loss: the series overflows
    where beta is large.
    """
    from scipy import integrate

    centre = np.log(alpha / (alpha + beta))
    scale = special.betaln(alpha, beta)

    def density_times_lifetime(log_loss: float) -> float:
        loss = np.exp(log_loss)
        log_stay = np.log1p(-loss) if loss < 1 else -np.inf
        weight = np.exp(alpha * log_loss + beta * log_stay - scale)
        return float(weight * (1 + rate) / (rate + loss))

    total = 0.0
    for low, high in ((-np.inf, centre), (centre, 0.0)):
        part = integrate.quad(density_times_lifetime, low, high, epsabs=0, epsrel=1e-11, limit=400)
        total += float(part[0])
    return total


def _check(n_renewals: int, rate: float, **parameters: float) -> None:
    if not all(value > 0 for value in parameters.values()):
        *names, last = parameters
        values = " and ".join(str(value) for value in parameters.values())
        raise ValueError(f"{', '.join(names)} and {last} must be positive, not {values}.")
    if n_renewals < 0 or rate < 0:
        raise ValueError("n_renewals and discount_rate_per_period must be 0 or more.")
