"""Times as text: read by the stated format, or as ISO 8601; nobody guesses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from cxmodel.tables.times.zones import any_of

if TYPE_CHECKING:
    import ibis.expr.types as ir

_DAY, _CLOCK = r"\d{4}-\d{2}-\d{2}", r"\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?"
_DISTANCE = r" ?(?:Z|[+-]\d{2}(?::?\d{2})?)\s*$"
ISO_LOCAL = rf"^\s*{_DAY}(?:[ T]{_CLOCK})?\s*$"
ISO_ZONED = rf"^\s*{_DAY}[ T]{_CLOCK}({_DISTANCE})"
ISO_8601 = rf"{ISO_LOCAL}|{ISO_ZONED}"
DAY_FIRST = ("%d/%m/%Y", "%d-%m-%Y", "%d.%m.%Y", "%d/%m/%y", "%d-%m-%y", "%d.%m.%y", "%d %b %Y")
MONTH_FIRST = ("%m/%d/%Y", "%m-%d-%Y", "%m/%d/%y", "%m-%d-%y", "%b %d, %Y")
YEAR_FIRST = ("%Y/%m/%d", "%Y%m%d", "%Y.%m.%d")
CLOCKS = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")
COMMON_FORMATS = tuple(
    day + clock for day in (*DAY_FIRST, *MONTH_FIRST, *YEAR_FIRST) for clock in CLOCKS
)


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

    ahead = _seconds_ahead(text.re_extract(ISO_ZONED, 1))
    is_zoned = text.re_search(ISO_ZONED)
    time = ibis.cases(
        (text.re_search(ISO_LOCAL), text.try_cast("timestamp(6)")),
        (
            is_zoned,
            text.re_replace(_DISTANCE, "").try_cast("timestamp(6)") - ahead.as_interval("s"),
        ),
    )
    is_date = text.strip().length() == len("2026-06-30")
    return ParsedText(time, is_zoned, is_date, time.notnull().ifelse(1, 0))


def _seconds_ahead(distance: ir.StringValue) -> ir.IntegerValue:
    """Read a distance from UTC: ``Z``, ``+02``, ``-0330``, ``+05:30``."""
    import ibis

    digits = distance.re_replace("[^0-9]", "").nullif("")
    hours = digits.left(2).cast("int64")
    minutes = digits.substr(2, 2).nullif("").cast("int64")
    seconds = hours * 3600 + ibis.coalesce(minutes, 0) * 60
    return ibis.coalesce(distance.contains("-").ifelse(-seconds, seconds), 0)


def parse_formats(text: ir.StringValue, formats: tuple[str, ...]) -> ParsedText:
    """Read text by `strptime` formats, of which each value must match exactly one."""
    import ibis

    times = [_strptime(text, one) for one in formats]
    matches = [time.notnull() for time in times]
    n_matches = matches[0].ifelse(1, 0)
    for match in matches[1:]:
        n_matches = n_matches + match.ifelse(1, 0)
    zoned = [m for m, one in zip(matches, formats, strict=True) if _has(one, "zZ")]
    dates = [m for m, one in zip(matches, formats, strict=True) if not _has(one, "HIMSTcXspfR")]
    return ParsedText(ibis.coalesce(*times), any_of(zoned), any_of(dates), n_matches)


def _has(one: str, directives: str) -> bool:
    return any(f"%{letter}" in one.replace("%-", "%") for letter in directives)


def _strptime(text: ir.StringValue, one: str) -> Any:
    """Parse by one format; null where it does not match. DuckDB's own: other engines come later."""
    import ibis

    kind = "timestamp('UTC')" if _has(one, "zZ") else "timestamp"

    @ibis.udf.scalar.builtin(name="try_strptime", signature=(("string", "string"), kind))
    def try_strptime(text, form):  # type: ignore[no-untyped-def]
        ...

    return try_strptime(text, one).cast("timestamp(6)")
