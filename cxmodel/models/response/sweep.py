"""What the lift would be had answering depended on more than the model knows (methods 4)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cxmodel.errors import SeparationError
from cxmodel.results import NotRun, critical_value
from cxmodel.stats.linear import LeastSquares
from cxmodel.stats.weights import closing_tilt, tilted_weights
from cxmodel.tables.response_weights import OutcomeTest, ResponseWeights

if TYPE_CHECKING:
    from cxmodel.models.lift_fit import LiftFit

Floats = NDArray[np.float64]
RATING, OUTCOME, BOTH = "rating", "outcome_given_rating", "both"
# How far beyond the tilt that closes the gap the sweep goes, and how far short of it.
MULTIPLES = (0.5, 1.0, 2.0)
# Fewer responses whose outcome at the occasion is known say nothing of a gap.
LEAST_LINKED = 30


@dataclass(frozen=True, eq=False)
class _Scores:
    """What answering may depend on, by response of the lift, and the gap that it must explain."""

    inverse_prob: Floats
    residuals: Floats
    by_name: dict[str, Floats]

    def closing(self, name: str) -> float | None:
        """Give the tilt on a score that closes the gap."""
        known = np.isfinite(self.inverse_prob) & np.isfinite(self.residuals)
        if known.sum() < LEAST_LINKED:
            return None
        score = self.by_name[name]
        return closing_tilt(self.inverse_prob[known], score[known], self.residuals[known])


def non_response(fit: LiftFit) -> dict[str, Any] | NotRun:
    """Give effective sample, outcome test and tilt sweep of one lift, as results hold them.

    A tilt is the change of the log-odds of answering per rating point (`rating`), or per standard
    deviation of what the headline leaves of the outcome (`outcome_given_rating`, and `both`, which
    is the sum of the two in standard deviations). Those who did not answer are the answers tilted
    that far. A tilt on the rating alone changes who is in the base but no slope; only one on the
    outcome given the rating does. The intervals take the tilt as given.
    """
    response = fit.weights.response
    if fit.weights.weight is None:
        return NotRun(fit.weights.reason)
    n_effective, share = fit.weights.effective(fit.rows)
    found: dict[str, Any] = {
        "is_headline": fit.is_weighted,
        "n_effective": n_effective,
        "effective_share": share,
    }
    if response is None:
        reason = NotRun("the weights came with the table, without those who did not answer")
        return {**found, "population": None, "outcome_test": reason, "tilt": reason}
    test = response.tests.get(fit.outcome, NotRun("this outcome was not tested"))
    return {
        **found,
        "population": response.population,
        "outcome_test": test if isinstance(test, NotRun) else test.to_dict(),
        "tilt": _tilt(fit, response, test),
    }


def _tilt(
    fit: LiftFit, response: ResponseWeights, test: OutcomeTest | NotRun
) -> dict[str, Any] | NotRun:
    if isinstance(test, NotRun):
        return test
    if fit.headline is None:
        return NotRun("there is no slope to tilt")
    scores = _scores(fit, response, test)
    closing = {name: scores.closing(name) for name in (RATING, OUTCOME, BOTH)}
    rows = [
        _row(fit, scores, name, multiple, multiple * tilt)
        for name, multiples in ((RATING, (1.0,)), (OUTCOME, MULTIPLES), (BOTH, (1.0,)))
        if (tilt := closing[name]) is not None
        for multiple in multiples
    ]
    return {"closing": closing, "rows": [row for row in rows if row is not None]}


def _scores(fit: LiftFit, response: ResponseWeights, test: OutcomeTest) -> _Scores:
    """Put rating and what the headline leaves of the outcome beside the gap to be explained."""
    rating = fit.sample.rating - fit.sample.share @ fit.sample.rating
    left = _standardised(_residuals(fit))
    residuals = test.residuals[fit.rows]
    # a tilt on both pushes rating and outcome the way in which each closes the gap
    towards = np.sign(rating @ np.nan_to_num(residuals)) or 1.0
    return _Scores(
        inverse_prob=response.inverse_prob[fit.rows],
        residuals=residuals,
        by_name={RATING: rating, OUTCOME: left, BOTH: towards * _standardised(rating) + left},
    )


def _residuals(fit: LiftFit) -> Floats:
    """Give what the headline leaves of the outcome."""
    if fit.headline is None:
        return np.zeros(fit.sample.n_obs)
    found = fit.headline.fit
    if isinstance(found, LeastSquares):
        return found.residuals
    return np.asarray(fit.sample.outcome - found.fitted)


def _standardised(values: Floats) -> Floats:
    spread = values.std()
    return np.asarray(values / spread if spread > 0 else values)


def _row(
    fit: LiftFit, scores: _Scores, name: str, multiple: float, tilt: float
) -> dict[str, Any] | None:
    """Refit the headline under a tilt; None where the tilted outcome is separated."""
    weights = _tilted(scores, name, tilt)
    counts = np.bincount(fit.sample.customers, minlength=fit.sample.n_customers)
    share = weights / counts[fit.sample.customers]
    share = share / share.sum()
    controls = fit.sample.controls - share @ fit.sample.controls
    sample = replace(fit.sample, share=share, controls=controls, carried=None)
    try:
        slope = fit.refit(sample).slope
    except SeparationError:
        return None
    half = critical_value(fit.obs.conf_level, slope.deg_freedom) * slope.std_error
    return {
        "on": name,
        "multiple": multiple,
        "tilt": tilt,
        "estimate": slope.value,
        "conf_low": slope.value - half,
        "conf_high": slope.value + half,
    }


def _tilted(scores: _Scores, name: str, tilt: float) -> Floats:
    """Tilt the weights; a response without one keeps the mean weight."""
    known = np.isfinite(scores.inverse_prob)
    weights = np.ones(len(known))
    tilted = tilted_weights(scores.inverse_prob[known], scores.by_name[name][known], tilt)
    weights[known] = tilted / tilted.mean()
    return weights
