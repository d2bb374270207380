"""How an engine computes the columns of a design centred and scaled.

A solver needs columns near zero and near one: an epoch timestamp beside an intercept leaves no
digit to cross-products. So every column is taken off its mean, exactly, and divided by a power of
two, which rounds nothing. ``own = centre + scale * standard`` is the way back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cxmodel.tables.reduction import exact_sums
from cxmodel.tables.reduction.design import Centred, Intercept, Level, Numeric, Product, Term
from cxmodel.tables.reduction.exact_sums import (
    computed_once,
    constant,
    power_of_two_scale,
    total_sums,
)
from cxmodel.tables.reduction.rows import CompleteRows

if TYPE_CHECKING:
    import ibis.expr.types as ir

Floats = NDArray[np.float64]

# Beyond this a difference of two whole numbers might not fit into 64 bits.
_WIDE = 2**62


@dataclass(frozen=True)
class Factor:
    """A column as a number near zero.

    Parameters
    ----------
    column : str
        The column.
    level : str, int, float or None
        With a level, the flag for it; without, the number itself.
    origin : int or float
        What is taken off first, in the column's own type and so exactly.
    shift : float
        What is taken off then.
    bound : float
        The largest size.
    """

    column: str
    level: str | int | float | None = None
    origin: float = 0
    shift: float = 0.0
    bound: float = 1.0

    def value(self, rows: CompleteRows) -> ir.FloatingValue:
        """Write it as a double."""
        import ibis

        column = rows.table[self.column]
        known = rows.ranges[self.column]
        if self.level is not None:
            real = isinstance(self.level, float)
            level = constant(float(self.level)) if real else ibis.literal(self.level)
            value = ibis.ifelse(column == level, constant(1), constant(0))
        elif known.kind == "integer" and known.high - known.low < _WIDE:
            value = (column - ibis.literal(int(self.origin), "int64")).cast("float64")
        elif self.origin:
            value = column.cast("float64") - constant(self.origin)
        else:
            value = column.cast("float64")
        return value - constant(self.shift) if self.shift else value

    def on(self, values: NDArray[Any], taken_off: int = 0) -> Floats:
        """Compute it from values of the column, less what was taken off them."""
        if self.level is not None:
            level = self.level - taken_off if taken_off else self.level  # type: ignore[operator]
            value = np.asarray(values == level, dtype=float)
        else:
            origin = self.origin - taken_off
            is_whole = np.issubdtype(values.dtype, np.integer)
            value = np.asarray(values - (int(origin) if is_whole else origin), dtype=float)
        return value - self.shift if self.shift else value


@dataclass(frozen=True)
class StandardColumn:
    """A column of the design, near zero and at most about one: ``own = centre + scale * standard``.

    Parameters
    ----------
    name : str
        As in the design.
    factors : tuple of Factor
        None for the intercept, two for a product.
    centre, scale : float
        The way back to the column's own units; `scale` is a power of two.
    """

    name: str
    factors: tuple[Factor, ...]
    centre: float = 0.0
    scale: float = 1.0

    def value(self, rows: CompleteRows) -> ir.FloatingValue:
        """Write the standard column as a double."""
        if not self.factors:
            return constant(1)
        value = self.factors[0].value(rows)
        for factor in self.factors[1:]:
            value = value * factor.value(rows)
        return value * constant(1 / self.scale) if self.scale != 1 else value


@dataclass(frozen=True, eq=False)
class StandardDesign:
    """A design and its outcomes, ready for an engine.

    Parameters
    ----------
    columns, outcomes : tuples of StandardColumn
        The p columns and q outcomes.
    has_intercept : bool
        Whether the design holds the column of ones.
    """

    columns: tuple[StandardColumn, ...]
    outcomes: tuple[StandardColumn, ...]
    has_intercept: bool

    @property
    def names(self) -> tuple[str, ...]:
        """The columns' names."""
        return tuple(column.name for column in self.columns)

    @property
    def outcome_names(self) -> tuple[str, ...]:
        """The outcomes' names."""
        return tuple(outcome.name for outcome in self.outcomes)

    def table(self, rows: CompleteRows, carried: Mapping[str, Any] | None = None) -> ir.Table:
        """Compute the columns ``z0, z1, ...``, the outcomes ``y0, ...`` and weight ``w``.

        `carried` is written beside them.
        """
        found: dict[str, Any] = {f"z{i}": c.value(rows) for i, c in enumerate(self.columns)}
        found |= carried or {}
        found |= {f"y{i}": c.value(rows) for i, c in enumerate(self.outcomes)}
        if rows.weight is not None:
            found["w"] = rows.table[rows.weight].cast("float64")
        if rows.customer is not None:
            found["customer"] = rows.table[rows.customer]
        return computed_once(rows.session, rows.table.select(**found))

    def exclusive(self) -> set[tuple[int, int]]:
        """Pairs of columns that are never both other than 0: two levels of one key."""
        flags = [
            (i, column.factors[0])
            for i, column in enumerate(self.columns)
            if len(column.factors) == 1
            and column.factors[0].level is not None
            and not column.factors[0].shift
        ]
        return {
            (i, j)
            for place, (i, first) in enumerate(flags)
            for j, second in flags[place + 1 :]
            if first.column == second.column
        }

    def back(self) -> Floats:
        """Matrix (p, p) from coefficients on standard columns to coefficients on own columns."""
        matrix = np.diag([1 / column.scale for column in self.columns])
        for i, column in enumerate(self.columns):
            if not column.factors:
                matrix[i] -= [c.centre / c.scale for c in self.columns]
        return matrix


