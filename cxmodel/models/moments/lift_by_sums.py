"""The lift of a table too large for its rows to be taken out: slopes from sums, and no more.

What a sum cannot hold is what each customer contributes to the error of an estimate. So there are
slopes with their own errors, no joint covariance, no draws, and no check that needs rows: the
evidence is an association, and says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from cxmodel.errors import ConfigError, InsufficientDataError, SeparationError
from cxmodel.models.checks.base import CHECK_NAMES, Check
from cxmodel.models.controls import ControlPlan
from cxmodel.models.evidence import first_sentence, grade
from cxmodel.models.leaks import LeakReport
from cxmodel.models.lift_fit import ROWS_PER_PARAMETER_INTERACTED
from cxmodel.models.lift_result import LiftResult
from cxmodel.models.lift_settings import LiftSettings
from cxmodel.models.moments.fitting import fit_table
from cxmodel.models.moments.lift_rows import lift_rows
from cxmodel.models.moments.moments_fit import MomentsFit
from cxmodel.models.moments.regression import MomentsRegression
from cxmodel.models.outcome_units import LiftUnits
from cxmodel.models.population import Outcome
from cxmodel.models.requirements import MIN_EVENTS, MIN_ROWS_PER_PARAMETER
from cxmodel.results import Estimate, NotRun
from cxmodel.tables.observation_table import Observations
from cxmodel.tables.opening.money import unit_digits

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from cxmodel.tables.engines.engine import Session

NO_ROWS = (
    "not made from sums over the table: it needs what each customer contributes, so the rows. "
    "Raise rows_up_to, or fit a sample of customers"
)
TERMS = (
    "per_rating_point",
    "unadjusted_per_rating_point",
    "additive_per_rating_point",
    "weighted_per_rating_point",
    "unweighted_per_rating_point",
    "plus_one_below_top",
    "percent_per_rating_point",
    "two_part_per_rating_point",
    "within_customer_per_rating_point",
    "flexible_per_rating_point",
    "reliability_corrected_per_rating_point",
    "reliability_corrected_within_customer_per_rating_point",
    "winsorised_per_rating_point",
)
# Known before the response, on the engine, and without gaps of their own.
DEFAULT_CONTROLS = ("revenue_before_units", "tenure_days", "contacts_before", "touchpoint")


def lift_by_sums(obs: Observations, outcome: Outcome, settings: LiftSettings) -> LiftResult:
    """Estimate unadjusted, additive and averaged slopes where the observations lie.

    The unadjusted slope is that of ``LiftModel`` on the rows, to the last digits; so are the others
    where the controls have no gaps and no rare levels, which on rows are marked and pooled.

    Parameters
    ----------
    obs : Observations
        On an engine.
    outcome : {"revenue", "retention"}
        What is explained.
    settings : LiftSettings
        Of these `controls` and `average` are used.

    Raises
    ------
    ConfigError
        If the rows are in memory, or there is no rating or no such outcome.
    InsufficientDataError
        Under 10 events or 10 rows per coefficient.
    """
    session, table, scale = obs.session, obs.table, obs.scale
    if session is None or table is None or scale is None:
        raise ConfigError("A lift by sums needs observations on an engine, with a rating.")
    population, not_used = _population(obs, session, table, outcome)
    controls = _controls(obs, table, settings)
    base, n_customers, n_events = _with_shares(session, population, controls, outcome)
    not_used += _missing_control(obs.n_obs, not_used, n_customers[1], outcome)
    is_clustered = n_customers[0] < n_customers[1]
    fits, said = _fits(session, base, outcome, settings, controls, n_events, clustered=is_clustered)
    return _result(
        obs,
        outcome,
        fits,
        said=said,
        not_used=tuple(not_used),
        controls=controls,
        n_customers=n_customers[0],
        n_events=n_events,
        is_clustered=is_clustered,
    )


def _fits(
    session: Session,
    base: ir.Table,
    outcome: Outcome,
    settings: LiftSettings,
    controls: tuple[str, ...],
    n_events: int,
    *,
    clustered: bool,
) -> tuple[dict[str, MomentsFit], str]:
    """Fit the bare, the additive and the averaged slope; say why the last is the additive one."""
    ask: dict[str, Any] = {
        "outcome": "y",
        "family": "linear" if outcome == "revenue" else "logit",
        "weight": "share" if clustered else None,
        "customer": "customer" if clustered else None,
        "errors": "CR1" if clustered else "HC1",
    }
    bare = fit_table(MomentsRegression(explained_by=["rating"], **ask), session, base)
    additive = fit_table(
        MomentsRegression(explained_by=["rating", *controls], **ask), session, base
    )
    _require(n_events, additive)
    headline, said = additive, ""
    if settings.average == "base" and controls:
        model = MomentsRegression(explained_by=["rating", *controls], interacted="rating", **ask)
        headline, said = _interacted(model, session, base, additive)
    fits = {
        "per_rating_point": headline,
        "unadjusted_per_rating_point": bare,
        "additive_per_rating_point": additive,
        "unweighted_per_rating_point": headline,
    }
    return fits, said


def _interacted(
    model: MomentsRegression, session: Session, base: ir.Table, additive: MomentsFit
) -> tuple[MomentsFit, str]:
    """Let the slope differ with controls, where rows suffice and nothing is separated."""
    n_params = 2 * (additive.n_params - 1)
    too_few = "The headline is the additive slope: "
    if additive.n_obs < ROWS_PER_PARAMETER_INTERACTED * n_params:
        return additive, (
            f"{too_few}{additive.n_obs:,} rows are fewer than {ROWS_PER_PARAMETER_INTERACTED} for "
            f"each of {n_params} parameters with interactions."
        )
    try:
        return fit_table(model, session, base), ""
    except SeparationError:
        return additive, f"{too_few}with interactions the outcome is separated."


def _population(
    obs: Observations, session: Session, table: ir.Table, outcome: Outcome
) -> tuple[ir.Table, list[dict[str, Any]]]:
    """Keep who is in the lift, each left out under the first reason that applies."""
    import ibis

    column = "revenue_after_units" if outcome == "revenue" else "churned"
    if column not in table.columns:
        raise ConfigError(f"There is no {outcome} after the response to explain.")
    if obs.rating is None:
        raise ConfigError("The study has no rating, so there is no lift.")
    kept, left_out = lift_rows(obs, session, table, column)
    rows = [{"stage": f"lift.{outcome}", "reason": name, "n": n} for name, n in left_out.items()]
    y = kept[column] if outcome == "revenue" else ibis.ifelse(kept[column] == 0, 1, 0)
    return kept.mutate(y=y.cast("int64")), rows


def _missing_control(
    n_obs: int, not_used: Sequence[dict[str, Any]], n_used: int, outcome: Outcome
) -> list[dict[str, Any]]:
    """Count the rows that a gap in a control leaves out."""
    n = n_obs - sum(row["n"] for row in not_used) - n_used
    return [{"stage": f"lift.{outcome}", "reason": "missing_control", "n": n}] if n else []


def _controls(obs: Observations, table: ir.Table, settings: LiftSettings) -> tuple[str, ...]:
    """Give the columns held equal; revenue before is whole units on an engine."""
    if settings.controls is None:
        return tuple(c for c in (*DEFAULT_CONTROLS, *obs.attributes) if c in table.columns)
    given = [
        f"{name}_units" if name.startswith("revenue_before") and name not in table.columns else name
        for name in settings.controls
    ]
    return tuple(given)


def _with_shares(
    session: Session, population: ir.Table, controls: Sequence[str], outcome: Outcome
) -> tuple[ir.Table, tuple[int, int], int]:
    """Leave out rows with a gap in a control, and share a customer's weight among the others."""
    import ibis

    columns = {name: population[name] for name in controls}
    base = population.select(
        y=population["y"],
        rating=population["rating"].cast("int64"),
        customer=population["customer_id"],
        **columns,
    )
    if controls:
        base = base.filter([base[name].notnull() for name in controls])
    base = base.mutate(share=1.0 / base.count().over(ibis.window(group_by="customer")))
    event = base["y"] != 0 if outcome == "revenue" else base["y"] == 0
    facts = session.one_row(
        base.aggregate(
            n=base.count(),
            customers=base["customer"].nunique(),
            events=ibis.ifelse(event, 1, 0).sum(),
        )
    )
    n, events = int(facts["n"]), int(facts["events"] or 0)
    if outcome == "retention":
        events = min(events, n - events)
    return base, (int(facts["customers"]), n), events


