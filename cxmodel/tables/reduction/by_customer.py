"""Observations added up by customer first: clusters, and effects of customers.

Inside, rows are added up within each customer; outside, the products of these sums over customers.
Only matrices leave the engine.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cxmodel.errors import SchemaError
from cxmodel.tables.reduction.cross_products import (
    CrossProducts,
    Designed,
    cross_products_of,
)
from cxmodel.tables.reduction.design import Intercept
from cxmodel.tables.reduction.design import Term as DesignTerm
from cxmodel.tables.reduction.exact_sums import (
    Term,
    add_limbs,
    constant,
    cross_sums,
    sums_of,
)
from cxmodel.tables.reduction.rows import CompleteRows
from cxmodel.tables.reduction.second_pass import (
    Mean,
    Meat,
    checked_coefficients,
    largest_sizes,
    residual_bound,
    with_residuals,
)
from cxmodel.tables.reduction.standard import StandardDesign, standard_design

if TYPE_CHECKING:
    import ibis.expr.types as ir

Floats = NDArray[np.float64]

MANY_CUSTOMERS = 2**17
FEW_ROWS = 2**8


@dataclass(frozen=True, kw_only=True)
class CustomerCounts:
    """How rows spread over customers.

    Parameters
    ----------
    n_customers : int
        Customers with at least one row.
    n_singletons : int
        Customers with exactly one row: they say nothing about change within a customer.
    n_largest : int
        Rows of the customer who has most.
    """

    n_customers: int
    n_singletons: int
    n_largest: int


@dataclass(frozen=True, eq=False, kw_only=True)
class WithinMoments:
    """Cross-products of what is left when each customer's own mean is taken off.

    Parameters
    ----------
    total : CrossProducts
        Before the customers' means are taken off.
    zmz, zmy, ymy : arrays (p, p), (p, q), (q, q)
        After, on the same standard columns and outcomes.
    customers : CustomerCounts
        How rows spread over customers.
    """

    total: CrossProducts
    zmz: Floats
    zmy: Floats
    ymy: Floats
    customers: CustomerCounts

    @property
    def design(self) -> StandardDesign:
        """The columns and outcomes."""
        return self.total.design


def count_customers(rows: CompleteRows) -> CustomerCounts:
    """Count customers, those with one row, and the rows of the largest.

    Raises
    ------
    SchemaError
        If the rows were looked at without the customer's id.
    """
    import ibis

    if rows.customer is None:
        raise SchemaError(
            "Sums by customer need the customer's id. Look at the rows with customer= set."
        )
    if not rows.n_used:
        return CustomerCounts(n_customers=0, n_singletons=0, n_largest=0)
    table = rows.table.select(customer=rows.table[rows.customer])
    sizes = table.group_by("customer").aggregate(n=table.count())
    found = rows.session.one_row(
        sizes.aggregate(
            n_customers=sizes.count(),
            n_singletons=ibis.ifelse(sizes["n"] == 1, 1, 0).sum(),
            n_largest=sizes["n"].max(),
        )
    )
    return CustomerCounts(**{name: int(count) for name, count in found.items()})


def within_customers(
    rows: CompleteRows, terms: Iterable[DesignTerm], outcomes: Sequence[str]
) -> WithinMoments:
    """Reduce a regression with an effect for every customer: ``Z'WZ - sum W_c zbar zbar'``.

    Frisch & Waugh (1933): least squares on these has the slopes of a regression with a dummy for
    every customer. Columns that never change within a customer are 0 here, and named by the solver.

    Parameters
    ----------
    rows : CompleteRows
        The rows used, with weight and customer.
    terms : iterable of design terms
        The columns, without an intercept: every customer has one.
    outcomes : sequence of str
        Numeric columns to explain.

    Raises
    ------
    ValueError
        If the design holds an intercept.
    SchemaError
        If the rows were looked at without the customer's id.
    """
    terms = tuple(terms)
    if any(isinstance(term, Intercept) for term in terms):
        raise ValueError("Effects of customers take the place of the intercept: leave it out.")
    customers = count_customers(rows)
    # A constant taken off leaves the same within customers, and saves the digits of the total.
    design = standard_design(rows, terms, outcomes, centre=True)
    total = cross_products_of(rows, design)
    between = _between(rows, design, customers)
    p = len(design.columns)
    return WithinMoments(
        total=total,
        zmz=_left(total.zwz, between[:p, :p]),
        zmy=total.zwy - between[:p, p:],
        ymy=_left(total.ywy, between[p:, p:]),
        customers=customers,
    )


def clustered_meat(
    rows: CompleteRows,
    moments: Designed | WithinMoments,
    coefficients: Floats,
    *,
    mean: Mean = "identity",
    customers: CustomerCounts | None = None,
) -> Meat:
    """Add up scores within customers, then their squares over customers (Liang & Zeger 1986).

    Parameters
    ----------
    rows : CompleteRows
        The rows that `moments` was made from, with their customers.
    moments : Designed (CrossProducts among them) or WithinMoments
        With the latter, residuals and columns are taken off each customer's mean.
    coefficients : array (p, q) or (p,)
        On standard columns, an outcome a column.
    mean : {"identity", "logistic", "exponential"}
        As in `robust_meat`; only the identity within customers.
    customers : CustomerCounts, optional
        What `count_customers` found, where it was asked before.

    Raises
    ------
    ValueError
        If coefficients do not fit the design, or another mean is asked for within customers.
    SchemaError
        If the rows were looked at without the customer's id.
    """
    within = isinstance(moments, WithinMoments)
    if within and mean != "identity":
        raise ValueError("Effects of customers are subtracted: mean must be identity.")
    total = moments.total if isinstance(moments, WithinMoments) else moments
    if customers is None:
        counted = moments.customers if isinstance(moments, WithinMoments) else None
        customers = counted or count_customers(rows)
    coefficients = checked_coefficients(total, coefficients)
    table = with_residuals(rows, total, coefficients, mean)
    most = residual_bound(coefficients) if mean == "identity" else None
    sums, bounds = _scores_by_customer(
        rows, table, coefficients.shape, customers, within=within, most=most
    )
    limbs = _limbs(customers) + 1
    matrix = cross_sums(rows.session, sums, bounds, customers.n_customers, limbs=limbs)
    return Meat(
        matrix=matrix,
        kind="CR1",
        n_obs=rows.n_used,
        n_clusters=customers.n_customers,
        n_singletons=customers.n_singletons,
    )


def customer_products(rows: CompleteRows, table: ir.Table, names: Sequence[str]) -> Meat:
    """Add up columns within customers, then the products of these sums over customers.

    Parameters
    ----------
    rows : CompleteRows
        The rows that `table` was made from, one for one.
    table : ibis table
        Holds ``customer`` and the columns, doubles.
    names : sequence of str
        The columns, in the order of the matrix.
    """
    customers = count_customers(rows)
    values = table.select("customer", *names)
    sizes = largest_sizes(rows.session, values.drop("customer"), rows.n_used)
    sums = _by_customer(values, sizes, customers)
    bounds = {name: customers.n_largest * sizes[name] for name in names}
    limbs = _limbs(customers) + 1
    return Meat(
        matrix=cross_sums(rows.session, sums, bounds, customers.n_customers, limbs=limbs),
        kind="CR1",
        n_obs=rows.n_used,
        n_clusters=customers.n_customers,
        n_singletons=customers.n_singletons,
    )


def _scores_by_customer(
    rows: CompleteRows,
    table: ir.Table,
    shape: tuple[int, ...],
    customers: CustomerCounts,
    *,
    within: bool,
    most: float | None,
) -> tuple[ir.Table, dict[str, float]]:
    """Write each customer's scores ``s{k}_{j}``, and bound them."""
    p, q = shape
    values = {
        f"s{k}_{j}": table["w"] * table[f"r{k}"] * table[f"z{j}"]
        for k in range(q)
        for j in range(p)
    }
    scores = list(values)
    if within:
        values |= {f"z{j}": table["w"] * table[f"z{j}"] for j in range(p)}
        values |= {f"r{k}": table["w"] * table[f"r{k}"] for k in range(q)} | {"w": table["w"]}
    terms = table.select("customer", **values)
    if most is None:
        sizes = largest_sizes(rows.session, terms.drop("customer"), rows.n_used)
    else:
        held = {"s": most, "r": most, "z": 1.0, "w": 1.0}
        sizes = {n: rows.largest_weight * held[n[0]] for n in terms.columns if n != "customer"}
    sums = _by_customer(terms, sizes, customers)
    if within:
        # What is left of the score when the residual's own mean within the customer is taken off.
        sums = sums.select(
            **{
                f"s{k}_{j}": sums[f"s{k}_{j}"] - sums[f"z{j}"] * (sums[f"r{k}"] / sums["w"])
                for k in range(q)
                for j in range(p)
            }
        )
        # The mean of z within a customer is at most 1.
        sizes = {name: sizes[name] + sizes["r" + name[1 : name.index("_")]] for name in scores}
    return sums, {name: customers.n_largest * sizes[name] for name in scores}


