"""What a fitted hazard tells: its terms, its bands, and the baseline period by period."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from cxmodel.errors import FitError
from cxmodel.models.retention.features import Feature, features_of
from cxmodel.models.retention.hazard_cells import HazardCells
from cxmodel.models.retention.hazard_result import HazardTerm
from cxmodel.results import NotRun, critical_value
from cxmodel.stats.hazard import Baseline, HazardFit, fit_hazard

if TYPE_CHECKING:
    from cxmodel.scales import Scale

FloatArray = npt.NDArray[np.float64]
# A level for each period while events allow it; beyond, a spline.
MAX_PERIOD_LEVELS, EVENTS_PER_LEVEL = 120, 2


def bands_of(
    cells: HazardCells,
    scale: Scale | None,
    baseline: Baseline,
    *,
    rating: str | None,
    controls: tuple[str, ...],
    min_group_size: int,
) -> tuple[str, tuple[HazardTerm, ...] | NotRun]:
    """Fit with a level for each band instead of the slope, the lowest for reference."""
    if scale is None or rating is None:
        return "", NotRun("there is no scale to make bands of")
    band = cells.frame[rating].map(scale.band)
    present = [name for name in scale.bands if (band == name).any()]
    small = [name for name in present if float(cells.counts @ (band == name)) < min_group_size]
    if small:
        return "", NotRun(f"under {min_group_size} answers at risk in a band: {', '.join(small)}")
    if len(present) < 2:
        return "", NotRun(f"all customers at risk are in one band: {', '.join(present)}")
    features = tuple(Feature("band", name) for name in present[1:])
    with_band = cells.frame.assign(band=band)
    others = features_of(with_band, controls) if controls else ()
    whole = HazardCells(**{**cells.__dict__, "frame": with_band})
    try:
        fit = fit_hazard(whole.spells((*features, *others)), baseline=baseline)
    except FitError as error:
        return present[0], NotRun(str(error))
    found = terms_of(fit, whole, (*features, *others))[: len(features)]
    named = [
        HazardTerm(term=name, log_ratio=one.log_ratio, std_error=one.std_error)
        for name, one in zip(present[1:], found, strict=True)
    ]
    return present[0], tuple(named)


def terms_of(
    fit: HazardFit, cells: HazardCells, features: Sequence[Feature]
) -> tuple[HazardTerm, ...]:
    """Give the logarithm of each ratio, with its error."""
    own = slice(fit.n_baseline, None)
    covariance = fit.covariance(cells.n, cells.clusters, cells.kinds, cells.weights)[own, own]
    return tuple(
        HazardTerm(term=one.name, log_ratio=float(value), std_error=float(error))
        for one, value, error in zip(
            features, fit.coefficients[own], np.sqrt(np.diag(covariance)), strict=True
        )
    )


def baseline_for(cells: HazardCells) -> Baseline:
    """Take a level for each period while there are two events for each, else a spline."""
    with_events = np.unique(cells.last[cells.events]).size
    n_events = float(cells.counts @ cells.events)
    if with_events <= MAX_PERIOD_LEVELS and n_events >= EVENTS_PER_LEVEL * with_events:
        return "levels"
    return "spline"


def baseline_frame(fit: HazardFit, cells: HazardCells, conf_level: float) -> pd.DataFrame:
    """Give hazard and survival by period, at the means of the features; customers as they count."""
    at_risk, lost = fit.at_risk, fit.lost
    if cells.weights is not None:
        at_risk, lost = _counted(cells, fit.periods)
    logs = fit.log_rates()
    own = fit.classical[: fit.n_baseline, : fit.n_baseline]
    error = np.sqrt(np.einsum("pi,ij,pj->p", fit.baseline, own, fit.baseline).clip(0.0))
    half = critical_value(conf_level) * error
    return pd.DataFrame(
        {
            "period": fit.periods,
            "at_risk": at_risk,
            "events": lost,
            "hazard": -np.expm1(-np.exp(logs)),
            "conf_low": -np.expm1(-np.exp(logs - half)),
            "conf_high": -np.expm1(-np.exp(logs + half)),
            "survival": fit.survival(),
        }
    )


def _counted(cells: HazardCells, periods: npt.NDArray[np.intp]) -> tuple[FloatArray, FloatArray]:
    """Count customers at risk and lost in each period, whatever they weigh."""
    counts, size = cells.counts, periods.size
    start = periods[0]
    came = np.cumsum(np.bincount(cells.first - start, counts, size + 1))
    went = np.cumsum(np.bincount(cells.last + 1 - start, counts, size + 1))
    lost = np.bincount(cells.last - start, counts * cells.events, size)
    return np.asarray((came - went)[:size], dtype=float), np.asarray(lost, dtype=float)
