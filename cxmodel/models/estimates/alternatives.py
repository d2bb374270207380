"""Plainer or steadier readings of the headline: unadjusted, percent, winsorised."""

from __future__ import annotations

import numpy as np

from cxmodel.errors import ConvergenceError, SeparationError
from cxmodel.models.estimation import Quantity, fit_percent, fit_slope
from cxmodel.models.lift_fit import LiftFit
from cxmodel.results import NotRun

# Above this share of rows in which refunds exceed bookings a percentage of the mean misleads.
MOST_NEGATIVE = 0.01
WINSOR_TAIL = 0.01
SEPARATED = (
    "separated: who stays and who leaves is told apart all but without error, so no slope is given "
    "(see the check separation); the levels are shown instead"
)


def percent(fit: LiftFit) -> Quantity | NotRun:
    """Give the percent change of the outcome per rating point (PPML; methods 2.7)."""
    outcome = fit.sample.outcome
    share_negative = float((outcome < 0).mean())
    if share_negative > MOST_NEGATIVE:
        return NotRun(
            f"{share_negative:.1%} of the responses are followed by more refunds than bookings, "
            f"over {MOST_NEGATIVE:.0%}: a percentage of the mean would mislead"
        )
    if outcome.sum() <= 0:
        return NotRun("the outcomes sum to nothing, so there is no percentage of them")
    try:
        return fit_percent(fit.sample)
    except ConvergenceError as error:
        return NotRun(str(error))


def winsorised(fit: LiftFit) -> Quantity | NotRun:
    """Fit the headline to outcomes pulled in to their 1st and 99th percentile.

    The percentiles are of the rows at hand, and part of the estimate: on other data they would lie
    elsewhere, and the standard error, which takes them as given, does not hold that. It is the
    slope of another outcome than the headline's, so the two need not agree: a sensitivity.
    """
    if fit.outcome == "retention":
        return NotRun("staying is yes or no, so there are no extreme amounts to pull in")
    outcome = fit.sample.outcome
    low, high = np.quantile(outcome, [WINSOR_TAIL, 1 - WINSOR_TAIL])
    if low == high:
        return NotRun("under 1% of the responses are followed by any revenue")
    return fit.refit(fit.sample.with_outcome(np.clip(outcome, low, high))).slope


def unadjusted(fit: LiftFit) -> Quantity | NotRun:
    """Give the slope with nothing held equal."""
    if fit.separation is not None:
        return NotRun(SEPARATED)
    bare = fit.sample_of(fit.rows, fit.sample.outcome, fit.plan.without(fit.plan.names))
    try:
        return fit_slope(bare, link=fit.link).slope
    except SeparationError:
        return NotRun(SEPARATED)
