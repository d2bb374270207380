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
    starts : mapping of str to date
        The first day of each group that began; the others never did.
    period : {"month", "quarter"}
        The calendar periods that are compared.
    comparison : {"not_yet", "never"}
        What stands for the groups without the programme: those that had not begun, or those that
        never did.

    Raises
    ------
    ValueError
        If no group began, or `period` or `comparison` is none of those named.

    Examples
    --------
    >>> Rollout(group="region", starts={"north": dt.date(2025, 3, 1)}).comparison
    'not_yet'
    """

    group: str
    starts: Mapping[str, dt.date]
    period: Literal["month", "quarter"] = "month"
    comparison: Literal["not_yet", "never"] = "not_yet"

    def __post_init__(self) -> None:
        if not self.starts:
            raise ValueError("rollout.starts names no group: give each its first day.")
        if self.period not in ("month", "quarter"):
            raise ValueError(f"rollout.period is 'month' or 'quarter', not {self.period!r}.")
        if self.comparison not in ("not_yet", "never"):
            raise ValueError(
                f"rollout.comparison is 'not_yet' or 'never', not {self.comparison!r}."
            )
