"""How many responses each customer gave."""

from __future__ import annotations

from cxmodel.models.checks.base import Check
from cxmodel.models.lift_fit import LiftFit

FEW_CLUSTERS = 30


def check_repeat_customers(fit: LiftFit) -> Check:
    """Count responses per customer; warn when the clusters are under 30 (methods 5)."""
    sample = fit.sample
    per_customer = sample.n_obs / sample.n_in_sample
    text = f"{sample.n_obs:,} responses of {sample.n_in_sample:,} customers"
    if not sample.is_clustered:
        text += ", one each."
    else:
        text += (
            f", {per_customer:.2f} each; every customer counts once, and errors allow for what a "
            "customer's responses have in common."
        )
    is_few = sample.is_clustered and sample.n_in_sample < FEW_CLUSTERS
    if is_few:
        text += f" Fewer than {FEW_CLUSTERS} customers make intervals too short."
    return Check(
        name="repeat_customers",
        outcome=fit.outcome,
        verdict="warn" if is_few else "pass",
        statistic=per_customer,
        text=text,
    )
