"""The probability of answering: one pooled logit over the occasions to answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from cxmodel.errors import (
    ConfigError,
    InsufficientDataError,
    LeakageError,
    SeparationError,
    nearest,
)
from cxmodel.models.controls import (
    NEVER_CONTROLS,
    ControlPlan,
    candidate_controls,
    learn_controls,
    missing_rows,
)
from cxmodel.models.leaks import refuse_later_dates
from cxmodel.models.population import choose_history
from cxmodel.models.requirements import MIN_EVENTS, MIN_ROWS_PER_PARAMETER
from cxmodel.models.telling_controls import pool_pure_levels
from cxmodel.stats.glm import GlmFit, fit_logit
from cxmodel.tables.observation_table import Observations
from cxmodel.tables.occasions import Occasions

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Propensity:
    """A fitted probability of answering.

    Parameters
    ----------
    plan : ControlPlan
        What it depends on.
    fit : GlmFit
        The logit, on a constant and the columns of the plan.
    rows : array of int
        Occasions that were fitted: those of the sampled customers with every control known.
    design : array (n_occasions, k)
        Constant and columns of every occasion.
    prob : array (n_occasions,)
        Probability of answering; NaN where a control is not known.
    rate : float
        Share of the fitted occasions that were answered.
    """

    plan: ControlPlan
    fit: GlmFit
    rows: Ints
    design: Floats
    prob: Floats
    rate: float


def fit_propensity(occasions: Occasions, controls: Sequence[str] | None = None) -> Propensity:
    """Fit the probability that an occasion is answered on what was known then.

    Parameters
    ----------
    occasions : Occasions
        When customers could have answered.
    controls : sequence of str, optional
        In place of the default list: that of the lift, without what only an answer has.

    Raises
    ------
    ConfigError
        If a stated control is not known of every occasion.
    LeakageError
        If a stated control is dated after an occasion.
    InsufficientDataError
        Under 10 occasions answered or not answered, under 10 occasions per parameter, or when the
        controls tell without error who answers.
    """
    obs, answered = occasions.obs, occasions.answered.astype(float)
    history = choose_history(obs, occasions.sampled)
    if controls is not None:
        _check_stated(obs, controls)
        names = candidate_controls(obs, history, controls)
    else:
        # a date that lies later was not known then; nobody named it, so it is left out
        attributes = tuple(name for name in obs.attributes if not _is_later(obs, name))
        names = candidate_controls(replace(obs, attributes=attributes), history, None)
    days = float(max(1, len(history.controls)) * obs.windows.lookback_days)
    plan = learn_controls(obs.frame, names, cap_days=days)
    is_known = ~missing_rows(plan, obs.frame)
    rows = np.flatnonzero(occasions.sampled & is_known)
    _require(answered[rows], 1 + len(plan.column_names))
    plan = pool_pure_levels(plan, obs.frame.iloc[rows], answered[rows], obs.min_group_size)
    design = np.column_stack([np.ones(len(obs.frame)), plan.matrix(obs.frame)])
    try:
        fit = fit_logit(design[rows], answered[rows])
    except SeparationError as error:
        raise InsufficientDataError(
            "What is known of customers tells without error which of them answer, so nobody can "
            f"stand for those who do not. {error} Name fewer columns in response.controls."
        ) from error
    prob = np.where(is_known, expit(np.where(is_known[:, None], design, 0.0) @ fit.coefficients),
                    np.nan)  # fmt: skip
    return Propensity(plan, fit, rows, design, prob, float(answered[rows].mean()))


def _require(answered: Floats, n_params: int) -> None:
    n_answered, n = int(answered.sum()), len(answered)
    if min(n_answered, n - n_answered) < MIN_EVENTS:
        raise InsufficientDataError(
            f"{n_answered:,} of {n:,} occasions to answer were answered; weights for those who did "
            f"not need {MIN_EVENTS} of either. Look whether every customer who was asked is in the "
            "tables."
        )
    if n < MIN_ROWS_PER_PARAMETER * n_params:
        raise InsufficientDataError(
            f"{n:,} occasions to answer for {n_params} terms, fewer than {MIN_ROWS_PER_PARAMETER} "
            "each. Name fewer columns in response.controls."
        )


def _check_stated(obs: Observations, stated: Sequence[str]) -> None:
    known = [
        str(name)
        for name in obs.frame.columns
        if not str(name).startswith("_")
        and name not in NEVER_CONTROLS
        and name not in ("customer_id", "responded_at", "response_weight", "outcome_complete")
    ]
    unknown = [name for name in stated if name not in (*known, "_month")]
    if unknown:
        raise ConfigError(
            f"response.controls has {unknown[0]!r}, which is not known of customers who did not "
            f"answer. {nearest(unknown[0], known)}"
        )
    if later := [name for name in stated if _is_later(obs, name)]:
        raise LeakageError(
            f"response.controls has {later[0]!r}, which is dated after customers could have "
            "answered. Remove it."
        )


def _is_later(obs: Observations, name: str) -> bool:
    try:
        refuse_later_dates(obs.frame, [name])
    except LeakageError:
        return True
    return False
