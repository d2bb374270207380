"""A company whose bookings crowd on the boundaries of windows, at any size.

Times are whole microseconds. A booking on a boundary lies at a distance from a response of its
customer at which some window begins or ends, or one microsecond or one second to either side.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

DAY = 86_400_000_000
START = 1_640_995_200_000_000  # 2022-01-01
SPAN_DAYS = 1460
EDGE_DAYS = (-540, -360, -180, -90, 0, 30, 60, 90, 120, 150, 180, 210, 240, 270)
NUDGES = (0, 1, -1, 1_000_000, -1_000_000)


@dataclass(frozen=True, kw_only=True)
class Size:
    """How many rows the tables have."""

    n_customers: int
    n_responses: int
    n_bookings: int
    n_on_edges: int


SMALL = Size(n_customers=200, n_responses=500, n_bookings=6_000, n_on_edges=2_000)
LARGE = Size(n_customers=200_000, n_responses=300_000, n_bookings=20_000_000, n_on_edges=30_000)


def make_tables(size: Size, seed: int = 1) -> dict[str, pa.Table]:
    """Make surveys, customers, revenue, subscriptions and interactions as their owner has them."""
    random = np.random.default_rng(seed)
    who = random.integers(0, size.n_customers, size.n_responses)
    when = START + random.integers(400 * DAY, (SPAN_DAYS - 100) * DAY, size.n_responses)
    when -= when % 1_000_000  # answers come to the second
    names = np.char.add("C", np.char.zfill(np.arange(size.n_customers).astype(str), 7))
    booker, booked = _bookings(size, random, who, when)
    amounts = random.integers(-2_000, 50_000, len(booker)) / 100
    started = START - random.integers(0, 800 * DAY, size.n_customers)
    left = np.where(random.random(size.n_customers) < 0.3, START + 700 * DAY, 0) + random.integers(
        0, 700 * DAY, size.n_customers
    )
    stayed = left < START
    n_lines = size.n_customers
    begun = START + random.integers(0, SPAN_DAYS * DAY, n_lines)
    ended = begun + random.integers(0, 400 * DAY, n_lines)
    subscriber = random.integers(0, size.n_customers, n_lines)
    caller = random.integers(0, size.n_customers, size.n_responses)
    called = START + random.integers(0, SPAN_DAYS * DAY, size.n_responses)
    return {
        "surveys": pa.table(
            {
                "customer_id": names[who],
                "responded_at": _times(when),
                "score": pa.array(random.integers(0, 11, size.n_responses), pa.int64()),
                "touchpoint": random.choice(["web", "shop", "Ärger"], size.n_responses),
            }
        ),
        "customers": pa.table(
            {
                "customer_id": names,
                "started_at": _times(started),
                "churned_at": _times(left, stayed),
                "segment": random.choice(["small", "Large", "öffentlich"], size.n_customers),
            }
        ),
        "revenue": pa.table(
            {"customer_id": names[booker], "booked_at": _times(booked), "amount": amounts}
        ),
        "subscriptions": pa.table(
            {
                "customer_id": names[subscriber],
                "started_at": _times(begun),
                "ended_at": _times(ended, random.random(n_lines) < 0.2),
                "monthly_amount": random.integers(0, 30_000, n_lines) / 100,
            }
        ),
        "interactions": pa.table(
            {
                "customer_id": names[caller],
                "started_at": _times(called),
                "resolved_at": _times(
                    called + random.integers(0, 9 * DAY, size.n_responses),
                    random.random(size.n_responses) < 0.1,
                ),
            }
        ),
    }


def _bookings(size, random, who, when):
    """Draw bookings at random, and some on the boundaries of a response of their customer."""
    n_random = size.n_bookings - size.n_on_edges
    chosen = random.integers(0, size.n_responses, size.n_on_edges)
    on_edges = (
        when[chosen]
        + random.choice(EDGE_DAYS, size.n_on_edges) * DAY
        + random.choice(NUDGES, size.n_on_edges)
    )
    booker = np.concatenate([random.integers(0, size.n_customers, n_random), who[chosen]])
    booked = np.concatenate([START + random.integers(0, SPAN_DAYS * DAY, n_random), on_edges])
    order = random.permutation(size.n_bookings)
    return booker[order], booked[order]


def _times(micros, missing=None) -> pa.Array:
    return pa.array(micros.astype("int64"), pa.timestamp("us"), mask=missing)


def write_tables(tables: dict[str, pa.Table], folder: Path) -> dict[str, str]:
    """Write the tables as Parquet files, and name them."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        pq.write_table(table, folder / f"{name}.parquet")
    return {name: str(folder / f"{name}.parquet") for name in tables}
