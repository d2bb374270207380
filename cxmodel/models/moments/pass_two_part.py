"""An amount in two parts where columns are continuous: passes over the table in place of cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cxmodel.errors import InsufficientDataError
from cxmodel.models.moments.pass_effects import added, combined, derivative, moved
from cxmodel.models.moments.pass_fit import PassFit
from cxmodel.models.moments.pass_fits import fit_by_passes
from cxmodel.tables.moments import CompleteRows, Meat, Term, complete_rows
from cxmodel.tables.reduction.by_customer import customer_products
from cxmodel.tables.reduction.exact_sums import (
    Term as SumTerm,
)
from cxmodel.tables.reduction.exact_sums import (
    computed_once,
    constant,
    cross_sums,
    total_sums,
)
from cxmodel.tables.reduction.second_pass import largest_sizes

if TYPE_CHECKING:
    import ibis.expr.types as ir

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False, kw_only=True)
class TwoPartPasses:
    """Whether there is any amount, and how much, by passes.

    Parameters
    ----------
    whether : PassFit
        Logit of any amount, on all rows.
    amounts : array (k,)
        Coefficients of the gamma part on the standard columns of `whether`.
    inverse : array (k, k)
        Of minus its Hessian, on the same columns.
    amount : str
        The outcome.
    n_params : int
        Coefficients of both parts.
    """

    whether: PassFit
    amounts: Floats
    inverse: Floats
    amount: str
    n_params: int


def two_parts_by_passes(
    rows: CompleteRows, terms: Sequence[Term], flag: str, amount: str
) -> TwoPartPasses:
    """Fit both parts on the rows: a logit on all, a gamma on those with an amount.

    Parameters
    ----------
    rows : CompleteRows
        With the flag and the amount.
    terms : sequence of design terms
        The columns of both parts.
    flag, amount : str
        1 where there is an amount, else 0; and the amount, 0 where there is none.

    Raises
    ------
    InsufficientDataError
        If every row has an amount, or none has.
    SeparationError
        If the columns tell without error who has one.
    """
    known = rows.number(flag)
    if known.low == known.high:
        raise InsufficientDataError(
            f"{'All' if known.high else 'None'} of {rows.n_used:,} rows have an amount. Two parts "
            'need rows with and without: take family="gamma" where all have one.'
        )
    whether = fit_by_passes(rows, terms, flag, "logit")
    paid = complete_rows(
        rows.session,
        rows.table.filter(rows.table[flag] == 1),
        [name for name in rows.ranges if name not in (rows.weight, rows.customer, flag)],
        weight=rows.weight,
        customer=rows.customer,
    )
    how_much = fit_by_passes(paid, terms, amount, "gamma")
    # From standard columns of the rows with an amount to own units, and to those of all rows.
    turn = np.linalg.solve(whether.moments.design.back(), how_much.moments.design.back())
    return TwoPartPasses(
        whether=whether,
        amounts=turn @ how_much.standard,
        inverse=turn @ how_much.inverse @ turn.T,
        amount=amount,
        n_params=whether.n_params + how_much.n_params,
    )


def effects_of_two_parts(
    fitted: TwoPartPasses, columns: Sequence[str], *, clustered: bool
) -> tuple[Floats, Meat]:
    """Average ``d(p m)/dx = p(1-p) a m + p m b`` over the rows, for numeric columns.

    A row's pull is where it stands plus how it moves both parts: ``(e_i - mean) / W`` and, through
    each part's inverse, its score of any amount and its ``amount / m - 1``. A first pass gives the
    mean and its derivatives in the coefficients, a second the squares.

    Parameters
    ----------
    fitted : TwoPartPasses
        Both parts.
    columns : sequence of str
        q numeric columns.
    clustered : bool
        Whether the pull of a customer's rows is added up before it is squared.

    Returns
    -------
    values : array (q,)
        Amount per unit of each column.
    meat : Meat
        Covariance of the values, (q, q), without a small-sample factor.
    """
    rows, total = fitted.whether.rows, fitted.whether.moments.sum_weights
    table = _with_both(fitted, columns)
    sums = _sums(fitted, table, columns)
    p = len(fitted.amounts)
    values = np.array([sums[f"value_{k}"] for k in range(len(columns))]) / total
    pulls: dict[str, Any] = {"customer": table["customer"]} if clustered else {}
    for k, column in enumerate(columns):
        logit = np.array([sums[f"logit_{k}_{j}"] for j in range(p)])
        gamma = np.array([sums[f"gamma_{k}_{j}"] for j in range(p)])
        for j in moved(fitted.whether, column):
            logit[j] += sums[f"to_logit_{k}_{j}"]
            gamma[j] += sums[f"to_gamma_{k}_{j}"]
        through = table["r"] * combined(table, fitted.whether.inverse @ logit / total)
        amounts = table["s"] * combined(table, fitted.inverse @ gamma / total)
        level = (table[f"e{k}"] - constant(values[k])) * constant(1 / total)
        pulls[f"psi{k}"] = table["w"] * (level + through + amounts)
    names = [f"psi{k}" for k in range(len(columns))]
    pulled = computed_once(rows.session, table.select(**pulls))
    if clustered:
        return values, customer_products(rows, pulled, names)
    bounds = largest_sizes(rows.session, pulled.select(*names), rows.n_used)
    matrix = cross_sums(rows.session, pulled, bounds, rows.n_used)
    return values, Meat(matrix=matrix, kind="HC1", n_obs=rows.n_used)


def _with_both(fitted: TwoPartPasses, columns: Sequence[str]) -> ir.Table:
    """Compute mean p and m, slopes ``e``, their derivatives, and the scores ``r`` and ``s``."""
    rows, design = fitted.whether.rows, fitted.whether.moments.design
    one = constant(1)
    found: dict[str, Any] = {f"z{j}": c.value(rows) for j, c in enumerate(design.columns)}
    found["y"] = rows.table[fitted.amount].cast("float64")
    found["any"] = rows.table[design.outcomes[0].name].cast("float64")
    found["w"] = one if rows.weight is None else rows.table[rows.weight].cast("float64")
    if rows.customer is not None:
        found["customer"] = rows.table[rows.customer]
    for k, column in enumerate(columns):
        for j in moved(fitted.whether, column):
            found[f"d{k}_{j}"] = derivative(rows, design.columns[j], column)
    kept = [name for name in found if name not in ("y", "any")]
    table = computed_once(rows.session, rows.table.select(**found))
    slopes = {}
    for k, column in enumerate(columns):
        js = moved(fitted.whether, column)
        for name, b in (("a", fitted.whether.standard), ("b", fitted.amounts)):
            slopes[f"{name}{k}"] = added([table[f"d{k}_{j}"] * constant(b[j]) for j in js])
    p = one / (one + combined(table, fitted.whether.standard).negate().exp())
    m = combined(table, fitted.amounts).exp()
    table = table.select(*kept, "y", "any", p=p, m=m, **slopes)
    table = computed_once(rows.session, table)
    p, m = table["p"], table["m"]
    q = p * (one - p)
    effects: dict[str, Any] = {"q": q * m, "pm": p * m}
    effects |= {"r": table["any"] - p, "s": table["y"] / m - table["any"]}
    for k in range(len(columns)):
        a, b = table[f"a{k}"], table[f"b{k}"]
        effects[f"e{k}"] = q * a * m + p * m * b
        effects[f"c{k}"] = q * (one - constant(2) * p) * a * m + q * m * b
    return computed_once(rows.session, table.select(*kept, **effects))


def _sums(fitted: TwoPartPasses, table: ir.Table, columns: Sequence[str]) -> dict[str, float]:
    """Add up effects, and their derivatives in the coefficients of both parts."""
    rows = fitted.whether.rows
    terms: dict[str, Any] = {}
    for k, column in enumerate(columns):
        e, c = table["w"] * table[f"e{k}"], table["w"] * table[f"c{k}"]
        terms[f"value_{k}"] = e
        for j in range(len(fitted.amounts)):
            terms[f"logit_{k}_{j}"] = c * table[f"z{j}"]
            terms[f"gamma_{k}_{j}"] = e * table[f"z{j}"]
        for j in moved(fitted.whether, column):
            terms[f"to_logit_{k}_{j}"] = table["w"] * table["q"] * table[f"d{k}_{j}"]
            terms[f"to_gamma_{k}_{j}"] = table["w"] * table["pm"] * table[f"d{k}_{j}"]
    asked = computed_once(rows.session, table.select(**terms))
    sizes = largest_sizes(rows.session, asked, rows.n_used)
    sums = {name: SumTerm(asked[name], sizes[name]) for name in terms}
    return total_sums(rows.session, asked, sums, rows.n_used)
