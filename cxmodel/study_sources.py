"""From the settings of a study to what the stages take: sources, engine, windows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from cxmodel.config import ObservationsConfig, SourceConfig, StudyConfig, SurveysConfig
from cxmodel.errors import ConfigError, nearest
from cxmodel.study_experiments import carried_columns
from cxmodel.tables.engines.engine import Engine
from cxmodel.tables.observation_table import Windows
from cxmodel.tables.specs import KINDS, Query, RatingSpec, SourceSpec, TableFile, TableName

if TYPE_CHECKING:
    from cxmodel.tables.sources import Sources

_WITH_ATTRIBUTES = ("surveys", "customers", "observations")


def source_specs(config: StudyConfig) -> tuple[SourceSpec, ...]:
    """Describe every source of a study, in a fixed order.

    Parameters
    ----------
    config : StudyConfig
        The settings.

    Returns
    -------
    tuple of SourceSpec
        Paths are as the file states them: relative to ``config.base_dir``.

    Examples
    --------
    >>> from cxmodel.config import parse_config
    >>> config = parse_config({"sources": {"churn": {"path": "churn.csv", "churned_at": "left"}}})
    >>> [(spec.label, spec.data, dict(spec.columns)) for spec in source_specs(config)]
    [('sources.churn', 'churn.csv', {'churned_at': 'left'})]
    """
    given, carried = config.sources.given, tuple(carried_columns(config).values())
    return tuple(
        SourceSpec(
            kind=kind,
            label=f"sources.{kind}",
            data=_data(given[kind]),
            columns=given[kind].columns,
            date_format=given[kind].date_format,
            time_zone=given[kind].time_zone or _stated_zone(config),
            sheet=given[kind].sheet,
            if_there=carried if kind in _WITH_ATTRIBUTES else (),
            **_of_its_kind(given[kind]),
        )
        for kind in KINDS
        if kind in given
    )


def _stated_zone(config: StudyConfig) -> str | None:
    """Give the zone that the file states for the study; None where it is the default."""
    return config.study.time_zone if "time_zone" in config.study.model_fields_set else None


def _data(source: SourceConfig) -> str | TableName | Query:
    if source.sql is not None:
        return Query(source.sql)
    if source.table is not None:
        return TableName(source.table)
    return str(source.path)


def _of_its_kind(source: SourceConfig) -> dict[str, Any]:
    """Give the settings that only some kinds of source have."""
    fields: dict[str, Any] = {}
    if isinstance(source, SurveysConfig | ObservationsConfig):
        fields["ratings"] = {
            key: RatingSpec(rating.column, rating.to_scale(key))
            for key, rating in source.ratings.items()
        }
    for name in ("attributes", "controls", "ignore", "touchpoints"):
        if name in type(source).model_fields:
            fields[name] = getattr(source, name)
    return fields


def table_files(config: StudyConfig) -> dict[str, TableFile]:
    """Give the files of ``[tables]``, by name."""
    return {name: TableFile(table.path, table.sheet) for name, table in config.tables.items()}


def engine_of(config: StudyConfig) -> Engine:
    """Give the engine that the study runs on.

    Examples
    --------
    >>> from cxmodel.config import parse_config
    >>> engine_of(parse_config({"sources": {"churn": {"path": "churn.csv"}}})).name
    'duckdb'
    """
    engine = config.engine
    folder = engine.temp_directory
    return Engine(
        url=_engine_url(config),
        memory_limit=engine.memory_limit,
        threads=engine.threads,
        temp_directory=None if folder is None else str(config.base_dir / folder),
    )


def _engine_url(config: StudyConfig) -> str:
    """Make the file of a DuckDB relative to the configuration, as every other path is."""
    scheme, _, address = config.engine.url.partition("://")
    database = address.removeprefix("/")
    if scheme != "duckdb" or database in ("", ":memory:"):
        return config.engine.url
    return f"duckdb:///{config.base_dir / database}"


def windows_of(config: StudyConfig) -> Windows:
    """Give the windows of the study.

    Examples
    --------
    >>> from cxmodel.config import parse_config
    >>> raw = {"sources": {"churn": {"path": "churn.csv"}}, "windows": {"outcome_days": 60}}
    >>> windows_of(parse_config(raw)).inactive_days
    60
    """
    windows = config.windows
    return Windows(
        lookback_days=windows.lookback_days,
        outcome_days=windows.outcome_days,
        gap_days=windows.gap_days,
        inactive_days=windows.inactive_days,
    )


def check_named_columns(config: StudyConfig, known: Iterable[str]) -> None:
    """Refuse settings that name a column which the study does not have.

    Parameters
    ----------
    config : StudyConfig
        The settings.
    known : iterable of str
        What ``kpis.by`` and ``lift.by`` may name: attributes of customers and responses, the
        touchpoint, or the columns of a table already joined.

    Raises
    ------
    ConfigError
        Naming every setting that is wrong, with the nearest known column.

    Examples
    --------
    >>> from cxmodel.config import parse_config
    >>> raw = {"sources": {"churn": {"path": "churn.csv"}}, "lift": {"by": ["segmnt"]}}
    >>> check_named_columns(parse_config(raw), ["segment"])
    Traceback (most recent call last):
        ...
    cxmodel.errors.ConfigError: lift.by has "segmnt", which is no attribute. Did you mean 'segment'?
    """
    wrong = named_column_mistakes(config, known)
    if wrong:
        raise ConfigError("\n  ".join(wrong))


def named_column_mistakes(config: StudyConfig, known: Iterable[str]) -> list[str]:
    """Say which settings name a column to group by, or to carry along, that is not there."""
    columns = list(dict.fromkeys(known))
    named = {"kpis.by": config.kpis.by, "lift.by": config.lift.by}
    wrong = [
        f'{setting} has "{name}", which is no attribute. {_nearest_attribute(name, columns)}'
        for setting, names in named.items()
        for name in names
        if name not in columns
    ]
    wrong += [
        f'{setting} = "{name}" is no column of surveys, customers or observations. '
        f"{nearest(name, columns)}"
        for setting, name in carried_columns(config).items()
        if name not in columns
    ]
    return wrong


def _nearest_attribute(name: str, columns: list[str]) -> str:
    if not columns:
        return "List it under attributes of [sources.customers] or [sources.surveys]."
    return nearest(name, columns)


def groupable_columns(config: StudyConfig, sources: Sources) -> tuple[str, ...]:
    """List the columns that results can be grouped by.

    Parameters
    ----------
    config : StudyConfig
        The settings.
    sources : Sources
        The sources as opened.

    Returns
    -------
    tuple of str
        Attributes of responses and customers, the touchpoint, and what a table already joined
        offers as controls.
    """
    names: list[str] = []
    for kind in ("surveys", "customers", "observations"):
        source = sources.get(kind)
        if source is not None:
            names.extend([*source.attributes, *source.controls])
            names.extend({"touchpoint"} & source.columns)
    return tuple(dict.fromkeys(names))
