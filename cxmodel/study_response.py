"""Non-response in a study: who could have answered, weights, and KPIs with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cxmodel.errors import FitError
from cxmodel.results import NotRun
from cxmodel.tables.response_weights import OutcomeTest, ResponseWeights

if TYPE_CHECKING:
    from cxmodel.config import StudyConfig
    from cxmodel.kpis.weighted import WeightedAnswers
    from cxmodel.progress import Progress
    from cxmodel.tables.observation_table import Observations
    from cxmodel.tables.occasions import OccasionSettings

# Log-odds of answering per rating point: 0.1 is e.g. 60% who answer at 10 against 36% at 0.
TILTS = (-0.2, -0.1, 0.0, 0.1, 0.2)


def occasion_settings(config: StudyConfig) -> OccasionSettings | None:
    """Say whom the answers of a study shall stand for; None for nobody but those who answered.

    Examples
    --------
    >>> from cxmodel.config import parse_config
    >>> raw = {"sources": {"churn": {"path": "churn.csv"}}, "response": {"population": "none"}}
    >>> occasion_settings(parse_config(raw)) is None
    True
    """
    from cxmodel.tables.occasions import OccasionSettings

    response = config.response
    if response.population == "none":
        return None
    return OccasionSettings(
        population=response.population,
        landmark_days=response.landmark_days,
        within_days=response.within_days,
        seed=config.study.seed,
    )


def weighed(config: StudyConfig, observations: Observations, progress: Progress) -> Observations:
    """Weight observations for those who did not answer, or say why they are not.

    Returns
    -------
    Observations
        With ``response`` and ``audit["response"]``.
    """
    from cxmodel.models.response.model import ResponseModel

    reason = _why_not(config, observations)
    if reason:
        return observations.with_weights(NotRun(reason))
    model = ResponseModel(controls=config.response.controls, trim=config.response.trim)
    with progress.stage("non-response") as stage:
        stage.rows(observations.n_obs)
        try:
            return model.fit(observations).weigh(observations)
        except FitError as error:
            return observations.with_weights(NotRun(str(error)))


def _why_not(config: StudyConfig, observations: Observations) -> str:
    if observations.is_joined:
        return "a table that came already joined holds only those who answered"
    if config.response.population == "none":
        return 'response.population is "none"'
    if isinstance(observations.occasions, NotRun):
        return observations.occasions.reason
    return ""


def with_weighted(
    rows: Sequence[dict[str, Any]], config: StudyConfig, observations: Observations | NotRun
) -> list[dict[str, Any]]:
    """Add the weighted KPI to the rows of every rating: key ``weighted``, an estimate.

    The row itself stays as it was. Suppressed rows and KPIs of contacts get none.
    """
    if isinstance(observations, NotRun):
        return list(rows)
    if not isinstance(observations.response, ResponseWeights):
        return list(rows)
    answers = _answers(config, observations)
    return [
        _with_weighted(row, answers[row["kpi"]], config, observations)
        if row["kpi"] in answers and row["estimate"] is not None
        else row
        for row in rows
    ]


def _answers(config: StudyConfig, observations: Observations) -> dict[str, WeightedAnswers]:
    from cxmodel.kpis.weighted import WeightedAnswers

    frame, found = observations.frame, {}
    for key, rating in config.ratings.items():
        column = "rating" if key == observations.rating else f"rating_{key}"
        if column in frame:
            found[key] = WeightedAnswers(
                frame=frame,
                rating=frame[column].to_numpy(dtype=float),
                weight=frame["response_weight"].to_numpy(dtype=float),
                customer=frame["customer_id"].to_numpy(dtype=object),
                scale=rating.to_scale(key),
                time_zone=config.study.time_zone,
            )
    return found


def _with_weighted(
    row: dict[str, Any], answers: WeightedAnswers, config: StudyConfig, observations: Observations
) -> dict[str, Any]:
    from cxmodel.kpis.weighted import weighted_kpi

    if any(column not in answers.frame for column in row["group"]):
        return row
    chosen = answers.rows_of(row["group"], row["period"], config.kpis.period)
    n_obs = int(chosen.sum())
    if n_obs < config.study.min_group_size and (row["group"] or row["period"]):
        return {**row, "weighted": NotRun("too few answers meet a customer").to_dict()}
    if not n_obs:
        return row
    figure, n_effective = weighted_kpi(answers, chosen, conf_level=config.study.conf_level)
    weighted = {
        **figure._asdict(),
        "conf_level": config.study.conf_level,
        "unit": row["unit"],
        "n_obs": n_obs,
        "n_effective": n_effective,
    }
    found = {**row, "weighted": weighted}
    if not row["group"] and row["period"] is None:
        found["tilt"] = _tilt(answers, config, observations)
    return found


def _tilt(
    answers: WeightedAnswers, config: StudyConfig, observations: Observations
) -> dict[str, Any]:
    """Sweep the KPI over tilts, from those that close the gap in each outcome."""
    import numpy as np

    from cxmodel.kpis.weighted import tilted_kpis
    from cxmodel.stats.weights import closing_tilt

    response = observations.response
    if not isinstance(response, ResponseWeights):
        return NotRun("there are no weights").to_dict()
    closing: dict[str, float | None] = {}
    for name, test in response.tests.items():
        if isinstance(test, OutcomeTest):
            known = np.isfinite(response.inverse_prob) & np.isfinite(test.residuals)
            known &= np.isfinite(answers.rating)
            closing[name] = closing_tilt(
                response.inverse_prob[known], answers.rating[known], test.residuals[known]
            )
    starts = [tilt for tilt in closing.values() if tilt is not None]
    tilts = sorted({*TILTS, *starts})
    rows = tilted_kpis(answers, response.inverse_prob, tilts, conf_level=config.study.conf_level)
    return {"closing": closing, "rows": rows}
