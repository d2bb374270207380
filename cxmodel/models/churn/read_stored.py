"""Read the content of a saved churn model, and let nothing in that such a model cannot hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from cxmodel.models.churn.features import Feature, Features, Limits
from cxmodel.models.churn.profile import SCORE
from cxmodel.models.churn.stored import StoredChurnModel
from cxmodel.models.churn.stored_scores import read_calibration, read_scores
from cxmodel.models.model_file import Fields, ModelFile
from cxmodel.models.profile import Profile, read_number_profile, read_word_profile
from cxmodel.models.study_facts import RATING, read_rating, read_windows

MOST_COLUMNS = 2_000
_FACTS = (
    "method",
    "base_rate",
    "n_obs",
    "n_events",
    "window_words",
    "churn_rule",
    "currency",
    "rating",
    "windows",
    "caveats",
)


def read_churn(file: ModelFile, where: str) -> StoredChurnModel:
    """Read the content of a churn model, and check all of it.

    Raises
    ------
    SourceError
        Naming the first thing that is wrong.
    """
    fields = Fields(file.content, where)
    fields.only(*_FACTS, "columns", "model", "calibration", "score_profile")
    facts = _read_facts(fields)
    columns = fields.parts("columns", MOST_COLUMNS)
    parts = tuple(_read_column(column, facts["rating"]) for column in columns)
    names = [part.name for part in parts]
    if not names or len(set(names)) < len(names):
        fields.refuse("columns", "at least one, each with a name of its own")
    features = Features(parts)
    profiles = {
        part.name: (read_number_profile if part.is_number else read_word_profile)(
            column.part("profile")
        )
        for part, column in zip(parts, columns, strict=True)
    }
    score = read_number_profile(fields.part("score_profile"))
    return StoredChurnModel(
        features=features,
        scores=read_scores(fields.part("model"), len(features.terms)),
        calibration=read_calibration(fields.part("calibration")),
        profile=Profile(profiles, {SCORE: score}),
        facts=facts,
        file=file,
    )


def _read_column(fields: Fields, rating: Mapping[str, Any] | None) -> Feature:
    """Read a column, and all that was learnt of it; the scale is that of the rating."""
    if fields.choice("type", ("number", "words")) == "words":
        fields.only("name", "type", "levels", "reference", "profile")
        levels = tuple(fields.texts("levels"))
        if not levels:
            fields.refuse("levels", "at least one level")
        return Feature(
            fields.text("name"),
            is_number=False,
            levels=levels,
            reference=fields.text_or_none("reference"),
        )
    fields.only("name", "type", "fill", "has_missing", "cap", "profile")
    name = fields.text("name")
    cap = float("inf") if fields.get("cap") is None else fields.number("cap")
    limits = Limits(cap=cap)
    if rating is not None and name == RATING:
        limits = Limits(low=rating["low"], high=rating["high"], cap=cap)
    return Feature(
        name,
        is_number=True,
        fill=fields.number("fill"),
        has_missing=fields.flag("has_missing"),
        limits=limits,
    )


def _read_facts(fields: Fields) -> dict[str, Any]:
    base_rate = fields.number("base_rate")
    if not 0 < base_rate < 1:
        fields.refuse("base_rate", "a share between 0 and 1")
    return {
        "method": fields.choice("method", ("logistic", "gradient_boosting")),
        "base_rate": base_rate,
        "n_obs": fields.whole("n_obs"),
        "n_events": fields.whole("n_events"),
        "window_words": fields.text("window_words"),
        "churn_rule": fields.text_or_none("churn_rule"),
        "currency": fields.text_or_none("currency"),
        "rating": read_rating(fields),
        "windows": asdict(read_windows(fields.part("windows"))),
        "caveats": fields.texts("caveats"),
    }
