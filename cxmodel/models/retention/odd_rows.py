"""Rows that a model of leaving is asked about and did not learn about: counted, and warned of."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from cxmodel.errors import CxModelWarning
from cxmodel.models.given_columns import given_numbers, require_column
from cxmodel.models.off_scale import Range, is_outside, warn_of_off_scale
from cxmodel.models.retention.features import Feature, columns_in

FloatArray = npt.NDArray[np.float64]


class Explained(Protocol):
    """A model of leaving whose columns explain."""

    @property
    def levels(self) -> dict[str, tuple[str, ...]]:
        """Every level that was seen at the fit, by column; the first is the reference."""

    @property
    def ranges(self) -> dict[str, Range]:
        """The scale of a rating, by its column; what lies outside counts as missing."""


def unseen_levels(fit: Explained, data: pd.DataFrame) -> dict[str, int]:
    """Count the rows with a level that was not seen at the fit, by column."""
    found = {}
    for column, levels in fit.levels.items():
        if column in data:
            words = data[column].astype("string")
            found[column] = int((words.notna() & ~words.isin(levels)).sum())
    return {column: n for column, n in found.items() if n}


def warn_of_odd_rows(
    fit: Explained, data: pd.DataFrame, model: str, *, stacklevel: int = 2
) -> None:
    """Say how many rows have a level that was not seen, or a rating off its scale.

    Parameters
    ----------
    model : str
        What it is, for messages.

    Warns
    -----
    CxModelWarning
        With the counts, column by column.
    """
    for column, n in unseen_levels(fit, data).items():
        warnings.warn(
            f"{n:,} row(s) have a level of {column!r} that was not seen at the fit: they count as "
            f"{fit.levels[column][0]!r}.",
            CxModelWarning,
            stacklevel=stacklevel + 1,
        )
    numbers = {name: given_numbers(data, name, model) for name in fit.ranges}
    off = {name: int(is_outside(numbers[name], scale).sum()) for name, scale in fit.ranges.items()}
    warn_of_off_scale(off, fit.ranges, stacklevel=stacklevel + 1)


def log_ratio(
    fit: Explained,
    data: pd.DataFrame,
    terms: Sequence[tuple[Feature, float, float]],
    model: str,
) -> FloatArray:
    """Give the logarithm of each customer's hazard over that at the means, (n,).

    Parameters
    ----------
    fit : HazardResult or RetentionByCovariates
    data : pandas.DataFrame
        With the columns of the model.
    terms : sequence of (Feature, log ratio, mean)
        What each adds, and from where it is counted.
    model : str
        What it is, for messages.

    Returns
    -------
    numpy.ndarray, shape (n,)
        NaN where a value is missing, or a rating lies outside its scale.

    Raises
    ------
    SchemaError
        If a column is missing or of the wrong kind.
    """
    for column in columns_in([one for one, _, _ in terms], fit.levels):
        require_column(data, column, model)
    found = np.zeros(len(data))
    for column in fit.levels:
        found[data[column].isna().to_numpy()] = np.nan
    for one, ratio, mean in terms:
        found += ratio * (_values(one, data, fit.ranges, model) - mean)
    return found


def _values(
    one: Feature, data: pd.DataFrame, ranges: Mapping[str, Range], model: str
) -> FloatArray:
    if one.level is not None:
        return one.values(data[one.column])
    values = given_numbers(data, one.column, model)
    if one.column not in ranges:
        return values
    return np.where(is_outside(values, ranges[one.column]), np.nan, values)
