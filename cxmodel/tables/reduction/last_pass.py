"""All that a logit needs at its maximum, in one pass: coefficients, errors and average effects.

Of a 0/1 outcome let ``a`` be the size of the residual, p or 1 - p, and s its sign. Then the score
is ``s a``, the variance ``a - a^2``, the meat ``a^2``, and what effects need are powers too. So
sums of the first two powers with all pairs of columns, and of two more with few, are enough.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cxmodel.tables.reduction.cross_products import Designed
from cxmodel.tables.reduction.exact_sums import Term
from cxmodel.tables.reduction.keyed import (
    Keyed,
    combined,
    in_cells,
    keyed_columns,
    multipliers,
    pairs_of,
)
from cxmodel.tables.reduction.rows import CompleteRows
from cxmodel.tables.reduction.second_pass import Step, checked_coefficients, with_residuals

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False, kw_only=True)
class LogitSums:
    """Sums over the rows at given coefficients; v is the variance, r the residual.

    Parameters
    ----------
    step : Step
        Gradient and information.
    meat : array (p, p)
        Sum of r^2 z z'.
    bend, across : array (p,)
        Sums of v (1 - 2 p) z and of v r z.
    squared : float
        Sum of v^2.
    """

    step: Step
    meat: Floats
    bend: Floats
    across: Floats
    squared: float


def logit_sums(
    rows: CompleteRows, moments: Designed, coefficients: Floats, expected: Floats | None
) -> LogitSums | None:
    """Add up all of it; None where rows have weights, there are no keys, or the outcome is a share.

    Parameters
    ----------
    rows : CompleteRows
        The rows used.
    moments : Designed
        The design; its first outcome is explained.
    coefficients : array (p,)
        On standard columns.
    expected : array, optional
        More than `Step.squares` is thought to be.
    """
    outcome = moments.design.outcomes[0].name
    known = rows.number(outcome)
    keyed = keyed_columns(rows, moments.design, moments.design.columns)
    is_flag = known.kind == "integer" and known.low == 0 and known.high == 1
    if keyed is None or rows.weight is not None or not is_flag:
        return None
    by_outcome = replace(keyed, keys=(*keyed.keys, outcome))
    # A residual's mean size is twice the variance.
    most = None if expected is None else 4 * expected
    cells, keys = _powers(rows, moments, by_outcome, coefficients, most)
    if most is not None:
        squares = np.array([cells[f"a1_{k}_{k}"].sum() for k in range(keyed.n_parts)])
        if (squares > most).any():
            cells, keys = _powers(rows, moments, by_outcome, coefficients, None)
    sign = np.where(np.asarray(keys[outcome]) == 1, 1.0, -1.0)
    times = multipliers(by_outcome, keys, len(sign))
    found = {name: combined(keyed, name, _parts(keyed, cells, sign), times) for name in _NAMES}
    a2, a3, a4 = (cells[f"{name}_0_0"] for name in ("a2", "a3", "a4"))
    return LogitSums(
        step=Step(gradient=found["sum_r"], information=found["v"]),
        meat=found["u"],
        bend=found["sum_b"],
        across=found["sum_vr"],
        squared=float((a2 - 2 * a3 + a4).sum()),
    )


_NAMES = ("sum_r", "v", "u", "sum_b", "sum_vr")


def _parts(keyed: Keyed, cells: Mapping[str, Floats], sign: Floats) -> dict[str, Floats]:
    """Turn powers of the residual's size into what they stand for, in each cell."""
    found = {}
    for a, b in pairs_of(keyed, "all"):
        found[f"v_{a}_{b}"] = cells[f"a1_{a}_{b}"] - cells[f"a2_{a}_{b}"]
        found[f"u_{a}_{b}"] = cells[f"a2_{a}_{b}"]
    for a, _ in pairs_of(keyed, "sum"):
        one, two, three = cells[f"a1_0_{a}"], cells[f"a2_0_{a}"], cells[f"a3_0_{a}"]
        found[f"sum_r_{a}_{a}"] = sign * one
        found[f"sum_b_{a}_{a}"] = sign * (3 * two - one - 2 * three)
        found[f"sum_vr_{a}_{a}"] = sign * (two - three)
    return found


def _powers(
    rows: CompleteRows,
    moments: Designed,
    keyed: Keyed,
    coefficients: Floats,
    expected: Floats | None,
) -> tuple[dict[str, Floats], dict[str, NDArray[np.generic]]]:
    """Add up powers of the residual's size times products of parts, in each cell."""
    b = checked_coefficients(moments, coefficients)
    table = with_residuals(rows, moments, b, "logistic", keyed.carried(rows))
    a1 = table["r0"].abs()
    table = table.select(*keyed.names(), a1=a1)
    table = table.mutate(a2=table["a1"] * table["a1"])
    asked = [("a1", pair) for pair in pairs_of(keyed, "all")]
    asked += [("a2", pair) for pair in pairs_of(keyed, "all")]
    asked += [("a3", (0, part)) for part in range(keyed.n_parts)] + [("a4", (0, 0))]
    factors = {"a1": ["a1"], "a2": ["a2"], "a3": ["a2", "a1"], "a4": ["a2", "a2"]}
    terms, limbs = {}, {}
    for power, (i, j) in asked:
        names = [*factors[power], *(f"x{part}" for part in (i, j) if part)]
        value = table[names[0]]
        for name in names[1:]:
            value = value * table[name]
        total = None if expected is None else float(np.sqrt(expected[i] * expected[j]))
        # The gradient needs its digits: its terms cancel.
        fine = expected is None or (power == "a1" and i == 0)
        terms[f"{power}_{i}_{j}"] = Term(value, 1.0, None if fine else total)
        limbs[f"{power}_{i}_{j}"] = 2 if fine else 1
    return in_cells(rows, keyed, table, terms, limbs)
