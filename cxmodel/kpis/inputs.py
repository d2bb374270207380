"""What KPIs are measured on: opened sources, or anything that a reader takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cxmodel.scales import NAMED_SCALES
from cxmodel.tables.readers import (
    read_customers,
    read_interactions,
    read_invitations,
    read_surveys,
)
from cxmodel.tables.sources import Source


def open_surveys(surveys: Any, rating: str) -> Source:
    """Open survey responses; a bare frame or path needs a rating called after a known scale.

    Raises
    ------
    TypeError
        If the scale of the rating is not known.
    """
    if isinstance(surveys, Source):
        return surveys
    if rating not in NAMED_SCALES:
        raise TypeError(
            f"The scale of {rating!r} is not known. Give measure_kpi what read_surveys(..., "
            f'ratings={{"{rating}": ("column", scale)}}) returns, with a scale such as cx.CSAT5 or '
            "cx.Scale(...)."
        )
    return read_surveys(surveys, ratings={rating: (rating, NAMED_SCALES[rating])})


def open_responses(surveys: Any) -> Source | None:
    """Open survey responses of which only the fact that somebody answered matters.

    Raises
    ------
    TypeError
        If they are no source: of a bare frame nobody knows which columns are ratings.
    """
    if surveys is None or isinstance(surveys, Source):
        return surveys
    raise TypeError(
        "surveys must be what read_surveys(...) returns: which columns are ratings is not known of "
        f"a {type(surveys).__name__}."
    )


def open_customers(customers: Any, attributes: Sequence[str] = ()) -> Source | None:
    """Open customers; of a bare frame or path the columns asked for are its attributes."""
    if customers is None or isinstance(customers, Source):
        return customers
    return read_customers(customers, attributes=list(attributes))


def open_interactions(interactions: Any) -> Source | None:
    """Open contacts, tickets or deliveries."""
    if interactions is None or isinstance(interactions, Source):
        return interactions
    return read_interactions(interactions)


def open_invitations(invitations: Any) -> Source | None:
    """Open invitations."""
    if invitations is None or isinstance(invitations, Source):
        return invitations
    return read_invitations(invitations)
