"""Errors for few clusters, from the cross-products of each cluster alone.

Small-sample corrections are usually computed on rows. They need no more than
``S_g = X_g'W X_g`` and ``X_g'W y_g``: ``X'f(X M X') = f(X'X M) X'`` holds for every matrix
function f, so that powers of ``I - H_gg`` act on the k columns of a cluster, not on its rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cxmodel.stats.sandwich import FULL_LEVERAGE, small_sample_factor

Floats = NDArray[np.float64]

MAX_ENUMERATED = 12
"""Clusters up to which the wild bootstrap goes through all 2^G signs instead of drawing."""

WEBB = np.sqrt(np.array([1.5, 1.0, 0.5, 0.5, 1.0, 1.5])) * np.array([-1, -1, -1, 1, 1, 1])


@dataclass(frozen=True, eq=False, kw_only=True)
class ClusterMoments:
    """Least squares reduced to one small matrix a cluster.

    Parameters
    ----------
    xwx : array (G, k, k)
        Weighted cross-products of the columns in each cluster; together of full rank.
    xwy : array (G, k)
        Those of columns and outcome.
    n_obs : int
        Rows of all clusters.
    """

    xwx: Floats
    xwy: Floats
    n_obs: int

    @property
    def n_clusters(self) -> int:
        """Clusters."""
        return len(self.xwx)

    @property
    def n_params(self) -> int:
        """Columns."""
        return int(self.xwx.shape[1])

    @cached_property
    def half(self) -> Floats:
        """Matrix L with ``L L'`` the inverse of all cross-products, (k, k)."""
        values, vectors = np.linalg.eigh(self.xwx.sum(axis=0))
        return np.asarray(vectors / np.sqrt(values))

    @cached_property
    def coefficients(self) -> Floats:
        """Least squares, (k,)."""
        turned = self.half.T @ self.xwy.sum(axis=0)
        found = self.half @ turned
        left = self.xwy.sum(axis=0) - self.xwx.sum(axis=0) @ found
        return np.asarray(found + self.half @ (self.half.T @ left))

    @cached_property
    def hats(self) -> Floats:
        """Each cluster's part of the identity in orthonormal columns, ``L'S_g L``, (G, k, k)."""
        return np.asarray(self.half.T @ self.xwx @ self.half)

    @cached_property
    def scores(self) -> Floats:
        """Each cluster's score in orthonormal columns, ``L'X_g'W e_g``, (G, k)."""
        return np.asarray((self.xwy - self.xwx @ self.coefficients) @ self.half)


def cr1_covariance(moments: ClusterMoments) -> Floats:
    """Estimate the covariance by cluster with the factor ``G/(G-1) (n-1)/(n-k)``, (k, k).

    Liang & Zeger (1986); the factor is Stata's.
    """
    pull = moments.scores @ moments.half.T
    factor = small_sample_factor(moments.n_obs, moments.n_params, moments.n_clusters)
    return np.asarray(factor * pull.T @ pull)


def cr2_covariance(moments: ClusterMoments) -> Floats:
    """Estimate the covariance without bias where errors are alike and independent, (k, k).

    Bell & McCaffrey (2002): residuals are multiplied by ``(I - H_gg)^(-1/2)``; where a cluster
    alone decides a column it fits itself, so its residual is 0 and stays so (pseudo-inverse).

    Examples
    --------
    >>> sums = np.array([[1.0], [2.0], [3.0], [6.0]])
    >>> rows = ClusterMoments(xwx=np.ones((4, 1, 1)), xwy=sums, n_obs=4)
    >>> cr2_covariance(rows).round(6)      # a row a cluster: the variance of the mean, 14 / 3 / 4
    array([[1.166667]])
    """
    turned = _power(moments.hats, -0.5) @ moments.scores[:, :, None]
    pull = turned[:, :, 0] @ moments.half.T
    return np.asarray(pull.T @ pull)


def satterthwaite_freedom(moments: ClusterMoments, gradients: Floats) -> Floats:
    """Give Student's t degrees of freedom that go with CR2, one a column of `gradients` (k, q).

    Pustejovsky & Tipton (2018), Journal of Business & Economic Statistics 36(4), equation 11, with
    independent errors of one variance as the working model.
    """
    hats, powers = moments.hats, _power(moments.hats, -0.5)
    directions = moments.half.T @ gradients
    adjusted = powers @ hats @ directions
    own = hats @ _power(hats, -1.0)
    found = np.empty(gradients.shape[1])
    for j, direction in enumerate(directions.T):
        across = adjusted[:, :, j]
        omega = -across @ across.T
        omega[np.diag_indices(len(omega))] += np.einsum("i,gij,j->g", direction, own, direction)
        found[j] = np.trace(omega) ** 2 / np.sum(omega**2)
    return found


