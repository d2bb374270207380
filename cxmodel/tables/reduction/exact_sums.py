"""Sums on an engine that give the same bits for any order of rows and any number of threads.

A sum of floats depends on the order in which it is taken. Here every term is first rounded to a
whole multiple of a power of two, the step, so coarse that no partial sum needs more than 53 bits:
then each addition is exact, and order cannot matter. What rounding leaves is summed the same way on
a finer step, a second limb. This is the pre-rounded sum of Demmel & Nguyen (2015), "Parallel
reproducible summation", IEEE Transactions on Computers 64(7).

With n terms of size at most b, L limbs are off by at most n b 2^-(L (50 - log2 n)); errors of
single terms cancel, so that the root of n stands for n. Adding and then taking off 1.5 x 2^52 steps
rounds to the step. That is plain IEEE arithmetic, so DuckDB, PostgreSQL and Spark agree to the last
bit. Sums whose terms all lie below 1e-210 are held to be 0.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cxmodel.errors import EngineError

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from cxmodel.tables.engines.engine import Session

Floats = NDArray[np.float64]

MAX_ROWS = 2**40
"""Beyond this a limb would hold too few bits."""

TWO_LIMBS_UP_TO = 2**20
"""Rows up to which a matrix of sums gets two limbs; beyond, its diagonal bounds the rest."""

SUMS_PER_QUERY = 400
"""Sums in one query: a text of some 100 kB, which every engine plans in under a second."""

# No sum may pass 2^52 steps, and no term 2^51: the rounding constant must exceed it.
_SUM_BITS = 52
_TERM_BITS = 51
# Rounding may take a term past its bound by a hair.
_HAIR = 1 + 2.0**-40


@dataclass(frozen=True)
class Term:
    """Something to be added up over rows.

    Parameters
    ----------
    value : ibis float column
        What is added.
    bound : float
        No row exceeds it in size.
    total : float, optional
        No sum of sizes over any rows exceeds it; default ``bound`` times the number of rows.
    """

    value: ir.FloatingValue
    bound: float
    total: float | None = None


def constant(value: float) -> ir.FloatingScalar:
    """Write a number so that every engine reads exactly this double.

    Engines read ``0.1`` as a decimal and convert it in their own way; text they parse correctly.
    """
    import ibis

    return ibis.literal(repr(float(value))).cast("float64")


def computed_once(session: Session, table: ir.Table) -> ir.Table:
    """Keep PostgreSQL from writing the columns of a step into every place that uses them.

    It would compute a residual anew for each of hundreds of products: minutes, not seconds. A
    window function in the step forbids that; its column is not asked for, and so not computed.
    Other engines keep a step as it is, and DuckDB would compute the window.
    """
    import ibis

    if session.name != "postgres":
        return table
    return table.mutate(fence=ibis.row_number()).select(*table.columns)


def steps(bound: float, n_terms: int, limbs: int, total: float | None = None) -> list[float]:
    """Give the step of each limb, powers of two from coarse to fine.

    Examples
    --------
    >>> steps(1.0, 1024, 2) == [2.0**-41, 2.0**-83]
    True
    """
    if n_terms > MAX_ROWS:
        raise EngineError(
            f"{n_terms:,} rows are more than exact sums are made for ({MAX_ROWS:,}). "
            "Reduce the table in parts."
        )
    most = n_terms * bound if total is None else min(total, n_terms * bound)
    most = max(most, bound)
    found: list[float] = []
    for _ in range(limbs):
        step = max(
            _power_of_two_above(most * _HAIR) * 2.0**-_SUM_BITS,
            _power_of_two_above(bound * _HAIR) * 2.0**-_TERM_BITS,
        )
        found.append(step)
        most, bound = max(n_terms, 1) * step / 2, step / 2
    return found


def _power_of_two_above(size: float) -> float:
    """Give the smallest power of two that is not below a size, 1 for nothing."""
    if not size > 0:
        return 1.0
    mantissa, exponent = math.frexp(size)
    # Kept away from the ends of the doubles, where a step would be 0 or the constant infinite.
    return 2.0 ** min(max(exponent - (mantissa == 0.5), -700), 900)


def power_of_two_scale(size: float) -> float:
    """Give the power of two by which to divide so that a size becomes at most 1.

    Dividing by it is exact.

    Examples
    --------
    >>> power_of_two_scale(10.0), power_of_two_scale(0.25), power_of_two_scale(0.0)
    (16.0, 0.25, 1.0)
    """
    return _power_of_two_above(size)


def limbs_of(value: ir.FloatingValue, grid: Sequence[float]) -> list[ir.FloatingValue]:
    """Split a column into multiples of each step; what is finer than the last is rounded away."""
    parts: list[ir.FloatingValue] = []
    rest = value
    for number, step in enumerate(grid):
        magic = constant(1.5 * 2.0**52 * step)
        part = (rest + magic) - magic
        parts.append(part)
        if number + 1 < len(grid):
            rest = rest - part
    return parts


def sums_of(terms: Mapping[str, Term], n_terms: int, limbs: int = 2) -> dict[str, ir.Scalar]:
    """Write the sums of an aggregate; `add_limbs` puts the parts of each together again."""
    aggregates: dict[str, Any] = {}
    for name, term in terms.items():
        grid = steps(term.bound, n_terms, limbs, term.total)
        for number, part in enumerate(limbs_of(term.value, grid)):
            aggregates[f"{name}_{number}"] = part.sum()
    return aggregates


def add_limbs(row: Any, name: str, limbs: int) -> Any:
    """Put the parts of a sum together, coarse first; for numbers, arrays and columns alike."""
    total = row[f"{name}_0"]
    for number in range(1, limbs):
        total = total + row[f"{name}_{number}"]
    return total


def total_sums(
    session: Session, table: ir.Table, terms: Mapping[str, Term], n_terms: int, limbs: int = 2
) -> dict[str, float]:
    """Add up terms over all rows of a table.

    Parameters
    ----------
    session : Session
        The engine.
    table : ibis table
        What the terms are written on.
    terms : mapping of str to Term
        What to add up.
    n_terms : int
        Rows of the table, or any number above.
    limbs : int
        How many parts each sum has.

    Returns
    -------
    dict of str to float
        The sums; 0 for a table without rows.
    """
    found: dict[str, float] = {}
    names = list(terms)
    size = max(1, SUMS_PER_QUERY // limbs)
    for start in range(0, len(names) if n_terms else 0, size):
        part = {name: terms[name] for name in names[start : start + size]}
        row = session.one_row(table.aggregate(**sums_of(part, n_terms, limbs)))
        found |= {name: float(add_limbs(row, name, limbs)) for name in part}
    return {name: found.get(name, 0.0) for name in names}


def cross_sums(
    session: Session,
    table: ir.Table,
    bounds: Mapping[str, float],
    n_terms: int,
    *,
    weight: tuple[str, float] | None = None,
    never: Collection[tuple[str, str]] = (),
    limbs: int | None = None,
) -> Floats:
    """Add up the products of all pairs of columns.

    Up to 2^20 rows every sum has two limbs. Beyond, the sums of squares come first, with two; by
    Cauchy and Schwarz they bound all others so closely that one limb is off by about
    ``sqrt(n) 2^-53`` of ``sqrt(S_jj S_kk)``: 4e-13 at 10 million rows.

    Parameters
    ----------
    session : Session
        The engine.
    table : ibis table
        Holds the columns, as doubles.
    bounds : mapping of str to float
        The columns in the order of the matrix, and what none of their values exceeds in size.
    n_terms : int
        Rows of the table, or any number above.
    weight : (str, float), optional
        A column that multiplies every product, and its bound.
    never : collection of (str, str)
        Pairs whose product is 0 in every row, in the order of the columns: not asked for.
    limbs : int, optional
        How many parts each sum has, instead of the above.

    Returns
    -------
    array (p, p)
        Symmetric.
    """
    names = list(bounds)
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i:] if (a, b) not in never]

    def term(a: str, b: str, total: float | None = None) -> Term:
        value, bound = table[a] * table[b], bounds[a] * bounds[b]
        if weight is not None:
            value, bound = value * table[weight[0]], bound * weight[1]
        return Term(value, bound, total)

    def add(which: Sequence[tuple[str, str]], totals: Sequence[float | None], limbs: int) -> Floats:
        terms = {
            f"s{i}": term(a, b, total)
            for i, ((a, b), total) in enumerate(zip(which, totals, strict=True))
        }
        return np.array(list(total_sums(session, table, terms, n_terms, limbs).values()))

    place = {name: i for i, name in enumerate(names)}
    found = np.zeros((len(names), len(names)))
    if limbs is None and n_terms > TWO_LIMBS_UP_TO:
        squares = [(a, a) for a in names]
        np.fill_diagonal(found, add(squares, [None] * len(names), 2))
        size = np.sqrt(np.diag(found)) * (1 + 1e-9)
        pairs = [(a, b) for a, b in pairs if a != b]
        closest: list[float | None] = [float(size[place[a]] * size[place[b]]) for a, b in pairs]
        sums = add(pairs, closest, 1)
    else:
        sums = add(pairs, [None] * len(pairs), limbs or 2)
    for (a, b), value in zip(pairs, sums, strict=True):
        found[place[a], place[b]] = found[place[b], place[a]] = value
    return found
