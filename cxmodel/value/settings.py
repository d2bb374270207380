"""What margin, discount, horizon and benefit may be."""

from __future__ import annotations

import math

MOST_MONTHS = 1_200
"""A hundred years: no curve is continued further."""


def check_value_settings(
    gross_margin: float, annual_discount_rate: float, horizon_months: int, benefit: str
) -> None:
    """Refuse a margin, discount, horizon or benefit that cannot be.

    Raises
    ------
    ValueError
        Naming the setting.

    Examples
    --------
    >>> check_value_settings(0.6, 0.10, 36, "margin")
    """
    for name, value in (
        ("gross_margin", gross_margin),
        ("annual_discount_rate", annual_discount_rate),
    ):
        if not 0 <= value < 1:
            raise ValueError(f"{name} must lie in [0, 1), not {value}.")
    if isinstance(horizon_months, bool) or int(horizon_months) != horizon_months:
        raise ValueError(f"horizon_months must be a whole number, not {horizon_months}.")
    if not 1 <= horizon_months <= MOST_MONTHS:
        raise ValueError(f"horizon_months must be 1 to {MOST_MONTHS:,}, not {horizon_months}.")
    if benefit not in ("margin", "revenue"):
        raise ValueError(f"benefit is 'margin' or 'revenue', not {benefit!r}.")


def check_lasting(lasts_months: float | None, half_life_months: float | None) -> None:
    """Refuse a gain that is said to last in two ways, or no time at all.

    Raises
    ------
    ValueError
        Naming the setting.

    Examples
    --------
    >>> check_lasting(12, None)
    """
    if lasts_months is not None and half_life_months is not None:
        raise ValueError("Give lasts_months or half_life_months, not both.")
    for name, value in (("lasts_months", lasts_months), ("half_life_months", half_life_months)):
        if value is not None and not 0 < value < math.inf:
            raise ValueError(f"{name} must be above 0, not {value}.")
