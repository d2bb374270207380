"""Lifetime value without a contract: purchases still to come, times what each is worth."""

import datetime as dt
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from simulated_observations import simulate_observations

import cxmodel as cx
from cxmodel.errors import ConfigError, InsufficientDataError
from cxmodel.results import Estimate, NotRun
from cxmodel.tables.purchase_customers import CustomerPurchases, purchases_by_customer
from cxmodel.tables.purchase_summary import PurchaseSummary
from cxmodel.tables.sources import Source
from cxmodel.value.cltv.model import CltvModel
from cxmodel.value.cltv.result import CltvResult

MODEL = CltvModel(gross_margin=0.6, annual_discount_rate=0.10, n_draws=12)


def ledger(n_customers: int = 600, *, seed: int = 3, days: int = 540) -> pd.DataFrame:
    """Bookings of customers with BG/NBD purchases and Gamma-Gamma spend."""
    rng = np.random.default_rng(seed)
    rows = []
    for customer in range(n_customers):
        rate, leaves = rng.gamma(0.9, 1 / 40.0), rng.beta(0.8, 2.5)
        scale = rng.gamma(4.0, 1 / 60.0)
        at = float(rng.integers(0, 120))
        while at < days:
            rows.append((f"c{customer:04d}", at, rng.gamma(6.0, 1 / (6.0 * scale))))
            at += rng.exponential(1 / rate)
            if rng.random() < leaves and len(rows) > 1 and rows[-2][0] == rows[-1][0]:
                break
    frame = pd.DataFrame(rows, columns=["customer_id", "day", "amount"])
    start = pd.Timestamp("2024-01-01")
    frame["booked_at"] = start + pd.to_timedelta(frame["day"].astype(int), unit="D")
    return frame[["customer_id", "booked_at", "amount"]].assign(amount=frame["amount"].round(2))


@pytest.fixture(scope="module")
def revenue() -> Source:
    return cx.read_revenue(ledger(), currency="USD")


@pytest.fixture(scope="module")
def bought(revenue: Source) -> CustomerPurchases:
    return purchases_by_customer(revenue, as_of="2025-06-23")


@pytest.fixture(scope="module")
def valued(bought: CustomerPurchases) -> CltvResult:
    return replace(MODEL, cohort_period="month", acquisition_cost=25.0).fit(bought)


def _value(found: Estimate | NotRun) -> float:
    assert isinstance(found, Estimate), found
    return found.estimate


# -- against a reference


def test_a_value_is_purchases_times_spend(bought: CustomerPurchases, valued: CltvResult) -> None:
    # month by month, from the public faces of both models
    buys = cx.PurchaseModel().fit(bought.histories)
    spend = cx.SpendModel().fit(bought.histories)
    weeks = np.arange(37) * (365.25 / 12) / 7
    ahead = np.vstack([buys.conditional_expected_purchases(float(t)) for t in weeks])
    discounts = 1.10 ** (-np.arange(1, 37) / 12)
    expected = 0.6 * spend.expected_spend() * (discounts @ np.diff(ahead, axis=0))
    assert valued.per_customer.estimate == pytest.approx(float(expected.mean()), rel=1e-9)
    assert valued.per_customer.unit == "USD margin per customer over 36 months"
    frame = MODEL.predict(bought)
    assert frame["cltv"].to_numpy() == pytest.approx(expected, rel=1e-9)
    assert frame["prob_alive"].between(0, 1).all()


def test_histories_together_or_one_by_one_are_worth_the_same(
    revenue: Source, bought: CustomerPurchases, valued: CltvResult
) -> None:
    grouped = cx.summarize_purchases(revenue, as_of="2025-06-23", unit_days=7)
    found = replace(MODEL, n_draws=2).fit(grouped)
    assert found.per_customer.estimate == pytest.approx(valued.per_customer.estimate, rel=1e-6)
    assert _value(found.customer_equity) == pytest.approx(
        found.per_customer.estimate * len(bought.customer_id), rel=1e-12
    )


