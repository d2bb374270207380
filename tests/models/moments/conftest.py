"""Observations with a known make, and their designs as matrices."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest


def make_rows(n: int = 2_000, seed: int = 1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    rating = rng.integers(0, 11, n)
    customer = rng.integers(0, n // 3, n)
    own = rng.normal(0, 0.4, n)[customer]
    any_spent = rng.random(n) < 0.6
    spent = np.round(np.exp(rng.normal(3, 0.8, n) + 0.08 * rating + own) * 100).astype(int) + 1
    return pd.DataFrame(
        {
            "customer": customer,
            "region": customer % 9,
            "rating": rating,
            "segment": rng.choice(["a", "b", "c"], n),
            "tenure": rng.gamma(2.0, 100, n),
            "spent": np.where(any_spent, spent, 0),
            "amount": spent,
            "stayed": rng.random(n) < 1 / (1 + np.exp(1 - 0.2 * rating - own)),
            "weight": rng.uniform(0.3, 3, n),
        }
    )


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    return make_rows()


@pytest.fixture(scope="module")
def design(rows: pd.DataFrame) -> np.ndarray:
    """Intercept, rating, segment b, segment c."""
    flags = [np.ones(len(rows)), rows.rating, rows.segment == "b", rows.segment == "c"]
    return np.column_stack(flags).astype(float)


@pytest.fixture(scope="module")
def wide(rows: pd.DataFrame, design: np.ndarray) -> np.ndarray:
    """Intercept, rating, tenure, segment b, segment c."""
    return np.insert(design, 2, rows.tenure, axis=1)
