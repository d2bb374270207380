"""A churn probability as an Ibis expression: computed where the table lies, no row taken out.

Blanks around words are those of ASCII; text in a column of numbers that is no number counts as
missing, since an expression cannot refuse a row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from operator import add, or_
from typing import TYPE_CHECKING, Any

import numpy as np

from cxmodel.errors import SchemaError, nearest
from cxmodel.models.churn.features import Feature
from cxmodel.models.churn.profile import SCORE, NumberProfile, WordProfile
from cxmodel.models.churn.stored_scores import LinearScores, StoredCalibration
from cxmodel.models.leaks import MISSING, TOO_LARGE
from cxmodel.tables.engines.functions import is_finite, number_of
from cxmodel.tables.joining.columns import as_stated

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from cxmodel.models.churn.stored import StoredChurnModel

UNSEEN, FILLED = "has_unseen_level", "has_filled_value"
# Beyond it PostgreSQL refuses exp(); a probability there is 0 or 1 to 300 places.
_FARTHEST = 700.0
_BLANKS = r"^[ \t\r\n\f\v]+|[ \t\r\n\f\v]+$"


def scored_table(model: StoredChurnModel, table: ir.Table) -> ir.Table:
    """Add the probability, and what was unseen or filled, to a table on an engine.

    Raises
    ------
    SchemaError
        If a column is missing or of the wrong kind, or one of ours is there already.
    ValueError
        If the model is of trees.
    """
    if not isinstance(model.scores, LinearScores):
        raise ValueError(
            "Boosted trees are no expression: score in batches with `cxmodel score` or predict."
        )
    _refuse_taken(table)
    read = read_columns(model, table)
    columns = [_Column(part, f"cx_{i}", model) for i, part in enumerate(model.features.parts)]
    terms = np.split(np.arange(len(model.features.terms)), _ends(model))
    parts = [
        column.linear(read, model.scores, places)
        for column, places in zip(columns, terms, strict=False)
    ]
    scored = read.select(
        *table.columns,
        **{
            UNSEEN: _any([column.unseen(read) for column in columns]),
            FILLED: _any([column.filled(read) for column in columns]),
            "cx_score": reduce(add, parts, number(model.scores.intercept)),
        },
    )
    prob = _prob(scored["cx_score"], model.calibration)
    return scored.select(*table.columns, UNSEEN, FILLED, **{SCORE: prob})


def read_columns(model: StoredChurnModel, table: ir.Table) -> ir.Table:
    """Read the columns of a model as numbers and words under names of ours: ``cx_0``, ``cx_1``...

    Raises
    ------
    SchemaError
        If a column is missing or of the wrong kind.
    """
    public = {name: given for given, name in model.public_names(table.columns).items()}
    values = {}
    for i, part in enumerate(model.features.parts):
        name = public.get(part.name, part.name)
        if name not in table.columns:
            raise SchemaError(
                f"The table has no column {name!r}, which the model was fitted with. "
                f"{nearest(name, table.columns)}"
            )
        read = _as_number(table[name], part) if part.is_number else _as_word(table[name], name)
        values[f"cx_{i}"] = read
    return table.mutate(**values)


def class_counts(model: StoredChurnModel, table: ir.Table) -> dict[str, ir.IntegerScalar]:
    """Count the rows of each class of the profile: names ``<place of the column>_<class>``.

    Parameters
    ----------
    model : StoredChurnModel
    table : ibis table
        What `read_columns` gives.
    """
    found: dict[str, Any] = {}
    for i, part in enumerate(model.features.parts):
        value, seen = table[f"cx_{i}"], model.profile.columns[part.name]
        tests = _classes_of(value, seen)
        found |= {f"{i}_{k}": test.fill_null(False).sum() for k, test in enumerate(tests)}
    return found


def _classes_of(value: Any, seen: NumberProfile | WordProfile) -> list[Any]:
    if isinstance(seen, WordProfile):
        known = [value == level for level in seen.levels]
        return [*known, ~value.isin(seen.levels) if seen.levels else value.notnull()]
    edges = [number(edge) for edge in seen.edges]
    tests = []
    for i in range(len(edges) + 1):
        test = value.notnull()
        if i:
            test &= value > edges[i - 1]
        if i < len(edges):
            test &= value <= edges[i]
        tests.append(test)
    if len(seen.counts) > len(tests):
        return [*tests, value.isnull()]
    return [tests[0].fill_null(False) | value.isnull(), *tests[1:]]


def number(value: float) -> Any:
    """Write a number that every engine reads as this very double.

    As text: DuckDB and Spark take bare figures for a decimal, and lose the last digit on the way.
    """
    import ibis

    return as_stated(ibis.literal(repr(float(value)), "string").cast("float64"))


def _refuse_taken(table: ir.Table) -> None:
    taken = [n for n in table.columns if n in (SCORE, UNSEEN, FILLED) or n.startswith("cx_")]
    if taken:
        raise SchemaError(f"The table has the column {taken[0]!r} already. Rename or drop it.")


def _ends(model: StoredChurnModel) -> list[int]:
    ends = np.cumsum([len(part.terms) for part in model.features.parts])
    return [int(end) for end in ends[:-1]]


def _any(tests: list[Any]) -> Any:
    import ibis

    return reduce(or_, tests, ibis.literal(False))


# -- Columns -------------------------------------------------------------------------------------


def _as_number(value: Any, part: Feature) -> Any:
    import ibis

    kind = value.type()
    if kind.is_boolean():
        found = value.ifelse(number(1.0), number(0.0))
        found = value.isnull().ifelse(ibis.null("float64"), found)
    elif kind.is_string():
        found = number_of(value.re_replace(_BLANKS, "").nullif(""))
    elif kind.is_numeric():
        found = as_stated(value.cast("float64"))
    else:
        raise wrong_kind(part.name, "numbers", str(kind))
    is_usable = is_finite(found) & (found.abs() < number(TOO_LARGE))
    found = is_usable.ifelse(found, ibis.null("float64"))
    if np.isfinite(part.cap):
        found = (found > number(part.cap)).ifelse(number(part.cap), found)
    return found


def _as_word(value: Any, name: str) -> Any:
    """Read words, stripped; flags are the words true and false, as in a study."""
    if value.type().is_boolean():
        value = value.ifelse("true", "false")
    if not value.type().is_string():
        raise wrong_kind(name, "words", str(value.type()))
    return value.re_replace(_BLANKS, "").nullif("").fill_null(MISSING)


def wrong_kind(name: str, then: str, now: str) -> SchemaError:
    """Say that a column holds another kind of values than at the fit."""
    advice = "Write it as text." if then == "words" else "Write it as numbers."
    return SchemaError(f"Column {name!r} held {then} at the fit and holds {now} now. {advice}")


@dataclass(frozen=True, eq=False)
class _Column:
    """One column of the model on the engine, under a name of ours."""

    part: Feature
    name: str
    model: StoredChurnModel

    @property
    def _known(self) -> tuple[str, ...]:
        seen = self.model.profile.columns[self.part.name]
        return (*seen.known, *self.part.levels) if isinstance(seen, WordProfile) else ()

    def unseen(self, table: ir.Table) -> Any:
        """Say where the level is none that the model learnt about."""
        import ibis

        if self.part.is_number:
            return ibis.literal(False)
        return ~table[self.name].isin(list(dict.fromkeys([*self._known, MISSING])))

    def filled(self, table: ir.Table) -> Any:
        """Say where something stands for a missing value."""
        import ibis

        if self.part.is_number:
            return table[self.name].isnull()
        if MISSING in self._known:
            return ibis.literal(False)
        return table[self.name] == MISSING

    def linear(self, table: ir.Table, scores: LinearScores, places: Any) -> Any:
        """Add up what its terms bring to the score."""
        import ibis

        value, part = table[self.name], self.part
        if part.is_number:
            filled = ibis.coalesce(value, number(part.fill))
            found = _term(filled, scores, places[0])
            if part.has_missing:
                flag = value.isnull().ifelse(number(1.0), number(0.0))
                found = found + _term(flag, scores, places[1])
            return found
        absent, steps = 0.0, []
        for level, place in zip(part.levels, places, strict=True):
            weight = scores.coefficients[place] / scores.scale[place]
            absent -= weight * scores.mean[place]
            steps.append((value == level, number(weight)))
        return ibis.cases(*steps, else_=number(0.0)) + number(absent)


def _term(value: Any, scores: LinearScores, place: int) -> Any:
    standard = (value - number(scores.mean[place])) / number(scores.scale[place])
    return standard * number(scores.coefficients[place])


# -- Calibration ---------------------------------------------------------------------------------


def _prob(score: Any, calibration: StoredCalibration) -> Any:
    import ibis

    if calibration.steps is None or calibration.probs is None:
        line = score * number(calibration.slope) + number(calibration.intercept)
        line = ibis.least(ibis.greatest(line, number(-_FARTHEST)), number(_FARTHEST))
        return number(1.0) / (number(1.0) + (-line).exp())
    return _interpolated(score, dict(zip(calibration.steps, calibration.probs, strict=True)))


def _interpolated(score: Any, points: Mapping[float, float]) -> Any:
    """Draw straight lines between points, level beyond them, as numpy.interp does."""
    import ibis

    steps, probs = list(points), list(points.values())
    found = [(score <= number(steps[0]), number(probs[0]))]
    for i in range(1, len(steps)):
        slope = (probs[i] - probs[i - 1]) / (steps[i] - steps[i - 1])
        line = (score - number(steps[i - 1])) * number(slope) + number(probs[i - 1])
        value = line if slope else number(probs[i])
        found.append((score < number(steps[i]), value))
    return ibis.cases(*found, else_=number(probs[-1]))