def test_residual_lifetime_is_dert(bought: CustomerPurchases, valued: CltvResult) -> None:
    buys = cx.PurchaseModel().fit(bought.histories)
    expected = buys.dert(annual_discount_rate=0.10).mean()
    assert _value(valued.residual_lifetime) == pytest.approx(float(expected), rel=1e-9)


def test_the_sum_over_cohorts_is_the_whole(valued: CltvResult) -> None:
    rows = valued.by_cohort
    assert isinstance(rows, list)
    assert [row["cohort"] for row in rows] == ["2024-01", "2024-02", "2024-03", "2024-04"]
    whole = sum(row["estimate"] * row["n_obs"] for row in rows)
    assert whole / 600 == pytest.approx(valued.per_customer.estimate)


# -- the parts of the result


def test_the_kind_and_why_are_shown(bought: CustomerPurchases) -> None:
    obs = simulate_observations(300)
    bare = replace(obs, frame=obs.frame.drop(columns="band"))
    silent = replace(bare, churn_rule="inactivity")
    quick = replace(MODEL, n_draws=2)
    assert quick.fit(bare, purchases=bought).kind == "contract"
    assert "churned_at" in quick.fit(bare, purchases=bought).kind_reason
    assert quick.fit(silent).kind == "contract"
    found = quick.fit(silent, purchases=bought)
    assert found.kind == "purchases"
    assert "nothing but missing bookings" in found.kind_reason
    assert replace(quick, kind="purchases").fit(bare, purchases=bought).kind == "purchases"


def test_bands_are_those_of_the_latest_answer(bought: CustomerPurchases) -> None:
    obs = simulate_observations(400)
    ids = dict(zip(sorted(obs.frame["customer_id"].unique()), bought.customer_id, strict=False))
    frame = obs.frame.assign(customer_id=obs.frame["customer_id"].map(ids))
    silent = replace(obs, frame=frame.dropna(subset="customer_id"), churn_rule="inactivity")
    found = replace(MODEL, n_draws=3, by="segment").fit(silent, purchases=bought)
    assert [row["band"] for row in found.by_band] == ["detractor", "passive", "promoter"]
    assert {row["group"]["segment"] for row in found.by_group} == {"large", "small"}
    last = silent.frame.drop_duplicates("customer_id", keep="last")
    values = MODEL.predict(bought).set_index("customer_id")["cltv"]
    mine = last.loc[last["band"] == "promoter", "customer_id"]
    assert found.by_band[2]["estimate"] == pytest.approx(values.loc[mine].mean())
    assert found.by_band[2]["n_obs"] == len(mine)


def test_acquisition_cost_stands_beside_and_is_not_taken_off(
    bought: CustomerPurchases, valued: CltvResult
) -> None:
    assert _value(valued.acquisition_cost) == 25.0
    assert valued.to_dict()["acquisition_cost"]["unit"] == "USD per new customer"
    without = replace(MODEL, n_draws=2).fit(bought)
    assert without.per_customer.estimate == valued.per_customer.estimate
    assert isinstance(without.acquisition_cost, NotRun)


def test_no_customer_is_named(bought: CustomerPurchases, valued: CltvResult) -> None:
    text = str(valued.to_dict()) + valued.summary()
    assert not any(name in text for name in bought.customer_id[:50])


