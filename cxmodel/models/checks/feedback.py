"""Whether ratings follow the outcome, so that comparing customers with themselves misleads."""

from __future__ import annotations

import numpy as np

from cxmodel.models.checks.base import Check, p_words
from cxmodel.models.estimates.waves import Waves, find_waves
from cxmodel.models.estimates.within import (
    SIGNIFICANT,
    coefficient_within,
    count_changed,
    row_weights,
    sample_of_waves,
    t_test,
    too_few,
)
from cxmodel.models.estimation import Quantity
from cxmodel.models.lift_fit import LiftFit
from cxmodel.models.say import amount
from cxmodel.results import NotRun
from cxmodel.stats.fixed_effects import fit_within


def check_feedback(fit: LiftFit) -> Check:
    """Add the next rating to the equation within customers: it must not matter (methods 5).

    With an effect for each customer, ratings must not answer to earlier outcomes (strict
    exogeneity); Wooldridge (2010, 10.7) tests it so. *fail* at p < .05, clustered by customer. The
    statistic is t. It takes customers with three waves; for retention the model is the linear
    probability model.
    """
    found = next_rating(fit)
    tested = None if isinstance(found, NotRun) else t_test(found)
    if isinstance(found, NotRun) or tested is None:
        reason = found.reason if isinstance(found, NotRun) else "the next rating has no error"
        return Check.not_run(
            "feedback",
            fit.outcome,
            f"{reason[:1].upper()}{reason[1:]}{'' if reason.endswith('.') else '.'}",
        )
    statistic, p_value = tested
    is_failed = p_value < SIGNIFICANT
    size = amount(found.value, fit.outcome, fit.obs.currency)
    what = f"{size} per point of the next rating, {p_words(p_value)}, {found.n_obs:,} answers"
    return Check(
        name="feedback",
        outcome=fit.outcome,
        verdict="fail" if is_failed else "pass",
        statistic=statistic,
        p_value=p_value,
        text=(
            f"A customer's next rating goes with the {fit.outcome} before it ({what}): ratings "
            "follow the outcome, so comparing customers with themselves misleads."
            if is_failed
            else f"A customer's next rating does not go with the {fit.outcome} before it ({what}): "
            "no sign that ratings follow the outcome."
        ),
    )


def next_rating(fit: LiftFit) -> Quantity | NotRun:
    """Give the coefficient of the next rating in the equation within customers."""
    if fit.headline is None:
        return NotRun("no slope could be fitted, so there is none to doubt")
    waves = find_waves(fit)
    if isinstance(waves, NotRun):
        return waves
    rows, following = with_next(waves, fit.obs.frame["rating"].to_numpy(dtype=float))
    if not len(rows):
        return NotRun(
            "no customer has three answers with closed outcome windows between them. Asking the "
            "same customers again, or a shorter windows.outcome_days, would make it run"
        )
    sample = sample_of_waves(fit, rows)
    if sample.outcome.min() == sample.outcome.max():
        return NotRun(
            "everybody who gave a next rating had stayed, so staying cannot be compared with it"
            if fit.outcome == "retention"
            else "the outcome is the same after every answer that another follows"
        )
    ols = fit_within(
        np.column_stack([sample.rating, following, sample.controls]),
        sample.outcome,
        sample.customers,
        row_weights(fit, sample),
    )
    if 0 in ols.dropped or 1 in ols.dropped:
        return NotRun("ratings do not change enough from answer to answer to tell the next apart")
    n_changed = count_changed(sample.rating, sample.customers)
    if short := too_few(fit, sample, ols.n_params, n_changed):
        return short
    return coefficient_within(sample, ols, 1, n_changed)


def with_next(
    waves: Waves, rating: np.ndarray[tuple[int], np.dtype[np.float64]]
) -> tuple[
    np.ndarray[tuple[int], np.dtype[np.int64]], np.ndarray[tuple[int], np.dtype[np.float64]]
]:
    """Give the waves that another follows, of customers with two such, and the rating that does."""
    has_next = np.concatenate([waves.number[1:] > 0, [False]])
    rows = waves.rows[has_next]
    following = rating[waves.rows[np.flatnonzero(has_next) + 1]]
    of = waves.customers[has_next]
    has_two = np.bincount(of)[of] > 1 if len(of) else np.zeros(0, dtype=bool)
    return rows[has_two], following[has_two]
