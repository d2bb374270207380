"""What each source must hold: columns, types, ranges, what is unique, which time comes first.

This is the one place that says so. The names of columns that `cxmodel.toml` knows, the conversion
of each column, the checks of a table and the page ``docs/contracts.md`` all come from `CONTRACTS`.
To change what is asked of a table, change it here.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "surveys",
    "invitations",
    "customers",
    "churn",
    "revenue",
    "subscriptions",
    "interactions",
    "observations",
]
Type = Literal["id", "text", "time", "amount", "number", "flag"]

EARLIEST, LATEST = dt.datetime(1900, 1, 1), dt.datetime(2200, 1, 1)
"""Times lie from the first to before the second: others are typing errors, or codes for "never"."""
MAX_UNITS = 2**50
"""Amounts beyond this many units are refused: times days, or a customer's sum, they would not fit
into 64 bits. For USD that is 1e11 in one booking."""


RESERVED = frozenset(
    {
        "customer_id",
        "responded_at",
        "rating",
        "band",
        "response_weight",
        "revenue_before",
        "revenue_before_2",
        "revenue_before_3",
        "revenue_before_units",
        "revenue_before_2_units",
        "revenue_before_3_units",
        "contacts_before",
        "days_since_contact",
        "contacts_unresolved",
        "days_since_invited",
        "tenure_days",
        "days_observed_before",
        "revenue_after",
        "revenue_after_units",
        "churned",
        "duration_days",
        "outcome_complete",
        "touchpoint",
        "row_number",
        "started_at",
    }
)
"""Names that the observation table needs itself, so that no attribute may have them."""


@dataclass(frozen=True, kw_only=True)
class TypeContract:
    """How values of one type are read.

    Parameters
    ----------
    becomes : str
        The type in the canonical table.
    accepted : str
        What is taken.
    refused : tuple of str
        What makes the source unusable: each is counted, and shown with its first value.
    """

    becomes: str
    accepted: str
    refused: tuple[str, ...] = ()


TYPES: Mapping[Type, TypeContract] = {
    "id": TypeContract(
        becomes="text",
        accepted="text exactly as it stands, blanks and leading zeros too; whole numbers without "
        "a point; empty is missing",
    ),
    "text": TypeContract(becomes="text", accepted="anything; blank is missing"),
    "time": TypeContract(
        becomes="timestamp, naive UTC, microseconds",
        accepted="timestamps, dates, ISO 8601 text, text in one of `date_format`; without a "
        "distance from UTC it is a time of `time_zone`, of an hour that comes twice the first",
        refused=(
            f"times before {EARLIEST.year} or after {LATEST.year - 1}",
            "text that is no time, or a day that does not exist",
            "text that can be read day first or month first, or in two formats, unless "
            "`date_format` lists the formats; then each value must match exactly one",
            "numbers, such as seconds since 1970",
            "an hour that the clock of `time_zone` left out",
            "times with a distance from UTC beside times of day without one, unless `time_zone` "
            "is stated",
        ),
    ),
    "amount": TypeContract(
        becomes="whole number of units: the minor unit of `study.currency` and two digits more",
        accepted="numbers, and text such as `1234.56` or `-3e2`; missing is missing",
        refused=(
            "text with separators of thousands, a decimal comma or a currency sign",
            "NaN and infinities",
            f"more than {MAX_UNITS:,} units",
        ),
    ),
    "number": TypeContract(
        becomes="float64",
        accepted="numbers, and text that is one; NaN is missing",
        refused=("text that is no number", "infinities"),
    ),
    "flag": TypeContract(
        becomes="boolean",
        accepted="true/false, yes/no, y/n, t/f, 1/0, whatever the case of the letters",
        refused=("any other word or number",),
    ),
}
RATING = TypeContract(
    becomes="float64",
    accepted="whole numbers on the declared scale, or its `levels`; `not_applicable` and blank are "
    "missing",
    refused=(
        "answers outside the scale",
        "answers that are no whole number",
        "text, unless it is one of `levels`",
    ),
)
ATTRIBUTE = TypeContract(
    becomes="float64 where every value is a number, else text",
    accepted="anything, under its own name",
    refused=("a name that the observation table needs itself",),
)


@dataclass(frozen=True, kw_only=True)
class ColumnContract:
    """One column of a source.

    Parameters
    ----------
    name : str
        cxmodel's name of it.
    type : str
        A key of `TYPES`.
    meaning : str
        What it holds.
    is_required : bool
        Whether the source is refused without it.
    counts_missing : bool
        Whether rows without a value are worth a warning, as they count for nobody or for nothing.
    has_happened : bool
        Whether a time after the day of the run is worth a warning.
    low : float, optional
        A number below this is worth a warning.
    """

    name: str
    type: Type
    meaning: str
    is_required: bool = False
    counts_missing: bool = False
    has_happened: bool = False
    low: float | None = None


@dataclass(frozen=True, kw_only=True)
class Contract:
    """What one kind of source must hold.

    Parameters
    ----------
    kind : str
        Its name below ``[sources]``.
    row : str
        What one row is.
    columns : tuple of ColumnContract
        The columns that it may map.
    unique : str, optional
        A column whose values stand once each; a value that repeats is refused.
    unless : str, optional
        Where this column is mapped, `unique` may repeat.
    order : tuple of (str, str)
        Pairs of times: the second before the first is worth a warning.
    has_ratings, has_attributes, has_controls : bool
        What it may carry besides.
    """

    kind: Kind
    row: str
    columns: tuple[ColumnContract, ...]
    unique: str | None = None
    unless: str | None = None
    order: tuple[tuple[str, str], ...] = ()
    has_ratings: bool = False
    has_attributes: bool = False
    has_controls: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Cxmodel's names of its columns, those that are required first."""
        return (*self.required, *(c.name for c in self.columns if not c.is_required))

    @property
    def required(self) -> tuple[str, ...]:
        """The columns without which the source is refused."""
        return tuple(column.name for column in self.columns if column.is_required)


