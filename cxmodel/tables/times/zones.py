"""Local times to naive UTC, and back to the calendar of a zone.

Zones are compiled from the transitions in `zoneinfo` to a CASE expression, so every engine
gives the same answer.
"""

from __future__ import annotations

import datetime as dt
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from cxmodel.errors import ConfigError, nearest
from cxmodel.tables.contracts import EARLIEST, LATEST

if TYPE_CHECKING:
    import ibis.expr.types as ir

UTC_NAMES = frozenset({"UTC", "Etc/UTC", "GMT", "Etc/GMT", "Zulu", "Etc/Zulu"})


class Transition(NamedTuple):
    """A moment (naive UTC) at which a zone's distance from UTC changes, in seconds."""

    at: dt.datetime
    before: int
    after: int


class Zoned(NamedTuple):
    """A naive UTC time, and whether the local hour that it came from does not exist."""

    time: ir.TimestampValue
    is_missing_hour: ir.BooleanValue | None


# -- Zones in Python -----------------------------------------------------------------------------


def zone(name: str) -> ZoneInfo:
    """Look up a time zone by its IANA name.

    Raises
    ------
    ConfigError
        If there is none of that name.

    Examples
    --------
    >>> zone("Europe/Berlin").key
    'Europe/Berlin'
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ConfigError(
            f"There is no time zone {name!r}. {nearest(name, sorted(available_timezones()))}"
        ) from error


def is_utc(name: str) -> bool:
    """Say whether a zone is UTC under one of its names."""
    return name in UTC_NAMES


def _offset(at: dt.datetime, tz: ZoneInfo) -> int:
    local = at.replace(tzinfo=dt.UTC).astimezone(tz)
    offset = local.utcoffset()
    return int(offset.total_seconds()) if offset is not None else 0


@lru_cache(maxsize=64)
def transitions(
    name: str, low: dt.datetime, high: dt.datetime
) -> tuple[int, tuple[Transition, ...]]:
    """List the changes of a zone's distance from UTC between two moments (naive UTC).

    Returns
    -------
    tuple
        Seconds to add to UTC at `low`, and the transitions in order of time.

    Examples
    --------
    >>> transitions("Europe/Berlin", dt.datetime(2024, 1, 1), dt.datetime(2024, 6, 1))
    (3600, (Transition(at=datetime.datetime(2024, 3, 31, 1, 0), before=3600, after=7200),))
    """
    tz = zone(name)
    found = []
    at, offset = low, _offset(low, tz)
    start = offset
    while at < high:
        ahead = min(at + dt.timedelta(days=1), high)
        later = _offset(ahead, tz)
        if later != offset:
            found.append(Transition(_bisect(at, ahead, offset, tz), offset, later))
        at, offset = ahead, later
    return start, tuple(found)


def _bisect(low: dt.datetime, high: dt.datetime, offset: int, tz: ZoneInfo) -> dt.datetime:
    """Find the first whole second from which the distance is no longer `offset`."""
    seconds = int((high - low).total_seconds())
    first, last = 0, seconds
    while last - first > 1:
        middle = (first + last) // 2
        if _offset(low + dt.timedelta(seconds=middle), tz) == offset:
            first = middle
        else:
            last = middle
    return low + dt.timedelta(seconds=last)


def local_midnight_utc(day: dt.date, name: str = "UTC") -> dt.datetime:
    """Give the moment (naive UTC) at which a calendar day begins in a zone.

    Where midnight does not exist the day begins at the first moment after it; where it comes twice,
    at the first.

    Examples
    --------
    >>> local_midnight_utc(dt.date(2018, 11, 4), "America/Sao_Paulo")
    datetime.datetime(2018, 11, 4, 3, 0)
    """
    local = dt.datetime.combine(day, dt.time(), tzinfo=zone(name))
    return local.astimezone(dt.UTC).replace(tzinfo=None)


def as_of_end(as_of: dt.date, name: str = "UTC") -> dt.datetime:
    """Give the moment (naive UTC) at which the day `as_of` is over; later rows come after it.

    Examples
    --------
    >>> as_of_end(dt.date(2024, 6, 30), "Europe/Berlin")
    datetime.datetime(2024, 6, 30, 22, 0)
    """
    return local_midnight_utc(as_of + dt.timedelta(days=1), name)


# -- Zones on the engine -------------------------------------------------------------------------


def _margin(low: dt.datetime, high: dt.datetime) -> tuple[dt.datetime, dt.datetime]:
    """Widen a range to whole days with two to spare: local and UTC bounds both lie in it."""
    low, high = max(low, EARLIEST), min(high, LATEST)
    days = dt.timedelta(days=2)
    return dt.datetime.combine(low.date(), dt.time()) - days, high.replace(microsecond=0) + days


def to_utc(local: ir.TimestampValue, name: str, low: dt.datetime, high: dt.datetime) -> Zoned:
    """Turn local times of a zone into naive UTC.

    Parameters
    ----------
    local : timestamp expression
        Naive local times.
    name : str
        The zone.
    low, high : datetime.datetime
        The range of `local`: only the transitions within it are compiled.

    Returns
    -------
    Zoned
        An hour that comes twice is taken as the first; an hour that does not exist is marked.
    """
    if is_utc(name):
        return Zoned(local, None)
    offset, changes = transitions(name, *_margin(low, high))
    # Up to the later of the two clocks the old distance counts: of an hour that comes twice the
    # first is meant, and a day whose midnight is left out begins at the first moment after it.
    edges = [(c.at + dt.timedelta(seconds=max(c.before, c.after)), c.before) for c in changes]
    last = changes[-1].after if changes else offset
    time = _piecewise(local, edges, last, sign=-1)
    gaps = [
        (local >= _at(c.at, c.before)) & (local < _at(c.at, c.after))
        for c in changes
        if c.after > c.before
    ]
    return Zoned(time, any_of(gaps))


def to_local(
    utc: ir.TimestampValue, name: str, low: dt.datetime, high: dt.datetime
) -> ir.TimestampValue:
    """Turn naive UTC into naive local times of a zone.

    Parameters
    ----------
    utc : timestamp expression
        Naive UTC.
    name : str
        The zone.
    low, high : datetime.datetime
        The range of `utc`: only the transitions within it are compiled.
    """
    if is_utc(name):
        return utc
    offset, changes = transitions(name, *_margin(low, high))
    last = changes[-1].after if changes else offset
    return _piecewise(utc, [(c.at, c.before) for c in changes], last, sign=1)


def _piecewise(
    time: ir.TimestampValue, edges: list[tuple[dt.datetime, int]], last: int, *, sign: int
) -> Any:
    import ibis

    def shifted(seconds: int) -> Any:
        return time + ibis.interval(seconds=sign * seconds)

    if not edges:
        return shifted(last)
    branches = [(time < ibis.timestamp(edge), shifted(seconds)) for edge, seconds in edges]
    return ibis.cases(*branches, else_=shifted(last))


def _at(moment: dt.datetime, seconds: int) -> Any:
    import ibis

    return ibis.timestamp(moment + dt.timedelta(seconds=seconds))


def any_of(conditions: list[Any]) -> Any:
    """Join conditions by "or"; None where there are none."""
    if not conditions:
        return None
    found = conditions[0]
    for condition in conditions[1:]:
        found = found | condition
    return found


def is_out_of_range(time: ir.TimestampValue) -> ir.BooleanValue:
    """Say where a time lies before 1900 or after 2200: a typing error, or a code for "never"."""
    import ibis

    return (time < ibis.timestamp(EARLIEST)) | (time >= ibis.timestamp(LATEST))
