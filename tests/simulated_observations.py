"""Observations made from numpy, with a known loss per day and known spending."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd

from cxmodel.scales import CSAT5, NPS
from cxmodel.tables.observation_table import Observations, Windows

START = pd.Timestamp("2023-01-01")


def simulate_observations(
    n_customers: int = 1_500,
    *,
    seed: int = 1,
    years: float = 3.0,
    loss_per_month: float = 0.03,
    rating_effect: float = -0.3,
    repeats: float = 0.2,
    windows: Windows | None = None,
    monthly_spend: float = 20.0,
) -> Observations:
    """Make customers who leave at a rate that falls with the rating, and spend evenly till then."""
    windows = windows or Windows()
    rng = np.random.default_rng(seed)
    n_rows = round(n_customers * (1 + repeats))
    customer = np.sort(
        np.concatenate([np.arange(n_customers), rng.integers(0, n_customers, n_rows - n_customers)])
    )
    day = rng.uniform(0, years * 365.25, n_rows)
    order = np.lexsort((day, customer))
    customer, day = customer[order], day[order]
    rating = np.clip(np.round(rng.normal(7, 2, n_rows)), 0, 10)
    rate = loss_per_month / (365.25 / 12) * np.exp(rating_effect * (rating - 7))
    lifetime = rng.exponential(1 / rate)
    as_of = dt.date(2023, 1, 1) + dt.timedelta(days=int(years * 365.25))
    follow = (pd.Timestamp(as_of) + pd.Timedelta(days=1) - START) / pd.Timedelta(days=1) - day
    window = windows.gap_days + windows.outcome_days
    complete = follow >= window
    per_day = monthly_spend / (365.25 / 12)
    in_window = np.clip(lifetime - windows.gap_days, 0, windows.outcome_days)
    frame = pd.DataFrame(
        {
            "customer_id": [f"c{i:06d}" for i in customer],
            "responded_at": START + pd.to_timedelta((day * 86_400).astype(int), unit="s"),
            "rating": rating,
            "band": [NPS.band(r) for r in rating],
            "response_weight": 1.0,
            "revenue_before": rng.gamma(4.0, 25.0, n_rows),
            "revenue_after": per_day * in_window,
            "churned": np.where(complete, lifetime <= window, np.nan).astype(float),
            "duration_days": np.minimum(lifetime, follow),
            "outcome_complete": complete,
            "segment": rng.choice(["large", "small"], n_rows),
        }
    )
    n_of = frame.groupby("customer_id")["customer_id"].transform("size")
    frame["_share"] = 1.0 / n_of
    frame["_status"] = "ok"
    frame["_at_risk"] = True
    frame["_left_in_gap"] = lifetime <= windows.gap_days
    frame["_event"] = lifetime <= follow
    frame["_history_windows"] = 3.0
    return Observations(
        frame=frame,
        windows=windows,
        rating="nps",
        scale=NPS,
        currency="USD",
        as_of=as_of,
        churn_rule="churned_at",
        attributes=("segment",),
    )


def joined_table(
    n_customers: int = 2_000, *, seed: int = 1, has_window: bool = True
) -> Observations:
    """A table already joined: tenure in months, monthly revenue, churn in a window of 91 days."""
    rng = np.random.default_rng(seed)
    tenure = rng.integers(1, 60, n_customers).astype(float)
    rating = rng.integers(1, 6, n_customers).astype(float)
    churned = rng.random(n_customers) < 0.15 + 0.05 * (rating < 3)
    frame = pd.DataFrame(
        {
            "customer_id": [f"c{i:05d}" for i in range(n_customers)],
            "rating": rating,
            "band": [CSAT5.band(r) for r in rating],
            "response_weight": 1.0,
            "churned": churned.astype(float),
            "outcome_complete": True,
            "plan": rng.choice(["a", "b", "c"], n_customers),
            "_share": 1.0,
            "_status": "ok",
            "_at_risk": True,
            "_left_in_gap": False,
            "_monthly_revenue": rng.gamma(9.0, 5.0, n_customers),
            "_duration_months": tenure,
            "_event": churned,
        }
    )
    return Observations(
        frame=frame,
        windows=Windows(outcome_days=91),
        rating="csat",
        scale=CSAT5,
        currency="USD",
        window_words="91 days" if has_window else "observation window",
        churn_rule="observed",
        controls=("plan",),
        is_joined=True,
    )
