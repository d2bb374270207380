"""Money foretold for later windows, held against the ledger."""

import datetime as dt
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import pandas as pd
import pytest
from changing_business import END, MONTH, changing_business
from test_study import SCHEMA

import cxmodel as cx
from cxmodel.models.retention.model import RetentionModel
from cxmodel.results import Estimate, NotRun
from cxmodel.tables.later_revenue import Ledger
from cxmodel.tables.observation_table import Observations
from cxmodel.tables.one_engine import one_engine
from cxmodel.tables.sources import Source
from cxmodel.value.cltv.later_result import LaterWindows, later_caveats
from cxmodel.value.cltv.model import CltvModel

MODEL = CltvModel(gross_margin=0.6, annual_discount_rate=0.10, n_draws=60)


def _ledger(as_of: dt.date = END, **sources: Source) -> Ledger:
    return Ledger(sources=one_engine(sources), as_of=as_of)


def _subscriptions(rows: list[tuple[str, str, str | None, float]]) -> Source:
    names = ["customer_id", "started_at", "ended_at", "monthly_amount"]
    return cx.read_subscriptions(pd.DataFrame(rows, columns=names), currency="USD")


def _paying(obs: Observations, raised_by: float = 1.0, from_day: str = "2024-07-10") -> Ledger:
    """Every customer pays 20 a month until it leaves; from a day on so many times more."""
    frame = obs.frame
    start = frame["responded_at"].dt.normalize()
    end = (frame["responded_at"] + pd.to_timedelta(frame["duration_days"], unit="D")).dt.normalize()
    end = end.where(frame["_event"], pd.NaT)
    day = pd.Timestamp(from_day)
    plain = pd.DataFrame(
        {
            "customer_id": frame["customer_id"],
            "started_at": start,
            "ended_at": end,
            "monthly_amount": 20.0,
        }
    )
    more = plain[end.isna() | (end > day)]
    more = more.assign(
        started_at=more["started_at"].clip(lower=day), monthly_amount=20.0 * (raised_by - 1)
    )
    parts = [plain, more] if raised_by != 1 else [plain]
    return _ledger(subscriptions=cx.read_subscriptions(pd.concat(parts), currency="USD"))


# -- worked by hand


def test_bookings_fall_into_windows_by_their_start() -> None:
    booked = [
        ("a", "2025-01-31 23:59:59", 1.0),  # before
        ("a", "2025-02-01", 2.0),  # the first moment counts
        ("a", "2025-03-02 23:59:59", 4.0),  # the last second of the first 30 days
        ("a", "2025-03-03", 8.0),
        ("a", "2025-04-02", 16.0),  # after the second
        ("b", "2025-03-10", -3.5),
        ("x", "2025-03-10", 100.0),  # not asked for
    ]
    frame = pd.DataFrame(booked, columns=["customer_id", "booked_at", "amount"])
    ledger = _ledger(revenue=cx.read_revenue(frame, currency="USD"))
    found = ledger.revenue_after(["b", "a", "c"], dt.datetime(2025, 2, 1), days=30, n_windows=2)
    assert found.tolist() == [[0.0, -3.5], [6.0, 8.0], [0.0, 0.0]]


def test_subscriptions_are_prorated_by_day_and_end_with_the_data() -> None:
    ledger = _ledger(
        dt.date(2025, 3, 12),
        subscriptions=_subscriptions(
            [
                ("a", "2024-06-01", None, 30.4375),  # 1 a day: 12 months in 365.25 days
                ("a", "2025-02-11", "2025-02-21", 60.875),  # 2 a day for 10 days
            ]
        ),
        revenue=cx.read_revenue(
            pd.DataFrame({"customer_id": ["a"], "booked_at": ["2025-02-02"], "amount": [7.0]}),
            currency="USD",
        ),
    )
    found = ledger.revenue_after(["a"], dt.datetime(2025, 2, 1), days=30, n_windows=2)
    # 30 + 20 + 7; then 3 to 12 March: 10 days
    assert found[0] == pytest.approx([57.0, 10.0], abs=1e-4)


# -- against the join


