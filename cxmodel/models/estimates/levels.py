"""Levels of the rating, bands, the step below the top and the paths of a KPI point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cxmodel.errors import SeparationError
from cxmodel.models.estimation import Link, Quantity, Sample, combine, level_means
from cxmodel.results import NotRun
from cxmodel.scales import Path, Scale

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Levels:
    """Adjusted means of every rating that occurs, with the shares of the base.

    Parameters
    ----------
    ratings : tuple of float
        The ratings that occur, in order.
    counts : tuple of int
        Rows of each.
    means : tuple of Quantity
        Mean outcome had everybody in the base given this rating.
    shares : tuple of Quantity
        Share of the base in each rating.
    only : tuple of float or None
        The one outcome that everybody at a rating had, where they all had one.
    caveats : tuple of str
        How the means were made, where not as usual.
    """

    ratings: tuple[float, ...]
    counts: tuple[int, ...]
    means: tuple[Quantity, ...]
    shares: tuple[Quantity, ...]
    only: tuple[float | None, ...]
    caveats: tuple[str, ...] = ()

    def weighted(
        self, members: Sequence[int], values: Sequence[tuple[float, list[tuple[float, int]]]]
    ) -> Quantity:
        """Average some function of the means over the base in some levels.

        Parameters
        ----------
        members : sequence of int
            Indices of levels.
        values : sequence of (value, [(slope, index of mean), ...])
            For each member, what is averaged and how it depends on the means.
        """
        total = sum(self.shares[i].value for i in members)
        value = (
            sum(self.shares[i].value * v for i, (v, _) in zip(members, values, strict=True)) / total
        )
        parts: list[tuple[float, Quantity]] = []
        for i, (v, slopes) in zip(members, values, strict=True):
            parts.append(((v - value) / total, self.shares[i]))
            parts += [(self.shares[i].value / total * slope, self.means[j]) for slope, j in slopes]
        return combine(value, parts)

    def band_mean(self, scale: Scale, band: str) -> Quantity | None:
        """Give the adjusted mean of a band at the base's shares within it; None when empty."""
        members = self.members(scale, band)
        if not members:
            return None
        return self.weighted(members, [(self.means[i].value, [(1.0, i)]) for i in members])

    def members(self, scale: Scale, band: str) -> list[int]:
        """List the levels of a band."""
        return [i for i, rating in enumerate(self.ratings) if scale.band(rating) == band]

    def band_count(self, scale: Scale, band: str) -> int:
        """Count the rows of a band."""
        return sum(self.counts[i] for i in self.members(scale, band))

    def band_only(self, scale: Scale, band: str) -> float | None:
        """Give the one outcome that everybody in a band had, if they all had one."""
        found = {self.only[i] for i in self.members(scale, band)}
        return found.pop() if len(found) == 1 else None

    def plus_one(self, top: float) -> tuple[Quantity | None, tuple[float, ...]]:
        """Give the mean change from rating + 1 below the top; name ratings whose next is unseen."""
        where = {rating: i for i, rating in enumerate(self.ratings)}
        below = [i for i, rating in enumerate(self.ratings) if rating < top]
        members = [i for i in below if self.ratings[i] + 1 in where]
        unseen = tuple(self.ratings[i] for i in below if i not in members)
        if not members:
            return None, unseen
        values = []
        for i in members:
            j = where[self.ratings[i] + 1]
            values.append((self.means[j].value - self.means[i].value, [(1.0, j), (-1.0, i)]))
        return self.weighted(members, values), unseen

    def kpi_points_per_rating_point(self, scale: Scale) -> Quantity:
        """Give the KPI points that one better rating point for everybody brings."""
        crossing = scale.crossing_ratings()
        points = [
            (crossing.get(int(r), 0.0) if r == int(r) else 0.0, share)
            for r, share in zip(self.ratings, self.shares, strict=True)
        ]
        return combine(sum(p * share.value for p, share in points), points)


def fit_levels(sample: Sample, *, link: Link, is_separated: bool = False) -> Levels:
    """Fit one mean per rating; where a level has one outcome only, without the logit.

    Parameters
    ----------
    is_separated : bool
        The outcome is separated: then the proportions are shown as observed.
    """
    ratings, codes = np.unique(sample.rating, return_inverse=True)
    caveats: tuple[str, ...] = ()
    if is_separated:
        means = level_means(sample, codes, len(ratings), adjusted=False)
        caveats = ("Proportions as observed, nothing held equal (see the check separation).",)
    else:
        try:
            means = level_means(sample, codes, len(ratings), link=link)
        except SeparationError:
            means = level_means(sample, codes, len(ratings))
            caveats = (
                "In some level everybody has one outcome, so the levels come from a linear "
                "probability model.",
            )
    counts = tuple(int(n) for n in np.bincount(codes))
    shares = tuple(sample.mean((codes == i).astype(float)) for i in range(len(ratings)))
    only = tuple(_only(sample.outcome[codes == i]) for i in range(len(ratings)))
    return Levels(tuple(float(r) for r in ratings), counts, tuple(means), shares, only, caveats)


def _only(outcome: Floats) -> float | None:
    return float(outcome[0]) if outcome.min() == outcome.max() else None


def path_quantity(
    levels: Levels, scale: Scale, path: Path, slope: Quantity | None, min_group_size: int
) -> Quantity | NotRun:
    """Give the lift per KPI point along a named path (methods 1, house 3).

    Parameters
    ----------
    slope : Quantity, optional
        The headline per rating point; None where it was not run.
    """
    if path == "uniform_shift":
        return _uniform_shift(levels, scale, slope)
    low, high, factor = _band_path(scale, path)
    for band in (low, high):
        n = levels.band_count(scale, band)
        if n < min_group_size:
            return NotRun(f"{n} responses in the band {band}, fewer than {min_group_size}")
    means = [levels.band_mean(scale, band) for band in (low, high)]
    lower, upper = means[0], means[1]
    if lower is None or upper is None:
        return NotRun(f"the band {low if lower is None else high} is empty")
    return combine(factor * (upper.value - lower.value), [(factor, upper), (-factor, lower)])


def _uniform_shift(levels: Levels, scale: Scale, slope: Quantity | None) -> Quantity | NotRun:
    if slope is None:
        return NotRun("the lift per rating point was not run")
    points = levels.kpi_points_per_rating_point(scale)
    if points.value == 0:
        where = " or ".join(str(r) for r in scale.crossing_ratings())
        return NotRun(f"nobody gave {where}, so a shift of one rating point moves no KPI point")
    sign = 1.0 if scale.higher_is_better else -1.0
    value = sign * slope.value / points.value
    return combine(value, [(sign / points.value, slope), (-value / points.value, points)])


def _band_path(scale: Scale, path: Path) -> tuple[str, str, float]:
    """Name the bands of a path, and the share of customers whose move is one KPI point."""
    if path not in scale.paths:
        raise ValueError(f"Path {path!r} is none of this scale: {', '.join(scale.paths)}.")
    low, high = path.split("_to_")
    # from detractor to promoter a customer moves NPS by two hundredths of a hundred
    return low, high, 0.005 if path == "detractor_to_promoter" else 0.01
