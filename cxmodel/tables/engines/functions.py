"""The few functions that engines write each in their own way; everything else is plain Ibis.

Each gives the same answer on every engine, to the last digit. DuckDB has a function of its own for
most of them, and takes the short way; the others take the long one, in regular expressions and
whole numbers. The tests hold the two against each other.
"""

from __future__ import annotations

import datetime as dt
import re
from functools import cache
from typing import TYPE_CHECKING, Any

import ibis

from cxmodel.tables.engines.engine import backend_of

if TYPE_CHECKING:
    import ibis.expr.types as ir

LARGEST = 1.7976931348623157e308
"""The largest double: whatever is beyond it, either way, is infinite, and NaN is not below it."""
NUMBER = r"^[ \t\r\n]*[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]{1,2})?[ \t\r\n]*$"
_CLOCK = r"(?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:[.][0-9]*)?)?"
_LEAP = r"(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)"
_DATE = (
    r"[0-9]{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    rf"|02-(?:0[1-9]|1[0-9]|2[0-8]))|{_LEAP}-02-29"
)
_1970 = dt.datetime(1970, 1, 1)
TIMESTAMP = rf"^(?!0000)(?:{_DATE})(?:[ T]{_CLOCK})?$"
_MIDNIGHT_AT_THE_END = r"([ T])24:00(:00(?:[.]0*)?)?$"
_BEYOND_MICROSECONDS = r"([.][0-9]{6})[0-9]+$"


def engine_name(expr: ir.Value) -> str:
    """Name the engine that an expression will run on; DuckDB where nothing says."""
    backend = backend_of(expr)
    return "duckdb" if backend is None else str(backend.name)


@cache
def _function(name: str, takes: tuple[str, ...], gives: str) -> Any:
    """Make a function that an engine has known to Ibis, by its name and types."""

    def of_one(a): ...  # type: ignore[no-untyped-def]

    def of_two(a, b): ...  # type: ignore[no-untyped-def]

    def of_three(a, b, c): ...  # type: ignore[no-untyped-def]

    blank = (of_one, of_two, of_three)[len(takes) - 1]
    return ibis.udf.scalar.builtin(blank, name=name, signature=(takes, gives))


# -- Numbers ---------------------------------------------------------------------------------------


def is_finite(number: ir.FloatingValue) -> ir.BooleanValue:
    """Say where a number is neither infinite nor NaN."""
    return number.abs() <= ibis.literal(LARGEST, "float64")


def number_of(text: ir.StringValue) -> ir.FloatingValue:
    """Read text as a finite number; null where it is none, as 1,000 and 1_000 are."""
    if engine_name(text) == "duckdb":
        number = _without_underscores(text).try_cast("float64")
        return is_finite(number).ifelse(number, ibis.null("float64"))
    return text.re_search(NUMBER).ifelse(text, ibis.null("string")).cast("float64")


def decimal_of(text: ir.StringValue, scale: int, limit: int) -> ir.DecimalValue:
    """Read text as an exact number; null where it is none, or beyond `limit` either way."""
    kind = f"decimal(38, {scale})"
    if engine_name(text) == "duckdb":
        exact = _without_underscores(text).try_cast(kind)
        return ((exact <= limit) & (exact >= -limit)).ifelse(exact, None)
    # Beyond the limit a cast would stop the engine, so the size is judged by the double.
    is_small = (number_of(text).abs() <= limit).fill_null(False)
    return is_small.ifelse(text.strip(), ibis.null("string")).cast(kind)


def _without_underscores(text: ir.StringValue) -> ir.StringValue:
    # DuckDB reads 1_000 as a thousand, and nobody else does.
    return text.contains("_").ifelse(ibis.null("string"), text)


def fraction(number: ir.FloatingValue) -> ir.FloatingValue:
    """Give what a number exceeds the whole number below it by, exactly; it must fit 64 bits."""
    return number - number.floor()


# -- Times -----------------------------------------------------------------------------------------


