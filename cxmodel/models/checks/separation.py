"""Whether the rating, or a combination of columns, tells the outcomes apart without error."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from cxmodel.errors import ConvergenceError
from cxmodel.models.checks.base import Check, Verdict
from cxmodel.models.estimation import Sample, slope_design
from cxmodel.models.leaks import EXPECTED_IN_LEVEL, examine_rating
from cxmodel.models.lift_fit import LiftFit
from cxmodel.models.say import amount, listed
from cxmodel.stats.firth import fit_firth_logit


def check_separation(fit: LiftFit) -> Check:
    """Look for ratings in which everybody has one outcome; the statistic is their share of rows.

    *fail*: a rating that should hold 10 of the rarer outcome holds none, the rating alone passes
    the thresholds of the leak alarm, or the logit has no finite coefficients. *warn*: a rating
    too small to tell has one outcome only. In the last two cases of *fail* the logit is not run.
    """
    if fit.outcome == "revenue":
        return Check.not_run(
            "separation",
            fit.outcome,
            "Revenue is an amount, so there are no two outcomes to tell apart.",
        )
    large, small, share = _pure_ratings(fit.sample.rating, fit.sample.outcome)
    verdict: Verdict = "pass"
    text = "At every rating some customers stayed and some left."
    if large or fit.separation:
        verdict, text = "fail", _failure(fit, large)
    elif small:
        verdict = "warn"
        n_small = len(small)
        text = (
            f"At {n_small} {'rating' if n_small == 1 else 'ratings'} all customers had one "
            "outcome, but they are too few to tell whether that is more than luck."
        )
    return Check(
        name="separation", outcome=fit.outcome, verdict=verdict, statistic=share, text=text
    )


def _pure_ratings(
    rating: NDArray[np.float64], happened: NDArray[np.float64]
) -> tuple[list[float], list[float], float]:
    """Find ratings of one outcome: those large enough to tell, the others, and the rows in both."""
    rarer = min(happened.mean(), 1 - happened.mean())
    large: list[float] = []
    small: list[float] = []
    n_pure = 0
    for level in np.unique(rating):
        inside = happened[rating == level]
        if inside.min() == inside.max():
            n_pure += len(inside)
            (large if len(inside) * rarer >= EXPECTED_IN_LEVEL else small).append(float(level))
    return large, small, n_pure / len(rating)


def _failure(fit: LiftFit, ratings: list[float]) -> str:
    auc = examine_rating(fit.sample.rating, fit.sample.outcome)[0]
    question = fit.obs.rating or "rating"
    if ratings:
        share = np.isin(fit.sample.rating, ratings).mean()
        said = (
            f"On {question}, {_who(fit, ratings)} ({share:.0%} of the responses; AUC {auc:.2f}). "
        )
        said += "Ratings rarely know the outcome so well: look whether it was given afterwards."
    elif fit.separation == "the rating":
        said = f"The rating {question} alone tells who leaves with an AUC of {auc:.2f}."
    else:
        said = "Rating and controls together tell who stays and who leaves without error."
    if not fit.separation:
        return said
    return f"{said} No slope is given, so read the levels.{_penalised_words(fit.sample)}"


def penalised_slope(sample: Sample) -> float | None:
    """Give the average slope of a penalised logit, which is finite also where outcomes are told.

    Firth's (1993) penalty pulls it towards zero, as half a count of each outcome in each cell of a
    saturated table would. None where even that has no maximum.
    """
    design = slope_design(sample, interacted=False)
    try:
        found = fit_firth_logit(design, sample.outcome, sample.share * sample.n_obs)
    except ConvergenceError:
        return None
    chance = expit(found.linear_predictor)
    return float(found.coefficients[1] * (sample.share @ (chance * (1 - chance))))


def _penalised_words(sample: Sample) -> str:
    """Offer the penalised slope, for orientation: an interval would promise too much."""
    slope = penalised_slope(sample)
    if slope is None:
        return ""
    return (
        " For orientation, without an interval: a penalised logit (Firth 1993) gives "
        f"{amount(slope, 'retention', None)} per rating point."
    )


def _who(fit: LiftFit, ratings: list[float]) -> str:
    """Say at which ratings everybody left, and at which everybody stayed."""
    stayed = [r for r in sorted(ratings) if fit.sample.outcome[fit.sample.rating == r].max() == 1]
    left = [r for r in sorted(ratings) if r not in stayed]
    parts = [
        f"everybody who answered {_names(group)} {did}"
        for group, did in ((left, "left"), (stayed, "stayed"))
        if group
    ]
    return " and ".join(parts)


def _names(ratings: list[float]) -> str:
    return listed([f"{rating:g}" for rating in ratings])
