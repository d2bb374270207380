"""Attributes and controls: columns that keep their own names, as numbers or as words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cxmodel.tables.engines.functions import is_finite, number_of
from cxmodel.tables.opening.convert import Column, count_if, read_text
from cxmodel.tables.times.text_times import ISO_8601

if TYPE_CHECKING:
    import ibis.expr.types as ir


def sniffed(value: ir.Value) -> Column:
    """Ask what an attribute holds: how many values, how many of them numbers, or ISO dates."""
    facts: dict[str, Any] = {"n": value.count(), "n_levels": value.nunique()}
    kind = value.type()
    if kind.is_string():
        text = value.strip().nullif("")
        facts["n"] = text.count()
        facts["n_levels"] = text.nunique()
        facts["n_numbers"] = number_of(text).count()
        facts["n_dates"] = count_if(text.re_search(ISO_8601))
    elif kind.is_floating():
        facts["n_infinite"] = count_if(~is_finite(value) & ~value.isnan())
    return Column(value, facts=facts)


def settled(value: ir.Value, facts: Mapping[str, Any]) -> ir.Value:
    """Give an attribute its type, now that every value has been seen.

    Numbers, and text that reads as numbers apart from blanks, become float64, anything else words:
    truth values ``true`` and ``false``, times ISO 8601.
    """
    import ibis

    kind = value.type()
    if kind.is_string():
        if facts["n"] and facts["n_numbers"] == facts["n"]:
            return number_of(value.strip().nullif(""))
        return read_text(value).value
    if kind.is_boolean():
        return ibis.cases((value, "true"), (~value, "false"), else_=None)
    if kind.is_numeric():
        number = value.cast("float64")
        return is_finite(number).ifelse(number, ibis.null("float64"))
    return value.cast("string")


def is_dated(value: ir.Value, facts: Mapping[str, Any]) -> bool:
    """Say whether an attribute holds dates, which may lie after the response."""
    kind = value.type()
    if kind.is_string():
        return bool(facts["n"]) and facts["n_dates"] == facts["n"]
    return bool(kind.is_timestamp() or kind.is_date())