def timestamp_of(text: ir.StringValue) -> ir.TimestampValue:
    """Read ``2026-06-30``, ``2026-06-30 14:05`` or ``2026-06-30T14:05:00.123456`` as a naive time.

    Null where it is none, as 30 February. Digits beyond microseconds are cut off.
    """
    text = text.strip()
    if engine_name(text) == "duckdb":
        return text.try_cast("timestamp(6)")
    is_end_of_day = text.re_search(_MIDNIGHT_AT_THE_END)
    text = is_end_of_day.ifelse(text.replace("24:00", "00:00"), text)
    text = replace_groups(text, _BEYOND_MICROSECONDS, r"\1")
    time = text.re_search(TIMESTAMP).ifelse(text, ibis.null("string")).cast("timestamp(6)")
    return is_end_of_day.ifelse(time + ibis.interval(days=1), time)


def microseconds_between(start: ir.TimestampValue, end: ir.TimestampValue) -> ir.IntegerValue:
    """Count the microseconds from one naive UTC time to another; null where either is.

    Examples
    --------
    >>> import datetime as dt
    >>> day, later = dt.datetime(2025, 3, 1), dt.datetime(2025, 3, 1, 0, 0, 0, 1)
    >>> ahead = microseconds_between(ibis.literal(day), ibis.literal(later))
    >>> ibis.duckdb.connect().to_pyarrow(ahead).as_py()
    1
    """
    return end.delta(start, unit="microsecond").cast("int64")


def epoch_micros(time: ir.TimestampValue) -> ir.IntegerValue:
    """Count the microseconds from 1970 to a naive UTC time."""
    return microseconds_between(ibis.literal(_1970, "timestamp(6)"), time)


# -- Text ------------------------------------------------------------------------------------------


def replace_groups(text: ir.StringValue, pattern: str, replacement: str) -> ir.StringValue:
    r"""Replace what a regular expression finds; ``\1`` in the replacement is its first group."""
    if engine_name(text) == "pyspark":
        # Spark writes groups as Java does, and Ibis 12 hands the text on as it is.
        replacement = re.sub(r"\\([0-9])", r"$\1", replacement)
    return text.re_replace(pattern, replacement)


def first_group(text: ir.StringValue, pattern: str, group: int = 1) -> ir.StringValue:
    """Take what a group of a regular expression matched; null where nothing does."""
    return text.re_extract(pattern, group).nullif("")


def in_code_points(text: ir.StringValue) -> ir.Value:
    """Give text as what orders it by code point, whatever the collation of its column.

    PostgreSQL alone orders by a collation that whoever made the table has chosen.
    """
    if engine_name(text) != "postgres":
        return text
    return _function("convert_to", ("string", "string"), "binary")(text, "UTF8")


def half_digests(text: ir.StringValue) -> tuple[ir.IntegerValue, ir.IntegerValue]:
    """Take the last 64 bits of the MD5 of text, as two whole numbers of 32 bits: high and low."""
    name = engine_name(text)
    if name == "duckdb":
        number = _function("md5_number_lower", ("string",), "uint64")(text)
        high = (number >> ibis.literal(32, "uint8")).cast("int64")
        return high, (number & ibis.literal(0xFFFFFFFF, "uint64")).cast("int64")
    if name == "postgres":
        digest = _function("md5", ("string",), "string")(text)
        raw = _function("decode", ("string", "string"), "binary")(digest, "hex")
        byte = _function("get_byte", ("binary", "int32"), "int32")
        return _weighed([byte(raw, 15 - i).cast("int64") for i in range(8)])
    digest = text.hexdigest("md5")
    number = _function("conv", ("string", "int32", "int32"), "string")
    pairs = [digest.substr(2 * (15 - i), 2) for i in range(8)]
    return (
        number(pairs[0].concat(*pairs[1:4]), 16, 10).cast("int64"),
        number(pairs[4].concat(*pairs[5:8]), 16, 10).cast("int64"),
    )


def _weighed(places: list[Any]) -> tuple[Any, Any]:
    """Put four bytes and four bytes together, the weightiest first."""
    halves = []
    for four in (places[:4], places[4:]):
        total = four[0]
        for byte in four[1:]:
            total = total * 256 + byte
        halves.append(total)
    return halves[0], halves[1]
