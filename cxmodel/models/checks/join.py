"""Whether responses were found among the customers, and the money adds up."""

from __future__ import annotations

from cxmodel.models.checks.base import Check, Verdict
from cxmodel.models.lift_fit import LiftFit
from cxmodel.models.say import amount

WARN_UNDER, FAIL_UNDER = 0.95, 0.5


def check_join(fit: LiftFit) -> Check:
    """Give the match rate; warn under .95, fail under .5 or when the ledger does not reconcile."""
    audit = fit.obs.audit
    rate = audit.get("match_rate")
    if fit.obs.is_joined or rate is None:
        return Check.not_run(
            "join",
            fit.outcome,
            "The table came already joined, so whether every response met its customer cannot "
            "be seen. Surveys, customers and bookings as separate sources would make it run.",
        )
    verdict: Verdict = "pass"
    if rate < FAIL_UNDER:
        verdict = "fail"
    elif rate < WARN_UNDER:
        verdict = "warn"
    text = f"{rate:.1%} of the responses were found among the customers."
    difference = (audit.get("revenue_reconciled") or {}).get("difference")
    if difference:
        verdict = "fail"
        what = amount(abs(difference), "revenue", fit.obs.currency)
        fault = "missing" if difference > 0 else "counted twice"
        text += f" The ledger does not add up: {what} are {fault}."
    elif difference is not None:
        text += " Every booking of the ledger is counted exactly once."
    return Check(
        name="join", outcome=fit.outcome, verdict=verdict, statistic=float(rate), text=text
    )
