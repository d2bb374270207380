"""Contrasts of adjacent bands with controls of any shape: doubly robust (methods 2.5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from cxmodel.errors import SeparationError
from cxmodel.models.estimates.alternatives import SEPARATED
from cxmodel.models.estimates.cross_fitting import Features, fold_of_rows
from cxmodel.models.estimates.flexible import N_FOLDS, Comparison, bounded_sample, cannot_learn
from cxmodel.models.estimation import Quantity, Sample, combine, level_means
from cxmodel.models.lift_fit import LiftFit
from cxmodel.models.requirements import MIN_ROWS_PER_PARAMETER
from cxmodel.results import NotRun
from cxmodel.scales import Scale

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
# Who so rarely gives a band tells little of it: below this a probability counts as this.
LEAST_PROBABILITY = 0.02
# A band of fewer customers cannot teach how its outcome depends on the controls.
LEAST_CUSTOMERS = 100


@dataclass(frozen=True, eq=False, kw_only=True)
class Contrast:
    """What one band has over the one below it, had everybody been in either.

    Parameters
    ----------
    low, high : str
        The bands.
    difference : Quantity
        Mean outcome in `high` less that in `low`.
    comparison : Comparison
        With one coefficient for each band and controls as they stand.
    """

    low: str
    high: str
    difference: Quantity
    comparison: Comparison


@dataclass(frozen=True, eq=False, kw_only=True)
class Contrasts:
    """All contrasts of adjacent bands, worst first.

    Parameters
    ----------
    rows : tuple of Contrast
        One for each pair of adjacent bands.
    share_rare : float
        Share of customers whose probability of some band was raised to the least that counts.
    """

    rows: tuple[Contrast, ...] = ()
    share_rare: float = 0.0

    @property
    def quantities(self) -> Mapping[str, Quantity]:
        """Every difference by name, for the joint covariance."""
        return {f"flexible_contrasts.{c.low}_to_{c.high}": c.difference for c in self.rows}

    def sentences(self) -> list[str]:
        """Say which contrasts are far from those with straight controls."""
        return [c.comparison.said for c in self.rows if c.comparison.is_far]


def contrasts_section(
    found: Contrasts | NotRun, unit: str, conf_level: float
) -> dict[str, Any] | NotRun:
    """Give ``flexible_contrasts`` of ``results.json``."""
    if isinstance(found, NotRun):
        return found
    return {
        "share_of_customers_with_a_rare_band": found.share_rare,
        "rows": [
            {
                "from": c.low,
                "to": c.high,
                **c.difference.to_estimate(unit, conf_level=conf_level).to_dict(),
                "straight": c.comparison.stiff.to_estimate(unit, conf_level=conf_level),
                "standard_errors_apart": c.comparison.apart,
                "text": c.comparison.said,
            }
            for c in found.rows
        ],
    }


def flexible_contrasts(fit: LiftFit, scale: Scale) -> Contrasts | NotRun:
    """Give the difference of adjacent bands over the base by cross-fitted AIPW.

    For each band the outcome is learnt from those in it and predicted for everybody; what those
    in it differ from that, weighted by the inverse of their probability, corrects the mean
    (Robins, Rotnitzky & Zhao 1994). It is right when either the outcome or the probability is.

    It is compared with one coefficient for each band and straight controls. The paths of a KPI
    point answer another question: they move customers to a band's average members, while here
    everybody gives the ratings of a band that customers like them give.

    References
    ----------
    Robins, J. M., Rotnitzky, A. and Zhao, L. P. (1994). Estimation of regression coefficients when
    some regressors are not always observed. Journal of the American Statistical Association
    89(427), 846-866.
    """
    if (why := cannot_learn(fit)) is not None:
        return why
    if fit.separation is not None:
        return NotRun(SEPARATED)
    sample, codes = _with_bands(bounded_sample(fit), scale)
    least = max(LEAST_CUSTOMERS, MIN_ROWS_PER_PARAMETER * (1 + sample.controls.shape[1]))
    for place, band in enumerate(scale.bands):
        n_customers = np.unique(sample.customers[codes == place]).size
        if n_customers < least:
            return NotRun(
                f"{n_customers:,} customers in the band {_plain(band)}, fewer than {least:,}: too "
                "few to learn from how their outcome depends on the controls"
            )
    with threadpool_limits(limits=1):
        scores, share_rare = band_scores(sample, codes, [fit.settings.seed, 0])
    stiff = _stiff_means(fit, scale)
    rows = [_contrast(fit, sample, scores, stiff, scale, i) for i in range(len(scale.bands) - 1)]
    return Contrasts(rows=tuple(rows), share_rare=share_rare)


def _with_bands(sample: Sample, scale: Scale) -> tuple[Sample, Ints]:
    place = {band: i for i, band in enumerate(scale.bands)}
    ratings, where = np.unique(sample.rating, return_inverse=True)
    codes = np.array([place[scale.band(rating)] for rating in ratings], dtype=np.int64)
    return sample, codes[where]


def band_scores(sample: Sample, codes: Ints, seed: list[int]) -> tuple[Floats, float]:
    """Give each row's score of every band, whose mean is the mean had everybody been in it.

    Returns
    -------
    scores : array (n, bands)
        Predicted outcome, and for those in the band what they differ from it over its probability.
    share_rare : float
        Share of the base with a probability below the least that counts.
    """
    folds = fold_of_rows(sample.customers, N_FOLDS, seed)
    features = Features.of(sample.controls, sample.share * sample.n_obs, folds)
    probabilities = features.shares(codes)
    is_rare = (probabilities < LEAST_PROBABILITY).any(axis=1)
    scores = np.zeros_like(probabilities)
    for band in range(probabilities.shape[1]):
        is_in = codes == band
        expected = features.predicted(sample.outcome, usable=is_in)
        weight = is_in / np.maximum(probabilities[:, band], LEAST_PROBABILITY)
        # weights that sum to the whole base steady the mean where some are large (Hajek 1971)
        weight = weight / (sample.share @ weight)
        scores[:, band] = expected + weight * (sample.outcome - expected)
    return scores, float(sample.share @ is_rare)


def _stiff_means(fit: LiftFit, scale: Scale) -> list[Quantity]:
    """Give the mean of each band with one coefficient each, all rows, controls as they stand."""
    sample, codes = _with_bands(fit.sample, scale)
    try:
        return level_means(sample, codes, len(scale.bands), link=fit.link)
    except SeparationError:
        return level_means(sample, codes, len(scale.bands))


def _contrast(
    fit: LiftFit, sample: Sample, scores: Floats, stiff: list[Quantity], scale: Scale, i: int
) -> Contrast:
    low, high = scale.bands[i : i + 2]
    difference = sample.mean(scores[:, i + 1] - scores[:, i])
    straight = combine(stiff[i + 1].value - stiff[i].value, [(1.0, stiff[i + 1]), (-1.0, stiff[i])])
    what = f"the step from {_plain(low)} to {_plain(high)}"
    compared = Comparison.of(fit, difference, straight, what)
    return Contrast(low=low, high=high, difference=difference, comparison=compared)


def _plain(band: str) -> str:
    return band.replace("_", " ")
