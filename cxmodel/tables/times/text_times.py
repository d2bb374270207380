"""Times as text: read by the stated format, or as ISO 8601; nobody guesses."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, NamedTuple

from cxmodel.tables.contracts import EARLIEST, LATEST
from cxmodel.tables.engines.functions import first_group, timestamp_of
from cxmodel.tables.times.strptime import seconds_ahead, strptime
from cxmodel.tables.times.zones import any_of

if TYPE_CHECKING:
    import ibis.expr.types as ir

_DAY = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
_CLOCK = "[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.][0-9]+)?)?"
_BLANKS = r"[ \t\r\n]*"
_DISTANCE = rf" ?(?:Z|[+-][0-9]{{2}}(?::?[0-9]{{2}})?){_BLANKS}$"
ISO_LOCAL = rf"^{_BLANKS}{_DAY}(?:[ T]{_CLOCK})?{_BLANKS}$"
ISO_ZONED = rf"^{_BLANKS}{_DAY}[ T]{_CLOCK}({_DISTANCE})"
ISO_8601 = rf"{ISO_LOCAL}|{ISO_ZONED}"
DAY_FIRST = ("%d/%m/%Y", "%d-%m-%Y", "%d.%m.%Y", "%d/%m/%y", "%d-%m-%y", "%d.%m.%y", "%d %b %Y")
MONTH_FIRST = ("%m/%d/%Y", "%m-%d-%Y", "%m/%d/%y", "%m-%d-%y", "%b %d, %Y")
YEAR_FIRST = ("%Y/%m/%d", "%Y%m%d", "%Y.%m.%d")
CLOCKS = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")
COMMON_FORMATS = tuple(
    day + clock for day in (*DAY_FIRST, *MONTH_FIRST, *YEAR_FIRST) for clock in CLOCKS
)


ISO_FORMATS = tuple(
    "%Y-%m-%d" + clock
    for clock in ("", *(f"{gap}%H:%M{rest}" for gap in " T" for rest in ("", ":%S", ":%S.%f")))
)
ISO_FORMATS += tuple(form + "%z" for form in ISO_FORMATS if "%H" in form)
"""ISO 8601 as formats, for a column in which it stands beside another."""


def formats_of(text: str) -> tuple[str, ...]:
    """List the common formats that a text fits.

    Examples
    --------
    >>> formats_of("31/12/2026"), formats_of("2026-01-31 10:00Z")
    (('%d/%m/%Y',), ('%Y-%m-%d %H:%M%z',))
    """
    return tuple(form for form in (*ISO_FORMATS, *COMMON_FORMATS) if fits(text, form))


def fits(text: str, form: str) -> bool:
    """Say whether a text fits a format, and is a time that data of customers may have."""
    try:
        year = dt.datetime.strptime(text.strip(), form).year
    except ValueError:
        return False
    return EARLIEST.year <= year < LATEST.year


class ParsedText(NamedTuple):
    """Text read as times.

    Parameters
    ----------
    time : timestamp expression
        Naive; null where the text is missing or cannot be read.
    is_utc : boolean expression, optional
        Where the text stated its distance from UTC, so that `time` is UTC already.
    is_date : boolean expression, optional
        Where the text is a date without a time of day.
    n_matches : integer expression
        How many formats match: 1 where all is well.
    """

    time: ir.TimestampValue
    is_utc: ir.BooleanValue | None
    is_date: ir.BooleanValue | None
    n_matches: ir.IntegerValue


def parse_iso(text: ir.StringValue) -> ParsedText:
    """Read ISO 8601 text: a date, or a date and time, with or without the distance from UTC."""
    import ibis

    ahead = seconds_ahead(first_group(text, ISO_ZONED))
    is_zoned = text.re_search(ISO_ZONED)
    time = ibis.cases(
        (text.re_search(ISO_LOCAL), timestamp_of(text)),
        (is_zoned, timestamp_of(text.re_replace(_DISTANCE, "")) - ahead.as_interval("s")),
    )
    is_date = text.strip().length() == len("2026-06-30")
    return ParsedText(time, is_zoned, is_date, time.notnull().ifelse(1, 0))


def parse_formats(text: ir.StringValue, formats: tuple[str, ...]) -> ParsedText:
    """Read text by `strptime` formats, of which each value must match exactly one."""
    import ibis

    times = [strptime(text, one) for one in formats]
    matches = [time.notnull() for time in times]
    n_matches = matches[0].ifelse(1, 0)
    for match in matches[1:]:
        n_matches = n_matches + match.ifelse(1, 0)
    zoned = [m for m, one in zip(matches, formats, strict=True) if _has(one, "zZ")]
    dates = [m for m, one in zip(matches, formats, strict=True) if not _has(one, "HIMSTcXspfR")]
    return ParsedText(ibis.coalesce(*times), any_of(zoned), any_of(dates), n_matches)


def _has(one: str, directives: str) -> bool:
    return any(f"%{letter}" in one.replace("%-", "%") for letter in directives)
