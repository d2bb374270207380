"""The headline's model with and without weights for non-response."""

from __future__ import annotations

from cxmodel.errors import SeparationError
from cxmodel.models.estimates.alternatives import SEPARATED
from cxmodel.models.estimation import Quantity
from cxmodel.models.lift_fit import LiftFit, build_sample
from cxmodel.results import NotRun


def weighted(fit: LiftFit) -> Quantity | NotRun:
    """Give the headline's slope with the answers weighted for those who did not answer."""
    if fit.weights.weight is None:
        return NotRun(fit.weights.reason)
    return _variant(fit, is_weighted=True)


def unweighted(fit: LiftFit) -> Quantity | NotRun:
    """Give the headline's slope with every customer who answered counting the same."""
    return _variant(fit, is_weighted=False)


def _variant(fit: LiftFit, *, is_weighted: bool) -> Quantity | NotRun:
    if fit.headline is None:
        return NotRun(SEPARATED)
    if is_weighted == fit.is_weighted:
        return fit.headline.slope
    sample = build_sample(
        fit.obs,
        fit.rows,
        fit.sample.outcome,
        fit.plan,
        fit.codes,
        len(fit.customers),
        fit.weights if is_weighted else None,
    )
    try:
        return fit.refit(sample).slope
    except SeparationError:
        return NotRun(SEPARATED)
