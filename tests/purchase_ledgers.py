"""Ledgers of purchases for the tests: the CDNOW sample, and customers simulated from a model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

import cxmodel as cx
from cxmodel.tables.purchase_summary import PurchaseSummary


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
