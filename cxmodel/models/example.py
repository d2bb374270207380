"""A small observation table with a known truth, for the examples in docstrings."""

from __future__ import annotations

import numpy as np
import pandas as pd

from cxmodel.scales import NPS
from cxmodel.tables.observation_table import Observations, Windows


def small_observations(n_customers: int = 400, seed: int = 1) -> Observations:
    """Make observations in which a rating point is worth 5 USD, and good customers rate higher.

    Parameters
    ----------
    n_customers : int
        One response each.
    seed : int
        Of the random numbers.

    Examples
    --------
    >>> small_observations().n_obs
    400
    """
    rng = np.random.default_rng(seed)
    before = rng.gamma(4.0, 25.0, n_customers)
    rating = np.clip(np.round(4 + 0.03 * before + rng.normal(0, 2, n_customers)), 0, 10)
    stays = rng.random(n_customers) < 1 / (1 + np.exp(-(0.2 * rating - 0.5)))
    after = np.where(stays, before, before / 2) + 5 * rating + rng.normal(0, 20, n_customers)
    frame = pd.DataFrame(
        {
            "customer_id": [f"c{i:05d}" for i in range(n_customers)],
            "rating": rating,
            "band": [NPS.band(r) for r in rating],
            "revenue_before": before,
            "revenue_after": after,
            "churned": 1.0 - stays,
            "outcome_complete": True,
            "_history_windows": 1.5,
        }
    )
    return Observations(
        frame=frame,
        windows=Windows(),
        rating="nps",
        scale=NPS,
        currency="USD",
        churn_rule="churned_at",
        audit={"match_rate": 1.0},
    )
