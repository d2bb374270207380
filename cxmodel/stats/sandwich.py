"""Covariances from influence: what each row or cluster contributes, squared and summed."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Codes = NDArray[np.generic]
RobustKind = Literal["HC0", "HC1", "HC2", "HC3"]

# At leverage 1 a row fits itself: its residual is 0 and HC3 would be 0/0.
FULL_LEVERAGE = 1 - 1e-10


def covariance_of(
    influence: Floats,
    *,
    n_params: int,
    clusters: Codes | None = None,
    kind: RobustKind = "HC1",
    leverage: Floats | None = None,
) -> Floats:
    """Sum the outer products of influence over rows, or over clusters of rows.

    Parameters
    ----------
    influence : array (n, k)
        Each row's pull on k estimates: the estimates' errors are about the column sums.
    n_params : int
        Parameters of the model, for the small-sample factor.
    clusters : array (n,), optional
        What belongs together; the factor is then CR1, ``G/(G-1) (n-1)/(n-k)``.
    kind : {"HC0", "HC1", "HC2", "HC3"}
        Without clusters: HC1 multiplies by ``n/(n-k)``; HC2 and HC3 divide each row by
        ``sqrt(1 - h)`` and ``1 - h`` (MacKinnon & White 1985).
    leverage : array (n,), optional
        Needed for HC2 and HC3.

    Returns
    -------
    array (k, k)

    Raises
    ------
    ValueError
        If HC2 or HC3 is asked without leverage, or there are no rows beyond the parameters.

    Examples
    --------
    >>> rows = np.array([[0.1], [-0.1], [0.2], [-0.2]])
    >>> float(covariance_of(rows, n_params=1, kind="HC0")[0, 0].round(4))
    0.1
    """
    n_obs = len(influence)
    if clusters is not None:
        codes = np.unique(clusters, return_inverse=True)[1]
        n_clusters = int(codes.max()) + 1 if n_obs else 0
        sums = cluster_sums(influence, codes, n_clusters)
        return small_sample_factor(n_obs, n_params, n_clusters) * (sums.T @ sums)
    if kind in ("HC2", "HC3"):
        influence = influence * _leverage_factor(leverage, kind)[:, None]
    factor = small_sample_factor(n_obs, n_params) if kind == "HC1" else 1.0
    return factor * np.asarray(influence.T @ influence)


def cluster_sums(influence: Floats, codes: NDArray[np.integer], n_clusters: int) -> Floats:
    """Add up influence within clusters numbered ``0 .. n_clusters - 1``; (n, k) to (G, k).

    Examples
    --------
    >>> cluster_sums(np.array([[1.0], [2.0], [4.0]]), np.array([0, 1, 0]), 2)
    array([[5.],
           [2.]])
    """
    if influence.ndim == 1:
        return np.asarray(np.bincount(codes, weights=influence, minlength=n_clusters), dtype=float)
    columns = [np.bincount(codes, weights=column, minlength=n_clusters) for column in influence.T]
    return np.column_stack(columns) if columns else np.zeros((n_clusters, 0))


def small_sample_factor(n_obs: int, n_params: int, n_clusters: int | None = None) -> float:
    """Give the factor of HC1, or of CR1 when there are clusters.

    Examples
    --------
    >>> small_sample_factor(100, 20)
    1.25
    """
    if n_obs <= n_params:
        raise ValueError(f"{n_obs} rows cannot carry {n_params} parameters.")
    if n_clusters is None:
        return n_obs / (n_obs - n_params)
    if n_clusters < 2:
        raise ValueError("One cluster alone says nothing about the spread between clusters.")
    return n_clusters / (n_clusters - 1) * (n_obs - 1) / (n_obs - n_params)


def newey_west_covariance(influence: Floats, n_lags: int, *, n_params: int = 0) -> Floats:
    """Sum the products of influence of rows up to `n_lags` apart, with Bartlett's falling weights.

    For rows in order of time whose errors hang together (Newey & West 1987): the products of rows
    j apart count ``1 - j/(n_lags + 1)``. HAC; with no lags it is HC0.

    Parameters
    ----------
    influence : array (n, k)
        Each row's pull on k estimates, in order of time without gaps.
    n_lags : int
        The farthest rows that still count; 0 or more, below n.
    n_params : int
        With the number of parameters the factor ``n/(n-k)`` is applied, as Stata's ``newey`` does;
        0 for none.

    Returns
    -------
    array (k, k)

    Raises
    ------
    ValueError
        If `n_lags` is negative, or not below the number of rows.

    Examples
    --------
    >>> rows = np.array([[1.0], [1.0], [-1.0], [-1.0]])
    >>> float(newey_west_covariance(rows, 0)[0, 0])
    4.0
    >>> float(newey_west_covariance(rows, 1)[0, 0])     # 4 + 2 x 1/2 x (1 - 1 + 1)
    5.0
    """
    n_obs = len(influence)
    if not 0 <= n_lags < n_obs:
        raise ValueError(f"n_lags must lie in 0-{n_obs - 1} (rows - 1), not {n_lags}.")
    total = np.asarray(influence.T @ influence)
    for lag in range(1, n_lags + 1):
        products = influence[lag:].T @ influence[:-lag]
        total = total + (1 - lag / (n_lags + 1)) * (products + products.T)
    return total * (small_sample_factor(n_obs, n_params) if n_params else 1.0)


def cr2_influence(
    orthonormal: Floats, scores: Floats, rotated_gradients: Floats, clusters: Codes
) -> Floats:
    """Give the cluster sums of influence with the bias-reduced correction CR2, (G, q).

    Bell & McCaffrey (2002): the residuals of cluster g are multiplied by
    ``(I - H_gg)^(-1/2)``, so that the covariance is unbiased under equal variances.

    Parameters
    ----------
    orthonormal : array (n, r)
        Orthonormal columns of the (weighted) design.
    scores : array (n,)
        Residuals times the square root of the weights.
    rotated_gradients : array (r, q)
        Combinations of coefficients in the orthonormal basis.
    clusters : array (n,)
        What belongs together.
    """
    codes, sizes = np.unique(clusters, return_inverse=True, return_counts=True)[1:]
    order = np.argsort(codes, kind="stable")
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    sums = np.zeros((len(sizes), rotated_gradients.shape[1]))
    for size in np.unique(sizes):
        members = np.flatnonzero(sizes == size)
        rows = order[starts[members][:, None] + np.arange(size)]
        basis = orthonormal[rows]
        hat = basis @ basis.transpose(0, 2, 1)
        values, vectors = np.linalg.eigh(np.eye(size) - hat)
        powers = np.where(values > 1 - FULL_LEVERAGE, np.maximum(values, 1e-300) ** -0.5, 0.0)
        turned = (vectors.transpose(0, 2, 1) @ scores[rows][:, :, None])[:, :, 0]
        adjusted = (vectors @ (powers * turned)[:, :, None])[:, :, 0]
        sums[members] = np.einsum("gi,gir->gr", adjusted, basis) @ rotated_gradients
    return sums


def _leverage_factor(leverage: Floats | None, kind: str) -> Floats:
    if leverage is None:
        raise ValueError(f"{kind} needs the leverage of each row.")
    left = np.where(leverage < FULL_LEVERAGE, 1 - leverage, 1.0)
    return np.asarray(1 / np.sqrt(left) if kind == "HC2" else 1 / left)
