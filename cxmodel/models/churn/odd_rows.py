"""Levels that a churn model never saw, and ratings off their scale: counted where it is used."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from cxmodel.errors import CxModelWarning
from cxmodel.models.leaks import MISSING, as_levels, as_numbers
from cxmodel.models.off_scale import Range, is_outside, warn_of_off_scale
from cxmodel.models.profile import Profile, WordProfile

if TYPE_CHECKING:
    import pandas as pd

    from cxmodel.models.churn.features import Features

MOST_SHOWN = 3


def new_levels(features: Features, profile: Profile | None, frame: pd.DataFrame) -> dict[str, int]:
    """Count the rows whose level was not seen at the fit, by column.

    A level that was seen and is rare is none of them: it was learnt together with the other rare
    ones. Without a profile of the fit rare levels are not told from new ones, and count.

    Parameters
    ----------
    features : Features
        What the model looks at.
    profile : Profile, optional
        The spread of the columns at the fit.
    frame : pandas.DataFrame
        With these columns.

    Examples
    --------
    >>> import pandas as pd
    >>> from cxmodel.models.churn.features import learn_features
    >>> features = learn_features(pd.DataFrame({"plan": ["a", "b"] * 20}), ["plan"])
    >>> new_levels(features, None, pd.DataFrame({"plan": ["a", "z", "y"]}))
    {'plan': 2}
    """
    if profile is None:
        return features.unknown_levels(frame)
    found = {}
    for part in features.parts:
        seen = profile.columns.get(part.name)
        if part.is_number or not isinstance(seen, WordProfile):
            continue
        # a missing word is no new level: it counts as none of them, as the fit's own did
        known = {*seen.known, *part.levels, part.reference, MISSING}
        found[part.name] = int((~as_levels(frame[part.name]).isin(known)).sum())
    return {name: n for name, n in found.items() if n}


def ranges_of(features: Features) -> dict[str, Range]:
    """Give the scale of each column that has one."""
    return {part.name: part.limits.scale for part in features.parts if part.limits.is_scale}


def off_scale(features: Features, frame: pd.DataFrame) -> dict[str, int]:
    """Count the rows with a rating outside its scale, by column."""
    found = {}
    for part in features.parts:
        numbers = as_numbers(frame[part.name]) if part.limits.is_scale else None
        if numbers is not None:
            found[part.name] = int(is_outside(numbers, part.limits.scale).sum())
    return found


def warn_of_odd_rows(
    features: Features, profile: Profile | None, frame: pd.DataFrame, *, stacklevel: int = 3
) -> None:
    """Say how many rows have a level that was not seen at the fit, or a rating off its scale.

    Warns
    -----
    CxModelWarning
        With the counts, column by column.
    """
    warn_of_off_scale(off_scale(features, frame), ranges_of(features), stacklevel=stacklevel + 1)
    counts = new_levels(features, profile, frame)
    if not counts:
        return
    most = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    listed = ", ".join(f"{name}: {n:,} of {len(frame):,} rows" for name, n in most[:MOST_SHOWN])
    more = f", and {len(most) - MOST_SHOWN} more columns" if len(most) > MOST_SHOWN else ""
    warnings.warn(
        f"Levels that the model did not learn about ({listed}{more}): such a row counts as none "
        "of the levels that it knows. Fit the model again where they are many.",
        CxModelWarning,
        stacklevel=stacklevel + 1,
    )
