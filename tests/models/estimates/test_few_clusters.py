"""CR2 errors of a coefficient: against dense algebra with a dummy for each customer."""

from __future__ import annotations

import numpy as np
import pytest

from cxmodel.models.estimates.few_clusters import cr2_quantity
from cxmodel.models.estimation import Sample
from cxmodel.stats.fixed_effects import fit_within


def _sample(seed=1):
    rng = np.random.default_rng(seed)
    customers = np.sort(rng.integers(0, 15, 60))
    rating = rng.normal(size=60) + customers / 5
    outcome = 2 * rating + customers + rng.normal(size=60)
    return Sample.build(outcome, rating, rng.normal(size=(60, 2)), customers, 20)


def test_absorbed_effects_adjust_as_dummies_do():
    """Bell & McCaffrey with all 15 dummies in the hat matrix, and tr(M)^2 / tr(M^2)."""
    sample = _sample()
    within = np.column_stack([sample.rating, sample.controls])
    found = cr2_quantity(sample, fit_within(within, sample.outcome, sample.customers), 0)
    codes = np.unique(sample.customers, return_inverse=True)[1]
    design = np.column_stack([within, np.eye(codes.max() + 1)[codes]])
    q, r = np.linalg.qr(design)
    maker = np.eye(60) - q @ q.T
    residuals = maker @ sample.outcome
    direction = np.linalg.solve(r.T, np.eye(design.shape[1])[0])
    columns = []
    for code in np.unique(codes):
        rows = codes == code
        values, vectors = np.linalg.eigh(np.eye(rows.sum()) - q[rows] @ q[rows].T)
        powers = np.where(values > 1e-9, np.maximum(values, 1e-9) ** -0.5, 0.0)
        adjust = vectors @ np.diag(powers) @ vectors.T
        pull = np.zeros(60)
        pull[rows] = adjust @ q[rows] @ direction
        columns.append(pull)
    pulls = np.column_stack(columns)
    assert found.value == pytest.approx(np.linalg.lstsq(design, sample.outcome)[0][0])
    assert found.std_error == pytest.approx(np.sqrt(np.sum((pulls.T @ residuals) ** 2)), rel=1e-8)
    form = pulls.T @ maker @ pulls
    expected = np.trace(form) ** 2 / np.trace(form @ form)
    assert found.deg_freedom == pytest.approx(expected, rel=1e-8)


def test_customers_outside_the_sample_have_no_influence():
    sample = _sample()
    fit = fit_within(sample.rating[:, None], sample.outcome, sample.customers)
    found = cr2_quantity(sample, fit, 0)
    assert len(found.influence) == 20
    assert np.all(found.influence[15:] == 0)
