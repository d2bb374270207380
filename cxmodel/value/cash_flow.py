"""When a gain pays: ramp, fade, retention and discounting, month by month."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from cxmodel.stats.rates import DAYS_PER_MONTH, discount_factors

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Fade:
    """How much of a gain is there at time t, in months from today.

    Within the outcome window all of it is: that is what was observed. Beyond it, what is assumed.

    Parameters
    ----------
    window_months : float
        The outcome window.
    lasts_months : float, optional
        The gain ends here; by default with the window. ``math.inf`` is a gain that never fades.
    half_life_months : float, optional
        Instead: beyond the window the gain halves every so many months.
    """

    window_months: float
    lasts_months: float | None = None
    half_life_months: float | None = None

    def within(self, n_months: int) -> FloatArray:
        """Give the share of each month 1..n that lies in the window, while the gain lasts."""
        end = self.window_months
        if self.lasts_months is not None:
            end = min(end, self.lasts_months)
        return _overlap(0.0, end, n_months)

    def beyond(self, n_months: int) -> FloatArray:
        """Give the mean of the gain over the part of each month 1..n beyond the window."""
        start = self.window_months
        if self.half_life_months is None:
            end = start if self.lasts_months is None else max(start, self.lasts_months)
            return _overlap(start, end, n_months)
        # the integral of 2 ** (-(t - start) / half_life) over each month
        edges = np.maximum(np.arange(n_months + 1, dtype=float), start) - start
        scale = self.half_life_months / np.log(2)
        return np.asarray(-np.diff(np.exp(-edges / scale)) * scale, dtype=float)

    def cut_off(self) -> Fade:
        """Give the same fade, ended with the observed window."""
        lasts = self.window_months if self.lasts_months is None else self.lasts_months
        ends = min(lasts, self.window_months)
        return replace(self, lasts_months=ends, half_life_months=None)

    def unending(self) -> Fade:
        """Give a gain that never fades."""
        return replace(self, lasts_months=float("inf"), half_life_months=None)


def _overlap(start: float, end: float, n_months: int) -> FloatArray:
    edges = np.clip(np.arange(n_months + 1, dtype=float), start, max(start, end))
    return np.asarray(np.diff(edges), dtype=float)


def ramp(ramp_months: float, n_months: int) -> FloatArray:
    """Give how far a programme works in months 1..n: ``min(1, month / ramp_months)``.

    Examples
    --------
    >>> ramp(4, 5).tolist()
    [0.25, 0.5, 0.75, 1.0, 1.0]
    """
    if ramp_months <= 1:  # the first month is full at its end
        return np.ones(n_months)
    return np.minimum(1.0, np.arange(1, n_months + 1) / ramp_months)


def benefit_weights(
    fade: Fade, retention: FloatArray, *, ramp_months: float, outcome_days: float
) -> FloatArray:
    """Give what each month brings of a lift that is stated per outcome window.

    The monthly benefit of one customer is the lift x this. In the window the lift already holds
    those who leave; beyond it only customers whom `retention` still holds count.

    Parameters
    ----------
    fade : Fade
        How much of the gain is left.
    retention : numpy.ndarray, shape (..., n_months)
        Share of customers still there at the end of months 1..n; 1 curve or many draws.
    ramp_months, outcome_days : float
        Months until the programme works in full; days of the lift's window.

    Returns
    -------
    numpy.ndarray, of the shape of `retention`

    Examples
    --------
    With no ramp and no more than the window, all months together bring the lift once.

    >>> weights = benefit_weights(Fade(window_months=6), np.ones(12), ramp_months=0,
    ...                           outcome_days=6 * 365.25 / 12)
    >>> float(weights.sum())
    1.0
    """
    n_months = retention.shape[-1]
    held = fade.within(n_months) + fade.beyond(n_months) * retention
    return np.asarray(
        held * ramp(ramp_months, n_months) * (DAYS_PER_MONTH / outcome_days), dtype=float
    )


def net_present_value(flows: npt.ArrayLike, annual_discount_rate: float) -> FloatArray:
    """Discount flows at months 0, 1, 2, ... to today; the last axis is time.

    Examples
    --------
    >>> round(float(net_present_value([-90.0] + [0.0] * 11 + [110.0], 0.10)), 6)
    10.0
    """
    amounts = np.asarray(flows, dtype=float)
    factors = discount_factors(annual_discount_rate, np.arange(amounts.shape[-1]))
    return np.asarray(amounts @ factors, dtype=float)


def payback_months(cumulative: npt.ArrayLike) -> FloatArray:
    """Give the month from which cumulative flows stay at zero or above; infinite if never.

    Flows are taken to come in evenly over their month. A total that turns negative again has not
    paid back yet.

    Parameters
    ----------
    cumulative : array_like of float, shape (..., n_months + 1)
        Cumulative flows at months 0, 1, 2, ...

    Returns
    -------
    numpy.ndarray, shape (...)

    Examples
    --------
    >>> round(float(payback_months([-100, -50, 25, 60])), 4)
    1.6667
    """
    totals = np.atleast_2d(np.asarray(cumulative, dtype=float))
    # rounding must not turn a total of zero into a debt
    slack = 1e-9 * np.abs(totals).max(axis=1, keepdims=True, initial=0.0)
    in_debt = totals < -slack
    n_months = totals.shape[1] - 1
    last = np.where(in_debt.any(axis=1), n_months - np.argmax(in_debt[:, ::-1], axis=1), -1)
    rows = np.arange(len(totals))
    before = totals[rows, np.maximum(last, 0)]
    after = totals[rows, np.minimum(last + 1, n_months)]
    share = np.divide(-before, after - before, out=np.zeros(len(totals)), where=after > before)
    months = np.where(last < 0, 0.0, np.where(last >= n_months, np.inf, last + share))
    return np.asarray(months.reshape(np.shape(cumulative)[:-1]), dtype=float)
