"""A hazard model that was saved: the same `HazardResult`, but for counts of few customers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cxmodel.models.model_file import Fields, ModelFile, make_model_file
from cxmodel.models.off_scale import Range
from cxmodel.models.profile import Profile, read_profile
from cxmodel.models.retention.features import MAX_LEVELS, Feature, columns_in
from cxmodel.models.retention.hazard_ahead import require_features
from cxmodel.models.retention.hazard_result import HazardResult, HazardTerm
from cxmodel.models.retention.stored import read_not_used
from cxmodel.models.study_facts import read_study_facts
from cxmodel.results import NotRun

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

KIND = "hazard"
MOST_TERMS, MOST_PERIODS = 1_000, 100_000
_BASELINE = ("hazard", "conf_low", "conf_high", "survival")
_COUNTS = ("n_spells", "n_person_periods", "n_events")
_TEXTS = ("reference_band", "clock", "period", "errors", "ratio_of")
_NUMBERS = ("log_likelihood", "conf_level", "period_days")
_NAMES = (
    "terms", "bands", "levels", "first_period", "baseline", "n_customers", "rating", "not_used",
    "caveats", "is_weighted", "rating_range", "profile", "study", *_COUNTS, *_TEXTS, *_NUMBERS,
)  # fmt: skip


def store_hazard(fit: HazardResult) -> ModelFile:
    """Take the numbers out of a fitted hazard model.

    How many were at risk in a period stays behind: in late ones they are few.

    Raises
    ------
    ValueError
        If the model foretells nothing of single customers.
    """
    require_features(fit)
    bands: Any = fit.bands
    content: dict[str, Any] = {
        "terms": [
            {"column": one.column, "level": one.level, "mean": float(mean), **_plain_term(term)}
            for one, term, mean in zip(fit.features, fit.terms, fit.means, strict=True)
        ],
        "bands": {"reason": bands.reason}
        if isinstance(bands, NotRun)
        else {"rows": [{"band": one.term, **_plain_term(one)} for one in bands]},
        "levels": [{"column": name, "levels": list(each)} for name, each in fit.levels.items()],
        "first_period": int(fit.baseline["period"].iloc[0]),
        "baseline": {name: fit.baseline[name].tolist() for name in _BASELINE},
        "n_customers": fit.n_customers,
        "rating": fit.rating,
        "is_weighted": bool(fit.is_weighted),
        "rating_range": None if fit.rating_range is None else list(fit.rating_range),
        "profile": None if fit.profile is None else fit.profile.to_plain(),
        "study": None if fit.study is None else fit.study.content(),
        "not_used": [dict(row) for row in fit.not_used],
        "caveats": list(fit.caveats),
        **{name: int(getattr(fit, name)) for name in _COUNTS},
        **{name: getattr(fit, name) for name in _TEXTS},
        **{name: float(getattr(fit, name)) for name in _NUMBERS},
    }
    return make_model_file(KIND, content, created_at=fit.as_of)


def _plain_term(term: HazardTerm) -> dict[str, float]:
    return {"log_ratio": float(term.log_ratio), "std_error": float(term.std_error)}


def read_hazard(file: ModelFile, where: str) -> HazardResult:
    """Read a hazard model, and check all of it.

    Raises
    ------
    SourceError
        Naming the first thing that is wrong.
    """
    fields = Fields(file.content, where)
    fields.only(*_NAMES)
    rows, features, levels = read_terms(fields, "log_ratio", "std_error")
    if not 0 < fields.number("conf_level") < 1:
        fields.refuse("conf_level", "a share between 0 and 1")
    if fields.number("period_days") <= 0:
        fields.refuse("period_days", "above 0")
    fields.choice("ratio_of", ("hazard",))
    return HazardResult(
        method="discrete",
        terms=tuple(_read_term(row, one.name) for row, one in zip(rows, features, strict=True)),
        bands=_read_bands(fields.part("bands")),
        baseline=_read_baseline(fields),
        n_customers=None if fields.get("n_customers") is None else fields.whole("n_customers"),
        rating=fields.text_or_none("rating"),
        is_weighted=fields.flag("is_weighted"),
        rating_range=_read_range(fields),
        profile=read_spread(fields, columns_in(features, levels), levels),
        study=None if fields.get("study") is None else read_study_facts(fields.part("study")),
        not_used=read_not_used(fields),
        caveats=tuple(fields.texts("caveats")),
        features=features,
        means=tuple(row.number("mean") for row in rows),
        levels=levels,
        as_of=file.created_at,
        log_likelihood=fields.number("log_likelihood"),
        conf_level=fields.number("conf_level"),
        period_days=fields.number("period_days"),
        n_spells=fields.whole("n_spells"),
        n_person_periods=fields.whole("n_person_periods"),
        n_events=fields.whole("n_events"),
        **{name: fields.text(name) for name in _TEXTS},
    )


def _read_range(fields: Fields) -> Range | None:
    if fields.get("rating_range") is None:
        return None
    low, high = fields.numbers("rating_range", 2)
    if low >= high:
        fields.refuse("rating_range", "the lowest and the highest answer of a scale")
    return low, high


def read_spread(
    fields: Fields, columns: tuple[str, ...], levels: Mapping[str, tuple[str, ...]]
) -> Profile | None:
    """Read field ``profile``: how these columns were spread at the fit, where it is known."""
    if fields.get("profile") is None:
        return None
    numbers = tuple(name for name in columns if name not in levels)
    return read_profile(fields.part("profile"), numbers=numbers, words=tuple(levels), scores=())


def read_terms(
    fields: Fields, *numbers: str
) -> tuple[Sequence[Fields], tuple[Feature, ...], dict[str, tuple[str, ...]]]:
    """Read fields ``terms`` and ``levels`` of a model of leaving.

    Parameters
    ----------
    numbers : str
        What a term has beside its column, its level and its mean.

    Returns
    -------
    rows : sequence of Fields
        A row a term.
    features : tuple of Feature
        What each adds.
    levels : dict
        Every level of each column of text.
    """
    levels = _read_levels(fields.parts("levels", MOST_TERMS))
    rows = fields.parts("terms", MOST_TERMS)
    for row in rows:
        row.only("column", "level", "mean", *numbers)
    features = tuple(_read_feature(row, levels) for row in rows)
    if not features or len({one.name for one in features}) < len(features):
        fields.refuse("terms", "at least one, each of its own column or level")
    return rows, features, levels


def _read_levels(rows: Sequence[Fields]) -> dict[str, tuple[str, ...]]:
    """Read the levels of each column of text."""
    found: dict[str, tuple[str, ...]] = {}
    for row in rows:
        row.only("column", "levels")
        levels = tuple(row.texts("levels"))
        if not 1 <= len(levels) <= MAX_LEVELS:
            row.refuse("levels", f"1 to {MAX_LEVELS} levels")
        found[row.text("column")] = levels
    return found


def _read_feature(row: Fields, levels: dict[str, tuple[str, ...]]) -> Feature:
    """Read a number, or a level that its column has."""
    column, level = row.text("column"), row.text_or_none("level")
    if (level is None) == (column in levels) or (level and level not in levels[column][1:]):
        row.refuse("level", "null for a number, or a level of its column but the first")
    return Feature(column, level)


def _read_term(row: Fields, name: str) -> HazardTerm:
    error = row.number("std_error")
    if error < 0:
        row.refuse("std_error", "0 or more")
    return HazardTerm(term=name, log_ratio=row.number("log_ratio"), std_error=error)


def _read_bands(fields: Fields) -> tuple[HazardTerm, ...] | NotRun:
    if "reason" in fields.values:
        fields.only("reason")
        return NotRun(fields.text("reason"))
    fields.only("rows")
    found = []
    for row in fields.parts("rows", MAX_LEVELS):
        row.only("band", "log_ratio", "std_error")
        found.append(_read_term(row, row.text("band")))
    return tuple(found)


def _read_baseline(fields: Fields) -> pd.DataFrame:
    """Read hazard and survival by period: shares, the survival never rising."""
    part = fields.part("baseline")
    part.only(*_BASELINE)
    n = len(part.numbers("hazard"))
    if not 1 <= n <= MOST_PERIODS:
        part.refuse("hazard", f"a list of 1 to {MOST_PERIODS:,} numbers")
    found: dict[str, Any] = {}
    for name in _BASELINE:
        values = np.array(part.numbers(name, n))
        if (values < 0).any() or (values > 1).any():
            part.refuse(name, "shares from 0 to 1")
        found[name] = values
    if (np.diff(found["survival"]) > 0).any():
        part.refuse("survival", "shares that never rise")
    first = fields.whole("first_period")
    return pd.DataFrame({"period": np.arange(first, first + n), **found})