def wild_cluster_p_value(
    moments: ClusterMoments,
    column: int,
    *,
    null: float = 0.0,
    n_draws: int = 9_999,
    seed: int,
) -> float:
    """Test one coefficient by the wild cluster bootstrap with the null imposed.

    Cameron, Gelbach & Miller (2008). Every cluster's residuals under the null keep or change their
    sign together; the p-value is the share of t statistics at least as large as the observed one.
    With 6 to 12 clusters all patterns of signs are gone through. Under 6 there are too few of them,
    and Webb's six weights (2014, Queen's Economics working paper 1315) are drawn instead.

    Parameters
    ----------
    moments : ClusterMoments
        One matrix a cluster.
    column : int
        Whose coefficient.
    null : float
        The value that is tested.
    n_draws : int
        Draws where patterns are too many to enumerate.
    seed : int
        Of the draws.

    Raises
    ------
    ValueError
        If there is one cluster, or no such column.
    """
    if moments.n_clusters < 2:
        raise ValueError("One cluster alone says nothing about the spread between clusters.")
    if not 0 <= column < moments.n_params:
        raise ValueError(f"There is no column {column}; there are {moments.n_params}.")
    restricted = _restricted(moments, column, null)
    residuals = moments.xwy - moments.xwx @ restricted
    signs = _signs(moments.n_clusters, n_draws, seed)
    drawn = _t_statistics(moments, column, signs, residuals)
    observed = _t_statistics(moments, column, np.ones((1, moments.n_clusters)), residuals)[0]
    return float(np.mean(np.abs(drawn) >= np.abs(observed) * (1 - 1e-10)))


def _restricted(moments: ClusterMoments, column: int, null: float) -> Floats:
    """Fit with one coefficient held at the null."""
    others = np.delete(np.arange(moments.n_params), column)
    total, right = moments.xwx.sum(axis=0), moments.xwy.sum(axis=0)
    found = np.full(moments.n_params, null)
    if len(others):
        known = right[others] - total[others, column] * null
        found[others] = np.linalg.solve(total[np.ix_(others, others)], known)
    return found


def _signs(n_clusters: int, n_draws: int, seed: int) -> Floats:
    if n_clusters < 6:
        return np.random.default_rng(seed).choice(WEBB, (n_draws, n_clusters))
    if n_clusters <= MAX_ENUMERATED:
        patterns = np.arange(2**n_clusters)[:, None] >> np.arange(n_clusters) & 1
        return np.where(patterns == 1, 1.0, -1.0)
    return np.random.default_rng(seed).choice([-1.0, 1.0], (n_draws, n_clusters))


def _t_statistics(moments: ClusterMoments, column: int, signs: Floats, residuals: Floats) -> Floats:
    """Give the t statistic about the null of every draw, without the factor they all share."""
    found = np.empty(len(signs))
    row = moments.half[column] @ moments.half.T
    for start in range(0, len(signs), 1_000):
        block = signs[start : start + 1_000]
        drawn = block[:, :, None] * residuals
        shift = drawn.sum(axis=1) @ moments.half @ moments.half.T
        left = drawn - np.einsum("gij,bj->bgi", moments.xwx, shift)
        spread = np.sqrt(np.sum((left @ row) ** 2, axis=1))
        with np.errstate(divide="ignore", invalid="ignore"):
            found[start : start + 1_000] = np.nan_to_num(shift[:, column] / spread, posinf=np.inf)
    return found


def _power(hats: Floats, power: float) -> Floats:
    """Give ``(I - hat)^power`` of each cluster; 0 where a cluster decides alone."""
    values, vectors = np.linalg.eigh((hats + hats.transpose(0, 2, 1)) / 2)
    left = 1 - values
    raised = np.where(values < FULL_LEVERAGE, np.maximum(left, 1e-300) ** power, 0.0)
    return np.asarray((vectors * raised[:, None, :]) @ vectors.transpose(0, 2, 1))
