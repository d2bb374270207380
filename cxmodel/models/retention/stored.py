"""A retention model that was saved: the same `RetentionFit`, from numbers alone."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import TYPE_CHECKING, Any, cast, get_args

import numpy as np

from cxmodel.models.model_file import Fields, ModelFile, make_model_file
from cxmodel.models.retention.choice import FamilyRow
from cxmodel.models.retention.fit import Family, RetentionFit
from cxmodel.stats.lifetimes import PARAMETER_NAMES

if TYPE_CHECKING:
    import numpy.typing as npt

KIND = "retention"
MOST_CELLS = 2_000_000
_NUMBERS = ("log_likelihood", "conf_level")
_WHOLES = ("n_obs", "n_events", "observed_months", "horizon_months")
_WORDS = ("period", "choice", "families", "caveats", "not_used")
_ARRAYS = ("_observed", "_observed_draws", "_parameter_draws")


def store_retention(fit: RetentionFit, *, created_at: dt.date | None = None) -> ModelFile:
    """Take the numbers out of a fitted retention model; it is as old as its data."""
    return make_model_file(KIND, retention_content(fit), created_at=created_at or fit.as_of)


def retention_content(fit: RetentionFit) -> dict[str, Any]:
    """Lay the numbers of a fitted retention model out."""
    return {
        "family": fit.family,
        "parameters": {name: float(value) for name, value in fit.parameters.items()},
        **{name: float(getattr(fit, name)) for name in _NUMBERS},
        **{name: int(getattr(fit, name)) for name in _WHOLES},
        "period": fit.period,
        "choice": fit.choice,
        "families": [row.to_dict() for row in fit.families],
        "caveats": list(fit.caveats),
        "not_used": [dict(row) for row in fit.not_used],
        **{name.lstrip("_"): getattr(fit, name).tolist() for name in _ARRAYS},
    }


def read_retention(file: ModelFile, where: str) -> RetentionFit:
    """Read a retention model, and check all of it.

    Raises
    ------
    SourceError
        Naming the first thing that is wrong.
    """
    found = read_retention_content(Fields(file.content, where))
    return dataclasses.replace(found, as_of=file.created_at)


def read_retention_content(fields: Fields) -> RetentionFit:
    """Read the numbers of a retention model."""
    arrays = tuple(name.lstrip("_") for name in _ARRAYS)
    fields.only("family", "parameters", *_NUMBERS, *_WHOLES, *_WORDS, *arrays)
    family = cast(Family, fields.choice("family", get_args(Family)))
    given = fields.part("parameters")
    given.only(*PARAMETER_NAMES[family])
    parameters = {name: given.number(name) for name in PARAMETER_NAMES[family]}
    months = fields.whole("observed_months") + 1
    observed = _read_array(fields, "observed", rows=3, columns=months)
    draws = _read_array(fields, "observed_draws", columns=months)
    n_draws = len(draws)
    drawn = _read_array(fields, "parameter_draws", rows=n_draws, columns=len(parameters))
    for name, shares in (("observed", observed), ("observed_draws", draws)):
        if (shares < 0).any() or (shares > 1).any():
            fields.refuse(name, "shares from 0 to 1")
    if not 0 < fields.number("conf_level") < 1:
        fields.refuse("conf_level", "a share between 0 and 1")
    return RetentionFit(
        family=family,
        parameters=parameters,
        log_likelihood=fields.number("log_likelihood"),
        n_obs=fields.whole("n_obs"),
        n_events=fields.whole("n_events"),
        observed_months=months - 1,
        conf_level=fields.number("conf_level"),
        not_used=read_not_used(fields),
        caveats=tuple(fields.texts("caveats")),
        period=fields.text("period"),
        choice=fields.text("choice"),
        families=read_families(fields),
        horizon_months=fields.whole("horizon_months"),
        _observed=observed,
        _observed_draws=draws,
        _parameter_draws=drawn,
    )


def read_families(fields: Fields) -> tuple[FamilyRow, ...]:
    """Read field ``families``: those that were compared."""
    return tuple(_read_family(row) for row in fields.parts("families", 10))


def read_not_used(fields: Fields) -> tuple[dict[str, Any], ...]:
    """Read field ``not_used``: who was left out, and why."""
    return tuple(_read_row(row) for row in fields.parts("not_used", 100))


def _read_family(fields: Fields) -> FamilyRow:
    fields.only(*(field.name for field in dataclasses.fields(FamilyRow)))
    likelihood, aic = (
        None if fields.get(name) is None else fields.number(name)
        for name in ("log_likelihood", "aic")
    )
    return FamilyRow(
        family=cast(Family, fields.choice("family", get_args(Family))),
        model=fields.text("model"),
        n_parameters=fields.whole("n_parameters"),
        log_likelihood=likelihood,
        aic=aic,
        is_chosen=fields.flag("is_chosen"),
        note=fields.text("note"),
    )


def _read_row(fields: Fields) -> dict[str, Any]:
    fields.only("stage", "reason", "n")
    return {
        "stage": fields.text("stage"),
        "reason": fields.text("reason"),
        "n": fields.whole("n"),
    }


def _read_array(
    fields: Fields, name: str, *, columns: int, rows: int | None = None
) -> npt.NDArray[np.float64]:
    """Read rows of numbers, all of one length."""
    value = fields.get(name)
    is_right = isinstance(value, list) and len(value) >= 1 and len(value) == (rows or len(value))
    if not is_right or len(value) * columns > MOST_CELLS:
        fields.refuse(name, f"{'' if rows is None else rows} rows of {columns} numbers".strip())
    listed = Fields({str(i): row for i, row in enumerate(value)}, f"{fields.where}: {name}")
    return np.array([listed.numbers(str(i), columns) for i in range(len(value))], dtype=float)
