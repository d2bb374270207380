"""Spending before a response counts per day that the customer was observed."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated_observations import simulate_observations

from cxmodel.results import Estimate, NotRun
from cxmodel.tables.observation_table import Observations, Windows
from cxmodel.value.cltv.model import CltvModel
from cxmodel.value.cltv.past_spending import PastSpending, SpendingLine
from cxmodel.value.cltv.rows import spend_of

MODEL = CltvModel(gross_margin=0.5, annual_discount_rate=0.10, benefit="revenue", n_draws=5)


def _with(obs: Observations, **columns: object) -> Observations:
    return replace(obs, frame=obs.frame.assign(**columns))


def _subscribers(n: int = 1_500, seed: int = 3) -> Observations:
    """Customers who pay by the day; half of them started within 30 to 180 days of the answer."""
    obs = simulate_observations(n, seed=seed, repeats=0.0, loss_per_month=0.02)
    rng = np.random.default_rng(seed)
    per_day = rng.gamma(4.0, 0.25, n)
    days = np.where(rng.random(n) < 0.5, rng.uniform(30, 180, n), 400.0)
    return _with(
        obs,
        days_observed_before=days,
        revenue_before=20 / 30.4375 * per_day * np.minimum(days, 180.0),
        revenue_after=obs.frame["revenue_after"] * per_day,
    )


# -- worked by hand


def test_spending_is_scaled_to_the_whole_window() -> None:
    obs = simulate_observations(5, repeats=0.0)
    obs = _with(
        obs,
        revenue_before=[50.0, 50.0, 50.0, 0.0, np.nan],
        days_observed_before=[400.0, 90.0, 29.0, 45.0, np.nan],
    )
    found = PastSpending.of(obs)
    # 180 days back: 90 days count twice, 29 say too little, nothing booked is 0
    assert found.amount.tolist()[:2] == [50.0, 100.0]
    assert np.isnan(found.amount[2])
    assert found.amount.tolist()[3:] == [0.0, 0.0]
    assert found.observed == pytest.approx([1.0, 0.5, 29 / 180, 0.25, 1.0])
    assert found.is_partial.tolist() == [False, True, True, True, False]


def test_a_short_window_needs_no_thirty_days() -> None:
    obs = simulate_observations(2, repeats=0.0, windows=Windows(lookback_days=14))
    obs = _with(obs, revenue_before=[7.0, 7.0], days_observed_before=[14.0, 7.0])
    found = PastSpending.of(obs)
    assert found.amount[0] == 7.0
    assert np.isnan(found.amount[1])


def test_a_line_by_hand() -> None:
    # through (0, 1), (1, 3), (2, 5): 1 + 2 x; who was not seen stands at the mean, x = 1
    before = PastSpending(np.array([0.0, 1.0, 2.0, np.nan]), np.ones(4))
    line = SpendingLine.fit(before, np.array([1.0, 3.0, 5.0, 3.0]), np.ones(4))
    assert line.coefficients == pytest.approx([1.0, 2.0])
    assert line.predict(before) == pytest.approx([1.0, 3.0, 5.0, 3.0])


# -- against a reference


def test_a_weighted_line_is_that_of_statsmodels() -> None:
    import statsmodels.api as sm

    rng = np.random.default_rng(1)
    x, share, w = rng.gamma(2.0, 5.0, 400), np.ones(400), rng.uniform(0.2, 3.0, 400)
    share[:150] = rng.uniform(0.2, 0.9, 150)
    y = 3 + 0.7 * x * share + rng.normal(size=400)
    line = SpendingLine.fit(PastSpending(x, share), y, w)
    design = np.column_stack([np.ones(400), x, share, x * share])
    assert line.coefficients == pytest.approx(sm.WLS(y, design, weights=w).fit().params)
    # few who were seen for a part alone bend nothing
    few = np.where(np.arange(400) < 39, share, 1.0)
    line = SpendingLine.fit(PastSpending(x, few), y, w)
    assert line.coefficients == pytest.approx(sm.WLS(y, design[:, :2], weights=w).fit().params)


# -- properties


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.0, 0.9))
def test_the_mean_is_kept(seed: int, partial: float) -> None:
    rng = np.random.default_rng(seed)
    n = 120
    observed = np.where(rng.random(n) < partial, rng.uniform(0, 1, n), 1.0)
    amount = np.where(observed > 1 / 6, rng.gamma(2.0, 10.0, n), np.nan)
    after, weights = rng.gamma(1.0, 30.0, n), rng.uniform(0.5, 2.0, n)
    line = SpendingLine.fit(PastSpending(amount, observed), after, weights)
    found = line.predict(PastSpending(amount, observed))
    assert weights @ found == pytest.approx(weights @ after)


def test_customers_all_observed_change_nothing() -> None:
    obs = _subscribers()
    whole = _with(obs, days_observed_before=500.0)
    without = replace(whole, frame=whole.frame.drop(columns="days_observed_before"))
    rows = spend_of(whole)
    assert rows.expected(whole) == pytest.approx(rows.expected(without))


# -- recovery of a known truth


def test_who_started_late_is_foretold_as_well_as_others() -> None:
    obs = _subscribers()
    blind = replace(obs, frame=obs.frame.drop(columns="days_observed_before"))
    found, unaware = MODEL.backtest(obs), MODEL.backtest(blind)
    assert not isinstance(found, NotRun)
    assert not isinstance(unaware, NotRun)
    assert found.baseline_words == "as much a day as in the days observed before"
    assert unaware.baseline_words == "as much as in the period before"
    # payments are even, so a day observed says what a day brings: the rest is who leaves
    assert found.mean_absolute_error.estimate < 0.8 * unaware.mean_absolute_error.estimate
    assert found.baseline_error.estimate < unaware.baseline_error.estimate
    error = found.total_error
    assert isinstance(error, Estimate)
    assert error.conf_low is not None
    assert error.conf_high is not None
    assert error.conf_low < 0 < error.conf_high
