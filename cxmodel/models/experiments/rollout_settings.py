"""A programme that groups began at different times, as a user declares it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Rollout:
    """When each group began: the keys of ``[rollout]`` under the same names.

    Parameters
    ----------
    group : str
        The column of surveys, customers or observations that holds the group.
    starts : mapping of str to date, optional
        The first day of each group that began; the others never did. Give this or `started_at`.
    started_at : str, optional
        A column of surveys, customers or observations with the first day of the row's group, empty
        where the group never began.
    period : {"month", "quarter"}
        The calendar periods that are compared.
    comparison : {"not_yet", "never"}
        What stands for the groups without the programme: those that had not begun, or those that
        never did.

    Raises
    ------
    ValueError
        If no group began, starts are given in both ways or neither, or `period` or `comparison` is
        none of those named.

    Examples
    --------
    >>> Rollout(group="region", starts={"north": dt.date(2025, 3, 1)}).comparison
    'not_yet'
    """

    group: str
    starts: Mapping[str, dt.date] | None = None
    started_at: str | None = None
    period: Literal["month", "quarter"] = "month"
    comparison: Literal["not_yet", "never"] = "not_yet"

    def __post_init__(self) -> None:
        if self.starts is not None and not self.starts:
            raise ValueError("rollout.starts names no group: give each its first day.")
        if (self.starts is None) == (self.started_at is None):
            raise ValueError(
                "rollout needs one of starts, the first day of each group, and started_at, the "
                f"column that holds it; it has {'neither' if self.starts is None else 'both'}."
            )
        if self.period not in ("month", "quarter"):
            raise ValueError(f"rollout.period is 'month' or 'quarter', not {self.period!r}.")
        if self.comparison not in ("not_yet", "never"):
            raise ValueError(
                f"rollout.comparison is 'not_yet' or 'never', not {self.comparison!r}."
            )
