"""What a reader must know of a fitted lifetime model, as sentences."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from cxmodel.models.retention.fit import Family
from cxmodel.stats.lifetimes import NAMES, PARAMETER_NAMES

FloatArray = npt.NDArray[np.float64]

# A share of customers: a model further from the observed curve than this is not believed.
CLEAR_MISFIT = 0.05


def misfit_caveat(model: FloatArray, observed: FloatArray, period: str) -> tuple[str, ...]:
    """Say where the model that continues the curve departs most from what was observed."""
    where = int(np.argmax(np.abs(model - observed)))
    if abs(model[where] - observed[where]) <= CLEAR_MISFIT:
        return ()
    return (
        f"The model that continues the retention curve does not fit it: after {where} {period}s "
        f"{observed[where]:.0%} were still there where it says {model[where]:.0%}. Read no further "
        "than the months observed.",
    )


def undetermined_caveat(family: Family, n_loss_periods: int) -> tuple[str, ...]:
    """Say that parameters are open where there are more of them than periods with a loss."""
    n_parameters = len(PARAMETER_NAMES[family])
    if n_loss_periods >= n_parameters:
        return ()
    return (
        f"The {NAMES[family]} has {n_parameters} parameters, and customers left in "
        f"{n_loss_periods} period alone: its projection is one of many that fit as well. Bring "
        'more periods, or take family="geometric".',
    )


def boundary_caveat(family: Family, parameters: FloatArray, is_alike: bool) -> str:
    """Say what a fit at the end of its range stands for, and what to do."""
    first, second = parameters[:2]
    if family == "bdw" and is_alike:
        return (
            "The beta-discrete-Weibull ran to its limit of no difference between customers: it is "
            f"a discrete Weibull that loses {100 * first / (first + second):.2g}% in the first "
            f"period, with c {parameters[2]:.3g}. Read the curve, not these parameters, or take "
            'family="discrete_weibull" or "auto".'
        )
    if family == "sbg" and first > 1 and second > 1:
        return (
            "The shifted beta-geometric ran to its limit of no difference between customers: it is "
            f"a constant loss of {100 * first / (first + second):.2f}% a period. Read the curve, "
            'not these parameters, or take family="geometric" or "auto".'
        )
    found = ", ".join(
        f"{name} {value:.3g}"
        for name, value in zip(PARAMETER_NAMES[family], parameters, strict=True)
    )
    return (
        f"The {NAMES[family]} ran to the end of its range ({found}): the periods observed do not "
        "determine it. Read no further than they go, or bring more periods; a RetentionModel of "
        'family="auto" takes another family where that one fits better.'
    )
