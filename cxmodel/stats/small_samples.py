"""Degrees of freedom when few clusters decide, and tests of means with unequal errors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import fdtrc, stdtr

from cxmodel.stats.sandwich import FULL_LEVERAGE

Floats = NDArray[np.float64]


def satterthwaite_degrees(
    orthonormal: Floats, direction: Floats, clusters: NDArray[np.generic]
) -> float:
    """Give the degrees of freedom of a CR2 variance: how many clusters it in fact rests on.

    The variance is a quadratic form in the residuals. If errors are independent and alike (after
    weighting), its mean and variance are those of a chi-squared with ``tr(M)^2 / tr(M^2)`` degrees
    of freedom, M the form's matrix between clusters (Bell & McCaffrey 2002). With one row a cluster
    it is the same for HC2.

    Parameters
    ----------
    orthonormal : array (n, r)
        Orthonormal columns of the (weighted) design.
    direction : array (r,)
        The combination of coefficients, in the orthonormal basis.
    clusters : array (n,)
        What belongs together.

    Returns
    -------
    float
        At least about 1 and at most the number of clusters.

    References
    ----------
    .. [1] Bell, R. M. and McCaffrey, D. F. (2002). Bias reduction in standard errors for linear
       regression with multi-stage samples. Survey Methodology 28(2), 169-181.
    .. [2] Imbens, G. W. and Kolesar, M. (2016). Robust standard errors in small samples. Review of
       Economics and Statistics 98(4), 701-712.

    Examples
    --------
    The mean of n rows has n - 1 degrees of freedom:

    >>> n = 8
    >>> round(satterthwaite_degrees(np.full((n, 1), n**-0.5), np.ones(1), np.arange(n)), 6)
    7.0
    """
    own, pulls = _cluster_pulls(orthonormal, direction, clusters)
    shared = pulls.T @ pulls
    inner = np.einsum("gi,gi->g", pulls, pulls)
    mean = float(np.sum(own - inner))
    # entries of M: own_g on the diagonal less the product of two clusters' pulls
    square = float(np.sum(own**2) - 2 * np.sum(own * inner) + np.sum(shared**2))
    return mean**2 / square if square > 0 else 1.0


def _cluster_pulls(
    orthonormal: Floats, direction: Floats, clusters: NDArray[np.generic]
) -> tuple[Floats, Floats]:
    """Give a'a and Q'a of each cluster, with ``a = (I - Q Q')^(-1/2) Q direction``."""
    codes, sizes = np.unique(clusters, return_inverse=True, return_counts=True)[1:]
    order = np.argsort(codes, kind="stable")
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    own = np.zeros(len(sizes))
    pulls = np.zeros((len(sizes), orthonormal.shape[1]))
    for size in np.unique(sizes):
        members = np.flatnonzero(sizes == size)
        basis = orthonormal[order[starts[members][:, None] + np.arange(size)]]
        values, vectors = np.linalg.eigh(np.eye(size) - basis @ basis.transpose(0, 2, 1))
        powers = np.where(values > 1 - FULL_LEVERAGE, np.maximum(values, 1e-300) ** -0.5, 0.0)
        turned = np.einsum("gji,gj->gi", vectors, basis @ direction)
        adjusted = np.einsum("gij,gj->gi", vectors, powers * turned)
        own[members] = np.einsum("gi,gi->g", adjusted, adjusted)
        pulls[members] = np.einsum("gir,gi->gr", basis, adjusted)
    return own, pulls


def welch_degrees(variances: Floats, degrees: Floats) -> float:
    """Give the degrees of freedom of a sum of variances that are estimated apart.

    Welch (1938) and Satterthwaite (1946): ``(sum v)^2 / sum(v^2 / d)``.

    Examples
    --------
    >>> welch_degrees(np.array([1.0, 1.0]), np.array([10.0, 10.0]))
    20.0
    """
    total = float(np.sum(variances))
    spread = float(np.sum(variances**2 / degrees))
    return total**2 / spread if spread > 0 else float(np.min(degrees))


def student_p(statistic: float, degrees: float) -> float:
    """Give the two-sided p-value of Student's t.

    Examples
    --------
    >>> round(student_p(2.228139, 10), 6)
    0.05
    """
    return float(2 * stdtr(degrees, -abs(statistic)))


@dataclass(frozen=True)
class EqualMeans:
    """A test that several estimates are of one and the same number.

    Parameters
    ----------
    statistic : float
        Welch's F.
    numerator, denominator : float
        Its degrees of freedom.
    p_value : float
        Of a larger F.
    """

    statistic: float
    numerator: float
    denominator: float
    p_value: float


def welch_test(estimates: Floats, covariance: Floats, degrees: Floats) -> EqualMeans:
    """Test that estimates whose errors differ are all of one number.

    Welch (1951): the weighted sum of squares about the weighted mean, with an F whose degrees of
    freedom allow for variances that are estimated from few rows. With estimates that are
    independent it is exactly Welch's test; a covariance between them enters the sum of squares, the
    degrees of freedom being then an approximation.

    Parameters
    ----------
    estimates : array (k,)
        Two or more.
    covariance : array (k, k)
        Of the estimates.
    degrees : array (k,)
        Degrees of freedom of each variance.

    Raises
    ------
    ValueError
        With fewer than two estimates, or a variance of zero.

    References
    ----------
    Welch, B. L. (1951). On the comparison of several mean values: an alternative approach.
    Biometrika 38(3/4), 330-336.

    Examples
    --------
    >>> found = welch_test(np.array([1.0, 1.0]), np.eye(2), np.array([9.0, 9.0]))
    >>> found.statistic, round(found.denominator, 6), found.p_value
    (0.0, 18.0, 1.0)
    """
    n = len(estimates)
    if n < 2:
        raise ValueError("Two estimates or more are needed to compare them.")
    if not (np.diag(covariance) > 0).all():
        raise ValueError("An estimate without an error cannot be compared.")
    contrasts = np.column_stack([-np.ones(n - 1), np.eye(n - 1)])
    apart = contrasts @ estimates
    inside = np.linalg.pinv(contrasts @ covariance @ contrasts.T, hermitian=True)
    weights = 1 / np.diag(covariance)
    loose = float(np.sum((1 - weights / weights.sum()) ** 2 / degrees))
    scale = 1 + 2 * (n - 2) / (n**2 - 1) * loose
    statistic = float(apart @ inside @ apart) / (n - 1) / scale
    denominator = (n**2 - 1) / (3 * loose)
    return EqualMeans(statistic, n - 1, denominator, float(fdtrc(n - 1, denominator, statistic)))
