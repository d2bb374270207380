"""How likely customers are to stay through the next periods, given how long they have been there.

The probability is the product of (1 - hazard) ** exp(log ratio) over those periods: the baseline
of the fit, moved by what is known of the customer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from cxmodel.errors import SchemaError
from cxmodel.models.given_columns import given_numbers
from cxmodel.models.retention.features import columns_in
from cxmodel.models.retention.odd_rows import log_ratio, warn_of_odd_rows
from cxmodel.stats.rates import DAYS_PER_YEAR

if TYPE_CHECKING:
    from cxmodel.models.retention.hazard_result import HazardResult

FloatArray = npt.NDArray[np.float64]
PERIOD = "period"
STAYS = "prob_stays"
_MODEL = "The hazard model"


def predict_staying(
    fit: HazardResult, data: pd.DataFrame, n_periods: int | None = None
) -> pd.DataFrame:
    """Give ``prob_stays`` of each row; see `HazardResult.predict`."""
    require_features(fit)
    n_periods = usual_periods(fit) if n_periods is None else n_periods
    if n_periods < 1:
        raise ValueError(f"n_periods must be 1 or more, not {n_periods}.")
    warn_of_odd_rows(fit, data, _MODEL, stacklevel=3)
    found = (
        data[["customer_id"]].copy() if "customer_id" in data else pd.DataFrame(index=data.index)
    )
    found[STAYS] = staying(fit, data, n_periods)
    return found


def require_features(fit: HazardResult) -> None:
    """Refuse a fit that keeps no columns: of lifelines, or made by hand.

    Raises
    ------
    ValueError
        With what to do.
    """
    if fit.method != "discrete" or len(fit.features) != len(fit.terms):
        raise ValueError(
            f'A hazard model of method="{fit.method}" foretells nothing of single customers here. '
            'Fit it with HazardModel(method="discrete").'
        )


def is_of_one_window(fit: HazardResult) -> bool:
    """Say whether it was fitted to a table already joined, which sees each customer once."""
    return fit.study is not None and fit.study.windows is None


def usual_periods(fit: HazardResult) -> int:
    """Give how far it looks unasked: a year; the one window where there is no more."""
    return 1 if is_of_one_window(fit) else max(round(DAYS_PER_YEAR / fit.period_days), 1)


def columns_of(fit: HazardResult) -> tuple[str, ...]:
    """List the columns of the model, each once."""
    return columns_in(fit.features, fit.levels)


def staying(fit: HazardResult, data: pd.DataFrame, n_periods: int) -> FloatArray:
    """Compute the probability of staying through `n_periods` more, (n,); NaN where unknown.

    Raises
    ------
    SchemaError
        If a column is missing or of the wrong kind, or a period is no whole number.
    """
    terms = zip(fit.features, (term.log_ratio for term in fit.terms), fit.means, strict=True)
    ratio = log_ratio(fit, data, list(terms), _MODEL)
    period = given_numbers(data, PERIOD, _MODEL)
    known = np.isfinite(ratio) & np.isfinite(period)
    _check_periods(fit, np.where(known, period, 0.0))
    first, hazard = _baseline(fit)
    found = np.full(len(data), np.nan)
    start = period[known].astype(np.int64) - first
    inside = (start >= 0) & (start + n_periods <= len(hazard))
    rows, start = np.flatnonzero(known)[inside], start[inside]
    # a hazard of 1 lets nobody through, wherever it stands among the periods
    logs = np.log1p(-np.where(hazard < 1, hazard, 0.0))
    so_far, gone = (np.append(0.0, np.cumsum(part)) for part in (logs, hazard >= 1))
    ahead = so_far[start + n_periods] - so_far[start]
    ahead = np.where(gone[start + n_periods] > gone[start], -np.inf, ahead)
    found[rows] = np.exp(ahead * np.exp(ratio[rows]))
    return found


def _check_periods(fit: HazardResult, period: FloatArray) -> None:
    wrong = np.flatnonzero((period < 0) | (period != np.floor(period)))
    if wrong.size:
        raise SchemaError(
            f"{PERIOD} must hold whole numbers of 0 or more, and not {period[wrong[0]]:g}: how "
            f"many periods each customer has been there since {fit.clock}.",
            row=int(wrong[0]),
            n_rows=wrong.size,
        )


def last_period(fit: HazardResult) -> int:
    """Give the last period that anybody was seen in."""
    first, hazard = _baseline(fit)
    return first + len(hazard) - 1


def _baseline(fit: HazardResult) -> tuple[int, FloatArray]:
    """Give the first period, and the hazard of each from there on."""
    return int(fit.baseline["period"].iloc[0]), fit.baseline["hazard"].to_numpy(dtype=float)
