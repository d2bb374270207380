"""How long customers stay, by a model: the geometric and the shifted beta-geometric lifetimes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from cxmodel.errors import ConvergenceError

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

_LOG_LIMIT = 10.0  # parameters stay in exp(+-10): beyond, the likelihood no longer changes
_LOG_FLAT = 8.0  # beyond this the likelihood is flat, wherever the search stops
_MAX_STEPS = 100
# Likelihood still to be won by a Newton step, per unit of weight.
_CLOSE, _NEAR = 1e-10, 1e-6


@dataclass(frozen=True, eq=False)
class PeriodCounts:
    """What a discrete lifetime model reads: weights by whole periods, one or many weightings.

    Parameters
    ----------
    periods : numpy.ndarray, shape (k,)
        Distinct times t at which ln S(t) enters the likelihood.
    stayed : numpy.ndarray, shape (draws, k)
        Weight on ln S(t): stayers censored at t, plus leavers of the period after t, minus those
        who came under observation at t.
    lost : numpy.ndarray, shape (draws, k)
        Weight of those who left in the period (t, t + 1].
    """

    periods: FloatArray
    stayed: FloatArray
    lost: FloatArray

    @classmethod
    def from_alive(cls, alive: npt.ArrayLike) -> PeriodCounts:
        """Read the customers alive at t = 0, 1, 2, ..., of one cohort."""
        counts = np.asarray(alive, dtype=float)
        lost = np.append(-np.diff(counts), 0.0)
        stayed = lost.copy()
        stayed[-1] += counts[-1]
        return cls(np.arange(counts.size, dtype=float), stayed[None, :], lost[None, :])

    @classmethod
    def from_rows(
        cls,
        last_period: npt.ArrayLike,
        events: npt.ArrayLike,
        weight_draws: list[FloatArray],
        entries: npt.ArrayLike | None = None,
    ) -> PeriodCounts:
        """Count rows that stayed whole periods `last_period`, and left in the next if `events`."""
        stayed_to = np.asarray(last_period, dtype=float)
        entered = np.zeros(0) if entries is None else np.asarray(entries, dtype=float)
        periods, place = np.unique(np.concatenate([stayed_to, entered]), return_inverse=True)
        own, came = place[: stayed_to.size], place[stayed_to.size :]
        left = np.asarray(events, dtype=bool)
        stayed, lost = [], []
        for mass in weight_draws:
            row = np.bincount(own, weights=mass, minlength=periods.size)
            if entries is not None:
                row = row - np.bincount(came, weights=mass, minlength=periods.size)
            stayed.append(row)
            lost.append(np.bincount(own, weights=mass * left, minlength=periods.size))
        return cls(periods, np.vstack(stayed), np.vstack(lost))


@dataclass(frozen=True, eq=False)
class LifetimeFit:
    """Parameters of a lifetime model for each weighting.

    Parameters
    ----------
    parameters : numpy.ndarray, shape (draws, 2) or (draws, 1)
        Alpha and beta, or the share lost in a period.
    log_likelihood : numpy.ndarray, shape (draws,)
        At the maximum.
    at_boundary : numpy.ndarray of bool, shape (draws,)
        Whether a parameter ran to the end of its range.
    """

    parameters: FloatArray
    log_likelihood: FloatArray
    at_boundary: BoolArray


def geometric_survival(prob_loss: npt.ArrayLike, t: npt.ArrayLike) -> FloatArray:
    """Give S(t) when every period loses the same share.

    Examples
    --------
    >>> geometric_survival(0.2, [0, 1, 2]).round(2).tolist()
    [1.0, 0.8, 0.64]
    """
    return np.asarray((1 - np.asarray(prob_loss)) ** np.asarray(t, dtype=float), dtype=float)


def fit_geometric(counts: PeriodCounts) -> LifetimeFit:
    """Fit a constant loss by maximum likelihood: losses over periods at risk.

    Examples
    --------
    >>> fit = fit_geometric(PeriodCounts.from_alive([100, 80, 64]))
    >>> fit.parameters.round(10).tolist()
    [[0.2]]
    """
    lost = counts.lost.sum(axis=1)
    kept = counts.stayed @ counts.periods  # ln S(t) = t ln(1 - p)
    loss = lost / (lost + kept)
    value = special.xlogy(lost, loss) + special.xlog1py(kept, -loss)
    return LifetimeFit(loss[:, None], np.asarray(value, dtype=float), (loss <= 0) | (loss >= 1))


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
    a, b, time = (np.asarray(value, dtype=float) for value in (alpha, beta, t))
    log_survival = (
        special.gammaln(b + time)
        - special.gammaln(a + b + time)
        + special.gammaln(a + b)
        - special.gammaln(b)
    )
    return np.asarray(np.exp(log_survival), dtype=float)


def sbg_log_likelihood(counts: PeriodCounts, alpha: float, beta: float) -> float:
    """Give the log-likelihood of the first weighting in `counts`.

    Examples
    --------
    >>> counts = PeriodCounts.from_alive([1000, 869, 743, 653, 593, 551, 517, 491])
    >>> round(sbg_log_likelihood(counts, 0.6681, 3.8061), 4)
    -1611.1581
    """
    value, _, _ = _sbg_terms(np.log([[alpha, beta]]), counts)
    return float(value[0])


def fit_sbg(counts: PeriodCounts) -> LifetimeFit:
    """Fit the shifted beta-geometric to every weighting at once, by Newton's method.

    The likelihood is flat along alpha / beta, so the logarithms of the parameters are bounded;
    what runs to a bound is named in `at_boundary`.

    Parameters
    ----------
    counts : PeriodCounts
        One or many weightings.

    Returns
    -------
    LifetimeFit

    Raises
    ------
    ConvergenceError
        If the maximum is not reached.

    Examples
    --------
    >>> counts = PeriodCounts.from_alive([1000, 869, 743, 653, 593, 551, 517, 491])
    >>> fit = fit_sbg(counts)
    >>> fit.parameters.round(3).tolist(), round(float(fit.log_likelihood[0]), 4)
    ([[0.668, 3.806]], -1611.1581)
    """
    loss = fit_geometric(counts).parameters[:, 0].clip(1e-4, 1 - 1e-4)
    theta = np.log(np.column_stack([loss, 1 - loss]) * 2.0).clip(-_LOG_LIMIT, _LOG_LIMIT)
    value, gradient, hessian = _sbg_terms(theta, counts)
    scale = np.abs(counts.stayed).sum(axis=1).clip(1.0)
    for _ in range(_MAX_STEPS):
        step = _ascent(theta, gradient, hessian)
        to_win = (gradient * step).sum(axis=1) / scale
        if np.all(to_win <= _CLOSE):
            break
        theta, value, gradient, hessian = _line_search(theta, step, value, counts)
    if not np.all(to_win <= _NEAR):
        raise ConvergenceError(
            f"The shifted beta-geometric did not converge in {_MAX_STEPS} steps. "
            'Take family="geometric", or more months.'
        )
    at_boundary = np.asarray((np.abs(theta) >= _LOG_FLAT).any(axis=1))
    return LifetimeFit(np.exp(theta), value, at_boundary)


def _ascent(theta: FloatArray, gradient: FloatArray, hessian: FloatArray) -> FloatArray:
    """Give an uphill Newton step; where the surface curves up, along its eigenvectors instead."""
    pinned = (np.abs(theta) >= _LOG_LIMIT - 1e-9) & (gradient * theta > 0)
    slope = np.where(pinned, 0.0, gradient)
    bend = hessian.copy()
    for axis in range(2):  # a pinned parameter does not move, nor does it turn the other
        bend[pinned[:, axis], axis, :] = 0.0
        bend[pinned[:, axis], :, axis] = 0.0
        bend[pinned[:, axis], axis, axis] = -1.0
    eigenvalues, vectors = np.linalg.eigh(bend)
    stiffness = np.maximum(np.abs(eigenvalues), 1e-10 * np.abs(eigenvalues).max(axis=1)[:, None])
    along = np.einsum("dij,di->dj", vectors, slope) / np.maximum(stiffness, 1e-300)
    step = np.einsum("dij,dj->di", vectors, along)
    longest = np.abs(step).max(axis=1, keepdims=True)
    return np.asarray(step * np.minimum(1.0, 2.0 / np.maximum(longest, 1e-300)), dtype=float)


def _line_search(
    theta: FloatArray, step: FloatArray, value: FloatArray, counts: PeriodCounts
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Halve each weighting's step until its likelihood no longer falls."""
    length = np.ones(len(theta))
    for _ in range(40):
        trial = (theta + length[:, None] * step).clip(-_LOG_LIMIT, _LOG_LIMIT)
        found, gradient, hessian = _sbg_terms(trial, counts)
        fell = found < value - 1e-10 * np.abs(value)  # less than that is rounding
        if not fell.any():
            break
        length = np.where(fell, length / 2, length)
    return trial, found, gradient, hessian


