"""Revenue of customers in windows after one day of the calendar, from the ledger."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cxmodel.tables.joining.history import Horizon, find_horizon
from cxmodel.tables.joining.scratch import Scratch, scratch_tables
from cxmodel.tables.joining.subscriptions import covered_days, prorated, unit_days_in_windows
from cxmodel.tables.observations import units_per_money
from cxmodel.tables.plan_choice import choose_plan
from cxmodel.tables.sources import Sources
from cxmodel.tables.times.calendar_days import day_number
from cxmodel.tables.window_sums import totals_in_windows
from cxmodel.tables.windows import Total, Window

if TYPE_CHECKING:
    import ibis.expr.types as ir

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False, kw_only=True)
class Ledger:
    """Bookings and subscriptions of a study, complete to the end of a day.

    Parameters
    ----------
    sources : Sources
        With ``revenue``, ``subscriptions`` or both.
    as_of : datetime.date
        What came later is left out.
    time_zone : str
        Whose days are meant.
    """

    sources: Sources
    as_of: dt.date
    time_zone: str = "UTC"

    def revenue_after(
        self, customer_id: Sequence[str], at: dt.datetime, *, days: int, n_windows: int
    ) -> FloatArray:
        """Add up what each customer paid in windows that follow one another.

        Parameters
        ----------
        customer_id : sequence of str
            Each once.
        at : datetime
            Where the first window starts, naive UTC; a window holds its start and not its end.
        days : int
            The length of each.
        n_windows : int
            How many.

        Returns
        -------
        numpy.ndarray, shape (n, n_windows)
            In the currency; 0 where the ledger shows nothing.
        """
        with scratch_tables(self.sources.session) as scratch:
            # A microsecond before: windows after a moment hold their end and not their start.
            probes = self._probes(scratch, customer_id, at - dt.timedelta(microseconds=1))
            totals = [
                Total(
                    name=f"later_{k}",
                    window=Window(start=k * days, end=(k + 1) * days, is_after=True),
                    value="amount_units",
                )
                for k in range(n_windows)
            ]
            units = np.zeros((len(customer_id), n_windows))
            for table in self._parts(probes, totals, self._horizon()):
                part = scratch.keep(table, "later_revenue")
                frame = self.sources.session.arrow(part).to_pandas()
                units[frame["row_number"].to_numpy(dtype=int)] += frame[
                    [total.name for total in totals]
                ].to_numpy(dtype=float)
        return np.asarray(units / units_per_money(self.sources), dtype=float)

    def _probes(self, scratch: Scratch, customer_id: Sequence[str], at: dt.datetime) -> ir.Table:
        import pyarrow as pa

        n = len(customer_id)
        rows = pa.table(
            {
                "row_number": pa.array(range(n), pa.int64()),
                "customer_id": pa.array(list(customer_id), pa.string()),
                "responded_at": pa.array([at] * n, pa.timestamp("us")),
            }
        )
        session = self.sources.session
        table = session.register(rows, "followed")
        kept = scratch.keep(
            table.mutate(responded_at=table.responded_at.cast("timestamp(6)")), "followed"
        )
        session.drop(table)
        return kept

    def _horizon(self) -> Horizon:
        tables = {kind: source.table for kind, source in self.sources.by_kind.items()}
        return find_horizon(
            self.sources.session,
            surveys=tables.get("surveys"),
            revenue=tables.get("revenue"),
            subscriptions=tables.get("subscriptions"),
            as_of=self.as_of,
            time_zone=self.time_zone,
        )

    def _parts(self, probes: ir.Table, totals: Sequence[Total], horizon: Horizon) -> list[ir.Table]:
        import ibis

        parts = []
        revenue, subscriptions = (self.sources.get(kind) for kind in ("revenue", "subscriptions"))
        if revenue is not None:
            bookings = revenue.table
            if horizon.ends_at is not None:
                end = ibis.literal(horizon.ends_at, "timestamp(6)")
                bookings = bookings.filter(bookings.booked_at < end)
            plan = choose_plan(self.sources.session, probes, bookings)
            parts.append(totals_in_windows(probes, bookings, totals, at="booked_at", plan=plan))
        if subscriptions is not None:
            ends_before = day_number(self.as_of) + 1
            calendar = horizon.calendar.widened(totals[-1].window.end + 2)
            days = covered_days(subscriptions.table, calendar, ends_before)
            cut = days.mutate(end_day=ibis.least(days.end_day, ends_before))
            summed = unit_days_in_windows(probes, cut, totals, calendar)
            parts.append(
                summed.mutate(**{total.name: prorated(summed[total.name]) for total in totals})
            )
        return parts
