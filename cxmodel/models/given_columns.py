"""Columns of a table that a fitted model is asked about: there, and numbers where it had them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from cxmodel.errors import SchemaError, nearest


def require_column(data: Any, column: str, model: str) -> None:
    """Refuse a table without a column that a model looks at.

    Raises
    ------
    SchemaError
        Naming the nearest column.
    """
    if column not in data:
        raise SchemaError(
            f"{model} looks at {column!r}, which the table does not have. "
            f"{nearest(column, [str(name) for name in data.columns])}"
        )


def given_numbers(data: Any, column: str, model: str) -> npt.NDArray[np.float64]:
    """Read a column as numbers, NaN where it is blank.

    Raises
    ------
    SchemaError
        If it is missing, or holds words.

    Examples
    --------
    >>> given_numbers(pd.DataFrame({"rating": ["9", None]}), "rating", "The model").tolist()
    [9.0, nan]
    """
    require_column(data, column, model)
    try:
        numbers = pd.to_numeric(data[column]).to_numpy(dtype=float, na_value=np.nan)
    except (TypeError, ValueError):
        raise SchemaError(
            f"Column {column!r} must hold numbers. Correct it, or leave it blank where it is not "
            "known."
        ) from None
    return np.asarray(numbers, dtype=float)
