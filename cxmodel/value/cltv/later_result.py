"""A retention curve held against what came later: what was found, window by window."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cxmodel.results import NotRun

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False, kw_only=True)
class LaterWindow:
    """One window after the origin.

    Parameters
    ----------
    window : int
        1 for the first after the origin.
    from_day, to_day : datetime.date
        Its first and last day.
    n_at_risk, n_left : int
        Customers there at its start, and those of them who left in it.
    n_left_predicted : float
        Leavers foretold among those there at its start.
    predicted_retention, predicted_low, predicted_high : float
        Share of the customers of the origin foretold to be there at its end, and where the share
        that comes should lie.
    actual_retention : float
        The share that was.
    """

    window: int
    from_day: dt.date
    to_day: dt.date
    n_at_risk: int
    n_left: int
    n_left_predicted: float
    predicted_retention: float
    predicted_low: float
    predicted_high: float
    actual_retention: float

    @property
    def gap(self) -> float:
        """By how much the share foretold lies above the share that came."""
        return self.predicted_retention - self.actual_retention

    def to_dict(self) -> dict[str, Any]:
        """Give the window as plain values."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


@dataclass(frozen=True, eq=False, kw_only=True)
class LaterWindows:
    """A retention curve fitted to what was known at an origin, and held against what came later.

    Parameters
    ----------
    known_until : datetime.date
        The last day that the curve learnt from.
    model : str
        The family that continued it.
    n_learnt, n_left_before : int
        Customers learnt from, and those of them who had left.
    n_customers : int
        Customers still there at the origin, whose staying was foretold.
    windows : tuple of LaterWindow
        In order of time.
    statistic, deg_freedom, p_value : float, int, float
        Chi-squared of leavers against those foretold, over the windows together; the errors of the
        curve and the luck of the customers both count.
    verdict : {"pass", "warn", "fail"}
        See ``later_windows.judge_windows``.
    text : str
        What was found, in a sentence or two.
    """

    known_until: dt.date
    model: str
    n_learnt: int
    n_left_before: int
    n_customers: int
    windows: tuple[LaterWindow, ...]
    statistic: float
    deg_freedom: int
    p_value: float
    verdict: str
    text: str

    def to_section(self) -> dict[str, Any]:
        """Give ``cltv.later_windows`` of ``results.json``."""
        plain = ("known_until", "model", "n_learnt", "n_left_before", "n_customers", "statistic")
        last = ("deg_freedom", "p_value", "verdict", "text")
        return {
            "status": "ok",
            "reason": None,
            **{name: getattr(self, name) for name in (*plain, *last)},
            "rows": [window.to_dict() for window in self.windows],
        }

    def to_frame(self) -> pd.DataFrame:
        """Give one row a window."""
        import pandas as pd

        return pd.DataFrame([window.to_dict() for window in self.windows])


def later_caveats(found: LaterWindows | NotRun) -> tuple[str, ...]:
    """Give the sentence of a curve that did not hold; nothing where it held or was not tried."""
    return (found.text,) if isinstance(found, LaterWindows) and found.verdict == "fail" else ()
