"""Take purchase histories as a summary or as a frame, hold them to what a model needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from cxmodel.errors import InsufficientDataError, SchemaError, nearest
from cxmodel.models.off_scale import Range, is_outside, warn_of_off_scale
from cxmodel.tables.purchase_summary import PurchaseSummary

FloatArray = npt.NDArray[np.float64]
MIN_REPEATERS = 10
_NEEDED = ("frequency", "recency", "T")
_OTHERS = ("monetary_value", "n_customers", "holdout_frequency", "holdout_monetary_value")


def read_histories(rfm: Any, covariates: tuple[str, ...] = ()) -> PurchaseSummary:
    """Give purchase histories as a checked summary.

    Parameters
    ----------
    rfm : PurchaseSummary or pandas frame
        A frame has ``frequency``, ``recency`` and ``T``, and may have ``monetary_value``,
        ``n_customers`` and covariates.
    covariates : tuple of str
        Columns that must be there.

    Raises
    ------
    TypeError
        If it is neither.
    SchemaError
        If a column is missing, or histories are impossible.
    """
    summary = _taken(rfm, covariates)
    _check(summary)
    for name in covariates:
        _refuse_where(
            ~np.isfinite(summary.covariates[name]),
            f"covariate {name!r} is missing or not finite",
            summary,
        )
    return summary


def asked_histories(
    rfm: Any, covariates: tuple[str, ...], ranges: Mapping[str, Range]
) -> PurchaseSummary:
    """Give histories that a fitted model is asked about, where a covariate may be missing.

    Parameters
    ----------
    rfm, covariates
        As of `read_histories`.
    ranges : mapping of str to (low, high)
        The scale of a rating, as the model knows it; what lies outside counts as missing.

    Raises
    ------
    TypeError, SchemaError
        As `read_histories`, but for what is missing.

    Warns
    -----
    CxModelWarning
        If ratings lie outside their scale: how many.
    """
    summary = _taken(rfm, covariates)
    _check(summary)
    known = dict(summary.covariates)
    for name in covariates:
        _refuse_where(np.isinf(known[name]), f"covariate {name!r} is not finite", summary)
    off = {name: is_outside(known[name], scale) for name, scale in ranges.items()}
    counts = {name: int(rows.sum()) for name, rows in off.items()}
    # the caller of the method that asks
    warn_of_off_scale(counts, ranges, stacklevel=4)
    known |= {name: np.where(rows, np.nan, known[name]) for name, rows in off.items()}
    return replace(summary, covariates=known)


def _taken(rfm: Any, covariates: tuple[str, ...]) -> PurchaseSummary:
    """Give a summary as it is, a frame as one, with these covariates."""
    summary = rfm if isinstance(rfm, PurchaseSummary) else _from_frame(rfm, covariates)
    missing = [name for name in covariates if name not in summary.covariates]
    if missing:
        raise SchemaError(
            f"The purchase histories have no covariate {missing[0]!r}. "
            f"{nearest(missing[0], summary.covariates)} Name it in "
            "summarize_purchases(covariates=)."
        )
    return summary


def _from_frame(frame: Any, covariates: tuple[str, ...]) -> PurchaseSummary:
    if not (hasattr(frame, "columns") and hasattr(frame, "__getitem__")):
        raise TypeError(
            "Purchase histories come from cxmodel.summarize_purchases, or as a frame with "
            f"frequency, recency and T; not as {type(frame).__name__}."
        )
    columns = list(frame.columns)
    for name in (*_NEEDED, *covariates):
        if name not in columns:
            raise SchemaError(
                f"The frame of purchase histories has no column {name!r}. Found: "
                f"{', '.join(map(str, columns))}."
            )
    known: dict[str, Any] = {
        name: _numbers(frame, name) for name in (*_NEEDED, *_OTHERS) if name in columns
    }
    n_rows = len(known["frequency"])
    known.setdefault("monetary_value", np.full(n_rows, np.nan))
    counts = known.get("n_customers", np.ones(n_rows))
    if not (
        np.isfinite(counts).all() and (counts > 0).all() and (counts == np.round(counts)).all()
    ):
        raise SchemaError("n_customers must hold whole numbers of 1 or more.")
    known["n_customers"] = counts.astype(np.int64)
    return PurchaseSummary(**known, covariates={name: _numbers(frame, name) for name in covariates})


def _numbers(frame: Any, name: str) -> npt.NDArray[np.float64]:
    try:
        return np.asarray(frame[name], dtype=float)
    except (TypeError, ValueError) as error:
        raise SchemaError(
            f"The column {name!r} of the purchase histories must hold numbers: {error}. Convert "
            "it; purchases and times come from cxmodel.summarize_purchases."
        ) from error


def _check(rows: PurchaseSummary) -> None:
    """Refuse histories that cannot be."""
    if not len(rows.frequency):
        raise InsufficientDataError("There are no purchase histories: the table has no rows.")
    x, recency, age = rows.frequency, rows.recency, rows.T
    breaches = {
        "frequency, recency or T is missing or not finite": ~(
            np.isfinite(x) & np.isfinite(recency) & np.isfinite(age)
        ),
        "frequency is negative or no whole number": (x < 0) | (x != np.round(x)),
        "recency is negative or beyond T": (recency < 0) | (recency > age),
        "recency is above 0 without a repeat purchase": (x == 0) & (recency > 0),
        "recency is 0 with a repeat purchase (merge the purchases of a day)": (x > 0)
        & (recency == 0),
    }
    for what, where in breaches.items():
        _refuse_where(where, what, rows)


def _refuse_where(where: npt.NDArray[np.bool_], what: str, rows: PurchaseSummary) -> None:
    if where.any():
        first = int(np.flatnonzero(where)[0])
        raise SchemaError(
            f"Purchase histories: {what} (frequency {rows.frequency[first]:g}, recency "
            f"{rows.recency[first]:g}, T {rows.T[first]:g}).",
            row=first,
            n_rows=int(where.sum()),
        )


def require_repeaters(rows: PurchaseSummary, what: str) -> None:
    """Refuse histories in which hardly anybody came back.

    Raises
    ------
    InsufficientDataError
        If fewer than 10 customers bought on a second day.
    """
    n = rows.n_repeat_customers
    if n < MIN_REPEATERS:
        raise InsufficientDataError(
            f"{what}: {n} of {rows.total_customers:,} customers bought on more than one day; at "
            f"least {MIN_REPEATERS} are needed. Bring a longer history; where all purchases lie on "
            "one day there is nothing to learn from."
        )


def ranges_of(rows: PurchaseSummary, covariates: tuple[str, ...]) -> dict[str, Range]:
    """Give the scales of those covariates that are ratings, as far as they are known."""
    return {name: rows.ranges[name] for name in covariates if name in rows.ranges}


def covariate_matrix(rows: PurchaseSummary, names: tuple[str, ...]) -> FloatArray:
    """Put covariates side by side, (n, k)."""
    if not names:
        return np.zeros((len(rows.frequency), 0))
    return np.column_stack([rows.covariates[name] for name in names])
