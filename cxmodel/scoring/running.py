"""Counts that grow batch by batch, wherever the batches are scored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from cxmodel.errors import InsufficientDataError
from cxmodel.models.drift import ModelDrift, compare
from cxmodel.models.off_scale import Range, off_scale_words
from cxmodel.models.profile import Profile

Ints = npt.NDArray[np.int64]


class RunningCounts:
    """What a tally of any kind can do: be added to another, and hold its rows against the fit.

    Parameters
    ----------
    counts : dict of numpy.ndarray
        Rows in each class of the profile, by column.
    """

    added: ClassVar[tuple[str, ...]]
    """The names of what is added up: numbers, counters, and ``counts``."""
    counts: dict[str, Ints]

    def count(self, counts: Mapping[str, Any]) -> None:
        """Add rows by class of each column."""
        for name, found in counts.items():
            self.counts[name] = self.counts.get(name, 0) + np.asarray(found, dtype=np.int64)

    def to_plain(self) -> dict[str, Any]:
        """Give the sums as plain values, which may travel."""
        found: dict[str, Any] = {}
        for name in self.added:
            value = getattr(self, name)
            found[name] = dict(value) if isinstance(value, Counter) else value
        found["counts"] = {name: counts.tolist() for name, counts in self.counts.items()}
        return found

    def merge(self, plain: Mapping[str, Any]) -> None:
        """Add the sums of other rows."""
        for name in self.added:
            value = plain[name]
            if isinstance(value, Mapping):
                getattr(self, name).update(value)
            else:
                setattr(self, name, getattr(self, name) + value)
        self.count(plain["counts"])

    def drift_from(self, profile: Profile | None) -> ModelDrift | None:
        """Hold the rows against those of the fit; None without rows, or where no fit is known."""
        if profile is None:
            return None
        try:
            return compare(profile, self.counts)
        except InsufficientDataError:
            return None


def rows_words(n: int) -> str:
    """Say how many rows there are.

    Examples
    --------
    >>> rows_words(1), rows_words(1200)
    ('1 row', '1,200 rows')
    """
    return f"{n:,} row" if n == 1 else f"{n:,} rows"


def by_column(counts: Mapping[str, int]) -> str:
    """List the columns with the most rows, in brackets; nothing where there are none.

    Examples
    --------
    >>> by_column({"plan": 2, "age": 3, "segment": 0})
    ' (age: 3, plan: 2)'
    """
    some = [(name, n) for name, n in counts.items() if n]
    if not some:
        return ""
    most = sorted(some, key=lambda item: (-item[1], item[0]))
    listed = ", ".join(f"{name}: {n:,}" for name, n in most[:5])
    return f" ({listed}{', ...' if len(most) > 5 else ''})"


def off_scale_lines(counts: Mapping[str, int], ranges: Mapping[str, Range]) -> list[str]:
    """Warn of ratings outside their scale, a sentence a column."""
    return [f"Warning: {off_scale_words(name, n, ranges[name])}" for name, n in counts.items() if n]
