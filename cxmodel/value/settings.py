"""What margin, discount, horizon and benefit may be."""

from __future__ import annotations


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
    if horizon_months < 1:
        raise ValueError(f"horizon_months must be 1 or more, not {horizon_months}.")
    if benefit not in ("margin", "revenue"):
        raise ValueError(f"benefit is 'margin' or 'revenue', not {benefit!r}.")
