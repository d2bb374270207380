"""The lift within one group, with errors that stay honest when the group is small."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from cxmodel.models.estimates.few_clusters import cr2_quantity
from cxmodel.models.estimation import Quantity, Sample, slope_design
from cxmodel.models.lift_fit import ROWS_PER_PARAMETER_INTERACTED
from cxmodel.models.requirements import MIN_EVENTS, MIN_ROWS_PER_PARAMETER, count_events
from cxmodel.stats.linear import LeastSquares, fit_least_squares
from cxmodel.stats.sandwich import cluster_sums


@dataclass(frozen=True, eq=False)
class GroupSlope:
    """A group's slope and the parameters that it took.

    Parameters
    ----------
    slope : Quantity
        With CR2 influence and Satterthwaite degrees of freedom.
    n_params : int
        Coefficients that were estimated.
    """

    slope: Quantity
    n_params: int


def why_too_small(sample: Sample, outcome: str, at_least: int) -> str | None:
    """Say why a group's rows do not carry a lift of their own, if they do not (methods 3).

    They must be `at_least` many, 10 per parameter of the additive model and 10 events.
    """
    n_events = count_events(sample.outcome, outcome)
    if n_events < MIN_EVENTS:
        return f"fewer than {MIN_EVENTS} events among {sample.n_obs:,} responses"
    if sample.rating.min() == sample.rating.max():
        return "everybody gave the same rating"
    n_params = _n_params(sample)
    needed = max(at_least, MIN_ROWS_PER_PARAMETER * n_params)
    if sample.n_obs < needed:
        return f"{sample.n_obs:,} responses, fewer than {needed:,} for {n_params} parameters"
    if sample.n_in_sample <= n_params:
        return f"{sample.n_in_sample:,} customers, too few for {n_params} parameters"
    return None


def carries_interactions(sample: Sample) -> bool:
    """Say whether a group has the rows for products of rating and controls, as the headline."""
    n_params = 2 * (_n_params(sample) - 1)
    return (
        sample.n_obs >= ROWS_PER_PARAMETER_INTERACTED * n_params and sample.n_in_sample > n_params
    )


def _n_params(sample: Sample) -> int:
    """Count the parameters of the additive model; columns that are constant here have none."""
    n_varying = int((np.ptp(sample.controls, axis=0) > 0).sum()) if sample.controls.size else 0
    if sample.n_obs <= n_varying + 2:
        return n_varying + 2
    return _fit(sample, interacted=False).n_params


def _fit(sample: Sample, *, interacted: bool) -> LeastSquares:
    design = slope_design(sample, interacted=interacted)
    return fit_least_squares(design, sample.outcome, sample.share * sample.n_obs)


def cr2_slope(sample: Sample, *, interacted: bool) -> GroupSlope | None:
    """Fit the outcome on rating and controls; give the mean slope with its CR2 error.

    The error is bias-reduced (CR2 by customer, which is HC2 where everybody answered once) and its
    t has the degrees of freedom of Bell & McCaffrey (2002). With interactions the slope is averaged
    over the group, whose means are estimated too: that part is added as in the headline.

    Returns
    -------
    GroupSlope or None
        None where the controls leave nothing of the rating, or the fit has no error.
    """
    fit = _fit(sample, interacted=interacted)
    if 1 in fit.dropped:
        return None
    slope = cr2_quantity(sample, fit, 1)
    if interacted:
        products = fit.coefficients[2 + sample.controls.shape[1] :]
        spread = sample.share * (sample.controls @ products)
        means = cluster_sums(spread, sample.customers, sample.n_customers)
        slope = replace(slope, influence=slope.influence + means)
    return GroupSlope(slope, fit.n_params) if slope.std_error > 0 else None
