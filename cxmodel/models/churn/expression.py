"""A churn probability as an Ibis expression: computed where the table lies, no row taken out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from operator import add, or_
from typing import TYPE_CHECKING, Any

import numpy as np

from cxmodel.errors import SchemaError, nearest
from cxmodel.models.churn.features import Feature, Limits
from cxmodel.models.churn.profile import SCORE
from cxmodel.models.churn.stored_scores import LinearScores, StoredCalibration
from cxmodel.models.engine_columns import as_number, as_word, class_tests, within
from cxmodel.models.leaks import MISSING
from cxmodel.models.profile import WordProfile
from cxmodel.tables.joining.columns import exact

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from cxmodel.models.churn.stored import StoredChurnModel

UNSEEN, FILLED = "has_unseen_level", "has_filled_value"
# Beyond it PostgreSQL refuses exp(); a probability there is 0 or 1 to 300 places.
_FARTHEST = 700.0


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
            "cx_score": reduce(add, parts, exact(model.scores.intercept)),
        },
    )
    prob = _prob(scored["cx_score"], model.calibration)
    return scored.select(*table.columns, UNSEEN, FILLED, **{SCORE: prob})


def read_columns(model: StoredChurnModel, table: ir.Table) -> ir.Table:
    """Read the columns of a model as numbers and words under names of ours: ``cx_0``, ``cx_1``...

    ``cx_0_off`` and so on say where a rating lies outside its scale; it counts as missing.

    Raises
    ------
    SchemaError
        If a column is missing or of the wrong kind.
    """
    public = {name: given for given, name in model.public_names(table.columns).items()}
    values: dict[str, Any] = {}
    for i, part in enumerate(model.features.parts):
        name = public.get(part.name, part.name)
        if name not in table.columns:
            raise SchemaError(
                f"The table has no column {name!r}, which the model was fitted with. "
                f"{nearest(name, table.columns)}"
            )
        if part.is_number:
            values |= _number(as_number(table[name], name), part.limits, f"cx_{i}")
        else:
            values[f"cx_{i}"] = as_word(table[name], name)
    return table.mutate(**values)


def class_counts(model: StoredChurnModel, table: ir.Table) -> dict[str, ir.IntegerScalar]:
    """Count the rows of each class of the profile: names ``<place of the column>_<class>``.

    And those off their scale: ``<place of the column>_off``.

    Parameters
    ----------
    model : StoredChurnModel
    table : ibis table
        What `read_columns` gives.
    """
    found: dict[str, Any] = {}
    for i, part in enumerate(model.features.parts):
        value, seen = table[f"cx_{i}"], model.profile.columns[part.name]
        tests: dict[Any, Any] = dict(enumerate(class_tests(value, seen)))
        if part.limits.is_scale:
            tests["off"] = table[f"cx_{i}_off"]
        found |= {f"{i}_{k}": test.fill_null(False).sum() for k, test in tests.items()}
    return found


def _number(value: Any, limits: Limits, name: str) -> dict[str, Any]:
    """Write a column of numbers as its feature reads it, and where it is off its scale."""
    found = {}
    if limits.is_scale:
        found[f"{name}_off"], value = within(value, limits.scale)
    if np.isfinite(limits.cap):
        value = (value > exact(limits.cap)).ifelse(exact(limits.cap), value)
    return {**found, name: value}


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
            filled = ibis.coalesce(value, exact(part.fill))
            found = _term(filled, scores, places[0])
            if part.has_missing:
                flag = value.isnull().ifelse(exact(1.0), exact(0.0))
                found = found + _term(flag, scores, places[1])
            return found
        absent, steps = 0.0, []
        for level, place in zip(part.levels, places, strict=True):
            weight = scores.coefficients[place] / scores.scale[place]
            absent -= weight * scores.mean[place]
            steps.append((value == level, exact(weight)))
        return ibis.cases(*steps, else_=exact(0.0)) + exact(absent)


def _term(value: Any, scores: LinearScores, place: int) -> Any:
    standard = (value - exact(scores.mean[place])) / exact(scores.scale[place])
    return standard * exact(scores.coefficients[place])


# -- Calibration ---------------------------------------------------------------------------------


def _prob(score: Any, calibration: StoredCalibration) -> Any:
    import ibis

    if calibration.steps is None or calibration.probs is None:
        line = score * exact(calibration.slope) + exact(calibration.intercept)
        line = ibis.least(ibis.greatest(line, exact(-_FARTHEST)), exact(_FARTHEST))
        return exact(1.0) / (exact(1.0) + (-line).exp())
    return _interpolated(score, dict(zip(calibration.steps, calibration.probs, strict=True)))


def _interpolated(score: Any, points: Mapping[float, float]) -> Any:
    """Draw straight lines between points, level beyond them, as numpy.interp does."""
    import ibis

    steps, probs = list(points), list(points.values())
    found = [(score <= exact(steps[0]), exact(probs[0]))]
    for i in range(1, len(steps)):
        slope = (probs[i] - probs[i - 1]) / (steps[i] - steps[i - 1])
        line = (score - exact(steps[i - 1])) * exact(slope) + exact(probs[i - 1])
        value = line if slope else exact(probs[i])
        found.append((score < exact(steps[i]), value))
    return ibis.cases(*found, else_=exact(probs[-1]))
