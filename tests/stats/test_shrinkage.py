"""Empirical Bayes: by hand, against statsmodels and published numbers, properties, errors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.meta_analysis import combine_effects

from cxmodel.stats.shrinkage import shrink

# Thirteen trials of BCG vaccine (Colditz et al. 1994): cases and others, treated and control.
BCG = np.array(
    [
        (4, 119, 11, 128), (6, 300, 29, 274), (3, 228, 11, 209), (62, 13536, 248, 12619),
        (33, 5036, 47, 5761), (180, 1361, 372, 1079), (8, 2537, 10, 619), (505, 87886, 499, 87892),
        (29, 7470, 45, 7232), (17, 1699, 65, 1600), (186, 50448, 141, 27197), (5, 2493, 3, 2338),
        (27, 16886, 29, 17825),
    ],
    dtype=float,
)  # fmt: skip


def _log_risk_ratios():
    a, b, c, d = BCG.T
    return np.log(a / (a + b)) - np.log(c / (c + d)), 1 / a - 1 / (a + b) + 1 / c - 1 / (c + d)


# -- by hand ---------------------------------------------------------------------------------


def test_even_variances_by_hand():
    """0, 3, 6 with variance 1: 18 / (1 + tau^2) = 2, so tau^2 = 8 and 1/9 of the way is gone."""
    found = shrink(np.array([0.0, 3.0, 6.0]), np.ones(3))
    assert found.variance_between == pytest.approx(8.0)
    assert found.values == pytest.approx([1 / 3, 3.0, 17 / 3])


def test_spread_that_noise_explains_is_shrunk_away():
    """Rubin's (1981) eight schools: Q = 4.7 under its 7 degrees, so all take the mean, 7.7."""
    effects = np.array([28.0, 8, -3, 7, -1, 1, 18, 12])
    found = shrink(effects, np.array([15.0, 10, 16, 11, 9, 11, 10, 18]) ** 2)
    assert found.variance_between == 0.0
    assert found.values == pytest.approx(np.full(8, 7.7), abs=0.05)


# -- against a reference ---------------------------------------------------------------------


def test_paule_and_mandel_as_statsmodels():
    effects, variances = _log_risk_ratios()
    reference = combine_effects(effects, variances, method_re="iterated", atol=1e-12)
    found = shrink(effects, variances)
    assert found.variance_between == pytest.approx(reference.tau2, rel=1e-6)
    assert found.mean == pytest.approx(reference.mean_effect_re, rel=1e-6)


def test_bcg_trials_as_published():
    """metafor (Viechtbauer 2010), dat.bcg, method PM: tau^2 = 0.3181."""
    effects, variances = _log_risk_ratios()
    assert shrink(effects, variances).variance_between == pytest.approx(0.3181, abs=5e-5)


# -- properties ------------------------------------------------------------------------------

_GROUPS = st.lists(st.tuples(st.floats(-100, 100), st.floats(0.01, 100)), min_size=3, max_size=12)


@given(_GROUPS)
def test_shrunken_values_lie_between_estimate_and_mean(groups):
    estimates, variances = (np.array(column) for column in zip(*groups, strict=True))
    found = shrink(estimates, variances)
    low = np.minimum(estimates, found.mean) - 1e-9
    high = np.maximum(estimates, found.mean) + 1e-9
    assert np.all((found.values >= low) & (found.values <= high))
    assert estimates.min() - 1e-9 <= found.mean <= estimates.max() + 1e-9


@given(_GROUPS, st.floats(0.01, 100), st.floats(-50, 50))
def test_another_unit_gives_the_same_in_that_unit(groups, factor, shift):
    estimates, variances = (np.array(column) for column in zip(*groups, strict=True))
    here = shrink(estimates, variances)
    there = shrink(factor * estimates + shift, factor**2 * variances)
    scale = 1 + np.abs(estimates).max()
    assert there.values == pytest.approx(
        factor * here.values + shift, rel=1e-6, abs=1e-6 * factor * scale
    )


# -- errors ----------------------------------------------------------------------------------


def test_two_groups_are_refused():
    with pytest.raises(ValueError, match="Fewer than three groups"):
        shrink(np.array([1.0, 2.0]), np.ones(2))


def test_a_variance_of_zero_is_refused():
    with pytest.raises(ValueError, match="variance above zero"):
        shrink(np.array([1.0, 2.0, 3.0]), np.array([1.0, 0.0, 1.0]))


# -- recovery --------------------------------------------------------------------------------


def test_shrunken_estimates_are_nearer_the_truth():
    """200 sets of ten groups that differ by 1, measured with errors of 1: half the squared error.

    With tau^2 = variance the best is B = 1/2, whose squared error is half that of the estimates.
    """
    rng = np.random.default_rng(7)
    truth = rng.normal(5, 1, (200, 10))
    seen = truth + rng.normal(size=truth.shape)
    drawn = np.array([shrink(row, np.ones(10)).values for row in seen])
    assert np.mean((drawn - truth) ** 2) < 0.7 * np.mean((seen - truth) ** 2)
