"""Lifetime value in a study: of a business without contracts, and programmes valued by it."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import cxmodel as cx
from cxmodel.config import load_config
from cxmodel.datasets.purchase_business import PurchaseBusiness, simulate_purchases
from cxmodel.errors import ConfigError

SCHEMA = json.loads(files("cxmodel").joinpath("schema/results.schema.json").read_text())
TOML = """
[study]
currency = "USD"
as_of = 2026-06-30
[sources.surveys]
path = "surveys.csv"
[sources.surveys.ratings]
nps = { column = "nps", scale = "nps" }
[sources.customers]
path = "customers.csv"
[sources.revenue]
path = "revenue.csv"
[value]
gross_margin = 0.6
annual_discount_rate = 0.10
acquisition_cost = 20
lasts_months = 12
"""
PROGRAMMES = """
[[programmes]]
name = "By value"
rating_points = 0.5
upfront_cost = 500
lasts_months = 12
value_by = "cltv"
[[programmes]]
name = "By revenue"
rating_points = 0.5
upfront_cost = 500
lasts_months = 12
"""


def _write(business: PurchaseBusiness, folder: Path, toml: str) -> str:
    business.surveys.to_csv(folder / "surveys.csv", index=False)
    business.customers.to_csv(folder / "customers.csv", index=False)
    business.revenue.to_csv(folder / "revenue.csv", index=False)
    (folder / "cxmodel.toml").write_text(toml, encoding="utf-8")
    return str(folder / "cxmodel.toml")


@pytest.fixture(scope="module")
def business() -> PurchaseBusiness:
    return simulate_purchases(700, seed=4)


@pytest.fixture(scope="module")
def results(business: PurchaseBusiness, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("purchases")
    study = cx.Study.from_toml(_write(business, folder, TOML + PROGRAMMES))
    return study.run(only=("cltv", "programmes")).to_dict()


def test_a_business_without_contracts_is_valued_by_purchases(results: dict[str, Any]) -> None:
    jsonschema.validate(results, SCHEMA)
    cltv = results["cltv"]
    assert (cltv["status"], cltv["kind"]) == ("ok", "purchases")
    assert cltv["per_customer"]["n_obs"] == 700
    assert cltv["customer_equity"]["estimate"] == pytest.approx(
        700 * cltv["per_customer"]["estimate"]
    )
    assert cltv["acquisition_cost"]["estimate"] == 20
    assert cltv["backtest"]["known_until"] == "2026-01-01"
    assert cltv["backtest"]["holdout_days"] == 180
    assert {row["band"] for row in cltv["by_band"]["rows"]} == {
        "detractor", "passive", "promoter",
    }  # fmt: skip


def test_the_change_adds_up_and_says_how_long_it_lasts(results: dict[str, Any]) -> None:
    change = results["cltv"]["change_per_rating_point"]
    staying, spending = change["staying"]["estimate"], change["spending"]["estimate"]
    assert staying + spending == change["total"]["estimate"]
    assert any("lasts 12 months is an assumption" in said for said in results["caveats"]["rows"])


def test_programmes_by_value_and_by_revenue_are_one_sum(results: dict[str, Any]) -> None:
    by_value, by_revenue = results["programmes"]["rows"]
    assert (by_value["value_by"], by_revenue["value_by"]) == ("cltv", "revenue")
    assert by_value["npv"]["estimate"] == pytest.approx(by_revenue["npv"]["estimate"], rel=1e-9)
    assert any("never add a value by revenue" in said for said in by_value["caveats"])


def test_no_customer_stands_in_the_results(
    results: dict[str, Any], business: PurchaseBusiness
) -> None:
    text = json.dumps(results)
    assert not any(name in text for name in business.customers["customer_id"][:50])


def test_a_gain_lasts_in_one_way(business: PurchaseBusiness, tmp_path: Path) -> None:
    path = _write(business, tmp_path, TOML + "half_life_months = 6\n")
    with pytest.raises(ConfigError, match=r"value.*lasts_months and half_life_months exclude"):
        load_config(path)
