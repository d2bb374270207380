"""What a rating means: its range, bands, boxes, direction and headline statistic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

PROMOTER, PASSIVE, DETRACTOR = "promoter", "passive", "detractor"
TOP_BOX, REST = "top_box", "rest"
Path = Literal[
    "uniform_shift",
    "detractor_to_passive",
    "passive_to_promoter",
    "detractor_to_promoter",
    "rest_to_top_box",
]


@dataclass(frozen=True, kw_only=True)
class Scale:
    """The scale on which a rating is given.

    Parameters
    ----------
    name : str
        How the scale is called in results.
    low, high : int
        Lowest and highest rating a customer can give.
    top_box : int, optional
        The rating from which an answer counts as satisfied (or easy). Needed for every scale
        whose headline is a share; leave it out for NPS. With ``higher_is_better=False`` it is the
        highest rating that still counts as good.
    statistic : {"nps", "top_box"}
        The headline KPI: promoters minus detractors, or the share in the top box, on 0-100.
    higher_is_better : bool
        False where a low rating is good, as in "how much effort did it take".
    not_applicable : tuple of int
        Codes that are no rating ("not applicable") and are read as missing.
    levels : tuple of str
        For ratings that are words: the words, worst first. They become 1, 2, ...

    Raises
    ------
    ValueError
        If the range is empty, or the top box lies outside it or is missing.

    Examples
    --------
    >>> NPS.band(9), NPS.band(7), NPS.band(6)
    ('promoter', 'passive', 'detractor')
    >>> Scale(name="effort", low=1, high=5, top_box=2, higher_is_better=False).band(1)
    'top_box'
    """

    name: str
    low: int
    high: int
    top_box: int | None = None
    statistic: Literal["nps", "top_box"] = "top_box"
    higher_is_better: bool = True
    not_applicable: tuple[int, ...] = ()
    levels: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.low >= self.high:
            raise ValueError(
                f"Scale {self.name!r}: low ({self.low}) must be below high ({self.high})."
            )
        if self.statistic == "nps":
            if self.high != 10 or self.low not in (0, 1) or not self.higher_is_better:
                raise ValueError(
                    f"Scale {self.name!r}: NPS is asked from 0 (or 1) to 10, high is good."
                )
        elif self.top_box is None or not self.low <= self.top_box <= self.high:
            raise ValueError(
                f"Scale {self.name!r}: top_box must lie in {self.low}-{self.high}, "
                f"not {self.top_box}."
            )

    @property
    def ratings(self) -> tuple[int, ...]:
        """Every rating the scale has, in numerical order."""
        return tuple(range(self.low, self.high + 1))

    @property
    def bands(self) -> tuple[str, ...]:
        """The bands, worst first."""
        return (DETRACTOR, PASSIVE, PROMOTER) if self.statistic == "nps" else (REST, TOP_BOX)

    @property
    def top_band_ratings(self) -> tuple[int, ...]:
        """The ratings of the best band, in numerical order."""
        return tuple(r for r in self.ratings if self.band(r) == self.bands[-1])

    @property
    def paths(self) -> tuple[Path, ...]:
        """The named ways in which the KPI can rise by one point."""
        if self.statistic == "nps":
            return (
                "uniform_shift",
                "detractor_to_passive",
                "passive_to_promoter",
                "detractor_to_promoter",
            )
        return ("uniform_shift", "rest_to_top_box")

    @property
    def kpi_unit(self) -> str:
        """The unit of the headline KPI."""
        return "NPS, -100 to 100" if self.statistic == "nps" else "percent in the top box, 0-100"

    @property
    def is_effort(self) -> bool:
        """Whether this is the ready-made effort scale."""
        return self.name.startswith("ces")

    def band(self, rating: float) -> str:
        """Name the band of a rating."""
        if self.statistic == "nps":
            return PROMOTER if rating >= 9 else PASSIVE if rating >= 7 else DETRACTOR
        top = self.top_box if self.top_box is not None else self.high
        is_good = rating >= top if self.higher_is_better else rating <= top
        return TOP_BOX if is_good else REST

    def crossing_ratings(self) -> dict[int, float]:
        """Give the KPI points gained when one customer at a rating moves one point better.

        Averaged over the shares of the ratings this is how far a uniform shift of one rating point
        moves the KPI: 100 x (share at 6 + share at 8) for NPS, 100 x the share just outside the
        top box otherwise.

        Examples
        --------
        >>> NPS.crossing_ratings()
        {6: 100.0, 8: 100.0}
        >>> CSAT5.crossing_ratings()
        {3: 100.0}
        """
        step = 1 if self.higher_is_better else -1
        inside = [r for r in self.ratings if self.low <= r + step <= self.high]
        return {r: 100.0 for r in inside if self.band(r) != self.band(r + step)}


NPS = Scale(name="nps", low=0, high=10, statistic="nps")
CSAT5 = Scale(name="csat5", low=1, high=5, top_box=4)
CSAT7 = Scale(name="csat7", low=1, high=7, top_box=5)
CES7 = Scale(name="ces7", low=1, high=7, top_box=5)
NAMED_SCALES = {scale.name: scale for scale in (NPS, CSAT5, CSAT7, CES7)}
