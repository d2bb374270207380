"""What is added up in each cell, and how: whole numbers exactly, other numbers in limbs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cxmodel.tables.reduction.exact_sums import Term, add_limbs, constant, sums_of
from cxmodel.tables.reduction.rows import CompleteRows

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa

Floats = NDArray[np.float64]

# The product of two whole numbers up to here fits into 64 bits.
SMALL = 2**31
_FITS = 2**62
_FITS_DECIMAL = 10**38


@dataclass(frozen=True)
class Deviation:
    """An outcome off a centre near its mean.

    Parameters
    ----------
    column : str
        The outcome.
    centre : int or float
        Taken off; a whole number for whole-number outcomes.
    bound : int or float
        The largest size of what is left.
    is_whole : bool
        Whether all is whole numbers of 64 bits.
    """

    column: str
    centre: float
    bound: float
    is_whole: bool


@dataclass(frozen=True, eq=False)
class CellSum:
    """One sum: a whole-number column, or a term in limbs.

    Parameters
    ----------
    name : str
        What the result is called.
    whole : ibis column, optional
        What is added up exactly.
    term : Term, optional
        What is added up in two limbs.
    """

    name: str
    whole: ir.NumericValue | None = None
    term: Term | None = None

    def read(self, found: pa.Table) -> Floats:
        """Take the sum out of an answer, as doubles."""
        if self.term is None:
            return _doubles(found[f"{self.name}_0"])
        parts = {name: _doubles(found[name]) for name in (f"{self.name}_0", f"{self.name}_1")}
        return np.asarray(add_limbs(parts, self.name, 2))


def deviation_of(rows: CompleteRows, column: str) -> Deviation:
    """Choose the centre of an outcome: its mean where that is known, else the middle."""
    known = rows.number(column)
    is_whole = known.kind == "integer" and known.high - known.low < _FITS
    centre: float = known.low / 2 + known.high / 2
    if known.mean is not None:
        centre = round(known.mean) if is_whole else float(known.mean)
    reach = max(abs(known.low - centre), abs(known.high - centre))
    return Deviation(column, centre, reach if is_whole else float(reach), is_whole)


def deviation_columns(
    rows: CompleteRows, deviations: Sequence[Deviation]
) -> dict[str, ir.NumericValue]:
    """Write the deviations ``d0, d1, ...`` and the weight ``w``."""
    import ibis

    found: dict[str, ir.NumericValue] = {}
    for i, d in enumerate(deviations):
        value = rows.table[d.column]
        if d.is_whole:
            found[f"d{i}"] = value - ibis.literal(int(d.centre), "int64")
        else:
            found[f"d{i}"] = value.cast("float64") - constant(d.centre)
    if rows.weight is not None:
        found["w"] = rows.table[rows.weight].cast("float64")
    return found


def cell_sums(
    rows: CompleteRows, base: ir.Table, deviations: Sequence[Deviation]
) -> dict[str, CellSum]:
    """Plan every sum: of each outcome, its square and its products, plain and weighted."""
    n_terms = max(rows.n_used, 1)
    found: dict[str, CellSum] = {}
    for i, d in enumerate(deviations):
        found[f"d{i}"] = _plain(f"d{i}", base[f"d{i}"], d, n_terms)
        for j in range(i, len(deviations)):
            name, pair = f"d{i}d{j}", (base[f"d{i}"], base[f"d{j}"])
            found[name] = _product(name, pair, (d, deviations[j]), n_terms)
    if rows.weight is not None:
        found |= _weighted(base, deviations, rows.largest_weight)
    return found


def written(sums: Mapping[str, CellSum], base: ir.Table, n_terms: int) -> dict[str, ir.Scalar]:
    """Write the aggregates of a plan, and the count ``n``."""
    found = {"n": base.count()}
    for name, planned in sums.items():
        if planned.term is not None:
            found |= sums_of({name: planned.term}, n_terms, 2)
        elif planned.whole is not None:
            found[f"{name}_0"] = planned.whole.sum()
    return found


def _plain(name: str, value: ir.NumericValue, d: Deviation, n_terms: int) -> CellSum:
    if not d.is_whole:
        return CellSum(name, term=Term(value, d.bound))
    return CellSum(name, whole=summable(value, n_terms * d.bound))


def summable(value: ir.IntegerValue, total: float) -> ir.NumericValue:
    """Widen what may not fit: Spark adds up 64-bit numbers in 64 bits, and stops beyond."""
    return value if total < _FITS else value.cast("decimal(38, 0)")


def _product(
    name: str,
    values: tuple[ir.NumericValue, ir.NumericValue],
    deviations: tuple[Deviation, Deviation],
    n_terms: int,
) -> CellSum:
    first, second = values
    bound = deviations[0].bound * deviations[1].bound
    if all(d.is_whole and d.bound <= SMALL for d in deviations):
        return CellSum(name, whole=summable(first * second, n_terms * bound))
    if all(d.is_whole for d in deviations) and n_terms * bound < _FITS_DECIMAL:
        wide = first.cast("decimal(19, 0)") * second.cast("decimal(19, 0)")
        return CellSum(name, whole=wide.cast("decimal(38, 0)"))
    # Beyond 38 digits exact sums end; doubles in limbs are right to 16.
    rounded = first.cast("float64") * second.cast("float64")
    return CellSum(name, term=Term(rounded, float(bound)))


def _weighted(
    base: ir.Table, deviations: Sequence[Deviation], largest: float
) -> dict[str, CellSum]:
    """Plan the sums with the weight and with its square."""
    w = base["w"]
    found = {"w": Term(w, largest), "w2": Term(w * w, largest**2)}
    for i, d in enumerate(deviations):
        value, bound = base[f"d{i}"].cast("float64"), float(d.bound)
        found[f"wd{i}"] = Term(w * value, largest * bound)
        found[f"w2d{i}"] = Term(w * w * value, largest**2 * bound)
        for j in range(i, len(deviations)):
            product = value * base[f"d{j}"].cast("float64")
            most = bound * float(deviations[j].bound)
            if i == j:
                found[f"wd{i}d{j}"] = Term(w * product, largest * most)
            found[f"w2d{i}d{j}"] = Term(w * w * product, largest**2 * most)
    return {name: CellSum(name, term=term) for name, term in found.items()}


def _doubles(column: pa.ChunkedArray) -> Floats:
    """Turn a column that left the engine into doubles, whatever whole-number type it has."""
    import pyarrow as pa

    if pa.types.is_decimal(column.type):
        return np.array([float(value) for value in column.to_pylist()], dtype=float)
    return np.asarray(column.to_numpy(), dtype=float)
