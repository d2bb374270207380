"""Part of the customers, where more would say no more."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cxmodel.models.estimation import Sample


def rows_of_some(sample: Sample, most_rows: int, seed: int) -> NDArray[np.bool_]:
    """Mark the responses of a random part of the customers; all where they are few.

    Parameters
    ----------
    most_rows : int
        Responses to take at most, but never fewer than one customer's.
    seed : int
        Of the choice.

    Returns
    -------
    array of bool (n,)
        A customer's responses are taken all or none.
    """
    if sample.n_obs <= most_rows:
        return np.ones(sample.n_obs, dtype=bool)
    ids, counts = np.unique(sample.customers, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(ids))
    n_taken = max(int(np.searchsorted(np.cumsum(counts[order]), most_rows, side="right")), 1)
    chosen = np.zeros(sample.n_customers, dtype=bool)
    chosen[ids[order[:n_taken]]] = True
    return np.asarray(chosen[sample.customers])


def some_customers(sample: Sample, most_rows: int, seed: int) -> Sample:
    """Take the responses of a random part of the customers; all where they are few."""
    rows = rows_of_some(sample, most_rows, seed)
    if rows.all():
        return sample
    return sample.of_rows(rows)
