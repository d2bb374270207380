"""All checks of one lift, in the order of the contract."""

from __future__ import annotations

from collections.abc import Callable

from cxmodel.models.checks.base import CHECK_NAMES, Check
from cxmodel.models.checks.feedback import check_feedback
from cxmodel.models.checks.join import check_join
from cxmodel.models.checks.leakage import check_leakage
from cxmodel.models.checks.leave_one_group_out import check_leave_one_group_out
from cxmodel.models.checks.linearity import check_linearity
from cxmodel.models.checks.non_response import check_non_response
from cxmodel.models.checks.overlap import check_overlap
from cxmodel.models.checks.placebo_before import check_placebo_before
from cxmodel.models.checks.repeat_customers import check_repeat_customers
from cxmodel.models.checks.sample_size import check_sample_size
from cxmodel.models.checks.separation import check_separation
from cxmodel.models.checks.shuffled_rating import check_shuffled_rating
from cxmodel.models.checks.timing import check_timing
from cxmodel.models.checks.unobserved_confounding import check_unobserved_confounding
from cxmodel.models.checks.weighting import check_weighting
from cxmodel.models.lift_fit import LiftFit

CHECKS: dict[str, Callable[[LiftFit], Check]] = {
    "placebo_before": check_placebo_before,
    "timing": check_timing,
    "unobserved_confounding": check_unobserved_confounding,
    "linearity": check_linearity,
    "overlap": check_overlap,
    "weighting": check_weighting,
    "shuffled_rating": check_shuffled_rating,
    "feedback": check_feedback,
    "non_response": check_non_response,
    "leakage": check_leakage,
    "separation": check_separation,
    "leave_one_group_out": check_leave_one_group_out,
    "repeat_customers": check_repeat_customers,
    "join": check_join,
    "sample_size": check_sample_size,
}


def run_checks(fit: LiftFit) -> tuple[Check, ...]:
    """Run every check, one after the other."""
    return tuple(CHECKS[name](fit) for name in CHECK_NAMES)
