"""A logit's pass over kept rows: gradient, information, and at the end meat and effects.

Sums of what depends on keys alone, or on keys and one number, are taken in each cell; products of
two numbers are the same whatever the keys, so matrix products add them up over all rows. With
``s = sqrt(v)``, v the variance p (1 - p), and residual r, the columns ``s x`` and ``r x`` give
information and meat; beside them stand ``s (1 - 2 p)`` and ``v``, which effects need.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cxmodel.tables.reduction.cross_products import Designed
from cxmodel.tables.reduction.exact_blocks import (
    Total,
    halves,
    left_over,
    products_of,
    rounded,
    with_left_over,
)
from cxmodel.tables.reduction.exact_sums import power_of_two_scale
from cxmodel.tables.reduction.kept_rows import Block, KeptRows
from cxmodel.tables.reduction.keyed import Keyed, combined, multipliers
from cxmodel.tables.reduction.last_pass import LogitSums
from cxmodel.tables.reduction.second_pass import FARTHEST, Step, checked_coefficients
from cxmodel.tables.reduction.standard import StandardColumn

Floats = NDArray[np.float64]


def is_parted(keyed: Keyed) -> bool:
    """Say whether no column is a key times a number, so that numbers need no cells."""
    return all(part == 0 or not own for part, own, _ in keyed.columns)


def kept_step(kept: KeptRows, keyed: Keyed, moments: Designed, coefficients: Floats) -> Step:
    """Add up gradient and information.

    Parameters
    ----------
    kept : KeptRows
        The rows.
    keyed : Keyed
        How the p columns of the design part; see `is_parted`.
    moments : Designed
        The design; its first outcome, of 0 to 1, is explained.
    coefficients : array (p,)
        On standard columns.
    """
    totals = _pass(kept, keyed, moments, coefficients, everything=False)
    return _step(kept, keyed, totals)


def kept_logit_sums(
    kept: KeptRows, keyed: Keyed, moments: Designed, coefficients: Floats
) -> LogitSums | None:
    """Add up what errors and effects need, too; None where rows have weights.

    Parameters
    ----------
    kept, keyed, moments, coefficients
        As in `kept_step`.
    """
    if kept.rows.weight is not None:
        return None
    totals = _pass(kept, keyed, moments, coefficients, everything=True)
    k = keyed.n_parts - 1
    v_products, u_products = totals.products["v"], totals.products["u"]
    found = _in_cells("u", totals.cells["u"], u_products[:k, :k])
    for name, beside in (("b", v_products[:k, k]), ("vr", u_products[:k, k])):
        found |= _sums_in_cells(f"sum_{name}", totals.cells[name][0], beside)
    names = ("u", "sum_b", "sum_vr")
    meat, bend, across = _over_columns(kept, keyed, found, names)
    return LogitSums(
        step=_step(kept, keyed, totals),
        meat=meat,
        bend=bend,
        across=across,
        squared=float(u_products[k, k]),
    )


@dataclass(frozen=True, eq=False)
class _Totals:
    """What a pass added up; weights are divided by `scale`, a power of two."""

    cells: dict[str, Floats]
    products: dict[str, Floats]
    slopes: Floats
    scale: float


def _pass(
    kept: KeptRows, keyed: Keyed, moments: Designed, coefficients: Floats, *, everything: bool
) -> _Totals:
    """Pass over the rows once."""
    at = _Position.of(kept, keyed, moments, coefficients)
    totals: dict[str, Total] = {}
    for added in kept.each(lambda batch: at.add_up(batch, everything=everything)):
        for name, total in added.items():
            if name in totals:
                totals[name].merge(total)
            else:
                totals[name] = total
    found = {name: total.value() for name, total in totals.items()}
    cells = {name[5:]: sums for name, sums in found.items() if name.startswith("cell_")}
    return _Totals(
        cells=cells | {"r": with_left_over(found["cell_r"], found["cell_rest"])},
        products={n[5:]: products_of(sums) for n, sums in found.items() if n.startswith("pair_")},
        slopes=with_left_over(found["slope"], found["slope_rest"]),
        scale=at.scale,
    )


@dataclass(frozen=True, eq=False, kw_only=True)
class _Position:
    """Coefficients on kept rows: the linear predictor is a number a cell and a slope a part."""

    kept: KeptRows
    parts: Sequence[StandardColumn]
    outcome: str
    in_cells: Floats
    slopes: Floats
    is_near: bool
    scale: float

    @classmethod
    def of(cls, kept: KeptRows, keyed: Keyed, moments: Designed, coefficients: Floats) -> _Position:
        times = multipliers(keyed, kept.key_values(), kept.n_cells)
        b = checked_coefficients(moments, coefficients)[:, 0]
        in_cells, slopes = _predictor(keyed, times, b)
        return cls(
            kept=kept,
            parts=keyed.standard_parts()[1:],
            outcome=moments.design.outcomes[0].name,
            in_cells=in_cells,
            slopes=slopes,
            is_near=float(np.abs(b).sum()) <= FARTHEST,
            scale=power_of_two_scale(kept.rows.largest_weight),
        )

    def add_up(self, batch: Block, *, everything: bool) -> dict[str, Total]:
        """Add up a batch, block by block."""
        found: dict[str, Total] = {}
        for block in batch.blocks():
            rows = self._rows(block)
            for name, sums in _sums_of(rows, block.cell, len(self.in_cells), everything=everything):
                if name not in found:
                    found[name] = Total(*sums.shape)
                found[name].add(sums)
        return found

    def _rows(self, block: Block) -> _Rows:
        parts = self._parts(block)
        level = _level(self.in_cells[block.cell], self.slopes, parts, is_near=self.is_near)
        name = self.kept.rows.weight
        weight = 1.0 if name is None else block.numbers[name] / self.scale
        residual = (block.numbers[self.outcome] - level) * weight
        return _Rows(parts, level, level * (1 - level) * weight, residual)

    def _parts(self, block: Block) -> Floats:
        """Compute the parts that are no keys, (k, n), each at most 1 in size."""
        found = np.empty((len(self.parts), len(block.cell)))
        for own, column in zip(found, self.parts, strict=True):
            own[:] = self.kept.value(block, column.factors[0])
            for factor in column.factors[1:]:
                own *= self.kept.value(block, factor)
            own *= 1 / column.scale
        return found


@dataclass(frozen=True, eq=False)
class _Rows:
    """Parts (k, n), mean, variance and residual of some rows, the last two with weights."""

    parts: Floats
    level: Floats
    variance: Floats
    residual: Floats


def _sums_of(
    rows: _Rows, cell: NDArray[np.intp], n_cells: int, *, everything: bool
) -> Iterator[tuple[str, Floats]]:
    """Add up a block: in cells, slopes, and pairs of columns."""
    x, v, r = rows.parts, rows.variance, rows.residual
    root, tilt = np.sqrt(v), 1 - 2 * rows.level

    def in_cells(terms: Floats) -> Floats:
        return np.array([np.bincount(cell, term, n_cells) for term in terms])

    scores, taken = x * r, rounded(r)
    kept = rounded(scores)
    yield "slope", kept.sum(axis=1)
    yield "slope_rest", left_over(scores, kept).sum(axis=1)
    yield "cell_r", in_cells(taken[None])
    yield "cell_rest", in_cells(left_over(r, taken)[None])
    yield "cell_v", in_cells(rounded(_with_one(x, v)))
    if not everything:
        yield "pair_v", _pairs(x * root)
        return
    yield "pair_v", _pairs(np.vstack([x * root, root * tilt]))
    yield "pair_u", _pairs(np.vstack([scores, v]))
    yield "cell_u", in_cells(rounded(_with_one(x, r * r)))
    yield "cell_b", in_cells(rounded(v * tilt)[None])
    yield "cell_vr", in_cells(rounded(v * r)[None])


def _pairs(columns: Floats) -> Floats:
    parted = halves(columns)
    return np.asarray(parted @ parted.T)


def _with_one(parts: Floats, times: Floats) -> Floats:
    """Multiply the parts by a number a row; first the number itself."""
    found = np.empty((len(parts) + 1, len(times)))
    found[0] = times
    np.multiply(parts, times, out=found[1:])
    return found


def _predictor(keyed: Keyed, times: Floats, coefficients: Floats) -> tuple[Floats, Floats]:
    """Give the linear predictor: a number a cell, and a slope a part."""
    in_cells, slopes = np.zeros(len(times)), np.zeros(keyed.n_parts - 1)
    for j, (part, _, multiplier) in enumerate(keyed.columns):
        if part:
            slopes[part - 1] += multiplier * coefficients[j]
        else:
            in_cells += times[:, j] * coefficients[j]
    return in_cells, slopes


def _level(base: Floats, slopes: Floats, parts: Floats, *, is_near: bool) -> Floats:
    """Compute the mean, p; columns one after the other, so that no row depends on its place."""
    predictor = base
    for slope, part in zip(slopes, parts, strict=True):
        predictor = predictor + slope * part
    if not is_near:
        # Beyond it a probability is 0 or 1 to the last digit.
        predictor = np.clip(predictor, -FARTHEST, FARTHEST)
    return np.asarray(1 / (1 + np.exp(-predictor)))


def _step(kept: KeptRows, keyed: Keyed, totals: _Totals) -> Step:
    k = keyed.n_parts - 1
    found = _in_cells("v", totals.cells["v"], totals.products["v"][:k, :k])
    found |= _sums_in_cells("sum_r", totals.cells["r"][0], totals.slopes)
    information, gradient = _over_columns(kept, keyed, found, ("v", "sum_r"))
    return Step(gradient=gradient * totals.scale, information=information * totals.scale)


def _over_columns(
    kept: KeptRows, keyed: Keyed, sums: Mapping[str, Floats], names: Sequence[str]
) -> list[Floats]:
    times = multipliers(keyed, kept.key_values(), kept.n_cells)
    return [combined(keyed, name, sums, times) for name in names]


def _in_cells(name: str, cells: Floats, products: Floats) -> dict[str, Floats]:
    """Name sums of pairs as `combined` wants them; those of two numbers stand in one cell."""
    found = {f"{name}_0_{a}": sums for a, sums in enumerate(cells)}
    for a, b in zip(*np.triu_indices(len(products)), strict=True):
        found[f"{name}_{a + 1}_{b + 1}"] = _at_one(products[a, b], cells.shape[1])
    return found


def _sums_in_cells(name: str, cells: Floats, slopes: Floats) -> dict[str, Floats]:
    """Name sums as `combined` wants them; those of a number stand in one cell."""
    found = {f"{name}_0_0": cells}
    for a, slope in enumerate(slopes, start=1):
        found[f"{name}_{a}_{a}"] = _at_one(slope, len(cells))
    return found


def _at_one(value: float, n_cells: int) -> Floats:
    found = np.zeros(n_cells)
    found[0] = value
    return found
