"""How the columns and the probabilities of a churn model were spread where it was fitted."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from cxmodel.models.churn.features import RARE_LEVEL, Feature, Features
from cxmodel.models.leaks import as_levels, as_numbers
from cxmodel.models.profile import (
    ColumnProfile,
    Ints,
    NumberProfile,
    Profile,
    number_profile,
    word_profile,
)

Floats = npt.NDArray[np.float64]
SCORE = "prob_churn"


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
            columns[part.name] = number_profile(numbers_of(frame[part.name], part), min_group_size)
        else:
            levels = as_levels(frame[part.name])
            known = tuple(sorted(levels.value_counts().loc[lambda n: n >= RARE_LEVEL].index))
            columns[part.name] = word_profile(levels, min_group_size, known=known)
    return Profile(columns, {SCORE: number_profile(prob, min_group_size)})


def numbers_of(values: pd.Series, part: Feature) -> Floats:
    """Read a column of numbers as its feature does, missing as NaN."""
    numbers = as_numbers(values)
    return part.limits.read(np.full(len(values), np.nan) if numbers is None else numbers)


def count_frame(
    profile: Profile, features: Features, frame: pd.DataFrame, prob: Floats
) -> dict[str, Ints]:
    """Count the rows of a frame in the classes of each column and of the probability."""
    counts = {SCORE: profile.scores[SCORE].count(prob)}
    for part in features.parts:
        seen, values = profile.columns[part.name], frame[part.name]
        is_number = isinstance(seen, NumberProfile)
        counts[part.name] = seen.count(numbers_of(values, part) if is_number else as_levels(values))
    return counts
