"""Observations of customers who are asked again and again, with a known truth."""

from __future__ import annotations

import numpy as np
import pandas as pd

from cxmodel.scales import NPS
from cxmodel.tables.observation_table import Observations, Windows

FIRST_DAY = pd.Timestamp("2022-01-10")


def panel_observations(
    n_customers: int = 400,
    n_waves: int = 4,
    *,
    seed: int = 1,
    dollars_per_point: float = 5.0,
    staying_per_point: float = 0.03,
    trait: float = 0.0,
    feedback: float = 0.0,
    days_between: int = 185,
    is_contract: bool = True,
    leaves: bool = False,
    noise: float = 20.0,
) -> Observations:
    """Make customers with `n_waves` answers each, `days_between` days apart.

    A hidden, lasting trait raises ratings and, by `trait` USD and `trait` / 400 in probability,
    spending and staying. With `feedback` a rating follows the noise of the outcome before it. With
    `leaves`, staying is drawn and who left is not asked again; otherwise the outcome ``churned`` is
    not there.
    """
    rng = np.random.default_rng(seed)
    own = rng.normal(size=n_customers)
    here = np.ones(n_customers, dtype=bool)
    last = np.zeros(n_customers)
    parts = []
    for wave in range(n_waves):
        score = 6.5 + own + feedback * last + rng.normal(0, 1.5, n_customers)
        rating = np.clip(np.round(score), 0, 10)
        last = rng.normal(size=n_customers)
        season = 10.0 * (wave % 2)
        after = 100 + season + dollars_per_point * rating + trait * own + noise * last
        stays = (
            rng.random(n_customers) < 0.85 + staying_per_point * (rating - 6.5) + trait / 400 * own
        )
        day = wave * days_between + rng.integers(0, 5, n_customers)
        parts.append(
            pd.DataFrame(
                {
                    "number": np.arange(n_customers),
                    "responded_at": FIRST_DAY + pd.to_timedelta(day, "D"),
                    "rating": rating,
                    "revenue_after": after,
                    "churned": 1.0 - stays,
                    "revenue_before": 100 + 0.3 * trait * own + rng.normal(0, 20, n_customers),
                    "tenure_days": 400.0 + day,
                    "contacts_before": rng.poisson(1.0, n_customers).astype(float),
                }
            )[here]
        )
        here = here & stays if leaves and is_contract else here
    frame = pd.concat(parts).sort_values(["number", "responded_at"], ignore_index=True)
    frame["customer_id"] = [f"c{i:05d}" for i in frame.pop("number")]
    frame["band"] = [NPS.band(rating) for rating in frame["rating"]]
    frame["outcome_complete"] = True
    frame["_month"] = frame["responded_at"].dt.strftime("%Y-%m")
    frame["_history_windows"] = 1.5
    if not leaves:
        frame = frame.drop(columns="churned")
    return Observations(
        frame=frame,
        windows=Windows(),
        rating="nps",
        scale=NPS,
        currency="USD",
        churn_rule="churned_at" if leaves else None,
        audit={"match_rate": 1.0, "revenue_reconciled": {"difference": 0.0}},
    )
