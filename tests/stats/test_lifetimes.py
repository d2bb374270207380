"""The beta-discrete-Weibull, features in every family, and residual lifetimes, on arrays."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, special

from cxmodel.errors import ConvergenceError
from cxmodel.stats.lifetime_likelihood import (
    LifetimeFamily,
    lifetime_scores,
    lifetime_terms,
    log_beta_survival,
    log_gamma_rise,
)
from cxmodel.stats.lifetime_survival import bdw_survival, lifetime_survival, sbg_survival
from cxmodel.stats.lifetimes import (
    PARAMETER_NAMES,
    PeriodCounts,
    fit_geometric,
    fit_lifetime,
    lifetime_log_likelihood,
)
from cxmodel.stats.newton import Box, climb
from cxmodel.stats.residual_lifetime import bdw_derl, sbg_derl

# Fader & Hardie (2007), alive of 1,000
REGULAR = [1000, 631, 468, 382, 326, 289, 262, 241, 223, 207, 194, 183, 173]
HIGH_END = [1000, 869, 743, 653, 593, 551, 517, 491, 468, 445, 427, 409, 394]
FAMILIES: tuple[LifetimeFamily, ...] = ("geometric", "discrete_weibull", "sbg", "bdw")

# -- worked by hand


def test_beta_discrete_weibull_by_hand() -> None:
    # gamma = delta = 1: B(1, 1 + x) / B(1, 1) = 1 / (1 + x), x = t^2
    assert bdw_survival(1.0, 1.0, 2.0, [0, 1, 2, 3]) == pytest.approx([1, 1 / 2, 1 / 5, 1 / 10])


def test_own_time_by_hand() -> None:
    # a hazard ratio of 2 runs through two periods of a constant loss in one
    found = lifetime_survival("geometric", np.array([0.2]), [1.0, 2.0], hazard_ratio=2.0)
    assert found == pytest.approx([0.64, 0.4096])
    # alpha = beta = 1, own time 2 and 4: 1/3 and 1/5
    found = lifetime_survival("sbg", np.array([1.0, 1.0]), [1.0, 2.0], hazard_ratio=2.0)
    assert found == pytest.approx([1 / 3, 1 / 5])


def test_likelihood_by_hand() -> None:
    # alpha = beta = 1, so S = 1, 1/2, 1/3: 50 lost at once, 10 in the second period, 40 stay
    counts = PeriodCounts.from_alive([100, 50, 40])
    expected = 50 * math.log(1 / 2) + 10 * math.log(1 / 6) + 40 * math.log(1 / 3)
    assert lifetime_log_likelihood("sbg", counts, [1.0, 1.0]) == pytest.approx(expected)
    assert lifetime_log_likelihood("bdw", counts, [1.0, 1.0, 1.0]) == pytest.approx(expected)


def test_lifetime_of_a_beta_discrete_weibull_by_hand() -> None:
    # S(t) = 1 / (1 + t^2), summed from 1 at no discount: (pi coth pi - 1) / 2
    expected = (math.pi / math.tanh(math.pi) - 1) / 2
    assert bdw_derl(1.0, 1.0, 2.0) == pytest.approx(expected, rel=1e-9)


# -- against a reference


def test_beta_discrete_weibull_of_fader_and_others_2018() -> None:
    # "How to project customer retention" revisited: high-end customers, fitted on t = 0..4:
    # gamma .259, delta 1.722, c 1.584
    fit = fit_lifetime("bdw", PeriodCounts.from_alive(HIGH_END[:5]))
    assert fit.parameters[0] == pytest.approx([0.259, 1.722, 1.584], abs=1e-3)
    assert not fit.at_boundary[0]


@pytest.mark.parametrize("alive", [REGULAR, HIGH_END])
@pytest.mark.parametrize("n_seen", [5, 8, 13])
def test_beta_discrete_weibull_against_a_plain_search(alive: list[int], n_seen: int) -> None:
    # a simplex search on P(t) = S(t - 1) - S(t) written out with the beta function
    seen = np.array(alive[:n_seen], dtype=float)
    t = np.arange(n_seen)

    def loss(logs: np.ndarray) -> float:
        gamma, delta, c = np.exp(logs)
        stays = special.beta(gamma, delta + t**c) / special.beta(gamma, delta)
        return float(-(-np.diff(seen) @ np.log(-np.diff(stays)) + seen[-1] * np.log(stays[-1])))

    search = optimize.minimize(
        loss,
        np.log([0.5, 1.0, 1.2]),
        method="Nelder-Mead",
        options={"xatol": 1e-9, "fatol": 1e-11, "maxiter": 4000, "maxfev": 4000},
    )
    fit = fit_lifetime("bdw", PeriodCounts.from_alive(seen))
    assert fit.log_likelihood[0] == pytest.approx(-search.fun, abs=1e-6)
    assert fit.parameters[0] == pytest.approx(np.exp(search.x), rel=1e-3)


def test_geometric_with_a_feature_is_a_complementary_log_log_regression() -> None:
    # statsmodels GLM, binomial with the cloglog link, on customer-periods
    import statsmodels.api as sm

    rng = np.random.default_rng(4)
    x = rng.normal(size=400)
    left = rng.exponential(1 / (0.15 * np.exp(0.5 * x)))
    stayed = np.minimum(np.floor(left), 6.0)
    gone = left < 6.0
    counts = PeriodCounts(stayed, np.ones((1, 400)), gone[None, :].astype(float), x[:, None])
    fit = fit_lifetime("geometric", counts)
    who = np.repeat(np.arange(400), (stayed + gone).astype(int))
    last = np.append(who[1:] != who[:-1], True)
    model = sm.GLM(
        (last & gone[who]).astype(float),
        sm.add_constant(x[who]),
        family=sm.families.Binomial(sm.families.links.CLogLog()),
    ).fit(tol=1e-12)
    assert fit.log_likelihood[0] == pytest.approx(model.llf, rel=1e-9)
    assert fit.parameters[0, 1] == pytest.approx(model.params[1], rel=1e-6)
    assert -np.log1p(-fit.parameters[0, 0]) == pytest.approx(np.exp(model.params[0]), rel=1e-6)


def test_gamma_rise_keeps_its_digits() -> None:
    # Gamma(x + n) / Gamma(x) = x (x + 1) ... (x + n - 1)
    for x in (0.01, 3.0, 15.9, 16.1, 1e4, 1e9):
        expected = sum(math.log(x + i) for i in range(5))
        assert log_gamma_rise(x, 5.0) == pytest.approx(expected, rel=1e-14)


def test_survival_keeps_its_digits_where_loss_is_rare() -> None:
    # S(1) = b / (a + b)
    assert log_beta_survival(1e-6, 1e6, 1.0) == pytest.approx(-math.log1p(1e-12), rel=1e-6)
    # far out S(t) = Gamma(a + b) / Gamma(b) t^-a
    expected = special.gammaln(3.5) - special.gammaln(2.0) - 1.5 * math.log(1e30)
    assert log_beta_survival(1.5, 2.0, 1e30) == pytest.approx(expected, rel=1e-12)
    # a short step far out: B(1, b + t) / B(1, b) = b / (b + t)
    assert log_beta_survival(1.0, 4e13, 1e12) == pytest.approx(-math.log1p(1 / 40), rel=1e-12)
    # B(2, b + t) / B(2, b) = b (b + 1) / ((b + t) (b + t + 1)), where 1 is nothing beside b
    assert log_beta_survival(2.0, 4e13, 1e12) == pytest.approx(-2 * math.log1p(1 / 40), rel=1e-12)
    # far out ln Gamma(x + a) - ln Gamma(x) = a ln x: what is left is a ln(1.5)
    assert log_beta_survival(0.005, 1e16, 5e15) == pytest.approx(-0.005 * math.log(1.5), rel=1e-9)
    # ten whole steps: a product of ten ratios
    steps = sum(math.log((1 + i) / (1e6 + 1 + i)) for i in range(10))
    assert log_beta_survival(1e6, 1.0, 10.0) == pytest.approx(steps, rel=1e-12)


def test_a_steep_hazard_in_a_small_group_is_found() -> None:
    # 138 customers whose likelihood climbs to the end of the range of b, where own time is 1e14
    stayed = [3, 2, 3, 2, 10, 3, 2, 5, 5, 5, 4, 5, 4, 5, 4, 10, 6, 11, 5, 22, 9]
    lost = [0, 0, 2, 1, 2, 0, 1, 1, 1, 0, 0, 1, 2, 0, 1, 0, 1, 0, 0, 0, 0]
    cells = np.array([stayed, lost], dtype=float)
    fit = fit_lifetime("bdw", PeriodCounts(np.arange(21.0), cells[:1], cells[1:]))
    # a + b large is the discrete Weibull, S(t) = exp(-k t^c): its maximum by another optimiser
    t = np.arange(21.0)

    def weibull(p: np.ndarray) -> float:
        k, c = np.exp(p)
        drop = -np.expm1(-k * ((t + 1) ** c - t**c))
        return -float(cells[0] @ (-k * t**c) + cells[1] @ (np.log(drop) - k * t**c))

    plain = optimize.minimize(weibull, [-4.0, 0.0], method="Nelder-Mead")
    assert fit.at_boundary[0]
    assert fit.log_likelihood[0] >= -plain.fun - 1e-4


def test_a_likelihood_without_a_finite_slope_is_named():
    box = Box(np.array([-9.0]), np.array([9.0]))

    def broken(theta):
        return -np.inf * np.ones(1), np.full((1, 1), np.nan), np.full((1, 1, 1), np.nan)

    with pytest.raises(ConvergenceError, match="likelihood of the lump has no finite slope"):
        climb(broken, np.zeros((1, 1)), box, np.ones(1), what="the lump")


def test_a_hazard_that_falls_from_a_high_start_is_fitted():
    """Few leavers, most of them early: the power of time runs to the end of its range."""
    lost = [3, 5, 2, 2, 1, 1, 1, 0, 1, 0, 1]
    counts = PeriodCounts.from_alive(500 - np.cumsum([0, *lost]))
    fit = fit_lifetime("bdw", counts)
    assert np.isfinite(fit.parameters).all()
    assert fit.log_likelihood[0] >= fit_lifetime("sbg", counts).log_likelihood[0] - 1e-6


@pytest.mark.parametrize("rate", [0.0, 1e-6, 0.01, 0.1])
def test_lifetime_at_c_one_is_the_closed_form(rate: float) -> None:
    for alpha, beta in ((1.2, 4.0), (3.8, 15.2), (2.5, 400.0)):
        for n in (0, 4, 60):
            expected = sbg_derl(alpha, beta, n_renewals=n, discount_rate_per_period=rate)
            found = bdw_derl(alpha, beta, 1.0, n_renewals=n, discount_rate_per_period=rate)
            assert found == pytest.approx(expected, rel=1e-7)


@pytest.mark.parametrize("c", [0.4, 0.8, 1.7])
def test_lifetime_is_the_sum_it_stands_for(c: float) -> None:
    t = np.arange(1, 4_000)
    stays = bdw_survival(0.6, 2.0, c, t + 3) / bdw_survival(0.6, 2.0, c, 3)
    expected = (stays * 1.05 ** (1.0 - t)).sum()
    found = bdw_derl(0.6, 2.0, c, n_renewals=3, discount_rate_per_period=0.05)
    assert found == pytest.approx(expected, rel=1e-9)


def test_lifetime_with_a_hazard_ratio_is_the_sum_it_stands_for() -> None:
    t = np.arange(1, 4_000)
    parameters = np.array([0.6, 2.0, 1.3])
    stays = lifetime_survival("bdw", parameters, t, hazard_ratio=0.7)
    expected = (stays * 1.05 ** (1.0 - t)).sum()
    found = bdw_derl(*parameters, discount_rate_per_period=0.05, hazard_ratio=0.7)
    assert found == pytest.approx(expected, rel=1e-9)


# -- properties


@pytest.mark.parametrize("family", FAMILIES)
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_gradient_and_hessian_are_those_of_the_likelihood(
    family: LifetimeFamily, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    times = np.array([0.0, 0, 1, 1, 2, 3.2, 4, 7, 20])
    counts = PeriodCounts(
        times,
        rng.uniform(1, 9, (2, times.size)),
        rng.uniform(0, 1, (2, times.size)),
        rng.normal(size=(times.size, 2)),
    )
    theta = 0.4 * rng.normal(size=(2, len(PARAMETER_NAMES[family]) + 2))
    _, gradient, hessian = lifetime_terms(theta, counts, family)
    step = 1e-6 * np.eye(theta.shape[1])

    def at(part: int, point: np.ndarray) -> np.ndarray:
        return lifetime_terms(point, counts, family)[part]

    slopes = [(at(0, theta + e) - at(0, theta - e)) / 2e-6 for e in step]
    bends = [(at(1, theta + e) - at(1, theta - e)) / 2e-6 for e in step]
    assert gradient == pytest.approx(np.stack(slopes, axis=1), rel=1e-4, abs=1e-5)
    assert hessian == pytest.approx(np.stack(bends, axis=2), rel=1e-4, abs=1e-4)
    scores = lifetime_scores(theta, counts, family)
    assert scores.sum(axis=0) == pytest.approx(gradient[0], rel=1e-9, abs=1e-12)


@settings(max_examples=30, deadline=None)
@given(st.floats(0.01, 50), st.floats(0.01, 500))
def test_at_c_one_it_is_the_shifted_beta_geometric(gamma: float, delta: float) -> None:
    t = np.arange(40)
    assert bdw_survival(gamma, delta, 1.0, t) == pytest.approx(sbg_survival(gamma, delta, t))


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 80), min_size=4, max_size=9), st.integers(5, 500))
def test_a_larger_family_never_fits_worse(losses: list[int], left_over: int) -> None:
    counts = PeriodCounts.from_alive(np.cumsum([left_over, *losses])[::-1])
    found = {each: float(fit_lifetime(each, counts).log_likelihood[0]) for each in FAMILIES}
    # at its bounds the mixture only comes near to customers who are alike; the other mixture may
    # stay far from the discrete Weibull, whose first loss can be smaller than a / (a + b) can
    assert found["sbg"] >= found["geometric"] - 0.05
    assert found["discrete_weibull"] >= found["geometric"] - 1e-4
    assert found["bdw"] >= found["sbg"] - 1e-4


def test_late_entries_leave_out_what_nobody_saw() -> None:
    # a customer seen from month 3 on says nothing of months 1-3
    counts = PeriodCounts.from_rows([5.0, 4.0], [True, False], [np.ones(2)], [3.0, 2.0])
    stays = sbg_survival(0.7, 2.0, np.arange(8))
    expected = math.log((stays[5] - stays[6]) / stays[3]) + math.log(stays[4] / stays[2])
    assert lifetime_log_likelihood("sbg", counts, [0.7, 2.0]) == pytest.approx(expected)


# -- errors


def test_lifetime_without_a_discount_diverges_where_gamma_c_is_small() -> None:
    assert bdw_derl(0.5, 2.0, 2.0) == math.inf
    assert bdw_derl(0.5, 2.0, 2.5) < math.inf
    with pytest.raises(ValueError, match="gamma, delta and c must be positive"):
        bdw_derl(0.5, 2.0, 0.0)
    with pytest.raises(ValueError, match="hazard_ratio must be positive"):
        bdw_derl(0.5, 2.0, 1.0, hazard_ratio=0.0)


def test_a_search_without_a_maximum_is_named() -> None:
    def cliff(theta: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        # rises for ever, so slowly bent that no step gets anywhere
        wave = np.sin(1e4 * theta[:, 0])
        return wave * 0, np.ones_like(theta), np.full((len(theta), 1, 1), -1.0)

    with pytest.raises(ConvergenceError, match="The cliff did not converge in 100 steps"):
        climb(
            cliff,
            np.zeros((1, 1)),
            Box(np.array([-1e9]), np.array([1e9])),
            np.ones(1),
            what="the cliff",
        )


def test_a_step_into_nowhere_is_not_taken() -> None:
    def edge(theta: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        # the slope points up, yet there is nothing beyond 0
        value = np.where(theta[:, 0] > 0, -np.inf, 0.0)
        slope = np.where(theta > 0, np.nan, 1.0)
        return value, slope, np.full((len(theta), 1, 1), -1.0)

    with pytest.raises(ConvergenceError, match="The edge did not converge in 1 steps"):
        climb(
            edge,
            np.zeros((1, 1)),
            Box(np.full(1, -9.0), np.full(1, 9.0)),
            np.ones(1),
            what="the edge",
        )


# -- recovery of a known truth


def test_rising_hazards_of_unlike_customers_are_told_apart() -> None:
    rng = np.random.default_rng(9)
    theta = rng.beta(0.5, 3.0, 40_000)
    left = np.floor((np.log(rng.random(40_000)) / np.log1p(-theta)) ** (1 / 1.5))
    alive = np.array([(left >= t).sum() for t in range(13)])
    fit = fit_lifetime("bdw", PeriodCounts.from_alive(alive))
    assert fit.parameters[0] == pytest.approx([0.5, 3.0, 1.5], rel=0.15)
    assert fit_geometric(PeriodCounts.from_alive(alive)).log_likelihood < fit.log_likelihood
