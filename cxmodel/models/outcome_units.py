"""The units of a lift, in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cxmodel.tables.observation_table import Observations


@dataclass(frozen=True)
class LiftUnits:
    """The units of one outcome's estimates, in words.

    Examples
    --------
    >>> LiftUnits("USD", "180 days").slope
    'USD per rating point per customer per 180 days'
    >>> LiftUnits(None, "180 days").slope
    'probability of staying per rating point per 180 days'
    """

    currency: str | None
    window: str

    @classmethod
    def of(cls, obs: Observations, outcome: str) -> LiftUnits:
        """Take currency (for revenue alone) and window from the observations."""
        return cls(obs.currency if outcome == "revenue" else None, obs.window_words)

    @property
    def slope(self) -> str:
        """Per rating point."""
        return self._unit("per rating point")

    @property
    def level(self) -> str:
        """A mean outcome."""
        if self.currency is None:
            return f"probability of staying per {self.window}"
        return f"{self.currency} per customer per {self.window}"

    def of_path(self, path: str) -> str:
        """Per KPI point along a path."""
        return self._unit(f"per KPI point ({path})")

    def of_term(self, term: str) -> str:
        """Give the unit of a scalar term."""
        return "percent per rating point" if term == "percent_per_rating_point" else self.slope

    def _unit(self, per: str) -> str:
        if self.currency is None:
            return f"probability of staying {per} per {self.window}"
        return f"{self.currency} {per} per customer per {self.window}"
