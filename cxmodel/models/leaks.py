"""The leak alarm: columns that know the outcome better than anything could before it happened."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata

from cxmodel.errors import LeakageError

MAX_LEVELS = 50
SUSPECT_AUC = 0.95
SUSPECT_PURE_SHARE = 0.25
# A level is counted as pure only where chance would have put this many of the rarer outcome in it.
EXPECTED_IN_LEVEL = 10
MISSING = "(missing)"
# Squares of larger numbers cannot be added up; the same bound as of tables that stay on an engine.
TOO_LARGE = 1e100


@dataclass(frozen=True)
class Leak:
    """A column that tells the outcome too well.

    Parameters
    ----------
    column : str
        Its name.
    auc : float
        Area under the ROC curve of the column alone, in its better direction, 0.5-1.
    pure_share : float
        Share of rows in levels (numbers: deciles) where everybody has one outcome.
    reason : str
        Why it is suspect, in words.
    is_kept : bool
        Whether the user vouches for it (``lift.keep``), so that it is named but not left out.
    """

    column: str
    auc: float
    pure_share: float
    reason: str
    is_kept: bool = False

    def to_dict(self) -> dict[str, object]:
        """Give a row of ``churn.leaks``."""
        return {
            "column": self.column,
            "auc": self.auc,
            "pure_share": self.pure_share,
            "reason": self.reason,
            "kept": self.is_kept,
        }


@dataclass(frozen=True)
class LeakReport:
    """What the alarm found: suspects, and columns that it could not examine."""

    leaks: tuple[Leak, ...] = ()
    unexamined: tuple[str, ...] = ()

    @property
    def left_out(self) -> tuple[str, ...]:
        """Suspects for which nobody vouches."""
        return tuple(leak.column for leak in self.leaks if not leak.is_kept)


def find_leaks(
    frame: pd.DataFrame,
    outcome: Sequence[float] | NDArray[np.float64] | pd.Series,
    *,
    columns: Iterable[str],
    keep: Iterable[str] = (),
) -> LeakReport:
    """Look in every column for knowledge of the outcome that nobody could have had before it.

    Suspect is a column with an AUC over 0.95 alone, in either direction, or with at least a quarter
    of all rows in levels whose customers all share one outcome. Numbers are read by deciles,
    missing values are a level of their own, and only levels that would hold 10 of the rarer outcome
    at the base rate count. Text of over 50 levels is not examined, and named; nothing is examined
    where under 10 rows have the rarer outcome.

    Parameters
    ----------
    frame : pandas.DataFrame
        One row per observation.
    outcome : array of 0/1, one a row of `frame`
        NaN rows are left out.
    columns : iterable of str
        What to examine, controls or not.
    keep : iterable of str
        Columns for which the user vouches.

    Returns
    -------
    LeakReport
        Suspects in the order of `columns`, and the names of what was not examined.

    Examples
    --------
    >>> frame = pd.DataFrame({"reason": ["moved"] * 40 + [None] * 60, "plan": ["a", "b"] * 50})
    >>> report = find_leaks(frame, [1.0] * 40 + [0.0] * 60, columns=["reason", "plan"])
    >>> [leak.column for leak in report.leaks]
    ['reason']
    """
    happened = np.asarray(outcome, dtype=float)
    known = np.isfinite(happened)
    happened = happened[known]
    kept = set(keep)
    leaks: list[Leak] = []
    unexamined: list[str] = []
    n_events = int(happened.sum())
    # of a handful of events some column knows all by luck
    if min(n_events, len(happened) - n_events) < EXPECTED_IN_LEVEL:
        return LeakReport((), tuple(columns))
    for column in columns:
        found = examine(frame.loc[known, column], happened)
        if found is None:
            unexamined.append(column)
        elif reason := _suspicion(*found):
            leaks.append(Leak(column, *found, reason, column in kept))
    return LeakReport(tuple(leaks), tuple(unexamined))


def examine(values: pd.Series, happened: NDArray[np.float64]) -> tuple[float, float] | None:
    """Give a column's AUC and the share of rows in pure levels; None for text of many levels."""
    numbers = as_numbers(values)
    if numbers is not None:
        codes = decile_codes(numbers)
        auc = max(_known_auc(numbers, happened), _level_auc(codes, happened))
    else:
        levels = as_levels(values)
        if levels.nunique() > MAX_LEVELS:
            return None
        codes = pd.factorize(levels, sort=True)[0]
        auc = _level_auc(codes, happened)
    return auc, pure_share(codes, happened)


