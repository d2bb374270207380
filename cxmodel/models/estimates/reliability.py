"""The lift as if one answer held no noise (methods 2.6)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cxmodel.models.estimates.alternatives import SEPARATED
from cxmodel.models.estimates.answer_noise import Noise, answer_noise
from cxmodel.models.estimates.within import WithinFit, sample_of_waves
from cxmodel.models.estimation import Quantity, Sample, combine
from cxmodel.models.lift_fit import LiftFit
from cxmodel.results import Estimate, NotRun, critical_value
from cxmodel.stats.linear import fit_least_squares
from cxmodel.stats.reliability import fieller, group_correlation, left_by

UNIT = "share of the variance of one answer"
WITHIN_TERM = "reliability_corrected_within_customer_per_rating_point"
BETWEEN_BANDS = (
    "noise in answers puts some customers into the wrong band, and how many depends on more than "
    "the reliability, so means of bands are not corrected. State the gain in rating_points, or "
    'along kpi_path = "uniform_shift"'
)
# Below this difference a small error in the reliability is a large one in the correction.
LEAST_LEFT = 0.1
# From so many of its standard errors on, a denominator is far enough from zero for a symmetric
# interval; below it Fieller's is taken.
FAR_FROM_ZERO = 4


@dataclass(frozen=True, eq=False, kw_only=True)
class Corrected(Quantity):
    """A slope divided by the reliability that is left; by Fieller where that is near zero.

    Parameters
    ----------
    slope : Quantity
        What was divided.
    noise : Noise
        What is known of the noise.
    explained, left : Quantity
        What the controls explain of the rating, and the reliability that they leave.
    """

    slope: Quantity
    noise: Noise
    explained: Quantity
    left: Quantity

    def to_estimate(
        self, unit: str, *, conf_level: float, caveats: tuple[str, ...] = ()
    ) -> Estimate:
        """Give the estimate with its interval, in `unit`."""
        found = super().to_estimate(unit, conf_level=conf_level, caveats=caveats)
        if _is_far(self.left):
            return found
        low, high = _fieller_ends(self.slope, self.left, conf_level) or (None, None)
        return replace(found, conf_low=low, conf_high=high)


# -- What the controls leave of it ---------------------------------------------------------------


def rating_explained(sample: Sample) -> Quantity:
    """Give R2 of the rating on the controls, same rows and weights, with its influence."""
    design = np.column_stack([np.ones(sample.n_obs), sample.controls])
    fit = fit_least_squares(design, sample.rating, sample.share * sample.n_obs)
    centred = sample.rating - sample.share @ sample.rating
    variance = float(sample.share @ centred**2)
    unexplained = float(sample.share @ fit.residuals**2) / variance
    # at their minimum the squares do not move with the coefficients
    rows = sample.share * (unexplained * centred**2 - fit.residuals**2) / variance
    return sample.quantity(1 - unexplained, rows, fit.n_params)


def reliability_left(reliability: Quantity, explained: Quantity) -> Quantity:
    """Give ``(lambda - R2) / (1 - R2)`` with the errors of both."""
    lam, told = reliability.value, explained.value
    value = left_by(lam, told)
    slopes = 1 / (1 - told), (lam - 1) / (1 - told) ** 2
    return combine(value, [(slopes[0], reliability), (slopes[1], explained)])


def _corrected(
    slope: Quantity, noise: Noise, explained: Quantity, conf_level: float, what: str
) -> Corrected | NotRun:
    """Divide a slope by the reliability that is left, or say why that would not do."""
    reliability = noise.reliability
    if reliability.value - explained.value < LEAST_LEFT:
        return NotRun(
            f"one answer is {reliability.value:.2f} reliable ({noise.said}), and {what} "
            f"{explained.value:.2f} of its variance: what is left is under {LEAST_LEFT:g}, too "
            "little to divide by"
        )
    left = reliability_left(reliability, explained)
    if not _is_far(left) and _fieller_ends(slope, left, conf_level) is None:
        return NotRun(
            f"the reliability that is left, {left.value:.2f}, has a standard error of "
            f"{left.std_error:.2f}: it may be zero, so the corrected lift has no bounds. More "
            "repeats, or a stated reliability, would give it some"
        )
    whole = combine(
        slope.value / left.value,
        [(1 / left.value, slope), (-slope.value / left.value**2, left)],
    )
    return Corrected(
        whole.value, whole.influence, slope.n_obs, slope.deg_freedom, whole.stated,
        slope=slope, left=left, noise=noise, explained=explained,
    )  # fmt: skip


def _is_far(left: Quantity) -> bool:
    return left.value >= FAR_FROM_ZERO * left.std_error


def _fieller_ends(slope: Quantity, left: Quantity, conf_level: float) -> tuple[float, float] | None:
    both = np.column_stack([slope.influence, left.influence])
    covariance = both.T @ both
    # the slope has no stated part: only the reliability can be stated
    covariance[1, 1] = left.std_error**2
    critical = critical_value(conf_level, slope.deg_freedom)
    return fieller(slope.value / left.value, left.value, covariance, critical)


# -- The estimates -------------------------------------------------------------------------------


def reliability_corrected(fit: LiftFit) -> Corrected | NotRun:
    """Give the headline as if one answer held no noise: divided by the reliability that is left.

    For revenue the headline is linear and noise shrinks it by just that factor. For retention the
    average marginal effect of a logit is divided by it too, which is right to first order (Carroll
    et al. 2006, 4.8): the flatter the logit over the ratings given, the better.

    References
    ----------
    Carroll, R. J., Ruppert, D., Stefanski, L. A. and Crainiceanu, C. M. (2006). Measurement Error
    in Nonlinear Models, 2nd ed., chapters 3 and 4.
    """
    if fit.headline is None:
        return NotRun(SEPARATED)
    noise = answer_noise(fit)
    if isinstance(noise, NotRun):
        return noise
    explained = rating_explained(fit.sample)
    return _corrected(
        fit.headline.slope, noise, explained, fit.obs.conf_level, "the controls explain"
    )


def wave_correlation(waves: Sample) -> Quantity:
    """Give the correlation between a customer's ratings in different waves.

    Raises
    ------
    ValueError
        If nobody has two waves, or all ratings are equal.
    """
    owners = np.unique(waves.customers, return_inverse=True)
    share = group_correlation(waves.rating, owners[1])
    n_groups = int((np.bincount(owners[1]) > 1).sum())
    influence = np.zeros(waves.n_customers)
    influence[owners[0]] = share.influence * math.sqrt(n_groups / max(n_groups - 1, 1))
    return Quantity(float(share.value), influence, waves.n_obs)


def reliability_corrected_within(
    fit: LiftFit, within: Quantity, waves: Sample
) -> Corrected | NotRun:
    """Give the slope within customers as if one answer held no noise.

    Differences between a customer's own answers hold more noise than those between customers:
    ``lambda_w = (lambda - r) / (1 - r)``, with r the correlation between waves.

    Parameters
    ----------
    fit : LiftFit
        For what is known of the noise.
    within : Quantity
        The slope with customer fixed effects.
    waves : Sample
        The rows behind it.
    """
    noise = answer_noise(fit)
    if isinstance(noise, NotRun):
        return noise
    try:
        between = wave_correlation(waves)
    except ValueError as error:
        return NotRun(str(error).rstrip("."))
    what = "lasting differences between customers are"
    return _corrected(within, noise, between, fit.obs.conf_level, what)


def within_customer_corrected(fit: LiftFit, within: WithinFit | NotRun) -> Corrected | NotRun:
    """Give the lift within customers as if one answer held no noise, or say why not.

    The correlation between waves is that of all waves, also for retention, whose slope is of the
    second and later ones: there the customer's earlier ratings stand in the instrument, and noise
    shrinks the slope by the same factor, because the noise of one wave is not that of another.
    """
    if isinstance(within, NotRun):
        return NotRun(f"it needs the lift within customers: {within.reason}")
    waves = sample_of_waves(fit, within.waves.rows)
    return reliability_corrected_within(fit, within.slope, waves)


def corrected_path(
    corrected: Corrected, seen: Quantity | NotRun, path: str, conf_level: float
) -> Corrected | NotRun:
    """Give the lift per KPI point along a path as if one answer held no noise.

    Along ``uniform_shift`` it is the lift per rating point divided by the KPI points that one
    rating point for everyone brings. Those are counted in answers as they are given: where every
    mean rises by one point, so do the answers, noise and all. So it corrects by the headline's
    factor. A path from band to band has no such factor: noise puts customers into the wrong
    band, and how many depends on how the noise is distributed, which no reliability says.

    Parameters
    ----------
    corrected : Corrected
        The headline's correction.
    seen : Quantity or NotRun
        The lift along the path, not corrected.
    path : str
        Name of the path.
    conf_level : float
        Of the interval.
    """
    if path != "uniform_shift":
        return NotRun(BETWEEN_BANDS)
    if isinstance(seen, NotRun):
        return seen
    what = "the controls explain"
    return _corrected(seen, corrected.noise, corrected.explained, conf_level, what)


# -- In words and in results ---------------------------------------------------------------------


def noise_sentences(found: Quantity | NotRun, within: Quantity | NotRun, outcome: str) -> list[str]:
    """Say what both corrections rest on; nothing where they were not run."""
    said = _headline_sentences(found, outcome)
    if isinstance(within, Corrected):
        said.append(
            f"Between a customer's answers in different waves the correlation is "
            f"{within.explained.value:.2f}: of how a customer's own answers differ, "
            f"{within.left.value:.2f} is no noise, by which "
            f"{WITHIN_TERM} divides (one answer is "
            f"{within.noise.reliability.value:.2f} reliable, {within.noise.said})."
        )
    return said


def _headline_sentences(found: Quantity | NotRun, outcome: str) -> list[str]:
    if not isinstance(found, Corrected):
        return []
    sentences = [
        f"One answer is {found.noise.reliability.value:.2f} reliable, {found.noise.said}; the "
        f"controls explain {found.explained.value:.2f} of the rating, so that "
        f"{found.left.value:.2f} is left, by which reliability_corrected_per_rating_point divides."
    ]
    if outcome == "retention":
        sentences.append(
            "For staying, that division is exact for a straight line and right to first order for "
            "the logit."
        )
    return sentences


def reliability_section(
    found: Quantity | NotRun, conf_level: float, *, explained: str = "explained_by_controls"
) -> dict[str, Any] | NotRun:
    """Give the numbers behind a correction, for ``lift.<outcome>.reliability``.

    Parameters
    ----------
    found : Quantity or NotRun
        The correction.
    conf_level : float
        Of the intervals.
    explained : str
        What takes its part of the true variance away; ``"correlation_between_waves"`` for
        ``reliability_within_customer``.
    """
    if isinstance(found, NotRun):
        return found
    if not isinstance(found, Corrected):
        return NotRun("the lift was not corrected for noise")
    parts = {
        "reliability": found.noise.reliability,
        explained: found.explained,
        "left": found.left,
    }
    return {
        **{name: part.to_estimate(UNIT, conf_level=conf_level) for name, part in parts.items()},
        "n_repeats": found.noise.n_repeats,
        "source": found.noise.said,
    }
