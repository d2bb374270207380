"""What a programme brings: net present value, ROI, payback and the chance of a loss."""

from __future__ import annotations

from typing import Any

from cxmodel.models.retention.curve import RetentionCurve
from cxmodel.models.retention.fit import RetentionFit
from cxmodel.results import CONF_LEVEL, Estimate, NotRun
from cxmodel.value.by_lifetime_value import by_lifetime_value
from cxmodel.value.lift_units import LiftUnit, margin_of, parse_lift_unit
from cxmodel.value.programme import Programme
from cxmodel.value.programme_result import ProgrammeResult
from cxmodel.value.projection import Projection
from cxmodel.value.settings import check_value_settings

DEFAULT_SEED = 20261121
N_DRAWS = 10_000


def project_roi(
    programme: Programme,
    lift: Any,
    *,
    gross_margin: float,
    annual_discount_rate: float,
    horizon_months: int = 36,
    outcome_days: float | None = None,
    curve: RetentionCurve | RetentionFit | None = None,
    n_customers: float | None = None,
    benefit: str = "margin",
    seed: int = DEFAULT_SEED,
    n_draws: int = N_DRAWS,
    conf_level: float = CONF_LEVEL,
) -> ProgrammeResult:
    """Project what a programme costs and brings, month by month, with joint draws of its inputs.

    The monthly benefit is lift x points x customers x (365.25 / 12) / outcome_days x margin x ramp
    x fade, at the end of each month; beyond the first outcome window only customers whom the
    baseline retention curve still holds count. Estimates stand at the expected inputs; intervals
    come from the draws.

    Parameters
    ----------
    programme : Programme
        The plan.
    lift : LiftResult, LiftCard, Estimate or CltvResult
        A fitted lift, the card of one, or one written by hand in a unit such as
        ``"USD per rating point per customer per 180 days"``. With ``value_by="cltv"`` also what
        `CltvModel` found: then lift and retention curve are drawn together.
    gross_margin : float
        Share of revenue that is margin, in [0, 1). Not used with ``benefit="revenue"``.
    annual_discount_rate : float
        In [0, 1).
    horizon_months : int
        How far to look.
    outcome_days : float, optional
        The lift's window; read from its unit, and must agree with it.
    curve : RetentionCurve or RetentionFit, optional
        Baseline retention. Without one everybody is taken to stay, and a caveat says so where it
        matters.
    n_customers : float, optional
        Active customers, of whom `Programme.reach` is a share.
    benefit : {"margin", "revenue"}
        What counts as gain.
    seed, n_draws : int
        Of the joint draws.
    conf_level : float
        Of the intervals.

    Returns
    -------
    ProgrammeResult

    Raises
    ------
    ValueError
        If margin, discount, horizon or units are impossible, or the curve is too short.
    TypeError
        If `lift` is no lift.

    References
    ----------
    net ROI = (gain - cost) / cost and benefit-cost ratio = gain / cost, of present values.

    Examples
    --------
    A portal of $100K that saves $150K in a year:

    >>> portal = Programme(name="Portal", upfront_cost=100_000, monthly_cost_saving=12_500,
    ...                    customers=1)
    >>> lift = Estimate(estimate=0.0, unit="USD per rating point per customer per 180 days")
    >>> result = project_roi(portal, lift, gross_margin=0.6, annual_discount_rate=0.0,
    ...                      horizon_months=12)
    >>> result.net_roi.estimate, result.benefit_cost_ratio.estimate, result.payback_months.estimate
    (0.5, 1.5, 8.0)
    """
    check_value_settings(gross_margin, annual_discount_rate, horizon_months, benefit)
    chain = None
    if programme.value_by == "cltv":
        found = by_lifetime_value(programme, lift, curve, horizon_months)
        if isinstance(found, NotRun):
            return ProgrammeResult.not_run(programme, found.reason)
        lift, curve, chain = found
    per_point = _lift_of(programme, lift)
    if isinstance(per_point, NotRun):
        return ProgrammeResult.not_run(programme, per_point.reason)
    unit = parse_lift_unit(per_point.unit)
    _check_unit(programme, unit)
    days = _outcome_days(unit, outcome_days)
    if days is None:
        return ProgrammeResult.not_run(
            programme,
            f"the lift is stated per {per_point.unit.rsplit(' per ', 1)[-1]}, so nobody knows how "
            "long it took; set windows.outcome_days",
        )
    projection = Projection(
        programme=programme,
        lift=per_point,
        currency=unit.currency,
        money_per_lift=margin_of(unit, gross_margin, benefit) * programme.n_reached(n_customers),
        annual_discount_rate=annual_discount_rate,
        n_months=horizon_months,
        outcome_days=days,
        curve=_curve(curve, horizon_months),
        benefit=benefit,
        conf_level=conf_level,
        chain=chain,
    )
    return projection.result(seed, n_draws)


def _lift_of(programme: Programme, lift: Any) -> Estimate | NotRun:
    """Give the lift per point that the programme's gain is counted in."""
    if isinstance(lift, (Estimate, NotRun)):
        return lift
    if not hasattr(lift, "per_rating_point"):
        raise TypeError(
            f"lift must be a LiftResult, a LiftCard or an Estimate, not {type(lift).__name__}."
        )
    found = (
        lift.per_rating_point()
        if programme.path is None
        else lift.per_kpi_point(path=programme.path)
    )
    if not isinstance(found, (Estimate, NotRun)):
        raise TypeError(f"The lift gave {type(found).__name__}, not an Estimate.")
    return found


def _check_unit(programme: Programme, unit: LiftUnit) -> None:
    if not programme.has_gain:
        return
    if unit.is_kpi != (programme.path is not None):
        raise ValueError(
            f"{programme.name}: the gain is in {programme.gain_name}, the lift per "
            f"{'KPI' if unit.is_kpi else 'rating'} point. Give both in one kind of point."
        )
    if unit.is_kpi and unit.path != programme.path:
        raise ValueError(
            f"{programme.name}: the gain takes the path {programme.path}, the lift {unit.path}."
        )


def _outcome_days(unit: LiftUnit, outcome_days: float | None) -> float | None:
    if unit.outcome_days is None or outcome_days is None:
        return unit.outcome_days
    if unit.outcome_days != outcome_days:
        raise ValueError(
            f"outcome_days is {outcome_days:g}, but the lift is per {unit.outcome_days:g} days."
        )
    return unit.outcome_days


def _curve(
    curve: RetentionCurve | RetentionFit | None, horizon_months: int
) -> RetentionCurve | None:
    if isinstance(curve, RetentionFit):
        return curve.curve(horizon_months)
    if curve is not None and curve.horizon_months < horizon_months:
        raise ValueError(
            f"The retention curve ends at month {curve.horizon_months}, the horizon is "
            f"{horizon_months}. Ask RetentionFit.curve({horizon_months})."
        )
    return curve
