"""What one more rating point goes with, by the band in which a customer starts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cxmodel.models.estimates.level_rows import suppressed
from cxmodel.models.estimates.levels import Levels
from cxmodel.models.estimation import Quantity
from cxmodel.results import ESTIMATE_FIELDS
from cxmodel.scales import Scale


@dataclass(frozen=True, eq=False)
class BandStep:
    """The mean step from rating to rating + 1 in one band.

    Parameters
    ----------
    band : str
        Where customers start.
    quantity : Quantity
        Mean of the steps, at the base's shares of the ratings.
    n_from, n_to : int
        Rows at the ratings stepped from, and at those stepped to.
    """

    band: str
    quantity: Quantity
    n_from: int
    n_to: int


def band_steps(levels: Levels, scale: Scale) -> list[BandStep]:
    """Give the mean change from rating + 1 for those in each band, worst band first.

    Ratings whose next one nobody gave, and the top of the scale, have no step; a band without any
    is left out. The mean over all bands is ``plus_one_below_top``.
    """
    where = {rating: i for i, rating in enumerate(levels.ratings)}
    found = []
    for band in scale.bands:
        members = [
            i
            for i in levels.members(scale, band)
            if levels.ratings[i] < scale.high and levels.ratings[i] + 1 in where
        ]
        if not members:
            continue
        nexts = [where[levels.ratings[i] + 1] for i in members]
        steps = [
            (levels.means[j].value - levels.means[i].value, [(1.0, j), (-1.0, i)])
            for i, j in zip(members, nexts, strict=True)
        ]
        found.append(
            BandStep(
                band,
                levels.weighted(members, steps),
                sum(levels.counts[i] for i in members),
                sum(levels.counts[j] for j in nexts),
            )
        )
    return found


def band_step_rows(
    levels: Levels, scale: Scale, *, unit: str, conf_level: float, min_group_size: int
) -> list[dict[str, Any]]:
    """Write ``plus_one_by_band.rows``; a step from, or to, too few responses is hidden."""
    steps = band_steps(levels, scale)
    hidden = suppressed([min(step.n_from, step.n_to) for step in steps], min_group_size)
    return [
        {"band": step.band, **_fields(step, unit, conf_level, is_hidden), "suppressed": is_hidden}
        for step, is_hidden in zip(steps, hidden, strict=True)
    ]


def _fields(step: BandStep, unit: str, conf_level: float, is_hidden: bool) -> dict[str, Any]:
    if is_hidden:
        return {**dict.fromkeys(ESTIMATE_FIELDS), "unit": unit, "conf_level": conf_level}
    fields = step.quantity.to_estimate(unit, conf_level=conf_level).to_dict()
    return {**fields, "n_obs": step.n_from}
