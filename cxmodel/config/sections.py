"""Every table of ``cxmodel.toml`` but the sources, with its defaults."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from cxmodel.config.fields import (
    Currency,
    Day,
    ExpandedText,
    Level,
    Names,
    NotNegative,
    PositiveWhole,
    Range,
    Section,
    Share,
    Text,
    TimeZone,
    Uncertain,
    uncertain,
)
from cxmodel.scales import Path as KpiPath

DEFAULT_SEED = 20261121
DEFAULT_OUTCOME_DAYS = 180
MAX_DAYS = 36_525
"""A hundred years: no window is longer, and times stay within the calendar."""
MAX_MONTHS = 1_200
Days = Annotated[int, Field(ge=1, le=MAX_DAYS)]


class StudySection(Section):
    """``[study]``: what the study is about and what holds for all of it."""

    title: Text | None = None
    currency: Currency | None = None
    rating: Text | None = None
    as_of: Day | None = None
    time_zone: TimeZone = "UTC"
    seed: Annotated[int, Field(ge=0)] = DEFAULT_SEED
    conf_level: Level = 0.95
    min_group_size: PositiveWhole = 30


class EngineConfig(Section):
    """``[engine]``: where the tables are computed on."""

    url: Annotated[ExpandedText, Field(repr=False)] = "duckdb://"
    memory_limit: Text | None = None
    threads: PositiveWhole | None = None
    temp_directory: ExpandedText | None = None


class TableConfig(Section):
    """A file that has a name in ``[tables]``."""

    path: ExpandedText
    sheet: Text | None = None


def table_of(value: Any) -> Any:
    """Read ``name = "path"`` as ``name = { path = "path" }``."""
    return {"path": value} if isinstance(value, str) else value


NamedTable = Annotated[TableConfig, BeforeValidator(table_of)]


class WindowsConfig(Section):
    """``[windows]``: how far the study looks back and ahead, in days.

    ``inactive_days`` is None where the file leaves it to the default.
    """

    lookback_days: Days = 180
    outcome_days: Days = DEFAULT_OUTCOME_DAYS
    gap_days: Annotated[int, Field(ge=0, le=MAX_DAYS)] = 0
    inactive_days: PositiveWhole | None = None

    @field_validator("inactive_days")
    @classmethod
    def _within_outcome(cls, value: int | None, info: ValidationInfo) -> int | None:
        outcome = info.data.get("outcome_days")
        if value is not None and outcome is not None and value > outcome:
            raise ValueError(f"must not exceed windows.outcome_days, which is {outcome}.")
        return value

    @property
    def states_outcome_days(self) -> bool:
        """Whether the file sets ``outcome_days`` itself."""
        return "outcome_days" in self.model_fields_set


class KpiConfig(Section):
    """``[kpis]``: by which columns and over which periods KPIs are reported."""

    by: Names = ()
    period: Literal["year", "quarter", "month", "week"] = "quarter"
    targets: dict[str, float] = Field(default_factory=dict)


def _reliability(value: Any) -> Any:
    """Check the four forms of ``lift.reliability``."""
    if isinstance(value, dict) and set(value) == {"items"}:
        items = value["items"]
        if isinstance(items, list) and len(items) > 1 and all(isinstance(i, str) for i in items):
            return {"items": tuple(items)}
        raise ValueError("its items must be a list of two or more ratings.")
    if isinstance(value, dict) and set(value) == {"within_days"}:
        days = value["within_days"]
        if isinstance(days, int) and not isinstance(days, bool) and days > 0:
            return dict(value)
        raise ValueError("its within_days must be 1 or more.")
    if isinstance(value, dict) and set(value) != {"mean", "sd"}:
        raise ValueError("must be a number, { mean, sd }, { within_days } or { items }.")
    stated = uncertain(value)
    centre = stated["mean"] if isinstance(stated, dict) else stated
    if not 0 < centre <= 1:
        raise ValueError("must lie above 0 and be at most 1.")
    return stated


Reliability = Annotated[
    float | dict[str, float] | dict[str, tuple[str, ...]], BeforeValidator(_reliability)
]


class LiftConfig(Section):
    """``[lift]``: how the lift is estimated. ``controls`` is None for the default ones."""

    controls: Names | None = None
    by: Names = ()
    average: Literal["base", "variance"] = "base"
    reliability: Reliability | None = None
    instrument: Text | None = None
    keep: Names = ()


class ResponseConfig(Section):
    """``[response]``: whom the answers stand for. ``controls`` is None for the default ones.

    ``population`` is None where the file leaves it to the sources: the invited where there are
    invitations, else customers at risk.
    """

    population: Literal["invited", "at_risk", "none"] | None = None
    controls: Names | None = None
    landmark_days: Days = 28
    within_days: Days = 30
    trim: Annotated[float, Field(ge=0, lt=0.5)] = 0.002


class ExperimentConfig(Section):
    """``[experiment]``: a randomised arm. ``shares`` is None where all arms were to be alike."""

    arm: Text
    control: Text
    acts_through_rating_alone: bool = False
    shares: dict[str, Annotated[float, Field(gt=0)]] | None = None


class RolloutConfig(Section):
    """``[rollout]``: a programme that groups began at different times.

    The first day of each group stands in ``starts``, or in the column ``started_at``.
    """

    group: Text
    starts: dict[str, Day] | None = None
    started_at: Text | None = None
    period: Literal["month", "quarter"] = "month"
    comparison: Literal["not_yet", "never"] = "not_yet"

    @field_validator("starts")
    @classmethod
    def _some_began(cls, value: dict[str, Any] | None) -> dict[str, Any] | None:
        if value is not None and not value:
            raise ValueError("names no group. Give each its first day, such as north = 2025-03-01.")
        return value

    @model_validator(mode="after")
    def _one_form_of_starts(self) -> Self:
        if (self.starts is None) == (self.started_at is None):
            seen = "neither" if self.starts is None else "both"
            raise ValueError(
                "needs exactly one of starts, the first day of each group, and started_at, the "
                f"column that holds it; it has {seen}."
            )
        return self


class ValueConfig(Section):
    """``[value]``: what turns revenue into value."""

    gross_margin: Share | None = None
    annual_discount_rate: Share | None = None
    horizon_months: Annotated[int, Field(ge=1, le=MAX_MONTHS)] = 36
    benefit: Literal["margin", "revenue"] = "margin"
    kind: Literal["auto", "contract", "purchases"] = "auto"
    acquisition_cost: NotNegative | None = None
    lasts_months: Annotated[float, Field(gt=0)] | None = None
    half_life_months: Annotated[float, Field(gt=0)] | None = None


def _not_negative(value: Uncertain) -> Uncertain:
    """Refuse a cost below 0, in the lowest value that it can state."""
    lowest = value.get("low", value.get("mean", 0.0)) if isinstance(value, dict) else value
    if lowest < 0:
        raise ValueError("must be 0 or more.")
    return value


class ProgrammeConfig(Section):
    """One of ``[[programmes]]``: something the company might pay for to move ratings."""

    name: Text
    rating_points: Range | None = None
    kpi_points: Range | None = None
    kpi_path: KpiPath | None = None
    reach: Annotated[float, Field(gt=0, le=1)] = 1.0
    customers: Annotated[int, Field(ge=1)] | None = None
    upfront_cost: Range = 0.0
    monthly_cost: Range = 0.0
    monthly_cost_saving: Range = 0.0
    ramp_months: NotNegative = 0.0
    lasts_months: Annotated[float, Field(gt=0)] | None = None
    half_life_months: Annotated[float, Field(gt=0)] | None = None
    value_by: Literal["revenue", "cltv"] = "revenue"
    touchpoint: Text | None = None
    requires: Names = ()
    excludes: Names = ()

    @field_validator("upfront_cost", "monthly_cost", "monthly_cost_saving")
    @classmethod
    def _costs_are_not_negative(cls, value: Uncertain) -> Uncertain:
        return _not_negative(value)
