"""From probabilities of answering to the weights of responses, and their error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxmodel.models.controls import spoken
from cxmodel.stats.sandwich import cluster_sums
from cxmodel.stats.weights import stabilised_weights, standardised_differences, trim_weights

if TYPE_CHECKING:
    from cxmodel.models.response.propensity import Propensity
    from cxmodel.tables.observation_table import Observations
    from cxmodel.tables.occasions import Occasions

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Weighing:
    """The weights of all responses.

    Parameters
    ----------
    weight : array (n_observations,)
        Mean 1 over the responses that have one; 1 for the others.
    inverse_prob : array (n_observations,)
        One over the (trimmed) probability; NaN where there is no weight.
    slopes : array (n_observations, k)
        Derivative of log weight in the coefficients.
    is_weighted, is_trimmed : array of bool (n_observations,)
        Which responses have a weight, and which one was held down.
    """

    weight: Floats
    inverse_prob: Floats
    slopes: Floats
    is_weighted: Bools
    is_trimmed: Bools


def weigh_responses(occasions: Occasions, propensity: Propensity, trim: float) -> Weighing:
    """Give each response the stabilised inverse of the probability of its occasion, trimmed."""
    places = occasions.of_response
    n = len(places)
    at = np.maximum(places, 0)
    prob = np.where(places >= 0, propensity.prob[at], np.nan)
    is_weighted = np.isfinite(prob)
    used = np.flatnonzero(is_weighted)
    trimmed = trim_weights(stabilised_weights(prob[used], propensity.rate), trim)
    weight, inverse_prob = np.ones(n), np.full(n, np.nan)
    is_trimmed = np.zeros(n, dtype=bool)
    slopes = np.zeros((n, propensity.design.shape[1]))
    if len(used):
        weight[used] = trimmed.weights / trimmed.weights.mean()
        inverse_prob[used] = trimmed.weights / propensity.rate
        is_trimmed[used] = trimmed.is_trimmed
        free = used[~trimmed.is_trimmed]
        # d log(rate / p) = -(1 - p) x; what is common to all weights moves no estimate
        slopes[free] = -(1 - prob[free])[:, None] * propensity.design[places[free]]
    return Weighing(weight, inverse_prob, slopes, is_weighted, is_trimmed)


def influence_of_customers(
    obs: Observations, occasions: Occasions, propensity: Propensity
) -> tuple[Floats, Floats]:
    """Give each customer's pull on the coefficients of the model of answering.

    Returns
    -------
    inside : array (n_customers, k)
        Customers with an observation, in the order in which they first appear.
    outside : array (k, k)
        Rows whose outer products sum to those of all other customers: the eigenvectors of that
        sum, each times the root of its eigenvalue. In any covariance, which is a sum over
        customers of products of such rows, they stand for them exactly.
    """
    rows = propensity.fit.influence()
    customers = pd.unique(obs.frame["customer_id"])
    ids = occasions.obs.frame["customer_id"].iloc[propensity.rows]
    codes = pd.Index(customers).get_indexer(pd.Index(ids))
    known = codes >= 0
    inside = cluster_sums(rows[known], codes[known], len(customers))
    others, names = pd.factorize(ids[~known])
    sums = cluster_sums(rows[~known], others, len(names))
    values, vectors = np.linalg.eigh(sums.T @ sums)
    outside = np.sqrt(np.maximum(values, 0.0))[:, None] * vectors.T
    return inside, outside


def balance_rows(
    occasions: Occasions, propensity: Propensity, trim: float
) -> tuple[list[dict[str, Any]], int]:
    """Compare those who answered with everybody, before and after weighting.

    Returns
    -------
    rows : list of dict
        ``{control, unweighted, weighted}``: standardised mean differences.
    n_hidden : int
        Levels of under ``min_group_size`` customers, which are not shown.
    """
    columns = propensity.design[propensity.rows, 1:]
    if not columns.shape[1]:
        return [], 0
    hit = occasions.answered[propensity.rows]
    prob = propensity.prob[propensity.rows][hit]
    weights = trim_weights(stabilised_weights(prob, propensity.rate), trim).weights
    before = standardised_differences(columns[hit], columns)
    after = standardised_differences(columns[hit], columns, weights)
    shown = _large_enough(occasions, propensity, columns)
    names = propensity.plan.column_names
    rows = [
        {"control": spoken(name), "unweighted": float(b), "weighted": float(a)}
        for name, b, a, is_shown in zip(names, before, after, shown, strict=True)
        if is_shown
    ]
    return rows, len(names) - len(rows)


def _large_enough(occasions: Occasions, propensity: Propensity, columns: Floats) -> list[bool]:
    """Say which columns may be shown: numbers, and levels of enough customers on either side."""
    ids = pd.factorize(occasions.obs.frame["customer_id"].iloc[propensity.rows])[0]
    least = occasions.obs.min_group_size
    shown = []
    for i, name in enumerate(propensity.plan.column_names):
        is_number = name in propensity.plan.names and "=" not in name
        n_customers = len(np.unique(ids[columns[:, i] != 0]))
        shown.append(is_number or n_customers >= least)
    return shown