def test_a_holdout_is_foretold_better_than_by_the_period_before(revenue: Source) -> None:
    held = purchases_by_customer(revenue, as_of="2025-06-23", holdout_from="2025-01-01")
    found = MODEL.backtest(held)
    assert not isinstance(found, NotRun)
    assert found.n_customers == len(held.customer_id)
    assert found.holdout_days == 174
    assert found.known_until == dt.date(2024, 12, 31)
    assert found.gain.estimate > 0
    error = found.total_error
    assert isinstance(error, Estimate)
    assert error.conf_low is not None
    assert error.conf_high is not None
    assert error.conf_low < 0 < error.conf_high
    rows = found.deciles
    assert sum(row["n_customers"] for row in rows) == found.n_customers
    assert rows[-1]["actual"] > 4 * rows[0]["actual"]
    # what came, from the ledger itself
    raw = ledger()
    late = raw[raw["booked_at"] >= "2025-01-01"]
    late = late[late["booked_at"] <= "2025-06-23"]
    assert found.actual.estimate * found.n_customers == pytest.approx(
        0.6 * late["amount"].sum(), rel=1e-9
    )
    before = raw[(raw["booked_at"] > "2024-07-10") & (raw["booked_at"] <= "2024-12-31")]
    assert found.baseline.estimate * found.n_customers == pytest.approx(
        0.6 * before["amount"].sum(), rel=1e-9
    )


def test_without_a_holdout_there_is_no_backtest(valued: CltvResult) -> None:
    assert isinstance(valued.backtest, NotRun)
    assert "give holdout_from" in valued.backtest.reason


# -- real data


def test_cdnow_by_decile(data_dir: Path) -> None:
    path = data_dir / "cdnow" / "CDNOW_sample.txt"
    if not path.is_file():
        pytest.skip(f"no CDNOW sample at {path}")
    raw = pd.read_csv(
        path, sep=r"\s+", header=None, names=["m", "customer_id", "day", "n", "amount"],
        dtype={"day": str},
    )  # fmt: skip
    booked = raw.assign(booked_at=pd.to_datetime(raw["day"]))[
        ["customer_id", "booked_at", "amount"]
    ]
    source = cx.read_revenue(booked, currency="USD")
    held = purchases_by_customer(source, as_of="1998-06-30", holdout_from="1997-10-01")
    found = MODEL.backtest(held)
    assert not isinstance(found, NotRun)
    assert found.n_customers == 2_357
    # the ledger: sum of dollars from October 1997 on, of everybody
    late = booked[booked["booked_at"] >= "1997-10-01"]["amount"].sum()
    assert found.actual.estimate * 2_357 == pytest.approx(0.6 * late, rel=1e-9)
    # Fader, Hardie & Lee (2005): 39 weeks ahead BG/NBD foretells too few purchases, 5 to 15%
    assert -25 < _value(found.total_error) < 0
    assert found.gain.conf_low is not None
    assert found.gain.conf_low > 0
    top = found.deciles[-1]
    assert top["conf_low"] < top["predicted"] < top["conf_high"]


def test_online_retail_by_decile(data_dir: Path) -> None:
    folder = data_dir / "online_retail"
    if not folder.is_dir():
        pytest.skip(f"no Online Retail at {folder}")
    names = ["customer_id", "booked_at", "quantity", "price"]
    first = pd.read_parquet(
        folder / "online_retail_II_2009-2010.parquet",
        columns=["Customer ID", "InvoiceDate", "Quantity", "Price"],
    ).set_axis(names, axis=1)
    second = pd.read_parquet(
        folder / "online_retail_2010-2011.converted.parquet",
        columns=["CustomerID", "InvoiceDate", "Quantity", "UnitPrice"],
    ).set_axis(names, axis=1)
    first["booked_at"] = pd.to_datetime(first["booked_at"])
    # both files hold 1-9 December 2010
    both = pd.concat([first[first["booked_at"] < "2010-12-01"], second], ignore_index=True)
    both = both[both["customer_id"].notna()]
    booked = both.assign(
        customer_id=both["customer_id"].astype(int).astype(str),
        amount=both["quantity"] * both["price"],
    )[["customer_id", "booked_at", "amount"]]
    source = cx.read_revenue(booked, currency="GBP")
    model = CltvModel(gross_margin=0.3, annual_discount_rate=0.10, n_draws=2)
    held = purchases_by_customer(source, as_of="2011-12-09", holdout_from="2011-06-01")
    found = model.backtest(held)
    assert not isinstance(found, NotRun)
    assert found.gain.conf_low is not None
    rows = found.deciles
    assert len(rows) == 10
    assert [row["predicted"] for row in rows] == sorted(row["predicted"] for row in rows)
    # those foretold most brought most, those foretold least hardly anything
    assert rows[-1]["actual"] > 3 * rows[-2]["actual"] > 10 * rows[0]["actual"]
    assert abs(_value(found.total_error)) < 40
    values = model.predict(held)
    assert values["prob_alive"].between(0, 1).all()
    tenths = values.groupby(pd.qcut(values["cltv"], 10, labels=False))
    # BG/NBD: who bought once cannot have left yet; of the others, those worth most are there
    once = held.histories.frequency == 0
    assert (values["prob_alive"][once] == 1).all()
    assert tenths["prob_alive"].mean().iloc[-1] > values["prob_alive"].mean()
    # what is in every ledger: a tenth of the customers carries half of the value
    assert tenths["cltv"].sum().iloc[-1] > 0.5 * values["cltv"].sum()


