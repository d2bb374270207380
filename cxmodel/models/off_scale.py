"""Ratings outside their scale: no answers, so a model that is asked about them takes none."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cxmodel.errors import CxModelWarning

if TYPE_CHECKING:
    from cxmodel.scales import Scale

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
Range = tuple[float, float]


def is_outside(numbers: FloatArray, scale: Range) -> BoolArray:
    """Say which numbers lie outside a scale; what is not known does not.

    Examples
    --------
    >>> is_outside(np.array([-1.0, 0.0, 10.0, 11.0, np.nan]), (0, 10)).tolist()
    [True, False, False, True, False]
    """
    low, high = scale
    return np.asarray((numbers < low) | (numbers > high))


def range_of(scale: Scale | None) -> Range | None:
    """Give the lowest and the highest answer of a scale."""
    return None if scale is None else (float(scale.low), float(scale.high))


def off_scale_words(column: str, n_rows: int, scale: Range) -> str:
    """Say how many rows have a rating outside its scale.

    Examples
    --------
    >>> off_scale_words("rating", 2, (0, 10))
    "2 rows have 'rating' outside 0 to 10: that is no answer, so it counts as missing."
    """
    have = "1 row has" if n_rows == 1 else f"{n_rows:,} rows have"
    low, high = scale
    return (
        f"{have} {column!r} outside {low:g} to {high:g}: that is no answer, so it counts as "
        "missing."
    )


def warn_of_off_scale(
    counts: Mapping[str, int], ranges: Mapping[str, Range], *, stacklevel: int = 3
) -> None:
    """Warn of ratings outside their scale, column by column.

    Parameters
    ----------
    counts : mapping of str to int
        Rows by column.
    ranges : mapping of str to (low, high)
        The scale of each.

    Warns
    -----
    CxModelWarning
        With how many rows have one.
    """
    for column, n in counts.items():
        if n:
            said = f"{off_scale_words(column, n, ranges[column])} Correct it, or leave it blank."
            warnings.warn(said, CxModelWarning, stacklevel=stacklevel + 1)
