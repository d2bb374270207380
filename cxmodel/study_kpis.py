"""The KPIs of a study: every rating, and what contacts and invitations give."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from cxmodel.errors import InsufficientDataError
from cxmodel.results import NotRun

if TYPE_CHECKING:
    from cxmodel.config import StudyConfig
    from cxmodel.tables.sources import Source, Sources


def kpi_rows(
    config: StudyConfig, sources: Sources, as_of: dt.date | None
) -> tuple[list[dict[str, Any]], dict[str, NotRun]]:
    """Measure every KPI that the sources allow.

    Returns
    -------
    rows : list of dict
        The rows of section ``kpis``.
    missing : dict of str to NotRun
        KPIs that could not be measured, and why.
    """
    rows: list[dict[str, Any]] = []
    missing: dict[str, NotRun] = {}
    answered = sources.get("surveys") or sources.get("observations")
    settings = _settings(config, as_of)
    if answered is not None:
        for rating in answered.ratings:
            _measure_rating(config, sources, answered, rating, settings, rows, missing)
    _measure_service(config, sources, settings, rows, missing)
    return rows, missing


def _settings(config: StudyConfig, as_of: dt.date | None) -> dict[str, Any]:
    return {
        "by": config.kpis.by,
        "min_group_size": config.study.min_group_size,
        "conf_level": config.study.conf_level,
        "as_of": as_of,
        "time_zone": config.study.time_zone,
    }


def _measure_rating(
    config: StudyConfig,
    sources: Sources,
    answered: Source,
    rating: str,
    settings: dict[str, Any],
    rows: list[dict[str, Any]],
    missing: dict[str, NotRun],
) -> None:
    """Add the rows of one rating, or the reason why it has none."""
    from cxmodel.kpis.survey import measure_kpi

    period = config.kpis.period if "responded_at" in answered.columns else None
    customers = sources.get("customers") if "customer_id" in answered.columns else None
    try:
        kpi = measure_kpi(
            answered,
            rating,
            customers=customers,
            period=period,
            targets=config.kpis.targets,
            **settings,
        )
    except InsufficientDataError as error:
        missing[rating] = NotRun(str(error))
    else:
        rows.extend(kpi.rows)


def _measure_service(
    config: StudyConfig,
    sources: Sources,
    settings: dict[str, Any],
    rows: list[dict[str, Any]],
    missing: dict[str, NotRun],
) -> None:
    """Add what contacts and invitations give, and the reasons for what they do not."""
    from cxmodel.kpis.service import service_kpis

    contacts, invitations = sources.get("interactions"), sources.get("invitations")
    if contacts is None and invitations is None:
        return
    customers = sources.get("customers")
    known = () if customers is None else customers.attributes
    found = service_kpis(
        contacts,
        invitations,
        sources.get("surveys"),
        customers=customers,
        period=config.kpis.period,
        **{**settings, "by": tuple(name for name in settings["by"] if name in known)},
    )
    rows.extend(found.rows)
    missing |= found.not_run
