"""Many whole numbers from the engine in one query."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from cxmodel.tables.engines.functions import engine_name

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from cxmodel.tables.engines.engine import Session


WIDE = "decimal(38, 0)"
"""A sum over a whole ledger may need more than 64 bits."""


def wide_sum(values: ir.IntegerColumn, where: ir.BooleanValue | None = None) -> ir.DecimalScalar:
    """Add up whole numbers into as many as 38 digits; null where there are none."""
    if engine_name(values) == "pyspark":
        # Spark adds up in 64 bits, and stops beyond them.
        values = values.cast(WIDE)
    return values.sum(where=where).cast(WIDE)


def whole_numbers(session: Session, questions: Mapping[str, ir.IntegerScalar]) -> dict[str, int]:
    """Compute sums and counts, each over a table of its own; the sum of nothing is 0.

    Parameters
    ----------
    session : Session
        The engine on which all of the tables lie.
    questions : mapping of str to integer expression
        Name -> aggregate. A sum may need up to 38 digits.

    Examples
    --------
    >>> import ibis, pyarrow as pa
    >>> from cxmodel.tables.engines.engine import default_session
    >>> two = ibis.memtable(pa.table({"x": [2**62, 2**62]}))
    >>> asked = {"sum": two.x.sum(), "sum of nothing": two.limit(0).x.sum()}
    >>> numbers = whole_numbers(default_session(), asked)
    >>> numbers["sum"] == 2**63, numbers["sum of nothing"]
    (True, 0)
    """
    import ibis

    if not questions:
        return {}
    answers = {
        name: question.cast(WIDE).name("answer").as_table() for name, question in questions.items()
    }
    rows = [answer.mutate(question=ibis.literal(name)) for name, answer in answers.items()]
    asked = rows[0] if len(rows) == 1 else ibis.union(*rows, distinct=False)
    found = {row["question"]: row["answer"] for row in session.arrow(asked).to_pylist()}
    return {name: int(found[name] or 0) for name in questions}
