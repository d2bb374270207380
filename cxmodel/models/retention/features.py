"""Columns that explain how long customers stay: numbers as they are, text by level."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from cxmodel.errors import ConfigError, InsufficientDataError

FloatArray = npt.NDArray[np.float64]
MAX_LEVELS = 20


@dataclass(frozen=True)
class Feature:
    """A column of the design: a number, or whether a text column has a level."""

    column: str
    level: str | None = None

    @property
    def name(self) -> str:
        """How it stands in tables."""
        return self.column if self.level is None else f"{self.column}: {self.level}"

    def values(self, column: pd.Series) -> FloatArray:
        """Compute it."""
        if self.level is None:
            return np.asarray(column, dtype=float)
        is_level = column.astype("string") == self.level
        return np.asarray(is_level.fillna(False), dtype=float)


def features_of(frame: pd.DataFrame, names: tuple[str, ...]) -> tuple[Feature, ...]:
    """Give a feature for each number, and for each level of text but the first.

    Raises
    ------
    ConfigError
        If a text column has too many levels.
    InsufficientDataError
        If nothing varies.
    """
    found: list[Feature] = []
    for name in names:
        if pd.api.types.is_numeric_dtype(frame[name]):
            if frame[name].nunique() > 1:
                found.append(Feature(name))
            continue
        levels = sorted(frame[name].astype("string").dropna().unique())
        if len(levels) > MAX_LEVELS:
            raise ConfigError(
                f"covariate {name!r} has {len(levels)} levels; at most {MAX_LEVELS}. Group rare "
                "levels together."
            )
        found += [Feature(name, str(level)) for level in levels[1:]]
    if not found:
        raise InsufficientDataError(
            f"{', '.join(names)}: no covariate varies among the customers used."
        )
    return tuple(found)


def levels_of(frame: pd.DataFrame, names: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """List the levels of each column of text with more than one; the first is the reference."""
    words = (name for name in names if not pd.api.types.is_numeric_dtype(frame[name]))
    found = {
        name: tuple(sorted(str(level) for level in frame[name].astype("string").dropna().unique()))
        for name in words
    }
    return {name: levels for name, levels in found.items() if len(levels) > 1}


def columns_in(
    features: Sequence[Feature], levels: Mapping[str, tuple[str, ...]]
) -> tuple[str, ...]:
    """List the columns behind features and levels, each once."""
    return tuple(dict.fromkeys((*(one.column for one in features), *levels)))


def design_of(frame: pd.DataFrame, features: Sequence[Feature]) -> FloatArray:
    """Compute the columns of a design, (n, q)."""
    if not features:
        return np.zeros((len(frame), 0))
    return np.column_stack([one.values(frame[one.column]) for one in features])
