"""Cross-products within each of a few clusters: what small-sample errors need."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cxmodel.errors import InsufficientDataError, SchemaError
from cxmodel.tables.reduction.exact_sums import Term, add_limbs, constant, sums_of
from cxmodel.tables.reduction.rows import CompleteRows
from cxmodel.tables.reduction.standard import StandardDesign

Floats = NDArray[np.float64]

MAX_CLUSTERS = 5_000
"""Clusters up to which a matrix for each is taken out of the engine."""


@dataclass(frozen=True, eq=False, kw_only=True)
class ClusterProducts:
    """One small matrix a cluster, on standard columns and the first outcome; no cluster is named.

    Parameters
    ----------
    zwz : array (G, p, p)
        Weighted cross-products of the columns.
    zwy : array (G, p)
        Those of columns and outcome.
    n_obs : int
        Rows of all clusters.
    """

    zwz: Floats
    zwy: Floats
    n_obs: int


def cluster_products(rows: CompleteRows, design: StandardDesign) -> ClusterProducts:
    """Reduce each cluster to its cross-products.

    Parameters
    ----------
    rows : CompleteRows
        The rows used; what was given as their customer is the cluster.
    design : StandardDesign
        The columns and the outcome.

    Raises
    ------
    SchemaError
        If the rows were looked at without a customer.
    InsufficientDataError
        If there are more than 5,000 clusters: then no small-sample correction is needed.
    """
    if rows.customer is None:
        raise SchemaError("Sums by cluster need its key. Look at the rows with customer= set.")
    p = len(design.columns)
    table = design.table(rows)
    weight = table["w"] if rows.weight is not None else constant(1)
    names = [f"z{i}" for i in range(p)] + ["y0"]
    pairs = [(a, b) for i, a in enumerate(names[:p]) for b in names[i:]]
    terms = {
        f"s{k}": Term(table[a] * table[b] * weight, rows.largest_weight)
        for k, (a, b) in enumerate(pairs)
    }
    grouped = table.group_by("customer").aggregate(**sums_of(terms, max(rows.n_used, 1), 2))
    found = rows.session.arrow(grouped.limit(MAX_CLUSTERS + 1))
    if found.num_rows > MAX_CLUSTERS:
        raise InsufficientDataError(
            f'There are more than {MAX_CLUSTERS:,} clusters: take errors="CR1", which needs no '
            "correction for so many."
        )
    # In order of the key, so that draws by cluster are the same on every run.
    order = np.argsort(np.array([str(key) for key in found["customer"].to_pylist()]))
    columns = {name: found[name].to_numpy()[order] for name in found.column_names[1:]}
    sums = {pair: add_limbs(columns, f"s{k}", 2) for k, pair in enumerate(pairs)}
    zwz, zwy = np.empty((len(order), p, p)), np.empty((len(order), p))
    for i, a in enumerate(names[:p]):
        zwy[:, i] = sums[a, "y0"]
        for j, b in enumerate(names[i:p], start=i):
            zwz[:, i, j] = zwz[:, j, i] = sums[a, b]
    return ClusterProducts(zwz=zwz, zwy=zwy, n_obs=rows.n_used)