def examine_rating(
    rating: NDArray[np.float64], happened: NDArray[np.float64]
) -> tuple[float, float]:
    """Give the rating's AUC and the share of rows in pure ratings, each rating a level.

    Examples
    --------
    >>> rating = np.repeat([1.0, 2.0], 40)
    >>> auc, pure = examine_rating(rating, np.append(np.zeros(40), np.tile([0.0, 1.0], 20)))
    >>> round(auc, 4), pure
    (0.8333, 0.5)
    """
    codes = np.unique(rating, return_inverse=True)[1].astype(np.int64)
    return max(_auc(rating, happened), _level_auc(codes, happened)), pure_share(codes, happened)


def is_suspect(auc: float, pure: float) -> bool:
    """Say whether a column with this AUC and share of rows in pure levels knows too much."""
    return auc > SUSPECT_AUC or pure >= SUSPECT_PURE_SHARE


def as_numbers(values: pd.Series) -> NDArray[np.float64] | None:
    """Read a column as numbers, missing as NaN; None where it holds words.

    Text that reads as numbers apart from blanks counts as numbers; true and false are 1 and 0;
    a time is days since 1970. What is infinite, or too large for its square to be added up, is
    missing.

    Examples
    --------
    >>> as_numbers(pd.Series(["1", " ", "2.5"]))
    array([1. , nan, 2.5])
    """
    if pd.api.types.is_datetime64_any_dtype(values):
        days = values.astype("datetime64[us]").astype("int64") / 86_400e6
        known_days = days.where(values.notna()).to_numpy(dtype=float, na_value=np.nan)
        return np.asarray(known_days, dtype=np.float64)
    if pd.api.types.is_bool_dtype(values) or pd.api.types.is_numeric_dtype(values):
        numbers = values.to_numpy(dtype=float, na_value=np.nan)
        return np.asarray(np.where(np.abs(numbers) < TOO_LARGE, numbers, np.nan), dtype=float)
    codes, words = _words(values)
    if not len(words):
        return np.full(len(values), np.nan)
    read = pd.to_numeric(pd.Series(words, dtype=object), errors="coerce").to_numpy(dtype=float)
    if np.isnan(read).any():
        return None
    known = np.append(np.where(np.abs(read) < TOO_LARGE, read, np.nan), np.nan)
    return np.asarray(known[codes], dtype=float)


def as_levels(values: pd.Series) -> pd.Series:
    """Read a column as words; a blank or missing value is the level ``(missing)``."""
    codes, words = _words(values)
    return pd.Series(np.array([*words, MISSING], dtype=object)[codes], index=values.index)


def _words(values: pd.Series) -> tuple[NDArray[np.int64], list[str]]:
    """Give a number to each distinct word, stripped; a blank or missing value is -1."""
    codes, distinct = pd.factorize(values)
    stripped = [str(word).strip() for word in distinct]
    words = list(dict.fromkeys(word for word in stripped if word))
    where = {word: number for number, word in enumerate(words)}
    renumbered = np.array([*(where.get(word, -1) for word in stripped), -1], dtype=np.int64)
    return renumbered[codes], words


