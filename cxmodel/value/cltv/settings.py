"""What every way of valuing customers shares: what counts, how far, and how it is drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cxmodel.results import Estimate


@dataclass(frozen=True, kw_only=True)
class ValueSettings:
    """What counts as value, how far ahead, in which unit, and the draws behind intervals.

    Parameters
    ----------
    gross_margin : float
        Share of revenue that is margin.
    annual_discount_rate : float
        A fraction per year.
    horizon_months : int
        How far to look.
    benefit : {"margin", "revenue"}
        What counts.
    currency : str
        ISO 4217 code.
    min_group_size : int
        Smaller groups are suppressed.
    conf_level : float
        Of the intervals.
    n_draws, seed : int
        Redrawn weightings of the customers.
    """

    gross_margin: float
    annual_discount_rate: float
    horizon_months: int
    benefit: str
    currency: str
    min_group_size: int
    conf_level: float
    n_draws: int
    seed: int

    @property
    def share(self) -> float:
        """The share of revenue that counts."""
        return self.gross_margin if self.benefit == "margin" else 1.0

    @property
    def unit(self) -> str:
        """The unit of a customer's value."""
        return f"{self.currency} {self.benefit} per customer over {self.horizon_months} months"

    @property
    def unit_of_change(self) -> str:
        """The unit of what a rating point adds to it."""
        return (
            f"{self.currency} {self.benefit} per rating point per customer over "
            f"{self.horizon_months} months"
        )

    @property
    def no_estimate(self) -> dict[str, Any]:
        """The fields of an estimate that is not shown."""
        nothing = Estimate(estimate=float("nan"), unit=self.unit, conf_level=self.conf_level)
        return nothing.to_dict()

    def estimate(self, value: float, error: float, n_obs: int) -> Estimate:
        """Write a customer's value with its interval."""
        return Estimate.from_std_error(
            value, error, unit=self.unit, n_obs=n_obs, conf_level=self.conf_level
        )

    def caveats(self) -> tuple[str, ...]:
        """Say what these settings make of the values."""
        said = []
        if self.benefit == "revenue":
            said.append(
                "Values are counted as revenue, which overstates them: margin is what pays."
            )
        elif self.gross_margin == 0:
            said.append("value.gross_margin is 0, so every value is 0: check it.")
        return tuple(said)
