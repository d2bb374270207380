"""Waves: chosen by hand, properties, and why there are none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxmodel.models.estimates.waves import find_waves, wave_numbers
from cxmodel.models.lift_fit import fit_lift
from cxmodel.results import NotRun
from cxmodel.tables.observation_table import Windows
from tests.panel_observations import panel_observations

DAY = 86_400


# -- by hand ---------------------------------------------------------------------------------


def test_the_first_answer_then_the_first_after_each_window():
    """180 days: day 0, not 100, then 180 (the window has just closed), not 350, then 400."""
    days = np.array([0, 100, 180, 350, 400, 20, 30])
    customers = np.array([0, 0, 0, 0, 0, 1, 1])
    found = wave_numbers(customers, days * DAY, 180 * DAY)
    assert found.tolist() == [0, -1, 1, -1, 2, 0, -1]


def test_counts_of_a_fit(observations):
    """100 customers answer on days 0, 100 and 200; 20 more on day 0 alone."""
    obs = observations(120)
    ids = np.repeat(np.arange(120), np.where(np.arange(120) < 100, 3, 1))
    place = np.arange(len(ids)) - np.searchsorted(ids, ids)
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            "customer_id": [f"c{i:03d}" for i in ids],
            "responded_at": pd.Timestamp("2025-01-01") + pd.to_timedelta(100 * place, "D"),
            "rating": rng.integers(0, 11, len(ids)).astype(float),
            "revenue_after": rng.gamma(2.0, 50.0, len(ids)),
            "outcome_complete": True,
        }
    )
    waves = find_waves(fit_lift(replace(obs, frame=frame, attributes=()), "revenue"))
    assert (len(waves.rows), waves.n_overlapping, waves.n_single) == (200, 100, 20)
    assert waves.number.tolist() == [0, 1] * 100
    assert waves.rows[:4].tolist() == [0, 2, 3, 5]
    assert waves.n_waves == 2


def test_a_gap_moves_the_next_wave():
    obs = panel_observations(100, 3, days_between=185)
    gap = replace(obs, windows=Windows(gap_days=30))
    waves = find_waves(fit_lift(gap, "revenue"))
    # 210 days are not over at the second answer, 185 to 189 days later, but at the third
    assert waves.n_overlapping == 100
    assert waves.n_waves == 2


# -- properties ------------------------------------------------------------------------------


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 60)), min_size=1, max_size=40),
    st.integers(1, 30),
)
def test_waves_are_apart_and_no_answer_that_could_be_one_is_left(rows, apart):
    rows = sorted(rows)
    customers, times = (np.array(column) for column in zip(*rows, strict=True))
    numbers = wave_numbers(customers, times, apart)
    for customer in np.unique(customers):
        mine = customers == customer
        chosen = times[mine & (numbers >= 0)]
        assert numbers[mine & (numbers >= 0)].tolist() == list(range(len(chosen)))
        assert np.all(np.diff(chosen) >= apart)
        assert chosen[0] == times[mine].min()
        for time in times[mine & (numbers < 0)]:
            before = chosen[chosen <= time].max()
            assert time - before < apart


# -- why there are none ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("drop", "reason"), [("customer_id", "carry no customer"), ("responded_at", "carry no date")]
)
def test_who_or_when_is_not_known(drop, reason):
    obs = panel_observations(100, 2)
    found = find_waves(fit_lift(replace(obs, frame=obs.frame.drop(columns=drop)), "revenue"))
    assert isinstance(found, NotRun)
    assert reason in found.reason


def test_an_unknown_date():
    obs = panel_observations(100, 2)
    obs.frame.loc[3, "responded_at"] = pd.NaT
    found = find_waves(fit_lift(replace(obs, frame=obs.frame), "revenue"))
    assert "some responses carry no date" in found.reason


@pytest.mark.parametrize(("n_waves", "days"), [(1, 185), (3, 20)])
def test_nobody_answered_after_the_window(n_waves, days):
    found = find_waves(fit_lift(panel_observations(200, n_waves, days_between=days), "revenue"))
    assert "none of 200 customers answered again after 180 days" in found.reason
