"""The programmes of a study, each projected from the lift of revenue."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from cxmodel.results import Estimate, NotRun

if TYPE_CHECKING:
    from cxmodel.config import ProgrammeConfig, StudyConfig
    from cxmodel.models.lift_result import LiftResult
    from cxmodel.models.retention.model import RetentionFit
    from cxmodel.value.cltv.result import CltvResult
    from cxmodel.value.programme import Programme
    from cxmodel.value.programme_result import ProgrammeResult


def programme_rows(
    config: StudyConfig,
    lift: LiftResult,
    curve: RetentionFit | None,
    *,
    n_customers: int | None,
    margin: float,
    cltv: CltvResult | NotRun,
) -> list[dict[str, Any]]:
    """Project every programme of the study.

    Parameters
    ----------
    config : StudyConfig
        The settings.
    lift : LiftResult
        Of revenue.
    curve : RetentionFit, optional
        Baseline retention; without one everybody is taken to stay, and a caveat says so.
    n_customers : int, optional
        Customers active at ``as_of``, of whom ``reach`` is a share.
    margin : float
        Share of revenue that is margin.
    cltv : CltvResult or NotRun
        For programmes with ``value_by = "cltv"``.

    Returns
    -------
    list of dict
        The rows of section ``programmes``, with ``npv_reliability_corrected`` beside ``npv``,
        and ``npv_within_customer`` where Mundlak's test puts the lift within customers first.
    """
    value = config.value
    project = partial(
        _project,
        gross_margin=margin,
        annual_discount_rate=value.annual_discount_rate or 0.0,
        horizon_months=value.horizon_months,
        curve=curve,
        n_customers=n_customers,
        benefit=value.benefit,
        seed=config.study.seed,
        conf_level=config.study.conf_level,
    )
    found = []
    for settings in config.programmes:
        by = lift if settings.value_by == "revenue" else cltv
        row = project(settings, by).to_section()
        # a programme raises a mean, in which the noise of single answers cancels (methods 2.6)
        corrected = _corrected_lift(settings, lift)
        row["npv_reliability_corrected"] = (
            corrected if isinstance(corrected, NotRun) else project(settings, corrected).npv
        )
        if lift.within is not None and lift.within.stands_first == "within_customer":
            within = _within_lift(settings, lift)
            row["npv_within_customer"] = (
                within if isinstance(within, NotRun) else project(settings, within).npv
            )
        found.append(row)
    return found


def _project(settings: ProgrammeConfig, lift: Any, **how: Any) -> ProgrammeResult:
    from cxmodel.value.roi import project_roi

    return project_roi(to_programme(settings), lift, **how)


def _corrected_lift(settings: ProgrammeConfig, lift: LiftResult) -> Estimate | NotRun:
    """Give the lift as if one answer held no noise, per point in which the gain is stated."""
    path = to_programme(settings).path
    per_rating_point = lift.terms["reliability_corrected_per_rating_point"]
    if path is None or isinstance(per_rating_point, NotRun):
        return per_rating_point
    unknown = NotRun(f"no lift per KPI point ({path}) was made")
    return lift.per_kpi_corrected.get(path, unknown)


def _within_lift(settings: ProgrammeConfig, lift: LiftResult) -> Estimate | NotRun:
    """Give the lift within customers, which is known per rating point alone."""
    if to_programme(settings).path is not None:
        return NotRun(
            "the lift within customers is per rating point; state the gain in rating_points"
        )
    return lift.terms["within_customer_per_rating_point"]


def to_programme(settings: ProgrammeConfig) -> Programme:
    """Turn the settings of a programme into the plan that the value stage takes."""
    from cxmodel.value.programme import Programme

    return Programme(**{name: getattr(settings, name) for name in type(settings).model_fields})