def decile_codes(numbers: NDArray[np.float64]) -> NDArray[np.int64]:
    """Give each decile a number from 1; few distinct values are levels; missing is level 0."""
    known = np.isfinite(numbers)
    codes = np.full(len(numbers), -1, dtype=np.int64)
    distinct = np.unique(numbers[known])
    if len(distinct) <= 10:
        codes[known] = np.searchsorted(distinct, numbers[known])
    else:
        edges = np.unique(np.quantile(numbers[known], np.arange(1, 10) / 10))
        codes[known] = np.searchsorted(edges, numbers[known], side="left")
    return codes + 1


def pure_share(codes: NDArray[np.int64], happened: NDArray[np.float64]) -> float:
    """Give the share of rows in levels of one outcome, among levels large enough to tell."""
    n_rows = np.bincount(codes)
    n_events = np.bincount(codes, weights=happened)
    rarer = min(happened.mean(), 1 - happened.mean())
    is_pure = ((n_events == 0) | (n_events == n_rows)) & (n_rows * rarer >= EXPECTED_IN_LEVEL)
    return float(n_rows[is_pure].sum() / len(codes))


def _auc(numbers: NDArray[np.float64], happened: NDArray[np.float64]) -> float:
    """Area under the ROC curve of the known values, in the better direction (Mann & Whitney)."""
    known = np.isfinite(numbers)
    events = happened[known] == 1
    n_events, n_others = int(events.sum()), int((~events).sum())
    if not n_events or not n_others:
        return 0.5
    ranks = rankdata(numbers[known])
    area = (ranks[events].sum() - n_events * (n_events + 1) / 2) / (n_events * n_others)
    return float(max(area, 1 - area))


def _known_auc(numbers: NDArray[np.float64], happened: NDArray[np.float64]) -> float:
    """Area under the ROC curve, where enough rows of either outcome are known to tell."""
    n_events = int(happened[np.isfinite(numbers)].sum())
    n_others = int(np.isfinite(numbers).sum()) - n_events
    if min(n_events, n_others) < EXPECTED_IN_LEVEL:
        return 0.5
    return _auc(numbers, happened)


def _level_auc(codes: NDArray[np.int64], happened: NDArray[np.float64]) -> float:
    """Area under the ROC curve when levels are ordered by their own rate.

    Levels of under 10 rows count as one: ordered by their own rate they would tell by luck.
    """
    sizes = np.bincount(codes)
    codes = np.where(sizes[codes] < EXPECTED_IN_LEVEL, len(sizes), codes)
    n_rows = np.bincount(codes)
    n_events = np.bincount(codes, weights=happened)
    rates = np.divide(n_events, n_rows, out=np.zeros(len(n_rows)), where=n_rows > 0)
    return _auc(rates[codes], happened)


def _suspicion(auc: float, pure: float) -> str:
    parts = []
    if auc > SUSPECT_AUC:
        parts.append(f"alone it tells the outcome with an AUC of {auc:.3f}")
    if pure >= SUSPECT_PURE_SHARE:
        parts.append(f"{pure:.0%} of the rows lie in levels where everybody has one outcome")
    return " and ".join(parts)


def refuse_later_dates(
    frame: pd.DataFrame, columns: Iterable[str], counted: Mapping[str, int] | None = None
) -> None:
    """Refuse a dated control that lies after the response it is to explain.

    Parameters
    ----------
    frame : pandas.DataFrame
        Observations.
    columns : iterable of str
        The controls.
    counted : mapping of str to int, optional
        For columns that hold dates as words: the rows dated after the response, as
        ``audit["dated_after_response"]`` counts them.

    Raises
    ------
    LeakageError
        Naming the column and in how many rows.
    """
    for column in columns:
        n_later = (counted or {}).get(column, 0) or _n_later(frame, column)
        if n_later:
            raise LeakageError(
                f"control {column!r} is dated after the response in {n_later:,} rows. Remove it "
                "from lift.controls, or from the attributes where lift.controls is not set."
            )


def _n_later(frame: pd.DataFrame, column: str) -> int:
    if "responded_at" not in frame or column not in frame:
        return 0
    if not pd.api.types.is_datetime64_any_dtype(frame[column]):
        return 0
    return int((frame[column] > frame["responded_at"]).sum())
