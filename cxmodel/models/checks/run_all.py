"""All checks of one lift, in the order of the contract."""

from __future__ import annotations

from collections.abc import Callable

from cxmodel.models.checks.base import CHECK_NAMES, Check
from cxmodel.models.checks.join import check_join
from cxmodel.models.checks.leakage import check_leakage
from cxmodel.models.checks.leave_one_group_out import check_leave_one_group_out
from cxmodel.models.checks.linearity import check_linearity
from cxmodel.models.checks.non_response import check_non_response
from cxmodel.models.checks.placebo_before import check_placebo_before
from cxmodel.models.checks.repeat_customers import check_repeat_customers
from cxmodel.models.checks.sample_size import check_sample_size
from cxmodel.models.checks.separation import check_separation
from cxmodel.models.checks.timing import check_timing
from cxmodel.models.checks.weighting import check_weighting
from cxmodel.models.lift_fit import LiftFit

CHECKS: dict[str, Callable[[LiftFit], Check]] = {
    "placebo_before": check_placebo_before,
    "timing": check_timing,
    "linearity": check_linearity,
    "weighting": check_weighting,
    "non_response": check_non_response,
    "leakage": check_leakage,
    "separation": check_separation,
    "leave_one_group_out": check_leave_one_group_out,
    "repeat_customers": check_repeat_customers,
    "join": check_join,
    "sample_size": check_sample_size,
}
LATER = "in a later version of cxmodel"
GRADING = (
    "Hidden causes, and whether all kinds of customers gave low and high ratings, are examined "
    f"{LATER}; until then no lift is graded above association."
)
NOT_BUILT = {
    "unobserved_confounding": GRADING,
    "overlap": GRADING,
    "feedback": f"The estimate within customers, and its check, come {LATER}.",
    "shuffled_rating": f"The test of the arithmetic with shuffled ratings comes {LATER}.",
}


def run_checks(fit: LiftFit) -> tuple[Check, ...]:
    """Run every check there is; the others are named with the reason why they were not."""
    return tuple(
        CHECKS[name](fit) if name in CHECKS else Check.not_run(name, fit.outcome, NOT_BUILT[name])
        for name in CHECK_NAMES
    )
