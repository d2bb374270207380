"""Passes over the rows with coefficients in hand: robust meat, and steps of a likelihood."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from cxmodel.stats.sandwich import FULL_LEVERAGE, small_sample_factor
from cxmodel.tables.reduction.cross_products import CrossProducts, Designed
from cxmodel.tables.reduction.exact_sums import (
    Term,
    computed_once,
    constant,
    cross_sums,
    total_sums,
)
from cxmodel.tables.reduction.keyed import keyed_columns, keyed_sums
from cxmodel.tables.reduction.rows import CompleteRows
from cxmodel.tables.reduction.solving import half_inverse

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from cxmodel.tables.engines.engine import Session

Floats = NDArray[np.float64]
NEAR = 16.0
"""How far a bound may lie above what is bounded: four of some sixty spare bits."""

FARTHEST = 40.0
"""Log odds beyond which a probability is 0 or 1 to the last digit."""

RobustKind = Literal["HC0", "HC1", "HC2", "HC3"]
Mean = Literal["identity", "logistic", "exponential", "gamma"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Meat:
    """The middle of a sandwich: squared scores, added up over rows or over customers.

    Parameters
    ----------
    matrix : array (p q, p q)
        Outcome by outcome, each in the order of the columns; in standard units, without a
        small-sample factor. Blocks off the diagonal join two outcomes.
    kind : {"HC0", "HC1", "HC2", "HC3", "CR1"}
        How scores were squared.
    n_obs : int
        Rows.
    n_clusters, n_singletons : int or None
        Customers, and those with one row; None where rows stand alone.
    """

    matrix: Floats
    kind: str
    n_obs: int
    n_clusters: int | None = None
    n_singletons: int | None = None

    def factor(self, n_params: int) -> float:
        """Give the small-sample factor: n/(n-k) for HC1, G/(G-1) (n-1)/(n-k) for CR1, else 1."""
        if self.kind not in ("HC1", "CR1"):
            return 1.0
        return small_sample_factor(self.n_obs, n_params, self.n_clusters)


@dataclass(frozen=True, eq=False, kw_only=True)
class Step:
    """What one step of Newton's method needs, at given coefficients.

    Parameters
    ----------
    gradient : array (p,)
        Sum of w (y - mean) z: slope of the log-likelihood.
    information : array (p, p)
        Sum of w v z z', v the variance that goes with the mean.
    squares : array or None
        Sums of w v x x over the parts of columns that are no keys, where sums went by key.
    """

    gradient: Floats
    information: Floats
    squares: Floats | None = None


def robust_meat(
    rows: CompleteRows,
    moments: Designed,
    coefficients: Floats,
    *,
    kind: RobustKind = "HC1",
    mean: Mean = "identity",
    information: Floats | None = None,
) -> Meat:
    """Add up squared scores over rows: ``sum w^2 e^2 z z'``.

    Parameters
    ----------
    rows : CompleteRows
        The rows that `moments` was made from.
    moments : CrossProducts
        The design, and the cross-products from which leverage is had.
    coefficients : array (p, q) or (p,)
        On standard columns, an outcome a column.
    kind : {"HC0", "HC1", "HC2", "HC3"}
        HC2 and HC3 divide a row's residual by the root of ``1 - h``, or by it, h its leverage
        (MacKinnon & White 1985).
    mean : {"identity", "logistic", "exponential", "gamma"}
        What makes the mean out of the linear predictor; "gamma" is the exponential whose score is
        ``y / mean - 1``. But for the identity the predictor is that of the outcome in own units.
    information : array (p, p), optional
        Of the last step, for HC2 and HC3: a row's leverage is then ``w v z' information^-1 z``, the
        diagonal of the weighted hat matrix. Default: the cross-products of `moments`.

    Raises
    ------
    ValueError
        If coefficients do not fit the design.
    """
    coefficients = checked_coefficients(moments, coefficients)
    keyed = None
    if coefficients.shape[1] == 1:
        keyed = keyed_columns(rows, moments.design, moments.design.columns)
    carried = {} if keyed is None else keyed.carried(rows)
    table = with_residuals(rows, moments, coefficients, mean, carried)
    if kind in ("HC2", "HC3"):
        if information is None and not isinstance(moments, CrossProducts):
            raise ValueError("HC2 and HC3 need leverages: give cross-products, or information.")
        squares = moments.zwz if isinstance(moments, CrossProducts) else None
        whole = squares if information is None else information
        table = _with_leverage(rows.session, table, np.asarray(whole))
        table = _divided(table, coefficients.shape[1], kind)
    if keyed is not None:
        u = table["w"] * table["r0"]
        squares = table.select(*keyed.names(), u=u * u)
        bound = _known_square(rows, moments, coefficients[:, 0], kind, mean)
        if bound is None:
            bound = largest_sizes(rows.session, squares.select("u"), rows.n_used)["u"]
        matrix = keyed_sums(rows, keyed, squares, {"all": ("u", bound)})["all"]
        return Meat(matrix=matrix, kind=kind, n_obs=rows.n_used)
    scores = score_table(rows.session, table, coefficients.shape)
    bounds = largest_sizes(rows.session, scores, rows.n_used)
    matrix = cross_sums(rows.session, scores, bounds, rows.n_used)
    return Meat(matrix=matrix, kind=kind, n_obs=rows.n_used)


def likelihood_step(
    rows: CompleteRows,
    moments: Designed,
    coefficients: Floats,
    mean: Mean,
    *,
    expected: Floats | None = None,
    coarse: bool = False,
) -> Step:
    """Add up gradient and information of a logit, Poisson, gamma or least-squares fit.

    Parameters
    ----------
    rows, moments, mean
        As in `robust_meat`.
    coefficients : array (p,)
        On standard columns, for the first outcome.
    expected : array, optional
        More than `Step.squares` is thought to be: it saves half the work of the information.
    coarse : bool
        Whether the gradient may be off by some ``sqrt(n) n 2^-53``, where sums go by key.
    """
    coefficients = checked_coefficients(moments, coefficients)[:, :1]
    keyed = keyed_columns(rows, moments.design, moments.design.columns)
    carried = {} if keyed is None else keyed.carried(rows)
    table = with_residuals(rows, moments, coefficients, mean, carried)
    p = len(coefficients)
    weighted = table.select(
        *[f"z{j}" for j in range(p)],
        *carried,
        v=table["w"] * table["v0"],
        r=table["w"] * table["r0"],
    )
    if keyed is not None:
        sizes = known_sizes(rows, moments, mean)
        if sizes is None:
            sizes = largest_sizes(rows.session, weighted.select("v", "r"), rows.n_used)
        weights = {"sum": ("r", sizes["r"]), "all": ("v", sizes["v"])}
        most = None if expected is None else {"all": expected}
        found = keyed_sums(rows, keyed, weighted, weights, most, ["sum"] if coarse else ())
        return Step(gradient=found["sum"], information=found["all"], squares=found["squares_all"])
    sizes = largest_sizes(rows.session, weighted.select("v", "r"), rows.n_used)
    terms = {f"z{j}": Term(weighted[f"z{j}"] * weighted["r"], sizes["r"]) for j in range(p)}
    gradient = total_sums(rows.session, weighted, terms, rows.n_used)
    information = cross_sums(
        rows.session,
        weighted,
        dict.fromkeys(terms, 1.0),
        rows.n_used,
        weight=("v", sizes["v"]),
        never={(f"z{i}", f"z{j}") for i, j in moments.design.exclusive()},
    )
    return Step(gradient=np.array(list(gradient.values())), information=information)


def checked_coefficients(moments: Designed, coefficients: Floats) -> Floats:
    """Give coefficients as a matrix (p, q) that fits the design."""
    found = np.asarray(coefficients, dtype=float)
    found = found[:, None] if found.ndim == 1 else found
    p, q = len(moments.columns), len(moments.outcomes)
    if found.ndim != 2 or len(found) != p or not 1 <= found.shape[1] <= q:
        raise ValueError(
            f"coefficients have shape {found.shape}; the design has {p} columns and "
            f"{q} outcomes. Give one row a column of the design, one column an outcome."
        )
    if not np.isfinite(found).all():
        raise ValueError("coefficients hold values that are missing or infinite.")
    return found


def _known_square(
    rows: CompleteRows,
    moments: Designed,
    coefficients: Floats,
    kind: RobustKind,
    mean: Mean,
) -> float | None:
    """Bound squared residuals where that needs no look."""
    sizes = known_sizes(rows, moments, mean)
    if sizes is not None and kind in ("HC0", "HC1"):
        return sizes["r"] ** 2
    most = residual_bound(coefficients)
    if mean != "identity" or kind not in ("HC0", "HC1") or most is None:
        return None
    return (rows.largest_weight * most) ** 2


def residual_bound(coefficients: Floats) -> float | None:
    """Bound residuals of standard outcomes; None where it would be so wide that it costs digits.

    Standard columns and outcomes are at most 1 in size.
    """
    most = 1 + float(np.abs(coefficients).sum(axis=0).max())
    return most if most <= NEAR else None


def known_sizes(rows: CompleteRows, moments: Designed, mean: Mean) -> dict[str, float] | None:
    """Bound variance and residual where that needs no look: an outcome of 0 to 1 and a share."""
    known = rows.number(moments.design.outcomes[0].name)
    if mean != "logistic" or known.low < 0 or known.high > 1:
        return None
    return {"v": rows.largest_weight / 4, "r": rows.largest_weight}


def with_residuals(
    rows: CompleteRows,
    moments: Designed,
    coefficients: Floats,
    mean: Mean,
    carried: Mapping[str, Any] | None = None,
) -> ir.Table:
    """Compute ``r0, r1, ...`` and variances ``v0, ...`` beside columns ``z`` and weight ``w``.

    Of a logistic mean there is ``p0, ...`` too, the mean itself. `carried` is written beside them.
    """
    design = moments.design
    p, q = coefficients.shape
    own = {}
    if mean != "identity":
        explained = enumerate(design.outcomes[:q])
        own = {f"own{k}": rows.table[one.name].cast("float64") for k, one in explained}
    table = design.table(rows, {**(carried or {}), **own})
    added: dict[str, Any] = {} if rows.weight is not None else {"w": constant(1)}
    predictors = {f"f{k}": _combined(table, coefficients[:, k]) for k in range(q)}
    outcomes = {f"y{k}": table[f"own{k}" if own else f"y{k}"] for k in range(q)}
    beside = [*(carried or {}), *(c for c in ("customer",) if c in table.columns)]
    kept = [f"z{j}" for j in range(p)] + [c for c in ("w", *beside) if c in table.columns]
    table = table.select(*kept, **predictors, **outcomes, **added)
    # Standard columns are at most 1 in size.
    farthest = np.abs(coefficients).sum(axis=0)
    kept = [f"z{j}" for j in range(p)] + ["w", *beside]
    found: dict[str, Any] = {}
    for k in range(q):
        if mean == "gamma":
            # The observed information y / mean, as on rows.
            found[f"v{k}"] = table[f"y{k}"] / table[f"f{k}"].exp()
            found[f"r{k}"] = found[f"v{k}"] - constant(1)
            continue
        level, found[f"v{k}"] = _mean_and_variance(
            table[f"f{k}"], mean, is_near=bool(farthest[k] <= FARTHEST)
        )
        if mean == "logistic":
            found[f"p{k}"] = level
        found[f"r{k}"] = table[f"y{k}"] - level
    return computed_once(rows.session, table.select(*kept, **found))


def score_table(session: Session, table: ir.Table, shape: tuple[int, ...]) -> ir.Table:
    """Compute scores ``s{k}_{j} = w r_k z_j``, outcome by outcome."""
    p, q = shape
    scores = {
        f"s{k}_{j}": table["w"] * table[f"r{k}"] * table[f"z{j}"]
        for k in range(q)
        for j in range(p)
    }
    return computed_once(session, table.select(**scores))


def largest_sizes(session: Session, table: ir.Table, n_rows: int) -> dict[str, float]:
    """Find the largest size of every column, so that sums may be made reproducible."""
    if not n_rows:
        return dict.fromkeys(table.columns, 0.0)
    row = session.one_row(table.aggregate(**{c: table[c].abs().max() for c in table.columns}))
    return {name: float(row[name]) for name in table.columns}


def _combined(table: ir.Table, coefficients: Floats) -> ir.FloatingValue:
    """Write a linear predictor, column by column in order."""
    value = None
    for j, coefficient in enumerate(coefficients):
        if coefficient != 0:
            part = table[f"z{j}"] * constant(coefficient)
            value = part if value is None else value + part
    return constant(0) if value is None else value


def _mean_and_variance(
    predictor: ir.FloatingValue, mean: Mean, *, is_near: bool
) -> tuple[ir.FloatingValue, ir.FloatingValue]:
    """Write the mean of an outcome and the variance that goes with it."""
    if mean == "identity":
        return predictor, constant(1)
    if mean == "exponential":
        level = predictor.exp()
        return level, level
    # Beyond 40 the probability is 0 or 1 to the last digit, and PostgreSQL would refuse to go on.
    held = predictor if is_near else _least(_greatest(predictor, -FARTHEST), FARTHEST)
    share = constant(1) / (constant(1) + held.negate().exp())
    return share, share * (constant(1) - share)


def _least(value: ir.FloatingValue, most: float) -> ir.FloatingValue:
    import ibis

    return ibis.ifelse(value > constant(most), constant(most), value)


def _greatest(value: ir.FloatingValue, least: float) -> ir.FloatingValue:
    import ibis

    return ibis.ifelse(value < constant(least), constant(least), value)


def _with_leverage(session: Session, table: ir.Table, information: Floats) -> ir.Table:
    """Add ``h``, the leverage: w v times the squared length of z in orthonormal columns."""
    kept, half = half_inverse(information)
    turned = {}
    for k in range(len(kept)):
        value = None
        for j in range(k + 1):
            part = table[f"z{kept[j]}"] * constant(half[j, k])
            value = part if value is None else value + part
        turned[f"q{k}"] = value
    table = computed_once(session, table.select(*table.columns, **turned))
    total = None
    for name in turned:
        square = table[name] * table[name]
        total = square if total is None else total + square
    kept_columns = [c for c in table.columns if c not in turned]
    return computed_once(session, table.select(*kept_columns, h=table["w"] * table["v0"] * total))


def _divided(table: ir.Table, q: int, kind: RobustKind) -> ir.Table:
    """Divide residuals by what leverage takes off them."""
    import ibis

    left = constant(1) - table["h"]
    left = ibis.ifelse(table["h"] < constant(FULL_LEVERAGE), left, constant(1))
    divisor = left if kind == "HC3" else left.sqrt()
    residuals = {f"r{k}": table[f"r{k}"] / divisor for k in range(q)}
    others = [c for c in table.columns if c not in residuals]
    return table.select(*others, **residuals)
