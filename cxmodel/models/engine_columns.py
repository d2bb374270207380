"""Columns of a model on an engine: read as numbers and words, and counted in classes.

Blanks around words are those of ASCII; text in a column of numbers that is no number counts as
missing, since an expression cannot refuse a row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cxmodel.errors import SchemaError
from cxmodel.models.leaks import MISSING, TOO_LARGE
from cxmodel.models.off_scale import Range
from cxmodel.models.profile import ColumnProfile, WordProfile
from cxmodel.tables.engines.functions import is_finite, number_of
from cxmodel.tables.joining.columns import as_stated, exact

if TYPE_CHECKING:
    import ibis.expr.types as ir

_BLANKS = r"^[ \t\r\n\f\v]+|[ \t\r\n\f\v]+$"


def as_number(value: ir.Value, name: str) -> ir.FloatingValue:
    """Read a column as numbers; null where there is none, or it is infinite or beyond 1e100.

    Raises
    ------
    SchemaError
        If it is of another kind than numbers, flags and text.
    """
    import ibis

    kind = value.type()
    if kind.is_boolean():
        found = value.ifelse(exact(1.0), exact(0.0))
        found = value.isnull().ifelse(ibis.null("float64"), found)
    elif kind.is_string():
        found = number_of(value.re_replace(_BLANKS, "").nullif(""))
    elif kind.is_numeric():
        found = as_stated(value.cast("float64"))
    else:
        raise wrong_kind(name, "numbers", str(kind))
    is_usable = is_finite(found) & (found.abs() < exact(TOO_LARGE))
    return is_usable.ifelse(found, ibis.null("float64"))


def within(value: ir.FloatingValue, scale: Range) -> tuple[Any, ir.FloatingValue]:
    """Say where numbers lie outside a scale, and give those within; the others are null."""
    import ibis

    low, high = scale
    is_off = ((value < exact(low)) | (value > exact(high))).fill_null(False)
    return is_off, is_off.ifelse(ibis.null("float64"), value)


def as_word(value: ir.Value, name: str) -> ir.StringValue:
    """Read words, stripped; flags are the words true and false, as in a study.

    Raises
    ------
    SchemaError
        If the column is of another kind.
    """
    if value.type().is_boolean():
        value = value.ifelse("true", "false")
    if not value.type().is_string():
        raise wrong_kind(name, "words", str(value.type()))
    return value.re_replace(_BLANKS, "").nullif("").fill_null(MISSING)


def wrong_kind(name: str, then: str, now: str) -> SchemaError:
    """Say that a column holds another kind of values than at the fit."""
    advice = "Write it as text." if then == "words" else "Write it as numbers."
    return SchemaError(f"Column {name!r} held {then} at the fit and holds {now} now. {advice}")


def class_tests(value: Any, seen: ColumnProfile) -> list[Any]:
    """Say, class by class of a profile, which rows are in it; null is in none."""
    if isinstance(seen, WordProfile):
        known = [value == level for level in seen.levels]
        return [*known, ~value.isin(seen.levels) if seen.levels else value.notnull()]
    edges = [exact(edge) for edge in seen.edges]
    tests = []
    for i in range(len(edges) + 1):
        test = value.notnull()
        if i:
            test &= value > edges[i - 1]
        if i < len(edges):
            test &= value <= edges[i]
        tests.append(test)
    if len(seen.counts) > len(tests):
        return [*tests, value.isnull()]
    return [tests[0].fill_null(False) | value.isnull(), *tests[1:]]
