"""Turn each column as it came into cxmodel's type, and say what would be wrong with it.

Nothing is computed here: a `Column` holds expressions. `one_pass.py` evaluates every condition of
a table in one query.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from cxmodel.errors import CxModelError, ScaleError, SchemaError
from cxmodel.scales import Scale
from cxmodel.tables.contracts import MAX_UNITS
from cxmodel.tables.engines.functions import fraction, is_finite, number_of
from cxmodel.tables.opening.advice import amount_advice
from cxmodel.tables.opening.money import to_units

if TYPE_CHECKING:
    import ibis.expr.types as ir

Explain = Callable[[int, Any, int | None], CxModelError]
_HIGHEST_ANSWER = 20
_TRUE, _FALSE = ("true", "yes", "y", "t", "1", "1.0"), ("false", "no", "n", "f", "0", "0.0")


@dataclass(frozen=True)
class Problem:
    """A condition under which a value cannot be used.

    Parameters
    ----------
    bad : boolean expression
        Where it holds (null counts as no).
    shown : expression
        What to show of the first row in which it holds.
    explain : callable
        Makes the error from the number of such rows, the first value and its row; the row is None
        where the rows of a table have no order.
    explain_with : callable, optional
        Makes ``explain`` from the facts of the column, where the advice depends on all its values.
    only_if : callable, optional
        Says from the facts of the column whether it is a problem at all.
    """

    bad: ir.BooleanValue
    shown: ir.Value
    explain: Explain
    explain_with: Callable[[Mapping[str, Any]], Explain] | None = None
    only_if: Callable[[Mapping[str, Any]], bool] | None = None


@dataclass(frozen=True)
class Note:
    """A condition that is worth a warning.

    Parameters
    ----------
    holds : boolean expression
        Where it holds (null counts as no).
    say : callable
        Makes the sentence from the number of such rows and the facts of every column.
    """

    holds: ir.BooleanValue
    say: Callable[[int, Mapping[str, Mapping[str, Any]]], str]


def first(value: str, row: int | None) -> str:
    """Name the first of several values for a message, with its row where rows have an order.

    Examples
    --------
    >>> first("11", 1203), first("11", None)
    ('first: 11, row 1,203', 'first: 11')
    """
    return f"first: {value}" if row is None else f"first: {value}, row {row:,}"


@dataclass(frozen=True)
class Column:
    """A column under cxmodel's name and type.

    Parameters
    ----------
    value : expression
        The value; null where it is missing or cannot be used.
    problems : tuple of Problem
        What would make the source unusable.
    facts : mapping of str to expression
        Aggregates to take along in the same query.
    is_costly : bool
        Whether the value was parsed, so that it is better kept than computed again.
    """

    value: ir.Value
    problems: tuple[Problem, ...] = ()
    facts: Mapping[str, ir.Scalar] = field(default_factory=dict)
    is_costly: bool = False


@dataclass(frozen=True)
class Where:
    """Names for messages: the source, cxmodel's name of the column, the user's."""

    label: str
    name: str
    column: str

    def __str__(self) -> str:
        if self.name == self.column:
            return f"{self.label}.{self.name}"
        return f"{self.label}.{self.name} (column {self.column!r})"


def count_if(condition: ir.BooleanValue) -> ir.IntegerScalar:
    """Count the rows where a condition holds."""
    return condition.fill_null(False).ifelse(1, 0).sum().fill_null(0)


def clean_text(value: ir.Value) -> ir.StringValue:
    """Give any column as text: whole numbers without a point, blank text as missing."""
    kind = value.type()
    if kind.is_string():
        return value.strip().nullif("")
    if kind.is_floating() or kind.is_decimal():
        number = value.cast("float64")
        is_whole = (number.abs() < 1e15).ifelse(fraction(number) == 0, False)
        # Only whole numbers reach the cast to integer: the others would stop an engine.
        whole = is_whole.ifelse(number, 0.0).cast("int64").cast("string")
        return is_whole.ifelse(whole, value.cast("string"))
    return value.cast("string")


def is_unread(value: ir.Value, text: ir.StringValue) -> ir.BooleanValue:
    """Say where text that is more than blanks gave no value."""
    import ibis

    # A CASE, as engines compute both sides of an "and" but only the branch that is taken.
    return ibis.cases((value.notnull() | text.isnull(), False), else_=text.strip() != "")


def _no_nan(number: ir.Value) -> ir.FloatingValue:
    import ibis

    number = number.cast("float64")
    return number.isnan().ifelse(ibis.null("float64"), number)


# -- Ids, texts, numbers, flags --------------------------------------------------------------------


def read_id(value: ir.Value) -> Column:
    """Read a key: kept exactly as it stands, empty text is missing."""
    key = value.nullif("") if value.type().is_string() else clean_text(value)
    return Column(key, facts={"n_missing": count_if(key.isnull())})


def read_text(value: ir.Value) -> Column:
    """Read words; blank is missing."""
    if value.type().is_string():
        return Column((value.strip() == "").ifelse(value.nullif(value), value))
    return Column(clean_text(value))


def read_plain_number(value: ir.Value, where: Where) -> Column:
    """Read a number that is no money."""
    kind = value.type()
    if kind.is_string():
        number = number_of(value)
        return Column(number, (Problem(is_unread(number, value), value, _text_for_number(where)),))
    if not (kind.is_numeric() or kind.is_boolean()):
        raise SchemaError(f"{where} must hold numbers, but is of type {kind}.")
    number = _no_nan(value.ifelse(1, 0) if kind.is_boolean() else value)
    return Column(number, (Problem(~is_finite(number), number, _text_for_number(where)),))


def _text_for_number(where: Where) -> Explain:
    def explain(n: int, value: Any, row: int | None) -> CxModelError:
        return SchemaError(
            f"{where} holds {n:,} value(s) that are no number ({first(repr(value), row)}). "
            "Clean them, or leave them blank if they are unknown."
        )

    return explain


def read_flag(value: ir.Value, where: Where) -> Column:
    """Read true/false, yes/no, 1/0, whatever the case of the letters."""
    if value.type().is_boolean():
        return Column(value)
    import ibis

    word = clean_text(value).lower()
    flag = ibis.cases((word.isin(_TRUE), True), (word.isin(_FALSE), False), else_=None)

    def explain(n: int, shown: Any, row: int | None) -> CxModelError:
        return SchemaError(
            f"{where} holds {n:,} value(s) that are neither true/false, yes/no nor 1/0 "
            f"({first(repr(shown), row)}). Recode them, or leave them blank if unknown."
        )

    return Column(flag, (Problem(word.notnull() & flag.isnull(), word, explain),))


# -- Ratings ---------------------------------------------------------------------------------------


def read_rating(value: ir.Value, where: Where, scale: Scale) -> Column:
    """Read the answers to one question on their scale; "not applicable" is missing."""
    import ibis

    if scale.levels:
        return _read_levels(value, where, scale)
    kind = value.type()
    problems: list[Problem] = []
    if kind.is_string():
        number = number_of(value)
        problems.append(Problem(is_unread(number, value), value, _text_rating(where)))
    elif kind.is_numeric() or kind.is_boolean():
        number = _no_nan(value.ifelse(1, 0) if kind.is_boolean() else value)
    else:
        raise SchemaError(f"{where} must hold ratings, but is of type {kind}.")
    for code in scale.not_applicable:
        number = (number == float(code)).ifelse(ibis.null("float64"), number)
    is_outside = (number < scale.low) | (number > scale.high)
    is_between = is_outside.ifelse(False, fraction(number) != 0)
    outside = partial(_outside, where, scale)
    problems.append(Problem(is_outside, number, outside({}), outside))
    problems.append(Problem(is_between, number, _not_whole(where, scale)))
    facts = {"n": number.count(), "low": number.min(), "high": number.max()}
    return Column(number, tuple(problems), facts)


def scale_words(scale: Scale) -> str:
    """Name a scale with its range.

    Examples
    --------
    >>> from cxmodel.scales import NPS
    >>> scale_words(NPS)
    'NPS 0-10'
    """
    name = scale.name.upper() if scale.name in ("nps", "csat5", "csat7", "ces7") else scale.name
    return f"{name} {scale.low}-{scale.high}"


def _outside(where: Where, scale: Scale, facts: Mapping[str, Any]) -> Explain:
    def explain(n: int, value: Any, row: int | None) -> CxModelError:
        low, high = facts.get("low"), facts.get("high")
        hint = _scale_advice(
            scale,
            low=value if low is None else low,
            high=value if high is None else high,
            first=value,
        )
        lie = "rating lies" if n == 1 else "ratings lie"
        return ScaleError(
            f"{n:,} {lie} outside {scale_words(scale)} ({first(f'{value:g}', row)}) "
            f"in {where}. Drop them, {hint}."
        )

    return explain


def _scale_advice(scale: Scale, *, low: float, high: float, first: float) -> str:
    """Say which scale the ratings may have, from the lowest and the highest of them all."""
    is_satisfaction = scale.name in ("csat5", "csat7")
    if is_satisfaction and low >= 0 and 7 < high <= 10:
        return 'or declare the scale: scale = "nps"'
    if is_satisfaction and low >= 1 and high <= 7:
        return 'or declare the scale: scale = "csat7"'
    # a far value (-1, 99) or a 0 below the scale is rather a code than an answer
    if low < 0 or high > _HIGHEST_ANSWER or high <= scale.high:
        return f'or, if {first:g} means "not applicable", write not_applicable = [{first:g}]'
    bottom, top = min(int(low), 1), math.ceil(high)
    if scale.higher_is_better:
        box = f"top_box = {top - 1}"
    else:
        box = f"top_box = {bottom + 1}, higher_is_better = false"
    return f"or declare the scale: {{ low = {bottom}, high = {top}, {box} }}"


def _not_whole(where: Where, scale: Scale) -> Explain:
    def explain(n: int, value: Any, row: int | None) -> CxModelError:
        return ScaleError(
            f"{n:,} rating(s) are no whole number of {scale_words(scale)} "
            f"({first(f'{value:g}', row)}) in {where}. A rating is one customer's answer to one "
            "question: take the answers, not their means."
        )

    return explain


def _text_rating(where: Where) -> Explain:
    def explain(n: int, value: Any, row: int | None) -> CxModelError:
        return SchemaError(
            f"{where} holds {n:,} rating(s) that are text ({first(repr(value), row)}). "
            "Leave them blank if they are no answer, or give their order: "
            'levels = ["worst", ..., "best"].'
        )

    return explain


def _read_levels(value: Any, where: Where, scale: Scale) -> Column:
    import ibis

    word = clean_text(value)
    ranks = [(word == level.strip(), float(i)) for i, level in enumerate(scale.levels, start=1)]
    rank = ibis.cases(*ranks, else_=ibis.null("float64"))
    for code in scale.not_applicable:
        word = (word == str(code)).ifelse(ibis.null("string"), word)

    def explain(n: int, shown: Any, row: int | None) -> CxModelError:
        return ScaleError(
            f"{n:,} rating(s) are none of the levels of {where} ({first(repr(shown), row)}). "
            f"Levels: {', '.join(map(repr, scale.levels))}. Add it in its place, worst first, or "
            "leave it blank."
        )

    problem = Problem(word.notnull() & rank.isnull(), word, explain)
    return Column(rank, (problem,), {"n": rank.count(), "low": rank.min(), "high": rank.max()})


# -- Money -----------------------------------------------------------------------------------------


def read_amount(value: ir.Value, where: Where, digits: int) -> Column:
    """Read an amount as whole units of money."""
    kind = value.type()
    if kind.is_boolean() or not (kind.is_numeric() or kind.is_string()):
        raise SchemaError(f"{where} must hold amounts, but is of type {kind}.")
    units = to_units(value, digits)
    problems = [Problem(units.is_too_large, value, _too_large(where, digits))]
    if units.is_text is not None:
        problems.append(Problem(units.is_text, value, _text_amount(where)))
    if units.is_not_finite is not None:
        problems.append(Problem(units.is_not_finite, value, _not_finite(where)))
    facts = {
        "total_units": units.units.cast("decimal(38, 0)").sum(),
        "rounding": units.rounding.sum(),
        "n_missing": count_if(units.units.isnull()),
        "n_negative": count_if(units.is_negative),
    }
    return Column(units.units, tuple(problems), facts, is_costly=not kind.is_integer())


def _text_amount(where: Where) -> Explain:
    def explain(n: int, value: Any, row: int | None) -> CxModelError:
        text = str(value)
        return SchemaError(
            f"{where} holds {n:,} amount(s) that are text ({first(repr(text), row)}). "
            f"{amount_advice(text)}"
        )

    return explain


def _not_finite(where: Where) -> Explain:
    def explain(n: int, value: Any, row: int | None) -> CxModelError:
        return SchemaError(
            f"{where} holds {n:,} amount(s) that are NaN or infinite "
            f"({first(str(value), row)}). Mend the division that made them, or leave them blank."
        )

    return explain


def _too_large(where: Where, digits: int) -> Explain:
    def explain(n: int, value: Any, row: int | None) -> CxModelError:
        return SchemaError(
            f"{where} holds {n:,} amount(s) beyond {MAX_UNITS / 10**digits:.0e} "
            f"({first(str(value), row)}). Is it another column?"
        )

    return explain
