"""The settings of a whole study."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, PrivateAttr

from cxmodel.config.fields import Section
from cxmodel.config.sections import (
    EngineConfig,
    ExperimentConfig,
    KpiConfig,
    LiftConfig,
    NamedTable,
    ProgrammeConfig,
    ResponseConfig,
    RolloutConfig,
    StudySection,
    ValueConfig,
    WindowsConfig,
)
from cxmodel.config.sources import RatingConfig, SourcesConfig


class StudyConfig(Section):
    """The settings of a study, checked: what ``cxmodel.toml`` says, with the defaults filled in.

    Read one with :func:`cxmodel.config.load_config`.

    Attributes
    ----------
    study, engine, tables, sources, windows, kpis, lift, response, value, programmes
        The tables of the file.
    experiment, rollout
        The same; None where there is none.
    """

    study: StudySection = Field(default_factory=StudySection)
    engine: EngineConfig = Field(default_factory=EngineConfig)
    tables: dict[str, NamedTable] = Field(default_factory=dict)
    sources: SourcesConfig
    windows: WindowsConfig = Field(default_factory=WindowsConfig)
    kpis: KpiConfig = Field(default_factory=KpiConfig)
    lift: LiftConfig = Field(default_factory=LiftConfig)
    response: ResponseConfig = Field(default_factory=ResponseConfig)
    experiment: ExperimentConfig | None = None
    rollout: RolloutConfig | None = None
    value: ValueConfig = Field(default_factory=ValueConfig)
    programmes: list[ProgrammeConfig] = Field(default_factory=list)

    _base_dir: Path = PrivateAttr(default_factory=Path)
    _name: str = PrivateAttr(default="study")

    @property
    def base_dir(self) -> Path:
        """The folder that relative paths are relative to: that of the file."""
        return self._base_dir

    @property
    def name(self) -> str:
        """The name of the file, without its ending."""
        return self._name

    @property
    def title(self) -> str:
        """The title of the study, or the name of its file."""
        return self.study.title or self._name

    @property
    def ratings(self) -> dict[str, RatingConfig]:
        """Every rating of the study, by key, in the order of the file."""
        source = self.sources.observations or self.sources.surveys
        return dict(source.ratings) if source else {}

    @property
    def rating(self) -> str | None:
        """The key of the rating that gets the lift: the stated one, else the first."""
        return self.study.rating or next(iter(self.ratings), None)
