"""The likelihood of discrete lifetimes, with gradient and Hessian, for many weightings at once.

All families are one: a customer with loss p a period stays longer than t with probability
``(1 - p) ** E``, where ``E = exp(x'beta) t ** c`` is the customer's own time. Geometric: p is the
same for all and c is 1. Discrete Weibull: p is the same for all and c is free. Shifted
beta-geometric: p is beta-distributed over customers and c is 1. Beta-discrete-Weibull: p is
beta-distributed and c is free; where customers grow alike it becomes the discrete Weibull. A
feature multiplies the hazard of each customer by ``exp(beta)``, as in a complementary log-log
regression.

Shapes: d weightings, k cells, m parameters of the loss (1 or 2), r of the own time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt
from scipy import special

if TYPE_CHECKING:
    from cxmodel.stats.lifetimes import PeriodCounts

FloatArray = npt.NDArray[np.float64]
LifetimeFamily = Literal["geometric", "discrete_weibull", "sbg", "bdw"]

_LARGEST_LOG = 200.0  # of the own time: beyond, nobody is left
_STIRLING_FROM = 16.0


@dataclass(frozen=True, eq=False)
class _Reach:
    """ln S at the end of the own time, and its derivatives in the loss and in ln E."""

    value: FloatArray  # (d, k)
    slope: FloatArray  # (d, k, m + 1)
    bend: FloatArray  # (d, k, m + 1, m + 1)
    turns: FloatArray  # (d, k, r): how ln E moves with its parameters
    power: FloatArray  # (d, k): how that moves with the logarithm of c


def n_loss_parameters(family: LifetimeFamily) -> int:
    """Count the parameters of the loss: one rate, or the two of the beta distribution."""
    return 1 if family in ("geometric", "discrete_weibull") else 2


def has_power(family: LifetimeFamily) -> bool:
    """Say whether the hazard of a customer may change with tenure: whether c is free."""
    return family in ("discrete_weibull", "bdw")


def log_gamma_rise(x: npt.ArrayLike, step: npt.ArrayLike) -> FloatArray:
    """Give ln Gamma(x + step) - ln Gamma(x), which keeps its digits where x is large.

    Examples
    --------
    >>> float(log_gamma_rise(1e8, 1.0)) == float(np.log(1e8))
    True
    """
    base, more = np.broadcast_arrays(np.asarray(x, dtype=float), np.asarray(step, dtype=float))
    safe = np.maximum(base, _STIRLING_FROM)
    rise = (
        more * np.log(safe)
        + (safe + more - 0.5) * np.log1p(more / safe)
        - more
        + _stirling_rest(safe + more)
        - _stirling_rest(safe)
    )
    plain = special.gammaln(base + more) - special.gammaln(base)
    return np.asarray(np.where(base >= _STIRLING_FROM, rise, plain), dtype=float)


def _stirling_rest(x: FloatArray) -> FloatArray:
    inverse = 1 / x
    square = inverse * inverse
    return inverse * (1 / 12 - square * (1 / 360 - square * (1 / 1260 - square / 1680)))


def _digamma_rise(x: FloatArray, step: FloatArray) -> FloatArray:
    """Give digamma(x + step) - digamma(x), which keeps its digits where x is large."""
    safe = np.maximum(x, _STIRLING_FROM)
    growth = np.log1p(step / safe)
    one, two, four, six = (_power_rise(safe, growth, k) for k in (1, 2, 4, 6))
    rise = growth - one / 2 - two / 12 + four / 120 - six / 252
    plain = special.digamma(x + step) - special.digamma(x)
    return np.asarray(np.where(x >= _STIRLING_FROM, rise, plain), dtype=float)


def _trigamma_rise(x: FloatArray, step: FloatArray) -> FloatArray:
    """Give trigamma(x + step) - trigamma(x), which keeps its digits where x is large."""
    safe = np.maximum(x, _STIRLING_FROM)
    growth = np.log1p(step / safe)
    one, two, three, five, seven = (_power_rise(safe, growth, k) for k in (1, 2, 3, 5, 7))
    rise = one + two / 2 + three / 6 - five / 30 + seven / 42
    plain = special.zeta(2, x + step) - special.zeta(2, x)
    return np.asarray(np.where(x >= _STIRLING_FROM, rise, plain), dtype=float)


def _power_rise(x: FloatArray, growth: FloatArray, k: int) -> FloatArray:
    """Give (x + step)^-k - x^-k, from growth = ln(1 + step / x)."""
    return np.asarray(np.expm1(-k * growth) * np.exp(-k * np.log(x)))


def log_beta_survival(a: npt.ArrayLike, b: npt.ArrayLike, time: npt.ArrayLike) -> FloatArray:
    """Give ln B(a, b + time) - ln B(a, b): the log of the mean of (1 - p) ** time."""
    first, second, reach = (np.asarray(value, dtype=float) for value in (a, b, time))
    short = log_gamma_rise(second, reach) - log_gamma_rise(first + second, reach)
    # a and time may change places: the shorter step is taken, else two large numbers cancel
    long = log_gamma_rise(second, first) - log_gamma_rise(second + reach, first)
    return np.asarray(np.where(reach > first, long, short), dtype=float)


def lifetime_terms(
    theta: FloatArray, counts: PeriodCounts, family: LifetimeFamily
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Log-likelihood with gradient and Hessian: (d,), (d, p), (d, p, p).

    The parameters are logarithms of the loss's, then ln c (where `has_power`), then the features'
    coefficients. Leavers of (t, t + 1] add ln S(t) + ln(1 - S(t + 1) / S(t)).
    """
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        lost = counts.lost
        start, end, drop = _reaches(theta, counts, family)
        odds = np.where(lost > 0, 1 / np.expm1(-drop), 0.0)
        kept = counts.stayed * start.value
        value = (kept + np.where(lost > 0, lost * np.log(-np.expm1(drop)), 0.0)).sum(axis=1)
        pull = _in_parameters(end) - _in_parameters(start)
        before, after = counts.stayed + lost * odds, -lost * odds
        gradient = _slope_sum(start, before) + _slope_sum(end, after)
        hessian = _bend_sum(start, before) + _bend_sum(end, after)
        hessian -= np.einsum("dk,dki,dkj->dij", lost * odds * (1 + odds), pull, pull)
    return value, gradient, hessian


