"""Numbers of a lift in words."""

from __future__ import annotations

import math

from cxmodel.tables.opening.money import DEFAULT_MINOR_DIGITS, MINOR_DIGITS

# Beyond so many decimals a number is as good as nothing.
MOST_PLACES = 6


def amount(value: float, outcome: str, currency: str | None) -> str:
    """Write an amount of an outcome: money, or percentage points of retention.

    Examples
    --------
    >>> amount(-15.824, "revenue", "USD"), amount(0.0042, "retention", None)
    ('USD -15.82', '0.42 percentage points')
    >>> amount(5.379e10, "revenue", "USD"), amount(5.379, "revenue", "JPY")
    ('USD 53,790,000,000', 'JPY 5.4')
    """
    if outcome == "retention":
        return f"{_number(100 * value, _places(100 * value, 2))} percentage points"
    return f"{_code(currency)}{_number(value, _places(value, _minor(currency)))}"


def interval(low: float, high: float, outcome: str, currency: str | None) -> str:
    """Write an interval, both ends to the same decimals.

    Examples
    --------
    >>> interval(-0.313, 1.33, "revenue", "USD"), interval(-0.00001, 0.0002, "retention", None)
    ('USD -0.31 to USD 1.33', '-0.001 to 0.020 percentage points')
    """
    if outcome == "retention":
        places = _places(100 * max(abs(low), abs(high)), 2)
        return f"{_number(100 * low, places)} to {_number(100 * high, places)} percentage points"
    places = _places(max(abs(low), abs(high)), _minor(currency))
    code = _code(currency)
    return f"{code}{_number(low, places)} to {code}{_number(high, places)}"


def _code(currency: str | None) -> str:
    return "" if currency is None else f"{currency} "


def _minor(currency: str | None) -> int:
    return MINOR_DIGITS.get(currency or "", DEFAULT_MINOR_DIGITS)


def _places(value: float, minor: int) -> int:
    """Choose the decimals: those of the unit, more where two figures need them, none beyond 1,000.

    Examples
    --------
    >>> _places(1234.5, 2), _places(15.8, 2), _places(0.0312, 2), _places(5.4, 0)
    (0, 2, 3, 1)
    """
    size = abs(value)
    if size >= 1000:
        return 0
    if size < 10**-MOST_PLACES:
        return minor
    return min(MOST_PLACES, max(minor, 1 - math.floor(math.log10(size))))


def _number(value: float, places: int) -> str:
    # adding zero takes the sign from a zero that rounding made
    return f"{round(value, places) + 0.0:,.{places}f}"


def listed(names: tuple[str, ...] | list[str], most: int = 8) -> str:
    """Write names with commas and an "and"; beyond `most` the number of the rest.

    Examples
    --------
    >>> listed(["a", "b", "c"])
    'a, b and c'
    """
    names = list(names)
    if len(names) > most:
        names = [*names[:most], f"{len(names) - most} more"]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
