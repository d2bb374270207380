"""Arithmetic that gives the same bits on every engine.

Whole numbers stay whole: Ibis writes a floor division of whole numbers as the floor of a quotient
of floats, which is wrong beyond 2^53. Days come from whole microseconds by one division, so that
every engine rounds the same number in the same way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cxmodel.tables.engines.functions import microseconds_between

if TYPE_CHECKING:
    import ibis.expr.types as ir

MICROSECONDS_PER_DAY = 86_400_000_000


def days_between(start: ir.TimestampValue, end: ir.TimestampValue) -> ir.FloatingValue:
    """Give the days of 86,400 seconds from one naive UTC time to another; null where either is."""
    return microseconds_between(start, end).cast("float64") / float(MICROSECONDS_PER_DAY)


def remainder(number: ir.IntegerValue, divisor: int) -> ir.IntegerValue:
    """Give what is left over by a division, from 0 to `divisor` - 1, also of negative numbers."""
    # In SQL the remainder has the sign of the number that is divided.
    return (number % divisor + divisor) % divisor


def floor_divided(number: ir.IntegerValue, divisor: int) -> ir.IntegerValue:
    """Divide whole numbers and round down, exactly.

    Parameters
    ----------
    number : int64 expression
        What is divided: up to 2^62 on either side of 0.
    divisor : int
        Positive, below a million.

    Examples
    --------
    >>> import ibis
    >>> quotient = floor_divided(ibis.literal(-(2**62), "int64"), 487)
    >>> ibis.duckdb.connect().to_pyarrow(quotient).as_py() == -(2**62) // 487
    True
    """
    multiple = number - remainder(number, divisor)
    near = (multiple.cast("float64") / float(divisor)).round().cast("int64")
    # The float is off by a few at most; what it leaves over is a small multiple of the divisor.
    rest = (multiple - near * divisor).cast("float64") / float(divisor)
    return near + rest.round().cast("int64")
