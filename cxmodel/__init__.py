"""cxmodel: what a point of customer experience is worth, in money, and how far to believe it."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_WHERE = {
    "CES7": "scales",
    "CSAT5": "scales",
    "CSAT7": "scales",
    "ChurnClassifier": "models.churn.classifier",
    "ChurnModel": "models.churn.model",
    "CltvModel": "value.cltv.model",
    "Engine": "tables.engines.engine",
    "Estimate": "results",
    "Experiment": "models.experiments.experiment_settings",
    "HazardModel": "models.retention.hazard",
    "LiftCard": "value.lift_card",
    "LiftModel": "models.lift",
    "MomentsRegression": "models.moments.regression",
    "NPS": "scales",
    "NotRun": "results",
    "Observations": "tables.observation_table",
    "Programme": "value.programme",
    "PurchaseModel": "value.purchases.model",
    "ResponseModel": "models.response.model",
    "RetentionModel": "models.retention.model",
    "Rollout": "models.experiments.rollout_settings",
    "Scale": "scales",
    "SpendModel": "value.purchases.spend",
    "Study": "study",
    "StudyResults": "study_results",
    "Windows": "tables.observation_table",
    "join_observations": "tables.observations",
    "measure_kpi": "kpis.survey",
    "project_roi": "value.roi",
    "read_churn": "tables.readers",
    "read_customers": "tables.readers",
    "read_interactions": "tables.readers",
    "read_invitations": "tables.readers",
    "read_lift_card": "value.lift_card",
    "read_observations": "tables.readers",
    "read_results": "study_results",
    "read_revenue": "tables.readers",
    "read_subscriptions": "tables.readers",
    "read_surveys": "tables.readers",
    "summarize_purchases": "tables.purchases",
}
_MODULES = ("datasets", "errors")

if TYPE_CHECKING:
    from cxmodel import datasets as datasets
    from cxmodel import errors as errors
    from cxmodel.kpis.survey import measure_kpi as measure_kpi
    from cxmodel.models.churn.classifier import ChurnClassifier as ChurnClassifier
    from cxmodel.models.churn.model import ChurnModel as ChurnModel
    from cxmodel.models.experiments.experiment_settings import Experiment as Experiment
    from cxmodel.models.experiments.rollout_settings import Rollout as Rollout
    from cxmodel.models.lift import LiftModel as LiftModel
    from cxmodel.models.moments.regression import MomentsRegression as MomentsRegression
    from cxmodel.models.response.model import ResponseModel as ResponseModel
    from cxmodel.models.retention.hazard import HazardModel as HazardModel
    from cxmodel.models.retention.model import RetentionModel as RetentionModel
    from cxmodel.results import Estimate as Estimate
    from cxmodel.results import NotRun as NotRun
    from cxmodel.scales import CES7 as CES7
    from cxmodel.scales import CSAT5 as CSAT5
    from cxmodel.scales import CSAT7 as CSAT7
    from cxmodel.scales import NPS as NPS
    from cxmodel.scales import Scale as Scale
    from cxmodel.study import Study as Study
    from cxmodel.study_results import StudyResults as StudyResults
    from cxmodel.study_results import read_results as read_results
    from cxmodel.tables.engines.engine import Engine as Engine
    from cxmodel.tables.observation_table import Observations as Observations
    from cxmodel.tables.observation_table import Windows as Windows
    from cxmodel.tables.observations import join_observations as join_observations
    from cxmodel.tables.purchases import summarize_purchases as summarize_purchases
    from cxmodel.tables.readers import read_churn as read_churn
    from cxmodel.tables.readers import read_customers as read_customers
    from cxmodel.tables.readers import read_interactions as read_interactions
    from cxmodel.tables.readers import read_invitations as read_invitations
    from cxmodel.tables.readers import read_observations as read_observations
    from cxmodel.tables.readers import read_revenue as read_revenue
    from cxmodel.tables.readers import read_subscriptions as read_subscriptions
    from cxmodel.tables.readers import read_surveys as read_surveys
    from cxmodel.value.cltv.model import CltvModel as CltvModel
    from cxmodel.value.lift_card import LiftCard as LiftCard
    from cxmodel.value.lift_card import read_lift_card as read_lift_card
    from cxmodel.value.programme import Programme as Programme
    from cxmodel.value.purchases.model import PurchaseModel as PurchaseModel
    from cxmodel.value.purchases.spend import SpendModel as SpendModel
    from cxmodel.value.roi import project_roi as project_roi

__all__ = sorted([*_WHERE, *_MODULES])


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(importlib.import_module(f"{__name__}.{_WHERE[name]}"), name)
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
