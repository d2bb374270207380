"""Decide how text dates without a stated format may be read: never by a guess.

ISO 8601 is read as it stands, and so are forms that can be read in one way only (year first, or the
month in letters). A date such as 03/04/2024 is refused, with the lines that would settle it; so is
a column in two formats, and one of numbers.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from cxmodel.errors import SchemaError
from cxmodel.tables.engines.engine import Session
from cxmodel.tables.opening.advice import number_as_time
from cxmodel.tables.opening.convert import Where, count_if, first
from cxmodel.tables.opening.files import run_reading
from cxmodel.tables.opening.one_pass import Rows, ask, first_of
from cxmodel.tables.times.text_times import (
    COMMON_FORMATS,
    ISO_8601,
    ISO_FORMATS,
    fits,
    formats_of,
    parse_formats,
)
from cxmodel.tables.times.zones import is_out_of_range

if TYPE_CHECKING:
    import ibis
    import ibis.expr.types as ir

_PEEK = 1000
_DIGITS = r"^[ ]*[0-9]{9,19}[ ]*$"
_NEEDS_ORDER = ("%d/", "%d-", "%d.", "%m/", "%m-")


def settle_formats(rows: Rows, value: ir.Value, where: Where) -> tuple[str, ...]:
    """Find how to read a text column for which no format is stated.

    Returns
    -------
    tuple of str
        Empty for ISO 8601, else the one format that fits every value.

    Raises
    ------
    SchemaError
        If the text can be read in several ways, day first or month first.
    """
    session, shown = rows.session, rows.shown
    texts = rows.table.select(text=value)
    given = texts.filter(texts.text.strip() != "")
    # In Python: on an engine 75 formats at once are an expression that takes it a minute to read.
    peek = _texts(session, given.limit(_PEEK), shown)
    n_iso = sum(bool(re.search(ISO_8601, text)) for text in peek)
    # Mostly ISO: whatever is not will be refused as such, with its row, if it is in no other form.
    if 2 * n_iso >= len(peek):
        if n_iso < len(peek):
            _refuse_two_formats(session, given, where, shown)
        return ()
    fitting = _fitting(session, given, _of_all(peek, COMMON_FORMATS), shown)
    ordered = [one for one in fitting if one.startswith(_NEEDS_ORDER)]
    if fitting and not ordered:
        return fitting[:1]
    raise _refusal(session, given, where, fitting, shown)


def _fitting(
    session: Session, given: ibis.Table, formats: tuple[str, ...], shown: str
) -> tuple[str, ...]:
    """Keep the formats that fit every value."""
    if not formats:
        return ()
    counts = {f"n{i}": count_if(_fits(given.text, one)) for i, one in enumerate(formats)}
    seen = ask(session, given, counts, shown)
    return tuple(one for i, one in enumerate(formats) if seen[f"n{i}"] == seen["n_rows"])


def _fits(text: Any, one: str) -> Any:
    time = parse_formats(text, (one,)).time
    return time.notnull() & ~is_out_of_range(time)


def _refuse_two_formats(session: Session, given: ibis.Table, where: Where, shown: str) -> None:
    """Refuse a column whose values are in one of two formats each, with an example of either."""
    pairs = []
    for one in _commonest(_sample(session, given, shown)):
        rest = given.filter(~_fits(given.text, one).fill_null(False))
        others = _of_all(_sample(session, rest, shown), (*ISO_FORMATS, *COMMON_FORMATS))
        pairs += [(one, other) for other in others]
    if not pairs:
        return
    is_one, is_other = (_fits(given.text, form).fill_null(False) for form in pairs[0])
    counts = {
        "n": count_if(is_one),
        "one": is_one.ifelse(given.text, None).min(),
        "other": is_other.ifelse(given.text, None).min(),
    }
    seen = ask(session, given, counts, shown)
    n_rest = int(seen["n_rows"]) - int(seen["n"])
    which = "Day or month first? Write" if len(pairs) > 1 else "Write"
    listed = " or ".join(f'date_format = ["{one}", "{other}"]' for one, other in pairs[:4])
    raise SchemaError(
        f"{where} holds text dates in two formats: {seen['n']:,} such as {seen['one']!r} and "
        f"{n_rest:,} such as {seen['other']!r}. {which} {listed}; each value must match exactly "
        "one."
    )


def _texts(session: Session, given: ibis.Table, shown: str) -> list[str]:
    rows = run_reading(lambda: session.arrow(given), shown)
    return [str(text) for text in rows["text"].to_pylist()]


def _sample(session: Session, given: ibis.Table, shown: str) -> list[str]:
    """Take the first texts in the order of the alphabet, so that it is the same ones every time."""
    return _texts(session, given.distinct().order_by("text").limit(_PEEK), shown)


def _of_all(texts: list[str], formats: tuple[str, ...]) -> tuple[str, ...]:
    """Keep the formats that fit every text; none where there is no text."""
    left = formats if texts else ()
    for text in texts:
        left = tuple(form for form in left if fits(text, form))
    return left


def _commonest(texts: list[str]) -> tuple[str, ...]:
    """Give the format that fits most texts, with those that fit as many."""
    counts = Counter(form for text in texts for form in formats_of(text))
    most = max(counts.values(), default=0)
    return tuple(form for form, n in counts.items() if n == most)


def refuse_numbers(rows: Rows, value: ir.NumericValue, where: Where) -> SchemaError | None:
    """Say what the numbers in a column of times may stand for; None where it has no number."""
    number = value.cast("float64")
    seen = ask(rows.session, rows.table, {"n": number.count()}, rows.shown)
    if not seen["n"]:
        return None
    least, row = first_of(rows, number.notnull(), value)
    return _numbers(where, int(seen["n"]), least, row)


def _numbers(where: Where, n: int, value: Any, row: int | None) -> SchemaError:
    return SchemaError(
        f"{where} must hold times, but holds {n:,} number(s) ({first(str(value), row)}). "
        f"{number_as_time(float(value), where.column)}"
    )


def _refusal(
    session: Session, given: ibis.Table, where: Where, fitting: tuple[str, ...], shown: str
) -> SchemaError:
    wanted = {"low": given.text.min(), "digits": count_if(given.text.re_search(_DIGITS))}
    seen = ask(session, given, wanted, shown)
    example, n = seen["low"], int(seen["n_rows"])
    if not fitting:
        if seen["digits"] == n:
            return _numbers(where, n, example.strip(), None)
        _refuse_two_formats(session, given, where, shown)
        return SchemaError(
            f"{where} holds {n:,} value(s) that are no ISO 8601 times and of no common form "
            f"(first: {example!r}). State date_format, or mend them."
        )
    lines = " or ".join(f'date_format = "{one}"' for one in fitting)
    if len(fitting) > 1:
        return SchemaError(
            f"{where} holds {n:,} ambiguous text date(s) such as {example!r}: day first or month "
            f"first? Say which: {lines}."
        )
    return SchemaError(
        f"{where} holds {n:,} text date(s) such as {example!r}, which could be day first or month "
        f"first. Of the common formats one fits every value; if it is meant, write {lines}."
    )
