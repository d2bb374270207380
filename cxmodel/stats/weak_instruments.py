"""Whether instruments are strong enough, and intervals that hold when they are not."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc, chdtri, chndtrix, fdtri

from cxmodel.stats.sandwich import Codes
from cxmodel.stats.two_stage import TwoStage

Floats = NDArray[np.float64]
# Bias of two-stage least squares, as a share of its worst, that is tolerated.
WORST_BIAS = 0.10
N_GRID = 4_001


@dataclass(frozen=True)
class ConfidenceSet:
    """The values that a test does not reject; it need not be an interval.

    Parameters
    ----------
    form : {"interval", "outside", "everything", "empty"}
        From `low` to `high`; everything but what lies between them; no limits; nothing.
    low, high : float, optional
        The limits.
    """

    form: Literal["interval", "outside", "everything", "empty"]
    low: float | None = None
    high: float | None = None


def first_stage_f(fit: TwoStage, clusters: Codes | None = None) -> float:
    """Give the robust F of the instruments in the first stage: Wald over their number.

    Examples
    --------
    >>> from cxmodel.stats.two_stage import two_stage_least_squares
    >>> z = np.tile([0.0, 0.0, 1.0, 1.0], 25)
    >>> x = z + np.tile([0.0, 1.0, 0.0, 1.0], 25)
    >>> fit = two_stage_least_squares(x, x, z[:, None], np.ones((100, 1)))
    >>> round(first_stage_f(fit), 6) == round(effective_f(fit), 6) == 98.0
    True
    """
    n = fit.n_instruments
    covariance = fit.stages_covariance(clusters)[:n, :n]
    return float(fit.first @ np.linalg.solve(covariance, fit.first)) / n


def effective_f(fit: TwoStage, clusters: Codes | None = None) -> float:
    """Give the effective F of Montiel Olea & Pflueger (2013), robust as the errors are.

    In the orthonormal basis of the instruments it is ``first @ first / trace(covariance)``. With
    one instrument it is the robust F.
    """
    n = fit.n_instruments
    return float(fit.first @ fit.first / np.trace(fit.stages_covariance(clusters)[:n, :n]))


def effective_f_critical(
    fit: TwoStage, clusters: Codes | None = None, *, worst_bias: float = WORST_BIAS
) -> float:
    """Give the 5% critical value of the effective F (Montiel Olea & Pflueger 2013, simplified).

    Above it, that the bias exceeds `worst_bias` of its worst case is rejected.

    Parameters
    ----------
    worst_bias : float
        The share tau; 0.10 by default, for which one instrument needs 23.1.
    """
    n = fit.n_instruments
    covariance = fit.stages_covariance(clusters)[:n, :n]
    eigenvalues = np.linalg.eigvalsh(covariance)
    x, trace = 1 / worst_bias, float(eigenvalues.sum())
    degrees = (
        trace**2
        * (1 + 2 * x)
        / (float(eigenvalues @ eigenvalues) + 2 * x * trace * float(eigenvalues.max()))
    )
    return float(chndtrix(0.95, degrees, degrees * x)) / degrees


def overidentification(fit: TwoStage, clusters: Codes | None = None) -> tuple[float, float] | None:
    """Test whether the instruments agree on the slope: Hansen's J and its p-value.

    None with one instrument, which agrees with itself. The weight is the robust covariance at the
    two-stage estimate (two-step GMM; Hansen 1982).
    """
    n = fit.n_instruments
    if n < 2:
        return None
    weight = np.linalg.inv(_moment_covariance(fit.stages_covariance(clusters), n, fit.slope))
    slope = (fit.first @ weight @ fit.reduced) / (fit.first @ weight @ fit.first)
    moments = fit.reduced - slope * fit.first
    statistic = float(moments @ weight @ moments)
    return statistic, float(chdtrc(n - 1, statistic))


def anderson_rubin(
    fit: TwoStage,
    *,
    conf_level: float = 0.95,
    clusters: Codes | None = None,
    deg_freedom: float | None = None,
) -> ConfidenceSet:
    """Give the slopes that the data do not reject, however weak the instruments (Anderson & Rubin).

    A slope b is kept when the instruments say nothing more of the outcome less b times the
    regressor: a Wald test of ``reduced - b first``, robust as the errors are. With one instrument
    the set is solved for, with more it is searched, and holes in it are filled.

    Parameters
    ----------
    deg_freedom : float, optional
        Takes F with these below instead of chi-squared.

    References
    ----------
    Anderson, T. W. and Rubin, H. (1949). Annals of Mathematical Statistics 20, 46-63; Andrews,
    Stock and Sun (2019). Annual Review of Economics 11, 727-753.
    """
    n = fit.n_instruments
    covariance = fit.stages_covariance(clusters)
    critical = float(chdtri(n, 1 - conf_level))
    if deg_freedom is not None:
        critical = n * float(fdtri(n, deg_freedom, conf_level))
    if n == 1:
        return _solved(fit, covariance, critical)
    return _searched(fit, covariance, critical)


def _moment_covariance(covariance: Floats, n: int, slope: float) -> Floats:
    """Covariance of ``reduced - slope first``."""
    cross = covariance[:n, n:]
    return np.asarray(
        covariance[n:, n:] - slope * (cross + cross.T) + slope**2 * covariance[:n, :n]
    )


def _solved(fit: TwoStage, covariance: Floats, critical: float) -> ConfidenceSet:
    """Solve the quadratic inequality of one instrument."""
    first, reduced = float(fit.first[0]), float(fit.reduced[0])
    a = first**2 - critical * float(covariance[0, 0])
    half_b = -(first * reduced - critical * float(covariance[0, 1]))
    c = reduced**2 - critical * float(covariance[1, 1])
    inside = half_b**2 - a * c
    if a == 0 or (a < 0 and inside <= 0):
        return ConfidenceSet("everything")
    root = math.sqrt(max(inside, 0.0))
    low, high = sorted(((-half_b - root) / a, (-half_b + root) / a))
    return ConfidenceSet("interval" if a > 0 else "outside", low, high)


def _searched(fit: TwoStage, covariance: Floats, critical: float) -> ConfidenceSet:
    """Look at slopes from minus to plus infinity, then close in on where the set begins."""
    n = fit.n_instruments
    scale = float(np.sqrt(np.trace(covariance[n:, n:]) / (fit.first @ fit.first))) or 1.0

    def excess(angle: float) -> float:
        slope = fit.slope + scale * math.tan(angle)
        moments = fit.reduced - slope * fit.first
        spread = _moment_covariance(covariance, n, slope)
        return float(moments @ np.linalg.solve(spread, moments)) - critical

    angles = np.linspace(-math.pi / 2, math.pi / 2, N_GRID + 2)[1:-1]
    kept = np.array([excess(angle) <= 0 for angle in angles])
    if kept.all():
        return ConfidenceSet("everything")
    if not kept.any():
        return ConfidenceSet("empty")
    form: Literal["interval", "outside"] = "outside" if kept[0] or kept[-1] else "interval"
    inside = np.flatnonzero(kept if form == "interval" else ~kept)
    ends = []
    for at, step in ((int(inside[0]), -1), (int(inside[-1]), 1)):
        # the outermost point of a run may be the last of the grid
        other = min(max(at + step, 0), len(angles) - 1)
        ends.append(_crossing(excess, float(angles[at]), float(angles[other])))
    low, high = (fit.slope + scale * math.tan(angle) for angle in ends)
    return ConfidenceSet(form, low, high)


def _crossing(excess: Callable[[float], float], one: float, other: float) -> float:
    """Halve until the sign changes within rounding."""
    side = excess(one) <= 0
    for _ in range(80):
        middle = (one + other) / 2
        if (excess(middle) <= 0) == side:
            one = middle
        else:
            other = middle
    return (one + other) / 2
