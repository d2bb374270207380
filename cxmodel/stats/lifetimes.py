"""How long customers stay, by a model: geometric, discrete Weibull, and their beta mixtures."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
from scipy import special

from cxmodel.errors import ConvergenceError
from cxmodel.stats.lifetime_likelihood import (
    LifetimeFamily,
    has_power,
    lifetime_terms,
    n_loss_parameters,
)
from cxmodel.stats.newton import Box, climb

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

_LOG_LIMIT = 10.0  # parameters stay in exp(+-10): beyond, the likelihood no longer changes
_LOG_FLAT = 8.0  # beyond this the likelihood is flat, wherever the search stops
_LOG_POWER_LIMIT = 2.5  # c stays in 0.08 to 12
# Of -ln(1 - loss) in the first period of a discrete Weibull. Where nearly all leave after 100
# periods at c = 12, the first loses e^-55; above e^3.5 one loss cannot be told from 1.
_LOG_RATE_ENDS = (-60.0, 3.5)
_COEFFICIENT_LIMIT = 25.0  # per standard deviation of a feature: a hazard of e^25 is no hazard

NAMES: dict[LifetimeFamily, str] = {
    "geometric": "geometric",
    "discrete_weibull": "discrete Weibull",
    "sbg": "shifted beta-geometric",
    "bdw": "beta-discrete-Weibull",
}
PARAMETER_NAMES: dict[LifetimeFamily, tuple[str, ...]] = {
    "geometric": ("prob_churn_per_period",),
    "discrete_weibull": ("prob_churn_first_period", "c"),
    "sbg": ("alpha", "beta"),
    "bdw": ("gamma", "delta", "c"),
}


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
    features : numpy.ndarray, shape (k, q), optional
        What multiplies the hazard; times may then repeat.
    """

    periods: FloatArray
    stayed: FloatArray
    lost: FloatArray
    features: FloatArray | None = None

    @property
    def n_features(self) -> int:
        """How many features there are."""
        return 0 if self.features is None else self.features.shape[1]

    @property
    def n_loss_periods(self) -> int:
        """How many periods lost somebody: no more parameters can be told."""
        return int(np.unique(self.periods[(self.lost > 0).any(axis=0)]).size)

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
    parameters : numpy.ndarray, shape (draws, p)
        In the order of `PARAMETER_NAMES`; coefficients of features follow.
    log_likelihood : numpy.ndarray, shape (draws,)
        At the maximum.
    at_boundary : numpy.ndarray of bool, shape (draws,)
        Whether a parameter ran to the end of its range.
    """

    parameters: FloatArray
    log_likelihood: FloatArray
    at_boundary: BoolArray


def lifetime_log_likelihood(
    family: LifetimeFamily, counts: PeriodCounts, parameters: npt.ArrayLike
) -> float:
    """Give the log-likelihood of the first weighting in `counts` at these parameters.

    Examples
    --------
    >>> counts = PeriodCounts.from_alive([1000, 869, 743, 653, 593, 551, 517, 491])
    >>> round(lifetime_log_likelihood("sbg", counts, [0.6681, 3.8061]), 4)
    -1611.1581
    """
    value, _, _ = lifetime_terms(to_logs(family, np.asarray([parameters], float)), counts, family)
    return float(value[0])


def sbg_log_likelihood(counts: PeriodCounts, alpha: float, beta: float) -> float:
    """Give the log-likelihood of the shifted beta-geometric.

    Examples
    --------
    >>> counts = PeriodCounts.from_alive([1000, 869, 743, 653, 593, 551, 517, 491])
    >>> round(sbg_log_likelihood(counts, 0.6681, 3.8061), 4)
    -1611.1581
    """
    return lifetime_log_likelihood("sbg", counts, [alpha, beta])


def fit_lifetime(
    family: LifetimeFamily, counts: PeriodCounts, start: FloatArray | None = None
) -> LifetimeFit:
    """Fit a family to every weighting at once, by Newton's method on logarithms.

    The likelihood is flat along the ratio of the two parameters of the beta distribution, so all
    parameters are bounded; what runs to a bound is named in `at_boundary`.

    Parameters
    ----------
    family : {"geometric", "discrete_weibull", "sbg", "bdw"}
        The lifetime.
    counts : PeriodCounts
        One or many weightings.
    start : numpy.ndarray, shape (p,), optional
        Parameters near the maximum; otherwise several starts are tried.

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
    >>> fit = fit_lifetime("sbg", counts)
    >>> fit.parameters.round(3).tolist(), round(float(fit.log_likelihood[0]), 4)
    ([[0.668, 3.806]], -1611.1581)
    """
    if family == "geometric" and counts.features is None:
        return fit_geometric(counts)
    if start is None:
        starts = _starts(family, counts)
    else:
        starts = [np.tile(to_logs(family, start[None, :]), (len(counts.stayed), 1))]
    box, scale = _box(family, counts), np.abs(counts.stayed).sum(axis=1).clip(1.0)
    terms = partial(lifetime_terms, counts=counts, family=family)
    best: tuple[FloatArray, FloatArray] | None = None
    trouble: ConvergenceError | None = None
    for theta in starts:
        try:
            found = climb(terms, theta, box, scale, what=f"the {NAMES[family]}")
        except ConvergenceError as error:
            trouble = error
            continue
        best = found if best is None else _better(best, found)
    if best is None:
        raise trouble or ConvergenceError(f"The {NAMES[family]} has no start.")
    theta, value = best
    return LifetimeFit(_from_logs(family, theta), value, _at_boundary(family, theta))


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


def fit_sbg(counts: PeriodCounts) -> LifetimeFit:
    """Fit the shifted beta-geometric; see `fit_lifetime`."""
    return fit_lifetime("sbg", counts)


def _better(
    one: tuple[FloatArray, FloatArray], other: tuple[FloatArray, FloatArray]
) -> tuple[FloatArray, FloatArray]:
    """Keep for each weighting the higher of two maxima; the first where they are one."""
    higher = other[1] > one[1] + 1e-7 * (1 + np.abs(one[1]))
    return np.where(higher[:, None], other[0], one[0]), np.where(higher, other[1], one[1])


def _starts(family: LifetimeFamily, counts: PeriodCounts) -> list[FloatArray]:
    """Begin at customers who differ somewhat, at the overall loss; rising and falling hazards."""
    plain = PeriodCounts(counts.periods, counts.stayed, counts.lost)
    loss = fit_geometric(plain).parameters[:, 0].clip(1e-4, 1 - 1e-4)
    blank = np.zeros((len(loss), counts.n_features))
    begin = np.log(np.column_stack([loss, 1 - loss]) * 2.0)
    if n_loss_parameters(family) == 1:
        begin = np.log(-np.log1p(-loss))[:, None]
    if not has_power(family):
        return [np.column_stack([begin, blank])]
    powers = [np.full(len(loss), np.log(c)) for c in (1.0, 1.6, 0.7)]
    return [np.column_stack([begin, power, blank]) for power in powers]


def _box(family: LifetimeFamily, counts: PeriodCounts) -> Box:
    high = np.full(n_loss_parameters(family), _LOG_LIMIT)
    low = -high
    if family == "discrete_weibull":
        low, high = np.array([_LOG_RATE_ENDS[0]]), np.array([_LOG_RATE_ENDS[1]])
    rest = np.full(int(has_power(family)), _LOG_POWER_LIMIT)
    if counts.features is not None:
        spread = counts.features.std(axis=0)
        rest = np.append(rest, _COEFFICIENT_LIMIT / np.where(spread > 0, spread, 1.0))
    return Box(np.append(low, -rest), np.append(high, rest))


def _at_boundary(family: LifetimeFamily, theta: FloatArray) -> BoolArray:
    m = n_loss_parameters(family)
    if family == "discrete_weibull":
        low, high = _LOG_RATE_ENDS
        found = np.asarray((theta[:, 0] <= low + 1e-6) | (theta[:, 0] >= high - 1e-6))
    else:
        found = np.asarray((np.abs(theta[:, :m]) >= _LOG_FLAT).any(axis=1))
    if has_power(family):
        found |= np.abs(theta[:, m]) >= _LOG_POWER_LIMIT - 1e-6
    return np.asarray(found)


def to_logs(family: LifetimeFamily, parameters: FloatArray) -> FloatArray:
    """Turn parameters into those of the likelihood; coefficients of features stay."""
    n = len(PARAMETER_NAMES[family])
    own = parameters[:, :n]
    logs = np.log(own)
    if n_loss_parameters(family) == 1:
        logs[:, 0] = np.log(-np.log1p(-own[:, 0]))
    return np.column_stack([logs, parameters[:, n:]])


def _from_logs(family: LifetimeFamily, theta: FloatArray) -> FloatArray:
    n = len(PARAMETER_NAMES[family])
    own = np.exp(theta[:, :n])
    if n_loss_parameters(family) == 1:
        own[:, 0] = -np.expm1(-own[:, 0])
    return np.column_stack([own, theta[:, n:]])
