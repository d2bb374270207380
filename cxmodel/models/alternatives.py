"""Second opinions on the headline: percent, winsorised, two-part."""

from __future__ import annotations

import numpy as np

from cxmodel.errors import ConvergenceError, SeparationError
from cxmodel.models.estimation import Quantity, Sample, fit_percent, fit_slope, slope_design
from cxmodel.models.lift_fit import LiftFit
from cxmodel.models.requirements import MIN_ROWS_PER_PARAMETER
from cxmodel.results import NotRun
from cxmodel.stats.glm import fit_gamma, fit_logit

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
    """Fit the headline to outcomes pulled in to their 1st and 99th percentile."""
    if fit.outcome == "retention":
        return NotRun("staying is yes or no, so there are no extreme amounts to pull in")
    outcome = fit.sample.outcome
    low, high = np.quantile(outcome, [WINSOR_TAIL, 1 - WINSOR_TAIL])
    if low == high:
        return NotRun("under 1% of the responses are followed by any revenue")
    return fit.refit(fit.sample.with_outcome(np.clip(outcome, low, high))).slope


def two_part(fit: LiftFit) -> Quantity | NotRun:
    """Give the slope from any revenue (logit) times how much (gamma), in money (methods 2.7).

    Net negative amounts are a third part: where there are any, this is not run.
    """
    if fit.outcome == "retention":
        return NotRun("staying is yes or no, so there is no amount for a second part")
    sample = fit.sample
    if (n_negative := int((sample.outcome < 0).sum())) > 0:
        return NotRun(
            f"{n_negative:,} responses are followed by more refunds than bookings, and the third "
            "part that these need comes with a later version of cxmodel"
        )
    is_positive = sample.outcome > 0
    if is_positive.all():
        return NotRun("every response is followed by revenue, so there is no first part")
    design = slope_design(sample, interacted=False)
    if is_positive.sum() < MIN_ROWS_PER_PARAMETER * design.shape[1]:
        return NotRun("too few responses are followed by revenue for the second part")
    try:
        return _two_part(sample, design)
    except SeparationError:
        return NotRun("the controls tell without error whether there is any revenue")
    except ConvergenceError as error:
        return NotRun(str(error))


def _two_part(
    sample: Sample, design: np.ndarray[tuple[int, int], np.dtype[np.float64]]
) -> Quantity:
    """Average d(p m)/d(rating) = p(1-p) a m + p m b over the base, with its influence."""
    is_positive = sample.outcome > 0
    weights = sample.share * sample.n_obs
    whether = fit_logit(design, is_positive.astype(float), weights)
    amounts = fit_gamma(design[is_positive], sample.outcome[is_positive], weights[is_positive])
    p, m = whether.fitted, np.exp(design @ amounts.coefficients)
    a, b = whether.coefficients[1], amounts.coefficients[1]
    q = p * (1 - p)
    slopes = q * a * m + p * m * b
    to_logit = design.T @ (sample.share * (q * (1 - 2 * p) * a * m + q * m * b))
    to_logit[1] += sample.share @ (q * m)
    to_gamma = design.T @ (sample.share * slopes)
    to_gamma[1] += sample.share @ (p * m)
    value = float(sample.share @ slopes)
    rows = sample.share * (slopes - value) + whether.influence(to_logit)
    rows[is_positive] += amounts.influence(to_gamma)
    return sample.quantity(value, rows, whether.n_params + amounts.n_params)


def unadjusted(fit: LiftFit) -> Quantity | NotRun:
    """Give the slope with nothing held equal."""
    if fit.separation is not None:
        return NotRun(SEPARATED)
    bare = fit.sample_of(fit.rows, fit.sample.outcome, fit.plan.without(fit.plan.names))
    try:
        return fit_slope(bare, link=fit.link).slope
    except SeparationError:
        return NotRun(SEPARATED)
