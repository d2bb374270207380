"""A number for the rows of a table: the same in any order, on every run and on every engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ibis

from cxmodel.tables.engines.engine import Session
from cxmodel.tables.engines.functions import epoch_micros, fraction, half_digests

if TYPE_CHECKING:
    import ibis.expr.types as ir

# No text holds these: they keep ("a", "bc") apart from ("ab", "c"), and missing from blank.
_BETWEEN, _MISSING = "\x1f", "\x1e"
# From here on a double has no decimals, and a whole number of its size fits 64 bits only if scaled.
_NO_DECIMALS, _STEP, _MOST = float(2**53), float(2**60), float(2**113)
_BITS_OF_FRACTION = float(2**40)
_AT_ONCE = 50


def fingerprint(session: Session, table: ibis.Table) -> str:
    """Sum half the MD5 of every row's text; the sum does not know the order of rows.

    Parameters
    ----------
    session : Session
        The engine.
    table : ibis.Table
        Columns of text, whole numbers, floats, flags and naive UTC times. ``row_number`` is no
        part of a row.

    Returns
    -------
    str
        Sixteen hexadecimal digits.

    Examples
    --------
    >>> import pandas as pd
    >>> from cxmodel.tables.engines.engine import connect
    >>> with connect() as session:
    ...     rows = session.register(pd.DataFrame({"id": ["a", "b"], "n": [1.0, None]}))
    ...     fingerprint(session, rows) == fingerprint(session, rows.order_by("n"))
    True
    """
    names = sorted(name for name in table.columns if name != "row_number")
    texts = [_text(table[name]).fill_null(_MISSING) for name in names]
    high, low = half_digests(_joined(texts))
    halves = {"high": high.cast("decimal(38, 0)").sum(), "low": low.cast("decimal(38, 0)").sum()}
    seen = session.one_row(table.aggregate(**halves))
    total = int(seen["high"] or 0) * 2**32 + int(seen["low"] or 0)
    return f"{total % 2**64:016x}"


def _joined(texts: list[ir.StringValue]) -> ir.StringValue:
    """Write texts one after another with a mark between, however many there are.

    In groups of groups: engines bound how deep an expression nests (DuckDB: 1,000) and how many
    arguments a function takes (PostgreSQL: 100).
    """
    between = ibis.literal(_BETWEEN)
    while len(texts) > 1:
        starts = range(0, len(texts), _AT_ONCE)
        texts = [between.join(texts[start : start + _AT_ONCE]) for start in starts]
    return texts[0]


def _text(value: Any) -> ir.StringValue:
    """Write a value as text that is the same on every engine: whole numbers, and nothing else."""
    kind = value.type()
    if kind.is_string():
        return value
    if kind.is_timestamp():
        return epoch_micros(value).cast("string")
    if kind.is_boolean():
        return ibis.cases((value, "1"), (~value, "0"), else_=None)
    if kind.is_floating():
        return _text_of_float(value)
    return value.cast("string")


def _text_of_float(value: ir.FloatingValue) -> ir.StringValue:
    """Write a double as its whole part and 40 bits of the rest: engines print doubles unlike."""
    whole = value.floor().cast("string")
    rest = (fraction(value) * _BITS_OF_FRACTION).floor().cast("string")
    scaled = (value / _STEP).floor().cast("string") + "e60"
    size = value.abs()
    return ibis.cases(
        (size < _NO_DECIMALS, whole + "." + rest),
        (size < _MOST, scaled),
        (value.notnull(), "large"),
        else_=None,
    )
