"""Whether today's ratings are still spread like those that a lift was learnt from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cxmodel.errors import InsufficientDataError
from cxmodel.stats.stability import (
    population_stability_index,
    stability_p_value,
    stability_verdict,
)

FEWEST_TO_COMPARE = 100


@dataclass(frozen=True, kw_only=True)
class RatingDrift:
    """How far ratings have moved.

    Parameters
    ----------
    verdict : {"pass", "warn", "fail"}
        Over 0.1 and over 0.25 of the index, where chance brings so much in under 1 of 100 samples.
    index : float
        Population stability index.
    p_value : float
        The chance of so large an index without drift.
    n_obs : int
        Ratings compared.
    text : str
        The same in a sentence.
    """

    verdict: Literal["pass", "warn", "fail"]
    index: float
    p_value: float
    n_obs: int
    text: str


def rating_drift(counts: Sequence[Mapping[str, Any]], ratings: NDArray[np.float64]) -> RatingDrift:
    """Compare ratings with the counts of a card.

    A rating between two of the card, such as a mean of 7.4, counts as the nearest.

    Parameters
    ----------
    counts : sequence of {ratings, n}
        Classes of ratings, and how many responses each had.
    ratings : array (n,)
        Today's.

    Raises
    ------
    InsufficientDataError
        If there are no ratings, or the card has no counts.

    Examples
    --------
    >>> then = [{"ratings": [0, 1], "n": 50}, {"ratings": [2], "n": 50}]
    >>> rating_drift(then, np.array([0.0, 2.0] * 50)).verdict
    'pass'
    """
    expected = np.array([row["n"] for row in counts], dtype=float)
    if not len(ratings) or not expected.sum():
        raise InsufficientDataError("There are no ratings to compare with those of the lift card.")
    pairs = sorted((float(r), i) for i, row in enumerate(counts) for r in row["ratings"])
    known = np.array([rating for rating, _ in pairs])
    classes = np.array([i for _, i in pairs])
    nearest = np.searchsorted((known[1:] + known[:-1]) / 2, ratings)
    observed = np.bincount(classes[nearest], minlength=len(counts)).astype(float)
    index = population_stability_index(expected, observed)
    p_value = stability_p_value(index, expected.sum(), len(ratings), len(counts))
    return _judged(index, p_value, len(ratings))


def _judged(index: float, p_value: float, n: int) -> RatingDrift:
    verdict = stability_verdict(index, p_value)
    moved = "are spread like those that the lift was learnt from"
    if verdict == "fail":
        moved = (
            "are spread as in another population than the one that the lift was learnt from, so it "
            "may not hold here"
        )
    elif verdict == "warn":
        moved = "have moved since the lift was learnt"
    text = f"The {n:,} ratings {moved} (population stability index {index:.2f})."
    return RatingDrift(verdict=verdict, index=index, p_value=p_value, n_obs=n, text=text)
