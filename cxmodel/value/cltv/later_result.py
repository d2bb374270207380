"""A retention curve held against what came later: what was found, window by window."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cxmodel.results import Estimate, NotRun

if TYPE_CHECKING:
    import pandas as pd


FAR_OFF_PERCENT = 25.0  # further than a plan would bear
_NO_LEDGER = NotRun("the ledger was not looked up: a study does, and in Python ledger= asks for it")


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
    predicted_revenue, revenue_low, revenue_high, actual_revenue : float, optional
        Revenue in the window per customer of the origin: foretold, where what comes should lie, and
        as the ledger showed it. None where it was not looked up.
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
    predicted_revenue: float | None = None
    revenue_low: float | None = None
    revenue_high: float | None = None
    actual_revenue: float | None = None

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
    revenue_error : Estimate or NotRun
        100 x (money foretold for all windows / money that came - 1), percent.
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
    revenue_error: Estimate | NotRun = _NO_LEDGER

    @property
    def money_is_off(self) -> bool:
        """Whether money is surely off, and by over a quarter."""
        error = self.revenue_error
        if isinstance(error, NotRun) or error.conf_low is None or error.conf_high is None:
            return False
        is_sure = error.conf_low > 0 or error.conf_high < 0
        return is_sure and abs(error.estimate) > FAR_OFF_PERCENT

    @property
    def money_text(self) -> str:
        """Say how far money was off in the later windows; empty where it was not looked up."""
        error = self.revenue_error
        if isinstance(error, NotRun):
            return ""
        ends = ""
        if error.conf_low is not None and error.conf_high is not None:
            ends = f" ({_off(error.conf_low)} to {_off(error.conf_high)})"
        said = (
            f"From what was known on {self.known_until}, {_off(error.estimate, ' money')} was "
            f"foretold for the later windows than came{ends}"
        )
        return (
            f"{said}: customers do not go on spending as they did."
            if self.money_is_off
            else f"{said}."
        )

    def to_section(self) -> dict[str, Any]:
        """Give ``cltv.later_windows`` of ``results.json``."""
        plain = ("known_until", "model", "n_learnt", "n_left_before", "n_customers", "statistic")
        last = ("deg_freedom", "p_value", "verdict", "text")
        return {
            "status": "ok",
            "reason": None,
            **{name: getattr(self, name) for name in (*plain, *last)},
            "revenue_error": self.revenue_error,
            "revenue_is_far_off": self.money_is_off,
            "revenue_text": self.money_text,
            "rows": [window.to_dict() for window in self.windows],
        }

    def to_frame(self) -> pd.DataFrame:
        """Give one row a window."""
        import pandas as pd

        return pd.DataFrame([window.to_dict() for window in self.windows])


def _off(percent: float, what: str = "") -> str:
    """Say a difference without a sign.

    Examples
    --------
    >>> _off(-8.2), _off(6.6, " money")
    ('8% less', '7% more money')
    """
    return f"{abs(percent):.0f}% {'more' if percent > 0 else 'less'}{what}"


def later_caveats(found: LaterWindows | NotRun) -> tuple[str, ...]:
    """Say what did not hold, staying or spending; nothing where it held or was not tried."""
    if isinstance(found, NotRun):
        return ()
    said = (found.text,) if found.verdict == "fail" else ()
    return (*said, found.money_text) if found.money_is_off else said
