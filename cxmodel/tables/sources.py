"""Open sources on the engine: read, rename, convert and check them, all breaches at once."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cxmodel.errors import CxModelError, ValidationError
from cxmodel.scales import Scale
from cxmodel.tables.engines.engine import Session
from cxmodel.tables.specs import SourceSpec, TableFile

if TYPE_CHECKING:
    import ibis

Progress = Callable[[str], None]


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
    progress: Progress | None = None,
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
    progress : callable, optional
        Told the label of each source before it is opened.

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
    found, breaches = _open_all(specs, session, tables or {}, Path(base_dir), currency, progress)
    raise_all(breaches)
    return Sources(session=session, by_kind=found, currency=currency)


def _open_all(
    specs: Iterable[SourceSpec],
    session: Session,
    tables: Mapping[str, TableFile | str],
    base: Path,
    currency: str | None,
    progress: Progress | None,
) -> tuple[dict[str, Source], list[CxModelError]]:
    from cxmodel.tables.opening.catalog import Catalog
    from cxmodel.tables.opening.opening import open_source

    files = {n: TableFile(t) if isinstance(t, str) else t for n, t in tables.items()}
    catalog = Catalog(session, files, base)
    found: dict[str, Source] = {}
    breaches: list[CxModelError] = []
    for spec in specs:
        if progress is not None:
            progress(spec.label)
        try:
            found[spec.kind] = open_source(spec, catalog, currency)
        except ValidationError as error:
            breaches.extend(error.breaches)
        except CxModelError as error:
            breaches.append(error)
    return found, _without_repeats(breaches)


def _without_repeats(breaches: list[CxModelError]) -> list[CxModelError]:
    """Keep one of each message: a file that two sources read is broken once."""
    return list({(type(breach), str(breach)): breach for breach in breaches}.values())


def raise_all(breaches: list[CxModelError]) -> None:
    """Raise what was found: one thing as itself, several as a `ValidationError`."""
    if len(breaches) == 1:
        raise breaches[0]
    if breaches:
        raise ValidationError(breaches)


def check_sources(
    specs: Iterable[SourceSpec],
    session: Session,
    *,
    tables: Mapping[str, TableFile | str] | None = None,
    base_dir: str | Path = ".",
    currency: str | None = None,
    as_of: dt.date | None = None,
) -> tuple[list[CxModelError], list[str]]:
    """Open the sources of a study and list everything that is wrong, or worth a look.

    Parameters
    ----------
    specs, session, tables, base_dir, currency
        As for `open_sources`.
    as_of : datetime.date, optional
        The data are complete to the end of this day.

    Returns
    -------
    breaches : list of CxModelError
        What a run would refuse.
    warnings : list of str
        What it would accept, but a reader should know.
    """
    _, breaches, warnings = open_what_can_be(
        specs, session, tables=tables, base_dir=base_dir, currency=currency, as_of=as_of
    )
    return breaches, warnings


def open_what_can_be(
    specs: Iterable[SourceSpec],
    session: Session,
    *,
    tables: Mapping[str, TableFile | str] | None = None,
    base_dir: str | Path = ".",
    currency: str | None = None,
    as_of: dt.date | None = None,
) -> tuple[Sources, list[CxModelError], list[str]]:
    """Open the sources that are as they should be, and list what `check_sources` does.

    Parameters
    ----------
    specs, session, tables, base_dir, currency, as_of
        As for `check_sources`.
    """
    from cxmodel.tables.opening.plausibility import between_sources, worth_a_look

    found, breaches = _open_all(specs, session, tables or {}, Path(base_dir), currency, None)
    sources = Sources(session=session, by_kind=found, currency=currency)
    breaches.extend(between_sources(sources, as_of))
    return sources, _without_repeats(breaches), worth_a_look(sources, as_of)