def _require(n_events: int, headline: MomentsFit) -> None:
    if n_events < MIN_EVENTS:
        raise InsufficientDataError(
            f"{n_events:,} events; at least {MIN_EVENTS} are needed. Widen windows.outcome_days."
        )
    if headline.n_obs < MIN_ROWS_PER_PARAMETER * headline.n_params:
        raise InsufficientDataError(
            f"{headline.n_obs:,} rows for {headline.n_params} coefficients; at least "
            f"{MIN_ROWS_PER_PARAMETER} each are needed. Drop controls."
        )


def _result(
    obs: Observations,
    outcome: Outcome,
    fits: dict[str, MomentsFit],
    *,
    said: str,
    controls: tuple[str, ...],
    **facts: Any,
) -> LiftResult:
    """Put the slopes together with what a lift without rows can say of itself."""
    if obs.scale is None:
        raise ConfigError("A lift needs a rating with a scale.")
    units, headline = LiftUnits.of(obs, outcome), fits["per_rating_point"]
    checks = tuple(Check.not_run(name, outcome, NO_ROWS) for name in CHECK_NAMES)
    evidence = grade(checks)
    caveats = _caveats(obs, headline, controls, said)
    riding = (first_sentence(evidence.text), *caveats)
    digits = 10.0 ** -unit_digits(obs.currency) if outcome == "revenue" else 1.0
    made = {
        name: _estimate(fit, digits, units.slope, obs.conf_level, riding)
        for name, fit in fits.items()
    }
    return LiftResult(
        outcome=outcome,
        units=units,
        terms={name: made.get(name, NotRun(NO_ROWS)) for name in TERMS},
        per_kpi={path: NotRun(NO_ROWS) for path in obs.scale.paths},
        checks=checks,
        evidence=evidence,
        caveats=caveats,
        scale=obs.scale,
        conf_level=obs.conf_level,
        n_obs=headline.n_obs,
        n_params=headline.n_params,
        is_interacted=headline is not fits["additive_per_rating_point"],
        values={name: one.estimate for name, one in made.items()},
        **_without_rows(),
        **facts,
    )


