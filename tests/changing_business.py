"""Subscriptions whose rate of ending may change on a day of the calendar."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import numpy as np
import pandas as pd
from simulated_observations import simulate_observations

from cxmodel.tables.observation_table import Observations

MONTH = 365.25 / 12
END = dt.date(2025, 12, 31)


def changing_business(
    seed: int,
    *,
    n: int = 1_500,
    loss: float = 0.03,
    change: float = 1.0,
    from_day: str = "2024-07-10",
) -> Observations:
    """Subscriptions that end at one rate, and at `change` times it from a day on."""
    obs = simulate_observations(n, seed=seed, rating_effect=0.0, repeats=0.0)
    rng = np.random.default_rng(10_000 + seed)
    answered = obs.frame["responded_at"]
    until = ((pd.Timestamp(from_day) - answered).dt.total_seconds() / 86_400 / MONTH).to_numpy()
    used = rng.exponential(size=n) / loss
    before = np.maximum(until, 0.0)
    months = np.where(used < before, used, before + (used - before) / change)
    follow = ((pd.Timestamp(END) + pd.Timedelta(days=1) - answered).dt.total_seconds()) / 86_400
    days = months * MONTH
    frame = obs.frame.assign(
        duration_days=np.minimum(days, follow),
        _event=days <= follow,
        revenue_after=20 * np.minimum(days, 180) / MONTH,
    )
    return replace(obs, frame=frame)
