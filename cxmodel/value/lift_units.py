"""What a lift is stated in: money per point, per customer, per so many days."""

from __future__ import annotations

import re
from dataclasses import dataclass

_UNIT = re.compile(
    r"(?P<currency>\S+)(?P<basis> margin| revenue)? per "
    r"(?:(?P<rating>rating point)|KPI point(?: \((?P<path>\w+)\))?)"
    r" per customer per (?P<window>.+)"
)
_DAYS = re.compile(r"(\d+(?:\.\d+)?) days?")


@dataclass(frozen=True)
class LiftUnit:
    """A lift's unit, taken apart.

    Parameters
    ----------
    currency : str
        ISO 4217 code.
    is_margin : bool
        Whether the money is margin already, so that no margin is to be taken again.
    path : str, optional
        Path of a KPI point; None for a rating point.
    is_kpi : bool
        Whether it is per KPI point.
    outcome_days : float, optional
        None where the window is not stated in days.
    """

    currency: str
    is_margin: bool
    is_kpi: bool
    path: str | None
    outcome_days: float | None


def parse_lift_unit(unit: str) -> LiftUnit:
    """Read the unit of a lift in money.

    Raises
    ------
    ValueError
        If it is no lift in money per point per customer per window.

    Examples
    --------
    >>> parse_lift_unit("USD per rating point per customer per 180 days").outcome_days
    180.0
    >>> parse_lift_unit("EUR per KPI point (uniform_shift) per customer per 90 days").path
    'uniform_shift'
    """
    found = _UNIT.fullmatch(unit)
    if found is None:
        raise ValueError(
            f"A lift in {unit!r} cannot be turned into money. State it like "
            "'USD per rating point per customer per 180 days' or "
            "'USD per KPI point (detractor_to_passive) per customer per 180 days'."
        )
    days = _DAYS.fullmatch(found["window"])
    return LiftUnit(
        currency=found["currency"],
        is_margin=found["basis"] == " margin",
        is_kpi=found["rating"] is None,
        path=found["path"],
        outcome_days=float(days[1]) if days else None,
    )


def margin_of(unit: LiftUnit, gross_margin: float, benefit: str) -> float:
    """Give what share of a lift's money counts: the margin, or all of it.

    Raises
    ------
    ValueError
        If the lift is in margin already and revenue is asked for.

    Examples
    --------
    >>> unit = parse_lift_unit("USD per rating point per customer per 180 days")
    >>> margin_of(unit, 0.6, "margin"), margin_of(unit, 0.6, "revenue")
    (0.6, 1.0)
    """
    if unit.is_margin:
        if benefit == "revenue":
            raise ValueError('The lift is in margin already: take benefit="margin".')
        return 1.0
    return gross_margin if benefit == "margin" else 1.0
