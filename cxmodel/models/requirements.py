"""What a lift needs at least; each breach says what was seen and what to do."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cxmodel.errors import InsufficientDataError, SchemaError
from cxmodel.models.estimation import Sample

MIN_EVENTS = 10
MIN_ROWS_PER_PARAMETER = 10

Floats = NDArray[np.float64]


def count_events(outcome: Floats, kind: str) -> int:
    """Count rows with the rarer outcome; for revenue, rows whose outcome is not zero.

    Examples
    --------
    >>> count_events(np.array([1.0, 1.0, 0.0]), "retention")
    1
    """
    if kind == "revenue":
        return int((outcome != 0).sum())
    n_stayed = int((outcome == 1).sum())
    return min(n_stayed, len(outcome) - n_stayed)


def require_ratings(rating: Floats) -> None:
    """Refuse rows without a rating; tables that cxmodel joined have none.

    Raises
    ------
    SchemaError
        Naming how many, and the first.
    """
    unknown = np.flatnonzero(~np.isfinite(rating))
    if len(unknown):
        raise SchemaError(
            f"The rating is missing or infinite in {len(unknown):,} observations (first: row "
            f"{unknown[0] + 1:,}). Leave them out."
        )


def require_customers(codes: NDArray[np.int64]) -> None:
    """Refuse rows without a customer where the table names customers.

    Parameters
    ----------
    codes : array of int (n,)
        The number of each row's customer; -1 where none is named.

    Raises
    ------
    SchemaError
        Naming how many, and the first.
    """
    unknown = np.flatnonzero(codes < 0)
    if len(unknown):
        raise SchemaError(
            f"customer_id is missing in {len(unknown):,} observations (first: row "
            f"{unknown[0] + 1:,}), so nobody knows whose they are. Leave them out."
        )


def require_outcome(outcome: Floats, kind: str) -> None:
    """Refuse outcomes that are no amount, or neither staying nor leaving; unknown ones may be.

    Raises
    ------
    SchemaError
        Naming how many, and the first.
    """
    if kind == "revenue":
        wrong, what = np.isinf(outcome), "revenue_after is infinite"
    else:
        wrong = ~np.isin(outcome, (0.0, 1.0)) & ~np.isnan(outcome)
        what = "churned is neither true nor false"
    rows = np.flatnonzero(wrong)
    if len(rows):
        raise SchemaError(
            f"{what} in {len(rows):,} observations (first: row {rows[0] + 1:,}). Correct them, or "
            "leave them out."
        )


def require_weights(weights: Floats) -> None:
    """Refuse response weights that are no numbers above zero.

    Raises
    ------
    SchemaError
        Naming how many, and the first.
    """
    rows = np.flatnonzero(~(np.isfinite(weights) & (weights > 0)))
    if len(rows):
        raise SchemaError(
            f"response_weight must be a number above 0; {len(rows):,} of {len(weights):,} are not "
            f"(first: {weights[rows[0]]:g}, row {rows[0] + 1:,}). Leave these rows out, or set 1."
        )


def require_events(outcome: Floats, kind: str, window: str) -> None:
    """Refuse under 10 events.

    Parameters
    ----------
    outcome : array (n,)
        Of the rows that would be fitted.
    kind : {"revenue", "retention"}
        What the outcome is.
    window : str
        The outcome window in words, for instance ``"180 days"``.

    Raises
    ------
    InsufficientDataError
        Under 10 of the rarer outcome; for revenue, under 10 rows whose outcome is not zero.
    """
    n_events = count_events(outcome, kind)
    if n_events >= MIN_EVENTS:
        return
    if kind == "revenue":
        what = f"Revenue follows {n_events} of {len(outcome):,} responses"
        need = f"needs {MIN_EVENTS}"
    else:
        n_left = int((outcome == 0).sum())
        events = "churn event" if n_left == 1 else "churn events"
        what = f"{n_left:,} {events} and {len(outcome) - n_left:,} without one among responses"
        need = f"needs {MIN_EVENTS} of either"
    within = window if window.startswith("observation") else f"outcome window of {window}"
    raise InsufficientDataError(
        f"{what} within the {within}; the lift of {kind} {need}. Widen windows.outcome_days, or "
        "add responses."
    )


def require_variety(sample: Sample) -> None:
    """Refuse responses of one customer, or of one rating.

    Raises
    ------
    InsufficientDataError
        If there is nothing to compare.
    """
    if sample.n_in_sample < 2:
        raise InsufficientDataError(
            f"{sample.n_obs:,} responses are of {sample.n_in_sample} customer: nothing can be said "
            "of others. Look whether customer_id names the person."
        )
    if sample.rating.min() == sample.rating.max():
        raise InsufficientDataError(
            f"Every one of {sample.n_obs:,} responses gave the rating {sample.rating[0]:g}, so "
            "nothing can be said of another. Look whether the right column is mapped."
        )


def require_rows(sample: Sample, n_params: int) -> None:
    """Refuse under 10 rows per parameter, and customers too few for clustered errors.

    Raises
    ------
    InsufficientDataError
        The covariance of so many parameters needs more customers than parameters.
    """
    if sample.n_obs < MIN_ROWS_PER_PARAMETER * n_params:
        raise InsufficientDataError(
            f"{sample.n_obs:,} responses for {n_params} terms, fewer than "
            f"{MIN_ROWS_PER_PARAMETER} each. Drop controls (lift.controls), or add responses."
        )
    if sample.n_in_sample <= n_params:
        raise InsufficientDataError(
            f"{sample.n_obs:,} responses are of {sample.n_in_sample:,} customers, too few for "
            f"{n_params} terms: errors go by customer. Drop controls (lift.controls), or look "
            "whether customer_id names the person."
        )


def require_levels(sample: Sample, n_levels: int, n_controls: int) -> None:
    """Refuse ratings so finely graded that a mean for each leaves nothing over.

    Raises
    ------
    InsufficientDataError
        If rows are not more than levels and controls.
    """
    if sample.n_obs <= n_levels + n_controls:
        raise InsufficientDataError(
            f"{sample.n_obs:,} responses gave {n_levels} different ratings: too few for a mean at "
            "each. Add responses, or declare a coarser scale."
        )
