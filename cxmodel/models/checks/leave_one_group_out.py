"""Whether one group of customers carries the whole lift."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cxmodel.models.checks.base import Check
from cxmodel.models.controls import MONTH, spoken
from cxmodel.models.estimation import Sample, slope_design
from cxmodel.models.leaks import as_levels
from cxmodel.models.lift_fit import LiftFit
from cxmodel.models.say import amount

Floats = NDArray[np.float64]


def check_leave_one_group_out(fit: LiftFit) -> Check:
    """Fit the additive slope without each group of each categorical control in turn.

    *warn* when the sign changes (methods 5). The statistic is the smallest slope, in the
    direction of the full one, as a share of it; for retention the model is the linear
    probability model.
    """
    found = [
        (name, group, slope) for name, group, slope in _slopes_without(fit) if slope is not None
    ]
    full = _slope(*_moments(_design(fit.sample), fit.sample.outcome, fit.sample.share))
    if fit.headline is None or not found or not full:
        return Check.not_run(
            "leave_one_group_out",
            fit.outcome,
            "No control divides the customers into groups, or no slope could be fitted. An "
            "attribute such as segment or region would make it run.",
        )
    name, group, slope = min(found, key=lambda item: item[2] / full)
    is_turned = slope / full < 0
    said = [amount(value, fit.outcome, fit.obs.currency) for value in (full, slope)]
    model = " (linear probability model)" if fit.outcome == "retention" else ""
    keeps = "The lift keeps its sign whichever group is left out"
    lead = "The lift changes sign" if is_turned else keeps
    return Check(
        name="leave_one_group_out",
        outcome=fit.outcome,
        verdict="warn" if is_turned else "pass",
        statistic=float(slope / full),
        text=f"{lead}: the additive slope{model} is {said[0]} with all, and {said[1]} without "
        f"{spoken(name)} {group}, where it is least.",
    )


def _design(sample: Sample) -> Floats:
    return slope_design(sample, interacted=False)


def _moments(design: Floats, outcome: Floats, share: Floats) -> tuple[Floats, Floats]:
    weighted = design * share[:, None]
    return weighted.T @ design, weighted.T @ outcome


def _slopes_without(fit: LiftFit) -> list[tuple[str, str, float | None]]:
    """Subtract each group's moments from the whole: cheaper than fitting every time."""
    sample, frame = fit.sample, fit.frame
    # one scale for all columns, so that the moments keep their digits
    design = _design(sample)
    scale = np.sqrt((design**2).mean(axis=0))
    scale[scale == 0] = 1.0
    scaled = design / scale
    gram, cross = _moments(scaled, sample.outcome, sample.share)
    slopes: list[tuple[str, str, float | None]] = []
    for control in fit.plan.controls:
        if control.kind != "category" or control.name == MONTH:
            continue
        levels = as_levels(frame[control.name]).to_numpy(dtype=object)
        for level in (control.reference, *control.levels):
            rows = levels == level
            # a small group is not named; nor can it carry much
            if np.unique(sample.customers[rows]).size >= fit.obs.min_group_size:
                less, less_cross = _moments(scaled[rows], sample.outcome[rows], sample.share[rows])
                slope = _slope(gram - less, cross - less_cross)
                slopes.append(
                    (control.name, str(level), None if slope is None else slope / scale[1])
                )
    return slopes


def _slope(gram: Floats, cross: Floats) -> float | None:
    """Solve the normal equations for the rating; columns that became constant add nothing."""
    coefficients = np.linalg.lstsq(gram, cross, rcond=1e-10)[0]
    return float(coefficients[1]) if np.isfinite(coefficients[1]) else None
