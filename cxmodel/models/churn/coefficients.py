"""What goes with leaving: a plain logit of all rows, per unit and per standard deviation."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from cxmodel.errors import FitError
from cxmodel.models.churn.features import Features
from cxmodel.results import Estimate, NotRun, critical_value
from cxmodel.stats.glm import fit_logit

FloatArray = npt.NDArray[np.float64]
Rows = npt.NDArray[np.intp]
UNIT = "log-odds of churn per unit"


def coefficient_rows(
    features: Features,
    matrix: FloatArray,
    happened: FloatArray,
    group: Rows,
    *,
    conf_level: float,
    min_group_size: int,
) -> list[dict[str, Any]] | NotRun:
    """Fit a plain logit to all rows, with errors clustered by customer.

    Parameters
    ----------
    features : Features
        Names the columns of `matrix`.
    matrix : numpy.ndarray, shape (n, k)
        Columns.
    happened : numpy.ndarray of 0/1, shape (n,)
        Who left.
    group : numpy.ndarray of int, shape (n,)
        Rows of one customer.
    conf_level : float
        Of the intervals.
    min_group_size : int
        A level of fewer rows keeps its row, without numbers.
    """
    try:
        fit = fit_logit(np.column_stack([np.ones(len(matrix)), matrix]), happened)
    except FitError as error:
        return NotRun(str(error))
    errors = np.sqrt(np.diag(fit.covariance("HC1", clusters=group)))
    spread = np.append(np.nan, matrix.std(axis=0))
    half = critical_value(conf_level)
    hidden = _small_groups(features, matrix, min_group_size)
    rows: list[dict[str, Any]] = []
    for place, term in enumerate(("intercept", *features.terms)):
        if place in fit.dropped:
            continue
        estimate = Estimate.from_std_error(
            fit.coefficients[place],
            errors[place],
            unit=UNIT,
            n_obs=len(matrix),
            conf_level=conf_level,
        )
        per_sd = estimate.estimate * spread[place]
        row = {
            "term": term,
            **estimate.to_dict(),
            "p_value": estimate.p_value,
            "standardised": float(per_sd),
            "standardised_conf_low": float(per_sd - half * errors[place] * spread[place]),
            "standardised_conf_high": float(per_sd + half * errors[place] * spread[place]),
        }
        rows.append(_suppressed(row) if place in hidden else row)
    return rows


def _small_groups(features: Features, matrix: FloatArray, min_group_size: int) -> set[int]:
    """Find the 0/1 columns that part off fewer rows than may be shown; 0 is the intercept."""
    flags: list[int] = []
    place = 1
    for part in features.parts:
        n_terms = len(part.terms)
        flags += range(place + 1 if part.is_number else place, place + n_terms)
        place += n_terms
    n_rows = len(matrix)
    sizes = {flag: int(matrix[:, flag - 1].sum()) for flag in flags}
    return {flag for flag, n in sizes.items() if min(n, n_rows - n) < min_group_size}


def _suppressed(row: dict[str, Any]) -> dict[str, Any]:
    kept = ("term", "unit", "conf_level")
    hidden = {name: value if name in kept else None for name, value in row.items()}
    return {**hidden, "suppressed": True}
