"""Turn columns of times into naive UTC, and say what would be wrong with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cxmodel.errors import CxModelError, SchemaError
from cxmodel.tables.opening.convert import (
    Column,
    Explain,
    Problem,
    Where,
    count_if,
    first,
    is_unread,
)
from cxmodel.tables.times.text_times import formats_of, parse_formats, parse_iso
from cxmodel.tables.times.zones import is_out_of_range, is_utc, to_utc

if TYPE_CHECKING:
    import ibis.expr.types as ir


def read_time(value: ir.Value, where: Where, formats: tuple[str, ...]) -> TimeColumn:
    """Read a time, still in the clock of its zone unless it stated its distance from UTC.

    Raises
    ------
    SchemaError
        If the column holds numbers (seconds since 1970?) or anything else that is no time.
    """
    kind = value.type()
    if kind.is_timestamp():
        return _typed(value.cast("timestamp(6)"), where, is_utc=kind.timezone is not None)
    if kind.is_date():
        return _typed(value.cast("timestamp(6)"), where, is_date=True)
    if kind.is_string():
        return _textual(value, where, formats)
    hint = "Turn it into timestamps first"
    if kind.is_numeric():
        hint += ", for example to_timestamp(...) in sql, if these are seconds since 1970"
    raise SchemaError(f"{where} must hold times, but is of type {kind}. {hint}.")


@dataclass(frozen=True)
class TimeColumn:
    """A time as read: naive, with a mark where it is UTC already and where it is a mere date."""

    where: Where
    value: Any
    is_utc: Any
    is_date: Any
    problems: tuple[Problem, ...]
    is_costly: bool

    def to_utc(
        self, zone: str, span: tuple[Any, Any] | None, *, zone_is_stated: bool = True
    ) -> Column:
        """Turn it into naive UTC, from the clock of `zone`; `span` holds its range."""
        value, problems = self.value, list(self.problems)
        facts = {}
        if not isinstance(self.is_utc, bool) and not zone_is_stated:
            facts["n_zoned"] = count_if(self.is_utc)
            problems.append(self._without_zone())
        if span and span[0] is not None and not is_utc(zone) and self.is_utc is not True:
            zoned = to_utc(value, zone, *span)
            missing = zoned.is_missing_hour
            value = zoned.time
            if self.is_utc is not False:
                value = self.is_utc.ifelse(self.value, value)
                missing = None if missing is None else missing & ~self.is_utc
            if missing is not None and self.is_date is not True:
                missing = missing if self.is_date is False else missing & ~self.is_date
                problems.append(Problem(missing, self.value, _missing_hour(self.where, zone)))
        facts |= {"low": value.min(), "high": value.max(), "n_missing": count_if(value.isnull())}
        costly = self.is_costly or not is_utc(zone)
        return Column(value, tuple(problems), facts, is_costly=costly)

    def _without_zone(self) -> Problem:
        """Refuse times of day without a distance from UTC where others of the column have one."""
        is_bare = self.value.notnull() & ~self.is_utc
        if self.is_date is not False:
            is_bare = is_bare & ~self.is_date

        def explain_with(facts: Mapping[str, Any]) -> Explain:
            return _mixed_zones(self.where, int(facts["n_zoned"]))

        return Problem(
            is_bare,
            self.value,
            _mixed_zones(self.where, 0),
            explain_with,
            only_if=lambda facts: bool(facts["n_zoned"]),
        )


def _typed(value: Any, where: Where, *, is_utc: bool = False, is_date: bool = False) -> TimeColumn:
    problem = Problem(is_out_of_range(value), value, _out_of_range(where))
    return TimeColumn(where, value, is_utc, is_date, (problem,), is_costly=False)


def _textual(value: Any, where: Where, formats: tuple[str, ...]) -> TimeColumn:
    parsed = parse_formats(value, formats) if formats else parse_iso(value)
    out = parsed.n_matches
    problems = [
        Problem(is_unread(parsed.time, value), value, _no_match(where, formats)),
        Problem(is_out_of_range(parsed.time) & (out > 0), value, _out_of_range(where)),
    ]
    if len(formats) > 1:
        problems.append(Problem(out > 1, value, _two_matches(where, formats)))
    is_utc = False if parsed.is_utc is None else parsed.is_utc.fill_null(False)
    is_date = False if parsed.is_date is None else parsed.is_date.fill_null(False)
    return TimeColumn(where, parsed.time, is_utc, is_date, tuple(problems), is_costly=True)


def _no_match(where: Where, formats: tuple[str, ...]) -> Explain:
    def explain(n: int, value: Any, row: int | None) -> CxModelError:
        listed = " or ".join(f'"{one}"' for one in formats)
        wanted = f"date_format {listed}" if formats else "ISO 8601 (2026-06-30 14:05:00)"
        return SchemaError(
            f"{where} holds {n:,} value(s) that do not match {wanted} "
            f"({first(repr(value), row)}). {_advice(value, formats)}"
        )

    return explain


def _advice(value: str, formats: tuple[str, ...]) -> str:
    """Say which date_format would read the value that does not match too."""
    also = formats_of(value)
    if not also:
        return f"{'Add their format to' if formats else 'State'} date_format, or mend them."
    known = formats or ("%Y-%m-%d",)
    # The clock may differ: the format of the others is for their owner to complete.
    listed = " or ".join(
        f"date_format = [{', '.join(_quoted(one) for one in (*known, form))}]" for form in also
    )
    which = " Say which, day or month first" if len(also) > 1 else " Write"
    return f"They are in another format.{which}: {listed}; each value must match exactly one."


def _quoted(form: str) -> str:
    return f'"{form}"'


def _mixed_zones(where: Where, n_zoned: int) -> Explain:
    def explain(n: int, value: Any, row: int | None) -> CxModelError:
        return SchemaError(
            f"{where} holds {n_zoned:,} time(s) with a distance from UTC and {n:,} without "
            f"({first(str(value), row)}). Say on which clock the others are: "
            'time_zone = "Europe/Berlin", or "UTC".'
        )

    return explain


def _two_matches(where: Where, formats: tuple[str, ...]) -> Explain:
    def explain(n: int, value: Any, row: int | None) -> CxModelError:
        listed = ", ".join(f'"{one}"' for one in formats)
        return SchemaError(
            f"{where} holds {n:,} value(s) that match more than one of date_format [{listed}] "
            f"({first(repr(value), row)}), so they are ambiguous. Leave one format out, or "
            "bring each column to one format in sql."
        )

    return explain


def _out_of_range(where: Where) -> Explain:
    def explain(n: int, value: Any, row: int | None) -> CxModelError:
        return SchemaError(
            f"{where} holds {n:,} time(s) before 1900 or after 2199 "
            f"({first(repr(str(value)), row)}). Mend them; leave a time that never comes blank."
        )

    return explain


def _missing_hour(where: Where, zone: str) -> Explain:
    def explain(n: int, value: Any, row: int | None) -> CxModelError:
        return SchemaError(
            f"{where} holds {n:,} local time(s) that do not exist in {zone} "
            f"({first(str(value), row)}): the clock was put forward over them. Check "
            'time_zone; if the times are UTC, write time_zone = "UTC".'
        )

    return explain
