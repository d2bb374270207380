"""The change in lifetime value that one call of `CltvModel.fit` asks for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cxmodel.errors import FitError
from cxmodel.tables.observation_table import Observations
from cxmodel.value.cltv.change_result import ChangeSettings, CltvChange, find_change
from cxmodel.value.cltv.contract import ContractValue, Curve, retention_model
from cxmodel.value.cltv.drawn_lifts import DrawPlan, draw_lifts
from cxmodel.value.cltv.rows import spend_of
from cxmodel.value.cltv.settings import ValueSettings

_NO_LIFT = "no lift was given: pass lift=LiftModel().fit(obs)"


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
        if self.lift is None:
            return CltvChange.not_run(_NO_LIFT)
        plan = DrawPlan.of(self.obs, contract.settings.n_draws, contract.settings.seed)
        lifts = draw_lifts(self.lift, self.retention_lift, plan)
        settings = contract.settings
        return find_change(
            lifts,
            contract.baseline(),
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

    def alone(self, settings: ValueSettings) -> CltvChange:
        """Give it where the values themselves come from purchases."""
        if self.lift is None:
            return CltvChange.not_run(_NO_LIFT)
        obs = self.obs
        try:
            rows = spend_of(obs)
            whole = retention_model(settings).fit(obs) if self.curve is None else self.curve
        except FitError as error:
            return CltvChange.not_run(f"it needs spending and retention: {error}")
        return self.found(ContractValue(obs=obs, rows=rows, whole=whole, settings=settings))
