"""Hold a purchase model against what customers then did."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from cxmodel.errors import InsufficientDataError
from cxmodel.stats.purchases.histories import group_equal
from cxmodel.stats.rates import DAYS_PER_YEAR
from cxmodel.tables.purchase_summary import PurchaseSummary
from cxmodel.tables.times.calendar_days import day_number
from cxmodel.value.purchases.reading import covariate_matrix

if TYPE_CHECKING:
    from cxmodel.value.purchases.result import PurchaseFit
    from cxmodel.value.purchases.spend import SpendFit

FloatArray = npt.NDArray[np.float64]
MIN_GROUP_SIZE = 30
N_GROUPS = 10


def track_purchases(fit: PurchaseFit) -> pd.DataFrame:
    """Give repeat purchases of all customers by period: those made, and those expected.

    Customers count from their own first purchase, as in Fader, Hardie & Lee (2005), figure 3.

    Parameters
    ----------
    fit : PurchaseFit
        Of a summary of a ledger.

    Returns
    -------
    frame
        ``period, time`` (units of time since the first customer came), ``observed, expected,
        observed_cumulative, expected_cumulative, is_holdout``.

    Raises
    ------
    InsufficientDataError
        If the histories came without the days of purchases.
    """
    rows = fit.rows
    if rows.repeats_by_day is None or rows.learnt_until is None:
        raise InsufficientDataError(
            "Tracking needs the days of purchases: fit to cxmodel.summarize_purchases(...), not to "
            "a frame or to a part of one. BG/BB has them only where its last day is an occasion of "
            "every customer."
        )
    span = float(rows.T.max())
    # the first and the last day are whole days
    learnt = span + 1 / rows.unit_days
    total = learnt + rows.holdout_duration
    times = np.minimum(np.arange(1, int(np.ceil(total - 1e-9)) + 1), total)
    first_day = day_number(rows.learnt_until) - round(span * rows.unit_days)
    days, n = rows.repeats_by_day
    so_far = np.concatenate([[0], np.cumsum(n)])
    next_days = first_day + np.ceil(times * rows.unit_days - 1e-9)
    observed = so_far[np.searchsorted(days, next_days)].astype(float)
    expected = _expected_so_far(fit, times, span)
    return pd.DataFrame(
        {
            "period": np.arange(1, len(times) + 1),
            "time": times,
            "observed": np.diff(observed, prepend=0.0),
            "expected": np.diff(expected, prepend=0.0),
            "observed_cumulative": observed,
            "expected_cumulative": expected,
            "is_holdout": times > learnt + 1e-9,
        }
    )


def _expected_so_far(fit: PurchaseFit, times: FloatArray, span: float) -> FloatArray:
    """Add up what is expected of customers who came at different times."""
    z = covariate_matrix(fit.rows, fit.covariates)
    first, group = group_equal(fit.rows.T, *z.T)
    n_customers = np.bincount(group, weights=fit.rows.n_customers)
    came = span - fit.rows.T[first]
    return np.array(
        [
            float(n_customers @ fit.expected_of(np.maximum(time - came, 0.0), z[first]))
            for time in times
        ]
    )


def holdout_by_frequency(fit: PurchaseFit, *, min_group_size: int = MIN_GROUP_SIZE) -> pd.DataFrame:
    """Give mean purchases in the holdout by frequency before: those made, and those expected.

    The highest frequencies are put together until they hold `min_group_size` customers.

    Parameters
    ----------
    fit : PurchaseFit
        Of a summary with ``holdout_from``.
    min_group_size : int
        The smallest group shown.

    Returns
    -------
    frame
        ``frequency`` (the lowest of the group), ``is_open`` (this frequency or more),
        ``n_customers, observed, expected`` (per customer).

    Raises
    ------
    InsufficientDataError
        If there is no holdout.
    """
    held = _held(fit.rows)
    ahead = fit.conditional_expected_purchases(fit.countable(fit.rows.holdout_duration))
    x, n = fit.rows.frequency.astype(int), fit.rows.n_customers.astype(float)
    per_count = np.bincount(x, weights=n).astype(float)
    from_here = np.cumsum(per_count[::-1])[::-1]
    top = _open_from(per_count, from_here, min_group_size)
    group = np.minimum(x, top)
    size = np.bincount(group, weights=n)
    frame = pd.DataFrame(
        {
            "frequency": np.arange(top + 1),
            "is_open": np.arange(top + 1) == top,
            "n_customers": size.astype(int),
            "observed": np.bincount(group, weights=n * held) / np.maximum(size, 1),
            "expected": np.bincount(group, weights=n * ahead) / np.maximum(size, 1),
        }
    )
    return frame[frame.n_customers >= min_group_size].reset_index(drop=True)


def _open_from(per_count: FloatArray, from_here: FloatArray, smallest: int) -> int:
    """Find the frequency from which on all are put together."""
    small = np.flatnonzero(per_count < smallest)
    top = int(small[0]) if small.size else len(per_count) - 1
    while top > 0 and from_here[top] < smallest:
        top -= 1
    return top


def holdout_total(fit: PurchaseFit) -> pd.DataFrame:
    """Give one row: purchases made in the holdout, those expected, and their ratio."""
    held = _held(fit.rows)
    expected = fit.expected_total(fit.countable(fit.rows.holdout_duration))
    observed = float(fit.rows.n_customers @ held)
    return pd.DataFrame(
        {
            "n_customers": [fit.n_customers],
            "duration": [fit.rows.holdout_duration],
            "observed": [observed],
            "expected": [expected.estimate],
            "std_error": [expected.std_error],
            "expected_over_observed": [expected.estimate / observed if observed else np.nan],
        }
    )


def value_by_decile(
    fit: PurchaseFit,
    spend: SpendFit | None = None,
    *,
    t: float | None = None,
    min_group_size: int = MIN_GROUP_SIZE,
) -> pd.DataFrame:
    """Give customers in ten groups of like size by what is expected of them, most first.

    Parameters
    ----------
    fit : PurchaseFit
        What they will buy.
    spend : SpendFit, optional
        For how much: then groups go by expected spending.
    t : float, optional
        How far ahead. Default: the holdout, or a year where there is none.
    min_group_size : int
        The smallest group shown.

    Returns
    -------
    frame
        ``decile, n_customers``, then means per customer: ``prob_alive, expected_purchases``, with
        `spend` ``expected_spending``; ``observed_purchases`` and ``observed_spending`` where `t` is
        the holdout.

    Raises
    ------
    InsufficientDataError
        If ten groups would be smaller than `min_group_size`.
    """
    rows = fit.rows
    if rows.total_customers < N_GROUPS * min_group_size:
        raise InsufficientDataError(
            f"{rows.total_customers:,} customers make no ten groups of {min_group_size}."
        )
    horizon = rows.holdout_duration or DAYS_PER_YEAR / rows.unit_days if t is None else t
    means = {
        "prob_alive": fit.prob_alive(),
        "expected_purchases": fit.conditional_expected_purchases(fit.countable(horizon)),
    }
    if spend is not None:
        means["expected_spending"] = means["expected_purchases"] * spend.expected_spend(rows)
    if rows.holdout_frequency is not None and horizon == rows.holdout_duration:
        means["observed_purchases"] = rows.holdout_frequency
        if spend is not None and rows.holdout_monetary_value is not None:
            mean = np.nan_to_num(rows.holdout_monetary_value, nan=0.0)
            means["observed_spending"] = rows.holdout_frequency * mean
    by = means.get("expected_spending", means["expected_purchases"])
    return _in_groups(rows.n_customers.astype(float), by, means)


def _in_groups(n: FloatArray, by: FloatArray, means: dict[str, FloatArray]) -> pd.DataFrame:
    """Cut customers in order of `by` into groups; equal ones may be shared between two."""
    order = np.argsort(-by, kind="stable")
    ends = np.cumsum(n[order])
    starts = ends - n[order]
    cuts = np.round(np.linspace(0, ends[-1], N_GROUPS + 1))
    found = []
    for i, (low, high) in enumerate(itertools.pairwise(cuts)):
        inside = np.clip(np.minimum(ends, high) - np.maximum(starts, low), 0, None)
        share = inside / (high - low)
        found.append(
            {
                "decile": i + 1,
                "n_customers": int(high - low),
                **{name: float(share @ values[order]) for name, values in means.items()},
            }
        )
    return pd.DataFrame(found)


def _held(rows: PurchaseSummary) -> FloatArray:
    if rows.holdout_frequency is None:
        raise InsufficientDataError(
            "There is no holdout: name its first day in "
            "summarize_purchases(holdout_from=..., as_of=...)."
        )
    return rows.holdout_frequency
