"""The lift of a study: its settings, the reasons there may be none, and the way its data take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cxmodel.results import NotRun

if TYPE_CHECKING:
    from cxmodel.config import StudyConfig
    from cxmodel.models.lift import LiftModel
    from cxmodel.models.population import Outcome
    from cxmodel.tables.observation_table import Observations

OUTCOMES: tuple[Outcome, ...] = ("revenue", "retention")
NOBODY_LEFT = "nothing says who left: add churn dates, subscriptions or bookings with customers"
_NO_RATING = "the study has no rating, so there is no point to value"
_NO_REVENUE = "no revenue: add sources.revenue or sources.subscriptions"
_NO_CURRENCY = "study.currency is missing, so money has no unit; set it, for example to USD"
_BY_ROWS = (
    "rows: every estimate of the lift carries on what each customer contributes to its error, "
    "and sums over the table do not hold that"
)
_BY_SUMS = (
    "sums: there are more observations than are taken out as rows, so the lift has slopes alone"
)


def lift_model(config: StudyConfig, outcome: Outcome) -> LiftModel:
    """Give the model that the settings describe."""
    from cxmodel.models.lift import LiftModel
    from cxmodel.study_experiments import experiment_of, rollout_of

    settings = config.lift
    return LiftModel(
        outcome=outcome,
        controls=settings.controls,
        average=settings.average,
        by=settings.by,
        keep=settings.keep,
        reliability=settings.reliability,
        instrument=settings.instrument,
        experiment=experiment_of(config),
        rollout=rollout_of(config),
        seed=config.study.seed,
    )


def why_no_lift(
    observations: Observations | NotRun, outcome: Outcome, currency: str | None
) -> str | None:
    """Say what a lift lacks before it is tried; None where nothing is missing."""
    if isinstance(observations, NotRun):
        return f"there are no observations: {observations.reason}"
    if observations.rating is None:
        return _NO_RATING
    if outcome == "retention":
        return None if observations.has("churned") else NOBODY_LEFT
    if not observations.has("revenue_after"):
        return _NO_REVENUE
    return None if currency is not None else _NO_CURRENCY


def route_of(observations: Observations | None) -> dict[str, str | None]:
    """Say whether rows were taken out of the engine, and why."""
    from cxmodel.models.lift import ROWS_UP_TO

    if observations is None:
        return {"route": None, "route_reason": None}
    if observations.session is not None and observations.n_obs > ROWS_UP_TO:
        return {"route": "sums", "route_reason": _BY_SUMS}
    return {"route": "rows", "route_reason": _BY_ROWS}
