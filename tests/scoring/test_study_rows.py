"""``cxmodel score MODEL cxmodel.toml --at DATE``: every kind of model, every active customer."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from stored_models import by_hand
from stored_rows import STUDY, VALUES, file_by_hand, fitted_purchases, fitted_value

import cxmodel as cx
from cxmodel import cli
from cxmodel.errors import ConfigError
from cxmodel.models.model_file import make_model_file, write_model_file
from cxmodel.models.retention.spells import SINCE_ANSWER, read_spells
from cxmodel.models.study_facts import StudyFacts
from cxmodel.scoring.asked_day import AskedDay
from cxmodel.scoring.contracts import contracts_on
from cxmodel.scoring.hazards import Clock, on_the_clock
from cxmodel.tables.one_engine import one_engine
from cxmodel.tables.purchase_customers import purchases_by_customer
from cxmodel.value.cltv.lifetime import Horizon
from cxmodel.value.cltv.past_spending import SpendingLine
from cxmodel.value.cltv.rules import ContractRule
from cxmodel.value.cltv.settings import ValueSettings

MONTH = 365.25 / 12
SPREAD = {"levels": ["a", "b"], "counts": [300, 100, 0], "known": ["a", "b"]}
PLAN = {"name": "plan", "type": "words", "reference": None, "levels": ["b"], "profile": SPREAD}
OF_PLAN = {"kind": "linear", "mean": [0.0], "scale": [1.0], "coefficients": [1.0], "intercept": 0.0}

CUSTOMERS = """customer_id,started_at,valid_from,plan
new,2025-06-10,2025-06-10,a
new,2025-06-10,2025-07-01,b
older,2025-05-20,2025-05-20,b
older,2025-05-20,2025-06-25,a
doubled,2025-05-20,2025-05-20,b
old,2025-01-01,2025-01-01,a
left,2025-05-20,2025-05-20,a
back,2025-05-20,2025-05-20,a
silent,2025-06-10,2025-06-10,a
strange,2025-06-10,2025-06-10,z
undated,,2025-06-10,a
later,2025-07-01,2025-07-01,a
"""
SURVEYS = """customer_id,responded_at,nps
new,2025-06-12,9
new,2025-06-30 23:59:59,5
new,2025-07-01,0
older,2025-06-01,6
older,2025-06-20,
doubled,2025-06-01,5
old,2025-06-01,5
left,2025-06-01,5
back,2025-06-20,5
strange,2025-06-20,5
undated,2025-06-20,5
later,2025-07-02,5
"""
CHURN = "customer_id,churned_at\nleft,2025-06-30\nback,2025-06-01\nold,2025-08-01\n"
REVENUE = "customer_id,booked_at,amount\nback,2025-06-15,10\nleft,2025-05-21,10\nnew,2025-12-31,1\n"
TOML = """
[study]
currency = "USD"
as_of = 2025-12-31
[sources.surveys]
path = "surveys.csv"
[sources.surveys.ratings]
nps = { column = "nps", scale = "nps" }
[sources.customers]
path = "customers.csv"
started_at = "started_at"
valid_from = "valid_from"
attributes = ["plan"]
[sources.churn]
path = "churn.csv"
[sources.revenue]
path = "revenue.csv"
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, text in (
        ("customers.csv", CUSTOMERS),
        ("surveys.csv", SURVEYS),
        ("churn.csv", CHURN),
        ("revenue.csv", REVENUE),
        ("study.toml", TOML),
    ):
        Path(name).write_text(text)
    write_model_file(file_by_hand("hazard", study=STUDY), tmp_path / "hazard.json")
    return tmp_path


def scored(model: str, at: str, *more: str, study: str = "study.toml") -> pd.DataFrame:
    """Score a study on a day, and give what was written, by customer."""
    assert cli.main(["score", model, study, "out.parquet", "--at", at, *more]) == 0
    return pd.read_parquet("out.parquet").set_index("customer_id")


def refused(capsys: pytest.CaptureFixture[str], model: str, *more: str, at: str) -> str:
    """Run a command that is refused, and give what it says."""
    more = (*more, *(["--periods", "1"] if model == "hazard.json" else []))
    assert cli.main(["score", model, "study.toml", "refused.csv", "--at", at, *more]) == 2
    assert not Path("refused.csv").exists()
    said = capsys.readouterr().err
    assert "Traceback" not in said
    return said


