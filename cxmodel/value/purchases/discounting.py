"""Discount rates of purchases still to come, and what is said where their sum diverges."""

from __future__ import annotations

import math

from cxmodel.stats.purchases.family import Family
from cxmodel.stats.rates import DAYS_PER_YEAR

_LEAVING = {"pareto_nbd": "s", "bg_bb": "gamma"}


def rate_per_period(
    per_period: float | None, annual: float | None, *, unit_days: float, family: Family
) -> float:
    """Give the rate per unit of time: compounded continuously, or once an occasion.

    Parameters
    ----------
    per_period, annual : float, optional
        One of them.
    unit_days : float
        Days in a unit of time.
    family : Family
        Whether time is a count of occasions.

    Raises
    ------
    ValueError
        If not exactly one is given, or it is negative.
    """
    given = per_period if annual is None else annual
    if given is None or (per_period is not None and annual is not None):
        raise ValueError("Give discount_rate_per_period or annual_discount_rate, one of them.")
    if not (math.isfinite(given) and given >= 0):
        raise ValueError(f"A discount rate must be 0 or more, not {given}.")
    if annual is None:
        return float(given)
    years = unit_days / DAYS_PER_YEAR
    return float((1 + annual) ** years - 1) if family.is_discrete else math.log1p(annual) * years


def infinite_sum(family: Family, parameters: dict[str, float]) -> str:
    """Say why purchases still to come have no finite mean, and what to do."""
    name = _LEAVING.get(family.name, "a")
    return (
        f"{family.title}: without discounting the purchases still to come have no finite mean, as "
        f"{name} = {parameters[name]:.3g} is 1 or less (some customers hardly ever leave). Give a "
        "discount rate above 0, or count purchases up to a horizon: "
        "conditional_expected_purchases(t)."
    )
