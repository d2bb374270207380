"""Every term of a lift by name: computed, or with the reason why not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cxmodel.models.estimates.alternatives import SEPARATED, percent, unadjusted, winsorised
from cxmodel.models.estimates.by_group import GroupLifts
from cxmodel.models.estimates.flexible import flexible, flexible_sentences
from cxmodel.models.estimates.levels import Levels, path_quantity
from cxmodel.models.estimates.reliability import (
    WITHIN_TERM,
    Corrected,
    corrected_path,
    noise_sentences,
    reliability_corrected,
    within_customer_corrected,
)
from cxmodel.models.estimates.starting_bands import band_step_rows
from cxmodel.models.estimates.two_part import InParts, two_part
from cxmodel.models.estimates.within import WithinFit
from cxmodel.models.estimation import Quantity
from cxmodel.models.lift_fit import LiftFit
from cxmodel.models.response.estimates import unweighted, weighted
from cxmodel.results import NotRun

if TYPE_CHECKING:
    from cxmodel.scales import Scale

Found = dict[str, Quantity | NotRun]


def terms_of(
    fit: LiftFit, levels: Levels, scale: Scale, within: WithinFit | NotRun
) -> tuple[Found, list[str]]:
    """Give every scalar term of the contract, computed or with the reason why not."""
    separated = NotRun(SEPARATED)
    headline: Quantity | NotRun = fit.headline.slope if fit.headline else separated
    additive: Quantity | NotRun = fit.additive.slope if fit.additive else separated
    plus_one, unseen = levels.plus_one(float(scale.high))
    said = []
    if unseen:
        names = ", ".join(f"{rating:g}" for rating in unseen)
        said.append(f"plus_one_below_top leaves out rating {names}: nobody gave the next one.")
    terms: Found = {
        "per_rating_point": headline,
        "unadjusted_per_rating_point": unadjusted(fit),
        "additive_per_rating_point": additive,
        "weighted_per_rating_point": weighted(fit),
        "unweighted_per_rating_point": unweighted(fit),
        "plus_one_below_top": _or_not_run(plus_one, fit, separated),
        "percent_per_rating_point": percent(fit) if fit.headline else separated,
        "two_part_per_rating_point": (parts := two_part(fit)),
        "within_customer_per_rating_point": (
            within if isinstance(within, NotRun) else within.slope
        ),
        "flexible_per_rating_point": (bending := flexible(fit)),
        "reliability_corrected_per_rating_point": (corrected := reliability_corrected(fit)),
        WITHIN_TERM: (corrected_within := within_customer_corrected(fit, within)),
        "winsorised_per_rating_point": winsorised(fit),
    }
    said += noise_sentences(corrected, corrected_within, fit.outcome)
    said += flexible_sentences(bending)
    said += parts.sentences if isinstance(parts, InParts) else []
    return terms, said


def _or_not_run(plus_one: Quantity | None, fit: LiftFit, separated: NotRun) -> Quantity | NotRun:
    if fit.separation is not None:
        return separated
    return plus_one or NotRun("no two adjacent ratings were given")


def paths_of(fit: LiftFit, levels: Levels, scale: Scale) -> Found:
    """Give the lift per KPI point along each path of the scale."""
    if fit.headline is None:
        return {path: NotRun(SEPARATED) for path in scale.paths}
    slope, least = fit.headline.slope, fit.obs.min_group_size
    return {path: path_quantity(levels, scale, path, slope, least) for path in scale.paths}


def corrected_paths_of(fit: LiftFit, terms: Found, paths: Found) -> Found:
    """Give the lift per KPI point along each path as if one answer held no noise.

    None where the headline was not corrected: the reason stands there, once.
    """
    corrected, level = terms["reliability_corrected_per_rating_point"], fit.obs.conf_level
    if not isinstance(corrected, Corrected):
        return {}
    return {path: corrected_path(corrected, seen, path, level) for path, seen in paths.items()}


def plus_one_by_band(
    fit: LiftFit, levels: Levels, scale: Scale, unit: str
) -> tuple[dict[str, Any], ...] | NotRun:
    """Give the step of one rating point by the band in which customers start."""
    if fit.separation is not None:
        return NotRun(SEPARATED)
    return tuple(
        band_step_rows(
            levels,
            scale,
            unit=unit,
            conf_level=fit.obs.conf_level,
            min_group_size=fit.obs.min_group_size,
        )
    )


def named_quantities(
    terms: Found, paths: Found, levels: Levels, by_group: GroupLifts | NotRun
) -> dict[str, Quantity]:
    """Name everything that has an influence, for the joint covariance."""
    named: Found = {**terms, **{f"per_kpi_point.{path}": found for path, found in paths.items()}}
    named.update(
        {
            f"by_rating.{rating:g}": mean
            for rating, mean in zip(levels.ratings, levels.means, strict=True)
        }
    )
    if isinstance(by_group, GroupLifts):
        named.update(by_group.quantities)
    return {name: found for name, found in named.items() if isinstance(found, Quantity)}
