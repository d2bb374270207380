"""Purchase histories as counts of occasions, which is what BG/BB looks at."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from cxmodel.errors import SchemaError
from cxmodel.tables.purchase_summary import PurchaseSummary

_UNDER_A_DAY = 1 - 1e-6
_ROUNDING = 1e-9  # of an occasion


def count_occasions(rows: PurchaseSummary) -> PurchaseSummary:
    """Count occasions: those with a purchase, the last of these, and all that are over.

    Histories that come from days know how far apart occasions are: `unit_days`, from the customer's
    first purchase on. An occasion falls on the whole day before or after that, as 365.25 days mean
    the day of the year; only occasions that have come count in T. Histories that know no days must
    count occasions themselves.

    Parameters
    ----------
    rows : PurchaseSummary
        From `cxmodel.summarize_purchases`, or of a frame.

    Raises
    ------
    SchemaError
        If customers bought between occasions, or a frame does not count them.

    Examples
    --------
    >>> import datetime as dt
    >>> rows = PurchaseSummary(
    ...     frequency=np.array([1.0]), recency=np.array([366 / 365.25]),
    ...     T=np.array([1000 / 365.25]), monetary_value=np.array([20.0]),
    ...     n_customers=np.array([1]), unit_days=365.25, learnt_until=dt.date(2026, 1, 1),
    ... )
    >>> found = count_occasions(rows)
    >>> found.frequency.tolist(), found.recency.tolist(), found.T.tolist()
    ([1.0], [1.0], [2.0])
    """
    slack = _slack(rows)
    recency, age = np.round(rows.recency), np.floor(rows.T + slack)
    wrong = (np.abs(rows.recency - recency) > slack) | (rows.frequency > recency)
    if rows.learnt_until is None:
        wrong |= age != rows.T
    if wrong.any():
        raise _not_counted(rows, wrong)
    # what was bought on which day is counted from the first day, which T no longer tells
    days = rows.repeats_by_day if (age == rows.T).all() else None
    return replace(rows, recency=recency, T=age, repeats_by_day=days)


def _slack(rows: PurchaseSummary) -> float:
    """Give the part of an occasion that rounding to whole days may bring."""
    if rows.learnt_until is None:
        return 0.0
    # occasions under two days apart would share their days
    return _UNDER_A_DAY / rows.unit_days if rows.unit_days >= 2 else _ROUNDING


def _not_counted(rows: PurchaseSummary, wrong: npt.NDArray[np.bool_]) -> SchemaError:
    """Say who bought between occasions, or which row counts none."""
    i = int(np.flatnonzero(wrong)[0])
    if rows.learnt_until is not None:
        n = int(rows.n_customers[wrong].sum())
        return SchemaError(
            f"BG/BB counts occasions {rows.unit_days:g} day(s) apart from a customer's first "
            f"purchase on, and {n:,} customer(s) bought in between (first: "
            f"{rows.frequency[i]:g} purchases, the last after {rows.recency[i]:g} occasions). "
            "Check unit_days and the dates of bookings, or use family='bg_nbd'."
        )
    return SchemaError(
        "BG/BB counts occasions, and these are no such counts: frequency "
        f"{rows.frequency[i]:g}, recency {rows.recency[i]:g}, T {rows.T[i]:g}. Give the number of "
        "occasions with a purchase, the last of these, and all occasions; or use family='bg_nbd'.",
        row=i,
        n_rows=int(wrong.sum()),
    )
