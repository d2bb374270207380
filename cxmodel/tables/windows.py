"""Windows around a response, and what is to be added up inside them.

A window is two offsets in days of 86,400 seconds from the response at time t, and the side of t on
which it lies. Before a response it is ``[t + start, t + end)``, after it ``(t + start, t + end]``:
a row at t itself is in neither, so that nothing is both a control and an outcome. This is the one
place where these boundaries are written; ``window_sums.py`` adds up by them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cxmodel.tables.observation_table import Windows

if TYPE_CHECKING:
    import ibis.expr.types as ir


@dataclass(frozen=True, kw_only=True)
class Window:
    """A stretch of time at a fixed distance from a response.

    Parameters
    ----------
    start, end : int
        Offsets from the response in days of 86,400 seconds; ``start < end``.
    is_after : bool
        After the response a window is ``(t + start, t + end]``, before it ``[t + start, t + end)``.

    Examples
    --------
    >>> Window(start=-180, end=0, is_after=False)
    Window(start=-180, end=0, is_after=False)
    """

    start: int
    end: int
    is_after: bool

    def holds(self, at: ir.Value, responded_at: ir.Value) -> ir.BooleanValue:
        """Say whether the time `at` lies in the window of the response at `responded_at`."""
        return self.lies_between(
            at, shifted(responded_at, self.start), shifted(responded_at, self.end)
        )

    def lies_between(self, at: ir.Value, start: ir.Value, end: ir.Value) -> ir.BooleanValue:
        """Say whether the time `at` lies in a window whose ends are worked out already."""
        if self.is_after:
            return (start < at) & (at <= end)
        return (start <= at) & (at < end)


@dataclass(frozen=True, kw_only=True)
class Total:
    """What to add up in a window: a whole-number column, or the rows themselves.

    Parameters
    ----------
    name : str
        The column that comes out.
    window : Window
        Where to add up.
    value : str, optional
        The column to add; None counts rows.
    """

    name: str
    window: Window
    value: str | None = None


def shifted(time: ir.Value, days: int) -> ir.Value:
    """Move a naive UTC time by days of 86,400 seconds."""
    import ibis

    if days == 0:
        return time
    step = ibis.interval(days=abs(days))
    return time + step if days > 0 else time - step


def before(windows: Windows, which: int = 1) -> Window:
    """Give the window before a response: the last one, the one before that, and so on.

    Examples
    --------
    >>> before(Windows(lookback_days=90), 2)
    Window(start=-180, end=-90, is_after=False)
    """
    days = windows.lookback_days
    return Window(start=-which * days, end=-(which - 1) * days, is_after=False)


def after(windows: Windows, gap_days: int | None = None) -> Window:
    """Give the outcome window, at the stated gap or at another one.

    Examples
    --------
    >>> after(Windows(outcome_days=91, gap_days=7))
    Window(start=7, end=98, is_after=True)
    """
    gap = windows.gap_days if gap_days is None else gap_days
    return Window(start=gap, end=gap + windows.outcome_days, is_after=True)
