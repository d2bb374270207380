"""Intervals for shares, the NPS and means, and the sample that repeats and weights leave of n."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from cxmodel.results import CONF_LEVEL, critical_value

ROCKS_PSEUDO_COUNTS = (0.75, 1.5, 0.75)
ROCKS_Z_SQUARED = 3.84
POWER = 0.8


class Interval(NamedTuple):
    """An estimate, its standard error and its interval, in one unit."""

    estimate: float
    std_error: float
    conf_low: float
    conf_high: float


def adjusted_wald_nps(
    n_promoters: float,
    n_passives: float,
    n_detractors: float,
    *,
    conf_level: float = CONF_LEVEL,
    n_effective: float | None = None,
) -> Interval:
    """Give the NPS with the adjusted Wald interval of Rocks, on -100 to 100.

    Promoters, passives and detractors gain 3/4, 3/2 and 3/4 answers, times z^2 / 3.84 so that the
    rule, made for 95%, holds at other levels. The ends are clipped to -100 and 100 and never leave
    out the estimate, which is that of the answers as they are; so is the standard error.

    Parameters
    ----------
    n_promoters, n_passives, n_detractors : float
        Answers, or sums of weights, in each band.
    conf_level : float
        Level of the interval.
    n_effective : float, optional
        Independent answers behind them; default their number.

    References
    ----------
    Rocks, B. (2016). Interval estimation for the Net Promoter Score. The American Statistician
    70(4), 365-372.

    Raises
    ------
    ValueError
        If a count is negative or all are zero.

    Examples
    --------
    >>> nps = adjusted_wald_nps(50, 30, 20)
    >>> nps.estimate, round(nps.conf_low, 2), round(nps.conf_high, 2)
    (30.0, 14.05, 44.2)
    """
    counts = np.array([n_promoters, n_passives, n_detractors], dtype=float)
    total = _positive_total(counts)
    n = total if n_effective is None else float(n_effective)
    shares = counts / total
    estimate, variance = _score_moments(shares)
    z = critical_value(conf_level)
    pseudo = np.array(ROCKS_PSEUDO_COUNTS) * z**2 / ROCKS_Z_SQUARED
    padded = shares * n + pseudo
    centre, padded_variance = _score_moments(padded / padded.sum())
    half = z * math.sqrt(padded_variance / padded.sum())
    return Interval(
        100 * estimate,
        100 * math.sqrt(variance / n),
        100 * max(-1.0, min(estimate, centre - half)),
        100 * min(1.0, max(estimate, centre + half)),
    )


def wilson(
    count: float,
    n: float,
    *,
    conf_level: float = CONF_LEVEL,
    n_effective: float | None = None,
) -> Interval:
    """Give a share with its Wilson score interval, as fractions.

    Parameters
    ----------
    count, n : float
        Cases that count and all cases; `count` lies in 0 to `n`.
    conf_level : float
        Level of the interval.
    n_effective : float, optional
        Independent cases behind them; default `n`.

    References
    ----------
    Wilson, E. B. (1927). Journal of the American Statistical Association 22, 209-212.

    Raises
    ------
    ValueError
        If `n` is not positive or `count` lies outside 0 to `n`.

    Examples
    --------
    >>> csat = wilson(80, 100)
    >>> round(100 * csat.conf_low, 2), round(100 * csat.conf_high, 2)
    (71.12, 86.66)
    """
    _check_share(count, n)
    share = count / n
    size = float(n) if n_effective is None else float(n_effective)
    z_squared = critical_value(conf_level) ** 2
    centre = (share + z_squared / (2 * size)) / (1 + z_squared / size)
    spread = share * (1 - share) / size + z_squared / (4 * size**2)
    half = math.sqrt(z_squared * spread) / (1 + z_squared / size)
    return Interval(
        share,
        math.sqrt(share * (1 - share) / size),
        max(0.0, min(share, centre - half)),
        min(1.0, max(share, centre + half)),
    )


def clopper_pearson(count: float, n: float, *, conf_level: float = CONF_LEVEL) -> Interval:
    """Give a share with its exact (Clopper-Pearson) interval, as fractions.

    Parameters
    ----------
    count, n : float
        Cases that count and all cases.
    conf_level : float
        Level of the interval; the true coverage is at least that.

    References
    ----------
    Clopper, C. J. and Pearson, E. S. (1934). Biometrika 26, 404-413.

    Raises
    ------
    ValueError
        If `n` is not positive or `count` lies outside 0 to `n`.

    Examples
    --------
    >>> csat = clopper_pearson(80, 100)
    >>> round(100 * csat.conf_low, 2), round(100 * csat.conf_high, 2)
    (70.82, 87.33)
    """
    from scipy.special import betaincinv

    _check_share(count, n)
    share, tail = count / n, (1 - conf_level) / 2
    low = 0.0 if count == 0 else float(betaincinv(count, n - count + 1, tail))
    high = 1.0 if count == n else float(betaincinv(count + 1, n - count, 1 - tail))
    return Interval(share, math.sqrt(share * (1 - share) / n), low, high)


def mean_interval(
    mean: float,
    variance: float,
    n: float,
    *,
    conf_level: float = CONF_LEVEL,
    n_effective: float | None = None,
) -> Interval:
    """Give a mean with Student's t interval.

    Parameters
    ----------
    mean : float
        The mean, in any unit.
    variance : float
        The variance with divisor n - 1, in that unit squared.
    n : float
        Number of values.
    conf_level : float
        Level of the interval.
    n_effective : float, optional
        Independent values behind them; default `n`. The degrees of freedom are one fewer.

    Raises
    ------
    ValueError
        If `n` is not positive or the variance negative.

    Examples
    --------
    >>> nps = mean_interval(30.0, 10_000 * 0.61 * 100 / 99, 100)
    >>> round(nps.conf_low, 2), round(nps.conf_high, 2)
    (14.42, 45.58)
    """
    if n <= 0 or variance < 0:
        raise ValueError(
            f"A mean needs values and a variance of 0 or more, not n={n}, {variance=}."
        )
    size = float(n) if n_effective is None else float(n_effective)
    if size <= 1:
        return Interval(mean, math.nan, math.nan, math.nan)
    std_error = math.sqrt(variance / size)
    half = critical_value(conf_level, size - 1) * std_error
    return Interval(mean, std_error, mean - half, mean + half)


def kish_effective_n(weights: npt.ArrayLike) -> float:
    """Give the number of equally weighted answers that weights leave: (sum w)^2 / sum w^2.

    Parameters
    ----------
    weights : array-like, shape (n,)
        Zero or more each; only their ratios matter.

    References
    ----------
    Kish, L. (1965). Survey Sampling, section 11.7.

    Raises
    ------
    ValueError
        If a weight is negative or not finite, or none is positive.

    Examples
    --------
    >>> kish_effective_n([1, 1, 1, 1]), round(kish_effective_n([3, 1]), 2)
    (4.0, 1.6)
    """
    w = np.asarray(weights, dtype=float)
    _positive_total(w)
    return float(w.sum() ** 2 / (w @ w))


def design_effect(
    values: npt.ArrayLike,
    clusters: npt.ArrayLike,
    *,
    weights: npt.ArrayLike | None = None,
) -> float:
    """Give how many times larger the variance of a mean is because customers answer repeatedly.

    It is the variance of the mean between customers over the variance of independent answers, at
    least 1 (see `design_effect_from_sums`).

    Parameters
    ----------
    values : array-like, shape (n,)
        One number per answer: for the NPS 1, 0 and -1, for a share 1 and 0.
    clusters : array-like, shape (n,)
        Who answered; any labels.
    weights : array-like, shape (n,), optional
        Weights of the answers.

    Raises
    ------
    ValueError
        If lengths differ or there are no answers.

    Examples
    --------
    >>> effect = design_effect([1, 1, 0, 0, 1, 1, 0, 0], [1, 1, 2, 2, 3, 3, 4, 4])
    >>> round(effect, 4)
    2.3333
    """
    y = np.asarray(values, dtype=float)
    labels = np.asarray(clusters)
    w = np.ones_like(y) if weights is None else np.asarray(weights, dtype=float)
    if not y.shape == labels.shape == w.shape or y.ndim != 1:
        raise ValueError(
            f"values, clusters and weights differ in length: {y.shape}, {labels.shape}, {w.shape}."
        )
    mean = float(w @ y) / _positive_total(w)
    _, index = np.unique(labels, return_inverse=True)
    cluster_sums = np.bincount(index, weights=w * (y - mean))
    cluster_sizes = np.bincount(index, weights=w)
    return design_effect_from_sums(
        between=float(cluster_sums @ cluster_sums),
        simple=float(np.sum((w * (y - mean)) ** 2)),
        n=len(y),
        n_clusters=len(cluster_sizes),
        fully_dependent=float(cluster_sizes @ cluster_sizes) / float(w @ w),
    )


def design_effect_from_sums(
    *, between: float, simple: float, n: int, n_clusters: int, fully_dependent: float
) -> float:
    """Give the design effect of repeats from sums that an engine can form.

    The variance over G customers is that of a ratio with the correction G / (G - 1), that of n
    independent answers has n / (n - 1), so without repeats the effect is 1. One under 1 is set to
    1: answers of one customer do not hold more than answers of several. Where nothing varies, or
    one customer gave all answers, nothing can be learnt about dependence and the answers of a
    customer are taken to be one.

    Parameters
    ----------
    between : float
        Sum over customers of the square of the summed deviations from the mean.
    simple : float
        Sum over answers of the squared deviations.
    n, n_clusters : int
        Number of answers and of customers.
    fully_dependent : float
        The design effect if a customer always gave the same answer: the sum of the squared numbers
        of answers over the number of answers.

    Examples
    --------
    >>> design_effect_from_sums(between=16, simple=8, n=800, n_clusters=400, fully_dependent=2)
    2.0025...
    >>> design_effect_from_sums(between=0, simple=0, n=8, n_clusters=4, fully_dependent=2)
    2
    """
    if n_clusters < 2 or simple <= 0:
        return max(1.0, fully_dependent)
    corrections = (n_clusters / (n_clusters - 1)) / (n / (n - 1))
    return max(1.0, between / simple * corrections)


def effective_n(
    values: npt.ArrayLike,
    *,
    weights: npt.ArrayLike | None = None,
    clusters: npt.ArrayLike | None = None,
) -> float:
    """Give the number of independent answers: Kish for weights, over the design effect of repeats.

    Parameters
    ----------
    values : array-like, shape (n,)
        One number per answer.
    weights, clusters : array-like, shape (n,), optional
        Weights of the answers, and who answered.

    Examples
    --------
    >>> effective_n([1, 0, 1, 0]), effective_n([1, 1, 0, 0] * 2, clusters=[1, 1, 2, 2, 3, 3, 4, 4])
    (4.0, 3.4285714285714284)
    """
    y = np.asarray(values, dtype=float)
    n = float(len(y)) if weights is None else kish_effective_n(weights)
    return n if clusters is None else n / design_effect(y, clusters, weights=weights)


def detectable_change(
    std_error: float, *, conf_level: float = CONF_LEVEL, power: float = POWER
) -> float:
    """Give the change to a second sample of the same size that would be seen with this power.

    It is (z_conf + z_power) sqrt(2) times the standard error, in its unit.

    Parameters
    ----------
    std_error : float
        Of the figure now.
    conf_level, power : float
        The level of the two-sided test (0.95), and the chance to see the change (0.80).

    Examples
    --------
    >>> round(detectable_change(7.8102), 1)
    30.9
    """
    from statistics import NormalDist

    return (critical_value(conf_level) + NormalDist().inv_cdf(power)) * math.sqrt(2) * std_error


def _score_moments(shares: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Mean and variance of +1, 0 and -1 with these shares."""
    promoters, _, detractors = (float(share) for share in shares)
    mean = promoters - detractors
    return mean, max(0.0, promoters + detractors - mean**2)


def _positive_total(counts: npt.NDArray[np.float64]) -> float:
    total = float(counts.sum())
    if not math.isfinite(total) or total <= 0 or bool((counts < 0).any()):
        raise ValueError("Counts and weights must be 0 or more, and at least one above 0.")
    return total


def _check_share(count: float, n: float) -> None:
    if n <= 0 or not 0 <= count <= n:
        raise ValueError(f"A share needs 0 <= count <= n and n above 0, not {count} of {n}.")
