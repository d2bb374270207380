"""Part of the customers, where more would say no more."""

from __future__ import annotations

import numpy as np

from cxmodel.models.estimation import Sample


def some_customers(sample: Sample, most_rows: int, seed: int) -> Sample:
    """Take a random part of the customers, with all their responses; all where they are few.

    Parameters
    ----------
    most_rows : int
        Responses to take at most, but never fewer than one customer's.
    seed : int
        Of the choice.
    """
    if sample.n_obs <= most_rows:
        return sample
    ids, counts = np.unique(sample.customers, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(ids))
    n_taken = max(int(np.searchsorted(np.cumsum(counts[order]), most_rows, side="right")), 1)
    chosen = np.zeros(sample.n_customers, dtype=bool)
    chosen[ids[order[:n_taken]]] = True
    rows = chosen[sample.customers]
    return Sample.build(
        sample.outcome[rows],
        sample.rating[rows],
        sample.controls[rows],
        sample.customers[rows],
        sample.n_customers,
    )
