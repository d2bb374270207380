"""A regression fitted by passes over the rows, and the errors that further passes give it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cxmodel.errors import FitError
from cxmodel.models.moments.cell_fits import Family
from cxmodel.models.moments.passes import MEANS
from cxmodel.tables.moments import CompleteRows, CustomerCounts, Meat, clustered_meat, robust_meat
from cxmodel.tables.reduction.cross_products import Designed
from cxmodel.tables.reduction.last_pass import LogitSums
from cxmodel.tables.reduction.second_pass import RobustKind

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False, kw_only=True)
class PassFit:
    """A regression fitted by passes over the rows.

    Parameters
    ----------
    rows : CompleteRows
        The rows used.
    moments : Designed
        The design; of least squares with its cross-products, on standard columns.
    family : {"linear", "logit", "poisson", "gamma"}
        Identity, logistic or exponential mean.
    standard, coefficients : array (k,)
        On standard columns, and in own units; 0 for collinear columns.
    inverse : array (k, k)
        Of minus the Hessian, in standard units; 0 in rows and columns of collinear columns.
    collinear : tuple of str
        Columns that are constant or repeat columns before them.
    residual_squares : float
        Weighted, in own units; of least squares alone.
    information : array (k, k) or None
        Of a likelihood's last step, in standard units.
    sums : LogitSums or None
        What the last pass of a logit found for its errors and effects.
    """

    rows: CompleteRows
    moments: Designed
    family: Family
    standard: Floats
    coefficients: Floats
    inverse: Floats
    collinear: tuple[str, ...]
    residual_squares: float = 0.0
    information: Floats | None = None
    sums: LogitSums | None = None

    @property
    def n_obs(self) -> int:
        """Rows."""
        return self.rows.n_used

    @property
    def n_params(self) -> int:
        """Coefficients that were estimated."""
        return len(self.standard) - len(self.collinear)

    @property
    def scale(self) -> float:
        """Units of the outcome in one of the fit's: 1 but for least squares."""
        return self.moments.design.outcomes[0].scale if self.family == "linear" else 1.0

    def robust(self, kind: RobustKind = "HC1") -> Meat:
        """Add up squared scores over rows."""
        if self.sums is not None and kind in ("HC0", "HC1"):
            return Meat(matrix=self.sums.meat, kind=kind, n_obs=self.n_obs)
        return robust_meat(
            self.rows,
            self.moments,
            self.standard,
            kind=kind,
            mean=MEANS[self.family],
            information=self.information,
        )

    def clustered(self, customers: CustomerCounts) -> Meat:
        """Add up squared scores over customers."""
        return clustered_meat(
            self.rows,
            self.moments,
            self.standard,
            mean=MEANS[self.family],
            customers=customers,
        )

    def covariance(self, meat: Meat) -> Floats:
        """Put a meat, with its small-sample factor, between the inverses; in own units, (k, k)."""
        return meat.factor(self.n_params) * self._outward(self.inverse @ meat.matrix @ self.inverse)

    def classical(self) -> Floats:
        """Give the covariance under one variance, or under the likelihood.

        Raises
        ------
        FitError
            If it needs a dispersion that is not known.
        """
        if self.family == "linear":
            spread = self.residual_squares / (self.n_obs - self.n_params)
            return spread * self._outward(self.inverse) / self.scale**2
        if self.family == "gamma" or self.rows.weight is not None:
            raise FitError(
                "Classical errors need a dispersion that is known: not so with the gamma family or "
                'with weights. Take errors="HC0" or "HC1".'
            )
        return self._outward(self.inverse)

    def _outward(self, matrix: Floats) -> Floats:
        back = self.moments.design.back()
        return np.asarray(back @ matrix @ back.T) * self.scale**2
