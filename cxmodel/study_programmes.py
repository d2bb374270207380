"""The programmes of a study, each projected from the lift of revenue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cxmodel.config import ProgrammeConfig, StudyConfig
    from cxmodel.models.lift_result import LiftResult
    from cxmodel.models.retention import RetentionFit
    from cxmodel.value.programme import Programme


def programme_rows(
    config: StudyConfig,
    lift: LiftResult,
    curve: RetentionFit | None,
    *,
    n_customers: int | None,
    margin: float,
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

    Returns
    -------
    list of dict
        The rows of section ``programmes``.
    """
    from cxmodel.value.roi import project_roi

    value = config.value
    return [
        project_roi(
            to_programme(settings),
            lift,
            gross_margin=margin,
            annual_discount_rate=value.annual_discount_rate or 0.0,
            horizon_months=value.horizon_months,
            curve=curve,
            n_customers=n_customers,
            benefit=value.benefit,
            seed=config.study.seed,
            conf_level=config.study.conf_level,
        ).to_section()
        for settings in config.programmes
    ]


def to_programme(settings: ProgrammeConfig) -> Programme:
    """Turn the settings of a programme into the plan that the value stage takes."""
    from cxmodel.value.programme import Programme

    return Programme(**{name: getattr(settings, name) for name in type(settings).model_fields})
