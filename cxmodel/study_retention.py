"""What stage ``retention`` adds to the curve: the hazard of leaving, and how long bands stay."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cxmodel.errors import ConfigError, FitError
from cxmodel.results import NotRun

if TYPE_CHECKING:
    from cxmodel.config import StudyConfig
    from cxmodel.models.retention.hazard_result import HazardResult
    from cxmodel.models.retention.model import RetentionFit
    from cxmodel.tables.observation_table import Observations

_SILENCE = (
    "leaving is read from silence, so when it happened is not known to the month: state churn "
    "dates or subscriptions"
)
_ONE_WINDOW = (
    "rating and churn are of one window, so nobody was followed from an answer on; the hazard "
    "compares ratings within that window"
)
_NO_RATING = "the study has no rating to compare"


def retention_section(
    fit: RetentionFit, observations: Observations, hazard: HazardResult | NotRun
) -> dict[str, Any]:
    """Give section ``retention``: the curve with its model, ``hazard`` and ``by_band``."""
    return {
        **fit.to_section(),
        "hazard": hazard.to_dict() if isinstance(hazard, NotRun) else hazard.to_section(),
        "by_band": _by_band(observations),
    }


def fit_hazard_of(
    observations: Observations | NotRun, config: StudyConfig
) -> HazardResult | NotRun:
    """Fit the hazard of leaving, or say why it cannot be."""
    from cxmodel.models.retention.hazard import HazardModel

    if isinstance(observations, NotRun):
        return observations
    reason = _reason(observations)
    if reason:
        return NotRun(reason)
    model = HazardModel(controls=_controls(observations, config))
    try:
        return model.fit(observations)
    except (FitError, ConfigError) as error:
        return NotRun(str(error))


def _by_band(observations: Observations) -> dict[str, Any]:
    from cxmodel.models.retention.compare import compare_groups

    reason = _reason(observations) or (_ONE_WINDOW if observations.is_joined else "")
    if reason:
        return NotRun(reason).to_dict()
    try:
        return compare_groups(observations, "band").to_section()
    except FitError as error:
        return NotRun(str(error)).to_dict()


def _reason(observations: Observations) -> str:
    if observations.rating is None:
        return _NO_RATING
    return _SILENCE if observations.churn_rule == "inactivity" else ""


def _controls(observations: Observations, config: StudyConfig) -> tuple[str, ...]:
    """Take the controls that the study names; else what is known of customers, with few levels.

    A table already joined is as of its extract, so nothing of it is taken unasked.
    """
    from cxmodel.models.retention.features import MAX_LEVELS

    named = config.lift.controls
    if named is not None:
        return tuple(name for name in named if observations.has(name))
    if observations.is_joined:
        return ()
    known = [name for name in observations.customer_attributes if observations.has(name)]
    found = []
    for name in known:
        sizes = observations.frame[name].value_counts()
        # a level of a few customers would be a group too small to show
        if 2 <= len(sizes) <= MAX_LEVELS and sizes.min() >= observations.min_group_size:
            found.append(name)
    return tuple(found)