def _column(
    name: str,
    kind: Type,
    meaning: str,
    *flags: Literal["required", "counted", "past"],
    low: float | None = None,
) -> ColumnContract:
    return ColumnContract(
        name=name,
        type=kind,
        meaning=meaning,
        is_required="required" in flags,
        counts_missing="counted" in flags,
        has_happened="past" in flags,
        low=low,
    )


_SURVEYS = Contract(
    kind="surveys",
    row="one response",
    columns=(
        _column("customer_id", "id", "who answered; without it KPIs only", "counted"),
        _column("responded_at", "time", "when", "counted", "past"),
        _column("touchpoint", "text", "where in the journey it was asked"),
        _column("invitation_id", "id", "the invitation that it answers"),
        _column("agent", "text", "who served the customer"),
        _column("comment", "text", "the customer's words"),
    ),
    has_ratings=True,
    has_attributes=True,
)
_INVITATIONS = Contract(
    kind="invitations",
    row="one invitation",
    columns=(
        _column("customer_id", "id", "who was asked", "required"),
        _column("invited_at", "time", "when", "required", "past"),
        _column("invitation_id", "id", "the key by which answers name it"),
    ),
)
_CUSTOMERS = Contract(
    kind="customers",
    row="one customer, or with `valid_from` one version of a customer",
    columns=(
        _column("customer_id", "id", "who", "required", "counted"),
        _column("started_at", "time", "when the customer became one", "past"),
        _column("churned_at", "time", "when the customer left; it may lie ahead"),
        _column("valid_from", "time", "from when on the attributes hold"),
    ),
    unique="customer_id",
    unless="valid_from",
    order=(("started_at", "churned_at"),),
    has_attributes=True,
)
_CHURN = Contract(
    kind="churn",
    row="one churn event",
    columns=(
        _column("customer_id", "id", "who left", "required", "counted"),
        _column("churned_at", "time", "when; it may lie ahead", "required", "counted"),
    ),
)
_REVENUE = Contract(
    kind="revenue",
    row="one booking; a refund is negative",
    columns=(
        _column("customer_id", "id", "who paid", "required", "counted"),
        _column("booked_at", "time", "when", "required", "counted", "past"),
        _column("amount", "amount", "how much", "required", "counted"),
    ),
)
_SUBSCRIPTIONS = Contract(
    kind="subscriptions",
    row="one recurring amount over an interval",
    columns=(
        _column("customer_id", "id", "who pays", "required", "counted"),
        _column("started_at", "time", "its first day", "required", "counted"),
        _column("ended_at", "time", "the day after its last; missing where it goes on"),
        _column("monthly_amount", "amount", "per month", "required", "counted"),
    ),
    order=(("started_at", "ended_at"),),
)
_INTERACTIONS = Contract(
    kind="interactions",
    row="one contact, ticket, visit or delivery",
    columns=(
        _column("customer_id", "id", "who", "required"),
        _column("started_at", "time", "when it began", "required", "past"),
        _column("stage", "text", "stage of the journey"),
        _column("first_response_at", "time", "when the company first answered", "past"),
        _column("first_response_minutes", "number", "or how long that took", low=0),
        _column("resolved_at", "time", "when it was solved", "past"),
        _column("resolve_by", "time", "until when that was promised"),
        _column("issue", "id", "what makes two contacts the same issue"),
        _column("first_contact_resolution", "flag", "whether the first contact solved it"),
        _column("handle_seconds", "number", "time spent on it", low=0),
        _column("talk_seconds", "number", "or its part spent talking", low=0),
        _column("hold_seconds", "number", "on hold", low=0),
        _column("follow_up_seconds", "number", "and on work afterwards", low=0),
        _column("agent", "text", "who served the customer"),
    ),
    order=(
        ("started_at", "first_response_at"),
        ("started_at", "resolved_at"),
        ("started_at", "resolve_by"),
    ),
)
_OBSERVATIONS = Contract(
    kind="observations",
    row="one customer, already joined",
    columns=(
        _column("customer_id", "id", "who"),
        _column("responded_at", "time", "when the rating was given", "past"),
        _column("churned", "flag", "whether the customer left within the outcome window"),
        _column("revenue_after", "amount", "revenue in that window"),
        _column("revenue_before", "amount", "revenue in the window before"),
        _column("monthly_revenue", "amount", "revenue per month, for lifetime value"),
        _column("duration_months", "number", "from start to churn or `as_of`", low=0),
    ),
    has_ratings=True,
    has_controls=True,
)
CONTRACTS: Mapping[Kind, Contract] = {
    contract.kind: contract
    for contract in (
        _SURVEYS,
        _INVITATIONS,
        _CUSTOMERS,
        _CHURN,
        _REVENUE,
        _SUBSCRIPTIONS,
        _INTERACTIONS,
        _OBSERVATIONS,
    )
}
"""The contract of each kind of source."""
