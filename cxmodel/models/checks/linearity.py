"""Whether a straight line tells the truth about the rating."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular
from scipy.special import fdtrc

from cxmodel.models.checks.base import Check, Verdict, p_words
from cxmodel.models.estimation import Sample
from cxmodel.models.lift_fit import LiftFit
from cxmodel.models.say import amount
from cxmodel.results import critical_value
from cxmodel.stats.linear import LeastSquares, fit_least_squares, orthonormal_of
from cxmodel.stats.sandwich import FULL_LEVERAGE, cr2_influence

MIN_LEVEL = 30
SIGNIFICANT, DEPARTURE_SHARE, MIDDLE = 0.01, 0.1, 0.9
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Step:
    """The difference between two adjacent levels, with its simultaneous interval."""

    low: float
    high: float
    estimate: float
    conf_low: float
    conf_high: float


def check_linearity(fit: LiftFit) -> Check:
    """Test whether the levels lie on the line (methods 5).

    Levels under 30 rows are merged with their neighbour; HC3, or CR2 when customers repeat; F
    reference. *warn* at p < .01 and a departure over a tenth of the line's rise over the middle
    90% of ratings; *fail* when a step between adjacent levels goes against the line and its
    interval excludes zero. For retention the models are linear probability models. The statistic
    is F.

    The intervals of the steps hold for all of them together (Bonferroni). Each on its own, one of
    ten steps excludes zero by chance far more often than the 7% that methods 7 allows: simulated
    on true lines with 11 ratings and 3,000 rows it did in 17%, 14%, 11% and 6% of samples whose
    slope was 0, 2, 4 and 8 standard errors; together in 2%, 1%, 1% and 0%.
    """
    if fit.headline is None:
        return Check.not_run(
            "linearity", fit.outcome, "No slope could be fitted, so there is no line to doubt."
        )
    if fit.sample.outcome.min() == fit.sample.outcome.max():
        return Check.not_run(
            "linearity", fit.outcome, "The outcome is the same after every response."
        )
    codes, centres = merged_levels(fit.sample.rating, MIN_LEVEL)
    if len(centres) < 3:
        return Check.not_run(
            "linearity",
            fit.outcome,
            f"Fewer than three ratings have {MIN_LEVEL} responses, so any line fits.",
        )
    return _judge(fit, codes, centres)


def _judge(fit: LiftFit, codes: NDArray[np.int64], centres: Floats) -> Check:
    sample = fit.sample
    levels, covariance = _fit_levels(sample, codes, len(centres))
    slope = _line(sample)
    statistic, p_value, degrees = _test_line(sample, codes, centres)
    steps = _steps(levels, covariance, centres, fit.obs.conf_level, degrees)
    against = [step for step in steps if _goes_against(step, slope)]
    departure, where = _departure(sample, codes, centres, levels, slope)
    rise = abs(slope) * _middle_range(sample.rating, sample.share)
    is_bent = p_value < SIGNIFICANT and departure > DEPARTURE_SHARE * rise
    verdict: Verdict = "fail" if against else "warn" if is_bent else "pass"
    return Check(
        name="linearity",
        outcome=fit.outcome,
        verdict=verdict,
        statistic=statistic,
        p_value=p_value,
        text=_text(fit, verdict, p_value, departure, where, against),
    )


def merged_levels(rating: Floats, at_least: int) -> tuple[NDArray[np.int64], Floats]:
    """Merge levels of too few rows with the smaller neighbour; give codes and mean ratings.

    Examples
    --------
    >>> codes, centres = merged_levels(np.array([1.0] * 2 + [2.0] * 40 + [3.0] * 50), 30)
    >>> centres.round(2)
    array([1.95, 3.  ])
    """
    ratings, codes, counts = np.unique(rating, return_inverse=True, return_counts=True)
    groups = [[i] for i in range(len(ratings))]
    sizes = [int(n) for n in counts]
    while len(groups) > 1 and min(sizes) < at_least:
        i = int(np.argmin(sizes))
        neighbours = [j for j in (i - 1, i + 1) if 0 <= j < len(groups)]
        j = min(neighbours, key=sizes.__getitem__)
        low, high = min(i, j), max(i, j)
        groups[low] += groups.pop(high)
        sizes[low] += sizes.pop(high)
    where = np.empty(len(ratings), dtype=np.int64)
    for number, members in enumerate(groups):
        where[members] = number
    merged = where[codes]
    return merged, np.bincount(merged, weights=rating) / np.bincount(merged)


def _design(sample: Sample, codes: NDArray[np.int64], n_levels: int) -> Floats:
    dummies = np.zeros((sample.n_obs, n_levels))
    dummies[np.arange(sample.n_obs), codes] = 1.0
    return np.hstack([dummies, sample.controls])


def _fit_levels(sample: Sample, codes: NDArray[np.int64], n_levels: int) -> tuple[Floats, Floats]:
    """Fit one coefficient a level; give them with their covariance, HC3 or CR2."""
    fit = fit_least_squares(
        _design(sample, codes, n_levels), sample.outcome, sample.share * sample.n_obs
    )
    gradients = np.eye(len(fit.coefficients))[:, :n_levels]
    return fit.coefficients[:n_levels], robust_covariance(fit, gradients, sample)


def robust_covariance(fit: LeastSquares, gradients: Floats, sample: Sample) -> Floats:
    """Covariance of combinations (k, q) of coefficients: HC3, or CR2 when customers repeat."""
    if sample.is_clustered:
        sums = cr2_influence(
            orthonormal_of(fit.basis, fit.triangle, fit.weights),
            np.sqrt(fit.weights) * fit.residuals,
            solve_triangular(fit.triangle, fit.basis.back.T @ gradients, trans="T"),
            sample.customers,
        )
        return np.asarray(sums.T @ sums)
    leverage = fit.leverage
    left = np.where(leverage < FULL_LEVERAGE, 1 - leverage, 1.0)
    rows = fit.influence(gradients) / left[:, None]
    return np.asarray(rows.T @ rows)


def _line(sample: Sample) -> float:
    design = np.column_stack([np.ones(sample.n_obs), sample.rating, sample.controls])
    fit = fit_least_squares(design, sample.outcome, sample.share * sample.n_obs)
    return float(fit.coefficients[1])


def _test_line(
    sample: Sample, codes: NDArray[np.int64], centres: Floats
) -> tuple[float, float, int]:
    """Wald test that the levels beyond two add nothing to the line: F, p, denominator's degrees."""
    n_extra = len(centres) - 2
    dummies = np.zeros((sample.n_obs, len(centres)))
    dummies[np.arange(sample.n_obs), codes] = 1.0
    design = np.column_stack(
        [np.ones(sample.n_obs), centres[codes], dummies[:, 1:-1], sample.controls]
    )
    fit = fit_least_squares(design, sample.outcome, sample.share * sample.n_obs)
    chosen = slice(2, 2 + n_extra)
    gradients = np.eye(design.shape[1])[:, chosen]
    covariance = robust_covariance(fit, gradients, sample)
    extra = fit.coefficients[chosen]
    statistic = float(extra @ np.linalg.pinv(covariance, hermitian=True) @ extra) / n_extra
    n_units = sample.n_in_sample - 1 if sample.is_clustered else sample.n_obs - fit.n_params
    degrees = max(n_units, 1)
    return statistic, float(fdtrc(n_extra, degrees, statistic)), degrees


