"""Likelihoods and expectations of the purchase families, on arrays."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import betaln, gammaln, hyp2f1

from cxmodel.stats.purchases import bg_bb, bg_nbd, gamma_gamma, mbg_nbd, pareto_nbd
from cxmodel.stats.purchases.family import Family
from cxmodel.stats.purchases.histories import Histories

BG, MBG, PARETO, BB = (m.FAMILY for m in (bg_nbd, mbg_nbd, pareto_nbd, bg_bb))
CDNOW = {
    "bg_nbd": (0.242595, 4.413602, 0.792922, 2.425907),
    "mbg_nbd": (0.524843, 6.183085, 0.891359, 1.614003),
    "pareto_nbd": (0.553277, 10.57768, 0.60624, 11.66874),
    "bg_bb": (1.203522, 0.749716, 0.656718, 2.783442),
}
CONTINUOUS = (BG, MBG, PARETO)
FAMILIES = (*CONTINUOUS, BB)


def given_parameters(*values: float) -> tuple[np.ndarray, ...]:
    return tuple(np.asarray(value, dtype=float) for value in values)


def histories(*rows: tuple[float, float, float]) -> Histories:
    x, recency, age = np.array(rows, dtype=float).T
    return Histories(x, recency, age, np.ones(len(x)))


SOME = histories(
    (0, 0, 38.86), (0, 0, 0), (1, 1.71, 38.86), (2, 30.43, 38.86), (26, 30.86, 31), (5, 9, 9)
)
OCCASIONS = histories((0, 0, 6), (4, 5, 6), (6, 6, 6), (1, 1, 6), (2, 4, 5))


def rows_for(family: Family) -> Histories:
    return OCCASIONS if family.is_discrete else SOME


# -- Worked by hand --------------------------------------------------------------------------------


def test_bg_nbd_without_a_repeat_by_hand() -> None:
    # x = 0: (alpha / (alpha + T))^r; r = 1, alpha = 2, T = 6: 1/4
    value, _ = BG.log_likelihood(given_parameters(1, 2, 0.5, 3), histories((0, 0, 6)))
    assert value[0] == pytest.approx(np.log(0.25), rel=1e-14)


def test_mbg_nbd_without_a_repeat_by_hand() -> None:
    # left at once with a / (a + b) = 1/4, or stayed and did not buy: 3/4 x 1/4
    value, _ = MBG.log_likelihood(given_parameters(1, 2, 1, 3), histories((0, 0, 6)))
    assert value[0] == pytest.approx(np.log(0.25 + 0.75 * 0.25), rel=1e-14)


def test_pareto_nbd_without_a_repeat_by_hand() -> None:
    # alpha = beta = 2, r = s = 1: (2/8)^2 + integral 0..6 of 4 / (2 + u)^3 du, which is
    # 1/16 + 2 (1/4 - 1/64)
    value, _ = PARETO.log_likelihood(given_parameters(1, 2, 1, 2), histories((0, 0, 6)))
    assert np.exp(value[0]) == pytest.approx(1 / 16 + 2 * (1 / 4 - 1 / 64), rel=1e-13)


def test_bg_bb_of_one_occasion_by_hand() -> None:
    # bought: there (3/4) and buys (1/2); not: 1 - 3/8
    value, _ = BB.log_likelihood(given_parameters(1, 1, 1, 3), histories((1, 1, 1), (0, 0, 1)))
    assert np.exp(value) == pytest.approx([3 / 8, 5 / 8], rel=1e-13)


def test_bg_bb_of_many_occasions_by_hand() -> None:
    # there on occasion j, with gamma = 2 and delta = 1: 2 / ((j + 1) (j + 2)), summed n / (n + 2);
    # with gamma = 1: 1 / (j + 1), summed 1/2 + 1/3 + ... Half of them with a purchase.
    n = np.array([1.0, 1_000.0, 1_001.0, 1e6, 1e9, 1e15])
    found = BB.expected(given_parameters(1, 1, 2, 1), n)
    assert found == pytest.approx(0.5 * n / (n + 2), rel=1e-11)
    harmonic = np.array([math.fsum(1 / j for j in range(2, int(k) + 2)) for k in n[:4]])
    assert BB.expected(given_parameters(1, 1, 1, 1), n[:4]) == pytest.approx(
        0.5 * harmonic, rel=1e-11
    )


def test_gamma_gamma_by_hand() -> None:
    # p = q = v = 1, one purchase of m: density 1 / (1 + m)^2
    value, _ = gamma_gamma.log_likelihood(
        given_parameters(1, 1, 1), np.array([1.0]), np.array([3.0])
    )
    assert np.exp(value[0]) == pytest.approx(1 / 16, rel=1e-13)


# -- Published -------------------------------------------------------------------------------------


def test_pareto_nbd_stays_finite_where_hypergeometric_functions_overflow() -> None:
    # x = 221, t_x = 103.43, T = 103.57 and (.5143, 2.8845, .2856, 14.1087): CLVTools,
    # test_correctness_pnbd_nocovstaticcov.R, where naive forms gave P(alive) outside [0, 1]
    rows = histories((221, 103.42857, 103.57143), (221, 103.43, 103.57))
    parameters = given_parameters(0.5143, 2.8845, 0.2856, 14.1087)
    value, slopes = PARETO.log_likelihood(parameters, rows)
    assert np.isfinite(value).all()
    assert np.isfinite(slopes).all()
    assert (PARETO.prob_alive(parameters, rows) > 0.99).all()
    assert (PARETO.prob_alive(parameters, rows) <= 1).all()


def test_pareto_nbd_goes_on_smoothly_where_others_underflow() -> None:
    # lifetimes, test_conditional_expectation_underflow: 6.2060517889632418 and 6.2528722475748113
    parameters = given_parameters(0.55, 10.58, 0.61, 11.67)
    rows = histories((132, 200, 200), (133, 200, 200))
    found = PARETO.conditional(parameters, rows, np.array(10.0))
    assert found == pytest.approx([6.2060517889632418, 6.2528722475748113], rel=1e-9)


@pytest.mark.parametrize(
    ("family", "parameters", "at_52", "ahead", "alive", "paradox"),
    [
        # BTYD 2.4.3, BTYD-walkthrough, sections 3.3 and 4.3: customer 1516 (26, 30.86, 31) over 52
        # weeks, and x = 10, 15, 20, 25 with t_x = 20, T = 39. Its optimiser stopped at beta 11.656
        # and a .79299 near the maximum taken here: a thousandth of the expectations.
        (
            PARETO,
            CDNOW["pareto_nbd"],
            1.473434,
            25.45647,
            0.997874,
            [0.7062289, 0.1442396, 0.02250658, 0.00309267],
        ),
        (
            BG,
            CDNOW["bg_nbd"],
            1.444004,
            25.75659,
            0.9688523,
            [0.3474606, 0.04283391, 0.004158973, 0.0003583685],
        ),
    ],
    ids=["pareto_nbd", "bg_nbd"],
)
def test_customers_of_the_btyd_walkthrough(
    family: Family,
    parameters: tuple[float, ...],
    at_52: float,
    ahead: float,
    alive: float,
    paradox: list[float],
) -> None:
    values = given_parameters(*parameters)
    one = histories((26, 30.0 + 6 / 7, 31))
    assert family.expected(values, np.array(52.0)) == pytest.approx(at_52, rel=1e-4)
    assert family.conditional(values, one, np.array(52.0))[0] == pytest.approx(ahead, rel=1e-4)
    assert family.prob_alive(values, one)[0] == pytest.approx(alive, abs=2e-5)
    many = histories(*((x, 20, 39) for x in (10, 15, 20, 25)))
    found = family.conditional(values, many, np.array(52.0))
    assert found == pytest.approx(paradox, rel=1e-3)


def test_expectations_of_the_bg_nbd_spreadsheet() -> None:
    # Hardie's spreadsheet, as lifetimes' tests quote it. At 78 weeks it says 1.8576, the sum of the
    # first 150 terms of a series that goes on to 1.85796.
    times = np.array([0.1429, 1.0, 3.0, 31.8571, 32.0])
    values = given_parameters(*CDNOW["bg_nbd"])
    found = BG.expected(values, times)
    assert found == pytest.approx([0.0078, 0.0532, 0.1506, 1.0405, 1.0437], abs=5e-5)
    assert BG.expected(values, np.array(78.0)) == pytest.approx(1.8576 + 0.00036, abs=5e-5)


def test_expectations_of_the_pareto_nbd_manual() -> None:
    # BTYD's manual, pnbd.Expectation at t = 0..9 with (0.55, 10.56, 0.61, 11.64)
    expected = [0.0, 0.05077821, 0.09916088, 0.14542507, 0.18979930]
    expected += [0.23247466, 0.27361274, 0.31335159, 0.35181024, 0.38909211]
    found = PARETO.expected(given_parameters(0.55, 10.56, 0.61, 11.64), np.arange(10.0))
    assert found == pytest.approx(expected, abs=5e-8)


def test_numbers_of_purchases_of_the_btyd_manual() -> None:
    # bgnbd.pmf with (0.243, 4.414, 0.793, 2.426), as lifetimes' tests quote it
    values = given_parameters(0.243, 4.414, 0.793, 2.426)
    assert BG.count_probability(values, np.array([10.0]), 2.0)[0] == pytest.approx(
        1.07869e-07, rel=1e-5
    )
    assert BG.count_probability(values, np.array([0.0]), 39.0)[0] == pytest.approx(
        0.5737864, abs=5e-8
    )
    expected = [0.0019995214, 0.0015170236, 0.0011633150, 0.0009003148, 0.0007023638]
    expected += [0.0005517902, 0.0004361913, 0.0003467171, 0.0002769613, 0.0002222260]
    found = BG.count_probability(values, np.arange(11.0, 21.0), 30.0)
    assert found == pytest.approx(expected, abs=5e-11)


def test_donors_by_number_of_gifts() -> None:
    # Hardie's spreadsheet, in-sample fit, as lifetimes' tests quote it: 3454.9 with none, 1253.1
    # with six
    found = 11_104 * BB.count_probability(given_parameters(*CDNOW["bg_bb"]), np.arange(7.0), 6.0)
    assert found[[0, 6]] == pytest.approx([3454.9, 1253.1], abs=0.05)
    assert found.sum() == pytest.approx(11_104, rel=1e-12)


@pytest.mark.parametrize("family", CONTINUOUS, ids=lambda f: f.name)
def test_numbers_of_purchases_add_up_and_have_the_expected_mean(family: Family) -> None:
    values, n = given_parameters(0.8, 4.0, 1.3, 6.0), np.arange(400.0)
    found = family.count_probability(values, n, 20.0)
    assert found.sum() == pytest.approx(1.0, abs=1e-10)
    assert n @ found == pytest.approx(float(family.expected(values, np.array(20.0))), rel=1e-9)


def test_donors_of_the_btyd_walkthrough() -> None:
    # section 5.3, with the parameters printed there: E[X(10)], and customers A (0, 0) and B (4, 5)
    values = given_parameters(1.203528, 0.7497260, 0.6567808, 2.783796)
    assert BB.expected(values, np.array(10.0)) == pytest.approx(3.179805, abs=2e-5)
    rows = histories((0, 0, 6), (4, 5, 6))
    found = BB.conditional(values, rows, np.array(10.0))
    assert found == pytest.approx([0.1302169, 3.627858], abs=2e-5)


def test_donors_still_alive() -> None:
    # Fader, Hardie & Shang (2010), table 6, as lifetimes' tests quote it: .11, .59, .93
    rows = histories((0, 0, 6), (2, 4, 6), (6, 6, 6))
    found = BB.prob_alive(given_parameters(*CDNOW["bg_bb"]), rows)
    assert found == pytest.approx([0.11, 0.59, 0.93], abs=5e-3)


def test_spend_of_the_first_customers() -> None:
    # Hardie's spreadsheet (note 025) with 6.25, 3.74, 15.44: 24.65, 18.91, without repeats 35.17
    values = given_parameters(6.25, 3.74, 15.44)
    found = gamma_gamma.expected_spend(values, np.array([2.0, 1, 0]), np.array([22.35, 11.77, 0]))
    assert found == pytest.approx([24.65, 18.91, 35.17], abs=0.05)


# -- Against closed forms --------------------------------------------------------------------------


def test_pareto_nbd_against_the_form_with_hypergeometric_functions() -> None:
    # Fader & Hardie (2005), equation 21, alpha < beta: A0 with second argument r + x
    r, alpha, s, beta = CDNOW["pareto_nbd"]
    x, recency, age = SOME.frequency, SOME.recency, SOME.age

    def part(u: np.ndarray) -> np.ndarray:
        z = (beta - alpha) / (beta + u)
        return hyp2f1(r + s + x, r + x, r + s + x + 1, z) / (beta + u) ** (r + s + x)

    a0 = part(recency) - part(age)
    whole = (alpha + age) ** -(r + x) * (beta + age) ** -s + s / (r + s + x) * a0
    logs = gammaln(r + x) - gammaln(r) + r * np.log(alpha) + s * np.log(beta) + np.log(whole)
    found, _ = PARETO.log_likelihood(given_parameters(r, alpha, s, beta), SOME)
    assert found == pytest.approx(logs, abs=1e-9)


@pytest.mark.parametrize("t", [0.1, 3.0, 39.0, 400.0])
def test_expectations_against_the_forms_with_hypergeometric_functions(t: float) -> None:
    # Fader, Hardie & Lee (2005), equation 9; Batislam et al. (2007)
    r, alpha, a, b = CDNOW["bg_nbd"]
    z = t / (alpha + t)
    power = (alpha / (alpha + t)) ** r
    of_bg = (a + b - 1) / (a - 1) * (1 - power * hyp2f1(r, b, a + b - 1, z))
    of_mbg = b / (a - 1) * (1 - power * hyp2f1(r, b + 1, a + b, z))
    values = given_parameters(r, alpha, a, b)
    assert BG.expected(values, np.array(t)) == pytest.approx(of_bg, rel=1e-9)
    assert MBG.expected(values, np.array(t)) == pytest.approx(of_mbg, rel=1e-9)


@pytest.mark.parametrize("family", CONTINUOUS, ids=lambda f: f.name)
def test_nothing_breaks_where_the_papers_divide_by_zero(family: Family) -> None:
    # a = 1 and s = 1: between the values on either side
    around = [
        float(family.expected(given_parameters(0.5, 4.0, third, 2.0), np.array(30.0)))
        for third in (1 - 1e-4, 1.0, 1 + 1e-4)
    ]
    assert around[0] > around[1] > around[2]
    assert around[1] == pytest.approx((around[0] + around[2]) / 2, rel=1e-7)


@pytest.mark.parametrize("family", CONTINUOUS, ids=lambda f: f.name)
def test_residual_purchases_are_the_discounted_sum_of_those_to_come(family: Family) -> None:
    values, rate = given_parameters(*CDNOW[family.name]), 0.05
    rows = histories((2, 30.43, 38.86), (0, 0, 38.86))
    found = family.residual(values, rows, rate)

    def discounted(t: float, row: int) -> float:
        ahead = family.conditional(values, rows, np.array(t))[row]
        return float(rate * np.exp(-rate * t) * ahead)

    for row in range(2):
        # by parts: DERT = rate x integral of e^(-rate t) E[X(T, T + t)]
        integral = quad(discounted, 0, 700, args=(row,), limit=200)[0]
        assert found[row] == pytest.approx(integral, rel=1e-6)


def test_residual_donations_are_the_discounted_sum() -> None:
    # BTYD's manual, bgbb.DERT: x = 3, t_x = 4, n = 6, d = 10%, summed occasion by occasion
    values = given_parameters(1.20, 0.75, 0.66, 2.78)
    rows = histories((3, 4, 6))
    ahead = np.array([BB.conditional(values, rows, np.array(float(t)))[0] for t in range(400)])
    direct = float(np.diff(ahead) @ 1.1 ** -np.arange(1.0, 400))
    assert BB.residual(values, rows, 0.1)[0] == pytest.approx(direct, rel=1e-9)


def test_residual_purchases_without_discounting() -> None:
    rows = histories((2, 30.0, 38.0))
    # a > 1: (a + b + x - 1) / (a - 1) x P(alive); s > 1: (r + x)/(alpha + T) (beta + T)/(s - 1)
    bg = given_parameters(0.5, 4, 2.0, 3.0)
    assert BG.residual(bg, rows, 0.0)[0] == pytest.approx(6 * BG.prob_alive(bg, rows)[0])
    pareto = given_parameters(0.5, 4, 3.0, 10.0)
    mean = 2.5 / 42 * 48 / 2 * PARETO.prob_alive(pareto, rows)[0]
    assert PARETO.residual(pareto, rows, 0.0)[0] == pytest.approx(mean)
    for family in CONTINUOUS:
        small = given_parameters(*CDNOW[family.name])
        assert np.isinf(family.residual(small, rows, 0.0)).all()


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.name)
def test_slopes_against_finite_differences(family: Family) -> None:
    rows, values = rows_for(family), CDNOW[family.name]
    _, slopes = family.log_likelihood(given_parameters(*values), rows)
    for i, slope in enumerate(slopes):
        step = 1e-5 * values[i]
        up, down = ([*values[:i], values[i] + s, *values[i + 1 :]] for s in (step, -step))
        high, _ = family.log_likelihood(given_parameters(*up), rows)
        low, _ = family.log_likelihood(given_parameters(*down), rows)
        assert slope == pytest.approx((high - low) / (2 * step), rel=1e-6, abs=1e-8)


def test_slopes_of_spend_against_finite_differences() -> None:
    x, m, values = np.array([1.0, 3, 8]), np.array([20.0, 35, 12]), (6.25, 3.74, 15.44)
    _, slopes = gamma_gamma.log_likelihood(given_parameters(*values), x, m)
    for i, slope in enumerate(slopes):
        step = 1e-5 * values[i]
        up, down = ([*values[:i], values[i] + s, *values[i + 1 :]] for s in (step, -step))
        high, _ = gamma_gamma.log_likelihood(given_parameters(*up), x, m)
        low, _ = gamma_gamma.log_likelihood(given_parameters(*down), x, m)
        assert slope == pytest.approx((high - low) / (2 * step), rel=1e-6, abs=1e-8)


@pytest.mark.parametrize("gamma", [0.02, 0.656718, 1 - 1e-9, 1.0, 1 + 1e-9, 1.4, 30.0])
@pytest.mark.parametrize("delta", [0.1, 2.783442, 400.0, 1e7])
def test_bg_bb_of_many_occasions_term_by_term(gamma: float, delta: float) -> None:
    # there before each occasion with (delta + j - 1) / (gamma + delta + j - 1)
    stays = (delta + np.arange(20_000)) / (gamma + delta + np.arange(20_000))
    there = np.cumprod(stays)
    n = np.array([999, 1_000, 1_001, 1_200, 20_000])
    expected = [0.5 * math.fsum(there[:k]) for k in n]
    found = BB.expected(given_parameters(1, 1, gamma, delta), n.astype(float))
    assert found == pytest.approx(expected, rel=1e-10)


# -- Properties ------------------------------------------------------------------------------------


def test_histories_of_few_occasions_have_probability_one() -> None:
    # every path over four occasions, with how many paths share (x, t_x)
    paths = [[(k >> i) & 1 for i in range(4)] for k in range(16)]
    rows = histories(
        *((sum(p), max([i + 1 for i in range(4) if p[i]], default=0), 4) for p in paths)
    )
    value, _ = BB.log_likelihood(given_parameters(*CDNOW["bg_bb"]), rows)
    assert np.exp(value).sum() == pytest.approx(1.0, rel=1e-12)


def test_a_spread_that_shrinks_gives_the_model_without_it() -> None:
    # a, b grow in ratio: a constant chance to leave p: x = 1, rate ~ gamma(1, 1), T = t_x = 1
    big = 1e6
    value, _ = BG.log_likelihood(
        given_parameters(1, 1, 0.25 * big, 0.75 * big), histories((1, 1, 1))
    )
    # lambda e^-lambda (p + (1 - p)), mean over gamma: 1 / 4
    assert np.exp(value[0]) == pytest.approx(0.25, rel=1e-6)


@settings(max_examples=60, deadline=None)
@given(
    values=st.tuples(*[st.floats(0.02, 50)] * 4),
    x=st.integers(0, 400),
    share=st.floats(0.01, 1),
    age=st.floats(0.1, 400),
    family=st.sampled_from(CONTINUOUS),
)
def test_probabilities_and_expectations_stay_in_their_range(
    values: tuple[float, ...], x: int, share: float, age: float, family: Family
) -> None:
    rows = histories((x, age * share if x else 0.0, age))
    parameters = given_parameters(*values)
    value, slopes = family.log_likelihood(parameters, rows)
    assert np.isfinite(value).all()
    assert np.isfinite(slopes).all()
    assert 0 <= family.prob_alive(parameters, rows)[0] <= 1
    soon, late = (family.conditional(parameters, rows, np.array(t))[0] for t in (1.0, 50.0))
    assert 0 <= soon <= late * (1 + 1e-9)
    # no more than a customer who never leaves
    assert late <= 50.0 * (values[0] + x) / (values[1] + age) * (1 + 1e-9)


@settings(max_examples=40, deadline=None)
@given(values=st.tuples(*[st.floats(0.05, 30)] * 4), n=st.integers(1, 30), data=st.data())
def test_donors_stay_in_their_range(values: tuple[float, ...], n: int, data: st.DataObject) -> None:
    last = data.draw(st.integers(0, n))
    x = data.draw(st.integers(1, last)) if last else 0
    rows = histories((x, last, n))
    parameters = given_parameters(*values)
    assert BB.log_likelihood(parameters, rows)[0][0] <= 1e-12
    assert 0 <= BB.prob_alive(parameters, rows)[0] <= 1
    assert 0 <= BB.conditional(parameters, rows, np.array(5.0))[0] <= 5


def test_log_beta_of_the_tests_is_not_needed_for_the_sum() -> None:
    # B(alpha + x, beta) / B(alpha, beta) as a product: the rising factorials agree with betaln
    from cxmodel.stats.purchases.histories import Counts, log_rising

    a, x = np.array(1.3), np.array([0.0, 2, 7])
    rise, _ = log_rising(a, Counts.of(x))
    whole, _ = log_rising(a + 2.5, Counts.of(x))
    assert rise - whole == pytest.approx(betaln(1.3 + x, 2.5) - betaln(1.3, 2.5), abs=1e-12)
