"""Kaplan-Meier and the lifetime models, on arrays."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize

from cxmodel.stats.lifetime_likelihood import lifetime_terms
from cxmodel.stats.lifetime_survival import sbg_survival
from cxmodel.stats.lifetimes import PeriodCounts, fit_geometric, fit_sbg, sbg_log_likelihood
from cxmodel.stats.residual_lifetime import geometric_derl, sbg_derl
from cxmodel.stats.survival import kaplan_meier, kaplan_meier_redraws

REGULAR = [1000, 631, 468, 382, 326, 289, 262, 241, 223, 207, 194, 183, 173]
HIGH_END = [1000, 869, 743, 653, 593, 551, 517, 491, 468, 445, 427, 409, 394]

# -- worked by hand


def test_kaplan_meier_by_hand() -> None:
    # 6 at risk at 1 (1 leaves), 5 at 2 (2 leave, 1 censored), 2 at 4 (1 leaves)
    curve = kaplan_meier([1, 2, 2, 2, 4, 5], [True, True, True, False, True, False])
    assert curve.at([0, 1, 2, 3, 4, 9]) == pytest.approx([1, 5 / 6, 1 / 2, 1 / 2, 1 / 4, 1 / 4])
    assert curve.at_risk_at([0, 1, 2, 3, 5, 6]).tolist() == [6, 6, 5, 2, 1, 0]


def test_greenwood_by_hand() -> None:
    curve = kaplan_meier([1, 2, 2, 3], [True, True, False, False])
    # var(ln S(2)) = 1 / (4 x 3) + 1 / (3 x 2)
    assert curve.log_variance[1] == pytest.approx(1 / 12 + 1 / 6)
    low, high = curve.interval_at([2.0])
    half = 1.959964 * math.sqrt(0.25) / -math.log(0.5)
    assert low[0] == pytest.approx(0.5 ** math.exp(half), rel=1e-6)
    assert high[0] == pytest.approx(0.5 ** math.exp(-half), rel=1e-6)


def test_delayed_entry_by_hand() -> None:
    # at 2 only the first two are under observation: the third comes at 2
    curve = kaplan_meier([2, 3, 4], [True, True, False], entries=[0, 1, 2])
    assert curve.at_risk.tolist() == [2, 2, 1]
    assert curve.at([2, 3]) == pytest.approx([1 / 2, 1 / 4])


def test_geometric_by_hand() -> None:
    fit = fit_geometric(PeriodCounts.from_alive([100, 80, 64]))
    # 36 lost in 180 customer-periods
    assert fit.parameters[0, 0] == pytest.approx(0.2)
    assert fit.log_likelihood[0] == pytest.approx(36 * math.log(0.2) + 144 * math.log(0.8))


# -- against a reference: Fader & Hardie (2007), fitted on t = 0..7


@pytest.mark.parametrize(
    ("alive", "alpha", "beta", "log_likelihood", "later"),
    [
        (REGULAR, 0.7041, 1.1820, -1680.2652, [22.0, 20.4, 19.1, 18.0, 17.0]),
        (HIGH_END, 0.6681, 3.8061, -1611.1581, [46.0, 43.6, 41.4, 39.5, 37.8]),
    ],
)
def test_shifted_beta_geometric_of_fader_and_hardie(
    alive: list[int], alpha: float, beta: float, log_likelihood: float, later: list[float]
) -> None:
    fit = fit_sbg(PeriodCounts.from_alive(alive[:8]))
    assert fit.log_likelihood[0] == pytest.approx(log_likelihood, abs=1e-4)
    assert fit.parameters[0] == pytest.approx([alpha, beta], abs=1e-3)
    found = 100 * sbg_survival(*fit.parameters[0], np.arange(8, 13))
    assert found == pytest.approx(later, abs=0.05)
    assert not fit.at_boundary[0]


@pytest.mark.parametrize(
    ("alpha", "beta", "expected"),
    [
        (3.80, 15.20, [3.309818, 3.451000, 3.586544, 3.716812, 3.842134]),
        (1 / 15, 4 / 15, [7.6815, 9.4620, 9.8560, 10.0605, 10.1924]),
    ],
)
def test_residual_lifetime_of_fader_and_hardie(
    alpha: float, beta: float, expected: list[float]
) -> None:
    # Fader & Hardie (2010), discount 10%, after n - 1 = 0..4 renewals
    found = [sbg_derl(alpha, beta, n_renewals=n, discount_rate_per_period=0.10) for n in range(5)]
    assert found == pytest.approx(expected, abs=5e-5)


def test_lifetime_of_a_new_customer() -> None:
    found = 1 + sbg_derl(3.80, 15.20, discount_rate_per_period=0.10) / 1.10
    assert found == pytest.approx(4.008926, abs=1e-6)


def test_kaplan_meier_against_statsmodels() -> None:
    # statsmodels 0.14 SurvfuncRight: survival and Greenwood's standard error
    from statsmodels.duration.survfunc import SurvfuncRight

    rng = np.random.default_rng(5)
    durations = np.round(rng.exponential(5, 200), 1) + 0.1
    events = rng.random(200) < 0.7
    entries = durations * rng.random(200) * 0.2
    reference = SurvfuncRight(durations, events.astype(float), entry=entries)
    curve = kaplan_meier(durations, events, entries=entries)
    found = curve.at(reference.surv_times)
    assert found == pytest.approx(reference.surv_prob, rel=1e-12)
    place = np.searchsorted(curve.times, reference.surv_times)
    std_error = found * np.sqrt(curve.log_variance[place])
    inner = reference.surv_prob > 0
    assert std_error[inner] == pytest.approx(reference.surv_prob_se[inner], rel=1e-10)


# -- properties


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.integers(1, 40), min_size=2, max_size=10),
    st.integers(5, 400),
    st.floats(0.1, 5),
    st.floats(0.1, 20),
)
def test_gradient_and_hessian_are_those_of_the_likelihood(
    losses: list[int], left_over: int, alpha: float, beta: float
) -> None:
    counts = PeriodCounts.from_alive(np.cumsum([left_over, *losses])[::-1])
    theta = np.log([alpha, beta])
    value, gradient, hessian = lifetime_terms(theta[None, :], counts, "sbg")
    assert value[0] == pytest.approx(sbg_log_likelihood(counts, alpha, beta))

    def likelihood(point: np.ndarray) -> float:
        return float(lifetime_terms(point[None, :], counts, "sbg")[0][0])

    def slope(point: np.ndarray) -> np.ndarray:
        return np.asarray(lifetime_terms(point[None, :], counts, "sbg")[1][0])

    step = 1e-6
    numeric = [
        (likelihood(theta + e) - likelihood(theta - e)) / (2 * step) for e in step * np.eye(2)
    ]
    assert gradient[0] == pytest.approx(numeric, rel=1e-3, abs=1e-3)
    bends = [(slope(theta + e) - slope(theta - e)) / (2 * step) for e in step * np.eye(2)]
    assert hessian[0] == pytest.approx(np.array(bends), rel=1e-3, abs=1e-2)


@settings(max_examples=5, deadline=None)
@given(st.lists(st.integers(1, 60), min_size=3, max_size=9), st.integers(5, 500))
def test_newton_finds_no_less_than_a_simplex_search(losses: list[int], left_over: int) -> None:
    counts = PeriodCounts.from_alive(np.cumsum([left_over, *losses])[::-1])
    fit = fit_sbg(counts)
    search = optimize.minimize(
        lambda point: -lifetime_terms(point.clip(-10, 10)[None, :], counts, "sbg")[0][0],
        np.zeros(2),
        method="Nelder-Mead",
        options={"xatol": 1e-8, "fatol": 1e-10, "maxiter": 600},
    )
    assert fit.log_likelihood[0] >= -search.fun - 1e-4


def test_residual_lifetime_where_the_published_series_overflows() -> None:
    # mpmath 1.3, 15 digits: 160/169 x 2F1(1, 161; 170; 1/1.1); scipy's hyp2f1 gives -infinity
    assert sbg_derl(9.0, 60.0, n_renewals=100, discount_rate_per_period=0.1) == pytest.approx(
        6.892081721734579, rel=1e-9
    )


@settings(max_examples=20, deadline=None)
@given(st.floats(0.05, 50), st.floats(0.05, 500), st.integers(0, 100))
def test_survival_falls_and_residual_lifetime_is_finite(alpha: float, beta: float, t: int) -> None:
    curve = sbg_survival(alpha, beta, [0, t, t + 1])
    assert curve[0] == pytest.approx(1.0)
    assert 0 <= curve[2] <= curve[1] <= 1 + 1e-12
    derl = sbg_derl(alpha, beta, n_renewals=t, discount_rate_per_period=0.1)
    assert 0 < derl <= 1.1 / 0.1 + 1e-9


@settings(max_examples=20, deadline=None)
@given(st.floats(1.2, 8.0), st.floats(0.5, 20.0), st.floats(0.05, 0.5))
def test_residual_lifetime_is_the_sum_it_stands_for(alpha: float, beta: float, rate: float) -> None:
    t = np.arange(1, 1_000)
    summed = (sbg_survival(alpha, beta, t) * (1 + rate) ** (1.0 - t)).sum()
    assert sbg_derl(alpha, beta, discount_rate_per_period=rate) == pytest.approx(summed, rel=1e-8)


@settings(max_examples=20, deadline=None)
@given(st.floats(0.01, 0.9), st.floats(0.0, 0.5))
def test_geometric_residual_lifetime_is_the_sum_it_stands_for(loss: float, rate: float) -> None:
    t = np.arange(1, 5_000)
    summed = ((1 - loss) * ((1 - loss) / (1 + rate)) ** (t - 1)).sum()
    assert geometric_derl(loss, rate) == pytest.approx(summed, rel=1e-8)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 9), st.booleans()), min_size=1, max_size=40))
def test_integer_weights_are_repeated_rows(rows: list[tuple[int, bool]]) -> None:
    durations, events = [row[0] for row in rows], [row[1] for row in rows]
    weights = 1 + np.arange(len(rows)) % 3
    at = np.arange(10)
    once = kaplan_meier(durations, events, weights=weights).at(at)
    repeated = kaplan_meier(np.repeat(durations, weights), np.repeat(events, weights)).at(at)
    assert once == pytest.approx(repeated)
    redrawn = kaplan_meier_redraws(durations, events, [weights.astype(float)], at=at)[0]
    assert redrawn == pytest.approx(once)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.floats(0.1, 50), st.booleans()), min_size=1, max_size=60))
def test_intervals_hold_the_curve_and_stay_inside(rows: list[tuple[float, bool]]) -> None:
    curve = kaplan_meier([row[0] for row in rows], [row[1] for row in rows])
    at = np.linspace(0, 60, 30)
    low, high = curve.interval_at(at)
    assert (low >= 0).all()
    assert (high <= 1).all()
    assert (low <= curve.at(at) + 1e-12).all()
    assert (high >= curve.at(at) - 1e-12).all()


def test_many_weightings_are_fitted_as_one_by_one() -> None:
    rng = np.random.default_rng(2)
    counts = PeriodCounts.from_alive(REGULAR[:8])
    lost = rng.poisson(np.tile(counts.lost, (4, 1))).astype(float)
    stayed = lost + np.append(np.zeros(7), 241.0)
    together = fit_sbg(PeriodCounts(counts.periods, stayed, lost)).parameters
    for row in range(4):
        alone = fit_sbg(PeriodCounts(counts.periods, stayed[[row]], lost[[row]])).parameters[0]
        assert together[row] == pytest.approx(alone, rel=1e-4)


def test_equal_customers_run_to_the_boundary() -> None:
    fit = fit_sbg(PeriodCounts.from_alive(10_000 * 0.9 ** np.arange(6)))
    assert fit.at_boundary[0]
    alpha, beta = fit.parameters[0]
    assert alpha / (alpha + beta) == pytest.approx(0.1, abs=1e-3)


# -- errors


def test_undiscounted_lifetime_diverges() -> None:
    assert sbg_derl(1.0, 4.0) == math.inf
    assert sbg_derl(0.067, 0.267) == math.inf
    assert sbg_derl(3.0, 4.0) == pytest.approx(2.0)
    assert geometric_derl(0.0, 0.0) == math.inf


def test_impossible_parameters_are_refused() -> None:
    with pytest.raises(ValueError, match="alpha and beta must be positive"):
        sbg_derl(0.0, 1.0)
    with pytest.raises(ValueError, match="must be 0 or more"):
        sbg_derl(1.0, 1.0, n_renewals=-1)
