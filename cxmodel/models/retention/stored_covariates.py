"""A retention model with covariates that was saved: the same `RetentionByCovariates`."""

from __future__ import annotations

from typing import Any, cast, get_args

import numpy as np
import numpy.typing as npt

from cxmodel.models.model_file import Fields, ModelFile, make_model_file
from cxmodel.models.retention.covariates_result import RetentionByCovariates
from cxmodel.models.retention.features import columns_in
from cxmodel.models.retention.spells import SINCE_ANSWER, SINCE_START
from cxmodel.models.retention.stored import read_families, read_not_used
from cxmodel.models.retention.stored_hazard import read_spread, read_terms
from cxmodel.models.study_facts import read_study_facts
from cxmodel.stats.lifetime_likelihood import LifetimeFamily
from cxmodel.stats.lifetimes import PARAMETER_NAMES

KIND = "retention_covariates"
_NUMBERS = ("log_likelihood", "statistic", "p_value", "conf_level")
_COUNTS = ("n_obs", "n_events", "observed_months")
_NAMES = (
    "family", "parameters", "terms", "covariance", "levels", "families", "choice", "clock", "study",
    "profile", "not_used", "caveats", *_NUMBERS, *_COUNTS,
)  # fmt: skip


def store_covariates(fit: RetentionByCovariates) -> ModelFile:
    """Take the numbers out of a fitted retention model with covariates."""
    content: dict[str, Any] = {
        "family": fit.family,
        "parameters": {name: float(value) for name, value in fit.parameters.items()},
        "terms": [
            {
                "column": one.column,
                "level": one.level,
                "mean": fit.means[one.name],
                "coefficient": fit.coefficients[one.name],
            }
            for one in fit._features
        ],
        "covariance": fit.covariance.tolist(),
        "levels": [{"column": name, "levels": list(each)} for name, each in fit.levels.items()],
        "families": [row.to_dict() for row in fit.families],
        "choice": fit.choice,
        "clock": fit.clock,
        "study": None if fit.study is None else fit.study.content(),
        "profile": None if fit.profile is None else fit.profile.to_plain(),
        "not_used": [dict(row) for row in fit.not_used],
        "caveats": list(fit.caveats),
        **{name: float(getattr(fit, name)) for name in _NUMBERS},
        **{name: int(getattr(fit, name)) for name in _COUNTS},
    }
    return make_model_file(KIND, content, created_at=fit.as_of)


def read_covariates(file: ModelFile, where: str) -> RetentionByCovariates:
    """Read a retention model with covariates, and check all of it.

    Raises
    ------
    SourceError
        Naming the first thing that is wrong.
    """
    fields = Fields(file.content, where)
    fields.only(*_NAMES)
    family = cast(LifetimeFamily, fields.choice("family", get_args(LifetimeFamily)))
    terms, features, levels = read_terms(fields, "coefficient")
    names = [one.name for one in features]
    if not 0 < fields.number("conf_level") < 1:
        fields.refuse("conf_level", "a share between 0 and 1")
    return RetentionByCovariates(
        family=family,
        parameters=_read_parameters(fields.part("parameters"), family),
        coefficients={n: row.number("coefficient") for n, row in zip(names, terms, strict=True)},
        means={n: row.number("mean") for n, row in zip(names, terms, strict=True)},
        covariance=_read_covariance(fields, len(names)),
        families=read_families(fields),
        choice=fields.text("choice"),
        not_used=read_not_used(fields),
        caveats=tuple(fields.texts("caveats")),
        levels=levels,
        clock=fields.choice("clock", (SINCE_START, SINCE_ANSWER)),
        as_of=file.created_at,
        study=None if fields.get("study") is None else read_study_facts(fields.part("study")),
        profile=read_spread(fields, columns_in(features, levels), levels),
        log_likelihood=fields.number("log_likelihood"),
        statistic=fields.number("statistic"),
        p_value=fields.number("p_value"),
        conf_level=fields.number("conf_level"),
        n_obs=fields.whole("n_obs"),
        n_events=fields.whole("n_events"),
        observed_months=fields.whole("observed_months"),
        _features=features,
    )


def _read_parameters(fields: Fields, family: LifetimeFamily) -> dict[str, float]:
    """Read the parameters of a family: positive, and a share that leaves below 1."""
    names = PARAMETER_NAMES[family]
    fields.only(*names)
    found = {name: fields.number(name) for name in names}
    for name, value in found.items():
        if value <= 0 or (name.startswith("prob_") and value >= 1):
            fields.refuse(name, "above 0, and where it is a share below 1")
    return found


def _read_covariance(fields: Fields, size: int) -> npt.NDArray[np.float64]:
    """Read a covariance: square, symmetric, and no variance below 0."""
    what = f"{size} rows of {size} numbers that are a covariance"
    rows = fields.get("covariance")
    if not isinstance(rows, list) or len(rows) != size:
        fields.refuse("covariance", what)
    listed = Fields({str(i): row for i, row in enumerate(rows)}, f"{fields.where}: covariance")
    found = np.array([listed.numbers(str(i), size) for i in range(size)], dtype=float)
    scale = float(np.abs(found).max())
    if not np.allclose(found, found.T, rtol=1e-6, atol=1e-9 * scale):
        fields.refuse("covariance", what)
    if np.linalg.eigvalsh((found + found.T) / 2)[0] < -1e-6 * scale:
        fields.refuse("covariance", what)
    return found
