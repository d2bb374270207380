"""Open sources on the engine: read, rename, convert and check them, all breaches at once."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from cxmodel.errors import CxModelError, ValidationError
from cxmodel.scales import Scale
from cxmodel.tables.engines.engine import Session
from cxmodel.tables.specs import SourceSpec, TableFile

if TYPE_CHECKING:
    import ibis


class CountsRows(Protocol):
    """A stage that can be told how many rows it has dealt with."""

    def rows(self, n: int) -> None:
        """Say how many rows."""


Stage = Callable[[str], AbstractContextManager[CountsRows]]
"""Begins a stage of the work under a name, as the `stage` of a progress does."""


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Source:
    """A source on the engine, under cxmodel's own names and types.

    Parameters
    ----------
    kind, label : str
        What it is, and how messages call it.
    session : Session
        The engine it is on.
    table : ibis.Table
        Canonical columns: ids text; times naive UTC timestamp(6); money whole units (``*_units``,
        int64); ratings, numbers and numeric attributes float64; flags boolean.
    ratings : mapping of str to Scale
        Key of a rating -> its scale; its column is ``rating_<key>``.
    attributes, controls, touchpoints : tuple of str
        Columns carried under their own names; what a joined table offers as controls; keys of
        ratings that stand for touchpoints.
    columns : frozenset of str
        The columns of `table`.
    n_rows : int
        Rows of the source as it came.
    facts : mapping
        What the one pass over the source saw, by column: ``low`` and ``high`` of times and ratings,
        ``n`` and ``n_missing``, ``total_units`` and ``rounding`` of amounts (in thousandths of a
        unit), ``n_levels`` of attributes. Beside them ``dated`` (attributes that hold dates),
        ``left_out`` (columns of a joined table that cannot be carried -> why), ``date_formats``
        (column -> the format found), ``warnings`` (sentences).
    currency : str, optional
        ISO 4217 code of the amounts.
    time_zone : str
        Zone of its times that had none.
    """

    kind: str
    label: str
    session: Session
    table: ibis.Table
    ratings: Mapping[str, Scale] = field(default_factory=dict)
    attributes: tuple[str, ...] = ()
    controls: tuple[str, ...] = ()
    touchpoints: tuple[str, ...] = ()
    columns: frozenset[str]
    n_rows: int
    facts: Mapping[str, Any] = field(default_factory=dict)
    currency: str | None = None
    time_zone: str = "UTC"

    def __repr__(self) -> str:
        ratings = f", ratings {', '.join(self.ratings)}" if self.ratings else ""
        return f"<Source {self.kind}: {self.n_rows:,} rows{ratings}>"

    def fingerprint(self) -> str:
        """Give a number for the rows: equal for equal rows in any order, on every run."""
        from cxmodel.tables.opening.fingerprints import fingerprint

        return fingerprint(self.session, self.table)

    def to_frame(self) -> Any:
        """Copy the canonical rows into a pandas frame."""
        return self.session.arrow(self.table).to_pandas()


@dataclass(frozen=True, eq=False, kw_only=True)
class Sources:
    """The sources of a study, on one engine."""

    session: Session
    by_kind: Mapping[str, Source]
    currency: str | None = None

    def get(self, kind: str) -> Source | None:
        """Give the source of this kind, if the study has it."""
        return self.by_kind.get(kind)


def open_sources(
    specs: Iterable[SourceSpec],
    session: Session,
    *,
    tables: Mapping[str, TableFile | str] | None = None,
    base_dir: str | Path = ".",
    currency: str | None = None,
    stage: Stage | None = None,
) -> Sources:
    """Open, convert and check the sources of a study.

    Parameters
    ----------
    specs : iterable of SourceSpec
        What to open.
    session : Session
        The engine.
    tables : mapping of str to TableFile or path, optional
        ``[tables]``: names that `table` and `sql` may use.
    base_dir : path
        The folder to which paths are relative.
    currency : str, optional
        ISO 4217 code of every amount.
    stage : callable, optional
        Begins a stage for each source, which is told its rows.

    Returns
    -------
    Sources
        Canonical tables; text, zones and SQL are computed once, the rest stays lazy.

    Raises
    ------
    SourceError, SchemaError, ScaleError, ConfigError
        If one thing is wrong.
    ValidationError
        If several are: all of them.

    Examples
    --------
    >>> import pandas as pd
    >>> from cxmodel.tables.engines.engine import connect
    >>> booked = pd.DataFrame(
    ...     {"customer_id": ["a", "b"], "booked_at": ["2026-01-31", "2026-02-01T08:00Z"],
    ...      "amount": [10.25, -3]}
    ... )
    >>> with connect() as session:
    ...     sources = open_sources(
    ...         [SourceSpec(kind="revenue", data=booked)], session, currency="EUR"
    ...     )
    ...     sources.get("revenue").to_frame().amount_units.tolist()
    [102500, -30000]
    """
    opened = _open_all(specs, session, tables or {}, Path(base_dir), currency, stage)
    raise_all(opened.breaches)
    return Sources(session=session, by_kind=opened.found, currency=currency)


@dataclass(eq=False)
class _Opened:
    """What came of opening each source: itself or its breaches, and its rows where known."""

    found: dict[str, Source] = field(default_factory=dict)
    breaches: list[CxModelError] = field(default_factory=list)
    n_rows: dict[str, int | None] = field(default_factory=dict)


def _open_all(
    specs: Iterable[SourceSpec],
    session: Session,
    tables: Mapping[str, TableFile | str],
    base: Path,
    currency: str | None,
    stage: Stage | None,
) -> _Opened:
    from cxmodel.tables.opening.catalog import Catalog
    from cxmodel.tables.opening.opening import open_source

    files = {n: TableFile(t) if isinstance(t, str) else t for n, t in tables.items()}
    catalog = Catalog(session, files, base)
    opened = _Opened()
    for spec in specs:
        opened.n_rows[spec.label] = None
        try:
            with (stage or _no_stage)(f"reading {spec.kind}") as reading:

                def counted(n: int, label: str = spec.label, reading: Any = reading) -> None:
                    opened.n_rows[label] = n
                    reading.rows(n)

                opened.found[spec.kind] = open_source(spec, catalog, currency, counted)
        except ValidationError as error:
            opened.breaches.extend(error.breaches)
        except CxModelError as error:
            opened.breaches.append(error)
    opened.breaches = _without_repeats(opened.breaches)
    return opened


class _Unheard:
    def rows(self, n: int) -> None:
        """Do nothing."""


@contextmanager
def _no_stage(name: str) -> Iterator[CountsRows]:
    yield _Unheard()


def _without_repeats(breaches: list[CxModelError]) -> list[CxModelError]:
    """Keep one of each message: a file that two sources read is broken once."""
    return list({(type(breach), str(breach)): breach for breach in breaches}.values())


def raise_all(breaches: list[CxModelError]) -> None:
    """Raise what was found: one thing as itself, several as a `ValidationError`."""
    if len(breaches) == 1:
        raise breaches[0]
    if breaches:
        raise ValidationError(breaches)


@dataclass(frozen=True, eq=False, kw_only=True)
class Inspection:
    """What is right and what is wrong with the sources of a study.

    Parameters
    ----------
    sources : Sources
        Those that are as they should be.
    n_rows : mapping of str to int
        Label of each source -> its rows; None where it could not be read.
    breaches : list of CxModelError
        What a run would refuse.
    warnings : list of str
        What it would accept, but a reader should know.
    """

    sources: Sources
    n_rows: Mapping[str, int | None]
    breaches: list[CxModelError]
    warnings: list[str]


def inspect_sources(
    specs: Iterable[SourceSpec],
    session: Session,
    *,
    tables: Mapping[str, TableFile | str] | None = None,
    base_dir: str | Path = ".",
    currency: str | None = None,
    as_of: dt.date | None = None,
    stage: Stage | None = None,
) -> Inspection:
    """Open the sources that are as they should be, and list what is wrong with the others.

    Parameters
    ----------
    specs, session, tables, base_dir, currency, stage
        As for `open_sources`.
    as_of : datetime.date, optional
        The data are complete to the end of this day.

    Returns
    -------
    Inspection
        Every breach of every source at once, and what is worth a look.
    """
    from cxmodel.tables.opening.plausibility import between_sources, worth_a_look

    opened = _open_all(specs, session, tables or {}, Path(base_dir), currency, stage)
    sources = Sources(session=session, by_kind=opened.found, currency=currency)
    with (stage or _no_stage)("comparing tables") as comparing:
        breaches = _without_repeats([*opened.breaches, *between_sources(sources, as_of)])
        warnings = worth_a_look(sources, as_of)
        comparing.rows(sum(source.n_rows for source in opened.found.values()))
    return Inspection(sources=sources, n_rows=opened.n_rows, breaches=breaches, warnings=warnings)
