"""BG/BB counts whole occasions: how far it looks, and what it is fitted to and asked about."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from stored_rows import fitted_purchases

import cxmodel as cx
from cxmodel import cli
from cxmodel.errors import InsufficientDataError, SchemaError
from cxmodel.tables.purchase_customers import purchases_by_customer
from cxmodel.value.purchases.occasions import count_occasions

ROWS = pd.DataFrame({"frequency": [0.0, 2], "recency": [0.0, 5], "T": [6.0, 6]})


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    fitted_purchases("bg_bb")[1].save(tmp_path / "bgbb.json")
    monkeypatch.chdir(tmp_path)
    ROWS.to_csv("in.csv", index=False)
    return tmp_path


# -- How far it looks ------------------------------------------------------------------------------


def test_a_horizon_of_any_length(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    buys = fitted_purchases("bg_bb")[1]
    assert cli.main(["score", "bgbb.json", "in.csv", "out.csv", "--periods", "1e9"]) == 0
    assert "expected in the next 1e+09 occasion(s)" in capsys.readouterr().err
    found = pd.read_csv("out.csv")["expected_purchases"]
    # who is there on occasion j falls as j^-gamma, with a gamma below 1 here: what the occasions
    # from 2 n to 4 n add is 2^(1 - gamma) times what those from n to 2 n do
    gamma = buys.parameters["gamma"]
    assert 0.3 < gamma < 0.95
    n = np.array([1e9, 2e9, 4e9])
    one, two, four = (buys.conditional_expected_purchases(float(k), ROWS) for k in n)
    np.testing.assert_array_equal(found, one)
    assert (four - two) / (two - one) == pytest.approx(np.full(2, 2 ** (1 - gamma)), rel=1e-6)


@pytest.mark.parametrize("periods", ["0.5", "2.5"])
def test_parts_of_an_occasion_are_refused(
    folder: Path, capsys: pytest.CaptureFixture[str], periods: str
) -> None:
    assert cli.main(["score", "bgbb.json", "in.csv", "out.csv", "--periods", periods]) == 2
    said = capsys.readouterr().err
    assert f"--periods must be a whole number of occasions for BG/BB, not {periods}." in said
    assert not Path("out.csv").exists()
    buys, t = fitted_purchases("bg_bb")[1], float(periods)
    message = f"t must be a whole number of occasions for BG/BB, not {periods}"
    for asked in (
        lambda: buys.predict(ROWS, t),
        lambda: cx.load_model("bgbb.json").predict(ROWS, t),
        lambda: buys.conditional_expected_purchases(t),
        lambda: buys.expected_purchases(t),
        lambda: buys.expected_total(t),
        lambda: buys.prob_purchases(0, t),
    ):
        with pytest.raises(ValueError, match=message):
            asked()


# -- What it is fitted to, and asked about ---------------------------------------------------------


def market(n: int = 150, *, years: bool = False) -> pd.DataFrame:
    """A ledger of a market on Saturdays, or of a fair that is held every year on 15 March."""
    rng = np.random.default_rng(3)
    days = pd.date_range("2025-03-01", "2025-06-28", freq="7D")
    if years:
        days = pd.DatetimeIndex([f"{year}-03-15" for year in range(2013, 2025)])
    rows = []
    for i in range(n):
        mine = days[rng.integers(0, 6) :][: rng.geometric(rng.beta(0.7, 3.0))]
        came = mine[(rng.random(len(mine)) < rng.beta(1.0, 1.5)) | (np.arange(len(mine)) == 0)]
        rows += [(f"c{i:03d}", f"{day:%Y-%m-%d}", 5.0) for day in came]
    return pd.DataFrame(rows, columns=["customer_id", "booked_at", "amount"])


def test_occasions_of_days_by_hand() -> None:
    # from Saturday, 1 March: a week, three weeks; on Tuesday, 1 April 31 days are over, so four
    days = {"customer_id": ["a"] * 3 + ["b"] * 2, "booked_at": [
        "2025-03-01", "2025-03-08", "2025-03-22", "2025-03-08", "2025-03-15"]}  # fmt: skip
    ledger = cx.read_revenue(pd.DataFrame(days).assign(amount=5.0), currency="USD")
    rfm = cx.summarize_purchases(ledger, as_of="2025-04-01", unit_days=7)
    found = count_occasions(rfm).to_frame().sort_values("frequency")
    assert found[["frequency", "recency", "T"]].to_numpy().tolist() == [[1, 1, 3], [2, 3, 4]]


@pytest.mark.parametrize(("unit_days", "ages"), [(0.5, [62.0, 48.0]), (1.0, [31.0, 24.0])])
def test_occasions_of_a_day_or_less(unit_days: float, ages: list[float]) -> None:
    days = {"customer_id": list("ab"), "booked_at": ["2025-03-01", "2025-03-08"]}
    ledger = cx.read_revenue(pd.DataFrame(days).assign(amount=5.0), currency="USD")
    rfm = cx.summarize_purchases(ledger, as_of="2025-04-01", unit_days=unit_days)
    once = count_occasions(rfm)
    assert sorted(once.T, reverse=True) == ages
    assert count_occasions(once).T.tolist() == once.T.tolist()


def test_a_day_of_the_year_is_an_occasion_leap_years_or_not() -> None:
    # 15 March to 15 March is 365 or 366 days, so never 365.25; on 14 March the year is over too,
    # as 365 days of a leap year are within a day of it, and on 13 March it is not
    days = {"customer_id": ["a"] * 3, "booked_at": ["2023-03-15", "2024-03-15", "2025-03-15"]}
    ledger = cx.read_revenue(pd.DataFrame(days).assign(amount=5.0), currency="USD")
    ages = []
    for as_of in ("2025-03-15", "2026-03-13", "2026-03-14", "2026-03-15"):
        found = count_occasions(cx.summarize_purchases(ledger, as_of=as_of, unit_days=365.25))
        assert (found.frequency.tolist(), found.recency.tolist()) == ([2], [2])
        ages += found.T.tolist()
    assert ages == [2, 2, 3, 3]


@pytest.mark.parametrize(
    ("years", "unit_days", "as_of"), [(False, 7.0, "2025-07-01"), (True, 365.25, "2024-11-20")]
)
def test_a_day_is_scored_as_what_the_model_was_fitted_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, years: bool, unit_days: float, as_of: str
) -> None:
    monkeypatch.chdir(tmp_path)
    frame = market(years=years)
    frame.to_csv("revenue.csv", index=False)
    Path("study.toml").write_text(
        f'[study]\ncurrency = "USD"\nas_of = {as_of}\n[sources.revenue]\npath = "revenue.csv"\n'
    )
    ledger = cx.read_revenue(frame, currency="USD")
    known = purchases_by_customer(ledger, as_of=as_of, unit_days=unit_days)
    assert (np.round(known.histories.T) != known.histories.T).all()
    model = cx.PurchaseModel(family="bg_bb")
    buys = model.fit(known.histories)
    buys.save("buys.json")
    assert cli.main(["score", "buys.json", "study.toml", "out.parquet", "--at", as_of]) == 0
    found = pd.read_parquet("out.parquet")
    expected = buys.predict(buys.rows, 1)
    assert found["customer_id"].tolist() == known.customer_id.tolist()
    asked = buys.predict(known, 1)
    for name in ("prob_alive", "expected_purchases"):
        np.testing.assert_array_equal(found[name], expected[name])
        np.testing.assert_array_equal(asked[name], expected[name])
    # equal histories together make no difference
    grouped = model.fit(cx.summarize_purchases(ledger, as_of=as_of, unit_days=unit_days))
    assert grouped.parameters == pytest.approx(buys.parameters, rel=1e-6)


def test_a_year_of_deciles_is_that_of_its_whole_occasions() -> None:
    # 365 whole occasions of a day in 365.25
    buys = fitted_purchases("bg_bb")[1]
    pd.testing.assert_frame_equal(buys.by_decile(), buys.by_decile(t=365.0))


# -- Errors ----------------------------------------------------------------------------------------


def test_tables_that_count_no_occasions_are_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    buys = fitted_purchases("bg_bb")[1]
    odd = pd.concat([ROWS, ROWS.assign(T=10.1126)[:1]], ignore_index=True)
    message = r"BG/BB counts occasions, .* T 10.1126\. .* In 1 row\(s\), the first is row 3"
    with pytest.raises(SchemaError, match=message):
        buys.predict(odd, 1)
    odd.to_csv("in.csv", index=False)
    assert cli.main(["score", "bgbb.json", "in.csv", "out.csv"]) == 2
    assert "Row 3 of the input: BG/BB counts occasions" in capsys.readouterr().err


def test_purchases_between_occasions_are_refused() -> None:
    extra = pd.DataFrame([("c000", "2025-06-24", 5.0)], columns=list(market(1)))
    ledger = cx.read_revenue(pd.concat([market(), extra]), currency="USD")
    rfm = cx.summarize_purchases(ledger, as_of="2025-07-01", unit_days=7)
    with pytest.raises(SchemaError, match=r"7 day\(s\) apart .* 1 customer\(s\) bought in between"):
        cx.PurchaseModel(family="bg_bb").fit(rfm)


def test_what_was_cut_off_leaves_no_days_to_track_by() -> None:
    ledger = cx.read_revenue(market(), currency="USD")
    model = cx.PurchaseModel(family="bg_bb")
    whole = cx.summarize_purchases(ledger, as_of="2025-06-28", unit_days=7)
    assert len(model.fit(whole).tracking()) > 10
    cut = cx.summarize_purchases(ledger, as_of="2025-07-01", unit_days=7)
    with pytest.raises(InsufficientDataError, match="only where its last day is an occasion"):
        model.fit(cut).tracking()
