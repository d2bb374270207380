"""How the columns and the scores of a churn model were spread where it was fitted, and drift.

A column of numbers is kept as counts between its deciles, a column of words as counts of its
levels. No class holds fewer rows than the smallest group that may be shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from cxmodel.errors import InsufficientDataError
from cxmodel.models.churn.features import RARE_LEVEL, Feature, Features
from cxmodel.models.leaks import as_levels, as_numbers
from cxmodel.models.model_file import Fields
from cxmodel.results import TIDY_COLUMNS, Result
from cxmodel.stats.stability import (
    population_stability_index,
    stability_p_value,
    stability_verdict,
)

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
SCORE = "prob_churn"
MOST_CLASSES, MOST_LEVELS = 100, 1_000
_MISSING = "(missing)"


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
        """Give the class of each number; NaN is missing."""
        found = np.searchsorted(self.edges, values, side="left")
        missing = len(self.edges) + 1 if len(self.counts) > len(self.edges) + 1 else 0
        return np.where(np.isnan(values), missing, found).astype(np.int64)

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
    known : frozenset of str
        Every level that the model learnt about; others are unseen.
    """

    levels: tuple[str, ...]
    counts: Ints
    known: tuple[str, ...]

    def class_of(self, level: str) -> int:
        """Give the class of a level."""
        return self.levels.index(level) if level in self.levels else len(self.levels)

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
    """The spread of every column and of the score where a model was fitted.

    Parameters
    ----------
    columns : mapping of str to NumberProfile or WordProfile
    score : NumberProfile
        Of the probabilities.
    """

    columns: Mapping[str, ColumnProfile]
    score: NumberProfile

    def parts(self) -> dict[str, ColumnProfile]:
        """Give the score first, then the columns."""
        return {SCORE: self.score, **self.columns}


def learn_profile(
    frame: pd.DataFrame, features: Features, prob: Floats, *, min_group_size: int
) -> Profile:
    """Count the rows of a fit in classes.

    Parameters
    ----------
    frame : pandas.DataFrame
        The rows of the fit.
    features : Features
        What the model looks at.
    prob : numpy.ndarray, shape (n,)
        What the model says of these rows.
    min_group_size : int
        No class is smaller.

    Examples
    --------
    >>> from cxmodel.models.churn.features import learn_features
    >>> frame = pd.DataFrame({"plan": ["a"] * 40 + ["b"] * 35 + ["c"] * 5})
    >>> features = learn_features(frame, ["plan"])
    >>> found = learn_profile(frame, features, np.full(80, 0.5), min_group_size=30)
    >>> found.columns["plan"].levels, found.columns["plan"].counts.tolist()
    (('a',), [40, 40])
    """
    columns: dict[str, ColumnProfile] = {}
    for part in features.parts:
        if part.is_number:
            values = numbers_of(frame[part.name], part)
            columns[part.name] = _number_profile(values, min_group_size)
        else:
            columns[part.name] = _word_profile(as_levels(frame[part.name]), min_group_size)
    return Profile(columns, _number_profile(prob, min_group_size))


def numbers_of(values: pd.Series, part: Feature) -> Floats:
    """Read a column of numbers as its feature does, missing as NaN."""
    numbers = as_numbers(values)
    return np.full(len(values), np.nan) if numbers is None else np.minimum(numbers, part.cap)


