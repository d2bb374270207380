"""Rules that involve several settings, checked on the file as read.

They look at which keys are there, so they hold even where a value is wrong, and one run over the
file names every mistake.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from cxmodel.config.sources import SourcesConfig
from cxmodel.errors import nearest
from cxmodel.scales import NAMED_SCALES

LATER_SECTIONS = ("drivers", "journey", "monitor", "portfolio", "report")
_LOCATIONS = ("path", "table", "sql")
_OTHER_KPIS = frozenset(
    {
        "response_rate",
        "late_rate",
        "first_contact_resolution",
        "handle_time",
        "time_to_resolution",
        "first_response_time",
    }
)
_EFFORT = re.compile(r"(?<![a-z])(ces\d*|efforts?|ease|easy|easiness)(?![a-z])")
_SAYS_DIRECTION = {"scale", "levels", "higher_is_better"}


class Mistake(NamedTuple):
    """One wrong setting: where it stands, and what is wrong with it."""

    location: str
    text: str


def find_mistakes(raw: Mapping[str, Any]) -> Iterator[Mistake]:
    """Name every setting that does not fit the others.

    Parameters
    ----------
    raw : mapping
        ``cxmodel.toml`` as `tomllib` reads it.

    Yields
    ------
    Mistake
        In the order of the file's sections.
    """
    sources = _table(raw, "sources")
    ratings = _ratings(sources)
    yield from _later_sections(raw)
    yield from _study_rating(raw, ratings)
    yield from _sources(sources, _table(raw, "tables"))
    yield from _unknown_ratings(raw, sources, ratings)
    yield from _population(raw, sources)
    yield from _one_of("value", _table(raw, "value"), (("lasts_months", "half_life_months"),))
    yield from _programmes(raw)


def _table(raw: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    """Give a nested table, or an empty one where there is none."""
    found: Any = raw
    for key in keys:
        found = found.get(key, {}) if isinstance(found, Mapping) else {}
    return dict(found) if isinstance(found, Mapping) else {}


def _ratings(sources: dict[str, Any]) -> list[str]:
    kind = "observations" if "observations" in sources else "surveys"
    return list(_table(sources, kind, "ratings"))


def _later_sections(raw: Mapping[str, Any]) -> Iterator[Mistake]:
    for name in LATER_SECTIONS:
        if name in raw:
            yield Mistake(
                name,
                "this section belongs to a later version of cxmodel and is not built yet. "
                "Remove it.",
            )


def _study_rating(raw: Mapping[str, Any], ratings: list[str]) -> Iterator[Mistake]:
    rating = _table(raw, "study").get("rating")
    if isinstance(rating, str) and rating.strip() and rating not in ratings:
        yield Mistake(f'study.rating = "{rating}"', _no_such_rating(rating, ratings))


def _no_such_rating(rating: str, ratings: list[str]) -> str:
    if not ratings:
        return "no such rating: none is declared. Declare it under ratings."
    listed = ", ".join(ratings)
    hint = nearest(rating, ratings)
    return f"no such rating. Ratings: {listed}." + (f" {hint}" if hint.startswith("Did") else "")


def _sources(sources: dict[str, Any], tables: dict[str, Any]) -> Iterator[Mistake]:
    if not sources:
        yield Mistake(
            "sources", "no source is given. Give at least one, such as [sources.surveys]."
        )
    if "observations" in sources and len(sources) > 1:
        others = ", ".join(f"sources.{kind}" for kind in sources if kind != "observations")
        yield Mistake(
            "sources.observations",
            f"stands instead of all other sources, but there is {others} too. "
            "Keep one or the other.",
        )
    for kind in SourcesConfig.model_fields:
        source = sources.get(kind)
        if isinstance(source, Mapping):
            yield from _one_location(f"sources.{kind}", source, tables)
            yield from _rating_declarations(f"sources.{kind}", _table(source, "ratings"))
    if "ratings" not in _table(sources, "surveys") and isinstance(sources.get("surveys"), Mapping):
        yield Mistake(
            "sources.surveys.ratings",
            'is missing. Declare the question, such as ratings.nps = { column = "score", '
            f"scale = ... }} with one of {', '.join(NAMED_SCALES)}.",
        )


def _one_location(
    where: str, source: Mapping[str, Any], tables: Mapping[str, Any]
) -> Iterator[Mistake]:
    given = [key for key in _LOCATIONS if key in source]
    if len(given) != 1:
        seen = f"has {' and '.join(given)}" if given else "has none"
        yield Mistake(where, f"needs exactly one of path, table and sql; it {seen}.")
    if "sheet" in source and "path" not in source:
        yield Mistake(f"{where}.sheet", "goes with path. For a named table say it in [tables].")
    table = source.get("table")
    # with an engine of its own a table may also be one of the engine's: the engine says so then
    if isinstance(table, str) and tables and table not in tables:
        hint = nearest(table, tables)
        if hint.startswith("Did"):
            yield Mistake(f'{where}.table = "{table}"', f"is not in [tables]. {hint}")


def _rating_declarations(where: str, ratings: dict[str, Any]) -> Iterator[Mistake]:
    for key, rating in ratings.items():
        if not key.replace("-", "_").isidentifier():
            text = f"{key!r} is no key of a rating: use letters, digits and _, such as nps."
            yield Mistake(f"{where}.ratings", text)
        if key in _OTHER_KPIS:
            yield Mistake(f"{where}.ratings.{key}", "is the name of another KPI. Take another key.")
        column = rating.get("column", "") if isinstance(rating, Mapping) else ""
        if is_effort(key, str(column)) and not _SAYS_DIRECTION & set(_table(ratings, key)):
            yield Mistake(
                f"{where}.ratings.{key}.higher_is_better",
                "is missing. On some effort scales a high answer means easy, on others it means "
                "hard. Give higher_is_better = true or false.",
            )


def is_effort(*names: str) -> bool:
    """Say whether one of these is the name of a question about effort.

    Examples
    --------
    >>> is_effort("ease_of_use"), is_effort("CES score"), is_effort("success"), is_effort("release")
    (True, True, False, False)
    """
    return any(_EFFORT.search(name.lower().replace("_", " ")) for name in names)


def _population(raw: Mapping[str, Any], sources: dict[str, Any]) -> Iterator[Mistake]:
    """Refuse a population of which nobody is known who did not answer."""
    population = _table(raw, "response").get("population")
    if population in ("invited", "at_risk") and "observations" in sources:
        yield Mistake(
            f'response.population = "{population}"',
            "a table already joined holds only those who answered, so nobody can be weighted for. "
            "Remove it, or give surveys and customers as separate sources.",
        )
    elif population == "invited" and "invitations" not in sources:
        yield Mistake(
            'response.population = "invited"',
            'needs sources.invitations. Add them, or take population = "at_risk".',
        )


def _unknown_ratings(
    raw: Mapping[str, Any], sources: dict[str, Any], ratings: list[str]
) -> Iterator[Mistake]:
    named = [(f"kpis.targets.{key}", key) for key in _table(raw, "kpis", "targets")]
    named += [
        (f'sources.observations.touchpoints has "{key}"', key)
        for key in _listed(_table(sources, "observations").get("touchpoints"))
    ]
    named += [
        (f'lift.reliability.items has "{key}"', key)
        for key in _listed(_table(raw, "lift", "reliability").get("items"))
    ]
    for location, key in named:
        if key not in ratings:
            yield Mistake(location, _no_such_rating(key, ratings))


def _listed(value: Any) -> list[str]:
    listed = value if isinstance(value, list) else [value]
    return [each for each in listed if isinstance(each, str)]


def _programmes(raw: Mapping[str, Any]) -> Iterator[Mistake]:
    listed = raw.get("programmes")
    programmes = [p for p in listed if isinstance(p, Mapping)] if isinstance(listed, list) else []
    names = [str(p.get("name", "")) for p in programmes]
    for number, programme in enumerate(programmes, start=1):
        where = programme_location(programme, number)
        yield from _programme_keys(where, programme)
        yield from _programme_links(where, programme, names)
    for name in sorted({name for name in names if name and names.count(name) > 1}):
        yield Mistake("programmes", f'{names.count(name)} have the name "{name}". Name them apart.')


def programme_location(programme: Mapping[str, Any], number: int) -> str:
    """Say which programme is meant: by its name, or by its place where it has none."""
    name = programme.get("name")
    return f'programmes "{name}"' if isinstance(name, str) else f"programmes, number {number}"


def _programme_keys(where: str, programme: Mapping[str, Any]) -> Iterator[Mistake]:
    gains = [key for key in ("rating_points", "kpi_points") if key in programme]
    if len(gains) != 1:
        seen = "both" if gains else "neither"
        yield Mistake(where, f"needs exactly one of rating_points and kpi_points; it has {seen}.")
    if "kpi_path" in programme and "kpi_points" not in programme:
        yield Mistake(f"{where}: kpi_path", "goes with kpi_points, which is not given.")
    yield from _one_of(
        where, programme, (("reach", "customers"), ("lasts_months", "half_life_months"))
    )


def _one_of(
    where: str, table: Mapping[str, Any], pairs: tuple[tuple[str, str], ...]
) -> Iterator[Mistake]:
    for one, other in pairs:
        if one in table and other in table:
            yield Mistake(where, f"{one} and {other} exclude each other. Keep one.")


def _programme_links(
    where: str, programme: Mapping[str, Any], names: list[str]
) -> Iterator[Mistake]:
    for key in ("requires", "excludes"):
        for other in _listed(programme.get(key)):
            if other == programme.get("name"):
                yield Mistake(f"{where}: {key}", "names the programme itself.")
            elif other not in names:
                yield Mistake(
                    f'{where}: {key} has "{other}"', f"no such programme. {nearest(other, names)}"
                )
    both = set(_listed(programme.get("requires"))) & set(_listed(programme.get("excludes")))
    for other in sorted(both):
        yield Mistake(where, f'both requires and excludes "{other}". Keep one.')
