"""Responses joined to everything that the sources say of them, in whole units and UTC times.

What is joined here is raw: sums, counts and times under names that begin with an underscore, which
no attribute may have. ``observation_columns.py`` makes the observation table of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from cxmodel.tables.joining.attributes import customer_facts
from cxmodel.tables.joining.churn_rule import (
    Departures,
    activity_totals,
    find_departures,
    standings,
)
from cxmodel.tables.joining.contacts import contacts_so_far
from cxmodel.tables.joining.history import Horizon
from cxmodel.tables.joining.invitations import Invitations
from cxmodel.tables.joining.repeats import last_bookings
from cxmodel.tables.joining.subscriptions import covered_days, unit_days_in_windows
from cxmodel.tables.observation_table import Windows
from cxmodel.tables.plan_choice import Plan, PlanChoice, choose_plan
from cxmodel.tables.sources import Source, Sources
from cxmodel.tables.times.calendar_days import Calendar, day_number
from cxmodel.tables.window_sums import totals_in_windows
from cxmodel.tables.windows import Total, after, before

if TYPE_CHECKING:
    import ibis.expr.types as ir


@dataclass(frozen=True, eq=False, kw_only=True)
class ObservationJoin:
    """The responses that count, and the sources they are joined to.

    Parameters
    ----------
    sources : Sources
        On one engine.
    windows, horizon
        The windows in force, and how far the data reach.
    responses : ibis table
        The responses that count, in canonical form.
    wanted_plan : {"range", "stack", "mixed"}, optional
        The window plan; None chooses the cheaper one for bookings and for contacts.
    """

    sources: Sources
    windows: Windows
    horizon: Horizon
    responses: ir.Table
    wanted_plan: Plan | None = None

    @cached_property
    def departures(self) -> Departures:
        """Who left when, by the rule that this study has."""
        return find_departures(
            churn=self._table("churn"),
            customers=self._table("customers"),
            subscriptions=self._table("subscriptions"),
            revenue=self.bookings,
            ends_at=self.horizon.ends_at,
        )

    @cached_property
    def bookings(self) -> ir.Table | None:
        """The bookings up to ``as_of``."""
        return self._until_as_of("revenue", "booked_at")

    @cached_property
    def contacts(self) -> ir.Table | None:
        """The contacts up to ``as_of``."""
        return self._until_as_of("interactions", "started_at")

    @cached_property
    def subscription_days(self) -> ir.Table | None:
        """The whole ledger of subscriptions in day numbers."""
        table = self._table("subscriptions")
        if table is None:
            return None
        return covered_days(table, self.calendar, self.ends_before)

    @property
    def calendar(self) -> Calendar:
        """The study's days, over all times that windows reach."""
        windows = self.windows
        ahead = max(windows.timing_gaps) + windows.outcome_days
        return self.horizon.calendar.widened(max(3 * windows.lookback_days, ahead) + 2)

    @property
    def ends_before(self) -> int:
        """The number of the day after ``as_of``; with a ledger there always is one."""
        if self.horizon.as_of is None:
            return 0
        return day_number(self.horizon.as_of) + 1

    @cached_property
    def plan(self) -> Plan:
        """How bookings (or, without any, contacts) are summed inside windows."""
        return self.plan_choice.plan

    @cached_property
    def plan_choice(self) -> PlanChoice:
        """The window plan of bookings (or, without any, of contacts), and why it was taken."""
        if self.bookings is not None:
            return self._plan_for(self.bookings)
        if self.contacts is not None:
            return self._plan_for(self.contacts)
        return PlanChoice(plan="range", reason="range: no rows to add up")

    def _plan_for(self, rows: ir.Table) -> PlanChoice:
        return self.plan_for_probes(self.responses, rows)

    def plan_for_probes(self, probes: ir.Table, rows: ir.Table) -> PlanChoice:
        """Choose the window plan for moments of customers, responses or not."""
        if self.wanted_plan is not None:
            return PlanChoice(plan=self.wanted_plan)
        return choose_plan(self.sources.session, probes, rows)

    def _table(self, kind: str) -> ir.Table | None:
        source: Source | None = self.sources.get(kind)
        return None if source is None else source.table

    def _until_as_of(self, kind: str, at: str) -> ir.Table | None:
        import ibis

        table = self._table(kind)
        if table is None or self.horizon.ends_at is None:
            return table
        return table.filter(table[at] < ibis.literal(self.horizon.ends_at, "timestamp(6)"))

    @cached_property
    def invitations(self) -> Invitations | None:
        """Who was asked, and which of the responses that count belongs to which invitation."""
        source = self.sources.get("invitations")
        if source is None:
            return None
        return Invitations(invitations=source, answers=self.responses, ends_at=self.horizon.ends_at)

    def joined(self) -> ir.Table:
        """Write the expression: one row per response, in no order."""
        joined = self._described_responses()
        for part, counts in self._parts():
            joined = _attach(joined, part, fill=counts)
        return joined

    def _described_responses(self) -> ir.Table:
        """Take from responses what the table shows, so that no name meets another later."""
        import ibis

        responses, surveys = self.responses, self.sources.by_kind["surveys"]
        ratings = [f"rating_{key}" for key in surveys.ratings]
        shown = [n for n in ("touchpoint",) if n in responses.columns]
        own = {"_agent": responses.agent} if "agent" in surveys.columns else {}
        month_number = self.horizon.calendar.month_number(responses.responded_at)
        n_of_customer = responses.count().over(ibis.window(group_by="customer_id"))
        return responses.select(
            *("row_number", "customer_id", "responded_at", *ratings, *shown, *surveys.attributes),
            **own,
            _month_number=month_number,
            _n_of_customer=n_of_customer.cast("int64"),
        )

    def _parts(self) -> list[tuple[ir.Table, Sequence[str]]]:
        """List what is joined by ``row_number``, with the columns where missing means 0."""
        parts: list[tuple[ir.Table, Sequence[str]]] = []
        customers = self.sources.get("customers")
        if customers is not None:
            parts.append((customer_facts(self.responses, customers), ()))
        if self.bookings is not None:
            parts.append(self._booked(self.bookings))
            parts.append((last_bookings(self.responses, self.bookings, self.plan), ()))
        if self.subscription_days is not None:
            parts.append(self._subscribed(self.subscription_days))
        if self.contacts is not None:
            parts += self._contacted(self.contacts)
        if self.invitations is not None:
            parts.append((self.invitations.matched(), ()))
        parts += self._departed()
        return parts

    def _booked(self, bookings: ir.Table) -> tuple[ir.Table, list[str]]:
        totals = revenue_totals(self.windows, "_booked", "amount_units")
        if self.departures.rule == "inactivity":
            totals += activity_totals(self.windows)
        summed = totals_in_windows(
            self.responses, bookings, totals, at="booked_at", plan=self.plan_choice
        )
        return summed, [total.name for total in totals]

    def _subscribed(self, days: ir.Table) -> tuple[ir.Table, list[str]]:
        import ibis

        cut = days.mutate(end_day=ibis.least(days.end_day, self.ends_before))
        totals = revenue_totals(self.windows, "_unit_days")
        summed = unit_days_in_windows(self.responses, cut, totals, self.calendar)
        return summed, [total.name for total in totals]

    def _contacted(self, contacts: ir.Table) -> list[tuple[ir.Table, Sequence[str]]]:
        total = Total(name="contacts_before", window=before(self.windows))
        plan = self._plan_for(contacts)
        counted = totals_in_windows(self.responses, contacts, [total], at="started_at", plan=plan)
        return [(counted, [total.name]), (contacts_so_far(self.responses, contacts), ())]

    def _departed(self) -> list[tuple[ir.Table, Sequence[str]]]:
        if self.departures.events is not None:
            found = standings(self.responses, self.departures)
            named = {"_has_left": found.has_left, "_next_left_at": found.next_left_at}
            return [(found.select("row_number", **named), ())]
        if self.departures.rule == "inactivity" and self.bookings is not None:
            last = self.bookings.group_by("customer_id").aggregate(
                _last_booked_at=self.bookings.booked_at.max()
            )
            keyed = self.responses.select("row_number", "customer_id")
            found = keyed.inner_join(last, "customer_id")
            return [(found.select("row_number", "_last_booked_at"), ())]
        return []


def revenue_totals(windows: Windows, prefix: str, value: str | None = None) -> list[Total]:
    """Name the sums of revenue: three windows before, and one after for each gap looked at.

    Examples
    --------
    >>> [total.name for total in revenue_totals(Windows(gap_days=60), "_booked")][:4]
    ['_booked_before', '_booked_before_2', '_booked_before_3', '_booked_after_g60']
    """
    names = ("before", "before_2", "before_3")
    totals = [
        Total(name=f"{prefix}_{name}", window=before(windows, which), value=value)
        for which, name in enumerate(names, start=1)
    ]
    return totals + [
        Total(name=f"{prefix}_after_g{gap}", window=after(windows, gap), value=value)
        for gap in windows.timing_gaps
    ]


def _attach(left: ir.Table, right: ir.Table, fill: Sequence[str] = ()) -> ir.Table:
    """Join by ``row_number`` from the left; counts and sums that are missing are 0."""
    right = right.rename(_attached_row="row_number")
    joined = left.left_join(right, left.row_number == right["_attached_row"]).drop("_attached_row")
    if not fill:
        return joined
    return joined.mutate(**{name: joined[name].fill_null(0) for name in fill})
