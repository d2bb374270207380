"""What happened after each response, as columns on the engine.

A departure at the very moment of the response lies before it; an outcome window is
``(t + gap, t + gap + outcome]``. What cannot be known yet is null.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from cxmodel.tables.joining.churn_rule import ChurnRule
from cxmodel.tables.joining.columns import Written, written
from cxmodel.tables.joining.exact import days_between
from cxmodel.tables.observation_table import Windows
from cxmodel.tables.windows import shifted

if TYPE_CHECKING:
    import ibis.expr.types as ir


@dataclass(frozen=True, eq=False, kw_only=True)
class Outcomes:
    """The outcomes of every response by the rule that says who left.

    Parameters
    ----------
    rows : ibis table
        What `ObservationJoin.joined` gives.
    windows : Windows
        The windows in force.
    rule : str, optional
        Who left; None where nothing says so.
    ends_at : datetime, optional
        The first instant (naive UTC) that is no longer known.
    """

    rows: ir.Table
    windows: Windows
    rule: ChurnRule | None
    ends_at: dt.datetime | None

    def public(self) -> list[Written]:
        """Give what people read: who left, after how long, and whose window is over."""
        gap = self.windows.gap_days
        columns = []
        if self.rule is not None:
            columns = [
                written("churned", "number", self._fates[f"_churned_g{gap}"]),
                written("duration_days", "number", self._departure.duration),
            ]
        return [*columns, written("outcome_complete", "flag", self._complete[gap])]

    def hidden(self) -> list[Written]:
        """Give what only models read, at every gap that the check of timing looks at."""
        columns = {f"_complete_g{gap}": flag for gap, flag in self._complete.items()}
        columns |= {"_at_risk": self._at_risk, "_left_in_gap": self._left_in_gap}
        columns |= self._fates
        if self.rule is not None:
            columns["_event"] = self._departure.event
        return [
            written(name, "number" if name.startswith("_churned") else "flag", value)
            for name, value in columns.items()
        ]

    # -- who was there, and who left ---------------------------------------------------------

    @cached_property
    def _complete(self) -> Mapping[int, ir.BooleanValue]:
        """Say whose outcome window ends before the data do; with no end known all do."""
        import ibis

        if self.ends_at is None:
            return dict.fromkeys(self.windows.timing_gaps, ibis.literal(True))
        return {
            gap: shifted(self.rows.responded_at, gap + self.windows.outcome_days) < self._end
            for gap in self.windows.timing_gaps
        }

    @property
    def _at_risk(self) -> ir.BooleanValue:
        import ibis

        if self.rule == "inactivity":
            return self.rows["_n_active_g0"] > 0
        return ibis.literal(True)

    @property
    def _left_in_gap(self) -> ir.BooleanValue:
        import ibis

        if self.rule is None:
            return ibis.literal(False)
        return ~self._fates[f"_present_g{self.windows.gap_days}"]

    @cached_property
    def _fates(self) -> Mapping[str, ir.Value]:
        """Who churned in the window after each gap, and who was still there when it opened."""
        import ibis

        found: dict[str, ir.Value] = {}
        for gap in self.windows.timing_gaps:
            if self.rule is None:
                found[f"_present_g{gap}"] = ibis.literal(True)
                continue
            of_gap = self._of_silence if self.rule == "inactivity" else self._of_departure
            found[f"_churned_g{gap}"], found[f"_present_g{gap}"] = of_gap(gap)
        return found

    def _of_departure(self, gap: int) -> tuple[ir.IntegerValue, ir.BooleanValue]:
        """Who left inside the window, where departures have dates."""
        import ibis

        opens = shifted(self.rows.responded_at, gap)
        closes = shifted(self.rows.responded_at, gap + self.windows.outcome_days)
        # Whoever never left is past every window.
        next_left = self.rows["_next_left_at"]
        is_gone_early = (next_left <= opens).fill_null(False)
        is_inside = ((next_left > opens) & (next_left <= closes)).fill_null(False)
        churned = ibis.cases(
            (self._had_left | is_gone_early, ibis.null("int64")),
            (is_inside, _whole(1)),
            (self._complete[gap], _whole(0)),
            else_=ibis.null("int64"),
        )
        return churned, ~is_gone_early

    def _of_silence(self, gap: int) -> tuple[ir.IntegerValue, ir.BooleanValue]:
        """Who booked nothing at the end of the window, where only silence says who left."""
        import ibis

        is_present = ~self._at_risk | (self.rows[f"_n_active_g{gap}"] > 0)
        churned = ibis.cases(
            (~(self._complete[gap] & is_present), ibis.null("int64")),
            (self.rows[f"_n_stayed_g{gap}"] > 0, _whole(0)),
            else_=_whole(1),
        )
        return churned, is_present

    # -- how long it took ----------------------------------------------------------------------

    @property
    def _end(self) -> ir.TimestampValue:
        import ibis

        return ibis.literal(self.ends_at, "timestamp(6)")

    @property
    def _leaves_at(self) -> ir.TimestampValue:
        """When the customer left next; under inactivity the last booking and the days allowed."""
        if self.rule == "inactivity":
            return shifted(self.rows["_last_booked_at"], self.windows.inactive_days or 0)
        return self.rows["_next_left_at"]

    @property
    def _had_left(self) -> ir.BooleanValue:
        """Who was gone at the response and not back."""
        if self.rule == "inactivity":
            return ~(self._leaves_at >= self.rows.responded_at).fill_null(False)
        return self.rows["_has_left"].fill_null(False)

    @cached_property
    def _departure(self) -> _Departure:
        """How long until the customer left; cut off at ``as_of``, and unknown without one."""
        import ibis

        if self.ends_at is None:
            return _Departure(ibis.null("float64"), ibis.literal(False))
        event = (self._leaves_at < self._end).fill_null(False) & ~self._had_left
        duration = ibis.cases(
            (self._had_left, ibis.null("float64")),
            (event, days_between(self.rows.responded_at, self._leaves_at)),
            else_=days_between(self.rows.responded_at, self._end),
        )
        return _Departure(duration, event)


@dataclass(frozen=True, eq=False)
class _Departure:
    duration: ir.FloatingValue
    event: ir.BooleanValue


def _whole(number: int) -> ir.IntegerScalar:
    import ibis

    return ibis.literal(number, "int64")
