"""Whether there are rows (or events) enough for what is estimated."""

from __future__ import annotations

from cxmodel.models.checks.base import Check, Verdict
from cxmodel.models.lift_fit import LiftFit

WARN_UNDER, FAIL_UNDER = 20, 10
# Past gaps of customers who came back that may exceed inactive_days before the rule is doubted.
LONG_GAPS = 0.2


def check_sample_size(fit: LiftFit) -> Check:
    """Count rows (events for retention) per parameter; warn under 20, fail under 10.

    The parameters are those of the additive model, by which it is decided too whether a lift is
    run; interactions are kept only where there are 20 rows for each parameter with them.
    Under the inactivity rule it warns too when over a fifth of the past gaps of customers who
    came back exceed ``inactive_days`` (methods 1).
    """
    if fit.additive is None:
        return Check.not_run(
            "sample_size",
            fit.outcome,
            "No slope could be fitted, so there are no parameters to count.",
        )
    is_revenue = fit.outcome == "revenue"
    available = fit.sample.n_obs if is_revenue else fit.n_events
    n_params = fit.additive.n_params
    per_parameter = available / n_params
    verdict: Verdict = "pass"
    if per_parameter < FAIL_UNDER:
        verdict = "fail"
    elif per_parameter < WARN_UNDER:
        verdict = "warn"
    text = (
        f"{available:,} {'responses' if is_revenue else 'events (the rarer of both outcomes)'} "
        f"for {n_params} parameters, {per_parameter:,.0f} each; "
        f"under {FAIL_UNDER} is too few, {WARN_UNDER} is enough."
    )
    doubt, said = _doubt_inactivity(fit)
    return Check(
        name="sample_size",
        outcome=fit.outcome,
        verdict="warn" if doubt and verdict == "pass" else verdict,
        statistic=per_parameter,
        text=text + said,
    )


def _doubt_inactivity(fit: LiftFit) -> tuple[bool, str]:
    """Say how often a customer who came back had been away for longer than the rule allows."""
    share = (fit.obs.audit.get("long_gaps") or {}).get("share")
    if fit.outcome != "retention" or fit.obs.churn_rule != "inactivity" or share is None:
        return False, ""
    said = (
        f" {share:.0%} of past pauses of customers who came back were longer than "
        f"{fit.obs.windows.inactive_days} days"
    )
    if share <= LONG_GAPS:
        return False, f"{said}."
    return True, (
        f"{said}: some who count as lost will come back, so consider a longer inactive_days."
    )
