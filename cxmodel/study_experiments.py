"""From the settings of a study to experiments, instruments and roll-outs of a lift."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cxmodel.config import StudyConfig
    from cxmodel.models.experiments.experiment_settings import Experiment
    from cxmodel.models.experiments.rollout_settings import Rollout
    from cxmodel.tables.observation_table import Observations


def experiment_of(config: StudyConfig) -> Experiment | None:
    """Give the declared experiment; None where there is none."""
    from cxmodel.models.experiments.experiment_settings import Experiment

    settings = config.experiment
    if settings is None:
        return None
    return Experiment(**{name: getattr(settings, name) for name in type(settings).model_fields})


def rollout_of(config: StudyConfig) -> Rollout | None:
    """Give the declared roll-out; None where there is none."""
    from cxmodel.models.experiments.rollout_settings import Rollout

    settings = config.rollout
    if settings is None:
        return None
    return Rollout(**{name: getattr(settings, name) for name in type(settings).model_fields})


def without_starts(config: StudyConfig, observations: Observations) -> Observations:
    """Let the column of starts be no attribute: it says when a programme came.

    It says nothing of who customers are, and stays in the table for the roll-out. As an attribute
    it would be held equal, and refused where it is dated after a response.
    """
    began = None if config.rollout is None else config.rollout.started_at
    if began is None:
        return observations
    return observations.without_attributes([began])


def carried_columns(config: StudyConfig) -> dict[str, str]:
    """Name the columns that must reach the observations wherever they stand, by setting.

    Examples
    --------
    >>> from cxmodel.config import parse_config
    >>> raw = {
    ...     "sources": {"churn": {"path": "c.csv"}},
    ...     "experiment": {"arm": "variant", "control": "A"},
    ...     "lift": {"instrument": "agent_mean"},
    ... }
    >>> carried_columns(parse_config(raw))
    {'experiment.arm': 'variant'}
    """
    named = {}
    if config.experiment is not None:
        named["experiment.arm"] = config.experiment.arm
    if config.rollout is not None:
        named["rollout.group"] = config.rollout.group
        if config.rollout.started_at is not None:
            named["rollout.started_at"] = config.rollout.started_at
    if config.lift.instrument not in (None, "agent_mean"):
        named["lift.instrument"] = str(config.lift.instrument)
    return named
