"""Money foretold for the windows after an origin, beside what the ledger then showed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from cxmodel.models.retention.fit import RetentionFit
from cxmodel.results import Estimate, NotRun, critical_value
from cxmodel.tables.later_revenue import Ledger
from cxmodel.tables.observation_table import Observations
from cxmodel.value.cltv.later_origin import Origin
from cxmodel.value.cltv.later_result import LaterWindow, LaterWindows
from cxmodel.value.cltv.lifetime import Horizon
from cxmodel.value.cltv.rows import SpendRows
from cxmodel.value.cltv.settings import ValueSettings

FloatArray = npt.NDArray[np.float64]
FEWEST = 30


def with_revenue(
    found: LaterWindows,
    origin: Origin,
    fit: RetentionFit,
    months_there: FloatArray,
    obs: Observations,
    rows: SpendRows,
    ledger: Ledger,
    settings: ValueSettings,
) -> LaterWindows:
    """Add money to later windows: spending per month of a customer who is there, times months.

    As values are made: what customers spent in outcome windows that were over by the origin,
    divided by the months they were there in them, goes on for as long as customers stay.

    Parameters
    ----------
    found : LaterWindows
        Who stayed, foretold and as it came.
    origin : Origin
        Who was there.
    fit : RetentionFit
        What was known of staying.
    months_there : numpy.ndarray, shape (1 + draws, k)
        Months that a customer of the origin is there in each window: foretold, then drawn.
    obs, rows : Observations, SpendRows
        What was spent after each response.
    ledger : Ledger
        What came.
    settings : ValueSettings
        What counts.
    """
    rate = _spending_per_month(origin, fit, obs, rows, settings)
    if isinstance(rate, NotRun):
        return replace(found, revenue_error=rate)
    n_windows = len(found.windows)
    came = ledger.revenue_after(
        obs.frame.loc[origin.chosen, "customer_id"].astype(str).tolist(),
        origin.at.to_pydatetime(),
        days=obs.windows.outcome_days,
        n_windows=n_windows,
    )
    n_draws = min(len(rate), len(months_there))
    foretold = rate[:n_draws, None] * months_there[:n_draws, :n_windows]
    share = origin.weights / origin.weights.sum()
    windows = tuple(
        _window(window, foretold[:, k], came[:, k], share, settings.conf_level)
        for k, window in enumerate(found.windows)
    )
    return replace(found, windows=windows, revenue_error=_error(foretold, came, share, settings))


def _spending_per_month(
    origin: Origin,
    fit: RetentionFit,
    obs: Observations,
    rows: SpendRows,
    settings: ValueSettings,
) -> FloatArray | NotRun:
    """Give money per month of a customer who is there, as known at the origin; then its draws."""
    length = pd.Timedelta(days=obs.windows.gap_days + obs.windows.outcome_days)
    is_over = (obs.frame["responded_at"] + length <= origin.at).to_numpy(dtype=bool)
    known = rows.only(is_over)
    if len(known.amount) < FEWEST:
        return NotRun(
            f"{len(known.amount)} customers had an outcome window that was over by "
            f"{origin.last_day}; {FEWEST} are needed to foretell their spending"
        )
    horizon = Horizon(
        n_months=1,
        annual_discount_rate=0.0,
        window_months=rows.window_months,
        gap_months=rows.gap_months,
    )
    curve = fit.curve(int(np.ceil(rows.window_months + rows.gap_months)) + 1)
    there = horizon.months_there(horizon.from_window(np.vstack([curve.retention, curve.draws])))
    means = known.redrawn_means(settings.n_draws, settings.seed)
    spent = np.append(known.mean(), means)[: len(there)]
    return np.asarray(np.where(np.isnan(spent), known.mean(), spent) / there[: len(spent)])


def _window(
    window: LaterWindow, foretold: FloatArray, came: FloatArray, share: FloatArray, level: float
) -> LaterWindow:
    mean = float(share @ came)
    error = np.sqrt(np.mean((foretold[1:] - foretold[0]) ** 2) + share**2 @ (came - mean) ** 2)
    half = critical_value(level) * float(error)
    return replace(
        window,
        predicted_revenue=float(foretold[0]),
        revenue_low=float(foretold[0]) - half,
        revenue_high=float(foretold[0]) + half,
        actual_revenue=mean,
    )


def _error(
    foretold: FloatArray, came: FloatArray, share: FloatArray, settings: ValueSettings
) -> Estimate | NotRun:
    """Give the error of the sum over all windows in percent, by the delta method."""
    total, each = foretold.sum(axis=1), came.sum(axis=1)
    mean = float(share @ each)
    if mean <= 0:
        return NotRun(f"what came is {mean:,.2f} a customer, so an error in percent means nothing")
    ratio = float(total[0]) / mean
    spread = np.mean((total[1:] - total[0]) ** 2) + ratio**2 * (share**2 @ (each - mean) ** 2)
    return Estimate.from_std_error(
        100 * (ratio - 1),
        100 * float(np.sqrt(spread)) / mean,
        unit="percent of what came",
        n_obs=len(each),
        conf_level=settings.conf_level,
    )
