"""How responses are joined: what of a study's settings the tables need."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from cxmodel.tables.observation_table import Windows
from cxmodel.tables.occasions import OccasionSettings
from cxmodel.tables.plan_choice import Plan


@dataclass(frozen=True, kw_only=True)
class JoinSettings:
    """How responses are joined: the settings of a study that the tables need.

    Parameters
    ----------
    windows : Windows
        How far to look back and ahead.
    rating : str, optional
        The key of the rating that observations carry as ``rating``; default: the first.
    as_of : date, optional
        The data are complete to the end of this day; default: see `find_horizon`.
    time_zone : str
        Whose days and months are meant.
    conf_level, min_group_size
        Handed on to the models.
    plan : {"range", "stack", "mixed"}, optional
        How windows are summed; default: whichever is cheaper here.
    today : date, optional
        The day of the run; default: the clock's. The default `as_of` is never later.
    response : OccasionSettings, optional
        Whom the answers should stand for: then the occasions to answer are found too.
    """

    windows: Windows = Windows()  # noqa: RUF009 - frozen
    rating: str | None = None
    as_of: dt.date | None = None
    time_zone: str = "UTC"
    conf_level: float = 0.95
    min_group_size: int = 30
    plan: Plan | None = None
    today: dt.date | None = None
    response: OccasionSettings | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.windows, Windows):
            raise TypeError(
                f"windows is cx.Windows(lookback_days=..., outcome_days=...), not {self.windows!r}."
            )
