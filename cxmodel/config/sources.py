"""``[sources.*]``: which table is what, which column is what, and on which scale ratings are."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, model_validator

from cxmodel.config.fields import (
    ExpandedText,
    Names,
    Section,
    Text,
    TimeZone,
    WholeNumbers,
)
from cxmodel.errors import nearest
from cxmodel.scales import NAMED_SCALES, Scale

_DECLARE = 'scale = "nps", "csat5", "csat7" or "ces7"; or low, high and top_box; or levels'


class RatingConfig(Section):
    """One question: its column, and the scale that its answers are on."""

    column: Text
    scale: Text | None = None
    low: int | None = None
    high: int | None = None
    top_box: int | str | None = None
    higher_is_better: bool | None = None
    not_applicable: WholeNumbers = ()
    levels: Names = ()

    @model_validator(mode="after")
    def _declares_one_scale(self) -> Self:
        self.to_scale(self.column)
        return self

    def to_scale(self, key: str) -> Scale:
        """Build the scale that this rating is on.

        Parameters
        ----------
        key : str
            The rating's key, which names a scale that has no name of its own.

        Raises
        ------
        ValueError
            If the declaration is incomplete or contradicts itself.

        Examples
        --------
        >>> RatingConfig(column="q1", scale="csat5", not_applicable=[0]).to_scale("csat").top_box
        4
        """
        if self.scale is not None:
            return self._named_scale(self.scale)
        if self.levels:
            return self._scale_of_levels(key)
        return self._scale_of_numbers(key)

    def _named_scale(self, name: str) -> Scale:
        if name not in NAMED_SCALES:
            raise ValueError(f"scale = {name!r} is unknown. {nearest(name, NAMED_SCALES)}")
        scale = NAMED_SCALES[name]
        # NPS is also asked from 1; on the other named scales only the top box is a matter of taste
        free = {"low"} if scale.statistic == "nps" else {"top_box"}
        fixed = {"low", "high", "top_box", "higher_is_better", "levels"} - free
        clash = sorted(fixed & self.model_fields_set)
        if clash:
            raise ValueError(
                f"scale = {name!r} already says {', '.join(clash)}. Leave out one or the other."
            )
        return Scale(
            name=name,
            low=scale.low if self.low is None else self.low,
            high=scale.high,
            top_box=scale.top_box if self.top_box is None else self._top_box(),
            statistic=scale.statistic,
            not_applicable=self.not_applicable,
        )

    def _scale_of_levels(self, key: str) -> Scale:
        if self.low is not None or self.high is not None:
            raise ValueError("levels and low, high exclude each other. Keep one.")
        if len(self.levels) < 2:
            raise ValueError("levels needs two or more words, worst first.")
        if self.higher_is_better is False:
            raise ValueError("levels are listed worst first, so higher_is_better = false is wrong.")
        return Scale(
            name=key,
            low=1,
            high=len(self.levels),
            top_box=len(self.levels) if self.top_box is None else self._top_box(),
            not_applicable=self.not_applicable,
            levels=self.levels,
        )

    def _scale_of_numbers(self, key: str) -> Scale:
        if self.low is None or self.high is None:
            raise ValueError(f"declares no scale. Give {_DECLARE}.")
        if self.top_box is None:
            raise ValueError(
                "top_box is missing: from which rating on does an answer count as satisfied "
                f"(or easy)? Give a number in {self.low}-{self.high}."
            )
        return Scale(
            name=key,
            low=self.low,
            high=self.high,
            top_box=self._top_box(),
            higher_is_better=self.higher_is_better is not False,
            not_applicable=self.not_applicable,
        )

    def _top_box(self) -> int:
        if isinstance(self.top_box, int):
            return self.top_box
        if self.top_box not in self.levels:
            raise ValueError(
                f"top_box = {self.top_box!r} is none of its levels. "
                f"{nearest(str(self.top_box), self.levels)}"
            )
        return self.levels.index(self.top_box) + 1


def _formats(value: Any) -> tuple[str, ...]:
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list | tuple) or not listed:
        raise ValueError('must be a format or a list of formats, such as "%d.%m.%Y".')
    for each in listed:
        if not isinstance(each, str) or "%" not in each:
            raise ValueError(
                f'{each!r} is no date format. Write "%d.%m.%Y" for 31.12.2026, "%m/%d/%Y %H:%M" '
                "for 12/31/2026 23:59."
            )
    return tuple(dict.fromkeys(listed))


_NOT_COLUMNS = frozenset(
    {
        "path",
        "table",
        "sql",
        "sheet",
        "time_zone",
        "date_format",
        "ratings",
        "attributes",
        "controls",
        "ignore",
        "touchpoints",
    }
)


class SourceConfig(Section):
    """What every source may have: where it is, and how its dates are written."""

    path: ExpandedText | None = None
    table: Text | None = None
    sql: Text | None = None
    sheet: Text | None = None
    time_zone: TimeZone | None = None
    date_format: Annotated[tuple[str, ...], BeforeValidator(_formats)] = ()

    @property
    def columns(self) -> dict[str, str]:
        """The user's column for each of cxmodel's names that the file maps."""
        mapped = {name: getattr(self, name) for name in type(self).column_names()}
        return {name: column for name, column in mapped.items() if column is not None}

    @classmethod
    def column_names(cls) -> tuple[str, ...]:
        """Every one of cxmodel's names that this kind of source can map."""
        return tuple(name for name in cls.model_fields if name not in _NOT_COLUMNS)