def standard_design(
    rows: CompleteRows,
    terms: Iterable[Term],
    outcomes: Sequence[str],
    *,
    centre: bool | None = None,
    near: Mapping[str, float] | None = None,
) -> StandardDesign:
    """Find means and scales for a design: one pass, or none where ranges already say them.

    Parameters
    ----------
    rows : CompleteRows
        The rows used.
    terms : iterable of design terms
        The columns.
    outcomes : sequence of str
        Numeric columns to explain.
    centre : bool, optional
        Whether columns may be taken off their means; default: when there is an intercept.
    near : mapping of str to float, optional
        Numbers near the means of columns. They are taken instead of the mean where it would only
        serve the digits: beside an intercept, but not within products.
    """
    terms = tuple(terms)
    _refuse_repeated([term.name for term in terms])
    has_intercept = any(isinstance(term, Intercept) for term in terms)
    centre = has_intercept if centre is None else centre
    # A level is taken off its mean only where it is centred.
    bases = dict.fromkeys(b for term in terms if not isinstance(term, Level) for b in _bases(term))
    bases |= dict.fromkeys(Numeric(name) for name in outcomes)
    known = _near_means(rows, terms, near or {}, bases)
    means = known | _means(rows, [base for base in bases if base not in known])
    return _design(rows, terms, outcomes, means, centre)


def rough_design(
    rows: CompleteRows, terms: Iterable[Term], outcomes: Sequence[str]
) -> StandardDesign:
    """Take columns off the middle of their range: enough to see how they part, without a pass."""
    terms = tuple(terms)
    bases = {base for term in terms for base in _bases(term)} | {Numeric(name) for name in outcomes}
    middles = {
        base: Fraction(_middle(rows, base).origin) if isinstance(base, Numeric) else Fraction(1, 2)
        for base in bases
    }
    return _design(rows, terms, outcomes, middles, centre=True)


def _design(
    rows: CompleteRows,
    terms: tuple[Term, ...],
    outcomes: Sequence[str],
    means: dict[Numeric | Level, Fraction],
    centre: bool,
) -> StandardDesign:
    return StandardDesign(
        columns=tuple(_standard(rows, term, means, centre) for term in terms),
        outcomes=tuple(_standard(rows, Numeric(name), means, centre) for name in outcomes),
        has_intercept=any(isinstance(term, Intercept) for term in terms),
    )


def _refuse_repeated(names: Sequence[str]) -> None:
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(f"The design names a column twice: {', '.join(repeated)}.")


def _bases(term: Term) -> list[Numeric | Level]:
    """Give the columns of the table that a term is made of."""
    if isinstance(term, Intercept):
        return []
    if isinstance(term, Product):
        parts = (term.left, term.right)
        return [base for part in parts if isinstance(part, Centred) for base in _bases(part)]
    return [term.term if isinstance(term, Centred) else term]


