"""Do groups stay equally long? The log-rank test, and restricted mean survival times."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import chdtrc

from cxmodel.errors import InsufficientDataError
from cxmodel.stats.survival import KaplanMeier

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LogRank:
    """A log-rank test of equal survival in all groups.

    Parameters
    ----------
    groups : tuple
        In order.
    observed, expected : numpy.ndarray, shape (g,)
        Events in each group, and those expected were all groups alike.
    covariance : numpy.ndarray, shape (g, g)
        Of observed - expected.
    statistic : float
        Chi-squared.
    deg_freedom : int
        Groups less one.
    p_value : float
        Of equal survival.
    """

    groups: tuple[object, ...]
    observed: FloatArray
    expected: FloatArray
    covariance: FloatArray
    statistic: float
    deg_freedom: int
    p_value: float


def log_rank(
    durations: npt.ArrayLike,
    events: npt.ArrayLike,
    groups: npt.ArrayLike,
    *,
    entries: npt.ArrayLike | None = None,
    strata: npt.ArrayLike | None = None,
) -> LogRank:
    """Test whether two or more groups stay equally long.

    Parameters
    ----------
    durations : array_like of float, shape (n,)
        Time until the customer left, or until observation ended.
    events : array_like of bool, shape (n,)
        Whether the customer left.
    groups : array_like, shape (n,)
        The group of each customer.
    entries : array_like of float, shape (n,), optional
        When each came under observation (delayed entry).
    strata : array_like, shape (n,), optional
        Compare within each stratum alone, and add up.

    Returns
    -------
    LogRank

    Raises
    ------
    InsufficientDataError
        If there are fewer than two groups, or nobody left.

    References
    ----------
    Mantel (1966); with more than two groups and ties, Kalbfleisch & Prentice (2002), section 1.5.

    Examples
    --------
    >>> test = log_rank([1, 3, 2, 4], [True, True, True, False], ["a", "a", "b", "b"])
    >>> test.observed.tolist(), test.expected.round(4).tolist(), round(test.statistic, 4)
    ([2.0, 1.0], [1.3333, 1.6667], 0.6154)
    """
    ends = np.asarray(durations, dtype=float)
    left = np.asarray(events, dtype=bool)
    names, group = np.unique(np.asarray(groups), return_inverse=True)
    if len(names) < 2 or not left.any():
        raise InsufficientDataError(
            f"A log-rank test needs two groups and somebody who left; there are {len(names)} "
            f"groups and {int(left.sum())} who left."
        )
    start = None if entries is None else np.asarray(entries, dtype=float)
    layer = np.zeros(ends.size) if strata is None else np.asarray(strata)
    observed, expected = np.zeros(len(names)), np.zeros(len(names))
    covariance = np.zeros((len(names), len(names)))
    for one in np.unique(layer):
        mine = layer == one
        parts = _compare(
            ends[mine], left[mine], group[mine], None if start is None else start[mine], len(names)
        )
        observed += parts[0]
        expected += parts[1]
        covariance += parts[2]
    off = (observed - expected)[:-1]
    inverse = np.linalg.pinv(covariance[:-1, :-1], hermitian=True)
    statistic = float(off @ inverse @ off)
    freedom = len(names) - 1
    return LogRank(
        groups=tuple(names.tolist()),
        observed=observed,
        expected=expected,
        covariance=covariance,
        statistic=statistic,
        deg_freedom=freedom,
        p_value=float(chdtrc(freedom, statistic)),
    )


def _compare(
    ends: FloatArray,
    left: npt.NDArray[np.bool_],
    group: npt.NDArray[np.intp],
    entries: FloatArray | None,
    n_groups: int,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Count events, expected events and their covariance over the times at which somebody left."""
    times = np.unique(ends[left])
    at_risk, lost = np.zeros((n_groups, times.size)), np.zeros((n_groups, times.size))
    for g in range(n_groups):
        mine = group == g
        own = np.sort(ends[mine])
        at_risk[g] = own.size - np.searchsorted(own, times, side="left")
        if entries is not None:
            # somebody who enters at or after a time is not at risk at it
            came = np.sort(entries[mine])
            at_risk[g] -= own.size - np.searchsorted(came, times, side="left")
        lost[g] = np.bincount(np.searchsorted(times, ends[mine & left]), minlength=times.size)[
            : times.size
        ]
    n, d = at_risk.sum(axis=0), lost.sum(axis=0)
    share = np.divide(at_risk, n, out=np.zeros_like(at_risk), where=n > 0)
    spread = np.divide(d * (n - d), n - 1, out=np.zeros_like(n), where=n > 1)
    covariance = np.diag((share * spread).sum(axis=1)) - (share * spread) @ share.T
    return lost.sum(axis=1), (share * d).sum(axis=1), covariance


@dataclass(frozen=True)
class RestrictedMean:
    """How long customers stay on average up to a horizon.

    Parameters
    ----------
    estimate, std_error : float
        In the time unit of the curve.
    horizon : float
        Time beyond it does not count.
    """

    estimate: float
    std_error: float
    horizon: float

    def minus(self, other: RestrictedMean) -> tuple[float, float, float]:
        """Give the difference to an independent group: estimate, standard error, p-value.

        Raises
        ------
        ValueError
            If the horizons differ.
        """
        if self.horizon != other.horizon:
            raise ValueError(
                f"Restricted means up to {self.horizon:g} and {other.horizon:g} do not compare. "
                "Take one horizon, no longer than the shorter curve."
            )
        estimate = self.estimate - other.estimate
        error = math.hypot(self.std_error, other.std_error)
        p_value = math.erfc(abs(estimate / error) / math.sqrt(2)) if error > 0 else math.nan
        return estimate, error, p_value


def restricted_mean(curve: KaplanMeier, horizon: float) -> RestrictedMean:
    """Give the area under a survival curve up to a horizon, with its standard error.

    Parameters
    ----------
    curve : KaplanMeier
        The curve.
    horizon : float
        No later than the last time under observation, unless everybody has left by then.

    Returns
    -------
    RestrictedMean

    Raises
    ------
    ValueError
        If the horizon is not positive, or lies beyond what the curve shows.

    References
    ----------
    Irwin (1949); variance as in Klein & Moeschberger (2003), section 4.5.

    Examples
    --------
    >>> from cxmodel.stats.survival import kaplan_meier
    >>> found = restricted_mean(kaplan_meier([1, 2, 3, 4], [True, True, False, True]), 4.0)
    >>> found.estimate, round(found.std_error, 4)
    (2.75, 0.6495)
    """
    last = float(curve.times[-1])
    if not horizon > 0 or (horizon > last and curve.survival[-1] > 0):
        raise ValueError(
            f"The curve is seen up to {last:g}, so a restricted mean to {horizon:g} is not to be "
            "had. Take a horizon above 0 and no longer than that."
        )
    inside = curve.times < horizon
    edges = np.concatenate([[0.0], curve.times[inside], [horizon]])
    heights = np.concatenate([[1.0], curve.survival[inside]])
    areas = np.diff(edges) * heights
    after = np.cumsum(areas[::-1])[::-1][1:]
    rest = curve.at_risk * (curve.at_risk - curve.events)
    jump = np.divide(curve.events, rest, out=np.zeros_like(rest), where=rest > 0)[inside]
    return RestrictedMean(float(areas.sum()), float(np.sqrt(jump @ after**2)), horizon)
