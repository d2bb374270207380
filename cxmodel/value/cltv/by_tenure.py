"""Lifetimes by tenure: who has been there for long stays longer, and may pay more."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cxmodel.models.retention.fit import RetentionFit
from cxmodel.stats.draws import draw_customer_weights
from cxmodel.value.cltv.lifetime import Horizon
from cxmodel.value.cltv.rows import SpendRows

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False, kw_only=True)
class TenureLifetimes:
    """Discounted months still to come of customers of each tenure.

    Parameters
    ----------
    place : numpy.ndarray of int, shape (n,)
        Which tenure each customer has.
    point : numpy.ndarray, shape (tenures,)
        By the fitted curve.
    draws : numpy.ndarray, shape (k, tenures)
        By the curves of redrawn customers.
    """

    place: npt.NDArray[np.intp]
    point: FloatArray
    draws: FloatArray

    @classmethod
    def of(cls, fit: RetentionFit, tenure_months: FloatArray, horizon: Horizon) -> TenureLifetimes:
        """Take the curve from each tenure on, among those still there then."""
        tenures, place = np.unique(np.floor(tenure_months).astype(int), return_inverse=True)
        ahead = max(horizon.n_months, horizon.window_months) + horizon.gap_months
        reach = int(np.ceil(ahead)) + 1
        whole = fit.curve(reach + int(tenures[-1]))
        curves = np.vstack([whole.retention, whole.draws])
        lives = np.column_stack(
            [horizon.lifetimes(curves[:, start : start + reach + 1]) for start in tenures]
        )
        return cls(place=place, point=lives[0], draws=lives[1:])

    def mean_value(self, rows: SpendRows) -> float:
        """Give the mean over customers of their own money times their own months."""
        worth = rows.amount * self.point[self.place]
        return float(rows.weights @ worth / rows.weights.sum())

    def redrawn_means(self, rows: SpendRows, n_draws: int, seed: int) -> FloatArray:
        """Give the same under other weights of the customers, draw by draw."""
        found = np.full(n_draws, np.nan)
        for draw in range(n_draws):
            weights = draw_customer_weights(rows.n_customers, draw, seed)[rows.customer]
            weights *= rows.weights
            money = np.bincount(self.place, weights * rows.amount, self.point.size)
            if weights.sum() > 0:
                lives = self.draws[draw % len(self.draws)]
                found[draw] = money @ lives / weights.sum()
        return found
