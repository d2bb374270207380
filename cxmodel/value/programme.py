"""Something the company might pay for to move ratings: what it costs, whom it reaches, how long."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from cxmodel.scales import Path
from cxmodel.stats.draws import Quantity, QuantityLike

ValueBy = Literal["revenue", "cltv"]
_AMOUNTS = ("rating_points", "kpi_points", "upfront_cost", "monthly_cost", "monthly_cost_saving")
_COSTS = ("upfront_cost", "monthly_cost", "monthly_cost_saving")


@dataclass(frozen=True, kw_only=True)
class Programme:
    """A programme: a plan that computes nothing.

    Amounts are a number, ``{"mean", "sd"}`` (normal) or ``{"low", "mode", "high"}`` (PERT).

    Parameters
    ----------
    name : str
        What it is called in results.
    rating_points : amount, optional
        Gain in the rating among those reached. Give this or `kpi_points`.
    kpi_points : amount, optional
        Gain in the KPI among those reached, by `kpi_path`.
    kpi_path : str, optional
        How the KPI moves; ``"uniform_shift"`` unless told otherwise.
    reach : float
        Share of the active customers who are reached, in (0, 1].
    customers : int, optional
        How many are reached, instead of `reach`.
    upfront_cost : amount
        Paid today.
    monthly_cost, monthly_cost_saving : amount
        Paid and saved at the end of every month up to the horizon.
    ramp_months : float
        Months until the programme works in full, rising evenly.
    lasts_months : float, optional
        How long the gain lasts. By default the outcome window and no longer.
    half_life_months : float, optional
        Instead: after the outcome window the gain halves every so many months.
    value_by : {"revenue", "cltv"}
        By which lift the gain is valued; never both.
    touchpoint : str, optional
        Programmes on one touchpoint overlap.
    requires, excludes : tuple of str
        Names of other programmes.

    Raises
    ------
    TypeError, ValueError
        If an amount or a setting is impossible; the message names it.

    Examples
    --------
    >>> Programme(name="Portal", rating_points=0.8, reach=0.4, upfront_cost=100_000).gain_name
    'rating points'
    """

    name: str
    rating_points: QuantityLike | None = None
    kpi_points: QuantityLike | None = None
    kpi_path: Path | None = None
    reach: float = 1.0
    customers: int | None = None
    upfront_cost: QuantityLike = 0.0
    monthly_cost: QuantityLike = 0.0
    monthly_cost_saving: QuantityLike = 0.0
    ramp_months: float = 0.0
    lasts_months: float | None = None
    half_life_months: float | None = None
    value_by: ValueBy = "revenue"
    touchpoint: str | None = None
    requires: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("A programme needs a name.")
        self._check_gain()
        for name in _COSTS:
            if self.quantity(name).mean < 0:
                raise ValueError(
                    f"{self.name}: {name} must be 0 or more, not {self.quantity(name)}."
                )
        if not 0 < self.reach <= 1:
            raise ValueError(f"{self.name}: reach is a share in (0, 1], not {self.reach}.")
        if self.customers is not None and self.customers < 1:
            raise ValueError(f"{self.name}: customers must be 1 or more, not {self.customers}.")
        self._check_times()
        if self.value_by not in get_args(ValueBy):
            raise ValueError(
                f"{self.name}: value_by is 'revenue' or 'cltv', not {self.value_by!r}."
            )

    def _check_gain(self) -> None:
        if self.rating_points is not None and self.kpi_points is not None:
            raise ValueError(f"{self.name}: give rating_points or kpi_points, not both.")
        if self.kpi_path is not None and self.kpi_points is None:
            raise ValueError(f"{self.name}: kpi_path goes with kpi_points.")
        if self.kpi_path is not None and self.kpi_path not in get_args(Path):
            raise ValueError(f"{self.name}: kpi_path is one of {get_args(Path)}.")
        for name in _AMOUNTS:
            if getattr(self, name) is not None:
                self.quantity(name)

    def _check_times(self) -> None:
        if not 0 <= self.ramp_months < math.inf:
            raise ValueError(f"{self.name}: ramp_months must be 0 or more, not {self.ramp_months}.")
        if self.lasts_months is not None and self.half_life_months is not None:
            raise ValueError(f"{self.name}: give lasts_months or half_life_months, not both.")
        for name in ("lasts_months", "half_life_months"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise ValueError(f"{self.name}: {name} must be above 0, not {value}.")

    def quantity(self, name: str) -> Quantity:
        """Give one of the amounts as a quantity that can be drawn; None counts as 0."""
        value = getattr(self, name)
        return Quantity.parse(0.0 if value is None else value, f"{self.name}: {name}")

    @property
    def gain(self) -> Quantity:
        """The gain among those reached, in rating points or KPI points; 0 if none is planned."""
        return self.quantity("kpi_points" if self.kpi_points is not None else "rating_points")

    @property
    def path(self) -> Path | None:
        """The path of a gain in KPI points; None for a gain in rating points."""
        if self.kpi_points is None:
            return None
        return self.kpi_path or "uniform_shift"

    @property
    def gain_name(self) -> str:
        """What the gain is counted in."""
        return "rating points" if self.path is None else f"KPI points ({self.path})"

    @property
    def has_gain(self) -> bool:
        """Whether a gain is planned; a programme may also save costs alone."""
        return self.rating_points is not None or self.kpi_points is not None

    def n_reached(self, n_customers: float | None) -> float:
        """Count the customers reached.

        Raises
        ------
        ValueError
            If neither the programme nor the caller says how many customers there are.
        """
        if self.customers is not None:
            return float(self.customers)
        if n_customers is None:
            raise ValueError(
                f"{self.name}: reach is a share, so n_customers= is needed; or set customers."
            )
        return self.reach * n_customers
