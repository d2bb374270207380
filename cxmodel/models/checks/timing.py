"""Whether the lift survives when the outcome begins later."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cxmodel.errors import SeparationError
from cxmodel.models.checks.base import Check, normal_p
from cxmodel.models.estimation import Quantity, Sample, combine, fit_slope
from cxmodel.models.lift_fit import LiftFit
from cxmodel.models.population import exclusions, outcome_values
from cxmodel.models.requirements import MIN_EVENTS, MIN_ROWS_PER_PARAMETER, count_events
from cxmodel.models.say import amount, listed
from cxmodel.models.telling_controls import pool_pure_levels

LOST_SHARE, LOST_ERRORS = 0.5, 2.0


@dataclass(frozen=True)
class Loss:
    """What of a slope is lost at a longer gap, paired by customer.

    The slope is the headline, or the additive one where interactions are separated at that gap.
    """

    gap: int
    now: Quantity
    later: Quantity
    is_additive: bool = False

    @property
    def share(self) -> float:
        """The loss as a share of the slope, negative where it grows."""
        return 1 - self.later.value / self.now.value if self.now.value else 0.0

    @property
    def z(self) -> float:
        """The loss in standard errors of the paired difference."""
        lost = combine(self.now.value - self.later.value, [(1.0, self.now), (-1.0, self.later)])
        sign = 1.0 if self.now.value >= 0 else -1.0
        return sign * lost.value / lost.std_error if lost.std_error else 0.0

    @property
    def is_large(self) -> bool:
        """Over half the slope, and over two standard errors of the difference."""
        return self.share > LOST_SHARE and self.z > LOST_ERRORS


def check_timing(fit: LiftFit) -> Check:
    """Fit the headline again at longer gaps, among those still there at response + gap.

    *fail* when more than half the size is lost and the loss exceeds two standard errors of the
    paired difference (methods 5). The statistic is the share lost at the worst gap, the p-value
    that of the difference.
    """
    if fit.headline is None:
        return _not_run(fit, "No slope could be fitted, so there is none to fit again.")
    if len(fit.obs.windows.timing_gaps) == 1:
        return _not_run(
            fit,
            f"The stated gap of {fit.obs.windows.gap_days} days is already as long as the longest "
            "that is tried. A shorter windows.gap_days would make it run.",
        )
    stated = fit.obs.windows.gap_days
    gaps = [gap for gap in fit.obs.windows.timing_gaps if gap > stated and _has_gap(fit, gap)]
    if not gaps:
        return _not_run(
            fit,
            "The outcome is known for one window only, so it cannot begin later. Dated bookings or "
            "churn dates would make it run.",
        )
    losses = [loss for gap in gaps if (loss := _loss(fit, gap)) is not None]
    if not losses:
        return _not_run(
            fit,
            f"Too few responses have an outcome window that ends {gaps[0] - stated} days later. A "
            "later as_of or a shorter windows.outcome_days would make it run.",
        )
    absent = [gap for gap in gaps if gap not in {loss.gap for loss in losses}]
    return _judge(fit, losses, absent)


def _has_gap(fit: LiftFit, gap: int) -> bool:
    column = "_revenue_after" if fit.outcome == "revenue" else "_churned"
    return fit.obs.has(f"{column}_g{gap}", f"_complete_g{gap}")


def _loss(fit: LiftFit, gap: int) -> Loss | None:
    """Fit at one gap; None where too few rows are left, or they are separated."""
    if fit.headline is None or fit.additive is None:
        return None
    values = outcome_values(fit.obs, fit.outcome, gap)
    there = np.ones(len(values), dtype=bool)
    for _, applies in exclusions(fit.obs, fit.outcome, gap=gap):
        there &= ~applies
    rows = fit.rows[there[fit.rows]]
    enough = MIN_ROWS_PER_PARAMETER * fit.headline.n_params
    if len(rows) < enough or count_events(values[rows], fit.outcome) < MIN_EVENTS:
        return None
    sample = _sample(fit, there[fit.rows], values[rows])
    try:
        return Loss(gap, fit.headline.slope, fit.refit(sample).slope)
    except SeparationError:
        return _additive_loss(fit, gap, sample)


def _sample(fit: LiftFit, is_there: NDArray[np.bool_], outcome: NDArray[np.float64]) -> Sample:
    """Make the arrays of those still there, from the columns that the fit has made already."""
    whole = fit.sample
    controls = whole.controls[is_there]
    if fit.outcome == "retention" and _has_pure_column(controls, outcome):
        # a level in which all of those still there stay has no finite coefficient
        rows = fit.rows[is_there]
        plan = pool_pure_levels(fit.plan, fit.obs.frame.iloc[rows], outcome, fit.obs.min_group_size)
        return fit.sample_of(rows, outcome, plan)
    return Sample.build(
        outcome, whole.rating[is_there], controls, whole.customers[is_there], whole.n_customers
    )


def _has_pure_column(controls: NDArray[np.float64], outcome: NDArray[np.float64]) -> bool:
    """Say whether on one of a column's two values everybody has one outcome."""
    high = controls.max(axis=0, initial=-np.inf)
    low = controls.min(axis=0, initial=np.inf)
    is_flag = ((controls == high) | (controls == low)).all(axis=0)
    above = controls[:, is_flag] == high[is_flag]
    n_above, n_events = above.sum(axis=0), outcome @ above
    n_below, n_other = len(outcome) - n_above, outcome.sum() - n_events
    pure = (n_events == 0) | (n_events == n_above) | (n_other == 0) | (n_other == n_below)
    return bool(pure.any())