def test_it_is_what_the_observation_table_says() -> None:
    # a response at the first moment before the window, and its outcome window of the same length
    sim = cx.datasets.simulate(n_customers=150, seed=3)
    at = dt.datetime(2025, 6, 1)
    ids = sim.customers["customer_id"].astype(str).tolist()
    asked = pd.DataFrame({"customer_id": ids, "responded_at": at - dt.timedelta(microseconds=1)})
    surveys = cx.read_surveys(asked.assign(q=9), ratings={"nps": ("q", cx.NPS)})
    revenue = cx.read_revenue(sim.revenue, currency="USD")
    obs = cx.join_observations(
        surveys,
        customers=cx.read_customers(sim.customers),
        revenue=revenue,
        windows=cx.Windows(outcome_days=90),
    )
    assert obs.as_of is not None
    expected = obs.to_frame().set_index("customer_id")["revenue_after"]
    found = _ledger(obs.as_of, revenue=revenue).revenue_after(ids, at, days=90, n_windows=1)
    shown = pd.Series(found[:, 0], index=ids).loc[expected.index]
    assert shown.to_numpy() == pytest.approx(expected.to_numpy(), abs=1e-9)
    assert (shown != 0).any()


# -- properties


def test_without_a_ledger_money_is_not_looked_up() -> None:
    obs = changing_business(1)
    fit = RetentionModel(family="geometric", n_draws=20).fit(obs)
    found = MODEL.backtest_windows(obs, fit)
    assert isinstance(found, LaterWindows)
    assert isinstance(found.revenue_error, NotRun)
    assert found.windows[0].actual_revenue is None
    assert found.to_section()["revenue_text"] == ""


# -- recovery of a known truth


def test_even_payments_are_foretold() -> None:
    obs = changing_business(1, n=3_000)
    fit = RetentionModel(family="geometric", n_draws=60).fit(obs)
    found = MODEL.backtest_windows(obs, fit, ledger=_paying(obs))
    assert isinstance(found, LaterWindows)
    error = found.revenue_error
    assert isinstance(error, Estimate)
    assert error.conf_low is not None
    assert error.conf_high is not None
    assert error.conf_low < 0 < error.conf_high
    assert not found.money_is_off
    for window in found.windows:
        assert window.actual_revenue is not None
        assert window.revenue_low is not None
        assert window.revenue_high is not None
        assert window.revenue_low < window.actual_revenue < window.revenue_high
    # 20 a month, over six months of whoever is there
    there = np.array([1.0, *(window.actual_retention for window in found.windows)])
    months = (there[:-1] + there[1:]) / 2 * 180 / MONTH
    came = [window.actual_revenue for window in found.windows]
    assert came == pytest.approx(20 * months, rel=0.03)


def test_a_price_rise_is_named() -> None:
    obs = changing_business(2)
    fit = RetentionModel(family="geometric", n_draws=60).fit(obs)
    value = MODEL.fit(obs, fit, ledger=_paying(obs, raised_by=2.0))
    later = value.later_windows
    assert isinstance(later, LaterWindows)
    error = later.revenue_error
    assert isinstance(error, Estimate)
    # twice the money came in every window
    assert error.conf_low is not None
    assert error.conf_high is not None
    assert error.conf_low < -50 < error.conf_high < -25
    assert later.verdict == "pass"
    assert later_caveats(later) == (later.money_text,)
    assert "customers do not go on spending as they did" in later.money_text
    assert later.money_text in value.caveats


def test_too_little_known_spending_is_said() -> None:
    obs = changing_business(1)
    frame = obs.frame.assign(outcome_complete=obs.frame["responded_at"] > "2024-06-01")
    few = replace(obs, frame=frame)
    fit = RetentionModel(family="geometric", n_draws=20).fit(few)
    found = MODEL.backtest_windows(few, fit, ledger=_paying(few))
    assert isinstance(found, LaterWindows)
    assert isinstance(found.revenue_error, NotRun)
    assert "needed to foretell their spending" in found.revenue_error.reason


def test_a_study_holds_staying_and_money_against_later_windows(tmp_path: Path) -> None:
    cx.datasets.simulate(n_customers=1_500, seed=1).write(tmp_path)
    results = cx.Study.from_toml(tmp_path / "cxmodel.toml").run(only=["cltv"]).to_dict()
    jsonschema.validate(results, SCHEMA)
    later = results["cltv"]["later_windows"]
    assert later["status"] == "ok"
    assert later["verdict"] in ("pass", "warn")
    assert len(later["rows"]) >= 2
    # the business stays as it is, so money is foretold to within what is said, or nearly
    assert abs(later["revenue_error"]["estimate"]) < 3 * later["revenue_error"]["std_error"]
    assert not later["revenue_is_far_off"]