def lifetime_scores(theta: FloatArray, counts: PeriodCounts, family: LifetimeFamily) -> FloatArray:
    """Give each cell's own gradient under the first weighting: (k, p)."""
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        start, end, drop = _reaches(theta[:1], counts, family)
        lost = counts.lost[:1]
        odds = np.where(lost > 0, 1 / np.expm1(-drop), 0.0)
        before, after = counts.stayed[:1] + lost * odds, -lost * odds
        found = before[..., None] * _in_parameters(start) + after[..., None] * _in_parameters(end)
    return np.asarray(found[0], dtype=float)


def _reaches(
    theta: FloatArray, counts: PeriodCounts, family: LifetimeFamily
) -> tuple[_Reach, _Reach, FloatArray]:
    """Give ln S at the start and the end of each period, and how far it drops in between."""
    m = n_loss_parameters(family)
    times = [
        _own_time(theta[:, m:], t, counts.features, has_power(family))
        for t in (counts.periods, counts.periods + 1)
    ]
    make = _constant_loss if m == 1 else _beta_loss
    start, end = (make(np.exp(theta[:, :m]), *time) for time in times)
    (first, *_), (last, *_) = times
    if m == 1:
        drop = -np.exp(theta[:, :1]) * (last - first)
    else:
        a, b = np.exp(theta[:, :1]), np.exp(theta[:, 1:2])
        drop = log_beta_survival(a, b + first, last - first)
    return start, end, np.asarray(drop, dtype=float)


