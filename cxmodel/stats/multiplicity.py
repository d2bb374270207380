"""False discovery: how p-values change when many things are tested at once."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def benjamini_hochberg(p_values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Give the q-value of each p-value: the false discovery rate at which it would be kept.

    Parameters
    ----------
    p_values : array-like, shape (m,)
        In 0 to 1. NaN stays NaN and does not count as a test.

    Returns
    -------
    numpy.ndarray, shape (m,)
        q-values, in the order of the p-values.

    References
    ----------
    Benjamini, Y. and Hochberg, Y. (1995). Journal of the Royal Statistical Society B 57, 289-300.

    Raises
    ------
    ValueError
        If a p-value lies outside 0 to 1.

    Examples
    --------
    >>> benjamini_hochberg([0.01, 0.04, 0.03]).round(3).tolist()
    [0.03, 0.04, 0.04]
    """
    p = np.asarray(p_values, dtype=float)
    known = np.isfinite(p)
    if bool(((p[known] < 0) | (p[known] > 1)).any()):
        raise ValueError("p-values must lie between 0 and 1.")
    q = np.full(p.shape, np.nan)
    tested = p[known]
    order = np.argsort(tested, kind="stable")
    scaled = tested[order] * len(tested) / np.arange(1, len(tested) + 1)
    kept = np.minimum(1.0, np.minimum.accumulate(scaled[::-1])[::-1])
    back = np.empty_like(kept)
    back[order] = kept
    q[known] = back
    return q
