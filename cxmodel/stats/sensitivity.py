"""How strong a cause that nobody measured would have to be to explain a slope away."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cxmodel.results import critical_value
from cxmodel.stats.linear import LeastSquares


@dataclass(frozen=True, kw_only=True)
class Slope:
    """A least-squares slope with the classical error and the one that is believed.

    Parameters
    ----------
    estimate : float
        The slope.
    classical_error : float
        Its standard error under independent rows of equal variance. Times the square root of
        `deg_freedom` it is the spread of what is left of the outcome over that of the treatment.
    deg_freedom : float
        Rows less coefficients.
    std_error : float, optional
        The error that is believed, robust or clustered; default the classical one.
    error_deg_freedom : float, optional
        Degrees of freedom of `std_error`: clusters less one where clustered. Default `deg_freedom`.

    Examples
    --------
    >>> Slope(estimate=2.0, classical_error=0.5, deg_freedom=100).own_error
    0.5
    """

    estimate: float
    classical_error: float
    deg_freedom: float
    std_error: float | None = None
    error_deg_freedom: float | None = None

    @property
    def t(self) -> float:
        """The classical t statistic."""
        return self.estimate / self.classical_error

    @property
    def own_error(self) -> float:
        """The error that is believed."""
        return self.classical_error if self.std_error is None else self.std_error

    @property
    def own_deg_freedom(self) -> float:
        """Degrees of freedom of that error."""
        return self.deg_freedom if self.error_deg_freedom is None else self.error_deg_freedom


@dataclass(frozen=True, kw_only=True)
class Adjusted:
    """A slope as it would be had a hidden cause of some strength been held equal.

    Parameters
    ----------
    estimate : float
        Nearer to zero than the slope found, or beyond zero.
    std_error : float
        Its error.
    conf_low, conf_high : float
        Ends of its interval.
    """

    estimate: float
    std_error: float
    conf_low: float
    conf_high: float


def partial_r2(t: float, deg_freedom: float) -> float:
    """Give the share of what is left of the outcome that one column explains, from its t.

    Parameters
    ----------
    t : float
        Classical t statistic of the column.
    deg_freedom : float
        Residual degrees of freedom.

    Examples
    --------
    >>> round(partial_r2(4.18445, 783), 5)
    0.02187
    """
    return t**2 / (t**2 + deg_freedom)


def group_partial_r2(fit: LeastSquares, columns: NDArray[np.int64]) -> float:
    """Give the share of what the other columns leave of the outcome that a group explains.

    Parameters
    ----------
    fit : LeastSquares
        Of the outcome on all columns.
    columns : array of int
        Columns of the group; those that repeat others add nothing.

    Returns
    -------
    float
        Between 0 and 1; the fall of the sum of squares over what it was without the group.
    """
    chosen = np.intersect1d(columns, fit.kept)
    left = float(np.sum(fit.weights * fit.residuals**2))
    if not chosen.size:
        return 0.0
    back = fit.basis.back[chosen]
    half = np.linalg.solve(fit.triangle.T, back.T)
    explained = fit.coefficients[chosen] @ np.linalg.solve(half.T @ half, fit.coefficients[chosen])
    total = float(explained) + left
    return float(explained) / total if total > 0 else 0.0


def robustness_value(slope: Slope, *, q: float = 1.0, alpha: float | None = None) -> float:
    """Give the strength at which a hidden cause would explain a slope away.

    A cause that explains this share of what is left of the treatment and the same share of what
    is left of the outcome takes away the share `q` of the slope, or with `alpha` brings its
    interval to zero; one that is weaker in both cannot.

    Parameters
    ----------
    slope : Slope
        With the classical error, and the one that is believed for `alpha`.
    q : float
        Share of the slope to be taken away.
    alpha : float, optional
        One minus the level of the interval; None speaks of the estimate alone.

    Returns
    -------
    float
        Between 0 and 1; 0 where the interval holds zero as it is.

    References
    ----------
    Cinelli, C. and Hazlett, C. (2020). Making sense of sensitivity: extending omitted variable
    bias. Journal of the Royal Statistical Society B 82(1), 39-67, equations 11, 18 and 19.

    Examples
    --------
    The published example: harm in Darfur and the wish for peace.

    >>> harmed = Slope(estimate=0.09731582, classical_error=0.02325654, deg_freedom=783)
    >>> round(robustness_value(harmed), 3), round(robustness_value(harmed, alpha=0.05), 3)
    (0.139, 0.076)
    """
    strength = q * abs(slope.t) / math.sqrt(slope.deg_freedom)
    if alpha is None:
        return _equal_strength(strength)
    # the least |t| that would still exclude zero, on the scale of the partial f of the slope
    needed = (
        critical_value(1 - alpha, slope.own_deg_freedom - 1)
        * math.sqrt(slope.own_deg_freedom / (slope.own_deg_freedom - 1))
        * slope.own_error
        / (slope.classical_error * math.sqrt(slope.deg_freedom))
    )
    if strength <= needed:
        return 0.0
    found = _equal_strength(strength - needed)
    if (1 - found) * strength**2 > 1:
        # against so strong a slope a cause hurts most when it explains less of the outcome than of
        # the treatment, since what it explains of the outcome narrows the interval too
        found = (strength**2 - needed**2) / (1 + strength**2)
    return found


def _equal_strength(strength: float) -> float:
    squared = strength**2
    return 0.5 * (math.sqrt(squared**2 + 4 * squared) - squared)


def benchmark(r2_treatment: float, r2_outcome: float) -> tuple[float, float]:
    """Bound the strength of a hidden cause that is as strong as a control that was measured.

    Parameters
    ----------
    r2_treatment : float
        Partial R2 of the control with the treatment, given the other controls.
    r2_outcome : float
        Partial R2 of the control with the outcome, given the treatment and the other controls.

    Returns
    -------
    with_treatment, with_outcome : float
        Partial R2 of the hidden cause, given all controls. Both are 1 where the control explains
        half or more of what the others leave of the treatment: a second one as strong could then
        explain all of the rest.

    References
    ----------
    Cinelli and Hazlett (2020), section 4.4, with k_D = k_Y = 1.

    Examples
    --------
    >>> benchmark(0.2, 0.0)
    (0.25, 0.0)
    >>> benchmark(0.5, 0.1)
    (1.0, 1.0)
    """
    if r2_treatment >= 0.5:
        return 1.0, 1.0
    with_treatment = r2_treatment / (1 - r2_treatment)
    shared = r2_treatment**2 / (1 - r2_treatment) ** 2
    widened = (1 + math.sqrt(shared)) / math.sqrt(1 - shared)
    if r2_outcome >= 1:
        return with_treatment, 1.0
    return with_treatment, min(widened**2 * r2_outcome / (1 - r2_outcome), 1.0)


def bias(slope: Slope, with_treatment: float, with_outcome: float) -> float:
    """Give how far a hidden cause of such a strength could move a slope, in its own unit.

    Infinite where the cause explains all that is left of the treatment.

    Examples
    --------
    >>> slope = Slope(estimate=2.0, classical_error=3.0, deg_freedom=100)
    >>> round(bias(slope, 0.3, 0.4), 4) == round(3 * 10 * (0.4 * 0.3 / 0.7) ** 0.5, 4)
    True
    """
    if with_treatment >= 1:
        return math.inf
    ratio = math.sqrt(with_outcome * with_treatment / (1 - with_treatment))
    return slope.classical_error * math.sqrt(slope.deg_freedom) * ratio


def adjusted(
    slope: Slope, with_treatment: float, with_outcome: float, *, conf_level: float = 0.95
) -> Adjusted:
    """Give the slope had a hidden cause of such a strength been held equal, at its worst.

    Parameters
    ----------
    with_treatment, with_outcome : float
        Partial R2 of the cause with treatment and outcome; the first under 1.
    conf_level : float
        Of the interval, from the error that is believed.

    Raises
    ------
    ValueError
        If the cause explains all of the treatment, so that nothing is left to compare.

    Examples
    --------
    >>> harmed = Slope(estimate=0.09731582, classical_error=0.02325654, deg_freedom=783)
    >>> round(adjusted(harmed, 0.00916429, 0.12464092).estimate, 4)
    0.0752
    """
    if with_treatment >= 1:
        raise ValueError("A cause that explains all of the treatment leaves nothing to compare.")
    moved = bias(slope, with_treatment, with_outcome)
    estimate = slope.estimate - math.copysign(moved, slope.estimate)
    degrees = slope.own_deg_freedom
    narrowed = math.sqrt((1 - with_outcome) / (1 - with_treatment))
    std_error = slope.own_error * narrowed * math.sqrt(degrees / (degrees - 1))
    half = critical_value(conf_level, degrees - 1) * std_error
    return Adjusted(
        estimate=estimate,
        std_error=std_error,
        conf_low=estimate - half,
        conf_high=estimate + half,
    )
