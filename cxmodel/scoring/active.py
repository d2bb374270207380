"""Who is active at the end of a day, and what each of them said last by then."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from cxmodel.errors import ConfigError, SourceError
from cxmodel.scoring.asked_day import horizon_of_day, tables_of
from cxmodel.tables.joining.active_customers import active_people
from cxmodel.tables.joining.churn_rule import Departures, standings
from cxmodel.tables.joining.columns import as_stated
from cxmodel.tables.joining.history import Horizon
from cxmodel.tables.joining.observation_join import ObservationJoin
from cxmodel.tables.joining.probes import who_had_started
from cxmodel.tables.joining.scratch import Scratch
from cxmodel.tables.observation_table import Windows
from cxmodel.tables.observations import known_people
from cxmodel.tables.sources import Source, Sources
from cxmodel.tables.windows import shifted

if TYPE_CHECKING:
    import ibis.expr.types as ir

ANSWERED_AT = "_answered_at"
_PLACE = "_place"
Which = Literal["last", "first of the stay"]


@dataclass(frozen=True, kw_only=True)
class NotScored:
    """The customers of a study who are not active on a day.

    Parameters
    ----------
    n_left : int
        Who had left by then and were not back; without a contract, who had not booked of late.
    n_later : int
        Who start after it.
    inactive_days : int, optional
        How long without a booking counts as having left; None where departures are dated.
    """

    n_left: int
    n_later: int
    inactive_days: int | None = None

    def sentences(self, day: dt.date) -> list[str]:
        """Say who is not scored, without saying who it is."""
        said = []
        if self.n_left:
            why = (
                f"had left by {day}"
                if self.inactive_days is None
                else f"had booked nothing in the {self.inactive_days:,} days up to {day}"
            )
            said.append(f"{_customers(self.n_left)} {why}: not scored.")
        if self.n_later:
            word = "starts" if self.n_later == 1 else "start"
            said.append(f"{_customers(self.n_later)} {word} after {day}: not scored.")
        return said


def _customers(n: int) -> str:
    return "1 customer" if n == 1 else f"{n:,} customers"


def customers_have(n: int) -> str:
    """Begin a sentence on some customers."""
    return f"{_customers(n)} {'has' if n == 1 else 'have'}"


@dataclass(frozen=True, eq=False, kw_only=True)
class StudyDay:
    """A study as it was known at the end of a day.

    Parameters
    ----------
    sources : Sources
        Of the study, on one engine.
    horizon : Horizon
        That ends with the day.
    windows : Windows
        Those in which the past is counted.
    """

    sources: Sources
    horizon: Horizon
    windows: Windows

    @classmethod
    def of(
        cls,
        sources: Sources,
        windows: Windows,
        *,
        at: dt.date,
        as_of: dt.date | None,
        time_zone: str,
    ) -> StudyDay:
        """Take a day of a study.

        Raises
        ------
        ConfigError
            If the data are not complete for the day, or begin after it, or are already joined.
        SourceError
            If nobody is known: there are neither customers nor a ledger.
        """
        if "observations" in sources.by_kind:
            raise ConfigError(
                "sources.observations is a table already joined, and does not say what was known "
                "on another day. Score its file instead: cxmodel score MODEL FILE OUTPUT."
            )
        if known_people(tables_of(sources)) is None:
            raise SourceError(
                "Nobody is known who could be scored: add sources.customers, or a ledger of "
                "bookings or subscriptions."
            )
        horizon = horizon_of_day(sources, at, as_of, time_zone)
        return cls(sources=sources, horizon=horizon, windows=windows)

    @property
    def tables(self) -> dict[str, ir.Table]:
        """Every source as a table."""
        return tables_of(self.sources)

    @property
    def ends_at(self) -> dt.datetime:
        """The first instant (naive UTC) after the day."""
        if self.horizon.ends_at is None:
            raise ValueError("The end of the day is known by now.")
        return self.horizon.ends_at

    @property
    def moment(self) -> Any:
        """The same instant on the engine."""
        return _instant(self.ends_at)

    def active(self, scratch: Scratch) -> tuple[ir.Table, NotScored]:
        """List the active customers, and count the others.

        Returns
        -------
        ibis table
            ``row_number, customer_id, responded_at`` (the end of the day).
        NotScored
        """
        import ibis

        session, people = self.sources.session, self._known_by_then()
        # whoever starts with the next day is not there yet
        last = people.mutate(responded_at=_instant(self.ends_at - dt.timedelta(microseconds=1)))
        started = who_had_started(self._join(people), last).select("customer_id")
        started = scratch.keep(started, "started")
        there = active_people(
            self.tables, started, self.departures, ends_at=self.ends_at, windows=self.windows
        )
        number = ibis.row_number().over(ibis.window(order_by="customer_id")).cast("int64")
        active = scratch.keep(
            there.mutate(responded_at=self.moment).mutate(row_number=number), "active"
        )
        n_all, n_started, n_active = (
            int(session.one_row(table.aggregate(n=table.count()))["n"])
            for table in (everyone(self.tables), started, active)
        )
        is_by_silence = self.departures.rule == "inactivity"
        others = NotScored(
            n_left=n_started - n_active,
            n_later=n_all - n_started,
            inactive_days=self.windows.inactive_days if is_by_silence else None,
        )
        return active, others

    def _known_by_then(self) -> ir.Table:
        """List who was known: what the ledger says of later days makes nobody known."""
        found = self.tables
        for kind, at in (("revenue", "booked_at"), ("subscriptions", "started_at")):
            if kind in found:
                found[kind] = found[kind].filter(found[kind][at] < self.moment)
        return everyone(found)

    def _join(self, people: ir.Table) -> ObservationJoin:
        return ObservationJoin(
            sources=self.sources,
            windows=self.windows,
            horizon=self.horizon,
            responses=people.mutate(responded_at=self.moment),
        )

    @cached_property
    def departures(self) -> Departures:
        """Who had left by the end of the day, and when."""
        return self._join(everyone(self.tables)).departures

    @property
    def surveys(self) -> Source | None:
        """The answers of the study, where they say whose they are, and of when."""
        return answers_of(self.sources)

    def answers(self, rating: str | None = None) -> ir.Table:
        """List the answers up to the end of the day; with `rating`, those that give it."""
        if self.surveys is None:
            raise ValueError("There are answers by now.")
        table = self.surveys.table
        found = table.filter(table.responded_at < self.moment, table.customer_id.notnull())
        return found if rating is None else found.filter(found[f"rating_{rating}"].notnull())

    def answers_of_stay(self, rating: str | None = None) -> ir.Table:
        """List the answers of customers who were there, had started, and have not left since.

        Raises
        ------
        ConfigError
            If nobody knows when a stay began.
        """
        if self.departures.rule == "inactivity":
            raise ConfigError(
                "The model counts time from the first answer of a stay, and in this study only "
                "missing bookings say who left, so nobody knows when a stay began. State "
                "sources.churn or sources.customers.churned_at."
            )
        found = self.answers(rating)
        customers = self.sources.get("customers")
        if customers is not None and "started_at" in customers.columns:
            starts = customers.table.group_by(_of=customers.table.customer_id).aggregate(
                _started_at=customers.table.started_at.min()
            )
            joined = found.left_join(starts, found.customer_id == starts["_of"])
            is_early = (joined.responded_at < joined["_started_at"]).fill_null(False)
            found = joined.filter(~is_early).select(*found.columns)
        if self.departures.events is None:
            return found
        standing = standings(found, self.departures)
        standing = standing.select("has_left", "next_left_at", _answer=standing.row_number)
        joined = found.left_join(standing, found.row_number == standing["_answer"])
        is_here = ~joined.has_left.fill_null(False) & joined.next_left_at.isnull()
        return joined.filter(is_here).select(*found.columns)

    def with_answers(
        self,
        active: ir.Table,
        *,
        answer_days: int | None,
        rating: str | None = None,
        which: Which = "last",
    ) -> ir.Table:
        """Set each customer's last answer, or the first one of the stay, beside the customer."""
        import ibis

        surveys = self.surveys
        if surveys is None:
            return active.mutate(**{ANSWERED_AT: ibis.null("timestamp(6)")})
        shown = [f"rating_{key}" for key in surveys.ratings]
        shown += [name for name in ("touchpoint", "agent") if name in surveys.columns]
        shown += list(surveys.attributes)
        found = self.answers(rating) if which == "last" else self.answers_of_stay(rating)
        keys = ("responded_at", "row_number")
        order = ibis.window(
            group_by="customer_id",
            order_by=[ibis.desc(key) if which == "last" else ibis.asc(key) for key in keys],
        )
        placed = found.mutate(**{_PLACE: ibis.row_number().over(order)})
        one = placed.filter(placed[_PLACE] == 0).select(
            *shown, _answer_id=placed.customer_id, **{ANSWERED_AT: placed.responded_at}
        )
        if answer_days is not None:
            since = _instant(self.ends_at - dt.timedelta(days=answer_days))
            one = one.filter(one[ANSWERED_AT] >= since)
        joined = active.left_join(one, active.customer_id == one["_answer_id"])
        return joined.drop("_answer_id")

    def join_of(self, probes: ir.Table) -> ObservationJoin:
        """Put the customers of the day in the place of responses."""
        surveys, columns = self.surveys, frozenset(probes.columns)
        if surveys is None:
            stand_in = Source(
                kind="surveys",
                label="customers",
                session=self.sources.session,
                table=probes,
                columns=columns,
                n_rows=0,
            )
        else:
            stand_in = replace(surveys, table=probes, columns=columns)
        others = {kind: one for kind, one in self.sources.by_kind.items() if kind != "invitations"}
        if "customers" in others:
            others["customers"] = self._with_versions_of_then(others["customers"])
        return ObservationJoin(
            sources=replace(self.sources, by_kind={**others, "surveys": stand_in}),
            windows=self.windows,
            horizon=self.horizon,
            responses=probes,
        )

    def _with_versions_of_then(self, customers: Source) -> Source:
        """Put off versions that begin with the next day: they are not in force at the end of it."""
        if "valid_from" not in customers.columns:
            return customers
        table, later = customers.table, shifted(customers.table.valid_from, 1)
        is_later = (table.valid_from >= self.moment).fill_null(False)
        return replace(
            customers, table=table.mutate(valid_from=is_later.ifelse(later, table.valid_from))
        )


def answers_of(sources: Sources) -> Source | None:
    """Give the answers of a study, where they say whose they are, and of when."""
    surveys = sources.get("surveys")
    is_known = surveys is not None and {"customer_id", "responded_at"} <= surveys.columns
    return surveys if is_known else None


def _instant(at: dt.datetime) -> Any:
    import ibis

    return as_stated(ibis.literal(at, "timestamp(6)"))


def everyone(tables: Mapping[str, ir.Table]) -> ir.Table:
    """List every customer that is known, once.

    Raises
    ------
    ValueError
        If there are neither customers nor a ledger.
    """
    people = known_people(tables)
    if people is None:
        raise ValueError("Somebody is known by now.")
    return people.filter(people.customer_id.notnull()).distinct()
