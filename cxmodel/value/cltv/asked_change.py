"""The change in lifetime value that one call of `CltvModel.fit` asks for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from cxmodel.errors import CxModelError, FitError
from cxmodel.models.lift_settings import LiftSettings
from cxmodel.models.population import Outcome
from cxmodel.results import NotRun
from cxmodel.tables.observation_table import Observations
from cxmodel.value.cltv.change_result import Baseline, ChangeSettings, CltvChange, find_change
from cxmodel.value.cltv.contract import ContractValue, Curve, retention_model
from cxmodel.value.cltv.drawn_lifts import DrawPlan, draw_lifts
from cxmodel.value.cltv.presence import find_presence
from cxmodel.value.cltv.rows import read_spend, spend_of
from cxmodel.value.cltv.settings import ValueSettings


@dataclass(frozen=True, eq=False)
class AskedChange:
    """The change per rating point of one call of `fit`."""

    lasts_months: float | None
    half_life_months: float | None
    obs: Observations
    curve: Curve | None
    lift: Any
    retention_lift: Any

    def found(self, contract: ContractValue) -> CltvChange:
        """Give it, or the reason why there is none."""
        settings = contract.settings
        plan = DrawPlan.of(self.obs, settings.n_draws, settings.seed)
        lift, retention_lift = self._lifts(settings)
        lifts = draw_lifts(lift, retention_lift, plan)
        return find_change(
            lifts,
            self.baseline(contract, retention_lift, plan),
            ChangeSettings(
                gross_margin=settings.gross_margin,
                benefit=settings.benefit,
                lasts_months=self.lasts_months,
                half_life_months=self.half_life_months,
                unit=settings.unit_of_change,
                conf_level=settings.conf_level,
            ),
            self.obs.window_words,
        )

    def baseline(self, contract: ContractValue, retention_lift: Any, plan: DrawPlan) -> Baseline:
        """Give what customers do as things are, per customer whom the lift of revenue holds.

        Without a contract it holds all who had started, so their money is split, and who was there
        is what the bookings show.
        """
        from cxmodel.models.lift_result import LiftResult

        if self.obs.churn_rule != "inactivity" or self.obs.is_joined:
            return contract.baseline()
        all_started = replace(contract, rows=read_spend(self.obs, of_all=True))
        asked = None
        if isinstance(retention_lift, LiftResult):
            asked = LiftSettings(controls=retention_lift.controls.names)
        return replace(all_started.baseline(), presence=find_presence(self.obs, plan, asked))

    def _lifts(self, settings: ValueSettings) -> tuple[Any, Any]:
        """Give the lifts that were passed, or fit both where none was."""
        if self.lift is not None:
            return self.lift, self.retention_lift
        asked = self.retention_lift
        retention = self._fitted("retention", settings) if asked is None else asked
        return self._fitted("revenue", settings), retention

    def _fitted(self, outcome: Outcome, settings: ValueSettings) -> Any:
        """Fit a lift, or say why there is none: value does not hang on it."""
        from cxmodel.models.lift import LiftModel

        if self.obs.rating is None:
            return NotRun("the observations hold no rating, so there is no point to value")
        try:
            # the headline alone is needed, not the second opinions
            return LiftModel(outcome=outcome, flexible=False, seed=settings.seed).fit(self.obs)
        except CxModelError as error:
            return NotRun(str(error))

    def alone(self, settings: ValueSettings) -> CltvChange:
        """Give it where the values themselves come from purchases."""
        obs = self.obs
        try:
            rows = spend_of(obs)
            whole = retention_model(settings).fit(obs) if self.curve is None else self.curve
        except FitError as error:
            return CltvChange.not_run(f"it needs spending and retention: {error}")
        return self.found(ContractValue(obs=obs, rows=rows, whole=whole, settings=settings))
