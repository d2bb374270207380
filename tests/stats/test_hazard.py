"""The discrete-time hazard on grouped spells, and the complementary log-log, on arrays."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxmodel.errors import InsufficientDataError, SeparationError
from cxmodel.stats.glm import CLOGLOG, fit_cloglog
from cxmodel.stats.hazard import Baseline, Spells, fit_hazard

# -- worked by hand


def test_two_groups_by_hand() -> None:
    # 20 of 100 and 40 of 100 leave at once: ratio ln(.6) / ln(.8), variance of each log rate
    # p / (n (1 - p) ln(1 - p)^2)
    spells = Spells(
        first=np.zeros(4, dtype=int),
        last=np.zeros(4, dtype=int),
        events=np.array([True, False, True, False]),
        n=np.array([20.0, 80, 40, 60]),
        features=np.array([[0.0], [0], [1], [1]]),
    )
    fit = fit_hazard(spells)
    assert math.exp(fit.coefficients[-1]) == pytest.approx(math.log(0.6) / math.log(0.8))
    variance = 0.2 / (100 * 0.8 * math.log(0.8) ** 2) + 0.4 / (100 * 0.6 * math.log(0.6) ** 2)
    assert fit.classical[-1, -1] == pytest.approx(variance)
    # the only period, so robust errors are those, but for 200 / 199
    assert fit.covariance(spells.n)[-1, -1] == pytest.approx(variance * 200 / 199)


def test_without_features_survival_is_that_of_kaplan_and_meier() -> None:
    # leave in 0: 2 of 10; in 1: 4 of 8; 4 are last seen then
    spells = Spells(
        first=np.zeros(3, dtype=int),
        last=np.array([0, 1, 1]),
        events=np.array([True, True, False]),
        n=np.array([2.0, 4, 4]),
        features=np.zeros((3, 0)),
    )
    assert fit_hazard(spells).survival() == pytest.approx([0.8, 0.4])


# -- against a reference


@pytest.mark.parametrize("baseline", ["levels", "log_time", "spline"])
def test_grouped_spells_against_single_customer_periods(baseline: Baseline) -> None:
    # statsmodels GLM on customer-periods, cloglog link; errors clustered by spell, no correction
    import statsmodels.api as sm

    from cxmodel.stats.curves import natural_spline, spline_knots

    spells = _draw(300)
    who, period = _expand(spells)
    left = ((period == spells.last[who]) & spells.events[who]).astype(float)
    lost = np.bincount(period, left)
    if baseline == "levels":
        used = np.flatnonzero(lost)
        columns = np.column_stack([period == one for one in used]).astype(float)
        kept = np.isin(period, used)
    else:
        time = np.arange(period.max() + 1.0)
        curve = np.log1p(time)[:, None]
        if baseline == "spline":
            curve = natural_spline(time, spline_knots(time, lost / lost.sum()))
        columns = np.column_stack([np.ones(len(period)), curve[period]])
        kept = np.ones(len(period), dtype=bool)
    design = np.column_stack([columns, spells.features[who]])[kept]
    model = sm.GLM(left[kept], design, family=sm.families.Binomial(sm.families.links.CLogLog()))
    reference = model.fit(
        tol=1e-13, cov_type="cluster", cov_kwds={"groups": who[kept], "use_correction": False}
    )
    fit = fit_hazard(spells, baseline=baseline)
    assert fit.coefficients[-2:] == pytest.approx(reference.params[-2:], rel=1e-7)
    assert fit.log_likelihood == pytest.approx(reference.llf, rel=1e-10)
    found = np.sqrt(np.diag(fit.covariance(spells.n)))[-2:] * math.sqrt(299 / 300)
    assert found == pytest.approx(reference.bse[-2:], rel=1e-4)


def test_many_short_periods_give_the_regression_of_cox() -> None:
    # statsmodels PHReg, Breslow's ties: times in hundreds of periods, so that ties are few
    from statsmodels.duration.hazard_regression import PHReg

    rng = np.random.default_rng(3)
    x = rng.normal(size=(400, 2)).round(1)
    time = np.ceil(rng.exponential(np.exp(-x @ [0.5, -0.3])) * 300)
    left = time <= 400
    last = np.minimum(time, 400)
    spells = Spells(
        first=np.zeros(400, dtype=int),
        last=last.astype(int) - 1,
        events=left,
        n=np.ones(400),
        features=x,
    )
    cox = PHReg(last, x, status=left.astype(float), ties="efron").fit()
    assert fit_hazard(spells).coefficients[-2:] == pytest.approx(cox.params, abs=0.003)


def test_complementary_log_log_against_statsmodels() -> None:
    import statsmodels.api as sm

    rng = np.random.default_rng(0)
    design = np.column_stack([np.ones(300), rng.normal(size=300)])
    outcome = (rng.random(300) < -np.expm1(-np.exp(-1 + 0.5 * design[:, 1]))).astype(float)
    weights = rng.integers(1, 4, 300).astype(float)
    link = sm.families.Binomial(sm.families.links.CLogLog())
    reference = sm.GLM(outcome, design, family=link, freq_weights=weights).fit(tol=1e-13)
    fit = fit_cloglog(design, outcome, weights)
    assert fit.coefficients == pytest.approx(reference.params, rel=1e-8)
    assert fit.log_likelihood == pytest.approx(reference.llf, rel=1e-10)


def _draw(n: int, seed: int = 1) -> Spells:
    rng = np.random.default_rng(seed)
    x, z = rng.integers(0, 3, n).astype(float), rng.integers(-2, 3, n) / 2
    time = np.ceil(rng.exponential(1 / (0.15 * np.exp(0.4 * x - 0.3 * z)))).astype(int)
    seen = rng.integers(1, 12, n)
    last = np.minimum(time, seen) - 1
    return Spells(
        first=np.minimum(rng.integers(0, 3, n), last),
        last=last,
        events=time <= seen,
        n=np.ones(n),
        features=np.column_stack([x, z]),
    )


def _expand(spells: Spells) -> tuple[np.ndarray, np.ndarray]:
    who = np.repeat(np.arange(spells.n.size), spells.last - spells.first + 1)
    period = np.concatenate(
        [np.arange(a, b + 1) for a, b in zip(spells.first, spells.last, strict=True)]
    )
    return who, period


# -- properties


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1_000))
def test_grouping_equal_spells_changes_nothing(seed: int) -> None:
    single = _draw(200, seed)
    every = np.column_stack([single.first, single.last, single.events, single.features])
    kinds, place, n = np.unique(every, axis=0, return_inverse=True, return_counts=True)
    grouped = Spells(
        first=kinds[:, 0].astype(int),
        last=kinds[:, 1].astype(int),
        events=kinds[:, 2] > 0,
        n=n.astype(float),
        features=kinds[:, 3:],
    )
    one, other = fit_hazard(single), fit_hazard(grouped)
    assert one.coefficients == pytest.approx(other.coefficients, rel=1e-9, abs=1e-9)
    assert one.log_likelihood == pytest.approx(other.log_likelihood, rel=1e-11)
    by_spell = one.covariance(single.n)
    assert other.covariance(grouped.n) == pytest.approx(by_spell, rel=1e-6, abs=1e-10)
    customers = np.arange(200)
    found = other.covariance(grouped.n, customers, place.reshape(-1))
    assert found == pytest.approx(by_spell, rel=1e-6, abs=1e-10)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1_000))
def test_cutting_spells_in_two_changes_nothing_but_their_clusters(seed: int) -> None:
    whole = _draw(200, seed)
    long = whole.last > whole.first
    parts = Spells(
        first=np.concatenate([whole.first, whole.first[long] + 1]),
        last=np.concatenate([np.where(long, whole.first, whole.last), whole.last[long]]),
        events=np.concatenate([whole.events & ~long, whole.events[long]]),
        n=np.ones(200 + int(long.sum())),
        features=np.vstack([whole.features, whole.features[long]]),
    )
    customer = np.concatenate([np.arange(200), np.flatnonzero(long)])
    one, other = fit_hazard(whole), fit_hazard(parts)
    assert one.coefficients == pytest.approx(other.coefficients, rel=1e-9, abs=1e-9)
    found = other.covariance(parts.n, customer, np.arange(len(customer)))
    assert found == pytest.approx(one.covariance(whole.n), rel=1e-6, abs=1e-10)


@settings(max_examples=20, deadline=None)
@given(st.floats(-40, 8), st.floats(0, 1))
def test_scores_and_bends_are_those_of_the_likelihood(eta: float, share: float) -> None:
    at = np.array([eta])
    y = np.array([share])
    step = 1e-5

    def value(x: np.ndarray) -> float:
        return float(CLOGLOG.log_likelihood(y, x)[0])

    if eta < 3:
        slope = (value(at + step) - value(at - step)) / (2 * step)
        assert CLOGLOG.score(y, at)[0] == pytest.approx(slope, rel=1e-4, abs=1e-8)
        bend = -(CLOGLOG.score(y, at + step)[0] - CLOGLOG.score(y, at - step)[0]) / (2 * step)
        assert CLOGLOG.observed(y, at)[0] == pytest.approx(bend, rel=1e-3, abs=1e-8)
    assert np.isfinite(CLOGLOG.score(y, at)).all()
    assert CLOGLOG.observed(y, at)[0] >= 0


# -- errors


def test_nobody_and_everybody_leaving_are_named() -> None:
    def spells(events: bool) -> Spells:
        return Spells(
            first=np.zeros(2, dtype=int),
            last=np.zeros(2, dtype=int),
            events=np.array([events, events]),
            n=np.array([5.0, 5.0]),
            features=np.array([[0.0], [1.0]]),
        )

    with pytest.raises(InsufficientDataError, match="Nobody left"):
        fit_hazard(spells(False))
    with pytest.raises(InsufficientDataError, match="nobody left, or everybody did"):
        fit_hazard(spells(True))


def test_a_feature_that_tells_all_is_named() -> None:
    spells = Spells(
        first=np.zeros(2, dtype=int),
        last=np.zeros(2, dtype=int),
        events=np.array([True, False]),
        n=np.array([50.0, 50.0]),
        features=np.array([[0.0], [1.0]]),
    )
    with pytest.raises(SeparationError, match="tell the two outcomes apart"):
        fit_hazard(spells)


def test_outcomes_beyond_shares_are_refused() -> None:
    with pytest.raises(ValueError, match="outcomes between 0 and 1"):
        fit_cloglog(np.ones((2, 1)), np.array([0.0, 2.0]))
