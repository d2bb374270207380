"""Two years of a wholesaler's invoices: joined, netted, fitted and held against what came."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import cxmodel as cx
from cxmodel.errors import CxModelWarning
from cxmodel.tables.purchase_summary import PurchaseSummary
from cxmodel.value.purchases.result import PurchaseFit
from cxmodel.value.purchases.spend import SpendFit

# The two files share 1-9 December 2010: 22,523 rows in either.
OVERLAP = ("2010-12-01", "2010-12-10")


@pytest.fixture(scope="module")
def invoices(data_dir: Path) -> pd.DataFrame:
    folder = data_dir / "online_retail"
    columns = ["customer_id", "booked_at", "quantity", "price"]
    first = pd.read_parquet(
        folder / "online_retail_II_2009-2010.parquet",
        columns=["Customer ID", "InvoiceDate", "Quantity", "Price"],
    )
    second = pd.read_parquet(
        folder / "online_retail_2010-2011.converted.parquet",
        columns=["CustomerID", "InvoiceDate", "Quantity", "UnitPrice"],
    )
    first.columns = second.columns = columns
    first["booked_at"] = pd.to_datetime(first.booked_at)
    twice = [frame.booked_at.between(*OVERLAP, inclusive="left") for frame in (first, second)]
    assert twice[0].sum() == twice[1].sum() > 20_000
    both = pd.concat([first[~twice[0]], second], ignore_index=True)
    both = both[both.customer_id.notna()]
    return pd.DataFrame(
        {
            "customer_id": both.customer_id.astype(int).astype(str),
            "booked_at": both.booked_at,
            "amount": both.quantity * both.price,
        }
    )


@pytest.fixture(scope="module")
def rfm(invoices: pd.DataFrame) -> PurchaseSummary:
    revenue = cx.read_revenue(invoices, currency="GBP")
    return cx.summarize_purchases(
        revenue, as_of="2011-12-09", holdout_from="2011-06-01", unit_days=7
    )


@pytest.fixture(scope="module")
def fitted(rfm: PurchaseSummary) -> tuple[PurchaseFit, SpendFit]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CxModelWarning)
        return cx.PurchaseModel(family="bg_nbd").fit(rfm), cx.SpendModel().fit(rfm)


def test_cancellations_are_netted_and_reported(
    invoices: pd.DataFrame, rfm: PurchaseSummary
) -> None:
    audit = rfm.audit
    assert audit.n_refunds == (invoices.amount.round(4) < 0).sum()
    assert audit.refunds == pytest.approx(invoices.amount[invoices.amount < 0].sum(), abs=0.01)
    assert audit.n_returned > 100
    assert "taken off the purchase before them" in " ".join(rfm.caveats)
    # no spend is left below zero
    assert np.nanmin(rfm.monetary_value) >= 0


def test_histories_are_those_that_pandas_counts(
    invoices: pd.DataFrame, rfm: PurchaseSummary
) -> None:
    # a customer whose bookings are all positive: days with one, less the first
    known = invoices[invoices.booked_at < "2011-06-01"]
    plain = known.groupby("customer_id").amount.min() > 0
    days = known.assign(day=known.booked_at.dt.normalize()).drop_duplicates(["customer_id", "day"])
    x = days.groupby("customer_id").day.count()[plain] - 1
    alone = cx.summarize_purchases(
        cx.read_revenue(invoices[invoices.customer_id.isin(x.index)], currency="GBP"),
        as_of="2011-12-09",
        holdout_from="2011-06-01",
        unit_days=7,
    )
    assert alone.total_customers == len(x)
    assert alone.total_repeats == x.sum()
    assert rfm.total_customers > len(x)


def test_the_holdout_is_foreseen(fitted: tuple[PurchaseFit, SpendFit]) -> None:
    buys, _ = fitted
    total = buys.holdout_total()
    assert 0.9 < total.expected_over_observed[0] < 1.1
    frame = buys.holdout_by_frequency()
    assert np.corrcoef(frame.observed, frame.expected)[0, 1] > 0.95


def test_value_and_probability_alive_by_decile(fitted: tuple[PurchaseFit, SpendFit]) -> None:
    buys, spend = fitted
    frame = buys.by_decile(spend)
    assert len(frame) == 10
    assert frame.expected_spending.is_monotonic_decreasing
    assert frame.prob_alive.between(0, 1).all()
    # the best tenth makes over a third of the money, the worst next to none
    share = frame.observed_spending / frame.observed_spending.sum()
    assert share[0] > 0.35
    assert share[9] < 0.05
    assert (share.rolling(3).mean().dropna().diff().dropna() < 0.01).all()
    # spend goes with frequency here: whatever it is, it is said
    assert abs(spend.correlation) < 1
    said = any("correlation" in caveat for caveat in spend.caveats)
    assert said == (abs(spend.correlation) > 0.2)
