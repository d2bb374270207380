"""Read text by a `strptime` format, on any engine.

DuckDB parses by a format itself. Elsewhere a format becomes a regular expression whose groups are
put together to ISO 8601 text. Month and day names are English and may be in any case; numbers may
lack their leading zero; blanks may stand around the text and repeat within it, as DuckDB has it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import ibis

from cxmodel.errors import ConfigError
from cxmodel.tables.engines.functions import engine_name, first_group, timestamp_of
from cxmodel.tables.times.calendar_days import MONTHS

if TYPE_CHECKING:
    import ibis.expr.types as ir

_DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
_NUMBERS = {
    "d": "[0-9]{1,2}",
    "m": "[0-9]{1,2}",
    "y": "[0-9]{1,2}",
    "Y": "[0-9]{1,4}",
    "H": "[01]?[0-9]|2[0-3]",
    "I": "[0-9]{1,2}",
    "M": "[0-9]{1,2}",
    "S": "[0-9]{1,2}",
    "f": "[0-9]{1,6}",
    "g": "[0-9]{1,3}",
}
_NAMES = {
    "b": [month[:3] for month in MONTHS],
    "B": list(MONTHS),
    "a": [day[:3] for day in _DAYS],
    "A": _DAYS,
    "p": ["AM", "PM"],
}
_DISTANCE = "[+-][0-9]{2}(?::?[0-9]{2})?"
KNOWN = frozenset({*_NUMBERS, *_NAMES, "z", "%"})


def strptime(text: ir.StringValue, form: str) -> ir.TimestampValue:
    """Read text by one format; null where it does not match, or is no time.

    Parameters
    ----------
    text : text expression
        The values.
    form : str
        As `datetime.strptime` has it, for example ``"%d/%m/%Y %H:%M"``. A distance from UTC
        (``%z``) is taken off: the time is UTC then.

    Raises
    ------
    ConfigError
        If the format has a directive that is not known.
    """
    directives = re.findall(r"%-?(.)", form)
    unknown = sorted(set(directives) - KNOWN)
    if unknown:
        raise ConfigError(
            f"date_format {form!r} has %{unknown[0]}, which is not known. Known: "
            f"{' '.join('%' + letter for letter in sorted(KNOWN))}."
        )
    if engine_name(text) == "duckdb" and "z" not in directives:
        return _by_duckdb(text, form)
    return _by_pattern(text, form)


def _by_duckdb(text: Any, form: str) -> Any:
    @ibis.udf.scalar.builtin(name="try_strptime", signature=(("string", "string"), "timestamp"))
    def try_strptime(text, form):  # type: ignore[no-untyped-def]
        ...

    return try_strptime(text, form).cast("timestamp(6)")


def _by_pattern(text: Any, form: str) -> Any:
    pattern, groups = _pattern(form)
    # Letters are compared as capitals: names may be in any case.
    text = text.upper()
    found = {
        letter: first_group(text, pattern, place) for place, letter in enumerate(groups, start=1)
    }
    time = timestamp_of(_date(found) + " " + _clock(found))
    if "z" in found:
        time = time - seconds_ahead(found["z"]).as_interval("s")
    return text.re_search(pattern).ifelse(time, ibis.null("timestamp(6)"))


def _pattern(form: str) -> tuple[str, list[str]]:
    """Turn a format into a regular expression and the directives of its groups, in order."""
    pattern, groups = "", []
    for part in re.findall(r"%-?.|\s+|[^%\s]+", form):
        letter = part[-1] if part.startswith("%") and part != "%%" else ""
        if part.isspace():
            pattern += "[ ]+"
        elif not letter:
            pattern += re.escape(part.replace("%%", "%").upper())
        elif letter in groups:
            raise ConfigError(f"date_format {form!r} has %{letter} twice. Take one out.")
        else:
            groups.append(letter)
            pattern += f"({_alternatives(letter)})"
    return rf"^[ \t\r\n]*{pattern}[ \t\r\n]*$", groups


def _alternatives(letter: str) -> str:
    if letter == "z":
        return _DISTANCE
    return _NUMBERS.get(letter) or "|".join(name.upper() for name in _NAMES[letter])


def _date(found: dict[str, Any]) -> Any:
    if "Y" in found:
        year = found["Y"].lpad(4, "0")
    elif "y" in found:
        short = found["y"].lpad(2, "0")
        year = (short < "69").ifelse(ibis.literal("20"), ibis.literal("19")) + short
    else:
        year = ibis.literal("1900")
    return year + "-" + _month(found) + "-" + _two(found.get("d"), "01")


def _month(found: dict[str, Any]) -> Any:
    name = found.get("B", found.get("b"))
    if name is None:
        return _two(found.get("m"), "01")
    numbers = [(name.left(3) == m[:3].upper(), f"{i:02d}") for i, m in enumerate(MONTHS, start=1)]
    return ibis.cases(*numbers, else_=ibis.null("string"))


def _clock(found: dict[str, Any]) -> Any:
    clock = _hour(found) + ":" + _two(found.get("M"), "00") + ":" + _two(found.get("S"), "00")
    if "f" in found:
        return clock + "." + found["f"].rpad(6, "0")
    if "g" in found:
        return clock + "." + found["g"].lpad(3, "0")
    return clock


def _hour(found: dict[str, Any]) -> Any:
    if "I" not in found:
        return _two(found.get("H"), "00")
    short = found["I"].lpad(2, "0")
    is_noon = short == "12"
    if "p" not in found:
        return _within_twelve(short, is_noon.ifelse(ibis.literal("00"), short))
    later = [(short == f"{hour:02d}", f"{hour + 12:02d}") for hour in range(1, 12)]
    after_noon = ibis.cases((is_noon, "12"), *later, else_=ibis.null("string"))
    before_noon = is_noon.ifelse(ibis.literal("00"), short)
    return _within_twelve(short, (found["p"] == "PM").ifelse(after_noon, before_noon))


def _within_twelve(short: Any, hour: Any) -> Any:
    return ((short >= "01") & (short <= "12")).ifelse(hour, ibis.null("string"))


def _two(digits: Any, missing: str) -> Any:
    return ibis.literal(missing) if digits is None else digits.lpad(2, "0")


def seconds_ahead(distance: ir.StringValue) -> ir.IntegerValue:
    """Read a distance from UTC in seconds: ``Z``, ``+02``, ``-0330``, ``+05:30``; none is 0."""
    digits = distance.re_replace("[^0-9]", "").nullif("")
    hours = digits.left(2).cast("int64")
    minutes = ibis.coalesce(digits.substr(2, 2).nullif("").cast("int64"), 0)
    seconds = hours * 3600 + minutes * 60
    return ibis.coalesce(distance.contains("-").ifelse(-seconds, seconds), 0)
