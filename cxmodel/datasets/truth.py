"""What the study would find with endless data, computed from the laws that made the data.

Every figure is found by changing ratings: the same responses are given another rating, and the law
of the company (`behaviour.Law`), not a fitted model, says what is then expected of each in the
180 days that follow. Averages run over the population of the estimate (methods, section 1):
responses of customers at risk whose outcome window is over and whose rating is known, each customer
counting once. Paths of ``results.json``, those of the lift below ``lift.revenue`` or
``lift.retention``:

``per_rating_point``
    Mean change from half a point below each rating given to half a point above it.
``unadjusted_per_rating_point``
    The same, for comparison: what this row would be if nothing drove rating and outcome both.
``additive_per_rating_point`` (revenue)
    The same, weighted by the variance of the rating given what was known before it.
``plus_one_below_top``
    Mean change from one point more among those below 10.
``per_kpi_point.uniform_shift``
    Per rating point, divided by the NPS points that one rating point for everyone brings.
``per_kpi_point.<band>_to_<band>``
    Everybody given the ratings of one band, in the shares found there, less the same for the other
    band, per NPS point.
``kpis.rows[kpi=nps]``
    The NPS expected of those who answered.
``retention.curve.rows[month=12].retention``
    The expected share still there 12 months after each customer's first response. Later responses
    are given by those who stayed, so a share of 1/n would favour customers who left.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy.special import betaln, gammaln

from cxmodel.datasets.behaviour import Law, usual_stay_logit
from cxmodel.datasets.calendar import DAY, EFFECT, END, WINDOW
from cxmodel.datasets.company import Answers, Company
from cxmodel.scales import NPS

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Outcome = Callable[[Floats | float], Floats]

RATINGS = np.arange(11)
DAYS_PER_MONTH = 365.25 / 12
BAND_PATHS = (
    ("detractor_to_passive", "detractor", "passive", 0.01),
    ("passive_to_promoter", "passive", "promoter", 0.01),
    ("detractor_to_promoter", "detractor", "promoter", 0.005),
)


def true_values(company: Company, is_rated: Bools) -> dict[str, float]:
    """Compute the true value of what ``results.json`` estimates, by its path there.

    Parameters
    ----------
    company : Company
        What happened, with the laws behind it.
    is_rated : array of bool
        For each answer, whether its rating got into the tables.
    """
    answers = company.answers
    is_base = is_rated & (answers.at + WINDOW < END)
    truth: dict[str, float] = {}
    if is_base.any():
        weight = share_of_customer(answers, is_base)
        rating = answers.rating[is_base]
        law = choose(answers.law, is_base)
        variance = _rating_variance(answers.mean, answers.concentration)[is_base]
        for name, outcome in (("revenue", law.revenue), ("retention", law.stay)):
            lift = true_lift(outcome, rating, weight, variance)
            truth |= {f"lift.{name}.{path}": value for path, value in lift.items()}
        # Weighing by variance is what least squares does; a logit weighs in another way.
        del truth["lift.retention.additive_per_rating_point"]
    if is_rated.any():
        truth["kpis.rows[kpi=nps]"] = _expected_nps(answers, is_rated)
        for month in (6, 12):
            key = f"retention.curve.rows[month={month}].retention"
            truth[key] = expected_retention(company, is_rated, month)
    return truth


def true_lift(
    outcome: Outcome,
    rating: npt.NDArray[np.int64],
    weight: Floats,
    variance: Floats,
) -> dict[str, float]:
    """Compute the lifts of one outcome over some responses from its law.

    Parameters
    ----------
    outcome : callable
        Expected outcome of every response, given a rating for all or for each.
    rating : array of int
        The ratings given, 0-10.
    weight : array of float
        Weights of the responses.
    variance : array of float
        Variance of each rating given what was known before it.

    Examples
    --------
    >>> line = lambda rating: np.array([100.0, 200.0]) + 4 * rating
    >>> lift = true_lift(line, np.array([6, 9]), np.ones(2), np.ones(2))
    >>> lift["per_rating_point"], lift["per_kpi_point.uniform_shift"]
    (4.0, 0.08)
    """
    given = rating.astype(np.float64)
    slope = outcome(given + 0.5) - outcome(given - 0.5)
    mean_slope = float(np.average(slope, weights=weight))
    lift = {
        "per_rating_point": mean_slope,
        "unadjusted_per_rating_point": mean_slope,
        "additive_per_rating_point": float(np.average(slope, weights=weight * variance)),
    }
    is_below = rating < RATINGS[-1]
    if is_below.any():
        step = outcome(np.minimum(given + 1, 10)) - outcome(given)
        lift["plus_one_below_top"] = float(np.average(step[is_below], weights=weight[is_below]))
    share = np.bincount(rating, weights=weight, minlength=11) / weight.sum()
    kpi_points = sum(gain * share[r] for r, gain in NPS.crossing_ratings().items())
    if kpi_points:
        lift["per_kpi_point.uniform_shift"] = mean_slope / float(kpi_points)
    by_rating = np.array([np.average(outcome(float(r)), weights=weight) for r in RATINGS])
    return lift | _per_kpi_point(share, by_rating)


def _per_kpi_point(share: Floats, by_rating: Floats) -> dict[str, float]:
    band = np.array([NPS.band(int(r)) for r in RATINGS])
    means = {
        name: float(np.average(by_rating[band == name], weights=share[band == name]))
        for name in NPS.bands
        if share[band == name].sum() > 0
    }
    return {
        f"per_kpi_point.{path}": factor * (means[upper] - means[lower])
        for path, lower, upper, factor in BAND_PATHS
        if lower in means and upper in means
    }


def share_of_customer(answers: Answers, chosen: Bools) -> Floats:
    """Give 1/n for each chosen response, n being how many its customer has among them."""
    _, index, counts = np.unique(answers.customer[chosen], return_inverse=True, return_counts=True)
    return np.asarray(1.0 / counts[index])


def rating_probabilities(mean: Floats, concentration: Floats) -> Floats:
    """Give the probabilities of 0, 1, ..., 10 for each response: beta-binomial, (n, 11).

    Examples
    --------
    >>> p = rating_probabilities(np.array([0.5]), np.array([2.0]))
    >>> bool(np.allclose(p, 1 / 11))
    True
    """
    a, b = (mean * concentration)[:, None], ((1 - mean) * concentration)[:, None]
    choose = gammaln(11) - gammaln(RATINGS + 1) - gammaln(11 - RATINGS)
    return np.asarray(np.exp(choose + betaln(RATINGS + a, 10 - RATINGS + b) - betaln(a, b)))


def _rating_variance(mean: Floats, concentration: Floats) -> Floats:
    return np.asarray(10 * mean * (1 - mean) * (concentration + 10) / (concentration + 1))


def _expected_nps(answers: Answers, chosen: Bools) -> float:
    probability = rating_probabilities(answers.mean[chosen], answers.concentration[chosen])
    points = np.array([{"promoter": 100, "detractor": -100}.get(NPS.band(r), 0) for r in range(11)])
    return float((probability @ points).mean())


def expected_retention(company: Company, chosen: Bools, month: int) -> float:
    """Average the chance to stay so many months after the first response of each customer."""
    answers = company.answers
    index = np.flatnonzero(chosen)
    is_first = np.append(True, np.diff(answers.customer[index]) > 0)
    first = index[is_first]
    days = month * DAYS_PER_MONTH * DAY
    law = choose(answers.law, first)
    stay = law.stay(answers.rating[first].astype(np.float64))
    usual = usual_stay_logit(company.world, company.people)[answers.customer[first]]
    acting = min(days, EFFECT) / WINDOW
    after = (days - EFFECT) / WINDOW if days > EFFECT else 0.0
    staying = stay**acting * (1 / (1 + np.exp(-usual))) ** after
    return float(staying.mean())


def choose(law: Law, chosen: Bools | npt.NDArray[np.intp]) -> Law:
    """Keep the laws of some responses."""
    return Law(
        stay_logit=law.stay_logit[chosen],
        stay_per_point=law.stay_per_point,
        spend=law.spend[chosen],
        money_per_point=law.money_per_point[chosen],
        ceiling=law.ceiling[chosen],
    )