def _additive_loss(fit: LiftFit, gap: int, sample: Sample) -> Loss | None:
    if fit.additive is None or not fit.is_interacted:
        return None
    try:
        later = fit_slope(sample, link=fit.link).slope
    except SeparationError:
        return None
    return Loss(gap, fit.additive.slope, later, is_additive=True)


def _judge(fit: LiftFit, losses: list[Loss], absent: list[int]) -> Check:
    worst = max(losses, key=lambda loss: (loss.is_large, loss.z))
    return Check(
        name="timing",
        outcome=fit.outcome,
        verdict="fail" if worst.is_large else "pass",
        statistic=worst.share,
        p_value=normal_p(worst.z),
        text=f"{_said(fit, losses, absent)} {_reading(worst, losses)}",
    )


def _said(fit: LiftFit, losses: list[Loss], absent: list[int]) -> str:
    """Give the lift at every gap."""

    def write(quantity: Quantity) -> str:
        return amount(quantity.value, fit.outcome, fit.obs.currency)

    now = fit.headline.slope if fit.headline else losses[0].now
    at_gaps = listed([f"{write(loss.later)} from {loss.gap} days on" for loss in losses])
    said = (
        f"Per rating point the lift is {write(now)} when the outcome begins "
        f"{fit.obs.windows.gap_days} days after the response; it is {at_gaps}."
    )
    if additive := [loss for loss in losses if loss.is_additive]:
        gaps = listed([str(loss.gap) for loss in additive])
        said += f" From {gaps} days on it is the additive slope, {write(additive[0].now)} at first."
    if absent:
        said += f" It could not be fitted from {listed([str(gap) for gap in absent])} days on."
    return said


def _reading(worst: Loss, losses: list[Loss]) -> str:
    """Say what the gaps tell."""
    if worst.is_large:
        return (
            f"It loses {min(worst.share, 1):.0%} at {worst.gap} days: either decisions were taken "
            "before the answer, or the effect fades at once."
        )
    if abs(worst.now.value) < LOST_ERRORS * worst.now.std_error:
        return "It is too uncertain for a loss to be seen."
    if max(loss.share for loss in losses) > LOST_SHARE:
        return "It loses over half at some gap, but not more than chance allows."
    return "It does not fade by half, as it would if decisions had come before the answer."


def _not_run(fit: LiftFit, text: str) -> Check:
    return Check.not_run("timing", fit.outcome, text)
