"""A number for the rows of a table, the same in any order and on every run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cxmodel.tables.engines.engine import Session

if TYPE_CHECKING:
    import ibis

# No text holds these: they keep ("a", "bc") apart from ("ab", "c"), and missing from blank.
_BETWEEN, _MISSING = "\x1f", "\x1e"


def fingerprint(session: Session, table: ibis.Table) -> str:
    """Sum a 64-bit hash of every row's text; the sum does not know the order of rows.

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
    row = _text(table[names[0]])
    for name in names[1:]:
        row = row + _BETWEEN + _text(table[name])
    total = _hash(row).cast("decimal(38, 0)").sum()
    seen = session.one_row(table.aggregate(n=table.count(), total=total))
    digest = int(seen["total"] or 0) % 2**64
    return f"{digest:016x}"


def _text(value: Any) -> Any:
    kind = value.type()
    if kind.is_timestamp():
        value = value.strftime("%Y-%m-%dT%H:%M:%S.%f")
    elif not kind.is_string():
        value = value.cast("string")
    return value.fill_null(_MISSING)


def _hash(text: Any) -> Any:
    """Take half of the MD5 of text as a whole number. DuckDB's own: other engines come later."""
    import ibis

    @ibis.udf.scalar.builtin(name="md5_number_lower", signature=(("string",), "uint64"))
    def md5_number_lower(text):  # type: ignore[no-untyped-def]
        ...

    return md5_number_lower(text)
