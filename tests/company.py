"""A small company as CSV files with its configuration, for tests of the whole."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

TOML = """
[study]
title = "A small company"
currency = "USD"
as_of = 2026-06-30

[sources.surveys]
path = "surveys.csv"
customer_id = "cust"
responded_at = "answered_at"
[sources.surveys.ratings]
nps = { column = "recommend", scale = "nps" }

[sources.customers]
path = "customers.csv"
customer_id = "id"
started_at = "signup"
churned_at = "cancelled"
attributes = ["segment"]

[sources.revenue]
path = "transactions.csv"
customer_id = "cust"
booked_at = "paid_at"
amount = "amount"

[kpis]
by = ["segment"]

[value]
gross_margin = 0.6
annual_discount_rate = 0.10

[[programmes]]
name = "Call-backs"
rating_points = 0.5
reach = 0.5
upfront_cost = 1_000
"""


@dataclass
class Company:
    """Tables in a folder; change them and write again."""

    folder: Path
    tables: dict[str, pd.DataFrame]
    toml: str = TOML

    def write(self) -> Path:
        for name, table in self.tables.items():
            table.to_csv(self.folder / f"{name}.csv", index=False)
        config = self.folder / "cxmodel.toml"
        config.write_text(self.toml, encoding="utf-8")
        return config

    def replace(self, old: str, new: str) -> None:
        assert old in self.toml, f"{old!r} is not in the configuration"
        self.toml = self.toml.replace(old, new)


def make_company(folder: Path, n_customers: int = 500, seed: int = 1) -> Company:
    """Customers who stay and pay more the higher they rate, with two years of bookings."""
    draw = np.random.default_rng(seed)
    end = pd.Timestamp("2026-06-30")
    ids = np.array([f"C{i:04d}" for i in range(n_customers)])
    segment = draw.choice(["small", "large"], n_customers)
    answered = pd.Timestamp("2025-06-01") + pd.to_timedelta(draw.integers(0, 180, n_customers), "D")
    rating = np.clip(np.round(7 + (segment == "large") + 2 * draw.normal(size=n_customers)), 0, 10)
    leaves = draw.random(n_customers) < 0.35 - 0.025 * rating
    cancelled = pd.Series(answered + pd.to_timedelta(draw.integers(5, 170, n_customers), "D"))
    cancelled = cancelled.where(leaves & (cancelled < end))
    bookings = []
    for i in range(n_customers):
        days = np.sort(draw.integers(0, 900, 24))
        paid = pd.Timestamp("2023-11-01") + pd.to_timedelta(days, "D")
        amount = 20 + 10 * (segment[i] == "large") + 3 * rating[i] * (paid > answered[i])
        gone = cancelled[i] if pd.notna(cancelled[i]) else end
        rows = pd.DataFrame({"cust": ids[i], "paid_at": paid, "amount": np.round(amount, 2)})
        bookings.append(rows[rows.paid_at <= gone])
    day = "%Y-%m-%d"
    return Company(
        folder,
        {
            "surveys": pd.DataFrame(
                {
                    "cust": ids,
                    "answered_at": answered.strftime("%Y-%m-%d %H:%M:%S"),
                    "recommend": rating.astype(int),
                }
            ),
            "customers": pd.DataFrame(
                {
                    "id": ids,
                    "signup": "2023-10-01",
                    "cancelled": cancelled.dt.strftime(day),
                    "segment": segment,
                }
            ),
            "transactions": pd.concat(bookings, ignore_index=True).assign(
                paid_at=lambda t: t.paid_at.dt.strftime(day)
            ),
        },
    )
