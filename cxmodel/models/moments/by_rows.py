"""A regression fitted by passes over the table or by customer, as a result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cxmodel.errors import InsufficientDataError
from cxmodel.models.moments.by_cells import blank, blank_both, said_of
from cxmodel.models.moments.columns import Columns
from cxmodel.models.moments.moments_fit import MomentsFit
from cxmodel.models.moments.pass_effects import effects_by_passes, effects_of_logit
from cxmodel.models.moments.pass_fit import PassFit
from cxmodel.models.moments.pass_fits import fit_by_passes
from cxmodel.models.moments.pass_two_part import effects_of_two_parts, two_parts_by_passes
from cxmodel.stats.cluster_moments import (
    ClusterMoments,
    cr2_covariance,
    satterthwaite_freedom,
)
from cxmodel.tables.moments import (
    CompleteRows,
    CustomerCounts,
    Meat,
    Route,
    Term,
    clustered_meat,
    count_customers,
    solve,
    within_customers,
)
from cxmodel.tables.reduction.by_cluster import cluster_products
from cxmodel.tables.reduction.second_pass import RobustKind

if TYPE_CHECKING:
    from cxmodel.models.moments.regression import MomentsRegression

Floats = NDArray[np.float64]

FEW_CLUSTERS = 50
"""Clusters below which CR1 is too narrow, and CR2 with its own degrees of freedom is taken."""


@dataclass(frozen=True, eq=False, kw_only=True)
class _Errors:
    """A covariance, and what goes with it."""

    kind: str
    covariance: Floats
    deg_freedom: Floats
    n_clusters: int | None = None
    clusters: ClusterMoments | None = None
    meat: Meat | None = None
    caveats: tuple[str, ...] = ()


def fit_by_table(
    model: MomentsRegression,
    rows: CompleteRows,
    columns: Columns,
    terms: Sequence[Term],
    route: Route,
) -> MomentsFit:
    """Fit by passes over the table and put the result together."""
    customers = _clusters(rows) if model.is_clustered else None
    if model.family == "two_part":
        return _two_parts(model, rows, columns, terms, route, customers)
    fitted = fit_by_passes(rows, terms, model.outcome, model.family)
    errors = _errors_of(model, fitted, customers)
    asked = [columns.interacted] if model.family == "linear" else list(columns.numbers)
    wanted = [name for name in asked if name is not None]
    values, spread = np.zeros(0), np.zeros((0, 0))
    if wanted:
        quick = None if errors.meat is None else effects_of_logit(fitted, wanted, errors.meat)
        values, meat = quick or effects_by_passes(fitted, wanted, clustered=model.is_clustered)
        spread = meat.factor(fitted.n_params) * meat.matrix
    return _result(model, fitted, errors, route, tuple(wanted), values, spread, fitted.n_params)


def _two_parts(
    model: MomentsRegression,
    rows: CompleteRows,
    columns: Columns,
    terms: Sequence[Term],
    route: Route,
    customers: CustomerCounts | None,
) -> MomentsFit:
    """Fit both parts; coefficients are those of any amount, effects those of the whole."""
    flag = f"any_{model.outcome}"
    both = two_parts_by_passes(rows, terms, flag, model.outcome)
    fitted = both.whether
    errors = _errors_of(model, fitted, customers)
    values, meat = np.zeros(0), np.zeros((0, 0))
    if columns.numbers:
        values, pulled = effects_of_two_parts(both, columns.numbers, clustered=model.is_clustered)
        meat = pulled.factor(both.n_params) * pulled.matrix
    return _result(model, fitted, errors, route, columns.numbers, values, meat, both.n_params)


def _result(
    model: MomentsRegression,
    fitted: PassFit,
    errors: _Errors,
    route: Route,
    effects: tuple[str, ...],
    values: Floats,
    spread: Floats,
    n_params: int,
) -> MomentsFit:
    """Put coefficients, errors and average effects together."""
    names = fitted.moments.columns
    dropped = np.flatnonzero([name in fitted.collinear for name in names])
    return MomentsFit(
        outcome=model.outcome,
        family=model.family,
        errors=errors.kind,
        names=names,
        coefficients=blank(fitted.coefficients, dropped),
        covariance=blank_both(errors.covariance, dropped),
        deg_freedom=errors.deg_freedom,
        effects=effects,
        effect_values=values,
        effect_covariance=spread,
        collinear=fitted.collinear,
        n_obs=fitted.n_obs,
        n_params=n_params,
        n_clusters=errors.n_clusters,
        missing=fitted.rows.missing,
        route=route,
        conf_level=model.conf_level,
        caveats=(*said_of(fitted.collinear), *errors.caveats),
        clusters=errors.clusters,
    )


def fit_within(
    model: MomentsRegression, rows: CompleteRows, terms: Sequence[Term], route: Route
) -> MomentsFit:
    """Fit with an effect for every customer; errors clustered by customer.

    The factor is ``G/(G-1) (n-1)/(n-k)`` with k the slopes: effects that lie within clusters are
    not counted, as in Stata's ``xtreg, fe vce(cluster)`` but for its constant.
    """
    n_clusters = _clusters(rows).n_customers
    within = within_customers(rows, terms, [model.outcome])
    solution = solve(within.design, within.zmz, within.zmy, within.ymy)
    if rows.n_used <= solution.n_params + n_clusters:
        raise InsufficientDataError(
            f"{rows.n_used:,} rows cannot carry {solution.n_params} slopes and an effect for each "
            f"of {n_clusters:,} customers: too few customers have more than one row."
        )
    meat = clustered_meat(rows, within, solution.standard)
    names = within.design.names
    dropped = np.flatnonzero([name in solution.collinear for name in names])
    spread = meat.factor(solution.n_params) * solution.covariance(meat.matrix)
    return MomentsFit(
        outcome=model.outcome,
        family=model.family,
        errors="CR1",
        names=names,
        coefficients=blank(solution.coefficients[:, 0], dropped),
        covariance=blank_both(spread, dropped),
        deg_freedom=np.full(len(names), n_clusters - 1.0),
        collinear=solution.collinear,
        n_obs=rows.n_used,
        n_params=solution.n_params,
        n_clusters=n_clusters,
        missing=rows.missing,
        route=route,
        conf_level=model.conf_level,
        caveats=said_of(solution.collinear),
    )


def _clusters(rows: CompleteRows) -> CustomerCounts:
    """Count clusters; one alone is refused."""
    found = count_customers(rows)
    if found.n_customers < 2:
        raise InsufficientDataError(
            f"All {rows.n_used:,} rows are of one customer, which says nothing about the spread "
            "between customers. Check the column given as customer, or take errors by row."
        )
    return found


def _errors_of(
    model: MomentsRegression, fitted: PassFit, customers: CustomerCounts | None
) -> _Errors:
    kind = model.errors or ("clustered" if model.is_clustered else "HC1")
    k = len(fitted.standard)
    is_line = fitted.family == "linear"
    if customers is None:
        free = np.full(k, float(fitted.n_obs - fitted.n_params) if is_line else np.inf)
        if kind == "classical":
            return _Errors(kind=kind, covariance=fitted.classical(), deg_freedom=free)
        robust: RobustKind = kind  # type: ignore[assignment]
        meat = fitted.robust(robust)
        spread = fitted.covariance(meat)
        return _Errors(kind=kind, covariance=spread, deg_freedom=free, meat=meat)
    n_clusters = customers.n_customers
    few = n_clusters < FEW_CLUSTERS
    if kind == "CR2" or (kind == "clustered" and few and is_line):
        return _bias_reduced(fitted, n_clusters)
    said: tuple[str, ...] = ()
    if few and kind == "clustered":
        said = (
            f"Only {n_clusters} customers: errors of this family are likely too small. Compare "
            "with least squares, whose errors are corrected for it.",
        )
    return _Errors(
        kind="CR1",
        covariance=fitted.covariance(fitted.clustered(customers)),
        deg_freedom=np.full(k, n_clusters - 1.0 if is_line else np.inf),
        n_clusters=n_clusters,
        caveats=said,
    )


def _bias_reduced(fitted: PassFit, n_clusters: int) -> _Errors:
    """Take CR2 and Satterthwaite's degrees of freedom from one matrix a cluster."""
    design = fitted.moments.design
    kept = np.flatnonzero([name not in fitted.collinear for name in design.names])
    found = cluster_products(fitted.rows, design)
    clusters = ClusterMoments(
        xwx=found.zwz[:, kept[:, None], kept], xwy=found.zwy[:, kept], n_obs=found.n_obs
    )
    back = design.back()[:, kept]
    free = satterthwaite_freedom(clusters, back.T)
    return _Errors(
        kind="CR2",
        covariance=back @ cr2_covariance(clusters) @ back.T * fitted.scale**2,
        deg_freedom=free,
        n_clusters=n_clusters,
        clusters=_in_own_units(clusters, back[kept], fitted.scale),
    )


def _in_own_units(clusters: ClusterMoments, back: Floats, scale: float) -> ClusterMoments:
    """Turn cross-products to the columns' own scale, so that a null is in units of the outcome.

    Columns other than the intercept stay centred, which moves no slope.
    """
    turn = np.linalg.inv(np.diag(np.diag(back)))
    return ClusterMoments(
        xwx=turn.T @ clusters.xwx @ turn,
        xwy=clusters.xwy @ turn * scale,
        n_obs=clusters.n_obs,
    )
