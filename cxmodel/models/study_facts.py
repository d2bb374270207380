"""What a saved model has to know of the study that it was fitted to: its rating, windows, money."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cxmodel.models.model_file import Fields
from cxmodel.tables.observation_table import Windows

if TYPE_CHECKING:
    from cxmodel.tables.observation_table import Observations

RATING = "rating"
"""The column of the study's rating, whose scale is known."""
_RATING = ("name", "scale", "low", "high")
_NAMES = ("rating", "windows", "currency")
_WINDOWS = ("lookback_days", "outcome_days", "gap_days", "inactive_days")


@dataclass(frozen=True, kw_only=True)
class StudyFacts:
    """What columns of a model mean, as far as their names do not say it.

    Parameters
    ----------
    rating : mapping, optional
        ``name, scale, low, high`` of the rating in column ``rating``.
    windows : Windows, optional
        In which columns were counted; None in a table already joined, which does not say.
    currency : str, optional
        Of amounts.
    """

    rating: Mapping[str, Any] | None
    windows: Windows | None
    currency: str | None

    @classmethod
    def of(cls, obs: Observations) -> StudyFacts:
        """Take them from the observations that a model is fitted to."""
        return cls(
            rating=rating_facts(obs),
            windows=None if obs.is_joined else obs.windows,
            currency=obs.currency,
        )

    def content(self) -> dict[str, Any]:
        """Lay them out for a model file."""
        return {
            "rating": None if self.rating is None else dict(self.rating),
            "windows": None if self.windows is None else dataclasses.asdict(self.windows),
            "currency": self.currency,
        }


def rating_facts(obs: Observations) -> dict[str, Any] | None:
    """Say which rating stands in column ``rating``, and on what scale."""
    scale = obs.scale
    if scale is None:
        return None
    low, high = float(scale.low), float(scale.high)  # as a file gives them back
    return {"name": obs.rating, "scale": scale.name, "low": low, "high": high}


def read_study_facts(fields: Fields) -> StudyFacts:
    """Read what `StudyFacts.content` has laid out, and check all of it.

    Raises
    ------
    SourceError
        Naming the first thing that is wrong.
    """
    fields.only(*_NAMES)
    return StudyFacts(
        rating=read_rating(fields),
        windows=None if fields.get("windows") is None else read_windows(fields.part("windows")),
        currency=fields.text_or_none("currency"),
    )


def read_rating(fields: Fields) -> dict[str, Any] | None:
    """Read field ``rating``: null, or the name of a rating and its scale."""
    if fields.get("rating") is None:
        return None
    part = fields.part("rating")
    part.only(*_RATING)
    return {
        "name": part.text_or_none("name"),
        "scale": part.text("scale"),
        "low": part.number("low"),
        "high": part.number("high"),
    }


def read_windows(fields: Fields) -> Windows:
    """Read windows that are possible."""
    fields.only(*_WINDOWS)
    found = {n: None if fields.get(n) is None else fields.whole(n) for n in _WINDOWS}
    try:
        return Windows(**found)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        fields.refuse("lookback_days", "with the other days windows that are possible")