def _limbs(customers: CustomerCounts) -> int:
    """Say how many limbs a sum within a customer needs: one where rows are few.

    With at most 256 rows one limb holds 41 bits below the largest term, and over many customers
    what it rounds away cancels. It halves the memory of a group-by with millions of customers.
    """
    return 1 if customers.n_customers > MANY_CUSTOMERS and customers.n_largest <= FEW_ROWS else 2


def _by_customer(
    table: ir.Table, bounds: Mapping[str, float], customers: CustomerCounts
) -> ir.Table:
    """Add up columns within each customer."""
    terms = {name: Term(table[name], bound) for name, bound in bounds.items()}
    limbs, n_terms = _limbs(customers), max(customers.n_largest, 1)
    grouped = table.group_by("customer").aggregate(**sums_of(terms, n_terms, limbs))
    return grouped.select(**{name: add_limbs(grouped, name, limbs) for name in terms})


def _between(rows: CompleteRows, design: StandardDesign, customers: CustomerCounts) -> Floats:
    """Add up ``W_c zbar zbar'`` over customers, columns first, then outcomes."""
    table = design.table(rows)
    if rows.weight is None:
        table = table.mutate(w=constant(1))
    names = [f"z{i}" for i in range(len(design.columns))]
    names += [f"y{i}" for i in range(len(design.outcomes))]
    weight = rows.largest_weight
    values = {name: table["w"] * table[name] for name in names}
    terms = table.select("customer", "w", **values)
    sums = _by_customer(terms, dict.fromkeys(["w", *names], weight), customers)
    root = sums["w"].sqrt()
    scaled: dict[str, Any] = {name: sums[name] / root for name in names}
    bound = (customers.n_largest * weight) ** 0.5
    bounds = dict.fromkeys(names, bound)
    limbs = _limbs(customers) + 1
    table = sums.select(**scaled)
    return cross_sums(rows.session, table, bounds, customers.n_customers, limbs=limbs)


def _left(total: Floats, between: Floats) -> Floats:
    """Subtract; where next to nothing is left of a square, it is rounding and set to 0."""
    left = total - between
    nothing = np.diag(left) <= 1e-13 * np.diag(total)
    left[nothing, :] = 0.0
    left[:, nothing] = 0.0
    return left
