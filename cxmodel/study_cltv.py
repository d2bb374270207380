"""The lifetime value of a study: with a contract, or from purchases where there is none."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cxmodel.errors import FitError
from cxmodel.results import NotRun

if TYPE_CHECKING:
    from cxmodel.config import StudyConfig
    from cxmodel.models.lift_result import LiftResult
    from cxmodel.models.retention.fit import RetentionFit
    from cxmodel.tables.later_revenue import Ledger
    from cxmodel.tables.observation_table import Observations
    from cxmodel.tables.sources import Source, Sources
    from cxmodel.value.cltv.backtest import Backtest
    from cxmodel.value.cltv.model import CltvModel
    from cxmodel.value.cltv.result import CltvResult

# Bookings up to which histories are taken out with their customers, for bands and groups.
BY_CUSTOMER_UP_TO = 20_000_000
UNIT_DAYS = 7.0


def is_by_purchases(config: StudyConfig, obs: Observations | NotRun, sources: Sources) -> bool:
    """Say whether a study values customers by their purchases."""
    if isinstance(obs, NotRun) or sources.get("revenue") is None:
        return False
    kind = config.value.kind
    return kind == "purchases" or (kind == "auto" and obs.churn_rule == "inactivity")


def cltv_model(config: StudyConfig, by: tuple[str, ...]) -> CltvModel:
    """Give the model that the settings describe."""
    from cxmodel.value.cltv.model import CltvModel

    value = config.value
    return CltvModel(
        gross_margin=value.gross_margin or 0.0,
        annual_discount_rate=value.annual_discount_rate or 0.0,
        horizon_months=value.horizon_months,
        benefit=value.benefit,
        kind=value.kind,
        by=by,
        acquisition_cost=value.acquisition_cost,
        lasts_months=value.lasts_months,
        half_life_months=value.half_life_months,
        seed=config.study.seed,
    )


def fit_cltv(
    model: CltvModel,
    config: StudyConfig,
    obs: Observations,
    sources: Sources,
    curve: RetentionFit | NotRun,
    lifts: Mapping[str, LiftResult | NotRun],
    n_active: int | None,
) -> CltvResult:
    """Value the customers of a study, and hold the value against a period that is over.

    Raises
    ------
    FitError
        If there is too little to value.
    """
    how: dict[str, Any] = {
        "lift": lifts["revenue"],
        "retention_lift": lifts["retention"],
        "n_customers": n_active,
    }
    fitted = None if isinstance(curve, NotRun) else curve
    revenue = sources.get("revenue")
    if revenue is None or not is_by_purchases(config, obs, sources):
        return model.fit(obs, fitted, ledger=_ledger(config, sources, obs), **how)
    result = model.fit(obs, fitted, purchases=_histories(revenue, obs.as_of), **how)
    if result.kind != "purchases":
        return result
    return replace(result, backtest=_backtest(model, revenue, obs))


def _ledger(config: StudyConfig, sources: Sources, obs: Observations) -> Ledger | None:
    from cxmodel.tables.later_revenue import Ledger

    kinds = ("revenue", "subscriptions")
    if obs.as_of is None or not any(sources.get(kind) for kind in kinds):
        return None
    return Ledger(sources=sources, as_of=obs.as_of, time_zone=config.study.time_zone)


def _histories(revenue: Source, as_of: dt.date | None, **how: Any) -> Any:
    from cxmodel.tables.purchase_customers import purchases_by_customer
    from cxmodel.tables.purchases import summarize_purchases

    read = summarize_purchases if revenue.n_rows > BY_CUSTOMER_UP_TO else purchases_by_customer
    return read(revenue, as_of=as_of, unit_days=UNIT_DAYS, **how)


def _backtest(model: CltvModel, revenue: Source, obs: Observations) -> Backtest | NotRun:
    """Keep the last outcome window apart and foretell it from what was known before."""
    if obs.as_of is None:
        return NotRun("nothing says until when bookings are complete: state study.as_of")
    start = obs.as_of - dt.timedelta(days=obs.windows.outcome_days - 1)
    try:
        held = _histories(revenue, obs.as_of, holdout_from=start)
    except (FitError, ValueError) as error:
        return NotRun(f"no period can be kept apart: {error}")
    return model.backtest(held)
