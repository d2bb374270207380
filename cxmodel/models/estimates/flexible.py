"""A second opinion that the controls were not merely too stiff (methods 2.5)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from cxmodel.models.estimates.alternatives import SEPARATED
from cxmodel.models.estimates.cross_fitting import ROWS_FOR_TREES, Features, fold_of_rows
from cxmodel.models.estimation import Quantity, Sample, fit_slope
from cxmodel.models.lift_fit import LiftFit
from cxmodel.models.say import amount
from cxmodel.models.some_customers import some_customers
from cxmodel.results import NotRun

Floats = NDArray[np.float64]
N_FOLDS = 5
# Shapes are learnt from no more rows than this: whole customers, drawn by the seed.
MAX_ROWS = 10_000
# Fewer customers than this are too few to learn from the others' folds.
MIN_CUSTOMERS = 200
# Below the rows from which trees are grown, dealing into folds is cheap and its luck still shows.
REPETITIONS = 3
# The reader is told to doubt when all hold: so many standard errors of the difference, so large a
# share of the stiff estimate, and of its own standard error.
FAR_APART, LARGE_SHARE, LARGE_ERROR = 2.0, 0.1, 0.5


@dataclass(frozen=True, eq=False, kw_only=True)
class Comparison:
    """How far a flexible estimate is from the stiff one of the same thing.

    Parameters
    ----------
    stiff : Quantity
        With the controls as they stand.
    apart : float
        In standard errors of the difference.
    is_far : bool
        Over two of these, over a tenth of the stiff one and over half its standard error.
    said : str
        In a sentence.
    """

    stiff: Quantity
    apart: float
    is_far: bool
    said: str

    @classmethod
    def of(cls, fit: LiftFit, flexible: Quantity, stiff: Quantity, what: str = "") -> Comparison:
        """Compare two estimates from the same customers; `what` says of what, in words."""
        difference = abs(flexible.value - stiff.value)
        error = float(np.sqrt(np.sum((flexible.influence - stiff.influence) ** 2)))
        apart = difference / error if error else 0.0
        least = max(LARGE_SHARE * abs(stiff.value), LARGE_ERROR * stiff.std_error)
        is_far = apart > FAR_APART and difference > least
        said = [amount(q.value, fit.outcome, fit.obs.currency) for q in (flexible, stiff)]
        means = (
            "the shape of the controls matters, so read both."
            if is_far
            else "controls that may bend tell no other story."
        )
        text = (
            f"With controls of any shape {what or 'the slope'} is {said[0]}, with straight ones "
            f"{said[1]}: {apart:.1f} standard errors of the difference apart; {means}"
        )
        return cls(stiff=stiff, apart=apart, is_far=is_far, said=text)


@dataclass(frozen=True, eq=False, kw_only=True)
class Flexible(Quantity):
    """The flexible slope and how it compares.

    Parameters
    ----------
    comparison : Comparison
        With the additive slope; for retention with that of a linear probability model.
    n_left_out : int
        Rows left out to bound the time.
    """

    comparison: Comparison
    n_left_out: int


def flexible(fit: LiftFit) -> Flexible | NotRun:
    """Give the slope with the controls entering in any shape: cross-fitted partially linear.

    Rating and outcome less what the controls predict of each, out of their own folds; the slope of
    the one in the other (Robinson 1988; Chernozhukov et al. 2018). It weighs customers by how much
    their ratings vary, as the additive slope does. For retention it is a slope in probability.

    References
    ----------
    .. [1] Robinson, P. M. (1988). Root-n-consistent semiparametric regression. Econometrica 56(4),
       931-954.
    .. [2] Chernozhukov, V., Chetverikov, D., Demirer, M., Duflo, E., Hansen, C., Newey, W. and
       Robins, J. (2018). Double/debiased machine learning for treatment and structural parameters.
       Econometrics Journal 21(1), C1-C68.
    """
    if (why := cannot_learn(fit)) is not None:
        return why
    if fit.additive is None:
        return NotRun(SEPARATED)
    sample = bounded_sample(fit)
    n_repetitions = REPETITIONS if sample.n_obs < ROWS_FOR_TREES else 1
    with threadpool_limits(limits=1):
        found = _median(
            [partially_linear(sample, [fit.settings.seed, i]) for i in range(n_repetitions)]
        )
    if found is None:
        return NotRun("the controls tell the rating without error, out of sample")
    # of a yes or no, like is compared with like: slopes in probability, weighted alike
    additive = fit.additive.slope if fit.link == "linear" else fit_slope(fit.sample).slope
    return Flexible(
        found.value, found.influence, found.n_obs,
        comparison=Comparison.of(fit, found, additive),
        n_left_out=fit.sample.n_obs - sample.n_obs,
    )  # fmt: skip


def cannot_learn(fit: LiftFit) -> NotRun | None:
    """Say why nothing flexible can be learnt from a fit's rows; None where it can."""
    if not fit.settings.flexible:
        return NotRun("it was not asked for (flexible=False)")
    if not fit.sample.controls.shape[1]:
        return NotRun("nothing is held equal, so there is nothing to be flexible in")
    if fit.sample.n_in_sample < MIN_CUSTOMERS:
        return NotRun(
            f"{fit.sample.n_in_sample:,} customers are fewer than the {MIN_CUSTOMERS} that "
            "learning shapes from the data needs"
        )
    return None


def bounded_sample(fit: LiftFit) -> Sample:
    """Give the rows to learn from: all, or those of customers drawn by the seed."""
    return some_customers(fit.sample, MAX_ROWS, fit.settings.seed)


def partially_linear(sample: Sample, seed: list[int]) -> Quantity | None:
    """Give the slope of the outcome's rest in the rating's rest; None where no rest is left."""
    folds = fold_of_rows(sample.customers, N_FOLDS, seed)
    weights = sample.share * sample.n_obs
    features = Features.of(sample.controls, weights, folds)
    rating, outcome = (
        target - features.predicted(target) for target in (sample.rating, sample.outcome)
    )
    varies = float(sample.share @ rating**2)
    if varies <= 1e-12 * float(sample.share @ sample.rating**2):
        return None
    slope = float(sample.share @ (rating * outcome)) / varies
    rows = sample.share * rating * (outcome - slope * rating) / varies
    return sample.quantity(slope, rows, 2)


def _median(found: list[Quantity | None]) -> Quantity | None:
    """Take the middle of several dealings; their spread is part of its error.

    The median of ``variance + (estimate - middle)^2`` (Chernozhukov et al. 2018, 3.4).
    """
    known = [each for each in found if each is not None]
    if not known:
        return None
    middle = sorted(known, key=lambda each: each.value)[len(known) // 2]
    spread = [each.std_error**2 + (each.value - middle.value) ** 2 for each in known]
    factor = math.sqrt(float(np.median(spread))) / middle.std_error if middle.std_error else 1.0
    return replace(middle, influence=factor * middle.influence)


def flexible_sentences(found: Quantity | NotRun) -> list[str]:
    """Say what a reader must know of the flexible slope: rows left out, and that it is far off."""
    if not isinstance(found, Flexible):
        return []
    sentences = []
    if found.n_left_out:
        sentences.append(
            f"The flexible estimates rest on {found.n_obs:,} responses, of customers drawn at "
            f"random; {found.n_left_out:,} are left out of them to bound the time."
        )
    return [*sentences, found.comparison.said] if found.comparison.is_far else sentences
