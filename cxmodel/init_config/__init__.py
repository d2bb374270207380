"""Guess a configuration from tables: which table and column is what, and how sure that is.

``profile`` looks at the tables, ``keys`` finds the person and the way to it, ``ratings`` the
questions and their scales, ``kinds`` what each table is, and ``draft`` writes it all down.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path

from cxmodel.errors import OutputError
from cxmodel.init_config.draft import Draft, Plan, write_draft
from cxmodel.init_config.keys import find_keys
from cxmodel.init_config.kinds import choose, guess_kinds
from cxmodel.init_config.looking import Look, look_at
from cxmodel.progress import NoProgress
from cxmodel.tables.engines.engine import Session, connect

__all__ = ["Draft", "draft_config", "init_config"]

_ORDER = (
    "surveys",
    "invitations",
    "customers",
    "churn",
    "revenue",
    "subscriptions",
    "interactions",
    "observations",
)


def init_config(
    sources: Sequence[str], out: str | Path = "cxmodel.toml", *, progress: NoProgress | None = None
) -> Draft:
    """Look at tables and write a commented configuration.

    Parameters
    ----------
    sources : sequence of str
        Files (CSV, Parquet, Excel), folders of files, or one URL of an engine.
    out : str or Path
        The file to write; it must not exist.
    progress : Progress, optional
        Where to show how far the work is.

    Returns
    -------
    Draft
        What was written.

    Raises
    ------
    OutputError
        If the file exists or cannot be written.
    SourceError
        If no table could be read.
    """
    file = Path(out)
    if file.exists():
        raise OutputError(f"{file} exists and is not overwritten. Name another file with --out.")
    with (progress or NoProgress()).stage("look at tables") as stage:
        draft = draft_config(sources, base=file.parent)
        stage.rows(draft.n_rows)
    try:
        with file.open("x", encoding="utf-8", newline="\n") as stream:
            stream.write(draft.text)
    except OSError as error:
        raise OutputError(f"{file} cannot be written: {error.strerror}.") from error
    return draft


def draft_config(sources: Sequence[str], base: str | Path = ".") -> Draft:
    r"""Look at tables and draft a configuration, without writing it.

    Parameters
    ----------
    sources : sequence of str
        Files (CSV, Parquet, Excel), folders of files, or one URL of an engine.
    base : str or Path
        The folder that paths in the draft are relative to.

    Raises
    ------
    SourceError
        If no table could be read.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "answers.csv")
    ...     _ = file.write_text("cust_id,answered_at,nps\nA,2026-01-31,9\nB,2026-02-01,3\nC,,7\n")
    ...     draft = draft_config([str(file)], folder)
    >>> print(*draft.summary)
    sources.surveys: answers.csv (3 rows)
    """
    with connect() as session:
        look = look_at(sources, session, Path(base))
        draft = write_draft(_plan(look, session))
    tomllib.loads(draft.text)  # a draft that is no TOML would be a defect of ours: fail here
    return draft


def _plan(look: Look, session: Session) -> Plan:
    """Guess what each table is, with the keys that lead to the person."""
    tables = {table.name: table for table in look.tables}
    keys = find_keys(look.tables, session.backend.con)
    guesses = []
    for table in look.tables:
        reached = {step.table for key in keys[table.name] for step in key.steps}
        joined = [tables[name] for name in tables if name in reached]
        guesses += guess_kinds(table, keys[table.name], joined)
    chosen, others = choose(guesses)
    chosen.sort(key=lambda guess: _ORDER.index(guess.kind))
    return Plan(look=look, chosen=chosen, others=others, tables=tables)
