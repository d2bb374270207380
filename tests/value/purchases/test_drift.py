"""Drift of purchase models: time that passes raises no alarm, a business that changes does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import cxmodel as cx
from cxmodel import cli
from cxmodel.value.purchases.result import PurchaseFit

N, FITTED, MONTH = 3_000, 39.0, 30 / 7


def histories(at: float, *, faster: float = 1.0, stops: bool = False) -> pd.DataFrame:
    """Customers who came within 13 weeks, seen at a week; what changes does so after the fit.

    Purchases come at each customer's own rate, `faster` times as often from the fit on; or nobody
    buys any more.
    """
    rng = np.random.default_rng(8)
    came = rng.uniform(0, 13, N)
    rate, leaves = rng.gamma(0.8, 1 / 8.0, N), rng.beta(0.9, 2.5, N)
    gaps = rng.exponential(1.0, (N, 200)) / rate[:, None]
    times = came[:, None] + np.cumsum(gaps, axis=1)
    late = times > FITTED
    times = np.where(late, np.inf if stops else FITTED + (times - FITTED) / faster, times)
    # there until the first purchase after which they leave
    left = rng.random((N, 200)) < leaves[:, None]
    made = (np.cumsum(left, axis=1) - left == 0) & (times <= at)
    x = made.sum(axis=1)
    last = np.where(made, times, 0.0).max(axis=1)
    mean = rng.gamma(3.0, 12.0, N)
    paid = mean * rng.gamma(6.0 * np.maximum(x, 1)) / (6.0 * np.maximum(x, 1))
    return pd.DataFrame(
        {
            "frequency": x.astype(float),
            "recency": np.where(x > 0, last - came, 0.0),
            "T": at - came,
            "monetary_value": np.where(x > 0, paid, np.nan),
        }
    )


@pytest.fixture(scope="module")
def buys() -> PurchaseFit:
    return cx.PurchaseModel().fit(histories(FITTED))


def told(model: PurchaseFit, rows: pd.DataFrame, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Score a file, and give what is said of drift."""
    model.save("model.json")
    rows.to_csv("in.csv", index=False)
    assert cli.main(["score", "model.json", "in.csv", "out.csv"]) == 0
    return [line for line in capsys.readouterr().err.splitlines() if "drift" in line]


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


# -- Recovery --------------------------------------------------------------------------------------


@pytest.mark.parametrize("later", [0.0, MONTH, 3 * MONTH])
def test_time_that_passes_raises_no_alarm(
    buys: PurchaseFit, later: float, capsys: pytest.CaptureFixture[str]
) -> None:
    assert told(buys, histories(FITTED + later), capsys) == []


def test_a_business_that_grows_faster_does(
    buys: PurchaseFit, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = told(buys, histories(FITTED + MONTH, faster=8.0), capsys)
    assert any("The values of 'frequency'" in line for line in lines)


def test_a_business_where_nobody_buys_any_more_does(
    buys: PurchaseFit, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = told(buys, histories(FITTED + 3 * MONTH, stops=True), capsys)
    assert len(lines) == 1
    assert "The predicted probabilities of still being a customer are spread as in an" in lines[0]


def test_a_purchase_model_watches_what_does_not_move_by_itself(buys: PurchaseFit) -> None:
    spend = cx.SpendModel().fit(histories(FITTED))
    for model, columns, scores in (
        (buys, ["frequency"], ["prob_alive"]),
        (spend, ["frequency", "monetary_value"], ["expected_spend"]),
    ):
        profile = cx.load_model(model.save("model.json")).profile
        assert (list(profile.columns), list(profile.scores)) == (columns, scores)
