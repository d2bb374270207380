"""How a study cuts its service KPIs, and the rows of a source made ready for it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cxmodel.kpis.groups import (
    Moments,
    Period,
    Slot,
    moments,
    own_columns,
    with_clusters,
    with_groups,
    with_labels,
    with_periods,
)
from cxmodel.kpis.result import Figure, build_rows
from cxmodel.stats.intervals import Interval, wilson

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from cxmodel.tables.sources import Source

SCORE = "_score"


@dataclass(frozen=True, kw_only=True)
class Cut:
    """The settings that every service KPI shares.

    Parameters
    ----------
    by : tuple of str
        Columns of the rows, or attributes of the customers.
    customers : Source, optional
        Who has those attributes.
    period : str, optional
        Of the contact or invitation, in `time_zone`.
    time_zone : str
        IANA name.
    ends_at : datetime, optional
        First instant (naive UTC) that is no longer known.
    min_group_size : int
        Smaller groups are suppressed.
    conf_level : float
        Level of the intervals.
    """

    by: tuple[str, ...]
    customers: Source | None
    period: Period | None
    time_zone: str
    ends_at: dt.datetime | None
    min_group_size: int
    conf_level: float

    def columns_for(self, table: ir.Table) -> list[str]:
        """List the columns of `by` that these rows have; the others belong to other sources."""
        own = own_columns(table)
        has_customers = self.customers is not None and "customer_id" in table.columns
        of_customers = self.customers.attributes if self.customers and has_customers else ()
        return [name for name in self.by if name in own or name in of_customers]

    def rows(
        self, kpi: str, figures: Mapping[Slot, Figure], *, unit: str, by: Sequence[str]
    ) -> list[dict[str, Any]]:
        """Turn figures into rows of results."""
        return build_rows(
            kpi,
            figures,
            unit=unit,
            by=by,
            period=self.period,
            min_group_size=self.min_group_size,
            conf_level=self.conf_level,
        )


@contextmanager
def prepared(source: Source, table: ir.Table, at: str, cut: Cut) -> Iterator[ir.Table]:
    """Keep the rows on the engine for a while: numbered, with groups, periods and clusters."""
    import ibis

    session = source.session
    columns = cut.columns_for(table)
    if "row_number" in table.columns:
        numbered = session.keep(table, "numbered")
    else:
        # kept before it is joined: numbers without an order differ from one reading to the next
        numbered = session.keep(
            table.mutate(row_number=ibis.row_number().cast("int64")), "numbered"
        )
    grouped = with_groups(numbered, columns, at=at, customers=cut.customers)
    timed = with_periods(grouped, cut.period, at=at, time_zone=cut.time_zone)
    kept = session.keep(with_labels(with_clusters(timed), columns), "service")
    try:
        yield kept
    finally:
        session.drop(kept)
        session.drop(numbered)


def share_figures(table: ir.Table, by: Sequence[str], conf_level: float) -> dict[Slot, Figure]:
    """Give the share of rows with a score of 1, in percent, with Wilson's interval."""

    def figure(sums: Moments) -> Figure:
        n_effective = sums.n_effective
        share = wilson(sums.total, sums.n, conf_level=conf_level, n_effective=n_effective)
        return Figure(Interval(*(100 * end for end in share)), sums.n, n_effective, None, None)

    return _figures(moments(table, by, SCORE), figure)


def _figures(
    sums: Mapping[Slot, Moments], figure: Callable[[Moments], Figure]
) -> dict[Slot, Figure]:
    return {slot: figure(found) for slot, found in sums.items()}
