"""One covariance over several lifts: the same customers stand behind all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxmodel.stats.normal_draws import draw_normal

if TYPE_CHECKING:
    from cxmodel.models.lift_result import LiftResult

Floats = NDArray[np.float64]


def joint_covariance(
    results: Sequence[LiftResult], terms: Sequence[str] = ("per_rating_point",)
) -> tuple[list[tuple[str, str]], Floats, Floats]:
    """Give the covariance of terms across outcomes, the sum of psi psi' over customers (methods 6).

    What was stated with an sd is one more row for each source, shared by all that is made of it.

    Parameters
    ----------
    results : sequence of LiftResult
        Fitted to the same observations; matched by customer where the tables differ. A customer
        outside one of the samples counts for 0 there.
    terms : sequence of str
        Terms to take from each; one that was not run is left out.

    Returns
    -------
    names : list of (outcome, term)
    values : array (k,)
    covariance : array (k, k)
        In the order of `names`.

    Raises
    ------
    ValueError
        If none of the terms was run.
    """
    names = [(r.outcome, term) for r in results for term in terms if term in r.influence]
    if not names:
        raise ValueError(f"None of the terms was run: {', '.join(terms)}.")
    columns = np.vstack([_aligned(results, terms), _stated(results, terms)])
    values = np.array([r.values[t] for r in results for t in terms if t in r.influence])
    return names, values, columns.T @ columns


def draw_jointly(
    results: Sequence[LiftResult],
    n: int,
    seed: int,
    terms: Sequence[str] = ("per_rating_point",),
) -> pd.DataFrame:
    """Draw terms of several lifts together, (n, k), columns named ``outcome.term``."""
    names, values, covariance = joint_covariance(results, terms)
    draws = draw_normal(values, covariance, n, seed)
    return pd.DataFrame(draws, columns=[f"{outcome}.{term}" for outcome, term in names])


def stated_rows(errors: Sequence[Mapping[str, float]]) -> Floats:
    """Put errors that no customer carries side by side, one row a source.

    Examples
    --------
    >>> stated_rows([{}, {"reliability": 0.5}])
    array([[0. , 0.5]])
    """
    sources = sorted({source for each in errors for source in each})
    rows = [[each.get(source, 0.0) for each in errors] for source in sources]
    return np.array(rows, dtype=float).reshape(len(sources), len(errors))


def _stated(results: Sequence[LiftResult], terms: Sequence[str]) -> Floats:
    return stated_rows([r.stated.get(t, {}) for r in results for t in terms if t in r.influence])


def _aligned(results: Sequence[LiftResult], terms: Sequence[str]) -> Floats:
    """Put influence side by side, one row a customer."""
    first = results[0].customers
    same = all(r.customers is first or np.array_equal(r.customers, first) for r in results)
    if same:
        return np.column_stack([r.influence[t] for r in results for t in terms if t in r.influence])
    series = [
        pd.Series(r.influence[t], index=pd.Index(r.customers))
        for r in results
        for t in terms
        if t in r.influence
    ]
    return pd.concat(series, axis=1).fillna(0.0).to_numpy()
