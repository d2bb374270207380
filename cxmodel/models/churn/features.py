"""What a churn model looks at: columns known at the response, turned into numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from cxmodel.errors import ConfigError, SchemaError, nearest
from cxmodel.models.leaks import MAX_LEVELS, as_levels, as_numbers, refuse_later_dates
from cxmodel.models.off_scale import Range, is_outside, range_of
from cxmodel.models.study_facts import RATING
from cxmodel.tables.observation_table import Observations

FloatArray = npt.NDArray[np.float64]
RARE_LEVEL = 10
_BEHAVIOUR = (
    "revenue_before",
    "revenue_before_2",
    "revenue_before_3",
    "contacts_before",
    "tenure_days",
    "days_observed_before",
    "touchpoint",
)
# A count of revenue windows is used when most observations have it.
_ENOUGH_HISTORY = 0.8
_WINDOWS_NEEDED = {"revenue_before": 1, "revenue_before_2": 2, "revenue_before_3": 3}


@dataclass(frozen=True)
class Limits:
    """Which numbers of a column mean something.

    Parameters
    ----------
    low, high : float
        The scale of a rating: what lies outside is no answer, and counts as missing.
    cap : float
        Numbers above it count as it.
    """

    low: float = float("-inf")
    high: float = float("inf")
    cap: float = float("inf")

    @property
    def scale(self) -> Range:
        """The lowest and the highest number."""
        return self.low, self.high

    @property
    def is_scale(self) -> bool:
        """Whether numbers may lie outside."""
        return self.scale != (float("-inf"), float("inf"))

    def read(self, numbers: FloatArray) -> FloatArray:
        """Take out what is no answer, as NaN, and cap the others."""
        return np.minimum(np.where(is_outside(numbers, self.scale), np.nan, numbers), self.cap)


@dataclass(frozen=True)
class Feature:
    """One column, and what was learnt about it where the model was fitted.

    Parameters
    ----------
    name : str
        Column of the observations.
    is_number : bool
        Numbers stand as they are; words have a 0/1 column a level.
    fill : float
        Number that stands for a missing one: the median.
    has_missing : bool
        Whether a 0/1 column marks missing numbers.
    levels : tuple of str
        Levels with a column; all others, also those never seen, share none.
    reference : str, optional
        The level that all others are compared with; None where rare levels are.
    limits : Limits
        Which numbers mean something.
    """

    name: str
    is_number: bool
    fill: float = 0.0
    has_missing: bool = False
    levels: tuple[str, ...] = ()
    reference: str | None = None
    limits: Limits = Limits()

    @property
    def terms(self) -> tuple[str, ...]:
        """Names of the columns it makes."""
        if self.is_number:
            return (self.name, f"{self.name} missing") if self.has_missing else (self.name,)
        return tuple(f"{self.name}: {level}" for level in self.levels)

    def columns(self, frame: pd.DataFrame) -> list[FloatArray]:
        """Make its columns from a frame.

        Raises
        ------
        SchemaError
            If the frame lacks the column, or has words where there were numbers.
        """
        if self.name not in frame:
            raise SchemaError(
                f"The observations have no column {self.name!r}, which the churn model was fitted "
                f"with. {nearest(self.name, [str(name) for name in frame.columns])}"
            )
        if not self.is_number:
            values = as_levels(frame[self.name])
            return [np.asarray(values == level, dtype=float) for level in self.levels]
        numbers = as_numbers(frame[self.name])
        if numbers is None and frame[self.name].notna().any():
            raise SchemaError(f"Column {self.name!r} held numbers at the fit and holds words now.")
        numbers = self.limits.read(np.full(len(frame), np.nan) if numbers is None else numbers)
        missing = np.isnan(numbers)
        filled = np.where(missing, self.fill, numbers)
        return [filled, missing.astype(float)] if self.has_missing else [filled]

    def n_unknown(self, frame: pd.DataFrame) -> int:
        """Count the rows whose level has no column of its own, as it is new or was rare."""
        if self.is_number:
            return 0
        levels = as_levels(frame[self.name])
        return int((~levels.isin([*self.levels, self.reference])).sum())


@dataclass(frozen=True)
class Features:
    """Every column of a churn model.

    Parameters
    ----------
    parts : tuple of Feature
        Columns that say something.
    unusable : tuple of str
        Text of too many levels.
    constant : tuple of str
        Columns of one value, or of none.
    infinite : tuple of (str, int)
        Numbers that are infinite, by column: they count as missing.
    dated : tuple of str
        Times, which are no predictors.
    """

    parts: tuple[Feature, ...]
    unusable: tuple[str, ...] = ()
    constant: tuple[str, ...] = ()
    infinite: tuple[tuple[str, int], ...] = ()
    dated: tuple[str, ...] = ()

    @property
    def terms(self) -> tuple[str, ...]:
        """Names of the columns of `matrix`."""
        return tuple(term for part in self.parts for term in part.terms)

    def matrix(self, frame: pd.DataFrame) -> FloatArray:
        """Turn a frame into numbers, shape (n, terms)."""
        columns = [column for part in self.parts for column in part.columns(frame)]
        return np.column_stack(columns) if columns else np.zeros((len(frame), 0))

    def without(self, names: Iterable[str]) -> Features:
        """Leave some columns out."""
        out = set(names)
        return replace(self, parts=tuple(part for part in self.parts if part.name not in out))

    def unknown_levels(self, frame: pd.DataFrame) -> dict[str, int]:
        """Count rows whose level has no column of its own, by column; columns without are left out.

        Such a row is predicted as one of none of the levels that the model knows.

        Examples
        --------
        >>> fitted = learn_features(pd.DataFrame({"plan": ["a", "b"] * 20}), ["plan"])
        >>> fitted.unknown_levels(pd.DataFrame({"plan": ["a", "z", None]}))
        {'plan': 2}
        """
        counts = {part.name: part.n_unknown(frame) for part in self.parts}
        return {name: n for name, n in counts.items() if n}


def learn_features(
    frame: pd.DataFrame, names: Iterable[str], limits: Mapping[str, Limits] | None = None
) -> Features:
    """Learn levels and medians from the rows of a fit; constant columns are named, and go.

    Parameters
    ----------
    frame : pandas.DataFrame
        The rows of the fit.
    names : iterable of str
        Columns of it.
    limits : mapping of str to Limits, optional
        Which numbers of a column mean something.

    Examples
    --------
    >>> frame = pd.DataFrame({"plan": ["a", "b"] * 20, "age": [1.0, None] * 20})
    >>> learn_features(frame, ["plan", "age"]).terms
    ('plan: b', 'age', 'age missing')
    """
    parts, unusable, constant, infinite, dated = [], [], [], [], []
    for name in names:
        if pd.api.types.is_datetime64_any_dtype(frame[name]):
            dated.append(name)
            continue
        part = _learn(frame[name], name, (limits or {}).get(name, Limits()))
        if part is None:
            unusable.append(name)
        elif part.terms:
            parts.append(part)
        else:
            constant.append(name)
        if n_infinite := _n_infinite(frame[name]):
            infinite.append((name, n_infinite))
    return Features(tuple(parts), tuple(unusable), tuple(constant), tuple(infinite), tuple(dated))


def _n_infinite(values: pd.Series) -> int:
    if not pd.api.types.is_float_dtype(values):
        return 0
    return int(np.isinf(values.to_numpy(dtype=float, na_value=np.nan)).sum())


def _learn(values: pd.Series, name: str, limits: Limits) -> Feature | None:
    numbers = as_numbers(values)
    if numbers is not None:
        numbers = limits.read(numbers)
        known = numbers[~np.isnan(numbers)]
        if known.size == 0 or (known.size == numbers.size and known.min() == known.max()):
            return Feature(name, is_number=False)
        missing = bool(known.size < numbers.size)
        middle = float(np.median(known))
        return Feature(name, is_number=True, fill=middle, has_missing=missing, limits=limits)
    levels = as_levels(values)
    if levels.nunique() > MAX_LEVELS:
        return None
    counts = levels.value_counts()
    common = [str(level) for level in sorted(counts.index[counts >= RARE_LEVEL])]
    reference = None
    if len(common) == len(counts):
        # the first level is what the others are compared with
        reference, common = common[0], common[1:]
    return Feature(name, is_number=False, levels=tuple(common), reference=reference)


def candidate_columns(obs: Observations, controls: tuple[str, ...] | None) -> list[str]:
    """List what a churn model may look at: ratings, behaviour before, attributes.

    Raises
    ------
    ConfigError
        If a control that was named is not in the observations.
    LeakageError
        If a dated control lies after the response.
    """
    frame = obs.frame
    ratings = rating_columns(obs)
    if controls is not None:
        missing = [name for name in controls if name not in frame]
        if missing:
            raise ConfigError(
                f"control {missing[0]!r} is no column of the observations. "
                f"{nearest(missing[0], [str(name) for name in frame.columns])}"
            )
        names = [*ratings, *controls]
    else:
        names = [*ratings, *_behaviour(obs), *obs.attributes, *obs.controls]
        if obs.has("_monthly_revenue"):
            names.append("_monthly_revenue")
    refuse_later_dates(frame, names, obs.audit.get("dated_after_response"))
    return list(dict.fromkeys(name for name in names if name in frame))


def limits_of(obs: Observations, names: Iterable[str]) -> dict[str, Limits]:
    """Give the scale of the rating, and cap the days of history at the windows in use.

    Beyond these windows the days only tell the date.
    """
    n_windows = max((_WINDOWS_NEEDED.get(name, 0) for name in names), default=0)
    days = float(obs.windows.lookback_days * max(n_windows, 1))
    found = {"days_observed_before": Limits(cap=days)}
    if (scale := range_of(obs.scale)) is not None:
        found[RATING] = Limits(*scale)
    return found


def rating_columns(obs: Observations) -> list[str]:
    """List the columns that hold answers of customers, that of the study's rating first."""
    keyed = [f"rating_{key}" for key in obs.other_ratings]
    known = (RATING, *obs.other_ratings, *keyed)
    return [name for name in known if name in obs.frame]


def _behaviour(obs: Observations) -> list[str]:
    """Choose the columns of behaviour whose history most observations have."""
    names = [name for name in _BEHAVIOUR if name in obs.frame]
    if obs.is_joined or not obs.has("_history_windows"):
        return names
    reach = obs.frame["_history_windows"].to_numpy(dtype=float)
    return [
        name
        for name in names
        if len(reach) and (reach >= _WINDOWS_NEEDED.get(name, 0)).mean() >= _ENOUGH_HISTORY
    ]
