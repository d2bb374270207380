"""Decide how text dates without a stated format may be read: never by a guess.

ISO 8601 is read as it stands, and so are forms that can be read in one way only (year first, or the
month in letters). A date such as 03/04/2024 is refused, with the lines that would settle it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cxmodel.errors import SchemaError
from cxmodel.tables.engines.engine import Session
from cxmodel.tables.opening.contracts import ask
from cxmodel.tables.opening.convert import Where, count_if
from cxmodel.tables.times.text_times import COMMON_FORMATS, ISO_8601, parse_formats
from cxmodel.tables.times.zones import is_out_of_range

if TYPE_CHECKING:
    import ibis
    import ibis.expr.types as ir

_PEEK = 1000
_NEEDS_ORDER = ("%d/", "%d-", "%d.", "%m/", "%m-")


def settle_formats(
    session: Session, raw: ibis.Table, value: ir.Value, where: Where, shown: str
) -> tuple[str, ...]:
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
    texts = raw.select(text=value)
    given = texts.filter(texts.text.strip() != "")
    peek = given.limit(_PEEK)
    seen = ask(session, peek, {"iso": count_if(peek.text.re_search(ISO_8601))}, shown)
    # Mostly ISO: whatever is not will be refused as such, with its row.
    if 2 * int(seen["iso"]) >= int(seen["n_rows"]):
        return ()
    likely = _fitting(session, peek, COMMON_FORMATS, shown)
    fitting = _fitting(session, given, likely, shown)
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


def _refusal(
    session: Session, given: ibis.Table, where: Where, fitting: tuple[str, ...], shown: str
) -> SchemaError:
    seen = ask(session, given, {"first": given.text.first(), "low": given.text.min()}, shown)
    example, n = seen["first"] or seen["low"], seen["n_rows"]
    if not fitting:
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