def _sbg_terms(
    theta: FloatArray, counts: PeriodCounts
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Log-likelihood with gradient and Hessian in (ln alpha, ln beta), for every weighting.

    Shapes: theta (draws, 2) -> (draws,), (draws, 2), (draws, 2, 2).
    P(left in (t, t + 1]) = S(t) alpha / (alpha + beta + t).
    """
    a, b, t = np.exp(theta[:, :1]), np.exp(theta[:, 1:]), counts.periods[None, :]
    both = a + b
    n, lost = counts.stayed, counts.lost
    log_survival = (
        special.gammaln(b + t) - special.gammaln(both + t) + special.gammaln(both)
    ) - special.gammaln(b)
    value = (n * log_survival + lost * (np.log(a) - np.log(both + t))).sum(axis=1)

    to_both = special.digamma(both) - special.digamma(both + t)
    to_b = special.digamma(b + t) - special.digamma(b)
    hazard = 1 / (both + t)
    slope_a = (n * to_both + lost * (1 / a - hazard)).sum(axis=1)
    slope_b = (n * (to_both + to_b) - lost * hazard).sum(axis=1)

    bend_both = special.zeta(2, both) - special.zeta(2, both + t)  # trigamma
    bend_b = special.zeta(2, b + t) - special.zeta(2, b)
    cross = (n * bend_both + lost * hazard**2).sum(axis=1)
    bend_aa = cross - (lost / a**2).sum(axis=1)
    bend_bb = cross + (n * bend_b).sum(axis=1)

    x, y = a[:, 0], b[:, 0]
    gradient = np.column_stack([x * slope_a, y * slope_b])
    hessian = np.empty((len(theta), 2, 2))
    hessian[:, 0, 0] = x * x * bend_aa + x * slope_a
    hessian[:, 1, 1] = y * y * bend_bb + y * slope_b
    hessian[:, 0, 1] = hessian[:, 1, 0] = x * y * cross
    return value, gradient, hessian


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
    if alpha <= 0 or beta <= 0:
        raise ValueError(f"alpha and beta must be positive, not {alpha} and {beta}.")
    if n_renewals < 0 or discount_rate_per_period < 0:
        raise ValueError("n_renewals and discount_rate_per_period must be 0 or more.")
    so_far = beta + n_renewals
    if discount_rate_per_period == 0:
        # 2F1 at 1 has a closed form (Gauss), which diverges for alpha <= 1.
        return float(so_far / (alpha - 1)) if alpha > 1 else float("inf")
    return _mean_geometric_derl(alpha, so_far, discount_rate_per_period)


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
