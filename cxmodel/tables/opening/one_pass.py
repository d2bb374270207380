"""Hold one source to its contract: one query over its rows, every breach found.

Each converted column (`convert.py`) brings conditions under which it cannot be used, conditions
that are worth a warning, and aggregates worth knowing. All of them are evaluated together; only
where something is wrong a second query looks up the first row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cxmodel.errors import CxModelError, SchemaError, SourceError
from cxmodel.tables.engines.engine import Session
from cxmodel.tables.opening.convert import Column, Note, Problem, count_if
from cxmodel.tables.opening.files import run_reading

if TYPE_CHECKING:
    import ibis

_N_ROWS = "n_rows"


@dataclass(frozen=True, eq=False)
class Rows:
    """The mapped columns of a source as they came, and what tells the order of its rows.

    Parameters
    ----------
    session : Session
        The engine.
    table : ibis.Table
        The columns.
    shown : str
        How messages call the file or table.
    order : tuple of str, optional
        As `OpenTable` has it: columns of `table` by which rows come in order, empty where they do
        so by themselves, None where they have no order of their own.
    """

    session: Session
    table: ibis.Table
    shown: str
    order: tuple[str, ...] | None = ()

    def numbers(self) -> Any:
        """Give the rows numbers from 1 as they came; None where they came in no order."""
        import ibis

        if self.order is None:
            return None
        if "row_number" in self.table.columns:
            return self.table.row_number
        return ibis.row_number().over(ibis.window(order_by=list(self.order) or None)) + 1


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
    warnings : list of str
        What is worth a look: sentences.
    """

    n_rows: int
    facts: Mapping[str, Mapping[str, Any]]
    breaches: list[CxModelError] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def check_columns(
    rows: Rows,
    columns: Mapping[str, Column],
    notes: Sequence[Note] = (),
    counted: Callable[[int], None] | None = None,
) -> Checked:
    """Evaluate every condition and every fact of a source in one query.

    Parameters
    ----------
    rows : Rows
        The mapped columns as they came.
    columns : mapping of str to Column
        Name -> converted column, made from the table of `rows`.
    notes : sequence of Note
        Conditions that are worth a warning.
    counted : callable, optional
        Told the number of rows.

    Raises
    ------
    SourceError
        If it has no rows, or cannot be read to its end.
    """
    problems = [(name, p) for name, column in columns.items() for p in column.problems]
    places = [(name, fact) for name, column in columns.items() for fact in column.facts]
    wanted: dict[str, Any] = {f"p{i}": count_if(p.bad) for i, (_, p) in enumerate(problems)}
    wanted |= {f"f{i}": columns[name].facts[fact] for i, (name, fact) in enumerate(places)}
    wanted |= {f"w{i}": count_if(note.holds) for i, note in enumerate(notes)}
    seen = ask(rows.session, rows.table, wanted, rows.shown)
    n_rows = int(seen[_N_ROWS])
    if not n_rows:
        raise SourceError(f"{rows.shown} has no rows. Leave the source out, or export it again.")
    if counted is not None:
        counted(n_rows)
    facts: dict[str, dict[str, Any]] = {}
    for i, (name, fact) in enumerate(places):
        facts.setdefault(name, {})[fact] = seen[f"f{i}"]
    breaches = [
        _explain(rows, problem, int(seen[f"p{i}"]), facts.get(name, {}))
        for i, (name, problem) in enumerate(problems)
        if seen[f"p{i}"] and (problem.only_if is None or problem.only_if(facts.get(name, {})))
    ]
    warnings = [n.say(int(seen[f"w{i}"]), facts) for i, n in enumerate(notes) if seen[f"w{i}"]]
    return Checked(n_rows, facts, breaches, warnings)


def ask(session: Session, raw: ibis.Table, wanted: Mapping[str, Any], shown: str) -> dict[str, Any]:
    """Compute aggregates over a source, with the number of its rows as ``n_rows``."""
    query = raw.aggregate(**{_N_ROWS: raw.count(), **wanted})
    seen: dict[str, Any] = run_reading(lambda: session.one_row(query), shown)
    return seen


def first_of(rows: Rows, holds: Any, shown: Any) -> tuple[Any, int | None]:
    """Look up the first row in which a condition holds: what to show of it, and its number.

    Where rows have no order, the smallest value stands for the first, so that a message is the
    same every time.
    """
    number = rows.numbers()
    numbers = {} if number is None else {"number": number}
    marked = rows.table.select(holds=holds.fill_null(False), shown=shown, **numbers)
    first = marked.filter(marked.holds).order_by("number" if numbers else "shown").limit(1)
    row = run_reading(lambda: rows.session.one_row(first), rows.shown)
    return row["shown"], int(row["number"]) if numbers else None


def _explain(rows: Rows, problem: Problem, n: int, facts: Mapping[str, Any]) -> CxModelError:
    """Say what is wrong with the first row in which a condition holds."""
    value, number = first_of(rows, problem.bad, problem.shown)
    explain = problem.explain_with(facts) if problem.explain_with else problem.explain
    return explain(n, value, number)


def repeated_values(
    rows: Rows, name: str, key: Any, facts: Mapping[str, Any], advice: str, label: str
) -> SchemaError | None:
    """Say which value stands more than once, where each may stand once only."""
    n_given, n_ids = int(facts["n_given"]), int(facts["n_ids"])
    if n_given == n_ids:
        return None
    ids = rows.table.select(key=key).filter(lambda t: t.key.notnull())
    counts = ids.group_by("key").aggregate(n=ids.count())
    repeated = counts.filter(counts.n > 1)
    n_repeated = rows.session.one_row(repeated.aggregate(n=repeated.count()))["n"]
    worst = rows.session.one_row(repeated.order_by([repeated.n.desc(), "key"]).limit(1))
    return SchemaError(
        f"{label}: {n_repeated:,} {name}(s) stand more than once ({n_given:,} rows for "
        f"{n_ids:,} ids; {worst['key']!r} {worst['n']} times). {advice}"
    )
