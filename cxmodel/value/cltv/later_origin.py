"""Cut observations at a day: what was known by then, and who is followed from it on."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from cxmodel.models.retention.durations import Durations, read_durations
from cxmodel.results import NotRun
from cxmodel.stats.rates import DAYS_PER_MONTH
from cxmodel.tables.observation_table import Observations

FloatArray = npt.NDArray[np.float64]
FEWEST = 30  # who left before the origin, and who was still there at it
WELL_LEARNT = 100  # who left: enough to tell a curve from another
_SECONDS_PER_MONTH = DAYS_PER_MONTH * 86_400


@dataclass(frozen=True, eq=False, kw_only=True)
class Origin:
    """A day at which the data are cut, and who was there.

    Parameters
    ----------
    at : pandas.Timestamp
        Its first moment: what came before is known.
    edges : numpy.ndarray, shape (k + 1,)
        Months from it to the start of the first window and to the end of each.
    known : Durations
        Followed to the origin and no further.
    tenure : numpy.ndarray, shape (n,)
        Months from the response to the origin, of customers still there.
    stayed : numpy.ndarray, shape (n,)
        Months that each of them stayed after it.
    left : numpy.ndarray of bool, shape (n,)
        Whether each of them then left.
    weights : numpy.ndarray, shape (n,)
        How much each of them counts.
    chosen : numpy.ndarray of bool
        Which rows of the observations they are.
    """

    at: pd.Timestamp
    edges: FloatArray
    known: Durations
    tenure: FloatArray
    stayed: FloatArray
    left: npt.NDArray[np.bool_]
    weights: FloatArray
    chosen: npt.NDArray[np.bool_]

    @property
    def last_day(self) -> dt.date:
        """The last day that is known."""
        return (self.at - pd.Timedelta(days=1)).date()


def no_later_windows(obs: Observations) -> str:
    """Say why nobody can be followed through later windows; nothing where they can."""
    if obs.is_joined or obs.as_of is None or not obs.has("responded_at"):
        return "a table already joined is one moment: there is no later window to foretell"
    if obs.churn_rule == "inactivity":
        return (
            "leaving is read from silence, so what was known at a day cannot be told from what "
            "became known later"
        )
    return "" if obs.has("duration_days", "_event") else "nothing says how long customers stayed"


def find_origin(obs: Observations, as_of: dt.date) -> Origin | NotRun:
    """Choose the day, some outcome windows before the end, by what was known on it alone.

    The earliest of 4, 3 or 2 windows before the end by which 100 customers had left; else 2 windows
    before it, or 1, where 30 had. As many must still be there.
    """
    every = read_durations(obs, stage="cltv")
    least = max(FEWEST, obs.min_group_size)
    end = pd.Timestamp(as_of) + pd.Timedelta(days=1)
    cuts = {n: cut_at(obs, every, end, n) for n in (4, 3, 2, 1)}
    for wanted, n_windows in ((WELL_LEARNT, 4), (WELL_LEARNT, 3), (0, 2), (0, 1)):
        origin = cuts[n_windows]
        n_left, n_there = int(origin.known.events.sum()), origin.tenure.size
        if n_left >= max(wanted, least) and n_there >= least:
            return origin
    return NotRun(
        f"history is too short: {obs.window_words} before the end {n_left} customers had left and "
        f"{n_there} were still there; {least} of each are needed"
    )


def cut_at(obs: Observations, every: Durations, end: pd.Timestamp, n_windows: int) -> Origin:
    """Cut the data so many outcome windows before their end."""
    length = obs.windows.outcome_days
    at = end - pd.Timedelta(days=n_windows * length)
    answered = obs.frame.loc[every.chosen, "responded_at"]
    before = ((at - answered).dt.total_seconds() / _SECONDS_PER_MONTH).to_numpy(dtype=float)
    had_left = every.events & (every.months < before)
    asked = before > 0
    known = replace(
        every.only(asked),
        months=np.minimum(every.months, before)[asked],
        events=had_left[asked],
        followed_months=before[asked],
    )
    there = asked & ~had_left
    chosen = every.chosen.copy()
    chosen[chosen] = there
    return Origin(
        at=at,
        edges=np.arange(n_windows + 1) * length / DAYS_PER_MONTH,
        known=known,
        tenure=before[there],
        stayed=(every.months - before)[there],
        left=every.events[there],
        weights=every.weights[there],
        chosen=chosen,
    )
