"""The stages of a study: each gives its section of the results, or the reason it has none."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from cxmodel.errors import FitError
from cxmodel.results import NotRun
from cxmodel.study_lift import NOBODY_LEFT, OUTCOMES, lift_model, route_of, why_no_lift

if TYPE_CHECKING:
    from cxmodel.config import StudyConfig
    from cxmodel.models.churn.result import ChurnResult
    from cxmodel.models.lift_result import LiftResult
    from cxmodel.models.population import Outcome
    from cxmodel.models.retention.hazard_result import HazardResult
    from cxmodel.models.retention.model import RetentionFit
    from cxmodel.progress import Progress
    from cxmodel.study_results import SavesModel
    from cxmodel.tables.observation_table import Observations
    from cxmodel.tables.sources import Sources
    from cxmodel.value.cltv.result import CltvResult
    from cxmodel.value.lift_card import LiftCard

_Fit = TypeVar("_Fit")
_LATER = {
    "drivers": "key drivers come with a later version of cxmodel",
    "journey": "journey stages come with a later version of cxmodel",
    "segments": "value segments come with a later version of cxmodel",
    "portfolio": "choosing among programmes comes with a later version of cxmodel",
}


@dataclass(frozen=True)
class StageRunner:
    """Runs each stage of a study once, when it is first asked for.

    Parameters
    ----------
    config : StudyConfig
        The settings.
    sources : Sources
        The opened tables.
    observations : Observations or NotRun
        The observation table, or why there is none.
    progress : Progress
        Told about each stage.
    """

    config: StudyConfig
    sources: Sources
    observations: Observations | NotRun
    progress: Progress

    def section(self, name: str) -> dict[str, Any]:
        """Give a stage's section of the results; ``not_run`` with the reason where it has none."""
        if name in _LATER:
            return NotRun(_LATER[name]).to_dict()
        made: dict[str, Any] | NotRun = getattr(self, f"_{name}")()
        if isinstance(made, NotRun):
            return made.to_dict()
        return {"status": "ok", "reason": None, **made}

    # -- the fits, each made once -----------------------------------------------------------

    @cached_property
    def _lift_fits(self) -> dict[str, LiftResult | NotRun]:
        return {outcome: self._fit_lift(outcome) for outcome in OUTCOMES}

    def _fit_lift(self, outcome: Outcome) -> LiftResult | NotRun:
        missing = why_no_lift(self.observations, outcome, self.config.study.currency)
        if missing:
            return NotRun(missing)
        return self._attempt(f"lift of {outcome}", lift_model(self.config, outcome).fit)

    @cached_property
    def _churn_fit(self) -> ChurnResult | NotRun:
        from cxmodel.models.churn.model import ChurnModel

        if self._lacks("churned"):
            return NotRun(NOBODY_LEFT)
        model = ChurnModel(
            keep=self.config.lift.keep, controls=self.config.lift.controls, seed=self._seed
        )
        return self._attempt("churn", model.fit)

    @cached_property
    def _retention_fit(self) -> RetentionFit | NotRun:
        from cxmodel.models.retention.model import RetentionModel

        if self._lacks("duration_days") and self._lacks("_duration_months"):
            return NotRun("nothing says how long customers stayed: there are no durations")
        if not isinstance(self.observations, NotRun) and _has_no_end(self.observations):
            return NotRun("nothing says until when customers were watched: state study.as_of")
        model = RetentionModel(
            family="auto", horizon_months=self.config.value.horizon_months, seed=self._seed
        )
        return self._attempt("retention", model.fit)

    @cached_property
    def _cltv_fit(self) -> CltvResult | NotRun:
        from cxmodel.study_cltv import cltv_model, fit_cltv, is_by_purchases

        curve, obs = self._retention_fit, self.observations
        missing = self._missing_value_settings()
        if missing:
            return NotRun(missing)
        if isinstance(curve, NotRun) and not is_by_purchases(self.config, obs, self.sources):
            return NotRun(f"it needs the retention curve: {curve.reason}")
        if self._lacks("revenue_after") and self._lacks("_monthly_revenue"):
            return NotRun("no revenue: add sources.revenue, sources.subscriptions, monthly_revenue")
        by = tuple(name for name in self.config.kpis.by if not self._lacks(name))
        model, lifts = cltv_model(self.config, by), self._lift_fits
        return self._attempt(
            "lifetime value",
            lambda found: fit_cltv(
                model, self.config, found, self.sources, curve, lifts, self._n_active
            ),
        )

    def _attempt(self, name: str, fit: Callable[[Observations], _Fit]) -> _Fit | NotRun:
        """Fit, or say why it could not be done: too little data is a reason, not an accident."""
        if isinstance(self.observations, NotRun):
            return NotRun(f"there are no observations: {self.observations.reason}")
        with self.progress.stage(name) as stage:
            stage.rows(self.observations.n_obs)
            try:
                return fit(self.observations)
            except FitError as error:
                return NotRun(str(error))

    # -- the sections ------------------------------------------------------------------------

    def _kpis(self) -> dict[str, Any] | NotRun:
        from cxmodel.study_kpis import kpi_rows
        from cxmodel.study_response import with_weighted

        with self.progress.stage("KPIs") as stage:
            stage.rows(self._n_rows("surveys", "observations", "interactions", "invitations"))
            rows, missing = kpi_rows(self.config, self.sources, self._as_of)
            rows = with_weighted(rows, self.config, self.observations)
        if not rows:
            reasons = "; ".join(f"{kpi}: {found.reason}" for kpi, found in missing.items())
            return NotRun(reasons or "the study has neither ratings nor contacts")
        return {"rows": rows, "not_run": missing}

    def _lift(self) -> dict[str, Any] | NotRun:
        fits = self._lift_fits
        if all(isinstance(fit, NotRun) for fit in fits.values()):
            return NotRun("; ".join(f"{name}: {_reason(fit)}" for name, fit in fits.items()))
        return {
            name: fit.to_dict() if isinstance(fit, NotRun) else fit.to_section()
            for name, fit in fits.items()
        }

    def _checks(self) -> dict[str, Any] | NotRun:
        fitted = self._fitted_lifts
        if not fitted:
            return NotRun("there is no lift to check")
        return {"rows": [row for fit in fitted.values() for row in fit.check_rows()]}

    def _evidence(self) -> dict[str, Any] | NotRun:
        from cxmodel.models.evidence import overall_evidence

        fitted = self._fitted_lifts
        if not fitted:
            return NotRun("there is no lift to grade")
        evidence = {name: fit.evidence for name, fit in fitted.items()}
        return {
            **overall_evidence(evidence).to_dict(),
            "by_outcome": {
                name: evidence[name].to_dict() if name in evidence else _reason_dict(fit)
                for name, fit in self._lift_fits.items()
            },
        }

    def _churn(self) -> dict[str, Any] | NotRun:
        return _section_of(self._churn_fit)

    def _retention(self) -> dict[str, Any] | NotRun:
        from cxmodel.study_retention import retention_section

        fit = self._retention_fit
        if isinstance(fit, NotRun) or isinstance(self.observations, NotRun):
            return _section_of(fit)
        return retention_section(fit, self.observations, self._hazard_fit)

    @cached_property
    def _hazard_fit(self) -> HazardResult | NotRun:
        from cxmodel.study_retention import fit_hazard_of

        return fit_hazard_of(self.observations, self.config)

    def _cltv(self) -> dict[str, Any] | NotRun:
        return _section_of(self._cltv_fit)

    def _programmes(self) -> dict[str, Any] | NotRun:
        from cxmodel.study_programmes import programme_rows

        if not self.config.programmes:
            return NotRun("the study names no programmes ([[programmes]])")
        missing = self._missing_value_settings()
        if missing:
            return NotRun(missing)
        lift = self._lift_fits["revenue"]
        if isinstance(lift, NotRun):
            return NotRun(f"it needs the lift of revenue: {lift.reason}")
        curve = self._retention_fit
        by_cltv = any(programme.value_by == "cltv" for programme in self.config.programmes)
        with self.progress.stage("programmes") as stage:
            stage.rows(len(self.config.programmes))
            rows = programme_rows(
                self.config,
                lift,
                None if isinstance(curve, NotRun) else curve,
                n_customers=self._n_active,
                margin=self._margin,
                cltv=self._cltv_fit if by_cltv else NotRun("no programme is valued by it"),
            )
        return {"rows": rows}

    # -- what stands around the stages ---------------------------------------------------------

    def study_section(self) -> dict[str, Any]:
        """Give section ``study``: what was asked, of which data, on which engine."""
        from cxmodel.study_sources import windows_of

        windows = windows_of(self.config)
        observations = None if isinstance(self.observations, NotRun) else self.observations
        return {
            "title": self.config.title,
            "currency": self.config.study.currency,
            "rating": self.config.rating,
            "as_of": self._as_of,
            "time_zone": self.config.study.time_zone,
            "seed": self._seed,
            "conf_level": self.config.study.conf_level,
            "min_group_size": self.config.study.min_group_size,
            "windows": {
                "lookback_days": windows.lookback_days,
                "outcome_days": windows.outcome_days,
                "gap_days": windows.gap_days,
                "inactive_days": windows.inactive_days,
            },
            "window_words": None if observations is None else observations.window_words,
            "churn_rule": None if observations is None else observations.churn_rule,
            "engine": self.sources.session.name,
            "plan": None if observations is None else observations.plan,
            "plan_reason": None if observations is None else observations.plan_reason,
            **route_of(observations),
            "inputs": {"rows": self._inputs()},
        }

    def lift_card(self, study: Mapping[str, Any]) -> LiftCard | None:
        """Give the card of the lifts that were fitted; None where there are none."""
        from cxmodel.study_card import card_of_study

        if isinstance(self.observations, NotRun) or "_lift_fits" not in self.__dict__:
            return None
        return card_of_study(tuple(self._fitted_lifts.values()), self.observations, study)

    def models(self) -> dict[str, SavesModel]:
        """Give the models that were fitted and that jobs use again, by name."""
        from cxmodel.study_models import saved_models

        names = ("churn", "retention", "hazard", "cltv")
        return saved_models({name: self.__dict__.get(f"_{name}_fit") for name in names})

    def _inputs(self) -> list[dict[str, Any]]:
        with self.progress.stage("fingerprints") as stage:
            stage.rows(self._n_rows(*self.sources.by_kind))
            return [
                {"table": kind, "n_rows": source.n_rows, "fingerprint": source.fingerprint()}
                for kind, source in sorted(self.sources.by_kind.items())
            ]

    def _n_rows(self, *kinds: str) -> int:
        return sum(source.n_rows for kind in kinds if (source := self.sources.get(kind)))

    def audit_section(self) -> dict[str, Any]:
        """Give section ``audit``: every response, and the money, accounted for."""
        if isinstance(self.observations, NotRun):
            return self.observations.to_dict()
        return {**self.observations.audit, "not_used": {"rows": list(self._not_used())}}

    def _not_used(self) -> Iterable[dict[str, Any]]:
        for name in ("_churn_fit", "_retention_fit", "_cltv_fit"):
            if name in self.__dict__:
                yield from getattr(self.__dict__[name], "not_used", ())
        for fit in self.__dict__.get("_lift_fits", {}).values():
            yield from getattr(fit, "not_used", ())

    def caveats(self) -> list[str]:
        """List every sentence that a reader must know, each once."""
        from cxmodel.study_caveats import caveats_of_data, caveats_of_settings

        found = caveats_of_data(self.config, self.sources, self.observations)
        for fit in self._made():
            found += getattr(fit, "caveats", ())
        found += caveats_of_settings(self.config)
        return list(dict.fromkeys(found))

    def _made(self) -> list[Any]:
        made = [self.__dict__.get(f"_{name}_fit") for name in ("churn", "retention", "cltv")]
        return [*self.__dict__.get("_lift_fits", {}).values(), *(fit for fit in made if fit)]

    # -- small facts ---------------------------------------------------------------------------

    @property
    def _fitted_lifts(self) -> dict[str, LiftResult]:
        return {name: fit for name, fit in self._lift_fits.items() if not isinstance(fit, NotRun)}

    @property
    def _seed(self) -> int:
        return self.config.study.seed

    @property
    def _margin(self) -> float:
        return self.config.value.gross_margin or 0.0

    @property
    def _as_of(self) -> Any:
        if isinstance(self.observations, NotRun):
            return self.config.study.as_of
        return self.observations.as_of

    @property
    def _n_active(self) -> int | None:
        if isinstance(self.observations, NotRun):
            return None
        return self.observations.audit.get("n_customers_active")

    def _lacks(self, column: str) -> bool:
        return not isinstance(self.observations, NotRun) and not self.observations.has(column)

    def _missing_value_settings(self) -> str:
        value = self.config.value
        missing = [
            name
            for name, given in (
                ("study.currency", self.config.study.currency),
                ("value.gross_margin", value.gross_margin if value.benefit == "margin" else 0.0),
                ("value.annual_discount_rate", value.annual_discount_rate),
            )
            if given is None
        ]
        return f"{' and '.join(missing)} missing: nobody can guess it; set it" if missing else ""


def _has_no_end(observations: Observations) -> bool:
    """Say whether nothing tells how far the data reach, so that no duration can be censored."""
    return not observations.is_joined and observations.as_of is None


def _reason(fit: Any) -> str:
    return fit.reason if isinstance(fit, NotRun) else ""


def _reason_dict(fit: Any) -> Mapping[str, Any]:
    return NotRun(_reason(fit)).to_dict()


def _section_of(fit: Any) -> dict[str, Any] | NotRun:
    return fit if isinstance(fit, NotRun) else fit.to_section()
