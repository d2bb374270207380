"""A day of a study: what was asked, whether the data hold it, and where they end for it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from cxmodel.errors import ConfigError
from cxmodel.tables.joining.history import Horizon, find_horizon
from cxmodel.tables.observation_table import Windows
from cxmodel.tables.sources import Sources
from cxmodel.tables.times.zones import as_of_end

if TYPE_CHECKING:
    import ibis.expr.types as ir

_DATED = ("surveys", "revenue", "subscriptions")


@dataclass(frozen=True, kw_only=True)
class AskedDay:
    """A day of a study, and what the study says of days.

    Parameters
    ----------
    at : date
        The day.
    as_of : date, optional
        Until when the data are complete, where the study states it.
    time_zone : str
        Whose days are meant.
    windows : Windows
        Of the study.
    answer_days : int, optional
        An older answer counts as none.
    """

    at: dt.date
    as_of: dt.date | None
    time_zone: str
    windows: Windows
    answer_days: int | None = None

    @property
    def when(self) -> dict[str, Any]:
        """What `customers_at` and `purchasers_at` are told of it."""
        return {"at": self.at, "as_of": self.as_of, "time_zone": self.time_zone}


def horizon_of_day(sources: Sources, at: dt.date, as_of: dt.date | None, time_zone: str) -> Horizon:
    """Give the ends of what was known at the end of a day.

    Parameters
    ----------
    sources : Sources
        Of the study, on one engine.
    at : date
        The day.
    as_of : date, optional
        Until when the data are complete, where the study states it.
    time_zone : str
        Whose days are meant.

    Raises
    ------
    ConfigError
        If the day lies after the data, whose windows would look empty, or before all of them.
    """
    tables = tables_of(sources)
    whole = find_horizon(
        sources.session,
        **{kind: tables.get(kind) for kind in _DATED},
        as_of=as_of,
        time_zone=time_zone,
    )
    calendar, ends_at = whole.calendar, as_of_end(at, time_zone)
    if ends_at <= calendar.low and any(kind in tables for kind in _DATED):
        raise ConfigError(
            f"--at {at} lies before all data, which begin on {calendar.low.date()}. Name a later "
            "day."
        )
    if whole.as_of is not None and at > whole.as_of:
        raise ConfigError(
            f"--at {at} lies after the data, which are complete to {whole.as_of}: what happened "
            "since would be taken for nothing. Name a day up to then, or bring newer data."
        )
    calendar = replace(calendar, low=min(calendar.low, ends_at), high=max(calendar.high, ends_at))
    return replace(whole, as_of=at, ends_at=ends_at, calendar=calendar)


def tables_of(sources: Sources) -> dict[str, ir.Table]:
    """Give every source as a table, by kind."""
    return {kind: source.table for kind, source in sources.by_kind.items()}
