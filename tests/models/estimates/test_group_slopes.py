"""The slope of one group: against statsmodels, what it needs, recovery with small groups."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.stats import t

from cxmodel.models.estimates.group_slopes import carries_interactions, cr2_slope, why_too_small
from cxmodel.models.estimation import Sample


def _sample(n=200, seed=1, n_controls=1, repeats=1, slope_differs=0.0):
    rng = np.random.default_rng(seed)
    customers = np.repeat(np.arange(n // repeats), repeats)
    own = rng.normal(size=n // repeats)[customers]
    controls = rng.gamma(1.0, size=(n, n_controls))
    rating = np.clip(np.round(7 + own + 0.5 * controls[:, 0] + rng.normal(size=n)), 0, 10)
    slope = 5 + slope_differs * (controls[:, 0] - 1)
    usual = 8 * rng.normal(size=n // repeats)[customers]
    outcome = slope * rating + 10 * controls[:, 0] + usual + rng.normal(0, 10, n)
    return Sample.build(outcome, rating, controls, customers, n)


# -- by hand ---------------------------------------------------------------------------------


def test_ten_rows_a_parameter_and_the_smallest_group():
    """Constant, rating and two controls: 40 rows. One control that is constant takes none."""
    assert why_too_small(_sample(40, n_controls=2), "revenue", 30) is None
    assert why_too_small(_sample(39, n_controls=2), "revenue", 30) == (
        "39 responses, fewer than 40 for 4 parameters"
    )
    assert why_too_small(_sample(40, n_controls=2), "revenue", 60).startswith("40 responses, fewer")
    flat = _sample(39, n_controls=2)
    flat = replace(flat, controls=flat.controls * [1.0, 0.0])
    assert why_too_small(flat, "revenue", 30) is None


def test_twenty_rows_a_parameter_with_products():
    """Two times constant-free parameters: rating, control and product beside the constant, 4."""
    assert carries_interactions(_sample(80))
    assert not carries_interactions(_sample(79))


def test_more_columns_than_rows_is_too_small():
    assert "fewer than" in why_too_small(_sample(35, n_controls=40), "revenue", 30)


def test_one_rating_only():
    sample = _sample(100)
    same = replace(sample, rating=np.full(100, 9.0))
    assert why_too_small(same, "revenue", 30) == "everybody gave the same rating"


def test_controls_that_tell_the_rating_leave_nothing():
    sample = _sample(100)
    told = replace(sample, controls=(sample.rating - sample.rating.mean())[:, None])
    slope = cr2_slope(told, interacted=False)
    # the rating stands before the copy, so the copy is dropped and the slope is that of both
    assert slope.n_params == 2


# -- against a reference ---------------------------------------------------------------------


def test_interacted_slope_as_statsmodels():
    """HC2 of the rating's coefficient with a centred control; then the mean's own part is added."""
    sample = _sample(300, slope_differs=2.0)
    found = cr2_slope(sample, interacted=True).slope
    centred = sample.controls[:, 0]
    design = sm.add_constant(
        np.column_stack([sample.rating, centred, (sample.rating - sample.rating.mean()) * centred])
    )
    reference = sm.OLS(sample.outcome, design).fit(cov_type="HC2")
    assert found.value == pytest.approx(reference.params[1], rel=1e-9)
    pull = np.linalg.inv(design.T @ design)[1] @ design.T * reference.resid
    leverage = np.einsum("ij,jk,ik->i", design, np.linalg.inv(design.T @ design), design)
    rows = pull / np.sqrt(1 - leverage) + centred * reference.params[3] / 300
    assert found.std_error == pytest.approx(np.sqrt(np.sum(rows**2)), rel=1e-8)


# -- recovery --------------------------------------------------------------------------------


def _covered(n_samples, n, repeats):
    hits = []
    for seed in range(n_samples):
        found = cr2_slope(_sample(n, seed=seed, repeats=repeats), interacted=False).slope
        half = t.ppf(0.975, found.deg_freedom) * found.std_error
        hits.append(abs(found.value - 5) < half)
    return np.mean(hits)


def test_small_groups_are_covered():
    # 95% of 200: 180 or fewer come up in 3 of 1,000
    assert _covered(200, 40, 1) > 0.9


@pytest.mark.slow
@pytest.mark.parametrize(("n", "repeats"), [(31, 1), (60, 3)])
def test_small_groups_are_covered_as_stated(n, repeats):
    # 99% Monte Carlo interval of 95% in 2,000
    assert 0.937 < _covered(2_000, n, repeats) < 0.963