def _own_time(
    rest: FloatArray, t: FloatArray, features: FloatArray | None, is_bent: bool
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Give E = exp(x'beta) t ** c, how ln E moves with (ln c, beta), and the bend in ln c."""
    shape = (len(rest), t.size)
    log_t = np.log(np.where(t > 0, t, 1.0))
    log_time = np.broadcast_to(log_t, shape)
    power = np.zeros(shape)
    turns: list[FloatArray] = []
    if is_bent:
        power = np.exp(rest[:, :1]) * log_t
        log_time = power
        turns.append(power[..., None])
        rest = rest[:, 1:]
    if features is not None:
        log_time = log_time + rest @ features.T
        turns.append(np.broadcast_to(features, (*shape, features.shape[1])))
    own = np.where(t > 0, np.exp(np.minimum(log_time, _LARGEST_LOG)), 0.0)
    every = np.concatenate(turns, axis=2) if turns else np.zeros((*shape, 0))
    return own, every, power


def _constant_loss(
    rate: FloatArray, own: FloatArray, turns: FloatArray, power: FloatArray
) -> _Reach:
    """Give ln S = -rate E: every derivative in the logarithms is ln S again."""
    value = -rate * own
    slope = np.stack([value, value], axis=2)
    bend = np.broadcast_to(value[..., None, None], (*value.shape, 2, 2))
    return _Reach(value, slope, bend, turns, power)


def _beta_loss(shape: FloatArray, own: FloatArray, turns: FloatArray, power: FloatArray) -> _Reach:
    """Give ln S = ln B(a, b + E) - ln B(a, b), and its derivatives in (ln a, ln b, ln E)."""
    a, b = shape[:, :1], shape[:, 1:]
    both = a + b
    to_both = -_digamma_rise(both, own)
    to_b = _digamma_rise(b, own)
    in_time = -_digamma_rise(b + own, a)
    slope = np.stack([a * to_both, b * (to_both + to_b), own * in_time], axis=2)
    far_both = special.zeta(2, both + own)  # trigamma
    bend_both = -_trigamma_rise(both, own)
    bend_b = _trigamma_rise(b, own)
    across = -_trigamma_rise(b + own, a)
    bend = np.empty((*own.shape, 3, 3))
    bend[..., 0, 0] = a * a * bend_both + slope[..., 0]
    bend[..., 1, 1] = b * b * (bend_both + bend_b) + slope[..., 1]
    bend[..., 2, 2] = own * own * across + slope[..., 2]
    bend[..., 0, 1] = bend[..., 1, 0] = a * b * bend_both
    bend[..., 0, 2] = bend[..., 2, 0] = -a * own * far_both
    bend[..., 1, 2] = bend[..., 2, 1] = b * own * across
    return _Reach(log_beta_survival(a, b, own), slope, bend, turns, power)


def _in_parameters(reach: _Reach) -> FloatArray:
    """Give the slope of ln S in all parameters, (d, k, p)."""
    return np.concatenate([reach.slope[..., :-1], reach.slope[..., -1:] * reach.turns], axis=2)


def _slope_sum(reach: _Reach, weight: FloatArray) -> FloatArray:
    return np.asarray(np.einsum("dk,dkp->dp", weight, _in_parameters(reach)), dtype=float)


def _bend_sum(reach: _Reach, weight: FloatArray) -> FloatArray:
    """Add up the second derivatives of ln S in all parameters, (d, p, p)."""
    m, r = reach.slope.shape[2] - 1, reach.turns.shape[2]
    total = np.zeros((len(weight), m + r, m + r))
    total[:, :m, :m] = np.einsum("dk,dkij->dij", weight, reach.bend[..., :m, :m])
    if r:
        cross = np.einsum("dk,dki,dkj->dij", weight, reach.bend[..., :m, m], reach.turns)
        total[:, :m, m:], total[:, m:, :m] = cross, cross.transpose(0, 2, 1)
        own = weight * reach.bend[..., m, m]
        total[:, m:, m:] = np.einsum("dk,dki,dkj->dij", own, reach.turns, reach.turns)
        # ln E is bent in the logarithm of c, and straight in the coefficients
        total[:, m, m] += (weight * reach.slope[..., m] * reach.power).sum(axis=1)
    return total
