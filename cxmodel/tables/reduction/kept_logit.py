"""A logit's pass over kept rows: gradient, information, and at the end meat and effects.

Sums of what depends on keys alone, or on keys and one number, are taken in each cell; products of
two numbers are the same whatever the keys, so matrix products add them up over all rows. With
``s = sqrt(v)``, v the variance p (1 - p), and residual r, the columns ``s x`` and ``r x`` give
information and meat; beside them stand ``s (1 - 2 p)`` and ``v``, which effects need.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
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
from cxmodel.tables.reduction.kept_rows import Batch, Block, KeptRows
from cxmodel.tables.reduction.keyed import Keyed, combined, multipliers
from cxmodel.tables.reduction.last_pass import LogitSums
from cxmodel.tables.reduction.rows import CompleteRows
from cxmodel.tables.reduction.second_pass import FARTHEST, Step, checked_coefficients
from cxmodel.tables.reduction.standard import StandardColumn

Floats = NDArray[np.float64]

WIDEST_WEIGHTS = 1_000.0
"""How many times the smallest weight the largest may be."""


def is_kept_well(keyed: Keyed, rows: CompleteRows) -> bool:
    """Say whether a pass over kept rows has what it needs.

    There is a number, no column is a key times a number, so that numbers need no cells, and no
    weight is so small beside the largest that rounding would reach its digits.
    """
    is_parted = all(part == 0 or not own for part, own, _ in keyed.columns)
    weight = None if rows.weight is None else rows.number(rows.weight)
    is_even = weight is None or weight.high <= WIDEST_WEIGHTS * weight.low
    return bool(keyed.numbers()) and is_parted and is_even


def kept_step(
    kept: KeptRows,
    keyed: Keyed,
    moments: Designed,
    coefficients: Floats,
    *,
    is_coarse: bool = False,
) -> Step:
    """Add up gradient and information.

    Parameters
    ----------
    kept : KeptRows
        The rows.
    keyed : Keyed
        How the p columns of the design part; see `is_kept_well`.
    moments : Designed
        The design; its first outcome, of 0 to 1, is explained.
    coefficients : array (p,)
        On standard columns.
    is_coarse : bool
        Whether terms may be off by 2^-40, to the same side where they are the same.
    """
    extent = _Extent(everything=False, is_coarse=is_coarse)
    totals = _pass(kept, keyed, moments, coefficients, extent)
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
    totals = _pass(kept, keyed, moments, coefficients, _Extent(everything=True, is_coarse=False))
    _, _, squares, tilts, across = totals.alone
    v_pairs, u_pairs = totals.pairs
    k = len(totals.slopes)
    found = _pairs_in_cells("u", squares, totals.by_part[1], u_pairs[:k, :k])
    found |= _sums_in_cells("sum_b", tilts, v_pairs[:k, k])
    found |= _sums_in_cells("sum_vr", across, u_pairs[:k, k])
    meat, bend, vr = _over_columns(kept, keyed, found, ("u", "sum_b", "sum_vr"))
    return LogitSums(
        step=_step(kept, keyed, totals),
        meat=meat,
        bend=bend,
        across=vr,
        squared=float(u_pairs[k, k]),
    )


@dataclass(frozen=True)
class _Extent:
    """What a pass adds up: errors and effects too, and what rounding leaves."""

    everything: bool
    is_coarse: bool


@dataclass(frozen=True, eq=False)
class _Totals:
    """What a pass added up; weights are divided by `scale`, a power of two.

    Parameters
    ----------
    alone : array (2 or 5, n_cells)
        Residual, variance v, and at the end squared residual, v (1 - 2 p) and v r, in each cell.
    by_part : array (1 or 2, k, n_cells)
        v x, and at the end r^2 x, in each cell.
    slopes : array (k,)
        r x.
    pairs : array (1 or 2, k or k + 1, k or k + 1)
        v x x', and at the end r^2 x x', with v (1 - 2 p) x and v r x beside them.
    scale : float
    """

    alone: Floats
    by_part: Floats
    slopes: Floats
    pairs: Floats
    scale: float


def _pass(
    kept: KeptRows, keyed: Keyed, moments: Designed, coefficients: Floats, extent: _Extent
) -> _Totals:
    """Pass over the rows once."""
    at = _Position.of(kept, keyed, moments, coefficients)
    totals: dict[str, Total] = {}
    with closing(kept.each(lambda batch: at.add_up(batch, extent))) as batches:
        for added in batches:
            for name, total in added.items():
                if name in totals:
                    totals[name].merge(total)
                else:
                    totals[name] = total
    found = {name: total.value() for name, total in totals.items()}
    return _Totals(
        alone=with_left_over(found["alone"], found.get("alone_left")),
        by_part=found["by_part"],
        slopes=with_left_over(found["slopes"], found.get("slopes_left")),
        pairs=np.array([products_of(summed) for summed in found["pairs"]]),
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

    def add_up(self, batch: Batch, extent: _Extent) -> dict[str, Total]:
        """Add up a batch, block by block."""
        found: dict[str, Total] = {}
        for block in batch.blocks():
            rows = self._rows(block)
            for name, sums in _sums_of(rows, block.cell, len(self.in_cells), extent):
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
            first, *others = column.factors
            np.multiply(self.kept.value(block, first), 1 / column.scale, out=own)
            for factor in others:
                own *= self.kept.value(block, factor)
        return found


@dataclass(frozen=True, eq=False)
class _Rows:
    """Parts (k, n), mean, variance and residual of some rows, the last two with weights."""

    parts: Floats
    level: Floats
    variance: Floats
    residual: Floats


def _sums_of(
    rows: _Rows, cell: NDArray[np.intp], n_cells: int, extent: _Extent
) -> Iterator[tuple[str, Floats]]:
    """Add up a block; names and shapes are those of `_Totals`.

    What stands alone may be the same in many rows, whose rounding then errs to one side: so what
    rounding leaves is added up too.
    """
    x, v, r = rows.parts, rows.variance, rows.residual
    root, scores = np.sqrt(v), rows.parts * rows.residual
    alone, times, columns = [r, v], [v], [x * root]
    if extent.everything:
        tilt = 1 - 2 * rows.level
        alone += [r * r, v * tilt, v * r]
        times += [r * r]
        columns = [np.vstack([*columns, root * tilt]), np.vstack([scores, v])]
    parted = [halves(own) for own in columns]
    yield "pairs", np.array([own @ own.T for own in parted])
    terms = np.array(alone)
    taken_scores, taken = rounded(scores), rounded(terms)
    yield "slopes", taken_scores.sum(axis=1)
    yield "alone", _in_cells(taken, cell, n_cells)
    if not extent.is_coarse:
        yield "slopes_left", left_over(scores, taken_scores).sum(axis=1)
        yield "alone_left", _in_cells(left_over(terms, taken), cell, n_cells)
    yield "by_part", np.array([_in_cells(rounded(x * t), cell, n_cells) for t in times])


def _in_cells(terms: Floats, cell: NDArray[np.intp], n_cells: int) -> Floats:
    """Add up terms (m, n) in each cell, (m, n_cells)."""
    return np.array([np.bincount(cell, own, n_cells) for own in terms])


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
        predictor += slope * part
    if not is_near:
        # Beyond it a probability is 0 or 1 to the last digit.
        predictor = np.clip(predictor, -FARTHEST, FARTHEST)
    return np.asarray(1 / (1 + np.exp(-predictor)))


def _step(kept: KeptRows, keyed: Keyed, totals: _Totals) -> Step:
    k = len(totals.slopes)
    r, v = totals.alone[:2]
    found = _pairs_in_cells("v", v, totals.by_part[0], totals.pairs[0, :k, :k])
    found |= _sums_in_cells("sum_r", r, totals.slopes)
    information, gradient = _over_columns(kept, keyed, found, ("v", "sum_r"))
    return Step(gradient=gradient * totals.scale, information=information * totals.scale)


def _over_columns(
    kept: KeptRows, keyed: Keyed, sums: Mapping[str, Floats], names: Sequence[str]
) -> list[Floats]:
    times = multipliers(keyed, kept.key_values(), kept.n_cells)
    return [combined(keyed, name, sums, times) for name in names]


def _pairs_in_cells(name: str, alone: Floats, by_part: Floats, pairs: Floats) -> dict[str, Floats]:
    """Name sums of pairs as `combined` wants them; those of two numbers stand in one cell."""
    found = {f"{name}_0_{a}": sums for a, sums in enumerate([alone, *by_part])}
    for a, b in zip(*np.triu_indices(len(pairs)), strict=True):
        found[f"{name}_{a + 1}_{b + 1}"] = _at_one(pairs[a, b], len(alone))
    return found


def _sums_in_cells(name: str, alone: Floats, slopes: Floats) -> dict[str, Floats]:
    """Name sums as `combined` wants them; those of a number stand in one cell."""
    found = {f"{name}_0_0": alone}
    for a, slope in enumerate(slopes, start=1):
        found[f"{name}_{a}_{a}"] = _at_one(slope, len(alone))
    return found


def _at_one(value: float, n_cells: int) -> Floats:
    found = np.zeros(n_cells)
    found[0] = value
    return found