# -- errors and bad input


def test_ten_people_must_have_come_back() -> None:
    few = ledger(40).drop_duplicates("customer_id")
    source = cx.read_revenue(few, currency="USD")
    with pytest.raises(InsufficientDataError, match="0 of 40 customers bought on more than one"):
        MODEL.fit(purchases_by_customer(source))


def test_in_a_study_of_few_missing_bookings_stand_for_leaving() -> None:
    few = ledger(40).drop_duplicates("customer_id")
    obs = replace(simulate_observations(300), churn_rule="inactivity")
    bare = replace(obs, frame=obs.frame.drop(columns="band"))
    found = replace(MODEL, n_draws=2).fit(
        bare, purchases=purchases_by_customer(cx.read_revenue(few, currency="USD"))
    )
    assert found.kind == "contract"
    assert "purchases cannot be modelled" in found.kind_reason


def test_money_needs_a_currency(bought: CustomerPurchases) -> None:
    with pytest.raises(ConfigError, match=r"study\.currency is missing"):
        MODEL.fit(replace(bought.histories, currency=None))


def test_without_discount_an_endless_expectation_is_named() -> None:
    rows = PurchaseSummary(
        frequency=np.repeat([0.0, 1.0, 3.0, 6.0], [200, 60, 40, 20]),
        recency=np.repeat([0.0, 12.0, 30.0, 36.0], [200, 60, 40, 20]),
        T=np.full(320, 38.0),
        monetary_value=np.where(
            np.repeat([0, 1, 3, 6], [200, 60, 40, 20]) > 0, np.linspace(10, 60, 320), np.nan
        ),
        n_customers=np.ones(320, dtype=np.int64),
        unit_days=7.0,
        currency="USD",
    )
    found = replace(MODEL, annual_discount_rate=0.0, n_draws=2).fit(rows)
    assert math.isfinite(found.per_customer.estimate)  # up to the horizon it is finite
    assert isinstance(found.residual_lifetime, NotRun)
    assert "no finite mean" in found.residual_lifetime.reason
    assert isinstance(found.by_cohort, NotRun)


def test_kinds_need_their_data(bought: CustomerPurchases) -> None:
    obs = simulate_observations(300)
    with pytest.raises(ConfigError, match='kind = "purchases" needs purchase histories'):
        replace(MODEL, kind="purchases").fit(obs)
    with pytest.raises(ConfigError, match='kind = "contract" needs observations'):
        replace(MODEL, kind="contract").fit(bought)
    with pytest.raises(ValueError, match="kind must be one of"):
        CltvModel(gross_margin=0.6, annual_discount_rate=0.1, kind="both")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="acquisition_cost must be 0 or more"):
        CltvModel(gross_margin=0.6, annual_discount_rate=0.1, acquisition_cost=-1)