def write(name: str, frame: pd.DataFrame) -> None:
    frame.to_csv(name, index=False)


# -- worked by hand


def test_a_hazard_on_a_day_by_hand(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = scored("hazard.json", "2025-06-30", "--periods", "1")["prob_stays"]
    # hazards .1, .2 and 1 in periods 0, 1 and 2 of 30.4 days; rating 6 halves them, plan b doubles
    expected = {
        "back": 0.8,  # left on 1 June, booked on the 15th
        "doubled": 0.8**2,
        "new": 0.9,  # 21 days; its last answer is of the last second, plan b begins with the next
        "old": np.nan,  # six months: nobody was seen there
        "older": 0.8**0.5,  # 42 days; an answer without this rating is none; plan a by then
        "silent": np.nan,
        "strange": 0.9,  # a plan that the fit did not see counts as a
        "undated": np.nan,  # nobody knows for how long it has been there
    }
    assert found.index.tolist() == list(expected)
    assert found.tolist() == pytest.approx(list(expected.values()), nan_ok=True)
    said = capsys.readouterr().err
    assert "Scored 5 rows with model" in said
    assert "levels that the model did not learn about (plan: 1)" in said
    assert "2 rows without a score: a value is missing (period: 1, rating: 1)." in said
    assert "1 customer had left by 2025-06-30: not scored." in said
    assert "1 customer starts after 2025-06-30: not scored." in said
    assert "1 customer has no answer up to 2025-06-30 that counts, and so no score." in said
    # scores are of customers, what is said of them is not
    assert "undated" not in said


def test_an_answer_that_is_too_old_leaves_a_hazard_without_a_rating(folder: Path) -> None:
    # at the end of 30 June: 11 days since 20 June began, 30 since 1 June
    found = scored("hazard.json", "2025-06-30", "--periods", "1", "--answer-days", "29")
    known = found["prob_stays"].notna()
    assert known[known].index.tolist() == ["back", "new", "strange"]


def test_the_day_ends_where_the_study_lives(folder: Path) -> None:
    zone = TOML.replace("[study]", '[study]\ntime_zone = "America/New_York"')
    Path("study.toml").write_text(zone)
    rows = SURVEYS.replace("2025-06-30 23:59:59,5", "2025-07-01T03:59:59Z,6")
    Path("surveys.csv").write_text(rows.replace("new,2025-07-01,", "new,2025-07-01T04:00:00Z,"))
    found = scored("hazard.json", "2025-06-30", "--periods", "1")["prob_stays"]
    # the last second of 30 June in New York is of the next day in UTC
    assert found["new"] == pytest.approx(0.9**0.5)


def test_periods_since_the_first_answer_of_a_stay_by_hand(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = file_by_hand("hazard", study=STUDY, clock=SINCE_ANSWER)
    write_model_file(file, folder / "hazard.json")
    surveys = """customer_id,responded_at,nps
back,2025-05-25,5
back,2025-06-10,5
back,2025-06-25,5
older,2025-05-10,5
older,2025-05-25,5
older,2025-06-29,5
undated,2025-04-20,5
"""
    Path("surveys.csv").write_text(surveys)
    found = scored("hazard.json", "2025-06-30", "--periods", "1")["prob_stays"].dropna()
    # back: left on 1 June, was away on the 10th, so its stay is of 25 June. older: not yet there on
    # 10 May, so 37 days since the 25th. undated: 72 days since 20 April
    assert found.to_dict() == pytest.approx({"back": 0.9, "older": 0.8, "undated": 0.0})
    said = capsys.readouterr().err
    assert "5 customers have no answer up to 2025-06-30 that counts since they came, or" in said


def test_retention_counts_from_the_first_answer_of_a_stay_by_hand(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # S(t + 1) / S(t) = (3 + t) / (4 + t) at rating 5 and plan a
    sbg = {"family": "sbg", "parameters": {"alpha": 1.0, "beta": 3.0}}
    write_model_file(file_by_hand("retention", **sbg), folder / "stay.json")
    surveys = """customer_id,responded_at,nps
back,2025-05-25,9
back,2025-06-10,9
back,2025-06-25,5
back,2025-06-26,9
older,2025-05-10,9
older,2025-05-25,5
older,2025-06-29,9
"""
    Path("surveys.csv").write_text(surveys)
    found = scored("stay.json", "2025-06-30", "--periods", "1")["prob_stays"].dropna()
    # 6 days since its stay began; 37 days, so one month
    assert found.to_dict() == pytest.approx({"back": 3 / 4, "older": 4 / 5})
    said = capsys.readouterr().err
    assert "staying through the next 1 month(s): 0.775." in said
    assert "each is the first of the customer's stay, as at the fit." in said


def test_values_by_tenure_and_subscriptions_by_hand(folder: Path) -> None:
    _, result = fitted_value("tenure")
    result.save("value.json")
    subscriptions = """customer_id,started_at,ended_at,monthly_amount
new,2025-06-10,,30
new,2025-06-11,2025-07-01,12.5
new,2025-06-11,2025-06-30,99
new,2025-07-01,,99
older,2025-05-20,2025-06-15,20
back,2025-06-15,,8
"""
    Path("subscriptions.csv").write_text(subscriptions)
    more = '[sources.subscriptions]\npath = "subscriptions.csv"\n'
    Path("study.toml").write_text(TOML + more)
    found = scored("value.json", "2025-06-30")
    # what covers 30 June counts: a subscription that ended on that day does not
    rows = pd.DataFrame(
        [("back", 42, 8.0), ("doubled", 42, 0.0), ("new", 21, 42.5), ("old", 181, 0.0),
         ("older", 42, 0.0), ("silent", 21, 0.0), ("strange", 21, 0.0), ("undated", np.nan, 0.0)],
        columns=["customer_id", "days", "monthly_revenue"],
    )  # fmt: skip
    expected = result.predict(rows.assign(tenure_months=rows["days"] / MONTH))
    assert found.index.tolist() == rows["customer_id"].tolist()
    for name in ("prob_stays", "cltv"):
        np.testing.assert_array_equal(found[name], expected[name])
    assert found["cltv"].isna().tolist() == [False] * 7 + [True]


def test_monthly_revenue_of_bookings_by_hand(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, result = fitted_value("tenure")
    result.save("value.json")
    bookings = """customer_id,booked_at,amount
older,2025-05-20,60
older,2025-06-20,24
old,2025-01-01,500
old,2025-03-01,90
new,2025-06-20,77
back,2025-06-15,10
"""
    Path("revenue.csv").write_text(bookings)
    Path("study.toml").write_text(TOML + "[windows]\nlookback_days = 90\noutcome_days = 90\n")
    found = scored("value.json", "2025-06-30")["cltv"].dropna()
    # 84 in 42 days; nothing in the 90 days before; who was seen for under 30 days gets no value
    rows = pd.DataFrame(
        {"tenure_months": np.array([42, 42, 181, 42]) / MONTH,
         "monthly_revenue": np.array([10 / 42, 0, 0, 84 / 42]) * MONTH}
    )  # fmt: skip
    assert found.index.tolist() == ["back", "doubled", "old", "older"]
    assert found.to_numpy() == pytest.approx(result.predict(rows)["cltv"].to_numpy(), rel=1e-12)
    assert "is what was booked in the 90 days before, per month observed" in capsys.readouterr().err


def test_occasions_of_a_day_by_hand(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weekly_market()
    ledger = cx.read_revenue("revenue.csv", currency="USD")
    rfm = cx.summarize_purchases(ledger, as_of="2025-06-28", unit_days=7)
    buys = cx.PurchaseModel(family="bg_bb").fit(rfm)
    buys.save("buys.json")
    # Tuesday, 17 June: the market of Saturday, 14 June was the last one
    found = scored("buys.json", "2025-06-17", study="market.toml").loc[["c000", "first", "twice"]]
    market = pd.read_csv("revenue.csv", parse_dates=["booked_at"])
    own = market[(market.customer_id == "c000") & (market.booked_at <= "2025-06-17")].booked_at
    weeks = (own - own.min()).dt.days // 7
    until = (pd.Timestamp("2025-06-14") - own.min()).days // 7
    expected = buys.predict(
        pd.DataFrame(
            {"frequency": [len(own) - 1.0, 0, 1], "recency": [weeks.max(), 0, 3],
             "T": [until, 0, 4]}
        ), 1,
    )  # fmt: skip
    for name in ("prob_alive", "expected_purchases"):
        np.testing.assert_array_equal(found[name], expected[name])
    assert "late" not in pd.read_parquet("out.parquet")["customer_id"].tolist()
    with Path("revenue.csv").open("a") as stream:
        stream.write("twice,2025-06-11,5\n")
    assert cli.main(["score", "buys.json", "market.toml", "o.csv", "--at", "2025-06-17"]) == 2
    said = capsys.readouterr().err
    assert "1 customer(s) bought in between (first: 2 purchases, the last after 3.57143" in said


def weekly_market(n: int = 200) -> None:
    """Write a ledger of a market that is held on Saturdays, and its study."""
    rng = np.random.default_rng(3)
    saturdays = pd.date_range("2025-03-01", "2025-06-28", freq="7D")
    rows = [("first", "2025-06-14"), ("twice", "2025-05-17"), ("twice", "2025-06-07"),
            ("late", "2025-06-21")]  # fmt: skip
    for i in range(n):
        days = saturdays[rng.integers(0, 6) :][: rng.geometric(rng.beta(0.7, 3.0))]
        came = days[(rng.random(len(days)) < rng.beta(1.0, 1.5)) | (np.arange(len(days)) == 0)]
        rows += [(f"c{i:03d}", f"{day:%Y-%m-%d}") for day in came]
    write("revenue.csv", pd.DataFrame(rows, columns=["customer_id", "booked_at"]).assign(amount=5))
    Path("market.toml").write_text(
        '[study]\ncurrency = "USD"\nas_of = 2025-06-28\n[sources.revenue]\npath = "revenue.csv"\n'
    )


def test_a_hazard_of_one_window_stands_at_the_tenure_in_months(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # fitted to a table already joined: whatever its period, 42 days are one month
    study = {**STUDY, "windows": None}
    window = file_by_hand("hazard", study=study, period="91 days", period_days=7.0)
    write_model_file(window, folder / "window.json")
    found = scored("window.json", "2025-06-30")["prob_stays"]
    assert found["new"] == pytest.approx(0.9)
    assert found["older"] == pytest.approx(0.8**0.5)
    assert "through the next 1 period(s) of one 91 days" in capsys.readouterr().err
    assert "the hazard is that of one 91 days" in refused(
        capsys, "window.json", "--periods", "2", at="2025-06-30"
    )


def test_past_revenue_of_a_table_that_does_not_say_its_window() -> None:
    rule = ContractRule(
        settings=ValueSettings(**VALUES),
        horizon=Horizon(n_months=2, annual_discount_rate=0.0, window_months=2.0, gap_months=0.0),
        line=SpendingLine(40.0, np.array([10.0, 0.5])),
        retention=np.array([1.0, 0.5, 0.25]),
    )
    bookings = {"customer_id": ["a", "a"], "booked_at": ["2025-06-11", "2025-06-10"]}
    ledger = cx.read_revenue(pd.DataFrame(bookings).assign(amount=[10.0, 99.0]), currency="USD")
    day = dt.date(2025, 6, 30)
    windows = cx.Windows(lookback_days=20)
    asked = AskedDay(at=day, as_of=day, time_zone="UTC", windows=windows)
    found, said = contracts_on(rule, one_engine({"revenue": ledger}, None), asked)
    # the 20 days of the study that is scored, since nothing says how many the model was told of
    assert found.frame.to_dict("list") == {"customer_id": ["a"], "revenue_before": [10.0]}
    assert len(said) == 1
    assert said[0].startswith("revenue_before counts the 20 days of windows.lookback_days")


# -- against a reference: the model on rows that are built by hand


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """A simulated company, with a hazard that was fitted to its observations."""
    folder = tmp_path_factory.mktemp("company")
    sim = cx.datasets.simulate(n_customers=600, seed=1)
    sim.write(folder)
    sources = {
        "surveys": cx.read_surveys(
            folder / "surveys.parquet", customer_id="cust", responded_at="answered_at",
            ratings={"nps": ("recommend", cx.NPS)},
        ),
        "customers": cx.read_customers(
            folder / "customers.csv", customer_id="id", started_at="signup",
            churned_at="cancelled", attributes=["segment", "plan", "region"],
        ),
    }  # fmt: skip
    obs = cx.join_observations(**sources, as_of="2026-06-30")
    fit = cx.HazardModel(controls=["segment", "plan"]).fit(obs)
    fit.save(folder / "hazard.json")
    return folder, fit


def test_a_study_has_its_own_numbers_at_its_last_day(company: tuple[Path, Any]) -> None:
    folder, fit = company
    out = folder / "out.parquet"
    assert cli.main(["score", str(folder / "hazard.json"), str(folder / "cxmodel.toml"), str(out),
                     "--at", "2026-06-30", "--periods", "3"]) == 0  # fmt: skip
    found = pd.read_parquet(out).set_index("customer_id")["prob_stays"]
    ends_at = pd.Timestamp("2026-07-01")
    people = pd.read_csv(folder / "customers.csv", parse_dates=["signup", "cancelled"])
    people = people[~(people.cancelled < ends_at) & (people.signup < ends_at)].set_index("id")
    answers = pd.read_parquet(folder / "surveys.parquet").dropna(subset=["recommend"])
    answers["answered_at"] = pd.to_datetime(answers["answered_at"], utc=True).dt.tz_localize(None)
    last = answers[answers.answered_at < ends_at].sort_values("answered_at")
    people["rating"] = last.groupby("cust")["recommend"].last()
    tenure = (ends_at - people.signup) / pd.Timedelta(days=1)
    people["period"] = np.floor(tenure / MONTH + 1e-9)
    expected = fit.predict(people.sort_index(), 3)["prob_stays"]
    assert found.index.tolist() == expected.index.tolist()
    np.testing.assert_array_equal(found, expected)
    assert found.notna().sum() > 200


def test_a_stay_begins_where_the_fit_has_it_begin(company: tuple[Path, Any]) -> None:
    """Without starts the clock is the first answer at risk, as in the spells of the fit."""
    folder, _ = company
    surveys = cx.read_surveys(
        folder / "surveys.parquet", customer_id="cust", responded_at="answered_at",
        ratings={"nps": ("recommend", cx.NPS)},
    )  # fmt: skip
    customers = cx.read_customers(
        folder / "customers.csv", customer_id="id", churned_at="cancelled"
    )
    obs = cx.join_observations(surveys, customers=customers, as_of="2026-06-30")
    fit = cx.HazardModel(period_days=20.0).fit(obs)
    assert fit.clock == SINCE_ANSWER
    spells = read_spells(obs, period_days=20.0)
    last_seen = pd.Series(spells.last, index=spells.frame["customer_id"]).groupby(level=0).max()
    day = dt.date(2026, 6, 30)
    asked = AskedDay(at=day, as_of=day, time_zone="UTC", windows=cx.Windows())
    sources = one_engine({"surveys": surveys, "customers": customers}, None)
    found = on_the_clock(Clock.of_hazard(fit), sources, asked)
    period = found.frame.set_index("customer_id")["period"].dropna()
    there = period[period > 0]
    # who is still there was last seen through the period before this one
    np.testing.assert_array_equal(there - 1, last_seen[there.index])
    assert len(there) > 200


def test_purchases_with_covariates_are_those_of_the_fit(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, buys = fitted_purchases("bg_nbd")  # looks at rating and heavy; a unit is a day
    buys.save("buys.json")
    rng = np.random.default_rng(8)
    ids = [f"c{i:02d}" for i in range(60)]
    days = pd.Timestamp("2025-01-01") + pd.to_timedelta(rng.integers(0, 200, 400), "D")
    ledger = pd.DataFrame({"customer_id": rng.choice(ids, 400), "booked_at": days}).assign(amount=9)
    answers = pd.DataFrame(
        {"customer_id": rng.choice(ids[1:], 150), "rating": rng.integers(0, 11, 150),
         "responded_at": pd.Timestamp("2025-01-01") + pd.to_timedelta(rng.random(150) * 200, "D")}
    )  # fmt: skip
    heavy = pd.Series(rng.integers(0, 2, 60), index=ids)
    write("revenue.csv", ledger)
    write("surveys.csv", answers)
    people = pd.DataFrame({"customer_id": ids, "heavy": heavy.to_numpy(), "valid_from": ""})
    # of versions the one in force counts
    later = people[:20].assign(heavy=7, valid_from="2025-06-02")
    sooner = people[20:40].assign(heavy=1 - people["heavy"][20:40], valid_from="2025-06-01")
    write("customers.csv", pd.concat([people, later, sooner]))
    heavy.iloc[20:40] = 1 - heavy.iloc[20:40]
    Path("study.toml").write_text(
        '[study]\ncurrency = "USD"\nas_of = 2025-07-31\n[sources.surveys]\npath = "surveys.csv"\n'
        '[sources.surveys.ratings]\nrating = { column = "rating", scale = "nps" }\n'
        '[sources.customers]\npath = "customers.csv"\nattributes = ["heavy"]\n'
        'valid_from = "valid_from"\n[sources.revenue]\npath = "revenue.csv"\n'
    )
    found = scored("buys.json", "2025-06-01", "--periods", "26")
    revenue = cx.read_revenue(ledger, currency="USD")
    then = purchases_by_customer(revenue, as_of="2025-06-01", unit_days=1.0)
    rows = then.histories.to_frame().drop(columns="n_customers").set_index(then.customer_id)
    known = answers[answers.responded_at < "2025-06-02"]
    rows["rating"] = known.groupby("customer_id")["rating"].mean()
    rows["heavy"] = heavy
    assert found.index.tolist() == rows.index.tolist()
    silent = rows["rating"].isna()
    assert 0 < silent.sum() < 30
    assert found["prob_alive"].isna().tolist() == silent.tolist()
    expected = buys.predict(rows[~silent], 26)
    for name in ("prob_alive", "expected_purchases"):
        np.testing.assert_array_equal(found.loc[~silent, name], expected[name])
    assert f"without a score: a value is missing (rating: {silent.sum()})" in (
        capsys.readouterr().err
    )
    without = Path("study.toml").read_text().replace('attributes = ["heavy"]\n', "")
    Path("study.toml").write_text(without)
    said = refused(capsys, "buys.json", at="2025-06-01")
    assert "(BG/NBD, purchases) looks at 'heavy', which the study has neither as an" in said


# -- errors


def test_nobody_active_is_an_empty_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    everyone = sorted(set(pd.read_csv("customers.csv")["customer_id"]))
    write("churn.csv", pd.DataFrame({"customer_id": everyone, "churned_at": "2025-06-29"}))
    Path("revenue.csv").write_text("customer_id,booked_at,amount\nnew,2025-06-20,10\n")
    arguments = ["score", "hazard.json", "study.toml", "out.csv", "--periods", "1"]
    assert cli.main([*arguments, "--at", "2025-06-30"]) == 0
    assert Path("out.csv").read_text() == '"customer_id","prob_stays","model_version"\n'
    said = capsys.readouterr().err
    assert "Scored 0 rows with model" in said
    assert "9 customers had left by 2025-06-30: not scored." in said
    write_model_file(by_hand().file, folder / "churn.json")
    found = scored("churn.json", "2025-06-30")
    assert found.empty
    assert "prob_churn" in found


def test_a_study_without_answers_has_no_first_one() -> None:
    facts = StudyFacts(rating=None, windows=None, currency=None)
    clock = Clock(columns=(), study=facts, began=SINCE_ANSWER, name="period", period_days=30.0)
    people = cx.read_customers(pd.DataFrame({"customer_id": ["a"]}))
    asked = AskedDay(at=dt.date(2025, 6, 30), as_of=None, time_zone="UTC", windows=cx.Windows())
    with pytest.raises(ConfigError, match=r"time from the first answer, which the study does not"):
        on_the_clock(clock, one_engine({"customers": people}, None), asked)


def test_answers_without_a_date_are_no_answers(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("surveys.csv").write_text("customer_id,nps\nnew,9\n")
    said = refused(capsys, "hazard.json", at="2025-06-30")
    assert "the rating 'nps', which the study does not have" in said
    write_model_file(by_hand(rating=None, columns=[PLAN], model=OF_PLAN).file, folder / "c.json")
    found = scored("c.json", "2025-06-30")["prob_churn"]
    assert found["doubled"] == pytest.approx(1 / (1 + np.exp(-1)))
    # the model does not look at answers, so nobody lacks one
    assert "no answer up to" not in capsys.readouterr().err


def test_a_day_that_the_data_do_not_hold_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, result = fitted_value("tenure")
    result.save("value.json")
    assert "--at 2026-01-01 lies after the data, which are complete to 2025-12-31" in refused(
        capsys, "hazard.json", at="2026-01-01"
    )
    assert "lies before all data" in refused(capsys, "value.json", at="2020-01-01")
    write_model_file(file_by_hand("purchases"), folder / "buys.json")
    first = "--at 2025-05-20 lies before all data, which begin on 2025-05-21. Name a later day."
    assert first in refused(capsys, "buys.json", at="2025-05-20")


def test_who_never_bought_is_counted(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_model_file(file_by_hand("purchases"), folder / "buys.json")
    # of ten customers left and back had bought by then; new buys at the end of the year
    assert scored("buys.json", "2025-06-30").index.tolist() == ["back", "left"]
    assert "8 customers have no purchase up to 2025-06-30: not scored." in capsys.readouterr().err


def test_a_day_that_the_model_has_seen_the_end_of_is_told(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = file_by_hand("hazard", study=STUDY)
    for day, is_told in (("2025-06-30", False), ("2025-07-01", True)):
        seen = make_model_file("hazard", file.content, created_at=dt.date.fromisoformat(day))
        write_model_file(seen, folder / "hazard.json")
        scored("hazard.json", "2025-06-30", "--periods", "1")
        said = capsys.readouterr().err
        assert ("Warning: the model was fitted to data up to 2025-07-01" in said) is is_told


def test_old_answers_cannot_be_left_out_where_the_first_one_counts(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_model_file(file_by_hand("retention", study=STUDY), folder / "stays.json")
    said = refused(capsys, "stays.json", "--answer-days", "30", at="2025-06-30")
    assert "--answer-days is for models that look at the latest answer" in said


def test_what_the_study_does_not_say_is_named(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    day = "2025-06-30"
    Path("study.toml").write_text(TOML.replace('attributes = ["plan"]\n', ""))
    said = refused(capsys, "hazard.json", at=day)
    assert "looks at 'plan', which the sources of the study do not say as of a day" in said
    Path("study.toml").write_text(TOML.replace('started_at = "started_at"\n', ""))
    # a column of the same name would need no line
    Path("customers.csv").write_text(CUSTOMERS.replace("started_at", "since"))
    said = refused(capsys, "hazard.json", at=day)
    assert "counts time from when the customer started, which the study does not say" in said
    assert "Map sources.customers.started_at" in said
    _, result = fitted_value("tenure")
    result.save("value.json")
    said = refused(capsys, "value.json", at=day)
    assert "depends on how long customers have been there, which the study does not say" in said
    Path("customers.csv").write_text(CUSTOMERS)
    Path("study.toml").write_text(TOML.split("[sources.revenue]")[0])
    said = refused(capsys, "value.json", at=day)
    assert "looks at monthly_revenue, which the study does not say. Add sources.subscr" in said
    Path("study.toml").write_text(TOML.replace("nps = {", "csat = {"))
    assert "the rating 'nps', which the study does not have" in refused(
        capsys, "hazard.json", at=day
    )


def test_a_hazard_that_knows_no_study_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_model_file(file_by_hand("hazard"), folder / "hazard.json")
    said = refused(capsys, "hazard.json", at="2025-06-30")
    assert "fitted to a table of spells, which does not say what its columns" in said


def test_silence_says_not_when_a_stay_began(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = file_by_hand("hazard", study=STUDY, clock="the first answer")
    write_model_file(file, folder / "hazard.json")
    Path("study.toml").write_text(TOML.replace('[sources.churn]\npath = "churn.csv"\n', ""))
    said = refused(capsys, "hazard.json", at="2025-06-30")
    assert "only missing bookings say who left, so nobody knows when a stay began" in said


def test_a_table_of_occasions_says_not_when_they_were(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, buys = fitted_purchases("bg_bb")
    buys.save("buys.json")
    said = refused(capsys, "buys.json", at="2025-06-30")
    assert "was fitted to a table that counts occasions, and does not say on which days" in said
    assert "Or fit to cxmodel.summarize_purchases(revenue, unit_days=)" in said


def test_customers_of_silence_are_counted(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("study.toml").write_text(TOML.replace('[sources.churn]\npath = "churn.csv"\n', ""))
    bookings = "customer_id,booked_at,amount\nnew,2025-06-20,10\nolder,2025-05-10,10\n"
    Path("revenue.csv").write_text(bookings)
    found = scored("hazard.json", "2025-06-30", "--periods", "1")
    assert found.index.tolist() == ["new"]
    said = capsys.readouterr().err
    assert "8 customers had booked nothing in the 45 days up to 2025-06-30: not scored." in said
