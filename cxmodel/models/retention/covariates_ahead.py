"""How likely customers are to stay through the next months, by a retention model with covariates.

The probability is S(t + n) / S(t) of a customer with these covariates: who has been there for long
is likelier to stay, because those who leave easily have left.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from cxmodel.errors import CxModelWarning, SchemaError
from cxmodel.models.given_columns import given_numbers
from cxmodel.models.retention.features import columns_in
from cxmodel.models.retention.hazard_ahead import STAYS
from cxmodel.models.retention.odd_rows import log_ratio, warn_of_odd_rows
from cxmodel.stats.lifetime_survival import lifetime_survival

if TYPE_CHECKING:
    from cxmodel.models.retention.covariates_result import RetentionByCovariates

FloatArray = npt.NDArray[np.float64]
MONTHS = "months"
_MODEL = "The retention model"


def predict_staying(fit: RetentionByCovariates, data: pd.DataFrame, n_months: int) -> pd.DataFrame:
    """Give ``prob_stays`` of each row; see `RetentionByCovariates.predict`."""
    if n_months < 1:
        raise ValueError(f"n_months must be 1 or more, not {n_months}.")
    warn_of_odd_rows(fit, data, _MODEL, stacklevel=3)
    n_beyond = int((given_numbers(data, MONTHS, _MODEL) > last_months(fit, n_months)).sum())
    if n_beyond:
        warnings.warn(
            f"{n_beyond:,} row(s) look beyond the {fit.observed_months:,} months that anybody was "
            "seen: there the curve speaks alone.",
            CxModelWarning,
            stacklevel=3,
        )
    names = ["customer_id"] if "customer_id" in data else []
    return data[names].assign(**{STAYS: staying(fit, data, n_months)})


def last_months(fit: RetentionByCovariates, n_months: int) -> int:
    """Give how long a customer may have been there for the months ahead to have been seen."""
    return fit.observed_months - n_months


def columns_of(fit: RetentionByCovariates) -> tuple[str, ...]:
    """List the columns of the model beside time, each once."""
    return columns_in(fit._features, fit.levels)


def staying(fit: RetentionByCovariates, data: pd.DataFrame, n_months: int) -> FloatArray:
    """Compute the probability of staying through `n_months` more, (n,); NaN where unknown.

    Raises
    ------
    SchemaError
        If a column is missing or of the wrong kind, or months are below 0.
    """
    terms = [(one, fit.coefficients[one.name], fit.means[one.name]) for one in fit._features]
    ratio = np.exp(log_ratio(fit, data, terms, _MODEL))
    months = given_numbers(data, MONTHS, _MODEL)
    known = np.isfinite(ratio) & np.isfinite(months)
    wrong = np.flatnonzero(known & (months < 0))
    if wrong.size:
        raise SchemaError(
            f"{MONTHS} must be 0 or more, and not {months[wrong[0]]:g}: how long each customer has "
            f"been there since {fit.clock}.",
            row=int(wrong[0]),
            n_rows=wrong.size,
        )
    found = np.full(len(data), np.nan)
    time, own = months[known], ratio[known]
    parameters = np.array(list(fit.parameters.values()))
    there = lifetime_survival(fit.family, parameters, time, own)
    later = lifetime_survival(fit.family, parameters, time + n_months, own)
    found[known] = np.divide(later, there, out=np.full(later.size, np.nan), where=there > 0)
    return found