def _number_profile(values: Floats, min_group_size: int) -> NumberProfile:
    known = values[~np.isnan(values)]
    n_classes = max(1, min(10, len(known) // max(1, min_group_size)))
    shares = np.arange(1, n_classes) / n_classes
    edges = np.unique(np.quantile(known, shares, method="inverted_cdf")) if len(shares) else known
    edges = edges[edges < known.max()] if n_classes > 1 else edges[:0]
    while True:
        # values that repeat may leave a class with few rows beside the one they are in
        counts = np.bincount(np.searchsorted(edges, known), minlength=len(edges) + 1)
        small = int(np.argmin(counts))
        if counts[small] >= min_group_size or not len(edges):
            break
        edges = np.delete(edges, min(small, len(edges) - 1))
    n_missing = len(values) - len(known)
    if n_missing >= min_group_size:
        counts = np.append(counts, n_missing)
    else:
        counts[0] += n_missing
    return NumberProfile(edges, counts.astype(np.int64))


def _word_profile(levels: pd.Series, min_group_size: int) -> WordProfile:
    found = levels.value_counts()
    by_size = sorted(found.items(), key=lambda item: (-item[1], str(item[0])))
    shown = [(str(level), int(n)) for level, n in by_size if n >= min_group_size]
    n_others = len(levels) - sum(n for _, n in shown)
    while shown and 0 < n_others < min_group_size:
        n_others += shown.pop()[1]
    shown.sort()
    known = {str(level) for level, n in found.items() if n >= RARE_LEVEL}
    counts = np.array([*(n for _, n in shown), n_others], dtype=np.int64)
    return WordProfile(tuple(level for level, _ in shown), counts, tuple(sorted(known)))


# -- Drift ---------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class ModelDrift(Result):
    """How far columns and scores have moved since a model was fitted.

    Parameters
    ----------
    rows : tuple of dict
        ``column, index, p_value, verdict, text``, the score (``prob_churn``) first.
    n_obs : int
        Rows compared.
    """

    rows: tuple[dict[str, Any], ...]
    n_obs: int

    title = "Drift"

    def __repr__(self) -> str:
        return f"ModelDrift({self.verdict}; {self.n_obs:,} rows)"

    @property
    def verdict(self) -> Literal["pass", "warn", "fail"]:
        """The worst of all columns."""
        found = {row["verdict"] for row in self.rows}
        return "fail" if "fail" in found else "warn" if "warn" in found else "pass"

    def to_frame(self) -> pd.DataFrame:
        """Give one row a column; the estimate is the population stability index."""
        table = pd.DataFrame(
            [
                {
                    "group": None,
                    "term": row["column"],
                    "unit": "population stability index",
                    "estimate": row["index"],
                    "p_value": row["p_value"],
                    "n_obs": self.n_obs,
                    "verdict": row["verdict"],
                }
                for row in self.rows
            ]
        )
        return table.reindex(columns=[*TIDY_COLUMNS, "verdict"])

    def to_section(self) -> dict[str, Any]:
        """Give the rows as plain values."""
        return {"status": "ok", "n_obs": self.n_obs, "rows": [dict(row) for row in self.rows]}


def compare(profile: Profile, counts: Mapping[str, Ints]) -> ModelDrift:
    """Compare counts of today with those of the fit, by the population stability index.

    Over 0.1 warns and over 0.25 fails (Siddiqi 2006), where chance brings so much in under 1 of 100
    samples (Yurdakul 2018); see `population_stability_index`.

    Parameters
    ----------
    profile : Profile
        Of the fit.
    counts : mapping of str to numpy.ndarray
        Of today, in the classes of the profile; those of some columns may be left out.

    Raises
    ------
    InsufficientDataError
        If there are no rows.
    """
    n_obs = max((int(found.sum()) for found in counts.values()), default=0)
    if not n_obs:
        raise InsufficientDataError("There are no rows to compare with those of the fit.")
    rows = [
        _row(name, part.counts, counts[name])
        for name, part in profile.parts().items()
        if name in counts
    ]
    return ModelDrift(rows=tuple(rows), n_obs=n_obs)


def _row(name: str, then: Ints, now: Ints) -> dict[str, Any]:
    expected, observed = then.astype(float), now.astype(float)
    # a class that was and is empty says nothing; half a case would be added to it for nothing
    some = (expected > 0) | (observed > 0)
    expected, observed = expected[some], observed[some]
    index = population_stability_index(expected, observed)
    p_value = stability_p_value(index, expected.sum(), observed.sum(), len(expected))
    verdict = stability_verdict(index, p_value)
    return {
        "column": name,
        "index": index,
        "p_value": p_value,
        "verdict": verdict,
        "text": _words(name, index, verdict),
    }


_MOVED = {
    "pass": "are spread as where the model was fitted",
    "warn": "have moved since the model was fitted",
    "fail": "are spread as in another population than the one that the model was fitted to, so its "
    "probabilities may not hold here",
}


def _words(name: str, index: float, verdict: str) -> str:
    what = "The predicted probabilities" if name == SCORE else f"The values of {name!r}"
    return f"{what} {_MOVED[verdict]} (population stability index {index:.2f})."


def drift_lines(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Say what has moved: the probabilities by themselves, columns of one verdict in one sentence.

    Examples
    --------
    >>> drift_lines([{"column": "age", "index": 0.4, "verdict": "fail", "text": "It moved."}])
    ['It moved.']
    >>> row = {"index": 0.22, "verdict": "warn", "text": ""}
    >>> drift_lines([{**row, "column": "age"}, {**row, "column": "plan"}])[0][63:]
    'age (population stability index 0.22) and plan (0.22).'
    """
    rows = [row for row in rows if row["verdict"] != "pass"]
    said = [str(row["text"]) for row in rows if row["column"] == SCORE]
    for verdict in ("fail", "warn"):
        moved = [row for row in rows if row["verdict"] == verdict and row["column"] != SCORE]
        if len(moved) == 1:
            said.append(str(moved[0]["text"]))
        elif moved:
            names = [f"{row['column']} ({row['index']:.2f})" for row in moved]
            names[0] = names[0].replace("(", "(population stability index ", 1)
            listed = f"{', '.join(names[:-1])} and {names[-1]}"
            said.append(f"The values of {len(moved)} columns {_MOVED[verdict]}: {listed}.")
    return said


def count_frame(profile: Profile, features: Features, frame: pd.DataFrame) -> dict[str, Ints]:
    """Count the rows of a frame in the classes of each column."""
    counts = {}
    for part in features.parts:
        seen = profile.columns[part.name]
        if isinstance(seen, NumberProfile):
            classes: Iterable[int] = seen.classes(numbers_of(frame[part.name], part)).tolist()
        else:
            classes = [seen.class_of(str(level)) for level in as_levels(frame[part.name])]
        counts[part.name] = np.bincount(
            np.fromiter(classes, dtype=np.int64, count=len(frame)), minlength=len(seen.counts)
        )
    return counts


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
