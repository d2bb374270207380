"""Rows of ``by_rating`` and ``by_band``: adjusted means with intervals, small groups hidden."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cxmodel.models.estimates.levels import Levels
from cxmodel.models.estimation import Quantity
from cxmodel.results import ESTIMATE_FIELDS, Estimate
from cxmodel.scales import Scale
from cxmodel.stats.intervals import wilson


@dataclass(frozen=True)
class LevelRows:
    """How the means of an outcome are written.

    Parameters
    ----------
    unit : str
        Of the means.
    conf_level : float
        Of their intervals.
    min_group_size : int
        Levels of fewer rows are hidden.
    is_probability : bool
        Whether the outcome is 0 or 1, so that a mean lies between.
    """

    unit: str
    conf_level: float
    min_group_size: int
    is_probability: bool

    def by_rating(self, levels: Levels) -> list[dict[str, Any]]:
        """Write ``by_rating.rows``, in the order of the ratings."""
        hidden = suppressed(levels.counts, self.min_group_size)
        parts = zip(levels.ratings, levels.means, levels.counts, levels.only, hidden, strict=True)
        return [
            {"rating": _plain(rating), **self._row(mean, count, only, is_hidden=is_hidden)}
            for rating, mean, count, only, is_hidden in parts
        ]

    def by_band(self, levels: Levels, scale: Scale) -> list[dict[str, Any]]:
        """Write ``by_band.rows``, worst band first; a band that nobody gave has none."""
        counts = [levels.band_count(scale, band) for band in scale.bands]
        rows = []
        for band, count, is_hidden in zip(
            scale.bands, counts, suppressed(counts, self.min_group_size), strict=True
        ):
            mean = levels.band_mean(scale, band)
            if mean is not None:
                only = levels.band_only(scale, band)
                rows.append({"band": band, **self._row(mean, count, only, is_hidden=is_hidden)})
        return rows

    def _row(
        self, mean: Quantity, count: int, only: float | None, *, is_hidden: bool
    ) -> dict[str, Any]:
        if is_hidden:
            fields: dict[str, Any] = dict.fromkeys(ESTIMATE_FIELDS)
            fields |= {"unit": self.unit, "conf_level": self.conf_level}
        else:
            fields = self._estimate(mean, count, only).to_dict()
        return {**fields, "suppressed": is_hidden}

    def _estimate(self, mean: Quantity, count: int, only: float | None) -> Estimate:
        """Give a mean with its interval: normal within 0-1, Wilson's where all had one outcome."""
        found = mean.to_estimate(self.unit, conf_level=self.conf_level)
        value, low, high = found.estimate, found.conf_low, found.conf_high
        if self.is_probability and only is not None:
            value = only
            low, high = wilson(only * count, count, conf_level=self.conf_level)[-2:]
        elif self.is_probability:
            value, low, high = (_within(end) for end in (value, low, high))
        return Estimate(
            estimate=value, std_error=found.std_error, conf_low=low, conf_high=high,
            conf_level=self.conf_level, unit=self.unit, n_obs=count,
        )  # fmt: skip


def suppressed(counts: Sequence[int], min_group_size: int) -> list[bool]:
    """Hide groups that are too small, and the next smallest when a single one is hidden.

    Examples
    --------
    >>> suppressed([200, 12, 80], 30)
    [False, True, True]
    """
    hidden = [0 < n < min_group_size for n in counts]
    shown = [(n, i) for i, n in enumerate(counts) if not hidden[i] and n > 0]
    if sum(hidden) == 1 and shown:
        hidden[min(shown)[1]] = True
    return hidden


def _within(value: float | None) -> float:
    return min(max(value or 0.0, 0.0), 1.0)


def _plain(rating: float) -> int | float:
    return int(rating) if rating == int(rating) else rating
