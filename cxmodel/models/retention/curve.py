"""The share of customers still there, month by month, with its uncertainty."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from cxmodel.stats.lifetime_survival import geometric_survival

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False, kw_only=True)
class RetentionCurve:
    """The share of customers still there, month by month, with its uncertainty.

    Parameters
    ----------
    months : numpy.ndarray, shape (h + 1,)
        0, 1, 2, ... h, in months of 365.25 / 12 days (or periods, from `fit_counts`).
    retention, conf_low, conf_high : numpy.ndarray, shape (h + 1,)
        Fractions; 1 at month 0.
    observed : numpy.ndarray of bool, shape (h + 1,)
        False where the model continues what was observed.
    draws : numpy.ndarray, shape (k, h + 1)
        The curve under k redrawn weightings of the customers.

    Examples
    --------
    >>> curve = RetentionCurve.constant(prob_churn_per_month=0.02, horizon_months=12)
    >>> round(float(curve.at(6)), 4)
    0.8858
    """

    months: FloatArray
    retention: FloatArray
    conf_low: FloatArray
    conf_high: FloatArray
    observed: npt.NDArray[np.bool_]
    draws: FloatArray

    @classmethod
    def constant(cls, *, prob_churn_per_month: float, horizon_months: int) -> RetentionCurve:
        """Assume that every month loses the same share, known exactly.

        Raises
        ------
        ValueError
            If the share lies outside [0, 1].
        """
        if not 0 <= prob_churn_per_month <= 1:
            raise ValueError(
                f"prob_churn_per_month must lie in [0, 1], not {prob_churn_per_month}."
            )
        months = np.arange(horizon_months + 1, dtype=float)
        stays = geometric_survival(prob_churn_per_month, months)
        assumed = np.zeros(months.size, dtype=bool)
        return cls(
            months=months,
            retention=stays,
            conf_low=stays,
            conf_high=stays,
            observed=assumed,
            draws=stays[None, :],
        )

    @property
    def horizon_months(self) -> int:
        """The last month of the curve."""
        return int(self.months[-1])

    def at(self, month: npt.ArrayLike) -> FloatArray:
        """Interpolate retention between months.

        Raises
        ------
        ValueError
            If a month lies outside the curve.
        """
        asked = np.asarray(month, dtype=float)
        if asked.size and (asked.min() < 0 or asked.max() > self.months[-1]):
            raise ValueError(
                f"The retention curve covers months 0-{self.horizon_months}, not {asked.max():g}. "
                "Ask RetentionFit.curve for a longer horizon."
            )
        return np.asarray(np.interp(asked, self.months, self.retention), dtype=float)

    def draw(self, n_draws: int, seed: int) -> FloatArray:
        """Draw whole curves, shape (n_draws, h + 1), from the redrawn weightings."""
        chosen = np.random.default_rng(seed).integers(0, len(self.draws), n_draws)
        return self.draws[chosen]

    def rows(self) -> list[dict[str, Any]]:
        """Give the rows of ``retention.curve`` in ``results.json``."""
        return [
            {
                "month": int(month),
                "retention": float(share),
                "conf_low": float(low),
                "conf_high": float(high),
                "observed": bool(seen),
            }
            for month, share, low, high, seen in zip(
                self.months,
                self.retention,
                self.conf_low,
                self.conf_high,
                self.observed,
                strict=True,
            )
        ]

    def to_frame(self) -> pd.DataFrame:
        """Give one row a month."""
        return pd.DataFrame(self.rows())
