"""The discrete Weibull: customers who are alike, with a hazard that moves with tenure."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from cxmodel.stats.lifetime_survival import (
    bdw_survival,
    discrete_weibull_survival,
    geometric_survival,
    lifetime_survival,
)
from cxmodel.stats.lifetimes import (
    PeriodCounts,
    fit_geometric,
    fit_lifetime,
    lifetime_log_likelihood,
)
from cxmodel.stats.residual_lifetime import discrete_weibull_derl, geometric_derl

# -- worked by hand


def test_survival_by_hand() -> None:
    # 0.8^0, 0.8^1, 0.8^4, 0.8^9
    found = discrete_weibull_survival(0.2, 2.0, [0, 1, 2, 3])
    assert found == pytest.approx([1.0, 0.8, 0.4096, 0.134217728])
    # a hazard ratio of 2 doubles the exponent: 0.8^8
    found = lifetime_survival("discrete_weibull", np.array([0.2, 2.0]), 2.0, hazard_ratio=2.0)
    assert found == pytest.approx(0.8**8)


def test_likelihood_by_hand() -> None:
    counts = PeriodCounts.from_alive([100, 80, 41, 13])
    s1, s2, s3 = 0.8, 0.4096, 0.134217728
    expected = (
        20 * math.log(1 - s1) + 39 * math.log(s1 - s2) + 28 * math.log(s2 - s3) + 13 * math.log(s3)
    )
    found = lifetime_log_likelihood("discrete_weibull", counts, [0.2, 2.0])
    assert found == pytest.approx(expected)


def test_two_periods_are_met_exactly() -> None:
    # S(1) = 0.8 and S(2) = 0.8^(2^c) = 0.41
    fit = fit_lifetime("discrete_weibull", PeriodCounts.from_alive([100, 80, 41]))
    c = math.log2(math.log(0.41) / math.log(0.8))
    assert fit.parameters[0] == pytest.approx([0.2, c], rel=1e-5)
    assert not fit.at_boundary[0]


def test_lifetime_by_hand() -> None:
    # loss one half, c 2, no discount: 1/2 + 1/16 + 1/512 + ...
    expected = sum(0.5 ** (t * t) for t in range(1, 9))
    assert discrete_weibull_derl(0.5, 2.0) == pytest.approx(expected, rel=1e-12)
    # after one renewal S(1 + t) / S(1): 1/8 + 1/256 + ...
    expected = sum(0.5 ** ((1 + t) ** 2 - 1) for t in range(1, 9))
    assert discrete_weibull_derl(0.5, 2.0, n_renewals=1) == pytest.approx(expected, rel=1e-12)


# -- against a reference


@pytest.mark.parametrize("c", [0.4, 1.0, 2.7])
def test_it_is_a_weibull_seen_in_whole_periods(c: float) -> None:
    # scipy: sf(t) = exp(-(t / scale)^c), and scale^-c = -ln(1 - loss)
    t = np.arange(30)
    scale = (-math.log1p(-0.03)) ** (-1 / c)
    expected = stats.weibull_min(c, scale=scale).sf(t)
    assert discrete_weibull_survival(0.03, c, t) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("loss", "c"), [(0.01, 1.6), (0.3, 0.5), (1e-7, 5.0)])
def test_fit_against_a_plain_search(loss: float, c: float) -> None:
    rng = np.random.default_rng(3)
    stays = discrete_weibull_survival(loss, c, np.arange(25))
    lost = rng.multinomial(800, np.append(-np.diff(stays), stays[-1]))
    alive = np.append(800, 800 - np.cumsum(lost[:-1]))
    t = np.arange(25.0)

    def misfit(p: np.ndarray) -> float:
        k, power = np.exp(p)
        drop = -np.expm1(-k * ((t[:-1] + 1) ** power - t[:-1] ** power))
        own = lost[:-1] @ (np.log(np.maximum(drop, 1e-300)) - k * t[:-1] ** power)
        return -float(own - lost[-1] * k * t[-1] ** power)

    start = np.log([-math.log1p(-loss), c])
    search = optimize.minimize(
        misfit, start, method="Nelder-Mead", options={"xatol": 1e-10, "fatol": 1e-12}
    )
    fit = fit_lifetime("discrete_weibull", PeriodCounts.from_alive(alive))
    assert fit.log_likelihood[0] == pytest.approx(-search.fun, abs=1e-6)
    found = [-math.log1p(-fit.parameters[0, 0]), fit.parameters[0, 1]]
    assert found == pytest.approx(np.exp(search.x), rel=1e-4)


def test_with_a_feature_it_is_a_complementary_log_log_regression() -> None:
    # at given c: statsmodels GLM, binomial with cloglog link and offset ln((t + 1)^c - t^c)
    import statsmodels.api as sm

    rng = np.random.default_rng(4)
    x = rng.normal(size=400)
    left = (rng.exponential(size=400) / (0.02 * np.exp(0.5 * x))) ** (1 / 1.7)
    stayed = np.minimum(np.floor(left), 12.0)
    gone = left < 12.0
    counts = PeriodCounts(stayed, np.ones((1, 400)), gone[None, :].astype(float), x[:, None])
    fit = fit_lifetime("discrete_weibull", counts)
    n_periods = (stayed + gone).astype(int)
    who = np.repeat(np.arange(400), n_periods)
    t = np.concatenate([np.arange(n) for n in n_periods])
    last = np.append(who[1:] != who[:-1], True)
    event = (last & gone[who]).astype(float)

    def at(c: float):  # type: ignore[no-untyped-def]
        family = sm.families.Binomial(sm.families.links.CLogLog())
        offset = np.log((t + 1.0) ** c - t**c)
        return sm.GLM(event, sm.add_constant(x[who]), family=family, offset=offset).fit(tol=1e-12)

    best = optimize.minimize_scalar(
        lambda c: -at(c).llf, bounds=(1.0, 3.0), method="bounded", options={"xatol": 1e-9}
    )
    model = at(best.x)
    assert fit.log_likelihood[0] == pytest.approx(model.llf, rel=1e-9)
    assert fit.parameters[0, 1] == pytest.approx(best.x, rel=1e-5)
    assert fit.parameters[0, 2] == pytest.approx(model.params[1], rel=1e-5)
    assert -np.log1p(-fit.parameters[0, 0]) == pytest.approx(np.exp(model.params[0]), rel=1e-4)


@pytest.mark.parametrize("c", [0.6, 1.0, 2.5])
def test_it_is_the_limit_of_the_beta_discrete_weibull(c: float) -> None:
    t, loss = np.arange(25), 0.04
    expected = discrete_weibull_survival(loss, c, t)
    gaps = []
    for total in (1e4, 1e6, 1e8):
        found = bdw_survival(loss * total, (1 - loss) * total, c, t)
        gaps.append(float(np.abs(found - expected).max()))
    # the mean of (1 - p)^x bends by x^2 var(p) / 2, and var(p) falls as 1 / (a + b)
    assert gaps[2] < 1e-6
    assert gaps[0] / gaps[1] == pytest.approx(100.0, rel=0.1)
    assert gaps[1] / gaps[2] == pytest.approx(100.0, rel=0.1)


@pytest.mark.parametrize("rate", [0.0, 1e-6, 0.01, 0.1])
def test_lifetime_at_c_one_is_that_of_the_geometric(rate: float) -> None:
    for n in (0, 7):
        found = discrete_weibull_derl(0.02, 1.0, n_renewals=n, discount_rate_per_period=rate)
        assert found == pytest.approx(geometric_derl(0.02, rate), rel=1e-8)


def test_lifetime_with_a_long_tail_is_the_sum_it_stands_for() -> None:
    # exp(-0.05 sqrt(t)): at a million periods e^-50
    t = np.arange(1.0, 1e6)
    expected = np.exp(-0.05 * (np.sqrt(3 + t) - np.sqrt(3))).sum()
    found = discrete_weibull_derl(-math.expm1(-0.05), 0.5, n_renewals=3)
    assert found == pytest.approx(expected, rel=1e-9)
    # a hazard ratio of 2 and a discount
    stays = np.exp(-0.1 * np.sqrt(t))
    expected = (stays * 1.001 ** (1 - t)).sum()
    found = discrete_weibull_derl(
        -math.expm1(-0.05), 0.5, discount_rate_per_period=0.001, hazard_ratio=2.0
    )
    assert found == pytest.approx(expected, rel=1e-9)


# -- properties


@settings(max_examples=30, deadline=None)
@given(st.floats(1e-6, 0.99), st.floats(0.1, 10))
def test_at_c_one_it_is_the_geometric(loss: float, ratio: float) -> None:
    t = np.arange(40)
    found = discrete_weibull_survival(loss, 1.0, t)
    assert found == pytest.approx(geometric_survival(loss, t), rel=1e-9, abs=1e-300)
    own = lifetime_survival("discrete_weibull", np.array([loss, 1.0]), t, hazard_ratio=ratio)
    plain = lifetime_survival("geometric", np.array([loss]), t, hazard_ratio=ratio)
    assert own == pytest.approx(plain, rel=1e-9, abs=1e-300)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(0, 60), min_size=4, max_size=12), st.integers(5, 500))
def test_it_never_fits_worse_than_the_geometric(losses: list[int], left_over: int) -> None:
    losses = [losses[0] + 1, *losses[1:-1], losses[-1] + 1]
    counts = PeriodCounts.from_alive(np.cumsum([left_over, *losses])[::-1])
    alike = float(fit_lifetime("discrete_weibull", counts).log_likelihood[0])
    assert alike >= float(fit_geometric(counts).log_likelihood[0]) - 1e-6


def test_many_weightings_are_fitted_as_each_alone() -> None:
    rng = np.random.default_rng(8)
    lost = rng.integers(1, 30, (4, 9)).astype(float)
    stayed = lost + np.append(np.zeros((4, 8)), [[20.0]] * 4, axis=1)
    t = np.arange(9.0)
    together = fit_lifetime("discrete_weibull", PeriodCounts(t, stayed, lost)).parameters
    for row in range(4):
        counts = PeriodCounts(t, stayed[[row]], lost[[row]])
        alone = fit_lifetime("discrete_weibull", counts).parameters[0]
        assert together[row] == pytest.approx(alone, rel=1e-4)


# -- errors


def test_impossible_parameters_are_named() -> None:
    with pytest.raises(ValueError, match="prob_loss and c must be positive"):
        discrete_weibull_derl(0.0, 1.0)
    with pytest.raises(ValueError, match="prob_loss must be below 1"):
        discrete_weibull_derl(1.0, 1.0)
    with pytest.raises(ValueError, match="hazard_ratio must be positive"):
        discrete_weibull_derl(0.1, 1.0, hazard_ratio=0.0)
    with pytest.raises(ValueError, match="must be 0 or more"):
        discrete_weibull_derl(0.1, 1.0, n_renewals=-1)


def test_a_power_at_its_end_is_named() -> None:
    # nobody leaves but in the last of 40 periods: no power is high enough
    alive = [1000.0] * 40 + [400.0]
    fit = fit_lifetime("discrete_weibull", PeriodCounts.from_alive(alive))
    assert fit.at_boundary[0]
    assert fit.parameters[0, 1] == pytest.approx(math.exp(2.5))


# -- recovery of a known truth


@pytest.mark.parametrize(("loss", "c"), [(0.01, 1.6), (0.2, 0.6)])
def test_the_truth_is_recovered(loss: float, c: float) -> None:
    rng = np.random.default_rng(9)
    rate = -math.log1p(-loss)
    left = np.floor((rng.exponential(size=40_000) / rate) ** (1 / c))
    alive = [(left >= t).sum() for t in range(19)]
    fit = fit_lifetime("discrete_weibull", PeriodCounts.from_alive(alive))
    # 40,000 customers: a relative error of about 1% of c, and 3% of the loss
    assert fit.parameters[0] == pytest.approx([loss, c], rel=0.05)
