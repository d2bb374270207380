"""Days and months of the study's time zone, on the engine and off it.

Days are numbered from 1970-01-01.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cxmodel.tables.times.zones import to_local

if TYPE_CHECKING:
    import ibis.expr.types as ir

_EPOCH = dt.date(1970, 1, 1)
MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
"""Their English names, whatever the language of the machine."""


def day_number(day: dt.date) -> int:
    """Give the number of a day, counted from 1970-01-01.

    Examples
    --------
    >>> day_number(dt.date(1970, 1, 2))
    1
    """
    return (day - _EPOCH).days


@dataclass(frozen=True, kw_only=True)
class Calendar:
    """The calendar of a time zone over a range of times.

    Parameters
    ----------
    time_zone : str
        IANA name.
    low, high : datetime
        The range (naive UTC) of the times that are asked about.
    """

    time_zone: str
    low: dt.datetime
    high: dt.datetime

    def widened(self, days: int) -> Calendar:
        """Extend the range by days on both sides."""
        step = dt.timedelta(days=days)
        return Calendar(time_zone=self.time_zone, low=self.low - step, high=self.high + step)

    def local(self, time: ir.Value) -> ir.Value:
        """Give the local time of a naive UTC time."""
        return to_local(time, self.time_zone, self.low, self.high)

    def day(self, time: ir.Value) -> ir.IntegerValue:
        """Give the number of the local day that a naive UTC time falls on."""
        return (self.local(time).epoch_seconds() // 86_400).cast("int64")

    def first_day_from(self, time: ir.Value) -> ir.IntegerValue:
        """Give the number of the first local day whose midnight lies at or after a UTC time.

        It is the day after that of the microsecond before, also where clocks skip midnight and the
        day begins at one.
        """
        import ibis

        return self.day(time - ibis.interval(microseconds=1)) + 1

    def first_day_after(self, time: ir.Value) -> ir.IntegerValue:
        """Give the number of the first local day whose midnight lies after a UTC time."""
        return self.day(time) + 1

    def month_number(self, time: ir.Value) -> ir.IntegerValue:
        """Give year x 12 + month - 1 of a naive UTC time."""
        local = self.local(time)
        return (local.year().cast("int64") * 12 + local.month() - 1).cast("int64")
