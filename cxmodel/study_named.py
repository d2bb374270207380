"""Whether what a study names occurs in its data: columns, arms, groups and starts, all at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from cxmodel.errors import ConfigError, nearest
from cxmodel.study_sources import groupable_columns, named_column_mistakes

if TYPE_CHECKING:
    import pandas as pd

    from cxmodel.config import StudyConfig
    from cxmodel.tables.sources import Source, Sources

_WITH_COLUMNS = ("surveys", "customers", "observations")
# Columns of every observation table that nobody would name, so they are not proposed.
_UNSPOKEN = ("customer_id", "responded_at", "band", "response_weight", "outcome_complete")
_LEDGER = ("revenue_before", "revenue_before_2", "revenue_before_3", "days_observed_before")
# What an observation table holds beside attributes, by the source that gives it.
_GIVEN_BY = {
    "revenue": _LEDGER,
    "subscriptions": _LEDGER,
    "interactions": ("contacts_before", "days_since_contact", "contacts_unresolved"),
    "invitations": ("days_since_invited",),
    "customers": ("tenure_days", "days_observed_before"),
    "observations": ("revenue_before", "tenure_days"),
}
# More values than this are no arms and no groups; the fit says so.
MOST_VALUES = 1_000


def check_named(config: StudyConfig, sources: Sources) -> None:
    """Refuse settings that name a column, an arm or a group which the data do not have.

    Parameters
    ----------
    config : StudyConfig
        The settings.
    sources : Sources
        All sources of the study, opened.

    Raises
    ------
    ConfigError
        Naming every setting that is wrong, with the nearest known name. Values are named where at
        least ``study.min_group_size`` rows have them; the others are counted.
    """
    mistakes = named_column_mistakes(config, groupable_columns(config, sources))
    mistakes += [*_control_mistakes(config, sources), *_value_mistakes(config, sources)]
    if mistakes:
        raise ConfigError("\n  ".join(mistakes))


# -- columns -------------------------------------------------------------------------------------


def _control_mistakes(config: StudyConfig, sources: Sources) -> list[str]:
    known = _known_columns(sources, config)
    of_customers = _known_columns(sources, config, kinds=("customers",))
    found = []
    for name in config.lift.controls or ():
        found += _as_control(name, known)
    for name in config.lift.keep:
        # "revenue.state": a column that nothing looks at; the alarm knows those of that table
        is_beside = name.split(".")[0] in sources.by_kind
        if name not in known and not is_beside and name not in _left_out(sources):
            found.append(f'lift.keep has "{name}", which is no column. {_nearest(name, known)}')
    if _weighs(config, sources):
        found += [
            f'response.controls has "{name}", which is not known of customers who did not answer. '
            f"{_nearest(name, of_customers)}"
            for name in config.response.controls or ()
            if name not in of_customers
        ]
    return found


def _as_control(name: str, known: list[str]) -> list[str]:
    from cxmodel.models.controls import NEVER_CONTROLS

    if name in (*NEVER_CONTROLS, "rating"):
        return [
            f'lift.controls has "{name}", which is the rating or an outcome, so it cannot be held '
            "equal."
        ]
    if name in known or name in _UNSPOKEN:
        return []
    return [f'lift.controls has "{name}", which is no column. {_nearest(name, known)}']


def _known_columns(
    sources: Sources, config: StudyConfig, kinds: tuple[str, ...] = _WITH_COLUMNS
) -> list[str]:
    """List the columns that may be held equal, as the observation table calls them."""
    names: list[str] = []
    for kind in kinds:
        source = sources.get(kind)
        if source is not None:
            names += [*source.attributes, *source.controls]
            names += ["touchpoint"] if "touchpoint" in source.columns else []
    for kind, given in _GIVEN_BY.items():
        names += given if sources.get(kind) is not None else ()
    if "surveys" in kinds:
        names += [f"rating_{key}" for key in config.ratings if key != config.rating]
    return list(dict.fromkeys([*names, "_month"]))


def _left_out(sources: Sources) -> tuple[str, ...]:
    """List the columns of a joined table that are not carried; they may be vouched for."""
    source = sources.get("observations")
    return () if source is None else tuple(source.facts.get("left_out", ()))


def _weighs(config: StudyConfig, sources: Sources) -> bool:
    """Say whether answers are weighted for those who gave none, so that its controls are used."""
    return config.response.population != "none" and sources.get("observations") is None


def _nearest(name: str, known: list[str]) -> str:
    return nearest(name, [column for column in known if not column.startswith("_")])


# -- values --------------------------------------------------------------------------------------


def _value_mistakes(config: StudyConfig, sources: Sources) -> Iterator[str]:
    least = config.study.min_group_size
    experiment, rollout = config.experiment, config.rollout
    if experiment is not None:
        control = [("experiment.control", experiment.control)]
        yield from _absent(sources, experiment.arm, control, least)
    if rollout is not None:
        starts = [("rollout.starts", name) for name in rollout.starts or ()]
        yield from _absent(sources, rollout.group, starts, least)
        yield from _start_mistakes(config, sources)


def _absent(
    sources: Sources, column: str, wanted: list[tuple[str, str]], least: int
) -> Iterator[str]:
    """Say which values do not occur in a column, and which do."""
    from cxmodel.models.experiments.levels_seen import levels_seen

    source = _source_of(sources, column)
    if source is None or not wanted:
        return
    counts = _counts(source, column)
    if len(counts) > MOST_VALUES:
        return
    for setting, value in wanted:
        if value not in counts:
            yield (
                f'{setting} has "{value}", which does not occur in {column} of {source.label}. '
                f"{levels_seen(value, counts, least)}"
            )


def _source_of(sources: Sources, *columns: str) -> Source | None:
    """Give the source that holds all of some columns under their own names."""
    for kind in _WITH_COLUMNS:
        source = sources.get(kind)
        if source is not None and {*columns} <= {*source.attributes, *source.controls}:
            return source
    return None


def _counts(source: Source, column: str) -> dict[str, int]:
    """Count the rows of each value, named as the arms of an experiment are."""
    from cxmodel.models.experiments.experiment import arm_names

    rows = _distinct(source, column)
    counts: dict[str, int] = {}
    known = rows[rows[column].notna()]
    for name, n in zip(arm_names(known[column]), known["n"], strict=True):
        counts[str(name)] = counts.get(str(name), 0) + int(n)
    return counts


def _start_mistakes(config: StudyConfig, sources: Sources) -> Iterator[str]:
    """Read the column of starts as the roll-out will, where it stands beside the groups."""
    from cxmodel.models.experiments.rollout_starts import starts_of
    from cxmodel.study_experiments import rollout_of

    settings = rollout_of(config)
    if settings is None or settings.started_at is None:
        return
    source = _source_of(sources, settings.group, settings.started_at)
    if source is None:
        return
    rows = _distinct(source, settings.group, settings.started_at)
    if len(rows) > MOST_VALUES:
        return
    try:
        starts_of(rows, settings)
    except ConfigError as error:
        yield str(error)


def _distinct(source: Source, *columns: str) -> pd.DataFrame:
    """Give the values of some columns with their rows, ``n``; one more than are looked at."""
    import ibis

    table = source.table
    counted = table.group_by(list(columns)).aggregate(n=table.count())
    ordered = counted.order_by([ibis.desc("n"), *columns]).limit(MOST_VALUES + 1)
    rows: pd.DataFrame = source.session.arrow(ordered).to_pandas()
    return rows
