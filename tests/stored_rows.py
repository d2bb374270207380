"""Stored purchase, spend, hazard and lifetime value models, written by hand and fitted."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from purchase_ledgers import simulate_histories
from simulated_observations import joined_table, simulate_observations

import cxmodel as cx
from cxmodel.models.model_file import ModelFile, make_model_file
from cxmodel.models.retention.covariates_result import RetentionByCovariates
from cxmodel.models.retention.hazard_result import HazardResult
from cxmodel.results import NotRun
from cxmodel.value.cltv.model import CltvModel
from cxmodel.value.cltv.result import CltvResult
from cxmodel.value.purchases.result import PurchaseFit
from cxmodel.value.purchases.spend import SpendFit

# Fader, Hardie & Lee (2005): CDNOW in weeks
CDNOW = {"r": 0.242595, "alpha": 4.413602, "a": 0.792922, "b": 2.425907}
VALUES = {
    "gross_margin": 0.6,
    "annual_discount_rate": 0.0,
    "horizon_months": 2,
    "benefit": "margin",
    "currency": "USD",
    "min_group_size": 30,
    "conf_level": 0.95,
    "n_draws": 5,
    "seed": 1,
}
PURCHASES: dict[str, Any] = {
    "family": "bg_nbd",
    "method": "likelihood",
    "parameters": CDNOW,
    "vector": [float(np.log(value)) for value in CDNOW.values()],
    "covariance": [[0.01 * (i == j) for j in range(4)] for i in range(4)],
    "interval": {
        "low": [float(np.log(value)) - 0.2 for value in CDNOW.values()],
        "high": [None, *(float(np.log(value)) + 0.2 for value in list(CDNOW.values())[1:])],
    },
    "log_likelihood": -9582.4292,
    "purchase_covariates": [],
    "dropout_covariates": [],
    "ranges": [],
    "unit_days": 7.0,
    "currency": "USD",
    "n_customers": 2357,
    "n_repeat_customers": 946,
    "conf_level": 0.95,
    "caveats": [],
}
SPEND: dict[str, Any] = {
    # Fader & Hardie (2013): CDNOW, mean p v / (q - 1) = 6.25 x 15.44 / 2.74
    "parameters": {"p": 6.25, "q": 3.74, "v": 15.44},
    "vector": [float(np.log(value)) for value in (6.25, 3.74, 15.44)],
    "covariance": [[0.01 * (i == j) for j in range(3)] for i in range(3)],
    "interval": {
        "low": [float(np.log(value)) - 0.2 for value in (6.25, 3.74, 15.44)],
        "high": [float(np.log(value)) + 0.2 for value in (6.25, 3.74, 15.44)],
    },
    "log_likelihood": -4055.0,
    "covariates": [],
    "ranges": [],
    "currency": "USD",
    "mean_spend": 35.2,
    "correlation": 0.1,
    "n_customers": 946,
    "conf_level": 0.95,
    "caveats": [],
}


def spread(columns: list[str], scores: list[str], **words: list[str]) -> dict[str, Any]:
    """Lay out a profile: half of 400 customers up to 5, half above, and as many of each word."""
    half = {"edges": [5.0], "counts": [200, 200]}
    levels = [
        {"name": name, "levels": each, "counts": [400 // len(each)] * len(each) + [0], "known": []}
        for name, each in words.items()
    ]
    return {
        "columns": [*({"name": name, **half} for name in columns), *levels],
        "scores": [{"name": name, **half} for name in scores],
    }


HAZARD: dict[str, Any] = {
    "terms": [
        {"column": "rating", "level": None, "mean": 5.0, "log_ratio": float(np.log(0.5)),
         "std_error": 0.1},
        {"column": "plan", "level": "b", "mean": 0.0, "log_ratio": float(np.log(2.0)),
         "std_error": 0.1},
    ],
    "bands": {"reason": "there is no scale"},
    "levels": [{"column": "plan", "levels": ["a", "b"]}],
    "first_period": 0,
    "baseline": {"hazard": [0.1, 0.2, 1.0], "conf_low": [0.05, 0.1, 1.0],
                 "conf_high": [0.2, 0.3, 1.0], "survival": [0.9, 0.72, 0.0]},
    "n_customers": 300, "rating": "rating", "not_used": [], "caveats": [], "is_weighted": False,
    "study": None,
    "n_spells": 400, "n_person_periods": 900, "n_events": 90,
    "reference_band": "", "clock": "the customer started", "period": "month",
    "errors": "by customer", "ratio_of": "hazard", "rating_range": [0.0, 10.0],
    "profile": spread(["rating"], [], plan=["a", "b"]),
    "log_likelihood": -300.0, "conf_level": 0.95, "period_days": 30.4375,
}  # fmt: skip
STUDY: dict[str, Any] = {
    "rating": {"name": "nps", "scale": "nps", "low": 0, "high": 10},
    "windows": {"lookback_days": 30, "outcome_days": 60, "gap_days": 0, "inactive_days": 45},
    "currency": None,
}
RETENTION: dict[str, Any] = {
    "family": "geometric",
    "parameters": {"prob_churn_per_period": 0.1},
    "terms": [
        {"column": "rating", "level": None, "mean": 5.0, "coefficient": float(np.log(0.5))},
        {"column": "plan", "level": "b", "mean": 0.0, "coefficient": float(np.log(2.0))},
    ],
    "covariance": [[0.01, 0.0], [0.0, 0.01]],
    "levels": [{"column": "plan", "levels": ["a", "b"]}],
    "families": [], "choice": "it was asked for", "clock": "the first answer", "study": STUDY,
    "profile": spread(["rating"], [], plan=["a", "b"]), "not_used": [], "caveats": [],
    "log_likelihood": -300.0, "statistic": 9.0, "p_value": 0.01, "conf_level": 0.95,
    "n_obs": 400, "n_events": 90, "observed_months": 120,
}  # fmt: skip
CONTRACT: dict[str, Any] = {
    "business": "contract",
    "settings": VALUES,
    "per_customer": {"estimate": 45.0, "std_error": 1.0, "n_obs": 300},
    "caveats": [],
    "window_months": 0.0,
    "gap_months": 0.0,
    "spending_line": None,
    "windows": None,
    "retention": [1.0, 0.5, 0.25],
    "retention_model": None,
    "profile": spread(["monthly_revenue"], ["prob_stays", "cltv"]),
}
BY_PURCHASES: dict[str, Any] = {
    "business": "purchases",
    "settings": VALUES,
    "per_customer": {"estimate": 12.0, "std_error": None, "n_obs": 2357},
    "caveats": [],
    "purchases": PURCHASES,
    "spend": SPEND,
    "profile": spread(["frequency", "monetary_value"], ["prob_alive", "expected_spend"]),
}
OF_BUYS = spread(["frequency"], ["prob_alive"])
OF_SPEND = spread(["frequency", "monetary_value"], ["expected_spend"])
BY_HAND = {
    "purchases": ("purchases", {**PURCHASES, "profile": OF_BUYS}),
    "spend": ("spend", {**SPEND, "profile": OF_SPEND}),
    "hazard": ("hazard", HAZARD),
    "retention": ("retention_covariates", RETENTION),
    "contract": ("cltv", CONTRACT),
    "by_purchases": ("cltv", BY_PURCHASES),
}


def file_by_hand(name: str, **changes: Any) -> ModelFile:
    """Make the file of a model whose numbers can be worked out on paper."""
    kind, content = BY_HAND[name]
    found = {**content, **changes}
    if "profile" in content and "profile" not in changes:
        found["profile"] = spread_of(name, found)
    return make_model_file(kind, found, created_at=None)


def spread_of(name: str, content: dict[str, Any]) -> dict[str, Any]:
    """Lay out a profile of the columns that a model looks at with this content."""
    if name == "hazard":
        numbers = [row["column"] for row in content["terms"] if row["level"] is None]
        return spread(numbers, [], **{row["column"]: row["levels"] for row in content["levels"]})
    if name == "contract":
        line = content["spending_line"]
        columns = ["monthly_revenue"] if line is None else ["revenue_before"]
        columns += ["days_observed_before"] if line and line["lookback_days"] else []
        columns += ["tenure_months"] if content["retention_model"] else []
        return spread(columns, ["prob_stays", "cltv"])
    if name == "purchases":
        known = [*content["purchase_covariates"], *content["dropout_covariates"]]
        return spread(["frequency", *dict.fromkeys(known)], ["prob_alive"])
    if name == "spend":
        return spread(["frequency", "monetary_value", *content["covariates"]], ["expected_spend"])
    found: dict[str, Any] = content["profile"]
    return found


def histories(n: int = 400, seed: int = 5) -> pd.DataFrame:
    """Histories with spend, two covariates and customers who bought once."""
    rng = np.random.default_rng(seed)
    rating = rng.integers(0, 11, n).astype(float)
    frame = simulate_histories("bg_nbd", (0.9, 8.0, 0.8, 2.5), n, seed, buying=0.1 * (rating - 5))
    money = rng.gamma(6.0, 6.0, n).round(2)
    return frame.assign(
        customer_id=[f"c{i:04d}" for i in range(n)],
        monetary_value=np.where(frame["frequency"] > 0, money, np.nan),
        rating=rating,
        heavy=rng.integers(0, 2, n).astype(float),
    )


def occasions(n: int = 3_000, n_times: int = 6, seed: int = 2) -> pd.DataFrame:
    """Donors who give, and stop giving, as BG/BB says: equal rows together."""
    rng = np.random.default_rng(seed)
    gives, stops = rng.beta(1.2, 0.75, n), rng.beta(0.66, 2.78, n)
    there, x, last = np.ones(n, dtype=bool), np.zeros(n), np.zeros(n)
    for time in range(1, n_times + 1):
        there &= rng.random(n) >= stops
        made = there & (rng.random(n) < gives)
        x[made] += 1
        last[made] = time
    frame = pd.DataFrame({"frequency": x, "recency": last, "T": float(n_times)})
    return frame.value_counts().rename("n_customers").reset_index()


@cache
def fitted_purchases(family: Any = "bg_nbd") -> tuple[pd.DataFrame, PurchaseFit]:
    frame = histories()
    if family == "bg_bb":
        few = occasions()
        return few, cx.PurchaseModel(family="bg_bb").fit(few)
    plain = family == "pareto_nbd"
    model = cx.PurchaseModel(
        family=family,
        covariates=() if plain else ("rating",),
        dropout_covariates=() if plain else ("heavy",),
    )
    return frame, model.fit(frame)


@cache
def fitted_spend() -> tuple[pd.DataFrame, SpendFit]:
    frame = histories()
    return frame, cx.SpendModel(covariates="heavy").fit(frame)


@cache
def fitted_hazard() -> HazardResult:
    obs = simulate_observations(700, loss_per_month=0.05)
    return cx.HazardModel(controls="segment").fit(obs)


@cache
def fitted_covariates() -> RetentionByCovariates:
    obs = simulate_observations(700, loss_per_month=0.05)
    return cx.RetentionModel(family="sbg").fit_covariates(obs, ["rating", "segment"])


@cache
def fitted_value(kind: str) -> tuple[Any, CltvResult]:
    """Value customers: by a window of the ledger, by tenure, or by purchases."""
    model = CltvModel(gross_margin=0.6, annual_discount_rate=0.10, n_draws=2)
    if kind == "purchases":
        rfm = read_money(histories(200).drop(columns=["rating", "heavy"]))
        return rfm, model.fit(rfm)
    obs = joined_table(600) if kind == "tenure" else simulate_observations(600)
    none = NotRun("not asked for")
    return obs, model.fit(obs, lift=none, retention_lift=none)


def read_money(frame: pd.DataFrame) -> Any:
    """Give histories their currency, which a frame cannot say."""
    from dataclasses import replace

    from cxmodel.value.purchases.reading import read_histories

    return replace(read_histories(frame), currency="USD", unit_days=7.0)
