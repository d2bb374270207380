"""The settings of a study, read from TOML and checked before anything is computed.

``sections`` and ``sources`` hold one pydantic model for each table of ``cxmodel.toml``, ``load``
reads a file into them and turns every mistake into one message, ``consistency`` holds the rules
that involve several keys, and ``environment`` fills in ``${NAME}``.
"""

from __future__ import annotations

from cxmodel.config.load import load_config, parse_config
from cxmodel.config.sections import (
    EngineConfig,
    ExperimentConfig,
    KpiConfig,
    LiftConfig,
    ProgrammeConfig,
    ResponseConfig,
    StudySection,
    TableConfig,
    ValueConfig,
    WindowsConfig,
)
from cxmodel.config.sources import (
    ChurnConfig,
    CustomersConfig,
    InteractionsConfig,
    InvitationsConfig,
    ObservationsConfig,
    RatingConfig,
    RevenueConfig,
    SourceConfig,
    SourcesConfig,
    SubscriptionsConfig,
    SurveysConfig,
)
from cxmodel.config.study import StudyConfig

__all__ = [
    "ChurnConfig",
    "CustomersConfig",
    "EngineConfig",
    "ExperimentConfig",
    "InteractionsConfig",
    "InvitationsConfig",
    "KpiConfig",
    "LiftConfig",
    "ObservationsConfig",
    "ProgrammeConfig",
    "RatingConfig",
    "ResponseConfig",
    "RevenueConfig",
    "SourceConfig",
    "SourcesConfig",
    "StudyConfig",
    "StudySection",
    "SubscriptionsConfig",
    "SurveysConfig",
    "TableConfig",
    "ValueConfig",
    "WindowsConfig",
    "load_config",
    "parse_config",
]
