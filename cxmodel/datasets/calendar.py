"""The calendar of the simulated company, in seconds since 1970 (UTC)."""

from __future__ import annotations

import datetime as dt

import numpy as np
import numpy.typing as npt

DAY = 86_400
WINDOW_DAYS = 180
WINDOW = WINDOW_DAYS * DAY
EFFECT = WINDOW + 90 * DAY  # so long a rating acts: a window that begins 90 days later sees it all
PAUSE = EFFECT  # who has answered is left in peace for as long, so that effects do not overlap

AS_OF = dt.date(2026, 6, 30)


def seconds(day: dt.date) -> int:
    """Give the midnight that begins a day.

    Examples
    --------
    >>> seconds(dt.date(1970, 1, 2))
    86400
    """
    return (day - dt.date(1970, 1, 1)).days * DAY


LEDGER_START = seconds(dt.date(2023, 4, 1))
SURVEY_START = seconds(dt.date(2024, 10, 1))  # three windows of ledger lie before it
END = seconds(AS_OF + dt.timedelta(days=1))


def month_number(at: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Count calendar months from the first survey to each time.

    Examples
    --------
    >>> month_number(np.array([SURVEY_START, SURVEY_START + 31 * DAY]))
    array([0, 1])
    """
    months = at.astype("datetime64[s]").astype("datetime64[M]").astype(np.int64)
    first = np.datetime64(SURVEY_START, "s").astype("datetime64[M]").astype(np.int64)
    return np.asarray(months - first, dtype=np.int64)
