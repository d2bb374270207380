"""The log-rank test and restricted means, on arrays."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxmodel.errors import InsufficientDataError
from cxmodel.stats.survival import kaplan_meier
from cxmodel.stats.survival_tests import log_rank, restricted_mean

# Freireich et al. (1963), weeks in remission of leukaemia, as in Kalbfleisch & Prentice
SIX_MP = [6, 6, 6, 6, 7, 9, 10, 10, 11, 13, 16, 17, 19, 20, 22, 23, 25, 32, 32, 34, 35]
SIX_MP_LEFT = [1, 1, 1, 0, 1, 0, 1, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0]
PLACEBO = [1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23]
BOTH = SIX_MP + PLACEBO
BOTH_LEFT = SIX_MP_LEFT + [1] * 21
DRUG = [1] * 21 + [0] * 21

# -- worked by hand


def test_log_rank_by_hand() -> None:
    # at 1: 2 and 2 at risk, a loses: expected of a 1/2, variance 1/4
    # at 2: 1 and 2, b loses: 1/3, 2/9; at 3: 1 and 1, a loses: 1/2, 1/4; at 4: b alone
    test = log_rank([1, 3, 2, 4], [True, True, True, True], ["a", "a", "b", "b"])
    assert test.expected[0] == pytest.approx(1 / 2 + 1 / 3 + 1 / 2)
    assert test.covariance[0, 0] == pytest.approx(1 / 4 + 2 / 9 + 1 / 4)
    assert test.statistic == pytest.approx((2 - 4 / 3) ** 2 / (13 / 18))


def test_restricted_mean_by_hand() -> None:
    # S: 1 to 1, 3/4 to 2, 1/2 to 4: area 1 + 3/4 + 1; from 1 on 7/4, from 2 on 1
    found = restricted_mean(kaplan_meier([1, 2, 3, 4], [True, True, False, True]), 4.0)
    assert found.estimate == pytest.approx(2.75)
    variance = (7 / 4) ** 2 / (4 * 3) + 1**2 / (3 * 2)
    assert found.std_error == pytest.approx(math.sqrt(variance))


def test_a_difference_of_means_by_hand() -> None:
    one = restricted_mean(kaplan_meier([1, 2, 3, 4], [True, True, False, True]), 3.0)
    other = restricted_mean(kaplan_meier([2, 3, 4, 5], [True, False, True, True]), 3.0)
    estimate, error, _ = other.minus(one)
    assert estimate == pytest.approx((2 + 3 / 4) - (1 + 3 / 4 + 1 / 2))
    assert error == pytest.approx(math.hypot(one.std_error, other.std_error))


# -- against a reference


def test_remission_under_6_mp() -> None:
    # Kalbfleisch & Prentice; Klein & Moeschberger table 4.1B; medians 23 and 8 weeks
    curve = kaplan_meier(SIX_MP, SIX_MP_LEFT)
    expected = [0.857, 0.807, 0.753, 0.690, 0.627, 0.538, 0.448]
    assert curve.at([6, 7, 10, 13, 16, 22, 23]) == pytest.approx(expected, abs=5e-4)
    assert curve.quantile() == 23
    assert kaplan_meier(PLACEBO, [1] * 21).quantile() == 8
    # Klein & Moeschberger, section 4.3: Greenwood's standard errors
    place = np.searchsorted(curve.times, [6, 7, 10])
    found = curve.survival[place] * np.sqrt(curve.log_variance[place])
    assert found == pytest.approx([0.0764, 0.0869, 0.0963], abs=5e-5)


def test_log_rank_of_6_mp() -> None:
    # R's survdiff: 9 of 19.25 and 21 of 10.75 expected, chi-squared 16.8
    test = log_rank(BOTH, BOTH_LEFT, DRUG)
    assert test.observed.tolist() == [21, 9]
    assert test.expected == pytest.approx([10.75, 19.25], abs=5e-3)
    assert test.statistic == pytest.approx(16.793, abs=5e-4)
    assert test.p_value == pytest.approx(4.17e-5, rel=1e-2)


@pytest.mark.parametrize("with_entries", [False, True])
def test_log_rank_against_statsmodels(with_entries: bool) -> None:
    from statsmodels.duration.survfunc import survdiff

    rng = np.random.default_rng(8)
    group, layer = rng.integers(0, 3, 240), rng.integers(0, 2, 240)
    ends = np.ceil(rng.exponential(8 + 2 * group)) + 1
    left = rng.random(240) < 0.7
    entries = np.floor(ends * 0.4 * rng.random(240)) if with_entries else None
    # chi-squared, p
    plain = survdiff(ends, left.astype(float), group, entry=entries)
    found = log_rank(ends, left, group, entries=entries)
    assert (found.statistic, found.p_value) == pytest.approx(plain, rel=1e-9)
    if entries is None:  # statsmodels 0.14 does not part entries by stratum
        layered = survdiff(ends, left.astype(float), group, strata=layer)
        found = log_rank(ends, left, group, strata=layer)
        assert (found.statistic, found.p_value) == pytest.approx(layered, rel=1e-9)


def test_intervals_of_6_mp() -> None:
    # R's survfit at week 10, S = .753: conf.type plain .564 .942, log .586 .968, log-log .503 .889
    curve = kaplan_meier(SIX_MP, SIX_MP_LEFT)
    for kind, low, high in (
        ("plain", 0.564, 0.942),
        ("log", 0.586, 0.968),
        ("log_log", 0.503, 0.889),
    ):
        found = curve.interval_at([10.0], kind=kind)  # type: ignore[arg-type]
        assert (found[0][0], found[1][0]) == pytest.approx((low, high), abs=5e-4)
    # Klein & Moeschberger (4.3.3), worked: sin^2(arcsin(sqrt S) -+ z/2 sigma sqrt(S / (1 - S)))
    sigma, share = 0.0963 / 0.7529, 0.7529
    reach = 0.5 * 1.959964 * sigma * math.sqrt(share / (1 - share))
    centre = math.asin(math.sqrt(share))
    low, high = curve.interval_at([10.0], kind="arcsine")
    assert low[0] == pytest.approx(math.sin(centre - reach) ** 2, abs=2e-4)
    assert high[0] == pytest.approx(math.sin(centre + reach) ** 2, abs=2e-4)


def test_restricted_mean_without_censoring_is_the_mean_of_the_cut_times() -> None:
    times = np.array(PLACEBO, dtype=float)
    found = restricted_mean(kaplan_meier(times, np.ones(21)), 15.0)
    assert found.estimate == pytest.approx(np.minimum(times, 15).mean())
    # Greenwood's variance is then that of the mean, with n below
    assert found.std_error == pytest.approx(np.minimum(times, 15).std() / math.sqrt(21))


# -- properties


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(1, 12), st.booleans(), st.integers(0, 2)), min_size=6, max_size=60
    )
)
def test_expected_events_add_up_to_those_seen(rows: list[tuple[int, bool, int]]) -> None:
    ends, left, group = zip(*rows, strict=True)
    if not any(left) or len(set(group)) < 2:
        return
    test = log_rank(ends, left, group)
    assert test.expected.sum() == pytest.approx(sum(left))
    assert test.covariance.sum(axis=1) == pytest.approx(0.0, abs=1e-9)
    assert 0 <= test.p_value <= 1


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.floats(0.5, 30), st.booleans()), min_size=2, max_size=60))
def test_every_interval_holds_its_point(rows: list[tuple[float, bool]]) -> None:
    curve = kaplan_meier([row[0] for row in rows], [row[1] for row in rows])
    at = np.linspace(0, 31, 20)
    for kind in ("log_log", "arcsine", "log", "plain"):
        low, high = curve.interval_at(at, kind=kind)  # type: ignore[arg-type]
        assert (low <= curve.at(at) + 1e-12).all()
        assert (high >= curve.at(at) - 1e-12).all()
        assert (low >= 0).all()
        assert (high <= 1).all()


# -- errors


def test_a_single_group_and_no_events_are_refused() -> None:
    with pytest.raises(InsufficientDataError, match="there are 1 groups and 2 who left"):
        log_rank([1, 2], [True, True], ["a", "a"])
    with pytest.raises(InsufficientDataError, match="2 groups and 0 who left"):
        log_rank([1, 2], [False, False], ["a", "b"])


def test_a_mean_beyond_what_was_seen_is_refused() -> None:
    curve = kaplan_meier([1, 2, 3], [True, True, False])
    with pytest.raises(ValueError, match="seen up to 3, so a restricted mean to 5"):
        restricted_mean(curve, 5.0)
    one, other = restricted_mean(curve, 3.0), restricted_mean(curve, 2.0)
    with pytest.raises(ValueError, match="up to 3 and 2 do not compare"):
        one.minus(other)
