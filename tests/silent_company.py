"""A company of whose customers few answer, with the truth about all of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import expit

from cxmodel.scales import NPS
from cxmodel.tables.observation_table import Observations, Windows
from cxmodel.tables.occasions import Occasions


@dataclass(frozen=True)
class Silent:
    """Observations of those who answered, with their occasions, and what is true of everybody."""

    obs: Observations
    nps: float
    answered_nps: float
    slope: float
    stay_slope: float


def nps_of(rating):
    return 100 * ((rating >= 9).mean() - (rating <= 6).mean())


def make_silent(
    n_customers: int = 2_000,
    n_landmarks: int = 4,
    seed: int = 0,
    *,
    by_spending: float = 1.0,
    by_rating: float = 0.0,
    base: float = -2.6,
    dollars: tuple[float, float] = (2.0, 8.0),
) -> Silent:
    """Simulate customers at landmarks; who spends more rates higher and answers more often.

    Given spending and segment, answering depends on the rating by `by_rating` in log-odds per
    point: 0 is non-response at random. A rating point is worth `dollars` in the small and the large
    segment, and 0.02 in the probability of staying.
    """
    rng = np.random.default_rng(seed)
    customer = np.repeat(np.arange(n_customers), n_landmarks)
    landmark = np.tile(np.arange(n_landmarks), n_customers)
    n = len(customer)
    is_large = (rng.random(n_customers) < 0.4)[customer]
    own = rng.normal(0, 1, n_customers)[customer]
    spending = 0.7 * own + 0.7 * rng.normal(0, 1, n)
    rating = np.clip(np.round(7.1 + 0.9 * spending + 0.5 * is_large + rng.normal(0, 1.5, n)), 0, 10)
    logit = base + by_spending * spending + 0.5 * is_large + by_rating * (rating - 7)
    answered = rng.random(n) < expit(logit)
    slope = np.where(is_large, dollars[1], dollars[0])
    after = 100 + 20 * spending + slope * (rating - 7) + rng.normal(0, 15, n)
    stay = np.clip(0.75 + 0.05 * spending + 0.02 * (rating - 7), 0.02, 0.98)
    frame = pd.DataFrame(
        {
            "customer_id": [f"c{i:06d}" for i in customer],
            "responded_at": pd.Timestamp("2025-01-01") + pd.to_timedelta(28 * landmark, "D"),
            "response_weight": 1.0,
            "revenue_before": 100 + 30 * spending,
            "revenue_after": after,
            "churned": (rng.random(n) >= stay).astype(float),
            "outcome_complete": True,
            "segment": np.where(is_large, "large", "small"),
            "_status": "ok",
            "_at_risk": True,
            "_left_in_gap": False,
            "_history_windows": 1.5,
        }
    )
    settings = {"currency": "USD", "churn_rule": "churned_at", "attributes": ("segment",),
                "customer_attributes": ("segment",)}  # fmt: skip
    around = Observations(
        frame=frame.assign(_answered=answered, _is_sampled=True),
        windows=Windows(gap_days=28),
        **settings,
    )
    places = np.flatnonzero(answered)
    found = frame.iloc[places].reset_index(drop=True).assign(rating=rating[places])
    found["band"] = [NPS.band(r) for r in found["rating"]]
    occasions = Occasions(
        population="at_risk", obs=around, of_response=places.astype(np.int64), period_days=28
    )
    obs = Observations(
        frame=found, windows=Windows(), rating="nps", scale=NPS, audit={"match_rate": 1.0},
        occasions=occasions, **settings,
    )  # fmt: skip
    return Silent(obs, nps_of(rating), nps_of(rating[answered]), slope.mean(), 0.02)
