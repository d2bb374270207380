"""What a source is: where its rows come from, and which of its columns is what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cxmodel.scales import Scale
from cxmodel.tables.contracts import CONTRACTS, Kind, Type

KINDS: tuple[Kind, ...] = tuple(CONTRACTS)

# The columns of each kind by the names of cxmodel.toml; what they hold decides how they are read.
REQUIRED: Mapping[str, tuple[str, ...]] = {k: c.required for k, c in CONTRACTS.items()}
OPTIONAL: Mapping[str, tuple[str, ...]] = {
    kind: contract.names[len(contract.required) :] for kind, contract in CONTRACTS.items()
}
TYPE_OF: Mapping[str, Type] = {
    column.name: column.type for contract in CONTRACTS.values() for column in contract.columns
}
"""How a column of this name is read, whatever the source."""
# Canonical name of each amount once it is whole units of money (see money.py).
AMOUNTS: Mapping[str, str] = {
    "amount": "amount_units",
    "monthly_amount": "monthly_units",
    "revenue_after": "revenue_after_units",
    "revenue_before": "revenue_before_units",
    "monthly_revenue": "monthly_revenue_units",
}


@dataclass(frozen=True)
class TableName:
    """A table by its name: one of ``[tables]``, or one that the engine has."""

    name: str


@dataclass(frozen=True)
class Query:
    """One SELECT over ``[tables]`` and the tables of the engine."""

    sql: str


@dataclass(frozen=True)
class TableFile:
    """A file named in ``[tables]``, with the sheet to take from an Excel file."""

    path: str
    sheet: str | None = None


@dataclass(frozen=True)
class RatingSpec:
    """The column that holds the answers to one question, and their scale."""

    column: str
    scale: Scale


@dataclass(frozen=True, kw_only=True, eq=False)
class SourceSpec:
    """Where the rows of a source come from, and which of its columns is what.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    label : str
        How messages call it, for example ``"sources.surveys"``. Default: from `kind`.
    data : path, frame, Ibis table, TableName or Query
        Where the rows come from. A path may be a glob, relative to the `base_dir` of opening.
    columns : mapping of str to str
        cxmodel's name of a column -> the user's. A column of the same name needs no entry.
    ratings : mapping of str to RatingSpec
        Key of a question -> its column and scale.
    attributes : tuple of str
        Further columns to carry under their own names (surveys, customers).
    if_there : tuple of str
        Columns to carry where the source has them, as `attributes` are (in a joined table, as
        `controls` are).
    controls : tuple of str, optional
        Controls offered by a table already joined; None: every column not mapped and not ignored.
    ignore : tuple of str
        Columns of a table already joined that are no controls.
    touchpoints : tuple of str
        Keys of ratings that stand for touchpoints.
    date_format : tuple of str
        Formats of text dates; each value must match exactly one.
    time_zone : str, optional
        IANA name of the zone of times that have none; None where nobody said, which is UTC.
    sheet : str, optional
        Sheet of an Excel file.
    """

    kind: Kind
    data: Any
    label: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)
    ratings: Mapping[str, RatingSpec] = field(default_factory=dict)
    attributes: tuple[str, ...] = ()
    if_there: tuple[str, ...] = ()
    controls: tuple[str, ...] | None = None
    ignore: tuple[str, ...] = ()
    touchpoints: tuple[str, ...] = ()
    date_format: tuple[str, ...] = ()
    time_zone: str | None = None
    sheet: str | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}, not {self.kind!r}.")
        if not self.label:
            object.__setattr__(self, "label", f"sources.{self.kind}")
