"""What a reader of a study must know that no single model can say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cxmodel.kpis.agreement import direction_notes
from cxmodel.results import NotRun
from cxmodel.study_leaks import caveat_of_source_columns
from cxmodel.tables.opening.plausibility import worth_a_look

if TYPE_CHECKING:
    from cxmodel.config import StudyConfig
    from cxmodel.tables.observation_table import Observations
    from cxmodel.tables.sources import Sources


def caveats_of_data(
    config: StudyConfig, sources: Sources, observations: Observations | NotRun
) -> list[str]:
    """List what is odd about the tables, and what had to be assumed about them.

    Parameters
    ----------
    config : StudyConfig
        The settings.
    sources : Sources
        The tables as opened.
    observations : Observations or NotRun
        The observation table.

    Returns
    -------
    list of str
        Sentences: what `cxmodel validate` warns of, ratings that run against each other, and
        outcome windows that nothing shows to be over.
    """
    joined = None if isinstance(observations, NotRun) else observations
    found = worth_a_look(sources, config.study.as_of if joined is None else joined.as_of)
    answered = sources.get("surveys") or sources.get("observations")
    if answered is not None:
        found += direction_notes(answered)
    if joined is not None:
        found += _rows_without_key(sources, joined)
        found += caveat_of_source_columns(joined)
    if joined is not None and not joined.is_joined and joined.as_of is None:
        found.append(
            "Nothing says how far the data reach: there is no study.as_of, no revenue and no "
            "subscriptions. Every outcome window is taken as over, so customers who answered "
            "lately count as staying. State study.as_of."
        )
    return found


def _rows_without_key(sources: Sources, observations: Observations) -> list[str]:
    """Say how many contacts and invitations count for nobody: of a ledger, reading it warns."""
    counts = observations.audit.get("rows_without_key", {})
    times = {"interactions": "started_at", "invitations": "invited_at"}
    return [
        f"{sources.by_kind[kind].label}: {counts[kind]:,} row(s) have no customer_id or no "
        f"{time}, so they count for nobody."
        for kind, time in times.items()
        if counts.get(kind)
    ]


def caveats_of_settings(config: StudyConfig) -> list[str]:
    """List what the settings of programmes assume.

    Parameters
    ----------
    config : StudyConfig
        The settings.

    Returns
    -------
    list of str
        Sentences: programmes that must not be added up, and gains that are taken to last.

    Examples
    --------
    >>> from cxmodel.config import parse_config
    >>> raw = {"sources": {"churn": {"path": "c.csv"}}}
    >>> caveats_of_settings(parse_config(raw))
    []
    """
    return [*_overlapping_programmes(config), *_lasting_programmes(config)]


def _overlapping_programmes(config: StudyConfig) -> list[str]:
    """Say that programmes which depend on each other are valued one by one."""
    touchpoints = [p.touchpoint for p in config.programmes if p.touchpoint is not None]
    shared = {name for name in touchpoints if touchpoints.count(name) > 1}
    names = [
        p.name for p in config.programmes if p.requires or p.excludes or p.touchpoint in shared
    ]
    if not names:
        return []
    return [
        f"Each programme is valued as if it were the only one. {', '.join(names)} share a "
        "touchpoint, require or exclude another: do not add their values up."
    ]


def _lasting_programmes(config: StudyConfig) -> list[str]:
    names = [p.name for p in config.programmes if p.lasts_months or p.half_life_months]
    return [
        f"Programme {name}: that the gain outlasts the outcome window is an assumption of the "
        "study, not a finding."
        for name in names
    ]
