"""Stored churn models, written by hand and fitted."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from cxmodel.models.churn.model import ChurnModel
from cxmodel.models.churn.read_stored import read_churn
from cxmodel.models.churn.result import ChurnResult
from cxmodel.models.churn.stored import StoredChurnModel, store_churn
from cxmodel.models.model_file import make_model_file
from cxmodel.tables.observation_table import Observations, Windows

HOSTILE = ['=HYPERLINK("x")', 'O\'Hara \\ "q"', "a, b; c\nd", "'; DROP TABLE t; --", "ümlaut ☃"]


def by_hand(**changes: Any) -> StoredChurnModel:
    """Make a model whose probabilities can be worked out on paper.

    Log-odds 0.5 (rating - 5) / 2 + 1 for plan b, and ``rating missing`` weighs 2.
    """
    content: dict[str, Any] = {
        "method": "logistic",
        "base_rate": 0.25,
        "n_obs": 400,
        "n_events": 100,
        "window_words": "180 days",
        "churn_rule": "churned_at",
        "currency": "USD",
        "rating": {"name": "nps", "scale": "nps", "low": 0, "high": 10},
        "windows": {"lookback_days": 180, "outcome_days": 180, "gap_days": 0, "inactive_days": 90},
        "caveats": [],
        "columns": [
            {"name": "rating", "type": "number", "fill": 7.0, "has_missing": True, "cap": 9.0,
             "profile": {"edges": [5.0], "counts": [200, 160, 40]}},
            {"name": "plan", "type": "words", "reference": None, "levels": ["b"],
             "profile": {"levels": ["a", "b"], "counts": [300, 100, 0], "known": ["a", "b"]}},
        ],
        "model": {"kind": "linear", "mean": [5.0, 0.0, 0.0], "scale": [2.0, 1.0, 1.0],
                  "coefficients": [0.5, 2.0, 1.0], "intercept": 0.0},
        "calibration": {"kind": "none"},
        "score_profile": {"edges": [0.5], "counts": [200, 200]},
    }  # fmt: skip
    return read_churn(make_model_file("churn", {**content, **changes}, created_at=None), "the file")


def observations(n: int = 600, seed: int = 1, *, isotonic: bool = False) -> Observations:
    """Make observations with numbers that may be missing, and levels that nobody would like."""
    rng = np.random.default_rng(seed)
    plan = rng.choice([*HOSTILE, "plain"], n)
    rating = rng.integers(0, 11, n).astype(float)
    spend = np.where(rng.random(n) < 0.15, np.nan, rng.gamma(4.0, 25.0, n))
    bend = 3.0 * (rating < 4) if isotonic else 0.3 * (5 - rating)
    log_odds = bend + 0.8 * (plan == "plain") - 1.2 - 0.004 * np.nan_to_num(spend)
    frame = pd.DataFrame(
        {
            "customer_id": [f"c{i:05d}" for i in range(n)],
            "rating": rating,
            "revenue_before": spend,
            "plan": pd.Series(plan, dtype=object).where(rng.random(n) > 0.05, None),
            "churned": (rng.random(n) < 1 / (1 + np.exp(-log_odds))).astype(float),
            "outcome_complete": True,
            "_history_windows": 1.5,
        }
    )
    return Observations(
        frame=frame, windows=Windows(), churn_rule="churned_at", attributes=("plan",)
    )


@cache
def fitted(method: Any = "logistic") -> tuple[Observations, ChurnResult, StoredChurnModel]:
    obs = observations()
    result = ChurnModel(method=method).fit(obs)
    return obs, result, store_churn(result)
