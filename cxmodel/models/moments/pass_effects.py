"""Average marginal effects by passes over the table, with analytic errors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cxmodel.models.moments.climbing import intercept_of
from cxmodel.models.moments.pass_fit import PassFit
from cxmodel.tables.moments import CompleteRows, Meat
from cxmodel.tables.reduction.by_customer import customer_products
from cxmodel.tables.reduction.exact_sums import (
    Term,
    computed_once,
    constant,
    cross_sums,
    total_sums,
)
from cxmodel.tables.reduction.keyed import Keyed, keyed_columns, keyed_sums
from cxmodel.tables.reduction.second_pass import largest_sizes, with_residuals
from cxmodel.tables.reduction.standard import StandardColumn

if TYPE_CHECKING:
    import ibis.expr.types as ir

Floats = NDArray[np.float64]


def effects_of_logit(
    fitted: PassFit, columns: Sequence[str], robust: Meat
) -> tuple[Floats, Meat] | None:
    """Average a logit's slopes over the rows in one pass, from the meat that is already there.

    Without products a row's pull on effect k is ``w [e_k (v - mean v) / W + r z'a_k]``: its squares
    are those of v, the products of v and r with the columns, and the meat of the coefficients.
    Returns None where that is not so; then `effects_by_passes` does it.

    Parameters
    ----------
    fitted, columns
        As in `effects_by_passes`.
    robust : Meat
        Of HC0 or HC1.
    """
    rows, design = fitted.rows, fitted.moments.design
    columns_ = design.columns
    keyed = keyed_columns(rows, design, columns_)
    places = [moved(fitted, column) for column in columns]
    single = all(len(js) == 1 and len(columns_[js[0]].factors) == 1 for js in places)
    if fitted.family != "logit" or not single:
        return None
    if robust.kind not in ("HC0", "HC1") or rows.number(design.outcomes[0].name).high > 1:
        return None
    if fitted.sums is not None:
        sums = _of_last_pass(fitted)
    elif keyed is not None:
        sums = _sums_of_logit(fitted, keyed)
    else:
        return None
    at = intercept_of(design)
    total, slopes = fitted.moments.sum_weights, np.zeros(len(columns))
    gradients = np.zeros((len(fitted.standard), len(columns)))
    steep = sums["sum_v"][at] / total
    for k, js in enumerate(places):
        unit = 1 / columns_[js[0]].scale
        slopes[k] = fitted.standard[js[0]] * unit
        gradients[:, k] = sums["sum_b"] * slopes[k]
        gradients[js[0], k] += sums["sum_v"][at] * unit
    directions = fitted.inverse @ gradients / total
    spread = sums["sum_vv"][at] - 2 * steep * sums["sum_wv"][at] + steep**2 * sums["sum_ww"][at]
    across = np.outer(slopes, (sums["sum_vr"] - steep * sums["sum_r"]) @ directions) / total
    matrix = np.outer(slopes, slopes) * spread / total**2 + across + across.T
    matrix = matrix + directions.T @ robust.matrix @ directions
    return steep * slopes, Meat(matrix=matrix, kind="HC1", n_obs=rows.n_used)


def _of_last_pass(fitted: PassFit) -> dict[str, Floats]:
    """Take what effects need from the last pass, whose rows have no weights."""
    sums = fitted.sums
    if sums is None:
        raise ValueError("The fit holds no sums of its last pass.")
    at = intercept_of(fitted.moments.design)
    size = len(fitted.standard)
    v = sums.step.information[at]
    return {
        "sum_v": v,
        "sum_b": sums.bend,
        "sum_wv": v,
        "sum_ww": np.full(size, float(fitted.n_obs)),
        "sum_vv": np.full(size, sums.squared),
        "sum_vr": sums.across,
        # At the maximum, where the intercept is among the columns, it is 0.
        "sum_r": np.zeros(size),
    }


def _sums_of_logit(fitted: PassFit, keyed: Keyed) -> dict[str, Floats]:
    """Add up what the effects of a logit need, with weights and their squares."""
    rows = fitted.rows
    table = with_residuals(
        rows, fitted.moments, fitted.standard[:, None], "logistic", keyed.carried(rows)
    )
    w, v, r = table["w"], table["v0"], table["r0"]
    most = rows.largest_weight
    asked = {
        "sum_v": (w * v, most / 4),
        "sum_b": (w * v * (constant(1) - constant(2) * table["p0"]), most / 10),
        "sum_wv": (w * w * v, most**2 / 4),
        "sum_ww": (w * w, most**2),
        "sum_vv": (w * w * v * v, most**2 / 16),
        "sum_vr": (w * w * v * r, most**2 / 4),
        "sum_r": (w * w * r, most**2),
    }
    values = {f"u{i}": value for i, (value, _) in enumerate(asked.values())}
    table = computed_once(rows.session, table.select(*keyed.names(), **values))
    weights = {name: (f"u{i}", bound) for i, (name, (_, bound)) in enumerate(asked.items())}
    return keyed_sums(rows, keyed, table, weights)


def effects_by_passes(
    fitted: PassFit, columns: Sequence[str], *, clustered: bool
) -> tuple[Floats, Meat]:
    """Average the slope of the mean in numeric columns over the rows.

    A row's pull is ``g_i - AME - G H^-1 s_i``; a first pass gives G and H, a second the squares.

    Parameters
    ----------
    fitted : PassFit
        The regression.
    columns : sequence of str
        q numeric columns of the table.
    clustered : bool
        Whether the pull of a customer's rows is added up before it is squared.

    Returns
    -------
    values : array (q,)
        Outcome per unit of each column.
    meat : Meat
        Covariance of the values in own units, (q, q), without a small-sample factor.
    """
    rows, places = fitted.rows, range(len(columns))
    table = _with_slopes(fitted, columns)
    sums = _first_pass(fitted, table, columns)
    total = fitted.moments.sum_weights
    values = np.array([sums[f"value_{k}"] for k in places]) / total
    pulls: dict[str, Any] = {}
    for k, column in enumerate(columns):
        gradient = np.array([sums[f"bend_{k}_{j}"] for j in range(len(fitted.standard))])
        for j in moved(fitted, column):
            gradient[j] += sums[f"move_{k}_{j}"]
        direction = fitted.inverse @ gradient / total
        through = combined(table, direction)
        level = (table[f"g{k}"] - constant(values[k])) * constant(1 / total)
        pulls[f"psi{k}"] = table["w"] * (level + table["r"] * through)
    if clustered:
        pulls["customer"] = table["customer"]
    pulled = computed_once(rows.session, table.select(**pulls))
    names = [f"psi{k}" for k in places]
    if clustered:
        meat = customer_products(rows, pulled, names)
    else:
        bounds = largest_sizes(rows.session, pulled.select(*names), rows.n_used)
        matrix = cross_sums(rows.session, pulled, bounds, rows.n_used)
        meat = Meat(matrix=matrix, kind="HC1", n_obs=rows.n_used)
    factor = fitted.scale**2
    return values * fitted.scale, Meat(
        matrix=meat.matrix * factor,
        kind=meat.kind,
        n_obs=meat.n_obs,
        n_clusters=meat.n_clusters,
        n_singletons=meat.n_singletons,
    )


def _first_pass(fitted: PassFit, table: ir.Table, columns: Sequence[str]) -> dict[str, float]:
    """Add up the effects, and their derivatives in the coefficients."""
    terms: dict[str, Any] = {}
    for k, column in enumerate(columns):
        terms[f"value_{k}"] = table["w"] * table[f"g{k}"]
        for j in range(len(fitted.standard)):
            terms[f"bend_{k}_{j}"] = table["w"] * table[f"b{k}"] * table[f"z{j}"]
        for j in moved(fitted, column):
            terms[f"move_{k}_{j}"] = table["w"] * table["steep"] * table[f"d{k}_{j}"]
    added = computed_once(fitted.rows.session, table.select(**terms))
    sizes = largest_sizes(fitted.rows.session, added, fitted.rows.n_used)
    sums = {name: Term(added[name], sizes[name]) for name in terms}
    return total_sums(fitted.rows.session, added, sums, fitted.rows.n_used)


def _with_slopes(fitted: PassFit, columns: Sequence[str]) -> ir.Table:
    """Compute effects ``g``, their bend ``b``, moves ``d``, the score ``r`` and steepness."""
    rows, design = fitted.rows, fitted.moments.design
    found: dict[str, Any] = {f"z{j}": c.value(rows) for j, c in enumerate(design.columns)}
    outcome = design.outcomes[0]
    found["y"] = outcome.value(rows)
    found["w"] = constant(1) if rows.weight is None else rows.table[rows.weight].cast("float64")
    if rows.customer is not None:
        found["customer"] = rows.table[rows.customer]
    for k, column in enumerate(columns):
        for j in moved(fitted, column):
            found[f"d{k}_{j}"] = derivative(rows, design.columns[j], column)
    table = computed_once(rows.session, rows.table.select(**found))
    kept = [name for name in table.columns if name != "y"]
    held = table["y"]
    if fitted.family != "linear":
        held = held * constant(outcome.scale) + constant(outcome.centre)
    slopes = {
        f"e{k}": added(
            [table[f"d{k}_{j}"] * constant(fitted.standard[j]) for j in moved(fitted, column)]
        )
        for k, column in enumerate(columns)
    }
    table = table.select(*kept, y=held, f=combined(table, fitted.standard), **slopes)
    mean, steep, bend, score = _family(fitted, table)
    table = table.select(*kept, *slopes, steep=steep(mean), bend=bend(mean), r=score(mean))
    effects = {f"g{k}": table["steep"] * table[f"e{k}"] for k in range(len(columns))}
    effects |= {f"b{k}": table["bend"] * table[f"e{k}"] for k in range(len(columns))}
    return computed_once(rows.session, table.select(*kept, "steep", "r", **effects))


def _family(fitted: PassFit, table: ir.Table) -> Any:
    """Give the mean, and what follows from it: steepness, bend and score."""
    one = constant(1)
    if fitted.family == "linear":
        return table["f"], lambda _: one, lambda _: constant(0), lambda m: table["y"] - m
    if fitted.family == "logit":
        share = one / (one + (constant(0) - table["f"]).exp())
        return (
            share,
            lambda p: p * (one - p),
            lambda p: p * (one - p) * (one - constant(2) * p),
            lambda p: table["y"] - p,
        )
    mean = table["f"].exp()
    if fitted.family == "gamma":
        return mean, lambda m: m, lambda m: m, lambda m: table["y"] / m - one
    return mean, lambda m: m, lambda m: m, lambda m: table["y"] - m


def moved(fitted: PassFit, column: str) -> list[int]:
    """Name the columns of the design that move with a numeric column."""
    return [
        j
        for j, standard in enumerate(fitted.moments.design.columns)
        if any(f.column == column and f.level is None for f in standard.factors)
    ]


def derivative(rows: CompleteRows, standard: StandardColumn, column: str) -> ir.FloatingValue:
    """Write how fast a standard column moves with a numeric column of the table."""
    parts = []
    for i, factor in enumerate(standard.factors):
        if factor.column != column or factor.level is not None:
            continue
        product = constant(1 / standard.scale)
        for k, other in enumerate(standard.factors):
            if k != i:
                product = product * other.value(rows)
        parts.append(product)
    return added(parts)


def added(parts: Sequence[ir.FloatingValue]) -> ir.FloatingValue:
    """Write a sum, in order."""
    total = constant(0)
    for part in parts:
        total = total + part
    return total


def combined(table: ir.Table, coefficients: Floats) -> ir.FloatingValue:
    """Write a linear combination of the standard columns."""
    return added([table[f"z{j}"] * constant(c) for j, c in enumerate(coefficients) if c != 0])
