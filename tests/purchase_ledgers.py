"""Ledgers of purchases for the tests: the CDNOW sample, and customers simulated from a model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

import cxmodel as cx
from cxmodel.tables.purchase_summary import PurchaseSummary

TRUE_PARAMETERS = {
    "bg_nbd": (0.8, 8.0, 0.9, 2.5),
    "mbg_nbd": (0.8, 8.0, 0.6, 2.5),
    "pareto_nbd": (0.8, 8.0, 0.7, 12.0),
    "bg_bb": (1.2, 0.75, 0.66, 2.78),
}
TRUE_SPEND = (6.0, 4.0, 15.0)  # Gamma-Gamma: 6 x 15 / 3 = 30 a purchase on average


def read_cdnow(data_dir: Path, **options: object) -> PurchaseSummary:
    """The 1/10 sample in weeks, learnt from until 30 September 1997."""
    ledger = pd.read_csv(
        data_dir / "cdnow" / "CDNOW_sample.txt",
        sep=r"\s+",
        header=None,
        names=["master_id", "id", "date", "n_cds", "dollars"],
        dtype={"date": str, "id": str},
    )
    ledger["date"] = pd.to_datetime(ledger["date"]).dt.strftime("%Y-%m-%d")
    revenue = cx.read_revenue(
        ledger[["id", "date", "dollars"]],
        customer_id="id",
        booked_at="date",
        amount="dollars",
        currency="USD",
    )
    given = {"as_of": "1998-06-30", "holdout_from": "1997-10-01", "unit_days": 7, **options}
    return cx.summarize_purchases(revenue, **given)  # type: ignore[arg-type]


def simulate_histories(
    family: str,
    parameters: tuple[float, ...],
    n_customers: int,
    seed: int,
    *,
    months_of_starts: float = 3.0,
    age: float = 52.0,
    buying: np.ndarray | float = 0.0,
    leaving: np.ndarray | float = 0.0,
) -> pd.DataFrame:
    """Customers who buy and leave as a family says; `buying` and `leaving` shift the log rates.

    Nothing here uses the likelihood: customers are played through, a purchase of all at a time.
    """
    rng = np.random.default_rng(seed)
    first, scale, third, fourth = parameters
    rate = rng.gamma(first, 1 / scale, n_customers) * np.exp(buying)
    ages = age - rng.uniform(0, months_of_starts * 52 / 12, n_customers)
    until, stops = ages, np.zeros(n_customers)
    if family == "pareto_nbd":
        loss = rng.gamma(third, 1 / fourth, n_customers) * np.exp(leaving)
        with np.errstate(divide="ignore"):
            until = np.minimum(ages, rng.exponential(1.0, n_customers) / loss)
    else:
        stops = rng.beta(third * np.exp(leaving), fourth * np.ones(n_customers))
    x, last, at = (np.zeros(n_customers) for _ in range(3))
    stays = rng.random(n_customers) >= stops if family == "mbg_nbd" else np.ones(n_customers, bool)
    active = np.flatnonzero(stays)
    while active.size:
        with np.errstate(divide="ignore"):
            at[active] += rng.exponential(1.0, active.size) / rate[active]
        active = active[at[active] <= until[active]]
        x[active] += 1
        last[active] = at[active]
        active = active[rng.random(active.size) >= stops[active]]
    return pd.DataFrame({"frequency": x, "recency": last, "T": ages})


def simulate_occasions(
    parameters: tuple[float, ...], n_customers: int, seed: int, *, occasions: int = 6
) -> pd.DataFrame:
    """Customers of BG/BB, played through: each buys on an occasion or not, until they leave."""
    rng = np.random.default_rng(seed)
    alpha, beta, gamma, delta = parameters
    buys, stops = rng.beta(alpha, beta, n_customers), rng.beta(gamma, delta, n_customers)
    lives = rng.geometric(stops) - 1
    made = rng.random((n_customers, occasions)) < buys[:, None]
    made &= np.arange(occasions) < lives[:, None]
    last = (made * np.arange(1, occasions + 1)).max(axis=1)
    return pd.DataFrame({"frequency": made.sum(axis=1), "recency": last, "T": occasions})


def simulate_spend(n_customers: int, seed: int, shift: np.ndarray | float = 0.0) -> pd.DataFrame:
    """Customers of Gamma-Gamma with 1 to 8 purchases; `shift` is added to the log of v."""
    p, q, v = TRUE_SPEND
    rng = np.random.default_rng(seed)
    x = rng.integers(1, 9, n_customers)
    rate = rng.gamma(q, 1 / (v * np.exp(shift)), n_customers)
    mean = rng.gamma(p * x, 1 / rate) / x
    return pd.DataFrame({"frequency": x, "recency": 5.0, "T": 9.0, "monetary_value": mean})
