"""Lifetime value under a contract: cohorts, single customers, residual lifetime, backtest."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from simulated_observations import joined_table, simulate_observations

from cxmodel.errors import InsufficientDataError
from cxmodel.models.retention.curve import RetentionCurve
from cxmodel.models.retention.durations import read_durations
from cxmodel.models.retention.model import RetentionModel
from cxmodel.results import Estimate, NotRun
from cxmodel.stats.rates import monthly_discount_rate
from cxmodel.tables.observation_table import Observations, Windows
from cxmodel.value.cltv.backtest import Forecasts, deciles, judge
from cxmodel.value.cltv.groups import cohort_labels, groups_of
from cxmodel.value.cltv.model import CltvModel
from cxmodel.value.cltv.settings import ValueSettings

MODEL = CltvModel(gross_margin=0.6, annual_discount_rate=0.10, n_draws=5)
CURVE = RetentionCurve.constant(prob_churn_per_month=0.03, horizon_months=60)
SETTINGS = ValueSettings(
    gross_margin=0.6,
    annual_discount_rate=0.10,
    horizon_months=36,
    benefit="revenue",
    currency="USD",
    min_group_size=1,
    conf_level=0.95,
    n_draws=5,
    seed=1,
)


def _plain(n: int = 600, **how: object) -> Observations:
    obs = simulate_observations(n, **how)  # type: ignore[arg-type]
    return replace(obs, frame=obs.frame.drop(columns="band"))


def _with_past(obs: Observations, seed: int = 5) -> Observations:
    """Customers who spend at their own rate before and after."""
    rng = np.random.default_rng(seed)
    rate = rng.gamma(4.0, 0.25, obs.n_obs)
    frame = obs.frame
    return replace(
        obs,
        frame=frame.assign(
            revenue_before=118.0 * rate * rng.uniform(0.7, 1.3, obs.n_obs),
            revenue_after=frame["revenue_after"] * rate,
        ),
    )


# -- worked by hand


def test_a_backtest_by_hand() -> None:
    # errors 1, 1, 2 and 0; the plain rule 2, 2, 2 and 2; foretold 20 in all, 20 came
    forecasts = Forecasts(
        predicted=np.array([1.0, 3.0, 6.0, 10.0]),
        actual=np.array([2.0, 4.0, 4.0, 10.0]),
        baseline=np.array([4.0, 2.0, 2.0, 8.0]),
        n_customers=np.ones(4),
    )
    found = judge(
        forecasts,
        SETTINGS,
        known_until=pd.Timestamp("2025-01-01").date(),
        holdout_days=180.0,
        n_learnt=9,
        baseline_words="as before",
    )
    assert found.mean_absolute_error.estimate == pytest.approx(1.0)
    assert found.baseline_error.estimate == pytest.approx(2.0)
    assert found.gain.estimate == pytest.approx(1.0)
    # its spread: gains 1, 1, 0, 2 have variance 2/3 over 4 customers
    assert found.gain.std_error == pytest.approx(math.sqrt(2 / 3 / 4))
    error = found.total_error
    assert isinstance(error, Estimate)
    assert error.estimate == pytest.approx(0.0)
    assert error.std_error == pytest.approx(100 * math.sqrt(1 + 1 + 4) / 20)
    assert [row["actual"] for row in found.deciles] == [2.0, 4.0, 4.0, 10.0]


def test_equal_forecasts_stay_together_and_no_part_is_small() -> None:
    forecasts = Forecasts(
        predicted=np.repeat([1.0, 2.0, 3.0], [70, 20, 10]),
        actual=np.arange(100.0),
        baseline=np.zeros(100),
        n_customers=np.ones(100),
    )
    rows = deciles(forecasts, 10, 0.95)
    assert [row["n_customers"] for row in rows] == [70, 20, 10]
    assert [row["n_customers"] for row in deciles(forecasts, 30, 0.95)] == [70, 30]
    assert [row["n_customers"] for row in deciles(forecasts, 40, 0.95)] == [100]
    assert rows[0]["actual"] == pytest.approx(34.5)


def test_periods_of_a_start() -> None:
    started = pd.Series(pd.to_datetime(["2025-12-31", "2026-01-01", None]))
    assert cohort_labels(started, "year").tolist()[:2] == ["2025", "2026"]
    assert cohort_labels(started, "month").tolist()[:2] == ["2025-12", "2026-01"]
    assert cohort_labels(started, "year").isna().tolist() == [False, False, True]


def test_one_small_group_takes_the_next_with_it() -> None:
    values = pd.Series(["a"] * 50 + ["b"] * 40 + ["c"] * 5)
    found = groups_of(values, column="plan", valued=np.ones(95, dtype=bool), min_group_size=30)
    assert {group.label["group"]["plan"]: group.is_shown for group in found} == {  # type: ignore[index]
        "a": True,
        "b": False,
        "c": False,
    }


# -- against a closed form


def test_residual_lifetime_is_the_sum_of_the_curve() -> None:
    # one loss rate for all: observed curve and model are one geometric curve
    obs = _plain(4_000, rating_effect=0.0, loss_per_month=0.04)
    fit = RetentionModel(family="geometric", n_draws=20).fit(obs)
    found = MODEL.fit(obs, fit).residual_lifetime
    assert isinstance(found, Estimate)
    long = fit.curve(3_000).retention[1:]
    rate = monthly_discount_rate(0.10)
    expected = float((long * (1 + rate) ** -np.arange(1, 3_001)).sum())
    assert found.estimate == pytest.approx(expected, rel=1e-6)
    # Fader & Hardie: r / (1 + d - r) months for a constant r
    stays = math.exp(-0.04)
    assert found.estimate == pytest.approx(stays / (1 + rate - stays), rel=0.06)


def test_the_mean_over_customers_is_the_value_per_customer() -> None:
    obs = _with_past(_plain())
    frame = MODEL.predict(obs, CURVE)
    assert frame["cltv"].mean() == pytest.approx(MODEL.fit(obs, CURVE).per_customer.estimate)
    assert frame["customer_id"].is_unique
    # who spent more before is worth more
    first = obs.frame.drop_duplicates("customer_id").set_index("customer_id")
    before = first.loc[frame["customer_id"], "revenue_before"].to_numpy()
    assert np.corrcoef(before, frame["cltv"])[0, 1] == pytest.approx(1.0)


def test_customers_of_a_joined_table_have_their_own_tenure() -> None:
    obs = joined_table(400)
    fit = RetentionModel(n_draws=5).fit(obs)
    found = MODEL.fit(replace(obs, frame=obs.frame.drop(columns="band")), fit)
    # the mean of products, not the product of means
    assert MODEL.predict(obs, fit)["cltv"].mean() == pytest.approx(found.per_customer.estimate)
    assert isinstance(found.backtest, NotRun)
    assert "a table already joined is one moment" in found.backtest.reason
    assert isinstance(found.by_cohort, NotRun)
    # the months still to come are those after the tenure, not those of a new customer
    tenure = read_durations(obs, stage="cltv").entry_months
    assert tenure is not None
    stays = fit.residual_curve(tenure, 600).retention[1:]
    expected = float(stays @ 1.10 ** (-np.arange(1, 601) / 12))
    assert isinstance(found.residual_lifetime, Estimate)
    assert found.residual_lifetime.estimate == pytest.approx(expected, rel=0.01)


def test_no_horizon_is_no_horizon_where_nothing_is_discounted() -> None:
    # a tenth of the months to come lie more than 100 years ahead
    obs = joined_table(300)
    fit = RetentionModel(n_draws=5).fit(obs)
    fit = replace(
        fit,
        parameters={"alpha": 2.2, "beta": 200.0},
        _parameter_draws=np.tile([2.2, 200.0], (5, 1)),
    )
    entry = read_durations(obs, stage="cltv").entry_months
    assert entry is not None
    stays = fit.residual_curve(entry, 200_000).retention[1:]
    assert stays[:1_200].sum() < 0.92 * stays.sum()
    model = replace(MODEL, annual_discount_rate=0.0)
    table = replace(obs, frame=obs.frame.drop(columns="band"))
    found = model.fit(table, fit, lift=NotRun("not asked for")).residual_lifetime
    assert isinstance(found, Estimate)
    assert found.estimate == pytest.approx(float(stays.sum()), rel=1e-3)


# -- the parts of the result


def test_cohorts_are_cut_by_start() -> None:
    obs = _plain(900)
    tenure = np.random.default_rng(2).uniform(0, 700, obs.n_obs)
    found = MODEL.fit(replace(obs, frame=obs.frame.assign(tenure_days=tenure)), CURVE)
    assert isinstance(found.by_cohort, list)
    labels = [row["cohort"] for row in found.by_cohort]
    assert labels == sorted(labels)
    assert {"2022", "2023", "2024"} <= set(labels)
    assert found.to_dict()["by_cohort"]["rows"][1]["unit"] == found.per_customer.unit
    assert "started 2023" in found.to_frame()["group"].tolist()


def test_a_window_is_foretold_from_earlier_ones() -> None:
    obs = _with_past(_plain(1_500, loss_per_month=0.02))
    found = MODEL.backtest(obs)
    assert not isinstance(found, NotRun)
    assert found.n_learnt >= 30
    assert found.holdout_days == 180
    error = found.total_error
    assert isinstance(error, Estimate)
    assert error.conf_low is not None
    assert error.conf_high is not None
    assert error.conf_low < 0 < error.conf_high  # early and late customers are alike
    assert found.gain.estimate > 0  # drawn towards the mean, and some leave
    assert found.deciles[-1]["actual"] > found.deciles[0]["actual"]
    section = MODEL.fit(obs, CURVE).to_dict()["backtest"]
    assert section["status"] == "ok"
    assert section["baseline_is"] == "as much as in the period before"


def test_a_short_history_is_not_held_against_anything() -> None:
    obs = _with_past(_plain(300, years=0.8))
    found = MODEL.backtest(obs)
    assert isinstance(found, NotRun)
    assert "history is too short" in found.reason


# -- bad input


def test_net_negative_money_is_netted_and_said() -> None:
    obs = _plain(300)
    amounts = obs.frame["revenue_after"].to_numpy().copy()
    amounts[:5] = -10.0
    found = MODEL.fit(replace(obs, frame=obs.frame.assign(revenue_after=amounts)), CURVE)
    # 5 customers are fewer than 30: their sum is not shown
    said = next(said for said in found.caveats if "were given back more than they paid" in said)
    assert said.endswith("customers were given back more than they paid; refunds are netted.")
    turned = MODEL.fit(replace(obs, frame=obs.frame.assign(revenue_after=-amounts)), CURVE)
    assert turned.per_customer.estimate < 0
    assert any("Check the signs of the amounts" in said for said in turned.caveats)


def test_a_horizon_shorter_than_the_window_says_so() -> None:
    found = replace(MODEL, horizon_months=3).fit(_plain(300), CURVE)
    assert any("is shorter than the outcome window of 180 days" in said for said in found.caveats)
    whole = replace(MODEL, horizon_months=6).fit(_plain(300), CURVE)
    assert 0 < found.per_customer.estimate < whole.per_customer.estimate


def test_no_margin_and_revenue_are_said() -> None:
    nothing = replace(MODEL, gross_margin=0.0).fit(_plain(300), CURVE)
    assert nothing.per_customer.estimate == 0
    assert any("gross_margin is 0" in said for said in nothing.caveats)
    revenue = replace(MODEL, benefit="revenue").fit(_plain(300), CURVE)
    assert any("margin is what pays" in said for said in revenue.caveats)


def test_huge_amounts_stay_finite() -> None:
    obs = _plain(300)
    huge = obs.frame.assign(revenue_after=obs.frame["revenue_after"] * 1e15)
    found = MODEL.fit(replace(obs, frame=huge), CURVE)
    small = MODEL.fit(obs, CURVE)
    assert found.per_customer.estimate == pytest.approx(1e15 * small.per_customer.estimate)
    assert found.to_dict()["per_customer"]["std_error"] is not None


def test_one_customer_is_no_study() -> None:
    obs = _plain(300)
    one = replace(obs, frame=obs.frame.iloc[:1])
    with pytest.raises(InsufficientDataError, match="at least 10 are needed"):
        MODEL.fit(one, CURVE)


def test_no_discount_and_endless_customers_are_named() -> None:
    # alpha below 1: some hardly ever leave, and nothing makes late months count less
    rng = np.random.default_rng(4)
    obs = _plain(3_000, rating_effect=0.0)
    never = rng.random(obs.n_obs) < 0.5
    frame = obs.frame.assign(_event=obs.frame["_event"] & ~never)
    follow = obs.frame["duration_days"].where(~never, 900.0)
    endless = replace(obs, frame=frame.assign(duration_days=follow))
    fit = RetentionModel(n_draws=5).fit(endless)
    assert fit.parameters["alpha"] < 1
    found = replace(MODEL, annual_discount_rate=0.0).fit(endless, fit).residual_lifetime
    assert isinstance(found, NotRun)
    assert "no finite mean" in found.reason


def test_a_gap_moves_the_backtest_with_it() -> None:
    obs = _with_past(_plain(1_200, windows=Windows(gap_days=30), loss_per_month=0.02))
    found = MODEL.backtest(obs)
    assert not isinstance(found, NotRun)
    assert found.n_customers > 0
