"""An engine of its own for every module, and observations with every kind of column."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest

from cxmodel.tables.engines.engine import Session, connect


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    with connect() as opened:
        yield opened


@pytest.fixture(scope="module")
def observations() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    n = 900
    rating = rng.integers(0, 11, n)
    tenure = rng.gamma(2.0, 200.0, n)
    spent = (4_000 * rating + 30 * tenure + rng.gamma(0.5, 60_000, n)).astype(np.int64)
    return pd.DataFrame(
        {
            "customer_id": [f"c{i}" for i in rng.integers(0, 400, n)],
            "rating": rating,
            "segment": rng.choice(["small", "medium", "large"], n, p=[0.6, 0.3, 0.1]),
            "tenure_days": tenure,
            "spent_units": spent,
            "stayed": rng.random(n) < 0.3 + 0.05 * rating,
            "weight": rng.uniform(0.1, 1.0, n) / rng.integers(1, 4, n),
        }
    )
