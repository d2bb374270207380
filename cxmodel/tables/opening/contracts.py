"""Hold one source to its contract: one query over its rows, every breach found.

Each converted column (`convert.py`) brings conditions under which it cannot be used, and aggregates
worth knowing. All of them are evaluated together; only where something is wrong a second query
looks up the first row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cxmodel.errors import CxModelError, SchemaError, SourceError
from cxmodel.tables.engines.engine import Session
from cxmodel.tables.opening.convert import Column, Problem, count_if
from cxmodel.tables.opening.files import run_reading

if TYPE_CHECKING:
    import ibis

ROW = "cx_row"
_N_ROWS = "n_rows"


@dataclass(frozen=True, eq=False)
class Checked:
    """What one pass over a source saw.

    Parameters
    ----------
    n_rows : int
        Rows.
    facts : mapping
        Column -> fact -> value.
    breaches : list of CxModelError
        What is wrong.
    """

    n_rows: int
    facts: Mapping[str, Mapping[str, Any]]
    breaches: list[CxModelError]


def check_columns(
    session: Session,
    raw: ibis.Table,
    columns: Mapping[str, Column],
    shown: str,
) -> Checked:
    """Evaluate every condition and every fact of a source in one query.

    Parameters
    ----------
    session : Session
        The engine.
    raw : ibis.Table
        The mapped columns as they came.
    columns : mapping of str to Column
        Name -> converted column, made from `raw`.
    shown : str
        How messages call the file or table.

    Raises
    ------
    SourceError
        If it has no rows, or cannot be read to its end.
    """
    problems = [(name, p) for name, column in columns.items() for p in column.problems]
    wanted: dict[str, Any] = {f"p{i}": count_if(p.bad) for i, (_, p) in enumerate(problems)}
    places = [(name, fact) for name, column in columns.items() for fact in column.facts]
    wanted |= {f"f{i}": columns[name].facts[fact] for i, (name, fact) in enumerate(places)}
    seen = ask(session, raw, wanted, shown)
    n_rows = int(seen[_N_ROWS])
    if not n_rows:
        raise SourceError(f"{shown} has no rows. Leave the source out, or export it again.")
    facts: dict[str, dict[str, Any]] = {}
    for i, (name, fact) in enumerate(places):
        facts.setdefault(name, {})[fact] = seen[f"f{i}"]
    found = [(*each, int(seen[f"p{i}"])) for i, each in enumerate(problems) if seen[f"p{i}"]]
    breaches = [_explain(session, raw, p, n, shown, facts.get(name, {})) for name, p, n in found]
    return Checked(n_rows, facts, breaches)


def ask(session: Session, raw: ibis.Table, wanted: Mapping[str, Any], shown: str) -> dict[str, Any]:
    """Compute aggregates over a source, with the number of its rows as ``n_rows``."""
    query = raw.aggregate(**{_N_ROWS: raw.count(), **wanted})
    seen: dict[str, Any] = run_reading(lambda: session.one_row(query), shown)
    return seen


def _explain(
    session: Session,
    raw: ibis.Table,
    problem: Problem,
    n: int,
    shown: str,
    facts: Mapping[str, Any],
) -> CxModelError:
    """Look up the first row in which a condition holds, and say what is wrong with it."""
    marked = raw.select(
        bad=problem.bad.fill_null(False), shown=problem.shown, **{ROW: row_numbers(raw)}
    )
    first = marked.filter(marked.bad).order_by(ROW).limit(1)
    row = run_reading(lambda: session.one_row(first), shown)
    explain = problem.explain_with(facts) if problem.explain_with else problem.explain
    return explain(n, row["shown"], int(row[ROW]))


def row_numbers(raw: ibis.Table) -> Any:
    """Give the rows numbers from 1, in the order in which they came."""
    import ibis

    return raw.row_number if "row_number" in raw.columns else ibis.row_number() + 1


def repeated_customers(
    session: Session, raw: ibis.Table, key: Any, facts: Mapping[str, Any], label: str
) -> SchemaError | None:
    """Say which customer stands more than once, where each may stand once only."""
    n_given, n_ids = int(facts["n_given"]), int(facts["n_ids"])
    if n_given == n_ids:
        return None
    ids = raw.select(key=key).filter(lambda t: t.key.notnull())
    counts = ids.group_by("key").aggregate(n=ids.count())
    repeated = counts.filter(counts.n > 1)
    n_repeated = session.one_row(repeated.aggregate(n=repeated.count()))["n"]
    worst = session.one_row(repeated.order_by([repeated.n.desc(), "key"]).limit(1))
    return SchemaError(
        f"{label}: {n_repeated:,} customer_id(s) stand more than once ({n_given:,} rows for "
        f"{n_ids:,} ids; {worst['key']!r} {worst['n']} times). Keep one row per customer, or, if "
        "their attributes change over time, give valid_from."
    )
