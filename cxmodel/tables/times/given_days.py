"""Days as a user gives them."""

from __future__ import annotations

import datetime as dt


def as_day(day: dt.date | str, name: str = "as_of") -> dt.date:
    """Read a day given as a date, a time or ISO text.

    Parameters
    ----------
    day : date, datetime or str
        Text is written year, month, day.
    name : str
        Of the argument, for the message.

    Raises
    ------
    ValueError
        If the text is no such day.

    Examples
    --------
    >>> as_day("2026-06-30")
    datetime.date(2026, 6, 30)
    """
    if isinstance(day, str):
        try:
            return dt.date.fromisoformat(day)
        except ValueError as error:
            raise ValueError(
                f"{name} must be a day written like 2026-06-30, not {day!r}."
            ) from error
    return day.date() if isinstance(day, dt.datetime) else day


def maybe_day(day: dt.date | str | None, name: str = "as_of") -> dt.date | None:
    """Read a day that may be left out; see `as_day`."""
    return None if day is None else as_day(day, name)
