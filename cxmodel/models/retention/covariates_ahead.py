"""How likely customers are to stay through the next months, by a retention model with covariates.

The probability is S(t + n) / S(t) of a customer with these covariates: who has been there for long
is likelier to stay, because those who leave easily have left.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from cxmodel.errors import CxModelWarning, SchemaError
from cxmodel.models.given_columns import given_numbers, require_column
from cxmodel.models.retention.hazard_ahead import STAYS, unseen_levels
from cxmodel.stats.lifetime_survival import lifetime_survival

if TYPE_CHECKING:
    from cxmodel.models.retention.covariates import RetentionByCovariates

FloatArray = npt.NDArray[np.float64]
MONTHS = "months"
_MODEL = "The retention model"


def predict_staying(fit: RetentionByCovariates, data: pd.DataFrame, n_months: int) -> pd.DataFrame:
    """Give ``prob_stays`` of each row; see `RetentionByCovariates.predict`."""
    if n_months < 1:
        raise ValueError(f"n_months must be 1 or more, not {n_months}.")
    for column, n in unseen_levels(fit, data).items():
        warnings.warn(
            f"{n:,} row(s) have a level of {column!r} that was not seen at the fit: they count as "
            f"{fit.levels[column][0]!r}.",
            CxModelWarning,
            stacklevel=3,
        )
    names = ["customer_id"] if "customer_id" in data else []
    return data[names].assign(**{STAYS: staying(fit, data, n_months)})


def columns_of(fit: RetentionByCovariates) -> tuple[str, ...]:
    """List the columns of the model beside time, each once."""
    return tuple(dict.fromkeys((*(one.column for one in fit._features), *fit.levels)))


def staying(fit: RetentionByCovariates, data: pd.DataFrame, n_months: int) -> FloatArray:
    """Compute the probability of staying through `n_months` more, (n,); NaN where unknown.

    Raises
    ------
    SchemaError
        If a column is missing or of the wrong kind, or months are below 0.
    """
    ratio = np.exp(_log_ratio(fit, data))
    months = given_numbers(data, MONTHS, _MODEL)
    known = np.isfinite(ratio) & np.isfinite(months)
    wrong = np.flatnonzero(known & (months < 0))
    if wrong.size:
        raise SchemaError(
            f"{MONTHS} must be 0 or more, and not {months[wrong[0]]:g}: how long each customer has "
            f"been there, counted from when {fit.clock}."
        )
    found = np.full(len(data), np.nan)
    time, own = months[known], ratio[known]
    parameters = np.array(list(fit.parameters.values()))
    there = lifetime_survival(fit.family, parameters, time, own)
    later = lifetime_survival(fit.family, parameters, time + n_months, own)
    found[known] = np.divide(later, there, out=np.full(later.size, np.nan), where=there > 0)
    return found


def _log_ratio(fit: RetentionByCovariates, data: pd.DataFrame) -> FloatArray:
    """Give the logarithm of each customer's hazard over that at the means."""
    for column in columns_of(fit):
        require_column(data, column, _MODEL)
    found = np.zeros(len(data))
    for one in fit._features:
        given: pd.Series[Any] = data[one.column]
        is_number = one.level is None
        values = given_numbers(data, one.column, _MODEL) if is_number else one.values(given)
        values = np.where(given.isna(), np.nan, values)
        found += fit.coefficients[one.name] * (values - fit.means[one.name])
    return found
