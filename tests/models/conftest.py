"""Observations with a known truth, made from numpy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from cxmodel.scales import NPS
from cxmodel.tables.observation_table import Observations, Windows


def make_observations(
    n_customers: int = 3_000,
    seed: int = 0,
    *,
    dollars_per_point: float = 5.0,
    log_odds_per_point: float = 0.15,
    confounding: float = 1.0,
    old_habit: float = 0.0,
    early_decision: float = 0.0,
    repeats: int = 1,
    history: float = 3.5,
    **changes: object,
) -> Observations:
    """Make an observation table whose lift is known.

    Those who spent more spend more, stay more, and rate higher (`confounding`); spending is known
    in two windows before, and older windows matter through them alone. `old_habit` breaks that:
    spending three windows ago moves rating and outcome past the controls. `early_decision` is
    the share of those who decided to leave before they answered: they rate low and leave at once.
    Given the controls, revenue rises by `dollars_per_point` for each rating point and the log odds
    of staying by `log_odds_per_point`.
    """
    rng = np.random.default_rng(seed)
    customer = np.repeat(np.arange(n_customers), repeats)
    n = len(customer)
    segment = rng.choice(["small", "middle", "large"], n_customers, p=[0.5, 0.3, 0.2])[customer]
    size = pd.Series(segment).map({"small": 0.0, "middle": 1.0, "large": 2.0}).to_numpy()
    own = rng.normal(0, 25, n_customers)[customer]
    before_3 = 100 + 20 * size + own + rng.normal(0, 15, n)
    before_2 = 40 + 0.6 * before_3 + rng.normal(0, 15, n)
    before = 40 + 0.6 * before_2 + rng.normal(0, 15, n)
    usual = (before - 100) / 25 + 0.3 * (before_2 - 100) / 25
    decided = rng.random(n) < early_decision
    remembered = old_habit * (before_3 - 100) / 25
    score = 6.5 + 1.2 * confounding * usual + 0.3 * size + remembered + rng.normal(0, 2, n)
    rating = np.clip(np.round(score - 4 * decided), 0, 10)
    log_odds = 1.2 + log_odds_per_point * (rating - 6.5) + 0.5 * confounding * usual
    leaves_at = rng.exponential(1.0, n) * 180 / np.log1p(np.exp(-log_odds))
    leaves_at = np.where(decided, rng.uniform(0, 25, n), leaves_at)
    daily = (before + dollars_per_point * rating + 20 * remembered) / 180
    frame = pd.DataFrame(
        {
            "customer_id": [f"c{i:06d}" for i in customer],
            "responded_at": pd.Timestamp("2025-06-01")
            + pd.to_timedelta(rng.integers(0, 120, n), "D"),
            "rating": rating,
            "band": [NPS.band(r) for r in rating],
            "response_weight": 1.0,
            "revenue_before": before,
            "revenue_before_2": before_2,
            "revenue_before_3": before_3,
            "tenure_days": rng.uniform(200, 2_000, n),
            "days_observed_before": 700.0,
            "contacts_before": rng.poisson(1.0, n).astype(float),
            "outcome_complete": True,
            "segment": segment,
            "_share": 1 / repeats,
            "_status": "ok",
            "_at_risk": True,
            "_left_in_gap": False,
            "_history_windows": history,
        }
    )
    frame["_month"] = frame["responded_at"].dt.strftime("%Y-%m")
    noise = rng.normal(0, 20, n)
    for gap in (0, 30, 60, 90):
        # those who leave still have bookings on the books in these tables: only the decided stop
        stays_days = np.where(decided, np.clip(leaves_at - gap, 0, 180), 180.0)
        frame[f"_revenue_after_g{gap}"] = daily * stays_days + noise * (stays_days > 0)
        frame[f"_churned_g{gap}"] = ((leaves_at > gap) & (leaves_at <= gap + 180)).astype(float)
        frame[f"_complete_g{gap}"] = True
        frame[f"_present_g{gap}"] = leaves_at > gap
    frame["revenue_after"] = frame["_revenue_after_g0"]
    frame["churned"] = frame["_churned_g0"]
    settings: dict[str, object] = {
        "frame": frame,
        "windows": Windows(),
        "rating": "nps",
        "scale": NPS,
        "currency": "USD",
        "churn_rule": "churned_at",
        "attributes": ("segment",),
        "customer_attributes": ("segment",),
        "audit": {"match_rate": 1.0, "revenue_reconciled": {"difference": 0.0}},
    }
    return Observations(**{**settings, **changes})  # type: ignore[arg-type]


@pytest.fixture
def observations() -> Callable[..., Observations]:
    """Give the maker of observations."""
    return make_observations