def _near_means(
    rows: CompleteRows,
    terms: Sequence[Term],
    near: Mapping[str, float],
    bases: Iterable[Numeric | Level],
) -> dict[Numeric | Level, Fraction]:
    """Give what stands for the mean of columns that need not be taken off it exactly."""
    exact = {b for term in terms if not isinstance(term, Numeric) for b in _bases(term)}
    found: dict[Numeric | Level, Fraction] = {}
    for base in bases:
        if isinstance(base, Numeric) and base not in exact and base.column in near:
            known = rows.number(base.column)
            found[base] = Fraction(min(max(near[base.column], known.low), known.high))
    return found


def _means(rows: CompleteRows, bases: Sequence[Numeric | Level]) -> dict[Numeric | Level, Fraction]:
    """Find means, weighted where there are weights, as sums about the middle of the range."""
    exact: dict[Numeric | Level, Fraction] = {}
    middles: dict[Numeric | Level, Factor] = {}
    for base in bases:
        mean = rows.number(base.column).mean if isinstance(base, Numeric) else None
        if mean is not None and rows.weight is None:
            exact[base] = mean
        else:
            middles[base] = _middle(rows, base)
    if not middles or not rows.n_used:
        return exact | dict.fromkeys(middles, Fraction(0))
    weight = None if rows.weight is None else rows.table[rows.weight].cast("float64")
    terms = {}
    for i, factor in enumerate(middles.values()):
        value = factor.value(rows)
        value = value if weight is None else value * weight
        terms[f"m{i}"] = exact_sums.Term(value, factor.bound * rows.largest_weight)
    if weight is not None:
        terms["w"] = exact_sums.Term(weight, rows.largest_weight)
    sums = total_sums(rows.session, rows.table, terms, rows.n_used)
    whole = Fraction(sums.get("w", float(rows.n_used)))
    found = {
        base: Fraction(factor.origin) + Fraction(sums[f"m{i}"]) / whole
        for i, (base, factor) in enumerate(middles.items())
    }
    return exact | found


def _middle(rows: CompleteRows, base: Numeric | Level) -> Factor:
    if isinstance(base, Level):
        rows.known(base.column)
        return Factor(base.column, base.level)
    known = rows.number(base.column)
    if known.kind == "integer":
        origin: float = (int(known.low) + int(known.high)) // 2
    else:
        origin = known.low / 2 + known.high / 2
    return Factor(base.column, origin=origin, bound=_reach(rows, base.column, origin))


def _reach(rows: CompleteRows, column: str, origin: float) -> float:
    """Give the largest distance from a point."""
    known = rows.number(column)
    return float(max(abs(known.low - origin), abs(known.high - origin)))


def _standard(
    rows: CompleteRows, term: Term, means: dict[Numeric | Level, Fraction], centre: bool
) -> StandardColumn:
    if isinstance(term, Intercept):
        return StandardColumn(term.name, ())
    if isinstance(term, Product):
        factors = tuple(_factor(rows, part, means) for part in (term.left, term.right))
        scale = power_of_two_scale(factors[0].bound * factors[1].bound)
        return StandardColumn(term.name, factors, scale=scale)
    factor = _factor(rows, term, means)
    middle = 0.0
    if isinstance(term, Numeric) and centre:
        origin = _origin(rows, term, means[term])
        factor = Factor(term.column, origin=origin, bound=_reach(rows, term.column, origin))
        middle = float(origin)
    return StandardColumn(term.name, (factor,), middle, power_of_two_scale(factor.bound))


def _factor(
    rows: CompleteRows,
    term: Numeric | Level | Centred,
    means: dict[Numeric | Level, Fraction],
) -> Factor:
    if isinstance(term, Level):
        return Factor(term.column, term.level)
    if isinstance(term, Numeric):
        return Factor(term.column, bound=_reach(rows, term.column, 0))
    mean = means[term.term]
    if isinstance(term.term, Level):
        return Factor(term.term.column, term.term.level, shift=float(mean))
    origin = _origin(rows, term.term, mean)
    shift = float(mean - Fraction(origin))
    bound = _reach(rows, term.term.column, origin) + abs(shift)
    return Factor(term.term.column, origin=origin, shift=shift, bound=bound)


def _origin(rows: CompleteRows, base: Numeric, mean: Fraction) -> float:
    """Give the number nearest to the mean that can be taken off exactly."""
    return round(mean) if rows.number(base.column).kind == "integer" else float(mean)
