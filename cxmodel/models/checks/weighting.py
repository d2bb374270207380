"""Whether the average over customers and the variance-weighted slope tell the same."""

from __future__ import annotations

from cxmodel.models.checks.base import Check
from cxmodel.models.lift_fit import LiftFit
from cxmodel.models.say import amount


def check_weighting(fit: LiftFit) -> Check:
    """Compare headline and additive slope; warn beyond one standard error (methods 2.2)."""
    if fit.headline is None or fit.additive is None:
        return Check.not_run("weighting", fit.outcome, "No slope could be fitted.")
    if not fit.is_interacted:
        return Check.not_run(
            "weighting",
            fit.outcome,
            "The headline is the additive slope itself. More responses, or fewer controls, "
            "would let the slope differ between customers.",
        )
    headline, additive = fit.headline.slope, fit.additive.slope
    difference = abs(headline.value - additive.value)
    apart = difference / headline.std_error if headline.std_error else 0.0
    said = [amount(s.value, fit.outcome, fit.obs.currency) for s in (headline, additive)]
    return Check(
        name="weighting",
        outcome=fit.outcome,
        verdict="warn" if apart > 1 else "pass",
        statistic=apart,
        text=f"Averaged over customers the lift is {said[0]} per rating point; the additive slope, "
        f"which weights by how much ratings vary, is {said[1]}. They are {apart:.1f} standard "
        f"errors apart{': the lift differs between kinds of customers.' if apart > 1 else '.'}",
    )
