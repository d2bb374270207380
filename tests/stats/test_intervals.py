"""Intervals against the worked examples of the KPI page, and against statsmodels and numpy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from cxmodel.results import critical_value
from cxmodel.stats.intervals import (
    adjusted_wald_nps,
    clopper_pearson,
    design_effect,
    design_effect_from_sums,
    detectable_change,
    effective_n,
    kish_effective_n,
    mean_interval,
    wilson,
)

# -- worked by hand ------------------------------------------------------------------------------


def test_nps_of_50_30_20_is_30_with_the_interval_of_rocks():
    # kpis.md K1: 30, SE 7.8102 (variance .61), adjusted Wald 14.05 to 44.20
    nps = adjusted_wald_nps(50, 30, 20)
    assert nps.estimate == pytest.approx(30, abs=1e-12)
    assert nps.std_error == pytest.approx(7.8102, abs=5e-5)
    assert (nps.conf_low, nps.conf_high) == pytest.approx((14.05, 44.20), abs=5e-3)
    # centre of the padded counts: (50.75 - 20.75) / 103 with z^2 / 3.84 = 1.0004
    assert (nps.conf_low + nps.conf_high) / 2 == pytest.approx(29.126, abs=5e-4)


def test_all_promoters_are_clipped_at_100():
    # kpis.md K1: 10 of 10 promoters, adjusted Wald 47.5 to 106.3, clipped at 100
    nps = adjusted_wald_nps(10, 0, 0)
    assert nps.estimate == 100
    assert nps.conf_low == pytest.approx(47.5, abs=0.05)
    assert nps.conf_high == 100


def test_all_detractors_mirror_all_promoters():
    up, down = adjusted_wald_nps(10, 0, 0), adjusted_wald_nps(0, 0, 10)
    assert down.estimate == -100
    assert (down.conf_low, down.conf_high) == pytest.approx((-up.conf_high, -up.conf_low))


def test_padding_grows_with_z_squared():
    # by hand at 99%: z = 2.575829, z^2/3.84 = 1.727820; counts 51.295865, 32.591730, 21.295865
    z, total = critical_value(0.99), 100 + 3 * critical_value(0.99) ** 2 / 3.84
    promoters = (50 + 0.75 * z**2 / 3.84) / total
    detractors = (20 + 0.75 * z**2 / 3.84) / total
    centre = promoters - detractors
    half = z * math.sqrt((promoters + detractors - centre**2) / total)
    nps = adjusted_wald_nps(50, 30, 20, conf_level=0.99)
    ends = (100 * (centre - half), 100 * (centre + half))
    assert (nps.conf_low, nps.conf_high) == pytest.approx(ends, abs=1e-9)


def test_effective_n_keeps_the_shares():
    whole, fewer = adjusted_wald_nps(50, 30, 20, n_effective=50), adjusted_wald_nps(25, 15, 10)
    assert fewer == pytest.approx(whole)


def test_wilson_and_exact_of_80_of_100():
    # kpis.md K2a: Wilson 71.12 to 86.66, exact 70.82 to 87.33
    by_score, exact = wilson(80, 100), clopper_pearson(80, 100)
    assert (by_score.conf_low, by_score.conf_high) == pytest.approx((0.7112, 0.8666), abs=5e-5)
    assert (exact.conf_low, exact.conf_high) == pytest.approx((0.7082, 0.8733), abs=5e-5)


@pytest.mark.parametrize(
    ("count", "low", "high"),
    [(60, 0.5020, 0.6906), (20, 0.1334, 0.2888)],  # kpis.md K3a and K4a
)
def test_wilson_of_the_other_worked_shares(count: int, low: float, high: float):
    share = wilson(count, 100)
    assert (share.conf_low, share.conf_high) == pytest.approx((low, high), abs=5e-5)


def test_mean_interval_of_the_nps_scores():
    # kpis.md K1: t interval with n - 1, 14.42 to 45.58
    scores = np.repeat([100.0, 0.0, -100.0], [50, 30, 20])
    mean = mean_interval(scores.mean(), scores.var(ddof=1), 100)
    assert (mean.conf_low, mean.conf_high) == pytest.approx((14.42, 45.58), abs=5e-3)


def test_kish_effective_n():
    # weights 1, 1, 2: 16 / 6
    assert kish_effective_n([1, 1, 2]) == pytest.approx(16 / 6)


def test_two_equal_answers_each_are_worth_one():
    # by hand: mean .5, summed deviations +-1, their squares add to 4; simple 8 x .25 = 2;
    # times (4/3) / (8/7): 7/3. With many customers it tends to 2.
    scores, customers = [1, 1, 0, 0] * 2, list("aabbccdd")
    assert design_effect(scores, customers) == pytest.approx(7 / 3)
    many = np.repeat(np.arange(1000), 2)
    assert design_effect((many % 2).astype(float), many) == pytest.approx(2, rel=2e-3)


def test_without_repeats_nothing_is_lost():
    assert effective_n([1, 0, 1, 0, 0], clusters=list("abcde")) == 5


def test_one_customer_is_one_answer():
    assert effective_n([1, 0, 1, 0, 1], clusters=["a"] * 5) == pytest.approx(1)


def test_equal_answers_of_repeaters_count_a_customer_once():
    assert effective_n([1.0] * 6, clusters=[1, 1, 2, 2, 3, 3]) == pytest.approx(3)


def test_detectable_change_of_an_nps_at_100_answers():
    # (1.959964 + 0.841621) x sqrt(2) x 7.8102
    assert detectable_change(7.8102) == pytest.approx(30.944, abs=1e-3)


# -- against a reference -------------------------------------------------------------------------


@pytest.mark.parametrize(("count", "n"), [(0, 10), (3, 17), (80, 100), (100, 100)])
def test_shares_agree_with_statsmodels(count: int, n: int):
    for ours, method in ((wilson, "wilson"), (clopper_pearson, "beta")):
        low, high = proportion_confint(count, n, alpha=0.1, method=method)
        found = ours(count, n, conf_level=0.9)
        assert (found.conf_low, found.conf_high) == pytest.approx((low, high), abs=1e-10)


# -- properties ----------------------------------------------------------------------------------

counts = st.integers(min_value=0, max_value=500)


@given(counts, counts, counts.filter(bool), st.sampled_from([0.8, 0.95, 0.99]))
def test_nps_interval_holds_its_estimate_and_stays_on_the_scale(
    p: int, n: int, d: int, level: float
):
    nps = adjusted_wald_nps(p, n, d, conf_level=level)
    assert -100 <= nps.conf_low <= nps.estimate <= nps.conf_high <= 100


@given(counts, counts.filter(bool))
def test_wilson_holds_its_estimate(hits: int, others: int):
    share = wilson(hits, hits + others)
    assert 0 <= share.conf_low <= share.estimate <= share.conf_high <= 1


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(-1, 1)), min_size=2, max_size=60))
def test_effective_n_lies_between_one_and_n(answers: list[tuple[int, int]]):
    customers, scores = zip(*answers, strict=True)
    assert 0 < effective_n(scores, clusters=customers) <= len(scores) + 1e-9


@given(st.lists(st.floats(0.1, 10), min_size=1, max_size=30), st.floats(0.5, 4))
def test_only_ratios_of_weights_matter(weights: list[float], factor: float):
    scaled = [factor * weight for weight in weights]
    assert kish_effective_n(scaled) == pytest.approx(kish_effective_n(weights))


def coverage(n: int, n_draws: int, seed: int) -> tuple[float, float]:
    """Share of intervals that hold the true NPS of 90, 8 and 2 percent: Rocks and plain Wald."""
    rng = np.random.default_rng(seed)
    truth = 88.0
    draws = rng.multinomial(n, [0.90, 0.08, 0.02], size=n_draws)
    found = [adjusted_wald_nps(*row) for row in draws]
    z = critical_value(0.95)
    rocks = np.mean([nps.conf_low <= truth <= nps.conf_high for nps in found])
    wald = np.mean([abs(nps.estimate - truth) <= z * nps.std_error for nps in found])
    return float(rocks), float(wald)


def test_rocks_covers_where_wald_does_not():
    # methods 3: Wald covers 65% at n = 10 with 90/8/2
    rocks, wald = coverage(10, 2_000, seed=1)
    assert rocks > 0.91
    assert wald == pytest.approx(0.65, abs=0.04)


# -- errors --------------------------------------------------------------------------------------


def test_no_answers():
    with pytest.raises(ValueError, match="at least one above 0"):
        adjusted_wald_nps(0, 0, 0)
    with pytest.raises(ValueError, match="0 <= count <= n"):
        wilson(1, 0)


def test_more_than_all():
    with pytest.raises(ValueError, match="not 5 of 4"):
        clopper_pearson(5, 4)


def test_lengths_differ():
    with pytest.raises(ValueError, match="differ in length"):
        design_effect([1, 0], ["a"])


def test_negative_weight():
    with pytest.raises(ValueError, match="0 or more"):
        kish_effective_n([1, -1, 3])


def test_mean_of_one_has_no_interval():
    assert math.isnan(mean_interval(3.0, 0.0, 1).conf_low)
    with pytest.raises(ValueError, match="variance of 0 or more"):
        mean_interval(3.0, -1.0, 5)


def test_sums_without_variation():
    assert design_effect_from_sums(between=0, simple=0, n=5, n_clusters=5, fully_dependent=1) == 1