def _caveats(
    obs: Observations, headline: MomentsFit, controls: tuple[str, ...], said: str
) -> tuple[str, ...]:
    """Say that there are slopes alone, what they hold equal, and what the fits said."""
    held = ", ".join(name.removesuffix("_units") for name in controls) or "nothing"
    return (
        f"{obs.n_obs:,} observations are more than are taken out: slopes come from sums over the "
        f"table. {headline.route.reason}",
        f"Held equal: {held}. No column was examined for knowledge of the outcome.",
        *([said] if said else []),
        *headline.caveats,
    )


def _without_rows() -> dict[str, Any]:
    """Give what sums do not hold: rows for each rating, band or group, and what customers add."""
    return {
        "by_rating": (),
        "by_band": (),
        "by_group": NotRun(NO_ROWS),
        "within": None,
        "plus_one_by_band": NotRun(NO_ROWS),
        "curve": NotRun(NO_ROWS),
        "leaks": LeakReport(),
        "controls": ControlPlan(),
        "customers": np.array([], dtype=object),
        "influence": {},
    }


def _estimate(
    fit: MomentsFit, digits: float, unit: str, level: float, caveats: tuple[str, ...]
) -> Estimate:
    """Give the slope in the rating: a coefficient, or its average over the rows."""
    one = fit.effect("rating") if "rating" in fit.effects else fit.estimate("rating")
    free = float(fit.deg_freedom[0])
    if one.std_error is None:
        raise InsufficientDataError("The slope has no error. Add responses, or drop controls.")
    return Estimate.from_std_error(
        one.estimate * digits,
        one.std_error * digits,
        unit=unit,
        n_obs=fit.n_obs,
        conf_level=level,
        deg_freedom=free if np.isfinite(free) else None,
        caveats=caveats,
    )
