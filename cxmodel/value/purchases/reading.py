"""Take purchase histories as a summary or as a frame, hold them to what a model needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cxmodel.errors import InsufficientDataError, SchemaError, nearest
from cxmodel.tables.purchase_summary import PurchaseSummary

if TYPE_CHECKING:
    pass

FloatArray = npt.NDArray[np.float64]
Histories = "PurchaseSummary | pd.DataFrame"
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
    summary = rfm if isinstance(rfm, PurchaseSummary) else _from_frame(rfm, covariates)
    missing = [name for name in covariates if name not in summary.covariates]
    if missing:
        raise SchemaError(
            f"The purchase histories have no covariate {missing[0]!r}. "
            f"{nearest(missing[0], summary.covariates)} Name it in "
            "summarize_purchases(covariates=)."
        )
    _check(summary, covariates)
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


def _check(rows: PurchaseSummary, covariates: tuple[str, ...]) -> None:
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
        **{
            f"covariate {name!r} is missing or not finite": ~np.isfinite(rows.covariates[name])
            for name in covariates
        },
    }
    for what, where in breaches.items():
        if where.any():
            first = int(np.flatnonzero(where)[0])
            raise SchemaError(
                f"Purchase histories: {what} (frequency {x[first]:g}, recency {recency[first]:g}, "
                f"T {age[first]:g}).",
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


def covariate_matrix(rows: PurchaseSummary, names: tuple[str, ...]) -> FloatArray:
    """Put covariates side by side, (n, k)."""
    if not names:
        return np.zeros((len(rows.frequency), 0))
    return np.column_stack([rows.covariates[name] for name in names])
