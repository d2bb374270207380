"""Whether those who answered fared unlike those like them who did not (methods 4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxmodel.models.checks.base import normal_p
from cxmodel.models.estimation import Sample, fit_slope
from cxmodel.models.population import (
    Outcome,
    count_reasons,
    exclusions,
    has_outcome,
    outcome_values,
)
from cxmodel.models.requirements import MIN_EVENTS, count_events
from cxmodel.results import NotRun
from cxmodel.tables.response_weights import OutcomeTest

if TYPE_CHECKING:
    from cxmodel.models.response.propensity import Propensity
    from cxmodel.tables.occasions import Occasions

Floats = NDArray[np.float64]


def compare_outcomes(
    occasions: Occasions, propensity: Propensity, outcome: Outcome
) -> OutcomeTest | NotRun:
    """Regress the outcome on *answered* with the controls of the model of answering.

    Outcomes are known of those who did not answer too. Given what was known, they are the same on
    average where answering does not depend on what else drives the outcome. An outcome counts from
    the end of the occasion, among customers still there: whoever leaves before cannot answer, and
    would make those who answered look loyal. Staying is a linear probability. Errors are clustered
    by customer.

    Returns
    -------
    OutcomeTest or NotRun
        Not run where the study has no such outcome, or too few occasions are old enough.
    """
    obs = occasions.obs
    if not has_outcome(obs, outcome):
        return NotRun(f"there is no {outcome} after the occasions to answer")
    values = outcome_values(obs, outcome)
    _, in_population = count_reasons(exclusions(obs, outcome), outcome)
    fitted = np.zeros(len(values), dtype=bool)
    fitted[propensity.rows] = True
    rows = np.flatnonzero(fitted & in_population & np.isfinite(values))
    answered = occasions.answered.astype(float)
    reason = _too_few(values[rows], answered[rows], outcome, propensity.fit.n_params)
    if reason:
        return NotRun(reason)
    controls = propensity.design[:, 1:]
    codes = pd.factorize(obs.frame["customer_id"])[0].astype(np.int64)
    share = np.full(len(rows), 1 / len(rows))
    centre = controls[rows].mean(axis=0)
    sample = Sample(
        values[rows], answered[rows], controls[rows] - centre, share, codes[rows],
        int(codes.max()) + 1,
    )  # fmt: skip
    found = fit_slope(sample)
    gap, error = found.slope.value, found.slope.std_error
    expected = found.fit.coefficients[0] + (controls - centre) @ found.fit.coefficients[2:]
    known = in_population & np.isfinite(values) & np.isfinite(propensity.prob)
    residuals = np.where(known, values - expected, np.nan)
    return OutcomeTest(
        gap=gap,
        std_error=error,
        p_value=normal_p(gap / error) if error else 1.0,
        n_obs=len(rows),
        gap_days=obs.windows.gap_days,
        residuals=_of_responses(residuals, occasions),
    )


def _of_responses(of_occasions: Floats, occasions: Occasions) -> Floats:
    places = occasions.of_response
    return np.where(places >= 0, of_occasions[np.maximum(places, 0)], np.nan)


def _too_few(values: Floats, answered: Floats, outcome: Outcome, n_params: int) -> str:
    n_answered = int(answered.sum())
    if min(n_answered, len(answered) - n_answered) < MIN_EVENTS:
        return (
            f"of {len(answered):,} occasions whose outcome window is over {n_answered:,} were "
            f"answered; {MIN_EVENTS} of either are needed"
        )
    if count_events(values, outcome) < MIN_EVENTS:
        return f"fewer than {MIN_EVENTS} occasions differ in their outcome"
    if len(values) < 10 * (n_params + 1):
        return f"{len(values):,} occasions are too few for {n_params + 1} terms"
    return ""
