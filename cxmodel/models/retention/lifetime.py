"""Residual lifetimes of a fitted model, with the reason where there is no finite one."""

from __future__ import annotations

import math
import warnings

import numpy as np
import numpy.typing as npt

from cxmodel.errors import CxModelWarning
from cxmodel.stats.lifetime_likelihood import LifetimeFamily, has_power
from cxmodel.stats.lifetimes import NAMES
from cxmodel.stats.rates import monthly_discount_rate
from cxmodel.stats.residual_lifetime import (
    bdw_derl,
    discrete_weibull_derl,
    geometric_derl,
    sbg_derl,
)

FloatArray = npt.NDArray[np.float64]


def rate_per_period(per_period: float, annual: float | None, period: str) -> float:
    """Give the discount rate per period, from one of the two ways to state it."""
    if annual is None:
        if per_period < 0:
            raise ValueError(f"discount_rate_per_period must be 0 or more, not {per_period}.")
        return per_period
    if per_period:
        raise ValueError("Give discount_rate_per_period or annual_discount_rate, not both.")
    if period != "month":
        raise ValueError(
            "How long a period is cannot be known from counts: give discount_rate_per_period."
        )
    if annual < 0:
        raise ValueError(f"annual_discount_rate must be 0 or more, not {annual}.")
    return monthly_discount_rate(annual)


def residual_lifetime(
    family: LifetimeFamily,
    parameters: FloatArray,
    n_renewals: int,
    rate: float,
    hazard_ratio: float = 1.0,
) -> float:
    """Give the discounted expected residual lifetime; infinite with a warning that says why.

    Examples
    --------
    >>> round(residual_lifetime("sbg", np.array([3.8, 15.2]), 0, 0.10), 4)
    3.3098
    """
    if n_renewals < 0:
        raise ValueError(f"n_renewals must be 0 or more, not {n_renewals}.")
    if family == "geometric":
        loss = -math.expm1(hazard_ratio * math.log1p(-parameters[0])) if parameters[0] < 1 else 1.0
        found = geometric_derl(loss, rate)
    elif family == "discrete_weibull":
        found = discrete_weibull_derl(
            parameters[0],
            parameters[1],
            n_renewals=n_renewals,
            discount_rate_per_period=rate,
            hazard_ratio=hazard_ratio,
        )
    elif family == "sbg" and hazard_ratio == 1.0:
        found = sbg_derl(
            parameters[0], parameters[1], n_renewals=n_renewals, discount_rate_per_period=rate
        )
    else:
        found = bdw_derl(
            parameters[0],
            parameters[1],
            parameters[2] if has_power(family) else 1.0,
            n_renewals=n_renewals,
            discount_rate_per_period=rate,
            hazard_ratio=hazard_ratio,
        )
    if math.isinf(found):
        warnings.warn(why_infinite(family, parameters), CxModelWarning, stacklevel=3)
    return found


def why_infinite(family: LifetimeFamily, parameters: FloatArray) -> str:
    """Say why the expected lifetime without a discount is infinite, and what to do."""
    if family in ("geometric", "discrete_weibull"):
        said = "nobody leaves"
    elif family == "sbg":
        said = f"alpha is {parameters[0]:.3g}, and at 1 or less some customers all but never leave"
    else:
        said = (
            f"gamma x c is {parameters[0] * parameters[2]:.3g}, and at 1 or less some customers "
            "all but never leave"
        )
    return (
        f"The expected lifetime under the {NAMES[family]} is infinite without a discount: {said}. "
        "State a discount rate above 0, or read the curve up to a horizon."
    )
