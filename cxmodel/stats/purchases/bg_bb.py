"""Purchases on numbered occasions, with a chance to leave before each: the BG/BB model.

Probabilities to buy on an occasion follow Beta(alpha, beta) over customers, probabilities to leave
before one Beta(gamma, delta). Frequency, recency and T count occasions.

Fader, Hardie & Shang (2010), Customer-base analysis in a discrete-time noncontractual setting,
Marketing Science 29(6).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import betaln, digamma, gammaln, hyp2f1

from cxmodel.stats.purchases.family import Family
from cxmodel.stats.purchases.histories import Histories, Parameters

FloatArray = npt.NDArray[np.float64]
PARAMETERS = ("alpha", "beta", "gamma", "delta")
_ONE_BY_ONE = 1_000  # occasions; beyond, Stirling's series is exact to the last digit
_SMALLEST = 1e-12


def start(histories: Histories) -> FloatArray:
    """Give a first guess: half of the spread, and the share of occasions with a purchase."""
    w = histories.weights
    share = float(w @ histories.frequency) / max(float(w @ histories.age), 1e-12)
    share = min(max(share, 0.01), 0.99)
    return np.array([2 * share, 2 * (1 - share), 0.6, 2.5])


def log_likelihood(
    parameters: Parameters, histories: Histories
) -> tuple[FloatArray, tuple[FloatArray, ...]]:
    """Give the log-likelihood of each row, and its slope in each parameter.

    It sums over the occasions before which a customer may have left: none of those up to T, or one
    after the last purchase (equation 4 of the paper).
    """
    logs, states = _log_terms(parameters, histories)
    top = logs.max(axis=1, keepdims=True)
    parts = np.exp(logs - top)
    total = parts.sum(axis=1)
    share = parts / total[:, None]
    alpha, beta, gamma, delta = parameters
    x, seen, is_gone = histories.frequency[:, None], states[0], states[1]
    both, stay = digamma(alpha + beta), digamma(gamma + delta)
    after = digamma(alpha + beta + seen)
    after_stay = digamma(gamma + delta + seen + is_gone)
    by = (
        digamma(alpha + x) - after - digamma(alpha) + both,
        digamma(beta + seen - x) - after - digamma(beta) + both,
        digamma(gamma + is_gone) - after_stay - digamma(gamma) + stay,
        digamma(delta + seen) - after_stay - digamma(delta) + stay,
    )
    slopes = tuple(np.where(share > 0, share * part, 0.0).sum(axis=1) for part in by)
    return top[:, 0] + np.log(total), slopes


def _log_terms(
    parameters: Parameters, histories: Histories
) -> tuple[FloatArray, tuple[FloatArray, FloatArray]]:
    """Give the logarithm of each term: still there after T, then left after t_x, t_x + 1, ...

    Beside it the occasions lived through, and whether the customer left: (n, terms).
    """
    alpha, beta, gamma, delta = parameters
    x, age = histories.frequency[:, None], histories.age[:, None]
    idle = age - histories.recency[:, None]
    steps = np.arange(int(idle.max(initial=0)))
    seen = np.concatenate([age, np.minimum(histories.recency[:, None] + steps, age)], axis=1)
    is_gone = np.concatenate([np.zeros_like(age), np.ones((len(age), len(steps)))], axis=1)
    is_term = np.concatenate([np.ones_like(age, dtype=bool), steps < idle], axis=1)
    logs = (
        betaln(alpha + x, beta + seen - x)
        - betaln(alpha, beta)
        + betaln(gamma + is_gone, delta + seen)
        - betaln(gamma, delta)
    )
    return np.where(is_term, logs, -np.inf), (seen, is_gone)


def prob_alive(parameters: Parameters, histories: Histories) -> FloatArray:
    """Give the probability that each customer is there on the next occasion."""
    return np.asarray(np.exp(_log_alive(parameters, histories, 1.0)))


def _log_alive(parameters: Parameters, histories: Histories, ahead: float) -> FloatArray:
    """Give the logarithm of the probability to be there `ahead` occasions after T."""
    alpha, beta, gamma, delta = parameters
    x, age = histories.frequency, histories.age
    value, _ = log_likelihood(parameters, histories)
    return np.asarray(
        betaln(alpha + x, beta + age - x)
        - betaln(alpha, beta)
        + betaln(gamma, delta + age + ahead)
        - betaln(gamma, delta)
        - value
    )


def expected(parameters: Parameters, t: FloatArray) -> FloatArray:
    """Give the purchases expected of a new customer on the next `t` occasions."""
    alpha, beta, gamma, delta = parameters
    t = np.asarray(t, dtype=float)
    return np.asarray(alpha / (alpha + beta) * _occasions_alive(gamma, delta, t))


def conditional(parameters: Parameters, histories: Histories, t: FloatArray) -> FloatArray:
    """Give the purchases expected of each customer on the next `t` occasions."""
    alpha, beta, gamma, delta = parameters
    x, age = histories.frequency, histories.age
    alive = np.exp(_log_alive(parameters, histories, 0.0))
    buys = (alpha + x) / (alpha + beta + age)
    t = np.broadcast_to(np.asarray(t, dtype=float), x.shape)
    return np.asarray(alive * buys * _occasions_alive(gamma, delta + age, t))


def residual(parameters: Parameters, histories: Histories, rate: float) -> FloatArray:
    """Give the discounted purchases still expected, at a discount rate an occasion.

    Purchases on the next occasion are discounted once. Without discounting it is infinite where
    gamma <= 1.
    """
    alpha, beta, gamma, delta = parameters
    x, age = histories.frequency, histories.age
    alive = np.exp(_log_alive(parameters, histories, 0.0))
    buys = (alpha + x) / (alpha + beta + age)
    first = (delta + age) / (gamma + delta + age)
    if rate == 0:
        ends = gamma > 1
        lasts = np.where(ends, (gamma + delta + age) / np.where(ends, gamma - 1, 1.0), np.inf)
    else:
        last = gamma + delta + age + 1
        lasts = np.asarray(hyp2f1(1.0, delta + age + 1, last, 1 / (1 + rate)), dtype=float)
    return np.asarray(np.where(alive > 0, alive * buys * first * lasts / (1 + rate), 0.0))


def count_probability(parameters: Parameters, n: FloatArray, t: float) -> FloatArray:
    """Give the probability that a new customer buys on `n` of the first `t` occasions.

    There to the end, or left before one of them (equation 7 of the paper).
    """
    alpha, beta, gamma, delta = parameters
    lived = np.arange(int(t) + 1.0)
    is_gone = lived < t
    stays = np.exp(betaln(gamma + is_gone, delta + lived) - betaln(gamma, delta))
    buys = n[:, None] <= lived
    x = np.where(buys, n[:, None], 0.0)
    ways = gammaln(lived + 1) - gammaln(x + 1) - gammaln(lived - x + 1)
    logs = ways + betaln(alpha + x, beta + lived - x) - betaln(alpha, beta)
    return np.asarray(np.where(buys, np.exp(logs), 0.0) @ stays)


def _occasions_alive(gamma: FloatArray, delta: FloatArray, t: FloatArray) -> FloatArray:
    """Give the mean number of the next `t` occasions on which a customer is there.

    It is the sum of B(gamma, delta + j) / B(gamma, delta) over j = 1..t: term by term for the first
    thousand, and in closed form for those after it.
    """
    shape = np.broadcast_shapes(np.shape(delta), np.shape(t))
    delta, t = np.broadcast_to(delta, shape), np.broadcast_to(t, shape)
    total = np.zeros(shape)
    log_there = np.zeros(shape)
    most = np.max(t, initial=0)
    for j in range(1, int(np.ceil(min(most, _ONE_BY_ONE))) + 1):
        log_there = log_there + np.log((delta + j - 1) / (gamma + delta + j - 1))
        total = total + np.where(j <= t, np.exp(log_there), 0.0)
    if most > _ONE_BY_ONE:
        more = np.maximum(np.floor(t) - _ONE_BY_ONE, 0.0)
        total = total + np.exp(log_there) * _alive_later(gamma, delta + _ONE_BY_ONE, more)
    return total


def _alive_later(gamma: FloatArray, delta: FloatArray, n: FloatArray) -> FloatArray:
    """Give the same sum in closed form, for a `delta` of a thousand or more.

    The sum telescopes to delta / (gamma - 1) x (1 - G(n) / G(0)), where G(n) is
    Gamma(delta + n + 1) / Gamma(gamma + delta + n) (the mean number of purchases in the paper,
    without its probability to buy). Differences of log-gamma functions lose what is wanted where
    they are large or gamma is near 1, so the logarithm of the ratio is written by Stirling's
    series, with the differences taken by hand.
    """
    a, x = gamma - 1, delta + 1
    a = np.where(np.abs(a) < _SMALLEST, _SMALLEST, a)
    fall = (
        (x - 0.5) * np.log1p(-(a / (x + a)) * (n / (x + n)))
        + a * np.log1p(n / (x + a))
        + n * np.log1p(a / (x + n))
        + a * (1 / ((x + n) * (x + n + a)) - 1 / (x * (x + a))) * -1 / 12
    )
    return np.asarray(-delta * np.expm1(-fall) / a)


FAMILY = Family(
    name="bg_bb",
    title="BG/BB",
    parameters=PARAMETERS,
    is_discrete=True,
    start=start,
    log_likelihood=log_likelihood,
    prob_alive=prob_alive,
    expected=expected,
    conditional=conditional,
    residual=residual,
    count_probability=count_probability,
)
