"""The observation table: one row per response, what was known before it and what came after."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, overload

from cxmodel.results import NotRun
from cxmodel.scales import Scale
from cxmodel.tables.joining.stored import StoredObservations

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from cxmodel.tables.engines.engine import Session
    from cxmodel.tables.occasions import Occasions
    from cxmodel.tables.response_weights import ResponseWeights
    from cxmodel.tables.source_columns import SourceColumns

TIMING_GAPS = (0, 30, 60, 90)
MAX_DAYS = 36_525
"""A hundred years: no window is longer, so that times stay within the calendar."""


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
        for name, least in (("lookback_days", 1), ("outcome_days", 1), ("gap_days", 0)):
            days = getattr(self, name)
            if not least <= days <= MAX_DAYS:
                raise ValueError(f"windows.{name} must lie in {least}-{MAX_DAYS:,}, not {days}.")
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


def days_in_words(days: int) -> str:
    """Say how an outcome window of so many days is called in units.

    Examples
    --------
    >>> days_in_words(180), days_in_words(1)
    ('180 days', '1 day')
    """
    return "1 day" if days == 1 else f"{days} days"


class _Frame:
    """The field `frame` of `Observations`: a frame, or rows on an engine until they are asked for.

    A descriptor, as ``dataclasses`` describes them ("descriptor-typed fields").
    """

    _HELD = "_held"

    @overload
    def __get__(self, obs: None, owner: type) -> _Frame: ...

    @overload
    def __get__(self, obs: object, owner: type) -> pd.DataFrame: ...

    def __get__(self, obs: object | None, owner: type) -> _Frame | pd.DataFrame:
        if obs is None:
            # So that the field has no default: observations without rows are refused.
            raise AttributeError("frame")
        held = self.held(obs)
        return held.frame if isinstance(held, StoredObservations) else held

    def __set__(self, obs: object, rows: pd.DataFrame | StoredObservations) -> None:
        obs.__dict__[self._HELD] = rows

    @classmethod
    def held(cls, obs: object) -> pd.DataFrame | StoredObservations:
        """Give what is held, without taking rows out of an engine."""
        rows: pd.DataFrame | StoredObservations = obs.__dict__[cls._HELD]
        return rows


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Observations:
    """Responses joined to controls that lie strictly before them and outcomes strictly after.

    What `join_observations` returns lies on the engine: the rows are taken out when `frame` is
    first asked for, and the table there is dropped by `close`, with the session, or when the
    observations are no longer used.

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
    customer_attributes : tuple of str
        Those of `attributes` that are the customers'; the others were known at the response.
    attributes_as_of_extract : bool
        Whether the customers' attributes (in a joined table, its controls) are as of the extract,
        so perhaps known only after the outcome.
    touchpoints : tuple of str
        Columns of `frame` with ratings that stand for touchpoints.
    is_joined : bool
        Whether the table came already joined (``sources.observations``).
    plan : str, optional
        The window plan taken.
    plan_reason : str, optional
        Why: one sentence with the numbers that decided.
    audit : mapping
        The ``audit`` section of ``results.json`` (without the rows that stages leave out).
    occasions : Occasions, NotRun or None
        When customers could have answered, where that was asked for; see ``occasions.py``.
    response : ResponseWeights, NotRun or None
        What stands behind ``response_weight``; NotRun says why all are 1.
    source_columns : SourceColumns, optional
        Columns of the sources that no model looks at, for the leak alarm.

    Examples
    --------
    >>> import pandas as pd
    >>> from cxmodel.tables.readers import read_observations
    >>> obs = read_observations(pd.DataFrame({"left": ["no", "yes"]}), churned="left")
    >>> obs.n_obs, obs.has("churned"), obs.audit["n_responses"]
    (2, True, 2)
    """

    frame: _Frame = _Frame()
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
    customer_attributes: tuple[str, ...] = ()
    attributes_as_of_extract: bool = False
    touchpoints: tuple[str, ...] = ()
    is_joined: bool = False
    plan: str | None = None
    plan_reason: str | None = None
    conf_level: float = 0.95
    min_group_size: int = 30
    audit: Mapping[str, Any] = field(default_factory=dict)
    occasions: Occasions | NotRun | None = None
    response: ResponseWeights | NotRun | None = None
    source_columns: SourceColumns | None = None

    def __repr__(self) -> str:
        rating = f"rating {self.rating}" if self.rating else "no rating"
        return f"<Observations: {self.n_obs:,} rows, {rating}, {self.window_words}>"

    def to_frame(self) -> pd.DataFrame:
        """Copy the observations, without the columns that only the models use."""
        public = [name for name in self.frame.columns if not str(name).startswith("_")]
        return self.frame[public].copy()

    @staticmethod
    def check(obs: object) -> None:
        """Refuse what is no observation table, before a model looks into it.

        Raises
        ------
        TypeError
            If `obs` is something else.
        """
        if not isinstance(obs, Observations):
            raise TypeError(
                f"fit takes what cxmodel.join_observations or cxmodel.read_observations returns, "
                f"not {type(obs).__name__}."
            )

    @property
    def n_obs(self) -> int:
        """How many observations there are."""
        stored = self._stored
        return len(self.frame) if stored is None else stored.n_rows

    def has(self, *columns: str) -> bool:
        """Say whether every one of these columns is in the table."""
        stored = self._stored
        known = self.frame.columns if stored is None else stored.columns
        return all(name in known for name in columns)

    # -- where the rows lie ----------------------------------------------------------------------

    @property
    def _stored(self) -> StoredObservations | None:
        held = _Frame.held(self)
        return held if isinstance(held, StoredObservations) else None

    @property
    def session(self) -> Session | None:
        """The engine on which the table lies; None where the rows were given as a frame."""
        return None if self._stored is None else self._stored.session

    @property
    def table(self) -> ir.Table | None:
        """The table on the engine; None where the rows were given as a frame.

        One row per observation, in no order, numbered by ``row_number``. Money is whole units
        (``revenue_after_units``, ``_revenue_after_g0_units``), the month is ``_month_number`` (year
        x 12 + month - 1), the share of a customer's responses is 1 / ``_n_of_customer``, what is
        not known is null, and there is no band; all else is as in `frame`.

        Raises
        ------
        EngineError
            If it was closed.
        """
        return None if self._stored is None else self._stored.table

    @property
    def row_numbers(self) -> NDArray[np.int64]:
        """The row of surveys behind each row of `frame`; where it was given as a frame, its own."""
        import numpy as np

        return np.arange(self.n_obs) if self._stored is None else self._stored.row_numbers

    def with_weights(self, response: ResponseWeights | NotRun) -> Observations:
        """Give the same observations weighted for those who did not answer, or why they are not.

        The column ``response_weight`` holds the weights in `frame`, and on the engine too.
        """
        rows = _Frame.held(self)
        if isinstance(response, NotRun):
            audit = {**self.audit, "response": response.to_dict()}
            return replace(self, frame=rows, response=response, audit=audit)
        if isinstance(rows, StoredObservations):
            rows = rows.with_numbers("response_weight", response.weight)
        else:
            rows = rows.assign(response_weight=response.weight)
        audit = {**self.audit, "response": dict(response.facts)}
        return replace(self, frame=rows, response=response, audit=audit)

    def without_attributes(self, names: Collection[str]) -> Observations:
        """Give the same observations with some columns no attributes; they stay in `frame`.

        Nothing is held equal, grouped or learnt by what is no attribute unless it is named.
        """
        kept = {
            role: tuple(name for name in getattr(self, role) if name not in names)
            for role in ("attributes", "customer_attributes", "controls")
        }
        return replace(self, frame=_Frame.held(self), **kept)  # type: ignore[arg-type]

    def with_source_columns(
        self, columns: SourceColumns, account: Mapping[str, Any]
    ) -> Observations:
        """Give the same observations with the columns of the sources that no model looks at."""
        audit = {**self.audit, "source_columns": account}
        return replace(self, frame=_Frame.held(self), source_columns=columns, audit=audit)

    def fetch(self) -> Observations:
        """Take the rows out of the engine, so that they outlast its session.

        Returns
        -------
        Observations
            These.

        Raises
        ------
        EngineError
            If the session has ended already.
        """
        _ = self.frame
        return self

    def close(self) -> None:
        """Drop the table from the engine; a frame that was taken out stays."""
        if self._stored is not None:
            self._stored.close()
