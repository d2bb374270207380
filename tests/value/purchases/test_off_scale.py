"""Ratings off their scale as covariates of purchases: no answers, counted, and said."""

from __future__ import annotations

import datetime as dt
import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import cxmodel as cx
from cxmodel import cli
from cxmodel.errors import CxModelWarning, SchemaError, SourceError
from cxmodel.models.model_file import make_model_file, write_model_file
from cxmodel.tables.purchase_customers import purchases_by_customer
from cxmodel.tables.purchase_summary import PurchaseSummary

N, DAY = 300, dt.date(2025, 7, 1)


@cache
def shop() -> tuple[Any, Any, Any]:
    """A ledger of half a year, ratings of 0 to 10 and ages; who rates more buys more."""
    rng = np.random.default_rng(4)
    rating, ids = rng.integers(0, 11, N), np.array([f"c{i:03d}" for i in range(N)])
    n_days = 1 + rng.poisson(rng.gamma(1.0, 0.3 * (1 + rating)))
    days = [np.sort(rng.choice(180, size=n, replace=False)) for n in n_days]
    day = pd.Timestamp("2025-01-01") + pd.to_timedelta(np.concatenate(days), unit="D")
    ledger = pd.DataFrame({"customer_id": np.repeat(ids, n_days), "booked_at": day})
    ledger["booked_at"] = ledger.booked_at.dt.strftime("%Y-%m-%d")
    ledger["amount"] = rng.gamma(5.0, 4.0, len(ledger)).round(2)
    answers = pd.DataFrame({"customer_id": ids, "responded_at": "2025-01-01", "nps": rating})
    people = pd.DataFrame({"customer_id": ids, "age": rng.integers(20, 80, N)})
    return (
        cx.read_revenue(ledger, currency="USD"),
        cx.read_surveys(answers, ratings={"nps": ("nps", cx.NPS)}),
        cx.read_customers(people, attributes=["age"]),
    )


@cache
def summary() -> PurchaseSummary:
    revenue, surveys, customers = shop()
    return cx.summarize_purchases(
        revenue, as_of="2025-06-30", unit_days=7, covariates=("nps", "age"), surveys=surveys,
        customers=customers,
    )  # fmt: skip


@cache
def fitted(kind: str) -> Any:
    model = cx.PurchaseModel if kind == "purchases" else cx.SpendModel
    return model(covariates=("nps", "age")).fit(summary())


ROWS = pd.DataFrame(
    {
        "customer_id": list("abcdef"),
        "frequency": 2.0, "recency": 9.0, "T": 20.0, "monetary_value": 30.0,
        "nps": [10.0, 42.0, -500.0, np.nan, 0.0, 10.5],
        "age": [40.0, 40.0, 40.0, 40.0, 500.0, 40.0],
    }
)  # fmt: skip
SAID = "3 rows have 'nps' outside 0 to 10: that is no answer, so it counts as missing."
IS_SCORED = [True, False, False, False, True, False]
KINDS = {"purchases": ("prob_alive", "expected_purchases"), "spend": ("expected_spend",)}


def predicted(model: Any, kind: str, rows: Any) -> pd.DataFrame:
    return model.predict(rows, 4) if kind == "purchases" else model.predict(rows)


# -- By hand ---------------------------------------------------------------------------------------


def test_a_rating_keeps_its_scale_and_an_attribute_has_none() -> None:
    assert summary().ranges == {"nps": (0.0, 10.0)}
    revenue, surveys, customers = shop()
    found = purchases_by_customer(
        revenue, as_of="2025-06-30", covariates=("nps", "age"), surveys=surveys, customers=customers
    )
    assert found.histories.ranges == {"nps": (0.0, 10.0)}
    assert fitted("purchases").ranges == fitted("spend").ranges == {"nps": (0.0, 10.0)}
    # nobody knows the scale of a column
    assert cx.PurchaseModel(covariates="nps").fit(summary().to_frame()).ranges == {}


@pytest.mark.parametrize("kind", KINDS)
def test_ratings_off_the_scale_are_missing_and_counted(kind: str, tmp_path: Path) -> None:
    fit = fitted(kind)
    again = cx.load_model(fit.save(tmp_path / "model.json"), at=DAY)
    assert again.ranges == {"nps": (0.0, 10.0)}
    plain = predicted(fit, kind, ROWS[IS_SCORED])
    for model in (fit, again):
        with pytest.warns(CxModelWarning, match=SAID) as warned:
            found = predicted(model, kind, ROWS)
        assert len(warned) == 1
        assert found.customer_id.tolist() == list("abcdef")
        for name in KINDS[kind]:
            assert found[name].notna().tolist() == IS_SCORED
            assert found[name].dropna().tolist() == plain[name].tolist()
        with pytest.warns(CxModelWarning, match="1 row has 'nps' outside 0 to 10"):
            none = predicted(model, kind, ROWS[1:2])
        assert none[list(KINDS[kind])].isna().all(axis=None)


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_with_ratings_off_the_scale(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    fitted(kind).save("model.json")
    ROWS.to_csv("in.csv", index=False)
    assert cli.main(["score", "model.json", "in.csv", "out.csv"]) == 0
    said = capsys.readouterr().err
    assert f"Warning: {SAID}" in said
    assert "4 rows without a score: a value is missing (nps: 4)" in said
    found = pd.read_csv("out.csv")
    assert found[KINDS[kind][0]].notna().tolist() == IS_SCORED


# -- Errors ----------------------------------------------------------------------------------------


def test_a_sum_needs_everybody(tmp_path: Path) -> None:
    again = cx.load_model(fitted("purchases").save(tmp_path / "model.json"), at=DAY)
    with (
        pytest.warns(CxModelWarning, match="1 row has 'nps' outside 0 to 10"),
        pytest.raises(SchemaError, match="covariate 'nps' is missing or not finite"),
    ):
        again.expected_total(4, ROWS[:2])
    with pytest.raises(SchemaError, match="covariate 'age' is not finite"):
        again.predict(ROWS.assign(nps=5.0, age=np.inf), 4)


@pytest.mark.parametrize(
    ("ranges", "message"),
    [
        ([{"covariate": "income", "low": 0, "high": 10}], "covariate must be a covariate of the"),
        ([{"covariate": "nps", "low": 10, "high": 0}], "high must be above low"),
        ([{"covariate": "nps", "low": 0, "high": 10}] * 2, "each once"),
    ],
)
def test_a_scale_that_is_none_is_refused(
    ranges: list[dict[str, Any]], message: str, tmp_path: Path
) -> None:
    path = fitted("purchases").save(tmp_path / "model.json")
    content = json.loads(path.read_text())["content"]
    file = make_model_file("purchases", {**content, "ranges": ranges}, created_at=None)
    with pytest.raises(SourceError, match=message):
        cx.load_model(write_model_file(file, tmp_path / "changed.json"))
