"""The numbers of a fitted purchase or spend model as a file holds them, checked when read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import numpy.typing as npt

from cxmodel.models.model_file import Fields
from cxmodel.stats.purchases.layout import Layout, Scaling
from cxmodel.tables.purchase_customers import CustomerPurchases
from cxmodel.tables.purchase_summary import PurchaseSummary
from cxmodel.value.purchases.fitting import Fitted
from cxmodel.value.purchases.reading import asked_histories

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from cxmodel.models.off_scale import Range

FloatArray = npt.NDArray[np.float64]
FIT_NAMES = ("parameters", "vector", "covariance", "interval", "log_likelihood")
MOST_COVARIATES = 100
# A covariate far from 0, such as a year, moves the logarithm far; beyond this exp() overflows.
_FARTHEST = 700.0
_ROUNDING = 1e-9
_LARGEST = 1e100  # squares of what is larger leave the doubles


def plain_fit(fitted: Fitted, parameters: dict[str, float], conf_level: float) -> dict[str, Any]:
    """Write a maximum: the parameters to be read, and the vector that gives them to the last bit.

    What lies at the edge of a family has no error, and stands as null; so does an end of an
    interval that is nowhere.
    """
    low, high = fitted.interval_ends(conf_level)
    return {
        "parameters": {name: float(value) for name, value in parameters.items()},
        "vector": fitted.vector.tolist(),
        "covariance": [_finite(row) for row in fitted.covariance],
        "interval": {"low": _finite(low), "high": _finite(high)},
        "log_likelihood": float(fitted.log_likelihood),
    }


def _finite(values: FloatArray) -> list[float | None]:
    return [float(value) if np.isfinite(value) else None for value in values]


def read_fit(
    fields: Fields, parameters: tuple[str, ...], scalings: tuple[Scaling, ...] = ()
) -> Fitted:
    """Read a maximum, and let nothing in that no fit can give.

    Parameters
    ----------
    fields : Fields
        With `FIT_NAMES`.
    parameters : tuple of str
        Of the family, all positive.
    scalings : tuple of Scaling
        Of its covariates.

    Raises
    ------
    SourceError
        Naming the first thing that is wrong: a parameter that is missing, not positive, not finite
        or not that of the vector, or a covariance that is none.
    """
    layout = Layout(parameters=parameters, scalings=scalings)
    names, k = layout.names, len(parameters)
    shown = fields.part("parameters")
    shown.only(*names)
    vector = np.array(fields.numbers("vector", len(names)), dtype=float)
    if (np.abs(vector[:k]) > _FARTHEST).any():
        fields.refuse("vector", f"logarithms from {-_FARTHEST:g} to {_FARTHEST:g} first")
    for place, name in enumerate(names):
        value = shown.number(name)
        if place < k and value <= 0:
            shown.refuse(name, "above 0")
        meant = float(np.exp(vector[place])) if place < k else float(vector[place])
        if abs(value - meant) > _ROUNDING * max(abs(meant), 1e-300):
            shown.refuse(name, f"{meant:.6g}, as the vector has it")
    covariance = _read_covariance(fields, len(names))
    return Fitted(
        layout=layout,
        vector=vector,
        covariance=covariance,
        ends=_read_ends(fields.part("interval"), vector, np.isfinite(np.diag(covariance))),
        log_likelihood=fields.number("log_likelihood"),
    )


def _read_ends(
    fields: Fields, vector: FloatArray, is_known: npt.NDArray[np.bool_]
) -> tuple[FloatArray, FloatArray]:
    """Read the ends of intervals, around the vector; where null there is none."""
    fields.only("low", "high")
    found = []
    for name, side in (("low", -1.0), ("high", 1.0)):
        given = fields.get(name)
        if not isinstance(given, list) or len(given) != len(vector):
            fields.refuse(name, f"a list of {len(vector)} numbers or null")
        places = [i for i, value in enumerate(given) if value is not None]
        ends = np.where(is_known, side * np.inf, np.nan)
        ends[places] = Fields({name: [given[i] for i in places]}, fields.where).numbers(name)
        if (side * (ends - vector)[is_known] < 0).any():
            fields.refuse(name, "on its own side of the vector")
        found.append(ends)
    return found[0], found[1]


def _read_covariance(fields: Fields, size: int) -> FloatArray:
    """Read a covariance: square, symmetric, no variance below 0; null rows have no error."""
    what = f"{size} rows of {size} numbers, or null, that are a covariance"
    rows = fields.get("covariance")
    if not (isinstance(rows, list) and len(rows) == size):
        fields.refuse("covariance", what)
    found = np.full((size, size), np.nan)
    for i, row in enumerate(rows):
        if not (isinstance(row, list) and len(row) == size):
            fields.refuse("covariance", what)
        known = [j for j, value in enumerate(row) if value is not None]
        cells = Fields({"row": [row[j] for j in known]}, f"{fields.where}: covariance[{i}]")
        found[i, known] = cells.numbers("row")
    known_rows = np.isfinite(np.diag(found))
    inner = found[np.ix_(known_rows, known_rows)]
    is_whole = bool(np.isfinite(inner).all()) and bool(
        np.isnan(found[~known_rows]).all() and np.isnan(found[:, ~known_rows]).all()
    )
    if not is_whole or not np.allclose(inner, inner.T, rtol=1e-6, atol=1e-12):
        fields.refuse("covariance", what)
    if (np.abs(inner) > _LARGEST).any():
        fields.refuse("covariance", what)
    if len(inner):
        values = np.linalg.eigvalsh((inner + inner.T) / 2)
        if values[0] < -1e-6 * max(values[-1], 0.0) or (np.diag(inner) < 0).any():
            fields.refuse("covariance", what)
    return found


def nobody(
    *,
    unit_days: float,
    currency: str | None,
    covariates: tuple[str, ...],
    ranges: Mapping[str, Range],
) -> PurchaseSummary:
    """Stand in for the histories of a fit, which no file holds: a row would be a customer."""
    nothing = np.empty(0)
    return PurchaseSummary(
        frequency=nothing,
        recency=nothing,
        T=nothing,
        monetary_value=nothing,
        n_customers=np.empty(0, dtype=np.int64),
        unit_days=unit_days,
        currency=currency,
        covariates=dict.fromkeys(covariates, nothing),
        ranges=ranges,
    )


def plain_ranges(ranges: Mapping[str, Range]) -> list[dict[str, Any]]:
    """Write the scales of ratings."""
    return [
        {"covariate": name, "low": float(low), "high": float(high)}
        for name, (low, high) in ranges.items()
    ]


def read_ranges(fields: Fields, covariates: tuple[str, ...]) -> dict[str, Range]:
    """Read the scales of ratings, each of a covariate.

    Raises
    ------
    SourceError
        If one is no scale, or of another column.
    """
    found: dict[str, Range] = {}
    for part in fields.parts("ranges", MOST_COVARIATES):
        part.only("covariate", "low", "high")
        name = part.text("covariate")
        if name not in covariates or name in found:
            part.refuse("covariate", "a covariate of the model, each once")
        found[name] = part.number("low"), part.number("high")
        if found[name][0] >= found[name][1]:
            part.refuse("high", "above low")
    return found


def rows_of(
    data: Any, covariates: tuple[str, ...] = (), ranges: Mapping[str, Range] | None = None
) -> tuple[PurchaseSummary, Any]:
    """Give purchase histories, checked, and whose they are where that is known.

    What is missing, or off the scale of `ranges`, is NaN: see `asked_histories`.

    Raises
    ------
    SchemaError
        If a column is missing, or histories are impossible.
    """
    scales = ranges or {}
    if isinstance(data, CustomerPurchases):
        return asked_histories(data.histories, covariates, scales), data.customer_id
    rows = asked_histories(data, covariates, scales)
    is_known = not isinstance(data, PurchaseSummary) and "customer_id" in list(data.columns)
    return rows, np.asarray(data["customer_id"]) if is_known else None


def frame_of(customer_id: Any, columns: dict[str, Any]) -> pd.DataFrame:
    """Put numbers of customers into a frame, with who it is where that is known."""
    import pandas as pd

    found = pd.DataFrame(columns)
    if customer_id is not None:
        found.insert(0, "customer_id", customer_id)
    return found


def refuse_expression(what: str) -> NoReturn:
    """Say that a model is no linear function of its columns, and what to do.

    Raises
    ------
    ValueError
        Always.
    """
    raise ValueError(
        f"{what} is no linear function of frequency, recency and T, so it is not written as an "
        "expression. Score in batches: cxmodel score MODEL INPUT OUTPUT [--engine URL], or "
        "predict(frame)."
    )
