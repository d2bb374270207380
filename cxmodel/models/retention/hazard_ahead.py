"""How likely customers are to stay through the next periods, given how long they have been there.

The probability is the product of (1 - hazard) ** exp(log ratio) over those periods: the baseline
of the fit, moved by what is known of the customer.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from cxmodel.errors import CxModelWarning, SchemaError
from cxmodel.models.given_columns import given_numbers, require_column

if TYPE_CHECKING:
    from cxmodel.models.retention.hazard_result import HazardResult

FloatArray = npt.NDArray[np.float64]
PERIOD = "period"
STAYS = "prob_stays"
_MODEL = "The hazard model"


def predict_staying(fit: HazardResult, data: pd.DataFrame, n_periods: int) -> pd.DataFrame:
    """Give ``prob_stays`` of each row; see `HazardResult.predict`."""
    require_features(fit)
    if n_periods < 1:
        raise ValueError(f"n_periods must be 1 or more, not {n_periods}.")
    for column, n in unseen_levels(fit, data).items():
        warnings.warn(
            f"{n:,} row(s) have a level of {column!r} that was not seen at the fit: they count as "
            f"{fit.levels[column][0]!r}.",
            CxModelWarning,
            stacklevel=3,
        )
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


def columns_of(fit: HazardResult) -> tuple[str, ...]:
    """List the columns of the model, each once."""
    return tuple(dict.fromkeys((*(one.column for one in fit.features), *fit.levels)))


class HasLevels(Protocol):
    """A model with columns of text."""

    @property
    def levels(self) -> dict[str, tuple[str, ...]]:
        """Every level that was seen at the fit, by column; the first is the reference."""


def unseen_levels(fit: HasLevels, data: pd.DataFrame) -> dict[str, int]:
    """Count the rows with a level that was not seen at the fit, by column."""
    found = {}
    for column, levels in fit.levels.items():
        if column in data:
            words = data[column].astype("string")
            found[column] = int((words.notna() & ~words.isin(levels)).sum())
    return {column: n for column, n in found.items() if n}


def staying(fit: HazardResult, data: pd.DataFrame, n_periods: int) -> FloatArray:
    """Compute the probability of staying through `n_periods` more, (n,); NaN where unknown.

    Raises
    ------
    SchemaError
        If a column is missing or of the wrong kind, or a period is no whole number.
    """
    log_ratio = _log_ratio(fit, data)
    period = given_numbers(data, PERIOD, _MODEL)
    known = np.isfinite(log_ratio) & np.isfinite(period)
    if ((period[known] < 0) | (period[known] != np.floor(period[known]))).any():
        raise SchemaError(
            "period must hold whole numbers of 0 or more: how many periods each customer has been "
            f"there, counted from when {fit.clock}."
        )
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
    found[rows] = np.exp(ahead * np.exp(log_ratio[rows]))
    return found


def last_period(fit: HazardResult) -> int:
    """Give the last period that anybody was seen in."""
    first, hazard = _baseline(fit)
    return first + len(hazard) - 1


def _baseline(fit: HazardResult) -> tuple[int, FloatArray]:
    """Give the first period, and the hazard of each from there on."""
    return int(fit.baseline["period"].iloc[0]), fit.baseline["hazard"].to_numpy(dtype=float)


def _log_ratio(fit: HazardResult, data: pd.DataFrame) -> FloatArray:
    """Give the logarithm of each customer's hazard over the baseline's."""
    for column in columns_of(fit):
        require_column(data, column, _MODEL)
    gap = np.zeros(len(data), dtype=bool)
    for column in fit.levels:
        gap |= data[column].isna().to_numpy()
    found = np.zeros(len(data))
    for one, term, mean in zip(fit.features, fit.terms, fit.means, strict=True):
        if one.level is None:
            values = given_numbers(data, one.column, _MODEL)
        else:
            values = one.values(data[one.column])
        found += term.log_ratio * (values - mean)
    return np.where(gap, np.nan, found)
