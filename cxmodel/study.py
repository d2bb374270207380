"""A whole study: every stage in order, from the configuration to the results."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cxmodel import __version__
from cxmodel.errors import ConfigError, CxModelError, InsufficientDataError, nearest
from cxmodel.results import NotRun
from cxmodel.study_results import LEFT_OUT, SCHEMA_VERSION, StudyResults

if TYPE_CHECKING:
    from cxmodel.config import StudyConfig
    from cxmodel.progress import Progress
    from cxmodel.tables.engines.engine import Session
    from cxmodel.tables.observation_table import Observations
    from cxmodel.tables.sources import Inspection, Source, Sources

STAGES = (
    "kpis",
    "lift",
    "checks",
    "evidence",
    "churn",
    "retention",
    "cltv",
    "drivers",
    "journey",
    "segments",
    "programmes",
    "portfolio",
)


@dataclass(frozen=True)
class Study:
    """A study of what a point of customer experience is worth.

    Parameters
    ----------
    config : StudyConfig
        The settings, as `cxmodel.config.load_config` reads them.

    Examples
    --------
    >>> import tempfile
    >>> import cxmodel as cx
    >>> folder = tempfile.mkdtemp()
    >>> _ = cx.datasets.simulate(n_customers=600, seed=1).write(folder)
    >>> results = cx.Study.from_toml(f"{folder}/cxmodel.toml").run(only=["kpis"])
    >>> results.kpis.status, results.kpis.rows[0].kpi
    ('ok', 'nps')
    """

    config: StudyConfig

    def __post_init__(self) -> None:
        if isinstance(self.config, (str, Path)):
            raise TypeError(
                f"Study takes settings. To read a file: Study.from_toml({self.config!r})."
            )

    @classmethod
    def from_toml(cls, path: str | Path) -> Study:
        """Read the settings of a study.

        Raises
        ------
        ConfigError
            If a setting is unknown, missing or impossible; all of them in one message.
        """
        from cxmodel.config import load_config

        return cls(load_config(Path(path)))

    def validate(self) -> tuple[list[CxModelError], list[str]]:
        """Check configuration and data only.

        Returns
        -------
        breaches : list of CxModelError
            What `run` would refuse, all at once.
        warnings : list of str
            What it would accept, but a reader should know.
        """
        found = self.inspect()
        return found.breaches, found.warnings

    def inspect(self, *, progress: Progress | None = None) -> Inspection:
        """Check configuration and data only, and count the rows of each source.

        Parameters
        ----------
        progress : Progress, optional
            Told about each stage.

        Returns
        -------
        Inspection
            The rows of each source, and what `validate` returns. Its tables are closed.
        """
        from cxmodel.study_named import check_named
        from cxmodel.tables.sources import inspect_sources

        config = self.config
        with _connect(config) as session:
            found = inspect_sources(
                _specs(config),
                session,
                tables=_tables(config),
                base_dir=config.base_dir,
                currency=config.study.currency,
                as_of=config.study.as_of,
                stage=None if progress is None else progress.stage,
            )
            if set(found.sources.by_kind) == set(config.sources.given):  # else columns are unknown
                try:
                    check_named(config, found.sources)
                except ConfigError as error:
                    found.breaches.append(error)
        return found

    def run(
        self, *, only: Collection[str] | None = None, progress: Progress | None = None
    ) -> StudyResults:
        """Run every stage, or those named and what they need.

        Parameters
        ----------
        only : collection of str, optional
            Keys of the results. A stage named here must run.
        progress : Progress, optional
            Told about each stage.

        Returns
        -------
        StudyResults
            A stage that could not be computed is ``not_run`` with the reason.

        Raises
        ------
        ConfigError, DataError
            If the settings or the data are not what they should be.
        InsufficientDataError
            If nothing can be computed, or a stage named in `only` cannot.
        """
        from threadpoolctl import threadpool_limits

        from cxmodel.progress import NoProgress
        from cxmodel.study_leaks import LOOKS_FOR_LEAKS, with_source_columns

        wanted = _check_stages(only)
        progress = progress or NoProgress()
        # One thread for the small solves: sums in another order give another last digit.
        with threadpool_limits(1), _connect(self.config) as session:
            sources = _open(self.config, session, progress)
            observations = _observe(self.config, sources, progress)
            if not isinstance(observations, NotRun) and set(wanted) & set(LOOKS_FOR_LEAKS):
                observations = with_source_columns(self.config, sources, observations, progress)
            results = _results(self.config, sources, observations, wanted, progress)
            if not isinstance(observations, NotRun):
                observations.fetch().close()  # the engine's table would end with the session
            return results


@contextmanager
def opened_sources(config: StudyConfig, progress: Progress) -> Iterator[Sources]:
    """Open the tables of a study on its engine, checked, and close them with the block."""
    with _connect(config) as session:
        yield _open(config, session, progress)


def _check_stages(only: Collection[str] | None) -> tuple[str, ...]:
    if only is None:
        return STAGES
    unknown = [name for name in only if name not in STAGES]
    if unknown:
        raise ConfigError(f"--only names no stage {unknown[0]!r}. {nearest(unknown[0], STAGES)}")
    return tuple(name for name in STAGES if name in only)


def _connect(config: StudyConfig) -> Session:
    from cxmodel.study_sources import engine_of
    from cxmodel.tables.engines.engine import connect

    return connect(engine_of(config))


def _specs(config: StudyConfig) -> Any:
    from cxmodel.study_sources import source_specs

    return source_specs(config)


def _tables(config: StudyConfig) -> Any:
    from cxmodel.study_sources import table_files

    return table_files(config)


def _open(config: StudyConfig, session: Session, progress: Progress) -> Sources:
    """Open, convert and check every source."""
    from cxmodel.study_named import check_named
    from cxmodel.tables.sources import open_sources

    sources = open_sources(
        _specs(config),
        session,
        tables=_tables(config),
        base_dir=config.base_dir,
        currency=config.study.currency,
        stage=progress.stage,
    )
    check_named(config, sources)
    return sources


def _observe(config: StudyConfig, sources: Sources, progress: Progress) -> Observations | NotRun:
    """Make the observation table, or say why there is none."""
    from cxmodel.study_experiments import without_starts
    from cxmodel.study_response import occasion_settings, weighed
    from cxmodel.study_sources import windows_of
    from cxmodel.tables.join_settings import JoinSettings
    from cxmodel.tables.observations import observe

    settings = JoinSettings(
        windows=windows_of(config),
        rating=config.rating,
        as_of=config.study.as_of,
        time_zone=config.study.time_zone,
        conf_level=config.study.conf_level,
        min_group_size=config.study.min_group_size,
        response=occasion_settings(config),
    )
    joined, surveys = sources.get("observations"), sources.get("surveys")
    with progress.stage("observations") as stage:
        if joined is not None:
            observations = _flat(config, joined)
        elif surveys is None:
            return NotRun("the study has no surveys (sources.surveys)")
        elif "customer_id" not in surveys.columns or "responded_at" not in surveys.columns:
            needed = [n for n in ("customer_id", "responded_at") if n not in surveys.columns]
            return NotRun(
                f"sources.surveys has no {' and no '.join(needed)}, so answers meet no customer"
            )
        else:
            observations = observe(sources, settings)
        stage.rows(observations.n_obs)
    return weighed(config, without_starts(config, observations), progress)


def _flat(config: StudyConfig, joined: Source) -> Observations:
    from cxmodel.study_sources import windows_of
    from cxmodel.tables.flat import flat_observations

    stated = config.windows.states_outcome_days
    return flat_observations(
        joined,
        rating=config.rating,
        windows=windows_of(config),
        outcome_days=config.windows.outcome_days if stated else None,
        as_of=config.study.as_of,
        time_zone=config.study.time_zone,
        currency=config.study.currency,
        conf_level=config.study.conf_level,
        min_group_size=config.study.min_group_size,
    )


def _results(
    config: StudyConfig,
    sources: Sources,
    observations: Observations | NotRun,
    wanted: tuple[str, ...],
    progress: Progress,
) -> StudyResults:
    """Run the stages that are wanted and put the tree of results together."""
    from cxmodel.study_models import model_rows
    from cxmodel.study_stages import StageRunner

    runner = StageRunner(config, sources, observations, progress)
    sections = {name: runner.section(name) if name in wanted else _left_out() for name in STAGES}
    _refuse_nothing(sections, wanted, named=len(wanted) < len(STAGES))
    tree: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "cxmodel_version": __version__,
        "study": runner.study_section(),
        "audit": runner.audit_section(),
        **sections,
        "caveats": {"rows": runner.caveats()},
    }
    kept = None if isinstance(observations, NotRun) else observations
    card, models = runner.lift_card(tree["study"]), runner.models()
    tree["study"]["models"] = {"rows": model_rows(models)}
    return StudyResults(tree, observations=kept, lift_card=card, models=models)


def _left_out() -> dict[str, Any]:
    return NotRun(LEFT_OUT).to_dict()


def _refuse_nothing(
    sections: dict[str, dict[str, Any]], wanted: tuple[str, ...], *, named: bool
) -> None:
    """Refuse a run that computes nothing, or not what was named."""
    failed = {name: sections[name]["reason"] for name in wanted if _is_not_run(sections[name])}
    if failed and (named or len(failed) == len(wanted)):
        what = "These stages were named and cannot be run" if named else "Nothing can be computed"
        listed = "\n".join(f"  {name}: {reason}" for name, reason in failed.items())
        raise InsufficientDataError(f"{what}:\n{listed}")


def _is_not_run(section: dict[str, Any]) -> bool:
    return bool(section["status"] == "not_run")
