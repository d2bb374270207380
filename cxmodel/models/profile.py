"""How the columns and the numbers of a model were spread where it was fitted.

A column of numbers is kept as counts between its deciles, a column of words as counts of its
levels. No class holds fewer rows than the smallest group that may be shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from cxmodel.models.model_file import Fields

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
MOST_CLASSES, MOST_LEVELS, MOST_PROFILES = 100, 1_000, 1_000


@dataclass(frozen=True, eq=False)
class NumberProfile:
    """Counts of numbers between edges, and of what is missing.

    Parameters
    ----------
    edges : numpy.ndarray, shape (k,)
        Rising. Class i holds values above ``edges[i - 1]`` and up to ``edges[i]``.
    counts : numpy.ndarray, shape (k + 1,) or (k + 2,)
        Rows of each class; the last of k + 2 are missing, else these count in the first class.
    """

    edges: Floats
    counts: Ints

    def classes(self, values: Floats) -> Ints:
        """Give the class of each number; what is not finite is missing."""
        found = np.searchsorted(self.edges, values, side="left")
        missing = len(self.edges) + 1 if len(self.counts) > len(self.edges) + 1 else 0
        return np.where(np.isfinite(values), found, missing).astype(np.int64)

    def count(self, values: Any) -> Ints:
        """Count numbers in the classes."""
        numbers = np.asarray(values, dtype=float)
        return np.bincount(self.classes(numbers), minlength=len(self.counts)).astype(np.int64)

    def to_plain(self) -> dict[str, Any]:
        """Give what stands in the file."""
        return {"edges": self.edges.tolist(), "counts": self.counts.tolist()}


@dataclass(frozen=True, eq=False)
class WordProfile:
    """Counts of levels; those too small to be shown, and new ones, stand together at the end.

    Parameters
    ----------
    levels : tuple of str
    counts : numpy.ndarray, shape (levels + 1,)
    known : tuple of str
        Every level that the model learnt about, where it does not say that itself; others are
        unseen.
    """

    levels: tuple[str, ...]
    counts: Ints
    known: tuple[str, ...] = ()

    def classes(self, words: Any) -> Ints:
        """Give the class of each word."""
        found = pd.Index(self.levels, dtype=object).get_indexer(pd.Index(words, dtype=object))
        return np.where(found < 0, len(self.levels), found).astype(np.int64)

    def count(self, words: Any) -> Ints:
        """Count words in the classes."""
        return np.bincount(self.classes(words), minlength=len(self.counts)).astype(np.int64)

    def to_plain(self) -> dict[str, Any]:
        """Give what stands in the file."""
        return {
            "levels": list(self.levels),
            "counts": self.counts.tolist(),
            "known": list(self.known),
        }


ColumnProfile = NumberProfile | WordProfile


@dataclass(frozen=True, eq=False)
class Profile:
    """The spread of every column of a model, and of what it foretold, where it was fitted.

    Parameters
    ----------
    columns : mapping of str to NumberProfile or WordProfile
    scores : mapping of str to NumberProfile
        Of the numbers that it gives.
    """

    columns: Mapping[str, ColumnProfile]
    scores: Mapping[str, NumberProfile]

    def to_plain(self) -> dict[str, Any]:
        """Give what stands in the file."""
        return {
            part: [{"name": name, **seen.to_plain()} for name, seen in profiles.items()]
            for part, profiles in (("columns", self.columns), ("scores", self.scores))
        }


def number_profile(
    values: Floats, min_group_size: int, weights: Ints | None = None
) -> NumberProfile:
    """Count numbers between their deciles, fewer where a class would be too small.

    Parameters
    ----------
    values : numpy.ndarray, shape (n,)
        Not finite where missing.
    min_group_size : int
        No class is smaller.
    weights : numpy.ndarray of int, shape (n,), optional
        How many rows each value stands for.

    Examples
    --------
    >>> found = number_profile(np.array([1.0, 2.0, 3.0]), 30, np.array([40, 40, 10]))
    >>> found.edges.tolist(), found.counts.tolist()
    ([1.0], [40, 50])
    """
    weights = np.ones(len(values), dtype=np.int64) if weights is None else weights
    is_known = np.isfinite(values)
    known, size = values[is_known], weights[is_known]
    edges = _deciles(known, size, min_group_size)
    while True:
        # values that repeat may leave a class with few rows beside the one they are in
        counts = np.bincount(np.searchsorted(edges, known), size, minlength=len(edges) + 1)
        small = int(np.argmin(counts))
        if counts[small] >= min_group_size or not len(edges):
            break
        edges = np.delete(edges, min(small, len(edges) - 1))
    n_known = int(size.sum())
    n_missing = int(weights.sum()) - n_known
    if n_missing >= min_group_size and (n_known >= min_group_size or not n_known):
        counts = np.append(counts, n_missing)
    else:
        counts[0] += n_missing
    return NumberProfile(edges, counts.astype(np.int64))


def _deciles(known: Floats, size: Ints, min_group_size: int) -> Floats:
    """Give the values up to which each tenth of the rows lies, at most one less than classes."""
    n_rows = int(size.sum())
    n_classes = max(1, min(10, n_rows // max(1, min_group_size)))
    if n_classes == 1:
        return np.empty(0)
    order = np.argsort(known, kind="stable")
    reached = np.cumsum(size[order])
    wanted = np.arange(1, n_classes) / n_classes * n_rows
    # what a share of rows comes to is a hair above the whole number that it should be, now and then
    places = np.searchsorted(reached, wanted - 1e-9 * n_rows, side="left")
    edges = np.unique(known[order][places])
    return np.asarray(edges[edges < known.max()], dtype=float)


def word_profile(
    levels: pd.Series,
    min_group_size: int,
    weights: Ints | None = None,
    *,
    known: tuple[str, ...] = (),
) -> WordProfile:
    """Count levels, those of few rows together.

    Parameters
    ----------
    levels : pandas.Series of str
    min_group_size : int
        No class is smaller.
    weights : numpy.ndarray of int, shape (n,), optional
        How many rows each stands for.
    known : tuple of str
        Every level that the model learnt about, where it does not say that itself.
    """
    size = pd.Series(1 if weights is None else weights, index=levels.index)
    found = size.groupby(levels.to_numpy()).sum()
    by_size = sorted(found.items(), key=lambda item: (-item[1], str(item[0])))
    shown = [(str(level), int(n)) for level, n in by_size if n >= min_group_size]
    n_others = int(size.sum()) - sum(n for _, n in shown)
    while shown and 0 < n_others < min_group_size:
        n_others += shown.pop()[1]
    shown.sort()
    counts = np.array([*(n for _, n in shown), n_others], dtype=np.int64)
    return WordProfile(tuple(level for level, _ in shown), counts, known)


def profile_of(
    rows: pd.DataFrame,
    scores: Mapping[str, Floats],
    *,
    min_group_size: int,
    weights: Ints | None = None,
) -> Profile:
    """Learn the spread of columns of numbers or text, and of what a model gives for their rows.

    Parameters
    ----------
    rows : pandas.DataFrame
        The columns that the model looks at, where it was fitted.
    scores : mapping of str to numpy.ndarray, (n,)
        What it says of these rows.
    min_group_size : int
        No class is smaller.
    weights : numpy.ndarray of int, shape (n,), optional
        How many customers each row stands for.

    Examples
    --------
    >>> rows = pd.DataFrame({"plan": ["a"] * 40 + ["b"] * 35 + ["c"] * 5})
    >>> found = profile_of(rows, {}, min_group_size=30)
    >>> found.columns["plan"].levels, found.columns["plan"].counts.tolist()
    (('a',), [40, 40])
    """
    columns: dict[str, ColumnProfile] = {}
    for name in rows:
        if pd.api.types.is_numeric_dtype(rows[name]):
            values = rows[name].to_numpy(dtype=float, na_value=np.nan)
            columns[str(name)] = number_profile(values, min_group_size, weights)
        else:
            columns[str(name)] = word_profile(rows[name].astype(str), min_group_size, weights)
    given = {
        name: number_profile(np.asarray(values, dtype=float), min_group_size, weights)
        for name, values in scores.items()
    }
    return Profile(columns, given)


# -- In the file ---------------------------------------------------------------------------------


def read_number_profile(fields: Fields) -> NumberProfile:
    """Read what `NumberProfile.to_plain` wrote.

    Raises
    ------
    SourceError
        If edges do not rise, or counts do not fit them.
    """
    fields.only("edges", "counts")
    edges = np.array(fields.numbers("edges"), dtype=float)
    if len(edges) > MOST_CLASSES or (np.diff(edges) <= 0).any():
        fields.refuse("edges", f"at most {MOST_CLASSES} numbers that rise")
    return NumberProfile(edges, _counts(fields, len(edges) + 1, len(edges) + 2))


def read_word_profile(fields: Fields) -> WordProfile:
    """Read what `WordProfile.to_plain` wrote.

    Raises
    ------
    SourceError
        If levels repeat, or counts do not fit them.
    """
    fields.only("levels", "counts", "known")
    levels, known = fields.texts("levels"), fields.texts("known")
    if max(len(levels), len(known)) > MOST_LEVELS:
        fields.refuse("levels", f"at most {MOST_LEVELS:,} levels")
    return WordProfile(tuple(levels), _counts(fields, len(levels) + 1), tuple(known))


def _counts(fields: Fields, *lengths: int) -> Ints:
    counts = fields.wholes("counts")
    if len(counts) not in lengths or min(counts, default=-1) < 0 or not sum(counts):
        fields.refuse("counts", f"{' or '.join(map(str, lengths))} counts that are not all 0")
    return np.array(counts, dtype=np.int64)


def read_profile(
    fields: Fields,
    *,
    numbers: tuple[str, ...],
    words: tuple[str, ...] = (),
    scores: tuple[str, ...],
) -> Profile:
    """Read what `Profile.to_plain` wrote, of a model that looks at these columns.

    Raises
    ------
    SourceError
        If it holds other columns or scores, or impossible counts.
    """
    fields.only("columns", "scores")
    columns = _named(fields, "columns", (*numbers, *words))
    given = _named(fields, "scores", scores)
    read = {
        name: read_number_profile(part) if name in numbers else read_word_profile(part)
        for name, part in columns.items()
    }
    return Profile(read, {name: read_number_profile(part) for name, part in given.items()})


def _named(fields: Fields, part: str, wanted: tuple[str, ...]) -> dict[str, Fields]:
    """Give the profiles of a part by their names, each once and no other."""
    found = fields.parts(part, MOST_PROFILES)
    names = [each.text("name") for each in found]
    if sorted(names) != sorted(wanted):
        fields.refuse(part, f"one profile each of {', '.join(wanted) or 'nothing'}")
    return {name: each.but("name") for name, each in zip(names, found, strict=True)}
