"""Discounted months of a customer: what a unit of observed spending is worth over a horizon."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cxmodel.stats.rates import discount_factors

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Horizon:
    """How far a customer's value is counted, and over what window spending was observed.

    Parameters
    ----------
    n_months : int
        The horizon.
    annual_discount_rate : float
        A fraction per year.
    window_months : float
        Months over which spending per starting customer was observed; 0 where spending is known
        per month of a customer who is there.
    gap_months : float
        Months between the response and the window; time counts from the window's start.
    """

    n_months: int
    annual_discount_rate: float
    window_months: float
    gap_months: float = 0.0

    def lifetimes(self, retention: FloatArray) -> FloatArray:
        """Give what one unit of money, spent in the whole window, comes to over the horizon.

        In the window the unit is spread evenly over time, as the ledger holds it for starting
        customers. Beyond it every customer still there spends as much a month as one did in the
        window: the unit, divided by the months that customers were there in it.
        With a window of 0 months the unit is spending per month of a customer who is there.

        Parameters
        ----------
        retention : numpy.ndarray, shape (draws, h + 1)
            Share still there at months 0, 1, ... h after the response.

        Returns
        -------
        numpy.ndarray, shape (draws,)

        Raises
        ------
        ValueError
            If the curves end before gap and horizon.

        Examples
        --------
        Nobody leaves and nothing is discounted: 100 in 6 months are 600 in 36.

        >>> horizon = Horizon(n_months=36, annual_discount_rate=0.0, window_months=6.0)
        >>> round(float(100 * horizon.lifetimes(np.ones((1, 37)))[0]), 6)
        600.0
        """
        stays = self.from_window(retention)
        discounts = discount_factors(self.annual_discount_rate, np.arange(1, self.n_months + 1))
        beyond = self.beyond_window()
        if self.window_months == 0:
            return np.asarray((stays[:, 1 : self.n_months + 1] * beyond) @ discounts, dtype=float)
        within = (1.0 - beyond) / self.window_months
        per_survivor = beyond * stays[:, 1 : self.n_months + 1] / self.months_there(stays)[:, None]
        return np.asarray((within + per_survivor) @ discounts, dtype=float)

    def beyond_window(self) -> FloatArray:
        """Give the share of each month 1..n of the horizon that lies beyond the window."""
        edges = np.arange(self.n_months + 1, dtype=float)
        return np.asarray(1.0 - np.diff(np.clip(edges, 0.0, self.window_months)), dtype=float)

    def from_window(self, retention: FloatArray) -> FloatArray:
        """Start the curves where the window starts, among those still there then."""
        reach = max(self.n_months, int(np.ceil(self.window_months)))
        n_known = retention.shape[1] - 1
        if n_known < self.gap_months + self.n_months:
            raise ValueError(
                f"The retention curve ends at month {n_known}; gap and horizon need "
                f"{self.gap_months + self.n_months:.1f}. Ask for a longer curve."
            )
        at = np.minimum(np.arange(reach + 1) + self.gap_months, n_known)
        low = np.floor(at).astype(int)
        high = np.minimum(low + 1, n_known)
        curve = retention[:, low] + (at - low) * (retention[:, high] - retention[:, low])
        start = curve[:, :1]
        return np.asarray(
            np.divide(curve, start, out=np.zeros_like(curve), where=start > 0), dtype=float
        )

    def months_there(self, stays: FloatArray) -> FloatArray:
        """Months that a starting customer was there in the window, by the trapezoid rule."""
        n_whole = int(np.ceil(self.window_months))
        edges = np.clip(np.arange(n_whole + 1, dtype=float), 0.0, self.window_months)
        middle = (stays[:, :n_whole] + stays[:, 1 : n_whole + 1]) / 2
        return np.asarray(middle @ np.diff(edges), dtype=float).clip(1e-12)
