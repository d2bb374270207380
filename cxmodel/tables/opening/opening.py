"""Open one source: map its columns, convert them, check them, and give it its canonical table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cxmodel.errors import CxModelError, SchemaError
from cxmodel.tables.contracts import CONTRACTS, RESERVED
from cxmodel.tables.opening.carried import is_dated, settled, sniffed
from cxmodel.tables.opening.catalog import Catalog
from cxmodel.tables.opening.convert import (
    Column,
    Where,
    read_amount,
    read_flag,
    read_id,
    read_plain_number,
    read_rating,
    read_text,
)
from cxmodel.tables.opening.convert_times import TimeColumn, read_time
from cxmodel.tables.opening.date_formats import refuse_numbers, settle_formats
from cxmodel.tables.opening.files import OpenTable, run_reading
from cxmodel.tables.opening.mapping import Mapped, map_columns, select_mapped
from cxmodel.tables.opening.money import unit_digits
from cxmodel.tables.opening.one_pass import Checked, Rows, ask, check_columns, repeated_values
from cxmodel.tables.opening.plausibility import notes_of, warnings_of
from cxmodel.tables.sources import Source, raise_all
from cxmodel.tables.specs import AMOUNTS, TYPE_OF, SourceSpec
from cxmodel.tables.times.zones import is_utc, zone

if TYPE_CHECKING:
    import ibis

_NUMBERED = ("surveys", "observations")
_SECONDS = ("talk_seconds", "hold_seconds", "follow_up_seconds")


def open_source(
    spec: SourceSpec,
    catalog: Catalog,
    currency: str | None = None,
    counted: Callable[[int], None] | None = None,
) -> Source:
    """Open a source and hold it to its contract.

    Parameters
    ----------
    spec : SourceSpec
        What to open.
    catalog : Catalog
        The engine, the named tables, the folder of the paths.
    currency : str, optional
        ISO 4217 code of the amounts.
    counted : callable, optional
        Told the number of rows, as soon as it is known.

    Raises
    ------
    SourceError, SchemaError, ScaleError, ConfigError
        If one thing is wrong; ValidationError if several are.
    """
    zone(spec.time_zone or "UTC")
    digits = unit_digits(currency)
    opened = catalog.open(spec)
    mapped, errors = map_columns(spec, opened, RESERVED)
    raise_all(errors)
    reading = _Reading(spec, catalog, opened, mapped, digits)
    return reading.source(currency, counted)


@dataclass(frozen=True, eq=False)
class _Reading:
    """The steps from a table as it came to a `Source`."""

    spec: SourceSpec
    catalog: Catalog
    opened: OpenTable
    mapped: Mapped
    digits: int

    @property
    def shown(self) -> str:
        """How messages call the file or table."""
        name = self.opened.shown
        return name if name.startswith(self.spec.label) else f"{self.spec.label} ({name})"

    @property
    def time_zone(self) -> str:
        """The zone of times that have none."""
        return self.spec.time_zone or "UTC"

    def source(self, currency: str | None, counted: Callable[[int], None] | None) -> Source:
        session, contract = self.catalog.session, CONTRACTS[self.spec.kind]
        rows = self._rows()
        columns, formats, breaches = self._columns(rows)
        notes = notes_of(contract, columns, self.spec.label)
        checked = check_columns(rows, columns, notes, counted)
        raise_all([*breaches, *checked.breaches, *self._repeated(rows, columns, checked)])
        table = self._canonical(rows.table, columns, checked)
        if self._is_costly(columns):
            table = run_reading(lambda: session.keep(table, self.spec.kind), self.shown)
            session.drop(rows.table)
            session.drop(self.opened.table)
        return self._finished(table, rows.table, checked, formats, currency)

    # -- The mapped columns as they came ---------------------------------------------------------

    def _rows(self) -> Rows:
        """Take the mapped columns; read text files and queries once."""
        import ibis

        mapped, session = self.mapped, self.catalog.session
        renamed = {
            **mapped.columns,
            **{f"rating_{key}": column for key, column in mapped.ratings.items()},
            **{f"carried_{i}": name for i, name in enumerate(mapped.carried)},
        }
        if not renamed:
            raise SchemaError(
                f"{self.spec.label} maps no column. Found: {', '.join(self.opened.names)}."
            )
        raw = select_mapped(self.opened, mapped, renamed)
        if self.spec.kind in _NUMBERED:
            # Rows of a query come in no order of their own: they are numbered by their values.
            order = list(raw.columns) if self.opened.order is None else self.opened.order
            numbers = ibis.row_number().over(ibis.window(order_by=list(order) or None))
            raw = raw.mutate(row_number=numbers + 1)
        if self._is_read_once:
            kept = run_reading(lambda: session.keep(raw, f"{self.spec.kind}_raw"), self.shown)
            return Rows(session, kept, self.shown, self.opened.order)
        return Rows(session, raw, self.shown, self.opened.order)

    @property
    def _is_read_once(self) -> bool:
        """Whether reading it again would parse a text file, run a query or sort anew."""
        opened = self.opened
        is_sorted = self.spec.kind in _NUMBERED and opened.order != ()
        return opened.is_text or opened.is_query or is_sorted

    # -- Conversion ------------------------------------------------------------------------------

    def _where(self, name: str, column: str) -> Where:
        return Where(self.spec.label, name, column)

    def _columns(self, rows: Rows) -> tuple[dict[str, Column], dict[str, str], list[CxModelError]]:
        """Convert every mapped column; a column of an impossible type is a breach of its own."""
        raw = rows.table
        columns: dict[str, Column] = {}
        formats: dict[str, str] = {}
        breaches: list[CxModelError] = []
        pending: dict[str, TimeColumn] = {}
        for name, column in self.mapped.columns.items():
            try:
                if TYPE_OF[name] == "time":
                    pending[name] = self._time(rows, name, column, formats)
                else:
                    columns[name] = self._plain(raw[name], name, column)
            except SchemaError as error:
                breaches.append(error)
        for key, column in self.mapped.ratings.items():
            name, scale = f"rating_{key}", self.spec.ratings[key].scale
            try:
                columns[name] = read_rating(raw[name], self._where(f"ratings.{key}", column), scale)
            except SchemaError as error:
                breaches.append(error)
        columns |= self._utc(raw, pending)
        for i in range(len(self.mapped.carried)):
            columns[f"carried_{i}"] = sniffed(raw[f"carried_{i}"])
        unique = self._unique
        if unique in columns:
            ids = columns[unique]
            facts = {"n_given": ids.value.count(), "n_ids": ids.value.nunique(), **ids.facts}
            columns[unique] = Column(ids.value, facts=facts)
        return columns, formats, breaches

    @property
    def _unique(self) -> str:
        """The column whose values stand once each; empty where any may repeat."""
        contract = CONTRACTS[self.spec.kind]
        return "" if contract.unless in self.mapped.columns else contract.unique or ""

    def _plain(self, value: Any, name: str, column: str) -> Column:
        where = self._where(name, column)
        kind = TYPE_OF[name]
        if kind == "id":
            return read_id(value)
        if kind == "text":
            return read_text(value)
        if kind == "amount":
            return read_amount(value, where, self.digits)
        if kind == "flag":
            return read_flag(value, where)
        return read_plain_number(value, where)

    def _time(self, rows: Rows, name: str, column: str, found: dict[str, str]) -> TimeColumn:
        where, value = self._where(name, column), rows.table[name]
        formats = self.spec.date_format
        if value.type().is_numeric() and (error := refuse_numbers(rows, value, where)):
            raise error
        if value.type().is_string() and not formats:
            formats = settle_formats(rows, value, where)
            if formats:
                found[name] = formats[0]
        return read_time(value, where, formats)

    def _utc(self, raw: ibis.Table, pending: Mapping[str, TimeColumn]) -> dict[str, Column]:
        """Turn local times into UTC; the transitions of the zone are looked up in their range."""
        spans: dict[str, Any] = dict.fromkeys(pending)
        if pending and not is_utc(self.time_zone):
            bounds = {f"{n}_low": t.value.min() for n, t in pending.items()}
            bounds |= {f"{n}_high": t.value.max() for n, t in pending.items()}
            seen = ask(self.catalog.session, raw, bounds, self.shown)
            spans = {name: (seen[f"{name}_low"], seen[f"{name}_high"]) for name in pending}
        is_stated = self.spec.time_zone is not None
        return {
            name: time.to_utc(self.time_zone, spans[name], zone_is_stated=is_stated)
            for name, time in pending.items()
        }

    # -- Checks and the result -------------------------------------------------------------------

    def _repeated(
        self, rows: Rows, columns: Mapping[str, Column], checked: Checked
    ) -> list[CxModelError]:
        """Refuse a key that repeats; what the one pass counted says whether it does."""
        name = self._unique
        if name not in columns:
            return []
        advice = "Keep one row per customer, or, if their attributes change over time, give "
        advice += f"{CONTRACTS[self.spec.kind].unless}."
        key, facts = columns[name].value, checked.facts[name]
        error = repeated_values(rows, name, key, facts, advice, self.spec.label)
        return [] if error is None else [error]

    def _is_costly(self, columns: Mapping[str, Column]) -> bool:
        return self._is_read_once or any(column.is_costly for column in columns.values())

    def _canonical(
        self, raw: ibis.Table, columns: Mapping[str, Column], checked: Checked
    ) -> ibis.Table:
        values: dict[str, Any] = (
            {"row_number": raw.row_number} if "row_number" in raw.columns else {}
        )
        for name, column in columns.items():
            if name.startswith("carried_"):
                own = self.mapped.carried[int(name.removeprefix("carried_"))]
                values[own] = settled(column.value, checked.facts[name])
            else:
                values[AMOUNTS.get(name, name)] = column.value
        return _derived(raw.select(**values))

    def _finished(
        self,
        table: ibis.Table,
        raw: ibis.Table,
        checked: Checked,
        formats: dict[str, str],
        currency: str | None,
    ) -> Source:
        spec, carried = self.spec, self.mapped.carried
        facts: dict[str, Any] = {}
        dated = []
        for name, seen in checked.facts.items():
            own = name
            if name.startswith("carried_"):
                own = carried[int(name.removeprefix("carried_"))]
                if is_dated(raw[name], seen):
                    dated.append(own)
            facts[AMOUNTS.get(own, own)] = dict(seen)
        facts |= {"dated": tuple(dated), "left_out": dict(self.mapped.left_out)}
        facts["date_formats"] = formats
        facts["warnings"] = (*checked.warnings, *warnings_of(spec, facts))
        is_joined = spec.kind == "observations"
        return Source(
            kind=spec.kind,
            label=spec.label,
            session=self.catalog.session,
            table=table,
            ratings={key: rating.scale for key, rating in spec.ratings.items()},
            attributes=() if is_joined else carried,
            controls=carried if is_joined else (),
            touchpoints=spec.touchpoints,
            columns=frozenset(table.columns),
            n_rows=checked.n_rows,
            facts=facts,
            currency=currency,
            time_zone=self.time_zone,
        )


def _derived(table: ibis.Table) -> ibis.Table:
    """Bring the ways of stating a duration to one: minutes to respond, seconds in all."""
    import ibis

    if "first_response_at" in table.columns:
        waited = table.first_response_at.epoch_seconds() - table.started_at.epoch_seconds()
        # As a float first: Spark and PostgreSQL divide whole numbers by 60.0 as decimals.
        minutes = waited.cast("float64") / 60.0
        if "first_response_minutes" in table.columns:
            minutes = ibis.coalesce(table.first_response_minutes, minutes)
        table = table.mutate(first_response_minutes=minutes)
    parts = [name for name in _SECONDS if name in table.columns]
    if parts:
        total = table[parts[0]].fill_null(0.0)
        for name in parts[1:]:
            total = total + table[name].fill_null(0.0)
        is_known = table[parts[0]].notnull()
        for name in parts[1:]:
            is_known = is_known | table[name].notnull()
        total = is_known.ifelse(total, ibis.null("float64"))
        if "handle_seconds" in table.columns:
            total = ibis.coalesce(table.handle_seconds, total)
        table = table.mutate(handle_seconds=total).drop(*parts)
    return table
