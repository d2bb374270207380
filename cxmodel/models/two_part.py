"""Any revenue times how much: the slope in two parts, in money (methods 2.7)."""

from __future__ import annotations

import numpy as np

from cxmodel.errors import ConvergenceError, SeparationError
from cxmodel.models.estimation import Quantity, Sample, slope_design
from cxmodel.models.lift_fit import LiftFit
from cxmodel.models.requirements import MIN_ROWS_PER_PARAMETER
from cxmodel.results import NotRun
from cxmodel.stats.glm import fit_gamma, fit_logit


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
