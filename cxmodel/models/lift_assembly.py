"""From a fit to its result: every estimate, then the rows, the checks and the grade."""

from __future__ import annotations

from typing import Any

from cxmodel.errors import ConfigError
from cxmodel.models.checks.run_all import run_checks
from cxmodel.models.controls import ControlPlan
from cxmodel.models.estimates.by_group import GroupLifts, lifts_by_group
from cxmodel.models.estimates.curve import fit_curve
from cxmodel.models.estimates.direction import direction
from cxmodel.models.estimates.flexible_contrasts import (
    Contrasts,
    contrasts_section,
    flexible_contrasts,
)
from cxmodel.models.estimates.level_rows import LevelRows
from cxmodel.models.estimates.levels import fit_levels
from cxmodel.models.estimates.reliability import WITHIN_TERM, reliability_section
from cxmodel.models.estimates.within import find_within
from cxmodel.models.estimates.within_summary import WithinSummary, summary_of_within
from cxmodel.models.estimation import Quantity
from cxmodel.models.evidence import first_sentence, grade
from cxmodel.models.experiments.experiment import evaluate_experiment
from cxmodel.models.experiments.experiment_result import beside_an_experiment
from cxmodel.models.experiments.instrument import fit_instrument
from cxmodel.models.experiments.rollout import evaluate_rollout
from cxmodel.models.lift_fit import LiftFit
from cxmodel.models.lift_result import LiftResult
from cxmodel.models.lift_terms import (
    corrected_paths_of,
    named_quantities,
    paths_of,
    plus_one_by_band,
    terms_of,
)
from cxmodel.models.outcome_units import LiftUnits
from cxmodel.models.response.sweep import non_response
from cxmodel.results import Estimate, NotRun


def assemble(fit: LiftFit) -> LiftResult:
    """Compute every term, then the rows, the checks and the grade."""
    scale = fit.obs.scale
    if scale is None:
        raise ConfigError("A lift needs a rating with a scale.")
    levels = fit_levels(fit.sample, link=fit.link, is_separated=fit.separation is not None)
    units = LiftUnits.of(fit.obs, fit.outcome)
    within_fit = find_within(fit)
    terms, unseen = terms_of(fit, levels, scale, within_fit)
    instrument = fit_instrument(fit)
    terms["instrumented_per_rating_point"] = (
        instrument if isinstance(instrument, NotRun) else instrument.quantity
    )
    paths = paths_of(fit, levels, scale)
    contrasts = flexible_contrasts(fit, scale)
    if isinstance(contrasts, Contrasts):
        unseen += contrasts.sentences()
    caveats = tuple(dict.fromkeys([*direction(fit), *fit.caveats, *unseen, *levels.caveats]))
    checks = run_checks(fit)
    within = summary_of_within(fit, within_fit, checks)
    experiment = evaluate_experiment(fit)
    evidence = beside_an_experiment(grade(checks, within=within), experiment)
    # an estimate that is passed on alone still says how far it may be believed
    riding = (first_sentence(evidence.text), *caveats)
    by_group = lifts_by_group(fit, units.slope)
    quantities = named_quantities(terms, paths, levels, by_group)
    if isinstance(contrasts, Contrasts):
        quantities |= contrasts.quantities
    level = fit.obs.conf_level
    rows = LevelRows(units.level, level, fit.obs.min_group_size, fit.outcome == "retention")
    return LiftResult(
        outcome=fit.outcome,
        units=units,
        terms={
            n: _estimate(q, units.of_term(n), level, (*riding, *beside_term(n, within)))
            for n, q in terms.items()
        },
        per_kpi={p: _estimate(q, units.of_path(p), level, riding) for p, q in paths.items()},
        per_kpi_corrected={
            p: _estimate(q, units.of_path(p), level, riding)
            for p, q in corrected_paths_of(fit, terms, paths).items()
        },
        by_rating=tuple(rows.by_rating(levels)),
        by_band=tuple(rows.by_band(levels, scale)),
        by_group=by_group,
        within=within,
        instrument=instrument,
        experiment=experiment,
        plus_one_by_band=plus_one_by_band(fit, levels, scale, units.slope),
        curve=fit_curve(fit, units.level),
        rollout=evaluate_rollout(fit),
        checks=checks,
        evidence=evidence,
        caveats=(*caveats, *beside(within, by_group)),
        values={name: quantity.value for name, quantity in quantities.items()},
        influence={name: quantity.influence for name, quantity in quantities.items()},
        stated={name: quantity.stated for name, quantity in quantities.items() if quantity.stated},
        flexible_contrasts=contrasts_section(contrasts, units.level, level),
        reliability=reliability_section(terms["reliability_corrected_per_rating_point"], level),
        reliability_within=reliability_section(
            terms[WITHIN_TERM], level, explained="correlation_between_waves"
        ),
        **_facts(fit),
    )


def beside_term(term: str, within: WithinSummary | None) -> tuple[str, ...]:
    """Say what of the comparison within customers rides on a term."""
    if within is None or within.stands_first == "adjusted":
        return (within.text,) if within and "within_customer" in term else ()
    # a number that does not stand first says so wherever it goes
    return (within.text,)


def beside(within: WithinSummary | None, by_group: GroupLifts | NotRun) -> list[str]:
    """Say what is known of estimates beside the headline; it does not ride on the headline."""
    said = [] if within is None else [within.text]
    return said + ([] if isinstance(by_group, NotRun) else list(by_group.caveats))


def _facts(fit: LiftFit) -> dict[str, Any]:
    """Give what of the fit stands in the result as it is."""
    return {
        "not_used": fit.not_used,
        "leaks": fit.leaks,
        "controls": ControlPlan() if fit.headline is None else fit.plan,
        "scale": fit.obs.scale,
        "conf_level": fit.obs.conf_level,
        "n_obs": fit.sample.n_obs,
        "n_customers": fit.sample.n_in_sample,
        "n_events": fit.n_events,
        "n_params": fit.headline.n_params if fit.headline else 0,
        "is_interacted": fit.is_interacted,
        "is_clustered": fit.sample.is_clustered,
        "customers": fit.customers,
        "non_response": non_response(fit),
    }


def _estimate(
    found: Quantity | NotRun, unit: str, conf_level: float, caveats: tuple[str, ...]
) -> Estimate | NotRun:
    if isinstance(found, NotRun):
        return found
    return found.to_estimate(unit, conf_level=conf_level, caveats=caveats)
