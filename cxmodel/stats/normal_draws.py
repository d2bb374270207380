"""Draws from a joint normal distribution; needs numpy alone, so that a lift card needs no more."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def draw_normal(values: Floats, covariance: Floats, n: int, seed: int) -> Floats:
    """Draw from a normal whose covariance may be singular, (n, k).

    Examples
    --------
    >>> draw_normal(np.array([1.0, 2.0]), np.zeros((2, 2)), 1, 1)
    array([[1., 2.]])
    """
    eigenvalues, vectors = np.linalg.eigh(covariance)
    # the sign of an eigenvector is arbitrary: fix it, so that every machine draws the same
    signs = np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(len(values))])
    root = vectors * signs * np.sqrt(np.maximum(eigenvalues, 0.0))
    standard = np.random.default_rng(seed).standard_normal((n, len(values)))
    return np.asarray(values + standard @ root.T)
