"""Errors of least squares when few customers decide: CR2 with its own degrees of freedom."""

from __future__ import annotations

import numpy as np
from scipy.linalg import solve_triangular

from cxmodel.models.estimation import Quantity, Sample
from cxmodel.stats.linear import LeastSquares, orthonormal_of
from cxmodel.stats.sandwich import cr2_influence
from cxmodel.stats.small_samples import satterthwaite_degrees


def cr2_quantity(sample: Sample, fit: LeastSquares, column: int) -> Quantity:
    """Give a coefficient with its bias-reduced error by customer and t of Bell & McCaffrey.

    CR2 by customer, which is HC2 where everybody answered once. Where customer effects were
    absorbed, the columns less their means give the same adjustment as a dummy for each customer
    (Pustejovsky & Tipton 2018, theorem 2).

    Parameters
    ----------
    sample : Sample
        The rows of the fit, weighted alike.
    fit : LeastSquares
        On those rows.
    column : int
        Of the design; one that was not dropped.
    """
    direction = np.asarray(solve_triangular(fit.triangle, fit.basis.back[column], trans="T"))
    orthonormal = orthonormal_of(fit.basis, fit.triangle, fit.weights)
    scores = np.sqrt(fit.weights) * fit.residuals
    sums = cr2_influence(orthonormal, scores, direction[:, None], sample.customers)[:, 0]
    influence = np.zeros(sample.n_customers)
    influence[np.unique(sample.customers)] = sums
    degrees = satterthwaite_degrees(orthonormal, direction, sample.customers)
    return Quantity(float(fit.coefficients[column]), influence, sample.n_obs, degrees)
