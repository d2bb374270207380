"""From a fit to its result: every estimate, then the rows, the checks and the grade."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

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
from cxmodel.models.estimates.levels import Levels, fit_levels
from cxmodel.models.estimates.reliability import WITHIN_TERM, reliability_section
from cxmodel.models.estimates.within import WithinFit, find_within
from cxmodel.models.estimates.within_summary import WithinSummary, summary_of_within
from cxmodel.models.estimation import Quantity
from cxmodel.models.evidence import first_sentence, grade
from cxmodel.models.experiments.experiment import evaluate_experiment
from cxmodel.models.experiments.experiment_result import beside_an_experiment
from cxmodel.models.experiments.instrument import InstrumentResult, fit_instrument
from cxmodel.models.experiments.rollout import evaluate_rollout
from cxmodel.models.lift_fit import LiftFit
from cxmodel.models.lift_result import LiftResult
from cxmodel.models.lift_terms import (
    Found,
    corrected_paths_of,
    named_quantities,
    paths_of,
    plus_one_by_band,
    terms_of,
)
from cxmodel.models.outcome_units import LiftUnits
from cxmodel.models.response.sweep import non_response
from cxmodel.results import Estimate, NotRun

if TYPE_CHECKING:
    from cxmodel.scales import Scale

INSTRUMENTED = "instrumented_per_rating_point"


@dataclass(frozen=True, eq=False, kw_only=True)
class _Numbers:
    """What was estimated of one outcome, before the checks say how far it may be believed."""

    units: LiftUnits
    levels: Levels
    within: WithinFit | NotRun
    instrument: InstrumentResult | NotRun
    terms: Found
    paths: Found
    corrected_paths: Found
    contrasts: Contrasts | NotRun
    by_group: GroupLifts | NotRun
    said: tuple[str, ...]

    def named(self) -> dict[str, Quantity]:
        """Name everything that has an influence, for the joint covariance."""
        named = named_quantities(self.terms, self.paths, self.levels, self.by_group)
        if isinstance(self.contrasts, NotRun):
            return named
        return {**named, **self.contrasts.quantities}


def assemble(fit: LiftFit) -> LiftResult:
    """Compute every term, then the rows, the checks and the grade."""
    scale = fit.obs.scale
    if scale is None:
        raise ConfigError("A lift needs a rating with a scale.")
    numbers = _numbers(fit, scale)
    caveats = tuple(
        dict.fromkeys([*direction(fit), *fit.caveats, *numbers.said, *numbers.levels.caveats])
    )
    checks = run_checks(fit)
    within = summary_of_within(fit, numbers.within, checks)
    experiment = evaluate_experiment(fit)
    evidence = beside_an_experiment(grade(checks, within=within), experiment)
    # an estimate that is passed on alone still says how far it may be believed
    riding = (first_sentence(evidence.text), *caveats)
    return LiftResult(
        outcome=fit.outcome,
        units=numbers.units,
        within=within,
        instrument=numbers.instrument,
        experiment=experiment,
        rollout=evaluate_rollout(fit),
        checks=checks,
        evidence=evidence,
        caveats=(*caveats, *beside(within, numbers.by_group)),
        **_estimates(numbers, fit.obs.conf_level, riding, within),
        **_rows(fit, numbers, scale),
        **_influence(numbers.named()),
        **_facts(fit),
    )


def _numbers(fit: LiftFit, scale: Scale) -> _Numbers:
    """Estimate everything that is not a check."""
    levels = fit_levels(fit.sample, link=fit.link, is_separated=fit.separation is not None)
    units = LiftUnits.of(fit.obs, fit.outcome)
    within = find_within(fit)
    terms, said = terms_of(fit, levels, scale, within)
    instrument = fit_instrument(fit)
    terms[INSTRUMENTED] = instrument if isinstance(instrument, NotRun) else instrument.quantity
    paths = paths_of(fit, levels, scale)
    contrasts = flexible_contrasts(fit, scale)
    return _Numbers(
        units=units,
        levels=levels,
        within=within,
        instrument=instrument,
        terms=terms,
        paths=paths,
        corrected_paths=corrected_paths_of(fit, terms, paths),
        contrasts=contrasts,
        by_group=lifts_by_group(fit, units.slope),
        said=(*said, *(contrasts.sentences() if isinstance(contrasts, Contrasts) else ())),
    )


def _estimates(
    numbers: _Numbers, level: float, riding: tuple[str, ...], within: WithinSummary | None
) -> dict[str, Any]:
    """Give terms and paths with their intervals, and what must be known of each."""
    units, instrument = numbers.units, numbers.instrument
    terms = {
        name: _estimate(found, units.of_term(name), level, (*riding, *beside_term(name, within)))
        for name, found in numbers.terms.items()
    }
    if isinstance(instrument, InstrumentResult):
        # the checks grade the headline: an instrument has its own evidence, and its own tests
        own = (instrument.evidence.text, *instrument.caveats)
        terms[INSTRUMENTED] = _estimate(
            instrument.quantity, units.of_term(INSTRUMENTED), level, own
        )
    return {
        "terms": terms,
        "per_kpi": {
            path: _estimate(found, units.of_path(path), level, riding)
            for path, found in numbers.paths.items()
        },
        "per_kpi_corrected": {
            path: _estimate(found, units.of_path(path), level, riding)
            for path, found in numbers.corrected_paths.items()
        },
    }


def _rows(fit: LiftFit, numbers: _Numbers, scale: Scale) -> dict[str, Any]:
    """Give what has a row for each rating, band or group, and the tables beside the terms."""
    level, units, levels = fit.obs.conf_level, numbers.units, numbers.levels
    rows = LevelRows(units.level, level, fit.obs.min_group_size, fit.outcome == "retention")
    corrected = numbers.terms["reliability_corrected_per_rating_point"]
    return {
        "by_rating": tuple(rows.by_rating(levels)),
        "by_band": tuple(rows.by_band(levels, scale)),
        "by_group": numbers.by_group,
        "plus_one_by_band": plus_one_by_band(fit, levels, scale, units.slope),
        "curve": fit_curve(fit, units.level),
        "flexible_contrasts": contrasts_section(numbers.contrasts, units.level, level),
        "reliability": reliability_section(corrected, level),
        "reliability_within": reliability_section(
            numbers.terms[WITHIN_TERM], level, explained="correlation_between_waves"
        ),
    }


def _influence(named: dict[str, Quantity]) -> dict[str, Any]:
    """Give values and influence by name, for the joint covariance and for draws."""
    return {
        "values": {name: quantity.value for name, quantity in named.items()},
        "influence": {name: quantity.influence for name, quantity in named.items()},
        "stated": {name: quantity.stated for name, quantity in named.items() if quantity.stated},
    }


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
