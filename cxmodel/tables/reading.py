"""From the arguments of a reader to an opened source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cxmodel.errors import nearest
from cxmodel.scales import NAMED_SCALES, Scale
from cxmodel.tables.contracts import Kind
from cxmodel.tables.engines.engine import (
    Engine,
    Session,
    default_session,
    session_of,
    shared_session,
)
from cxmodel.tables.opening.frames import is_frame
from cxmodel.tables.sources import Source
from cxmodel.tables.specs import RatingSpec, SourceSpec

Names = str | Sequence[str]
Ratings = Mapping[str, "tuple[str, Scale | str] | RatingSpec"]


def given_columns(**given: str | None) -> dict[str, str]:
    """Keep the columns that were named."""
    return {name: column for name, column in given.items() if column is not None}


def _names(given: Names) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)


def make_spec(
    kind: Kind,
    data: Any,
    columns: dict[str, str],
    date_format: Names,
    time_zone: str | None,
    sheet: str | None,
    *,
    ratings: Ratings | None = None,
    attributes: Names = (),
    controls: Names | None = None,
    ignore: Names = (),
    touchpoints: Names = (),
) -> SourceSpec:
    """Describe a source by the arguments of a reader."""
    return SourceSpec(
        kind=kind,
        label=kind,
        data=str(data) if isinstance(data, Path) else data,
        columns=columns,
        ratings={key: _rating(key, given) for key, given in (ratings or {}).items()},
        attributes=_names(attributes),
        controls=None if controls is None else _names(controls),
        ignore=_names(ignore),
        touchpoints=_names(touchpoints),
        date_format=_names(date_format),
        time_zone=time_zone,
        sheet=sheet,
    )


def _rating(key: str, given: Any) -> RatingSpec:
    if isinstance(given, RatingSpec):
        return given
    if not (isinstance(given, tuple) and len(given) == 2 and isinstance(given[0], str)):
        raise TypeError(
            f'ratings[{key!r}] must be (column, scale), for example ("q1", cx.NPS), not {given!r}.'
        )
    column, scale = given
    if isinstance(scale, str):
        if scale not in NAMED_SCALES:
            raise ValueError(
                f"ratings[{key!r}]: there is no scale {scale!r}. {nearest(scale, NAMED_SCALES)}"
            )
        scale = NAMED_SCALES[scale]
    if not isinstance(scale, Scale):
        raise TypeError(f"ratings[{key!r}]: the scale must be a cx.Scale, not {scale!r}.")
    return RatingSpec(column, scale)


def _session(data: Any, engine: Engine | None) -> Session:
    """Choose the engine: the one that an Ibis table brings, the one given, or the shared DuckDB."""
    is_bound = not isinstance(data, str) and not is_frame(data) and hasattr(data, "op")
    if is_bound:
        return session_of(data)
    return default_session() if engine is None else shared_session(engine)


def open_spec(spec: SourceSpec, engine: Engine | None, currency: str | None = None) -> Source:
    """Open a source on the engine that its data bring, on the one given, or on the shared one."""
    from cxmodel.tables.opening.catalog import Catalog
    from cxmodel.tables.opening.opening import open_source

    session = _session(spec.data, engine)
    return open_source(spec, Catalog(session, {}, Path()), currency)
