"""Lay the columns of a study's sources that nothing looks at beside its observations.

They are examined for leaks, and used for nothing else. What is not examined is named with the
reason. When an event happened is no column of its own here: its rows count from then on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cxmodel.errors import CxModelError
from cxmodel.models.source_leaks import why_not_examined
from cxmodel.tables.contracts import CONTRACTS, RESERVED, Contract
from cxmodel.tables.source_columns import (
    EVENT_AT,
    KnownByThen,
    base_name,
    known_by_then,
    put_together,
)
from cxmodel.tables.specs import AMOUNTS, TYPE_OF, SourceSpec

if TYPE_CHECKING:
    from cxmodel.config import StudyConfig
    from cxmodel.progress import Progress
    from cxmodel.tables.observation_table import Observations
    from cxmodel.tables.opening.catalog import Catalog
    from cxmodel.tables.sources import Source, Sources

MOST_COLUMNS = 200
"""Columns of a source that are examined; the others are named."""
MOST_VALUES = 60_000_000
"""Values that are laid beside the responses, of each source; it bounds the columns too."""
MOST_ROWS = 5_000_000
"""Rows of a source beyond which it is not read again for columns that nothing looks at."""
MOST_OBSERVATIONS = 1_000_000
"""Responses beyond which nothing is laid beside them."""
MOST_NAMED = 20
_VALUES_A_COLUMN = 3
_EXAMINED_TYPES = ("text", "number", "flag", "id")
OUTCOMES = {"customers": ("churned_at",), "subscriptions": ("ended_at",)}
"""Times that say who left: what a leak would know, and so no leak themselves."""
LEDGERS = {"revenue": "amount", "subscriptions": "monthly_amount"}
"""Amounts: models look at their sums before the response, and so does the alarm."""
LOOKS_FOR_LEAKS = ("lift", "checks", "evidence", "churn")
"""Stages that are told of leaks; for others nothing is laid beside the observations."""


def with_source_columns(
    config: StudyConfig, sources: Sources, obs: Observations, progress: Progress
) -> Observations:
    """Lay every column of the sources that is no column of the observations beside them.

    Parameters
    ----------
    config : StudyConfig
        The settings.
    sources : Sources
        Of the study, opened.
    obs : Observations
        Of the study.
    progress : Progress
        Told about the stage.

    Returns
    -------
    Observations
        The same, with `source_columns`.
    """
    if not obs.has("churned") and not obs.has("revenue_after"):
        return obs  # no outcome that a column could know
    parts: dict[str, KnownByThen] = {}
    reasons: dict[str, str] = {}
    with progress.stage("columns that nothing looks at") as stage:
        for spec, catalog in _specs(config, sources):
            found = _examined(spec, catalog, sources, obs, reasons)
            if found is not None:
                parts[spec.kind] = found
        stage.rows(obs.n_obs)
    beside = put_together(obs, parts.values(), reasons)
    return obs.with_source_columns(beside, _account(obs, sources, parts, reasons))


def _account(
    obs: Observations, sources: Sources, parts: dict[str, KnownByThen], reasons: dict[str, str]
) -> dict[str, Any]:
    """Say of each table which further columns were examined, and which were not and why."""
    told = {label.split(".")[0] for label in reasons}
    rows = []
    for kind, source in sources.by_kind.items():
        part = parts.get(kind)
        names = [] if part is None else [base_name(str(column)) for column in part.frame]
        said = [] if names or kind in told else ["no column beyond those that the study maps"]
        said += [] if part is None else _later(part)
        said += [
            f"{name} says who left: it is the outcome itself"
            for name in OUTCOMES.get(kind, ())
            if name in source.columns
        ]
        if kind in LEDGERS and obs.has("revenue_before"):
            said.append(f"{LEDGERS[kind]} is examined as what it sums up to, revenue_before")
        row = {"table": kind, "examined": list(dict.fromkeys(names))}
        rows.append({**row, "note": "; ".join(said) or None})
    return {
        "rows": rows,
        "not_examined": [{"column": name, "reason": why} for name, why in reasons.items()],
    }


def _later(part: KnownByThen) -> list[str]:
    """Say which times are dated after the response, and how often."""
    return [
        f"{name} is dated after the response {n:,} time(s), where it counts as not yet known"
        for name, n in part.n_later.items()
        if n
    ]


def caveat_of_source_columns(obs: Observations) -> list[str]:
    """Name the columns of the sources that the leak alarm could not look at."""
    from cxmodel.models.say import listed

    reasons = why_not_examined(obs)
    if not reasons:
        return []
    named = listed([f"{name} ({why})" for name, why in reasons.items()], MOST_NAMED)
    return [f"Columns of the tables that the leak alarm did not examine: {named}."]


def _specs(config: StudyConfig, sources: Sources) -> Iterator[tuple[SourceSpec, Catalog]]:
    from cxmodel.study_sources import source_specs, table_files
    from cxmodel.tables.opening.catalog import Catalog

    catalog = Catalog(sources.session, table_files(config), config.base_dir)
    for spec in source_specs(config):
        yield spec, catalog


def _examined(
    spec: SourceSpec,
    catalog: Catalog,
    sources: Sources,
    obs: Observations,
    reasons: dict[str, str],
) -> KnownByThen | None:
    """Bring the columns of a source that nothing looks at beside the observations."""
    source = sources.get(spec.kind)
    if source is None:
        return None
    if spec.kind == "churn":
        reasons["churn"] = "the table says who left: it is the outcome itself"
        return None
    most = min(MOST_COLUMNS, MOST_VALUES // (_VALUES_A_COLUMN * max(obs.n_obs, 1)))
    free = _free_columns(spec, catalog, source, reasons, most)
    known = [name for name in _canonical(source) if not obs.has(name)]
    times = _later_times(source)
    too_many = _too_many(source, obs)
    if too_many:
        reasons |= {f"{spec.kind}.{name}": too_many for name in (*free, *known, *times)}
        return None
    kind, found = spec.kind, []
    if free:
        found.append(
            _tried(lambda: _free_by_then(spec, catalog, sources, obs, free), kind, free, reasons)
        )
    if known or times:
        names = [*known, *times]
        found.append(_tried(lambda: known_by_then(obs, source, known, times), kind, names, reasons))
    return KnownByThen.together([part for part in found if part is not None])


def _tried(
    read: Callable[[], KnownByThen], kind: str, names: list[str], reasons: dict[str, str]
) -> KnownByThen | None:
    """Read columns, or say of each that they could not be: a study does not end for that."""
    try:
        return read()
    except CxModelError as error:
        said = f"the table could not be read again: {error}"
        reasons |= {f"{kind}.{name}": said for name in names}
        return None


def _free_by_then(
    spec: SourceSpec, catalog: Catalog, sources: Sources, obs: Observations, free: list[str]
) -> KnownByThen:
    """Read a source again for the columns that it does not map."""
    from cxmodel.tables.opening.opening import open_source

    again = open_source(_needed(spec, free), catalog, sources.currency)
    found = known_by_then(obs, again, free)
    sources.session.drop(again.table)  # where it was kept, it has served
    return found


def _needed(spec: SourceSpec, free: list[str]) -> SourceSpec:
    """Map no more than says whose a row is and when it happened, beside the further columns."""
    if spec.kind == "observations":
        return replace(spec, controls=tuple(free), if_there=())
    contract = CONTRACTS[spec.kind]
    kept = {*contract.required, "customer_id", EVENT_AT.get(spec.kind, "valid_from")}
    columns = {name: spec.columns.get(name, name) for name in contract.names}
    used = {columns[name] for name in kept if name in columns}
    return replace(
        spec,
        columns={name: column for name, column in spec.columns.items() if name in kept},
        ratings={},
        attributes=(),
        if_there=tuple(free),
        ignore=tuple(column for column in columns.values() if column not in used),
    )


def _free_columns(
    spec: SourceSpec, catalog: Catalog, source: Source, reasons: dict[str, str], most: int
) -> list[str]:
    """List the columns of a source that it does not map; name those that cannot be examined."""
    opened = catalog.open(spec)
    mapped = {spec.columns.get(name, name) for name in CONTRACTS[spec.kind].names}
    mapped |= {rating.column for rating in spec.ratings.values()}
    carried = {*source.attributes, *source.controls, *source.facts.get("left_out", ())}
    ours = {
        name.lower()
        for name in (*CONTRACTS[spec.kind].names, *AMOUNTS.values(), "row_number", *RESERVED)
    }
    free: list[str] = []
    for name in opened.names:
        label = f"{spec.kind}.{name}"
        if name in mapped or name in carried:
            continue
        if name in spec.ignore:
            reasons[label] = f"it is listed in {spec.label}.ignore"
        elif name.lower() in ours or name.startswith(("_", "rating_")):
            reasons[label] = "its name is one that the observation table uses itself"
        elif name.lower() in {other.lower() for other in free}:
            reasons[label] = "its name differs from another column's only by capitals"
        elif len(free) >= most:
            reasons[label] = f"the table has more than {most} columns that nothing looks at"
        else:
            free.append(name)
    return free


def _canonical(source: Source) -> list[str]:
    """List the columns under cxmodel's own names that hold words, numbers, flags or ids."""
    if source.kind not in EVENT_AT:
        return []
    names = [n for n in _contract_of(source).names if n in source.columns and n != "customer_id"]
    return [name for name in names if TYPE_OF[name] in _EXAMINED_TYPES]


def _later_times(source: Source) -> list[str]:
    """List the times of events other than when they happened, such as when a contact was solved."""
    if source.kind not in EVENT_AT:
        return []
    others = (EVENT_AT[source.kind], *OUTCOMES.get(source.kind, ()))
    names = [n for n in _contract_of(source).names if n in source.columns and n not in others]
    return [name for name in names if TYPE_OF[name] == "time"]


def _contract_of(source: Source) -> Contract:
    return next(each for kind, each in CONTRACTS.items() if kind == source.kind)


def _too_many(source: Source, obs: Observations) -> str:
    if obs.n_obs > MOST_OBSERVATIONS:
        return f"there are more than {MOST_OBSERVATIONS:,} responses to lay it beside"
    if source.n_rows > MOST_ROWS:
        return f"the table has more than {MOST_ROWS:,} rows"
    if not obs.has("customer_id"):
        return "the observations name no customers"
    if source.kind != "observations" and not obs.has("responded_at"):
        return "the responses have no date"
    return ""
