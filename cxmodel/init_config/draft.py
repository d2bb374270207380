"""Write a guessed configuration as commented TOML, and say how sure each guess is."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cxmodel.init_config.guess import Guess
from cxmodel.init_config.keys import Key, Step
from cxmodel.init_config.looking import Look
from cxmodel.init_config.profile import Table, quoted, quoted_table
from cxmodel.init_config.ratings import Rating
from cxmodel.init_config.toml_lines import COMMENT_AT, decide, line, toml_key, toml_text
from cxmodel.init_config.words import words

_MONEY = frozenset({"amount", "monthly_amount", "monthly_revenue"})


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A guessed configuration: its text, what was recognised in a few lines, the rows looked at."""

    text: str
    summary: tuple[str, ...]
    n_rows: int = 0

    @property
    def n_decisions(self) -> int:
        """How many lines wait for a decision."""
        return sum(row.startswith("# decide: ") for row in self.text.splitlines())


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What the draft is written from."""

    look: Look
    chosen: Sequence[Guess]
    others: Sequence[Guess]
    tables: Mapping[str, Table] = field(default_factory=dict)

    @property
    def is_by_sql(self) -> bool:
        """Whether any source needs SQL, so that the files get names."""
        return any(needs_sql(guess) for guess in self.chosen)

    @property
    def has_money(self) -> bool:
        """Whether any source holds amounts."""
        return any(pick.name in _MONEY for guess in self.chosen for pick in guess.picks)


def write_draft(plan: Plan) -> Draft:
    """Write the configuration that the guesses make.

    Parameters
    ----------
    plan : Plan
        What was looked at and chosen.
    """
    parts = [
        [
            "# Guessed from the tables by `cxmodel init`: each line says how sure the guess is.",
            "# Lines that begin with '# decide:' wait for you: nobody can guess them. Remove the",
            "# '# decide:' and put your value. Then: cxmodel validate, cxmodel run.",
        ],
        list(_study(plan)),
        list(_engine(plan)),
        list(_tables(plan)),
        *(list(_source(guess, plan)) for guess in plan.chosen),
        list(_value(plan)),
        list(_not_used(plan)),
    ]
    text = "\n\n".join("\n".join(part) for part in parts if part) + "\n"
    n_rows = sum(table.n_rows for table in plan.look.tables)
    return Draft(text=text, summary=tuple(_summary(plan)), n_rows=n_rows)


def _study(plan: Plan) -> Iterator[str]:
    yield "[study]"
    if plan.has_money:
        yield decide("currency", comment="ISO 4217, such as EUR; without it nothing in money")
    ratings = [rating for guess in plan.chosen for rating in guess.ratings]
    if ratings:
        listed = ", ".join(rating.key for rating in ratings[:6])
        yield f"# rating = {toml_text(ratings[0].key)}".ljust(COMMENT_AT) + (
            f" # gets the lift; default the first of: {listed}"
        )
    yield "# as_of = 2026-06-30".ljust(COMMENT_AT) + " # default: the day of the latest booking"
    yield '# time_zone = "UTC"'.ljust(COMMENT_AT) + " # of times that have no zone"


def _engine(plan: Plan) -> Iterator[str]:
    if plan.look.engine_url is not None:
        yield "[engine]"
        yield line("url", hide_password(plan.look.engine_url))


def hide_password(url: str) -> str:
    """Put an environment variable in place of a password.

    Examples
    --------
    >>> hide_password("postgres://ann:secret@host/db")
    'postgres://ann:${DB_PASSWORD}@host/db'
    """
    return re.sub(r"(://[^:/@]*):[^@]*@", r"\1:${DB_PASSWORD}@", url)


def _tables(plan: Plan) -> Iterator[str]:
    if not plan.is_by_sql or plan.look.engine_url is not None:
        return
    yield "[tables]"
    for name in sorted(_named_tables(plan)):
        table = plan.tables[name]
        place = {"path": table.path, "sheet": table.sheet} if table.sheet else table.path
        yield line(toml_key(name), place)


def _named_tables(plan: Plan) -> set[str]:
    named = {guess.table.name for guess in plan.chosen if needs_sql(guess)}
    return named | {step.table for guess in plan.chosen for step in _steps(guess, plan.tables)}


def _steps(guess: Guess, tables: Mapping[str, Table]) -> list[Step]:
    """List the joins that a source needs, each once."""
    steps = [step for key in guess.keys for step in key.steps]
    reached = {guess.table.name} | {step.table for step in steps}
    missing = {pick.table for pick in guess.picks} - reached
    for name in sorted(missing):
        shared = [c for c in guess.table.names if c in tables[name].names]
        unique = [c for c in shared if tables[name].column(c).is_unique]
        steps += [Step(guess.table.name, name, column) for column in unique[:1]]
    return list(dict.fromkeys(steps))


def needs_sql(guess: Guess) -> bool:
    """Say whether a source has to be selected from several tables, or computed."""
    is_joined = any(key.steps for key in guess.keys)
    is_joined = is_joined or any(pick.table != guess.table.name for pick in guess.picks)
    return is_joined or guess.times is not None or _hides_a_choice(guess)


def _hides_a_choice(guess: Guess) -> bool:
    """Say whether a column called customer_id would be taken where the person is to be decided."""
    return len(guess.keys) > 1 and any(key.column == "customer_id" for key in guess.keys)


def _key_name(key: Key, guess: Guess) -> str:
    """Name a key in the SQL so that it is not taken without a decision."""
    is_hidden = _hides_a_choice(guess) and key.column == "customer_id"
    return f"{key.table.replace('.', '_')}_customer_id" if is_hidden else key.column


def select_statement(guess: Guess, tables: Mapping[str, Table]) -> str:
    """Write the SELECT of a source.

    Parameters
    ----------
    guess : Guess
        The source.
    tables : mapping of str to Table
        Every table, by name.
    """
    here = guess.table.name
    columns = []
    for key in guess.keys:
        name, column = _key_name(key, guess), _qualified(key.table, key.column)
        columns.append(column if name == key.column else f"{column} AS {quoted(name)}")
    for pick in guess.picks:
        if pick.name == "amount" and guess.times is not None:
            price, pieces = (_qualified(here, column) for column in guess.times)
            columns.append(f'CAST({price} AS DOUBLE) * CAST({pieces} AS DOUBLE) AS "amount"')
        else:
            columns.append(_qualified(pick.table, pick.column))
    own = [*(rating.column for rating in guess.ratings), *guess.attributes]
    columns += [_qualified(here, column) for column in own]
    joins = [
        f"LEFT JOIN {quoted_table(step.table)}\n  ON {_qualified(step.before, step.column)} = "
        f"{_qualified(step.table, step.column)}"
        for step in _steps(guess, tables)
    ]
    listed = ",\n  ".join(dict.fromkeys(columns))
    return "\n".join([f"SELECT\n  {listed}\nFROM {quoted_table(here)}", *joins])


def _qualified(table: str, column: str) -> str:
    return f"{quoted_table(table)}.{quoted(column)}"


def _source(guess: Guess, plan: Plan) -> Iterator[str]:
    yield f"[sources.{guess.kind}]"
    yield from _place(guess, plan)
    yield from _person(guess)
    for pick in guess.picks:
        yield line(pick.name, pick.column, "; ".join(filter(None, [pick.sureness, pick.note])))
    yield from _dates(guess, plan.tables)
    if guess.attributes:
        yield line("attributes", guess.attributes, "likely; not what is known only at the end")
    if guess.ignore:
        yield line("ignore", guess.ignore, "likely; these are no controls")
    touchpoints = [rating.key for rating in guess.ratings if rating.is_touchpoint]
    if touchpoints:
        is_open = any(rating.question for rating in guess.ratings if rating.is_touchpoint)
        write = decide if is_open else line
        yield write("touchpoints", touchpoints, "a guess; ratings of parts of the journey")
    for rating in guess.ratings:
        yield _rating_line(rating)


def _place(guess: Guess, plan: Plan) -> Iterator[str]:
    if needs_sql(guess):
        statement = select_statement(guess, plan.tables)
        if "'''" in statement or any(ord(c) < 32 and c != "\n" for c in statement):
            yield line("sql", statement)
        else:
            yield f"sql = '''\n{statement}\n'''"
    elif guess.table.path is None:
        yield line("table", guess.table.name)
    else:
        yield line("path", guess.table.path)
        if guess.table.sheet is not None:
            yield line("sheet", guess.table.sheet)


def _person(guess: Guess) -> Iterator[str]:
    if not guess.keys:
        if guess.kind == "surveys":
            yield decide(
                "customer_id", comment="no column names the person; without one: KPIs only"
            )
    elif len(guess.keys) == 1:
        yield line("customer_id", guess.keys[0].column, guess.keys[0].sureness)
    else:
        best, *rest = guess.keys
        others = "; ".join(
            f'or "{_key_name(key, guess)}" ({key.n_distinct:,} values)' for key in rest
        )
        comment = f"which is the person? ({best.n_distinct:,} values) {others}"
        if guess.kind == "customers":
            comment += ". One that repeats is refused here: GROUP BY it in the sql"
        yield decide("customer_id", _key_name(best, guess), comment)


def _dates(guess: Guess, tables: Mapping[str, Table]) -> Iterator[str]:
    """Write the formats of text dates, or ask which comes first, day or month."""
    columns = [
        tables[pick.table].column(pick.column) for pick in guess.picks if _is_read(pick, tables)
    ]
    found = [column.formats for column in columns if column.kind == "date" and column.formats]
    known = [formats[0] for formats in found if len(formats) == 1]
    open_formats = [formats for formats in found if len(formats) > 1]
    settled = []
    for formats in open_formats:
        # another column of the same table shows which comes first
        same = [form for form in formats if any(_alike(form, other) for other in known)]
        settled += same[:1] if same else []
    if len(settled) == len(open_formats):
        every = list(dict.fromkeys([*known, *settled]))
        if every:
            sureness = "likely" if settled else "sure"
            yield line("date_format", every[0] if len(every) == 1 else every, sureness)
        return
    best = [*dict.fromkeys([*known, *(formats[0] for formats in open_formats)])]
    second = [*dict.fromkeys([*known, *(formats[1] for formats in open_formats)])]
    comment = f"day or month first? or {toml_text(second if len(second) > 1 else second[0])}"
    yield decide("date_format", best if len(best) > 1 else best[0], comment)


def _is_read(pick: Any, tables: Mapping[str, Table]) -> bool:
    return pick.column in tables[pick.table].names


def _alike(form: str, other: str) -> bool:
    """Say whether two formats begin the day in the same order."""
    return form.split(" ")[0] == other.split(" ")[0]


def _rating_line(rating: Rating) -> str:
    key = f"ratings.{toml_key(rating.key)}"
    (first, when), *others = rating.declarations
    value = {"column": rating.column, **first}
    if not rating.question:
        return line(key, value, "; ".join(filter(None, [rating.sureness, when])))
    alternatives = [
        f"{then}: {toml_text({'column': rating.column, **declaration})}"
        for declaration, then in others
    ]
    comment = "; ".join(
        filter(None, [rating.question, f"this {when}" if when else "", *alternatives])
    )
    return decide(key, value, comment)


def _value(plan: Plan) -> Iterator[str]:
    if not plan.chosen:
        yield "# decide: sources = ...".ljust(COMMENT_AT) + (
            " # no table was recognised: write [sources.surveys] and the others by hand"
        )
    if not plan.has_money:
        return
    yield "[value]"
    yield decide("gross_margin", comment="share of revenue that is margin, such as 0.6")
    yield decide("annual_discount_rate", comment="such as 0.1; without both: no lifetime value")


def _not_used(plan: Plan) -> Iterator[str]:
    for table, reason in _unused(plan):
        place = toml_text(table.path or table.name)
        yield f"# Not used: {place} ({table.n_rows:,} rows): {reason}."
    for name, reason in plan.look.unread:
        yield f"# Not read: {toml_text(name)}: {toml_text(reason)[1:-1]}"


def _unused(plan: Plan) -> Iterator[tuple[Table, str]]:
    """Give the tables that no source is made of, each with the reason."""
    used = {guess.table.name for guess in plan.chosen} | _named_tables(plan)
    for name, table in plan.tables.items():
        if name in used:
            continue
        kinds = [guess.kind for guess in plan.others if guess.table.name == name]
        like = [g.kind for g in plan.chosen if g.kind in kinds and _is_alike(g.table, table)]
        if like:
            yield (
                table,
                f"it looks like more of sources.{like[0]}. If it holds other rows, and none of "
                "them twice, select both with UNION ALL in its sql",
            )
        elif kinds:
            could = " or ".join(dict.fromkeys(kinds))
            yield table, f"could be {could}, but another table fits better"
        elif not table.of_kind("date"):
            yield table, "it has no column of dates, nor attributes of customers"
        else:
            yield table, "no column was recognised as a rating, an amount or a contact"


def _is_alike(one: Table, other: Table) -> bool:
    """Say whether two tables have most of their columns in common, as two years of a ledger do."""
    mine, theirs = ({"".join(sorted(words(n))) for n in table.names} for table in (one, other))
    return 2 * len(mine & theirs) > max(len(mine), len(theirs))


def _summary(plan: Plan) -> Iterator[str]:
    for guess in plan.chosen:
        where = guess.table.path or guess.table.name
        yield f"sources.{guess.kind}: {where} ({guess.table.n_rows:,} rows)"
    if not plan.chosen:
        yield "No table was recognised. Fill in the sources by hand."
    for table, reason in _unused(plan):
        yield f"not used: {table.path or table.name} ({table.n_rows:,} rows): {reason}"
    for name, reason in plan.look.unread:
        yield f"not read: {name}: {reason}"
