"""The observation table: one row per response, with what was known before it and what came after."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..scales import Scale

if TYPE_CHECKING:
    import pandas as pd

TIMING_GAPS = (0, 30, 60, 90)


@dataclass(frozen=True, kw_only=True)
class Windows:
    """How far a study looks back before a response and ahead after it, in days of 86,400 seconds.

    For a response at time t the windows are ``[t - lookback, t)`` before and
    ``(t + gap, t + gap + outcome]`` after.

    Parameters
    ----------
    lookback_days, outcome_days : int
        At least one day each.
    gap_days : int
        Days after the response that count for nothing; zero or more.
    inactive_days : int, optional
        Without a contract a customer is at risk while the last booking is no older than this.
        Default: the smaller of 90 and `outcome_days`.

    Raises
    ------
    ValueError
        If a window is empty or `inactive_days` exceeds `outcome_days`.

    Examples
    --------
    >>> Windows(outcome_days=60).inactive_days
    60
    """

    lookback_days: int = 180
    outcome_days: int = 180
    gap_days: int = 0
    inactive_days: int | None = None

    def __post_init__(self) -> None:
        for name in ("lookback_days", "outcome_days"):
            if getattr(self, name) < 1:
                raise ValueError(
                    f"windows.{name} must be 1 day or more, not {getattr(self, name)}."
                )
        if self.gap_days < 0:
            raise ValueError(f"windows.gap_days must be 0 or more, not {self.gap_days}.")
        if self.inactive_days is None:
            object.__setattr__(self, "inactive_days", min(90, self.outcome_days))
        elif not 1 <= self.inactive_days <= self.outcome_days:
            raise ValueError(
                f"windows.inactive_days must lie in 1-{self.outcome_days} (windows.outcome_days), "
                f"not {self.inactive_days}."
            )

    @property
    def timing_gaps(self) -> tuple[int, ...]:
        """The gaps at which the `timing` check fits the lift again: the stated one and longer."""
        return tuple(sorted({self.gap_days, *(g for g in TIMING_GAPS if g > self.gap_days)}))


@dataclass(frozen=True, eq=False, kw_only=True)
class Observations:
    """Responses joined to controls that lie strictly before them and outcomes strictly after.

    Parameters
    ----------
    frame : pandas.DataFrame
        One row per observation in order of customer and response. Columns that begin with an
        underscore are for the models: see ``tables/observations.py``.
    rating : str, optional
        The key of the rating in column ``rating``; None in a study without a rating.
    scale : Scale, optional
        The scale of that rating.
    windows : Windows
        The windows in force.
    window_words : str
        How the outcome window is called in units: ``"180 days"`` or ``"observation window"``.
    currency : str, optional
        ISO 4217 code; None where money has no currency, so nothing in money is reported.
    as_of : datetime.date, optional
        The data are complete to the end of this day.
    churn_rule : str, optional
        Which rule says that a customer left: ``"churn_events"``, ``"churned_at"``,
        ``"subscription_end"``, ``"inactivity"``, or ``"observed"`` in a table already joined.
    attributes, controls, other_ratings : tuple of str
        Columns of `frame`: customers' and responses' attributes; what a joined table offers as
        controls; further ratings (``rating_<key>``).
    attributes_as_of_extract : bool
        Whether attributes are as of the extract, so perhaps known only after the outcome.
    is_joined : bool
        Whether the table came already joined (``sources.observations``).
    plan : str, optional
        The window plan taken.
    audit : mapping
        The ``audit`` section of ``results.json`` (without the rows that stages leave out).
    """

    frame: pd.DataFrame
    windows: Windows
    rating: str | None = None
    scale: Scale | None = None
    window_words: str = "180 days"
    currency: str | None = None
    as_of: dt.date | None = None
    churn_rule: str | None = None
    attributes: tuple[str, ...] = ()
    controls: tuple[str, ...] = ()
    other_ratings: tuple[str, ...] = ()
    attributes_as_of_extract: bool = False
    is_joined: bool = False
    plan: str | None = None
    conf_level: float = 0.95
    min_group_size: int = 30
    audit: Mapping[str, Any] = field(default_factory=dict)

    def to_frame(self) -> pd.DataFrame:
        """Copy the observations, without the columns that only the models use."""
        public = [name for name in self.frame.columns if not str(name).startswith("_")]
        return self.frame[public].copy()

    @property
    def n_obs(self) -> int:
        """How many observations there are."""
        return len(self.frame)

    def has(self, *columns: str) -> bool:
        """Say whether every one of these columns is in the table."""
        return all(name in self.frame.columns for name in columns)
