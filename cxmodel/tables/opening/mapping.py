"""Find the user's columns of a source, and say what to write where one is missing."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from cxmodel.errors import CxModelError, SchemaError
from cxmodel.tables.opening.files import OpenTable
from cxmodel.tables.specs import OPTIONAL, REQUIRED, SourceSpec

_SHOWN_COLUMNS = 30
# Words by which columns of each kind are often called, for suggestions only.
_USUAL = {
    "rating": r"score|rating|nps|csat|ces|recommend|satisf|effort|^q\d",
    "amount": r"amount|value|price|total|revenue|paid|mrr|sales",
    "customer_id": r"cust|client|account|user|person|member|^id$",
    "at": r"date|time|_at$|day|created|when",
}


@dataclass(frozen=True, eq=False)
class Mapped:
    """Which of the user's columns is what.

    Parameters
    ----------
    columns : dict of str to str
        cxmodel's name -> the user's.
    ratings : dict of str to str
        Key -> the user's column.
    carried : tuple of str
        Attributes and controls: the user's own names.
    left_out : dict of str to str
        Columns of a joined table that cannot be carried -> why.
    """

    columns: dict[str, str]
    ratings: dict[str, str]
    carried: tuple[str, ...]
    left_out: dict[str, str]


def map_columns(
    spec: SourceSpec, opened: OpenTable, reserved: Iterable[str]
) -> tuple[Mapped, list[CxModelError]]:
    """Find every column that a source maps; every one that is missing is an error of its own.

    Parameters
    ----------
    spec : SourceSpec
        The source.
    opened : OpenTable
        Its table.
    reserved : iterable of str
        Names that the observation table needs itself.
    """
    found = list(opened.names)
    taken = {spec.columns.get(name, name) for name in _names(spec)} | {
        rating.column for rating in spec.ratings.values()
    }
    free = [name for name in found if name not in taken]
    errors: list[CxModelError] = []

    def look(column: str, line: str, role: str) -> bool:
        if column in opened.names:
            return True
        errors.append(
            SchemaError(_no_column(spec.label, column, found, free, line, role) + opened.hint)
        )
        return False

    columns = {}
    for name in _names(spec):
        column = spec.columns.get(name, name)
        is_wanted = name in REQUIRED[spec.kind] or name in spec.columns
        is_there = column in opened.names and column not in spec.ignore
        if look(column, name, name) if is_wanted else is_there:
            columns[name] = column
    ratings = {
        key: rating.column
        for key, rating in spec.ratings.items()
        if look(rating.column, f"ratings.{key}.column", "rating")
    }
    for name in (*spec.attributes, *(spec.controls or ())):
        look(name, "", "attribute")
    errors.extend(_own_names(spec))
    carried, left_out = _carried(spec, opened, columns, ratings, set(reserved))
    return Mapped(columns, ratings, carried, left_out), errors


def _own_names(spec: SourceSpec) -> list[CxModelError]:
    """Refuse attributes called as one of the columns that this kind of source maps.

    Engines do not tell capitals from small letters.
    """
    ours = {*_names(spec), "row_number", *(f"rating_{key.lower()}" for key in spec.ratings)}
    taken = [name for name in spec.attributes if name.lower() in ours]
    return [SchemaError(name_is_taken(spec.label, name)) for name in taken]


def name_is_taken(label: str, name: str) -> str:
    """Say that an attribute needs another name, and how to give it one."""
    return (
        f"{label}: the attribute {name!r} has a name that the observation table needs. "
        f'Rename it by sql: SELECT ..., "{name}" AS my_{name.strip("_")} FROM ...'
    )


def _names(spec: SourceSpec) -> tuple[str, ...]:
    return (*REQUIRED[spec.kind], *OPTIONAL[spec.kind])


def _carried(
    spec: SourceSpec,
    opened: OpenTable,
    columns: dict[str, str],
    ratings: dict[str, str],
    reserved: set[str],
) -> tuple[tuple[str, ...], dict[str, str]]:
    """List the columns kept under their own names, and those of a joined table that cannot be."""
    named = [name for name in (*spec.attributes, *(spec.controls or ())) if name in opened.names]
    used = {*columns.values(), *ratings.values(), *spec.ignore}
    named += [name for name in spec.if_there if name in opened.names and name not in used]
    if spec.kind != "observations":
        return tuple(dict.fromkeys(named)), {}
    offered = named if spec.controls is not None else [n for n in opened.names if n not in used]
    ours = {name.lower() for name in (*columns, *reserved)}
    carried: list[str] = []
    left_out: dict[str, str] = {}
    for name in dict.fromkeys(offered):
        if name.lower() in ours or name.startswith(("_", "rating_")):
            left_out[name] = "its name is one that the observation table uses itself"
        elif name.lower() in {other.lower() for other in carried}:
            left_out[name] = "its name differs from another column's only by capitals"
        else:
            carried.append(name)
    return tuple(carried), left_out


def _no_column(
    label: str, column: str, found: list[str], free: list[str], line: str, role: str
) -> str:
    shown = ", ".join(found[:_SHOWN_COLUMNS])
    more = len(found) - _SHOWN_COLUMNS
    listed = f"{shown} and {more} more" if more > 0 else shown
    best = _suggest(column, free or found, role)
    if not line:
        hint = f"Did you mean {best!r}?" if best else "Take it out of the list, or add the column."
    else:
        hint = f'Map it: {line} = "{best or "..."}".'
    return f"{label} has no column {column!r}. Found: {listed}. {hint}"


def _suggest(column: str, free: list[str], role: str) -> str | None:
    """Guess which column was meant: the most alike by its letters, else one of its kind."""

    def likeness(name: str) -> float:
        return SequenceMatcher(None, column.lower(), name.lower()).ratio()

    best = max(free, key=likeness, default=None)
    if best is not None and likeness(best) >= 0.6:
        return best
    role = "at" if role.endswith(("_at", "_from", "_by")) else role
    usual = _USUAL.get("amount" if role in ("monthly_amount", "monthly_revenue") else role)
    if usual is not None:
        likely = [name for name in free if re.search(usual, name, re.IGNORECASE)]
        if likely:
            return likely[0]
    return free[0] if len(free) == 1 else None


def select_mapped(opened: OpenTable, mapped: Mapped, renamed: dict[str, str]) -> Any:
    """Take the mapped columns as they came, under names of cxmodel's, and what orders the rows."""
    table = opened.table
    mapped_columns = {ours: table[opened.names[column]] for ours, column in renamed.items()}
    return table.select(*(opened.order or ()), **mapped_columns)
