"""What was not computed, and why: in one place, so that nothing is missing in silence."""

from __future__ import annotations

from cxmodel.report import words
from cxmodel.report.blocks import Block, Column, Heading, Table, Text, strong
from cxmodel.report.reading import Results, not_run_parts

_PLACES = {
    "audit": "Audit of the join",
    "kpis": "KPIs",
    "lift": "Lift",
    "lift.revenue": "Lift of revenue",
    "lift.retention": "Lift of retention",
    "checks": "Checks",
    "evidence": "Evidence grade",
    "churn": "Churn",
    "retention": "Retention curve",
    "retention.hazard": "Hazard of leaving",
    "retention.by_band": "How long bands stay",
    "cltv": "Lifetime value",
    "drivers": "Drivers of the rating",
    "journey": "Journey",
    "segments": "Segments",
    "programmes": "Programmes",
    "portfolio": "Portfolio of programmes",
}


_CONTAINERS = ("by_outcome", "change_per_rating_point", "per_kpi_point")
_SAID_ELSEWHERE = ("payback_months", "discounted_payback_months")


def missing_section(results: Results) -> list[Block]:
    """List every stage and estimate that was not run, those with one reason together."""
    found = [(path, why) for path, why in not_run_parts(results) if not _is_said(path)]
    if not found:
        return []
    grouped: dict[str, dict[str, list[str]]] = {}
    later: dict[str, list[str]] = {}
    for path, why in found:
        place, detail = _split(path)
        places = later if words.is_of_later_version(why) else grouped.setdefault(why, {})
        places.setdefault(place, []).append(detail)
    return [
        Heading(text="What was not computed, and why", topic="Missing"),
        *([_table(grouped)] if grouped else []),
        *_later_blocks(later),
    ]


def _is_said(path: str) -> bool:
    """Say whether the report gives the reason where it matters, in another table."""
    head, *inner = path.split(".")
    return bool(inner) and (head in ("checks", "evidence") or inner[-1] in _SAID_ELSEWHERE)


def _table(grouped: dict[str, dict[str, list[str]]]) -> Table:
    return Table(
        caption="What this study could not compute.",
        columns=[
            Column(key="what", label="Not computed", wide=True),
            Column(key="why", label="Why", wide=True),
        ],
        rows=[
            {"what": _what(places), "why": " ".join(words.reason_lines(why))}
            for why, places in grouped.items()
        ],
    )


def _later_blocks(later: dict[str, list[str]]) -> list[Block]:
    """Name in one paragraph what no study can have yet."""
    if not later:
        return []
    return [Text(words=[strong("Not part of this version of cxmodel: "), f"{_what(later)}."])]


def _split(path: str) -> tuple[str, str]:
    """Split a path into the stage it belongs to and the detail within.

    Examples
    --------
    >>> _split("lift.revenue.flexible_per_rating_point")
    ('Lift of revenue', 'flexible')
    >>> _split("journey")
    ('Journey', '')
    """
    steps = path.split(".")
    n = 2 if ".".join(steps[:2]) in _PLACES else 1
    place = _PLACES.get(".".join(steps[:n]), words.sentence(words.name(steps[0])))
    inner = [step for step in steps[n:] if step not in _CONTAINERS]
    detail = ", ".join(words.name(step.removesuffix("_per_rating_point")) for step in inner)
    return place, detail or ", ".join(words.name(step) for step in steps[n:])


def _what(places: dict[str, list[str]]) -> str:
    """Name what is missing: the places that lack the same things together.

    Examples
    --------
    >>> _what({"Lift of revenue": ["flexible"], "Lift of retention": ["flexible"], "Journey": [""]})
    'Lift of revenue and lift of retention: flexible; journey'
    """
    alike: dict[tuple[str, ...], list[str]] = {}
    for place, details in places.items():
        alike.setdefault(tuple(d for d in dict.fromkeys(details) if d), []).append(place)
    parts = []
    for lacking, names in alike.items():
        named = words.listing([words.lower_first(name) for name in names])
        parts.append(f"{named}: {words.listing(list(lacking))}" if lacking else named)
    return words.sentence("; ".join(parts))