def _steps(
    levels: Floats, covariance: Floats, centres: Floats, conf_level: float, degrees: int
) -> list[Step]:
    """Differences of adjacent levels; the intervals hold for all of them together (Bonferroni)."""
    n_steps = len(levels) - 1
    critical = critical_value(1 - (1 - conf_level) / n_steps, degrees)
    steps = []
    for i in range(n_steps):
        estimate = float(levels[i + 1] - levels[i])
        variance = covariance[i, i] + covariance[i + 1, i + 1] - 2 * covariance[i, i + 1]
        half = critical * float(np.sqrt(max(variance, 0.0)))
        steps.append(
            Step(
                float(centres[i]), float(centres[i + 1]), estimate, estimate - half, estimate + half
            )
        )
    return steps


def _goes_against(step: Step, slope: float) -> bool:
    return step.conf_high < 0 if slope > 0 else step.conf_low > 0


def _middle_range(rating: Floats, share: Floats) -> float:
    low, high = _middle_ends(rating, share)
    return high - low


def _middle_ends(rating: Floats, share: Floats) -> tuple[float, float]:
    """Ratings between which the middle 90% of the base lies."""
    order = np.argsort(rating, kind="stable")
    reached = np.cumsum(share[order])
    tail = (1 - MIDDLE) / 2
    ends = np.searchsorted(reached, [tail, 1 - tail]).clip(0, len(rating) - 1)
    low, high = rating[order][ends]
    return float(low), float(high)


def _departure(
    sample: Sample, codes: NDArray[np.int64], centres: Floats, levels: Floats, slope: float
) -> tuple[float, float]:
    """Largest distance between a level and the line over the middle of the ratings, and where."""
    sizes = np.bincount(codes, weights=sample.share)
    offset = float(sizes @ (levels - slope * centres))
    distance = np.abs(levels - offset - slope * centres)
    low, high = _middle_ends(sample.rating, sample.share)
    inside = (centres >= low - 0.5) & (centres <= high + 0.5)
    worst = int(np.argmax(np.where(inside, distance, -1.0)))
    return float(distance[worst]), float(centres[worst])


def _text(
    fit: LiftFit,
    verdict: Verdict,
    p_value: float,
    departure: float,
    where: float,
    against: list[Step],
) -> str:
    away = amount(departure, fit.outcome, fit.obs.currency)
    if verdict == "fail":
        step = max(against, key=lambda s: abs(s.estimate))
        moved = amount(abs(step.estimate), fit.outcome, fit.obs.currency)
        return (
            f"From rating {step.low:.3g} to {step.high:.3g} the outcome moves against the line "
            f"by {moved}, beyond chance: one slope for all ratings hides that. Read the levels."
        )
    if verdict == "warn":
        return (
            f"The ratings do not lie on one line ({p_words(p_value)}); at rating {where:.3g} the "
            f"outcome is {away} away from it. Read the levels beside the slope."
        )
    if p_value < SIGNIFICANT:
        return (
            f"The ratings are not exactly on a line ({p_words(p_value)}), but never further than "
            f"{away} from it, which is little."
        )
    return f"A straight line is a fair summary of the ratings ({p_words(p_value)})."
