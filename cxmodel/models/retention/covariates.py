"""Retention models with what makes a customer's own time run faster: the rating among it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy.special import chdtrc

from cxmodel.errors import ConfigError, InsufficientDataError, nearest
from cxmodel.models.profile import profile_of
from cxmodel.models.retention.choice import choose_family
from cxmodel.models.retention.covariates_result import RetentionByCovariates
from cxmodel.models.retention.durations import Durations, read_durations
from cxmodel.models.retention.features import (
    columns_in,
    design_of,
    features_of,
    levels_of,
)
from cxmodel.models.retention.input_checks import require_events
from cxmodel.models.retention.spells import SINCE_ANSWER, SINCE_START
from cxmodel.models.study_facts import StudyFacts
from cxmodel.stats.lifetime_likelihood import LifetimeFamily, lifetime_scores, lifetime_terms
from cxmodel.stats.lifetimes import PARAMETER_NAMES, PeriodCounts, fit_lifetime, to_logs
from cxmodel.tables.observation_table import Observations

if TYPE_CHECKING:
    from cxmodel.models.retention.model import RetentionModel

FloatArray = npt.NDArray[np.float64]
ROWS_PER_PARAMETER = 10


def fit_covariates(
    model: RetentionModel, obs: Observations, names: tuple[str, ...]
) -> RetentionByCovariates:
    """Fit with covariates; see ``RetentionModel.fit_covariates``."""
    Observations.check(obs)
    for name in names:
        if not obs.has(name) or name.startswith("_"):
            raise ConfigError(
                f"covariates name {name!r}, which the observations do not have. "
                f"{nearest(name, ['rating', *obs.attributes, *obs.controls])}"
            )
    rows, not_used = _complete(read_durations(obs, stage="retention"), obs, names)
    require_events(rows)
    used = obs.frame.loc[rows.chosen]
    features, levels = features_of(used, names), levels_of(used, names)
    design = design_of(used, features)
    means = np.average(design, axis=0, weights=rows.weights)
    _refuse_small(rows, len(features))
    patterns = _Patterns.of(rows, design - means)
    counts = patterns.counts
    family, best, families, why = choose_family(model.family, counts)
    own = len(PARAMETER_NAMES[family])
    found = best.parameters[0]
    log_likelihood = float(best.log_likelihood[0])
    covariance = _robust(family, found, patterns)[own:, own:]
    if np.ptp(rows.weights) > 0:  # then twice the difference follows no chi-squared
        statistic = float(found[own:] @ np.linalg.solve(covariance, found[own:]))
    else:
        statistic = 2 * (log_likelihood - _without_covariates(family, counts))
    return RetentionByCovariates(
        family=family,
        parameters=dict(zip(PARAMETER_NAMES[family], found[:own].tolist(), strict=True)),
        coefficients={one.name: float(b) for one, b in zip(features, found[own:], strict=True)},
        covariance=covariance,
        means={one.name: float(mean) for one, mean in zip(features, means, strict=True)},
        log_likelihood=log_likelihood,
        statistic=statistic,
        p_value=float(chdtrc(len(features), max(statistic, 0.0))),
        n_obs=len(rows.months),
        n_events=int(rows.events.sum()),
        families=families,
        choice=why,
        conf_level=obs.conf_level,
        not_used=(*rows.not_used, *not_used),
        caveats=rows.caveats,
        levels=levels,
        clock=SINCE_START if obs.is_joined else SINCE_ANSWER,
        as_of=obs.as_of,
        study=StudyFacts.of(obs),
        profile=profile_of(
            used[list(columns_in(features, levels))], {}, min_group_size=obs.min_group_size
        ),
        observed_months=int(rows.months.max()),
        _features=features,
    )


def _without_covariates(family: LifetimeFamily, counts: PeriodCounts) -> float:
    """Give the log-likelihood of the same family where all customers are alike."""
    plain = PeriodCounts(counts.periods, counts.stayed, counts.lost)
    return float(fit_lifetime(family, plain).log_likelihood[0])


def _complete(
    rows: Durations, obs: Observations, names: tuple[str, ...]
) -> tuple[Durations, tuple[dict[str, Any], ...]]:
    """Leave out, and count, customers without one of the covariates."""
    known = obs.frame.loc[rows.chosen, list(names)].notna().all(axis=1).to_numpy()
    if known.all():
        return rows, ()
    out = {"stage": "retention", "reason": "missing_control", "n": int((~known).sum())}
    return rows.only(known), (out,)


def _refuse_small(rows: Durations, n_features: int) -> None:
    n_events = int(rows.events.sum())
    if n_events < ROWS_PER_PARAMETER * n_features:
        raise InsufficientDataError(
            f"Retention: {n_events} customers left for {n_features} covariate terms; at least "
            f"{ROWS_PER_PARAMETER} a term are needed. Leave covariates out, or group levels."
        )


@dataclass(frozen=True, eq=False)
class _Patterns:
    """Equal customers, once each.

    Parameters
    ----------
    counts : PeriodCounts
        Every pattern with its customers; where they came in later, a cell more of that moment.
    stays, entries : PeriodCounts
        One customer of each pattern: what it adds, and what its late entry takes away.
    squares : numpy.ndarray
        Of the weights of the customers of each pattern, summed.
    n_customers : int
        How many customers there are.
    """

    counts: PeriodCounts
    stays: PeriodCounts
    entries: PeriodCounts
    squares: FloatArray
    n_customers: int

    @classmethod
    def of(cls, rows: Durations, design: FloatArray) -> _Patterns:
        """Group the customers."""
        stayed, left, entries = rows.whole_periods()
        entered = np.zeros(stayed.size) if entries is None else entries
        every = np.column_stack([stayed, left, entered, design])
        kinds, place = np.unique(every, axis=0, return_inverse=True)
        place = place.reshape(-1)
        n = np.bincount(place, rows.weights, len(kinds))
        squares = np.asarray(np.bincount(place, rows.weights**2, len(kinds)), dtype=float)
        features = kinds[:, 3:]
        stays = PeriodCounts(kinds[:, 0], np.ones((1, n.size)), kinds[None, :, 1], features)
        nobody = np.zeros((1, n.size))
        late = PeriodCounts(kinds[:, 2], nobody - 1.0, nobody, features)
        counts = PeriodCounts(
            np.concatenate([stays.periods, late.periods]),
            np.hstack([n * stays.stayed, n * late.stayed]),
            np.hstack([n * stays.lost, nobody]),
            np.vstack([features, features]),
        )
        return cls(counts, stays, late, squares, len(place))


def _robust(family: LifetimeFamily, parameters: FloatArray, patterns: _Patterns) -> FloatArray:
    """Give the sandwich over customers, HC1, in the parameters of the likelihood."""
    theta = to_logs(family, parameters[None, :])
    _, _, hessian = lifetime_terms(theta, patterns.counts, family)
    scores = lifetime_scores(theta, patterns.stays, family)
    scores = scores + lifetime_scores(theta, patterns.entries, family)
    inverse = np.linalg.inv(-hessian[0])
    n, k = patterns.n_customers, theta.shape[1]
    meat = scores.T @ (patterns.squares[:, None] * scores)
    return np.asarray(n / (n - k) * inverse @ meat @ inverse)
