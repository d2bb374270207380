"""Medians of durations: order statistics by hand, Kaplan-Meier against statsmodels."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.duration.survfunc import SurvfuncRight

from cxmodel.kpis.durations import (
    censored_median,
    mean_if_all_over,
    median_interval,
    median_of_counts,
)


def test_median_of_counts_by_hand():
    assert median_of_counts([(1.0, 2), (4.0, 1)]) == 1
    assert median_of_counts([(1.0, 2), (4.0, 2)]) == 2.5


def test_median_interval_by_hand():
    # n = 100: 100 (.5 -+ 1.96 / 20) = 40.2 and 59.8, so the 40th and the 61st value
    found = median_interval([(float(i), 1) for i in range(1, 101)], conf_level=0.95)
    assert (found.estimate, found.conf_low, found.conf_high) == (50.5, 40, 61)


def test_fewer_independent_values_widen_the_interval():
    pairs = [(float(i), 1) for i in range(1, 101)]
    found = median_interval(pairs, conf_level=0.95, n_effective=25)
    # 100 (.5 -+ 1.96 / 10) = 30.4 and 69.6
    assert (found.conf_low, found.conf_high) == (30, 71)


def test_too_few_values_have_no_interval():
    found = median_interval([(1.0, 1), (2.0, 1), (3.0, 1)], conf_level=0.95)
    assert found.estimate == 2
    assert math.isnan(found.conf_low)
    assert math.isnan(found.conf_high)


def test_open_cases_push_the_median_up():
    # survival after 1, 2, 4: 3/4, 1/2, ...: the step at one half reaches from 2 to 4, as in R
    assert censored_median([1, 2, 3, 4], [1, 1, 0, 1], [1] * 4, conf_level=0.95).estimate == 3
    assert math.isnan(censored_median([1, 2], [1, 0], [1, 3], conf_level=0.95).estimate)


def test_mean_only_where_nothing_is_open():
    assert mean_if_all_over([1, 3], [True, True], [3, 1]) == 1.5
    assert mean_if_all_over([1, 3], [True, False], [3, 1]) is None


def test_agrees_with_statsmodels_on_remission_times():
    # Freireich et al. (1963), weeks in remission under 6-MP; statsmodels 0.14, log-log intervals
    t = [6, 6, 6, 7, 10, 13, 16, 22, 23, 6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35]
    over = [1] * 9 + [0] * 12
    reference = SurvfuncRight(t, over)
    low, high = reference.quantile_ci(0.5, method="cloglog")
    found = censored_median(t, over, np.ones(21), conf_level=0.95)
    assert (found.estimate, found.conf_low) == (reference.quantile(0.5), low)
    assert math.isnan(found.conf_high)
    assert not np.isfinite(high)


@given(st.lists(st.integers(1, 50), min_size=1, max_size=60))
def test_without_open_cases_it_is_the_median(values: list[int]):
    found = censored_median(values, [True] * len(values), [1] * len(values), conf_level=0.95)
    assert found.estimate == pytest.approx(np.median(values))


def test_rank_past_the_values():
    with pytest.raises(IndexError, match="past 0 values"):
        median_of_counts([])
