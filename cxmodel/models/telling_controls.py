"""Controls that tell too much: the rating itself, or the outcome without error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxmodel.errors import InsufficientDataError
from cxmodel.models.controls import Control, ControlPlan, spoken
from cxmodel.models.leaks import as_levels
from cxmodel.stats.linear import fit_least_squares

Floats = NDArray[np.float64]
# The share of the rating that controls may tell before the reader is warned (methods 5, overlap),
# and that of a copy, but for rounding.
NEARLY, EXACTLY = 0.95, 1 - 1e-9


def pool_pure_levels(
    plan: ControlPlan, frame: pd.DataFrame, happened: Floats, min_group_size: int
) -> ControlPlan:
    """Give levels in which everybody has one outcome the reference's place, and say so.

    Such a level has an infinite coefficient in a logit, while the rating's slope is finite. Levels
    of fewer rows than `min_group_size` are counted, not named: that would tell their outcome.
    """
    controls, caveats = [], list(plan.caveats)
    for control in plan.controls:
        columns = control.columns(frame)
        if control.kind == "number":
            if _is_pure_flag(columns[:, 0], happened):
                caveats.append(
                    f"{spoken(control.name)} is left out: on one of its two values everybody has "
                    "one outcome."
                )
            else:
                controls.append(control)
            continue
        n_rows, n_events = columns.sum(axis=0), columns.T @ happened
        is_pure = (n_events == 0) | (n_events == n_rows)
        pure = tuple(np.array(control.levels, dtype=object)[is_pure])
        if pure:
            mixed = tuple(level for level in control.levels if level not in pure)
            control = replace(control, levels=mixed, pooled=control.pooled + pure)
            named = _named(pure, n_rows[is_pure], min_group_size)
            caveats.append(
                f"{spoken(control.name)}: everybody has one outcome in {named}, held "
                f"together with {control.reference}."
            )
        controls.append(control)
    return ControlPlan(tuple(controls), tuple(caveats))


def without_the_rating(plan: ControlPlan, frame: pd.DataFrame) -> ControlPlan:
    """Leave out controls that say the rating itself; warn where all together nearly do.

    Raises
    ------
    InsufficientDataError
        If the controls together still tell the rating without error.
    """
    rating = frame["rating"].to_numpy(dtype=float)
    # with as many columns as rows anything is told: that is refused elsewhere
    if len(frame) <= len(plan.column_names) + 1:
        return plan
    copies = [c.name for c in plan.controls if _is_word_for_word(c, frame, rating)]
    told = _share_told(plan.matrix(frame), rating)
    if told > NEARLY:
        copies += [c.name for c in plan.controls if _share_told(c.columns(frame), rating) > EXACTLY]
    elif not copies:
        return plan
    kept = plan.without(copies)
    caveats = list(plan.caveats)
    if copies:
        names = _list([spoken(name) for name in dict.fromkeys(copies)])
        caveats.append(f"Left out because it repeats the rating: {names}.")
        told = _share_told(kept.matrix(frame), rating)
    if told > EXACTLY:
        raise InsufficientDataError(
            "The controls together tell the rating without error, so no two customers with other "
            f"ratings can be compared. Drop some of lift.controls: {_list(kept.spoken())}."
        )
    if told > NEARLY:
        caveats.append(
            f"The controls tell {told:.1%} of the differences in the rating, so the lift rests on "
            "the little that they leave."
        )
    return replace(kept, caveats=tuple(caveats))


def _named(levels: Sequence[str], n_rows: Floats, min_group_size: int) -> str:
    """Name the levels that are large enough, and count the others."""
    large = [level for level, n in zip(levels, n_rows, strict=True) if n >= min_group_size]
    n_small = len(levels) - len(large)
    small = [f"{n_small} small {'level' if n_small == 1 else 'levels'}"] if n_small else []
    return " and ".join([*([_list(large)] if large else []), *small])


def _is_word_for_word(control: Control, frame: pd.DataFrame, rating: Floats) -> bool:
    """Say whether each word of a control stands for one rating, before rare words are pooled."""
    if control.kind == "number":
        return False
    codes = pd.factorize(as_levels(frame[control.name]))[0]
    lowest, highest = np.full(codes.max() + 1, np.inf), np.full(codes.max() + 1, -np.inf)
    np.minimum.at(lowest, codes, rating)
    np.maximum.at(highest, codes, rating)
    # where every word has a row of its own, it stands for one rating by necessity
    return bool((lowest == highest).all() and 2 * len(lowest) <= len(rating))


def _share_told(columns: Floats, rating: Floats) -> float:
    """Give the share of the rating's variance that a line in some columns explains."""
    spread = float(np.sum((rating - rating.mean()) ** 2))
    if not columns.shape[1] or not spread:
        return 0.0
    design = np.column_stack([np.ones(len(rating)), columns])
    return 1 - float(np.sum(fit_least_squares(design, rating).residuals ** 2)) / spread


def _is_pure_flag(numbers: Floats, happened: Floats) -> bool:
    if len(np.unique(numbers)) != 2:
        return False
    sides = [happened[numbers == value] for value in np.unique(numbers)]
    return any(side.min() == side.max() for side in sides)


def _list(levels: Sequence[str]) -> str:
    shown = ", ".join(levels[:5])
    return shown if len(levels) <= 5 else f"{shown} and {len(levels) - 5} more"
