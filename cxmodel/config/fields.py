"""The kinds of value that settings take, with errors that say what would have been right."""

from __future__ import annotations

import datetime as dt
import math
import re
import zoneinfo
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from cxmodel.config.environment import expand
from cxmodel.errors import nearest

Uncertain = float | dict[str, float]
"""A number, or a range: ``{"mean", "sd"}`` or ``{"low", "mode", "high"}``."""


class Section(BaseModel):
    """One table of ``cxmodel.toml``: unknown keys are refused, values are not converted."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, hide_input_in_errors=True
    )


def _names(value: Any) -> tuple[str, ...]:
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list | tuple) or not all(isinstance(v, str) and v for v in listed):
        raise ValueError("must be a name or a list of names, in quotes.")
    return tuple(dict.fromkeys(listed))


def _whole_numbers(value: Any) -> tuple[int, ...]:
    listed = value if isinstance(value, list | tuple) else [value]
    if not all(isinstance(v, int) and not isinstance(v, bool) for v in listed):
        raise ValueError("must be a whole number or a list of whole numbers.")
    return tuple(dict.fromkeys(listed))


def _share(value: float) -> float:
    if not 0 <= value < 1:
        hint = f" For {value:g}% write {value / 100:g}." if 1 < value < 100 else ""
        raise ValueError(f"must be 0 or more and below 1.{hint}")
    return value


def _between_zero_and_one(value: float) -> float:
    if not 0 < value < 1:
        raise ValueError("must lie between 0 and 1, such as 0.95.")
    return value


def _date(value: Any) -> dt.date:
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        return value
    if isinstance(value, str):
        try:
            return dt.date.fromisoformat(value)
        except ValueError:
            pass
    raise ValueError("must be a day, written 2026-06-30 without quotes or time.")


def _time_zone(value: str) -> str:
    try:
        zoneinfo.ZoneInfo(value)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        known = sorted(zoneinfo.available_timezones())
        hint = nearest(value, known)
        if not hint.startswith("Did"):
            hint = 'Write it as "Europe/Berlin" or "UTC".'
        raise ValueError(f"is no time zone. {hint}") from error
    return value


def _currency(value: str) -> str:
    if not re.fullmatch(r"[A-Z]{3}", value):
        is_lower = re.fullmatch(r"[A-Za-z]{3}", value)
        hint = f'Did you mean "{value.upper()}"?' if is_lower else 'Write it as "USD" or "EUR".'
        raise ValueError(f"must be a currency code of ISO 4217, three capital letters. {hint}")
    return value


def _filled(value: str) -> str:
    if not value.strip():
        raise ValueError("is empty. Fill it in, or leave the line out.")
    return value


def uncertain(value: Any) -> Uncertain:
    """Check a number that may be given as a range.

    Parameters
    ----------
    value : float or dict
        A number, ``{"mean", "sd"}`` or ``{"low", "mode", "high"}``.

    Raises
    ------
    ValueError
        If it is none of the three, or its parts are out of order.

    Examples
    --------
    >>> uncertain({"mean": 0.8, "sd": 0.3})
    {'mean': 0.8, 'sd': 0.3}
    """
    if _is_number(value):
        return float(value)
    if not isinstance(value, dict):
        raise ValueError("must be a number, { mean, sd } or { low, mode, high }.")
    numbers = {key: float(part) for key, part in value.items() if _is_number(part)}
    if len(numbers) < len(value) or set(value) not in ({"mean", "sd"}, {"low", "mode", "high"}):
        raise ValueError("must be a number, { mean, sd } or { low, mode, high }, all numbers.")
    if "sd" in numbers and numbers["sd"] < 0:
        raise ValueError("its sd must be 0 or more.")
    if "mode" in numbers and not numbers["low"] <= numbers["mode"] <= numbers["high"]:
        raise ValueError("must have low <= mode <= high.")
    return numbers


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


Text = Annotated[str, AfterValidator(_filled)]
ExpandedText = Annotated[str, AfterValidator(_filled), AfterValidator(expand)]
Names = Annotated[tuple[str, ...], BeforeValidator(_names)]
WholeNumbers = Annotated[tuple[int, ...], BeforeValidator(_whole_numbers)]
Share = Annotated[float, AfterValidator(_share)]
Level = Annotated[float, AfterValidator(_between_zero_and_one)]
Day = Annotated[dt.date, BeforeValidator(_date)]
TimeZone = Annotated[str, AfterValidator(_time_zone)]
Currency = Annotated[str, AfterValidator(_currency)]
Range = Annotated[Uncertain, BeforeValidator(uncertain)]
PositiveWhole = Annotated[int, Field(ge=1)]
NotNegative = Annotated[float, Field(ge=0)]