class SurveysConfig(SourceConfig):
    """``[sources.surveys]``: one row per response."""

    customer_id: Text | None = None
    responded_at: Text | None = None
    touchpoint: Text | None = None
    invitation_id: Text | None = None
    agent: Text | None = None
    comment: Text | None = None
    attributes: Names = ()
    ratings: dict[str, RatingConfig] = Field(default_factory=dict)


class InvitationsConfig(SourceConfig):
    """``[sources.invitations]``: who was asked."""

    customer_id: Text | None = None
    invited_at: Text | None = None
    invitation_id: Text | None = None


class CustomersConfig(SourceConfig):
    """``[sources.customers]``: one row per customer, or per version of a customer."""

    customer_id: Text | None = None
    started_at: Text | None = None
    churned_at: Text | None = None
    attributes: Names = ()
    valid_from: Text | None = None


class ChurnConfig(SourceConfig):
    """``[sources.churn]``: one row per churn event."""

    customer_id: Text | None = None
    churned_at: Text | None = None


class RevenueConfig(SourceConfig):
    """``[sources.revenue]``: one row per booking."""

    customer_id: Text | None = None
    booked_at: Text | None = None
    amount: Text | None = None


class SubscriptionsConfig(SourceConfig):
    """``[sources.subscriptions]``: recurring amounts over an interval."""

    customer_id: Text | None = None
    started_at: Text | None = None
    ended_at: Text | None = None
    monthly_amount: Text | None = None


class InteractionsConfig(SourceConfig):
    """``[sources.interactions]``: contacts, tickets, visits, deliveries."""

    customer_id: Text | None = None
    started_at: Text | None = None
    stage: Text | None = None
    first_response_at: Text | None = None
    first_response_minutes: Text | None = None
    resolved_at: Text | None = None
    resolve_by: Text | None = None
    issue: Text | None = None
    first_contact_resolution: Text | None = None
    handle_seconds: Text | None = None
    talk_seconds: Text | None = None
    hold_seconds: Text | None = None
    follow_up_seconds: Text | None = None
    agent: Text | None = None


class ObservationsConfig(SourceConfig):
    """``[sources.observations]``: a table already joined, one row per customer.

    ``controls`` is None where every column that is not mapped and not ignored is offered.
    """

    customer_id: Text | None = None
    responded_at: Text | None = None
    churned: Text | None = None
    revenue_after: Text | None = None
    revenue_before: Text | None = None
    monthly_revenue: Text | None = None
    duration_months: Text | None = None
    controls: Names | None = None
    ignore: Names = ()
    touchpoints: Names = ()
    ratings: dict[str, RatingConfig] = Field(default_factory=dict)


class SourcesConfig(Section):
    """``[sources]``: any subset of the sources is a study."""

    surveys: SurveysConfig | None = None
    invitations: InvitationsConfig | None = None
    customers: CustomersConfig | None = None
    churn: ChurnConfig | None = None
    revenue: RevenueConfig | None = None
    subscriptions: SubscriptionsConfig | None = None
    interactions: InteractionsConfig | None = None
    observations: ObservationsConfig | None = None

    @property
    def given(self) -> dict[str, SourceConfig]:
        """The sources that the file has, by kind."""
        every = {kind: getattr(self, kind) for kind in type(self).model_fields}
        return {kind: source for kind, source in every.items() if source is not None}
