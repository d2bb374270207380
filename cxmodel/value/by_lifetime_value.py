"""Programmes valued by the change in lifetime value: the same flows, drawn in its chain."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from cxmodel.models.retention.curve import RetentionCurve
from cxmodel.models.retention.fit import RetentionFit
from cxmodel.results import NotRun
from cxmodel.value.cltv.drawn_lifts import TERM
from cxmodel.value.cltv.result import CltvResult
from cxmodel.value.programme import Programme

FloatArray = npt.NDArray[np.float64]
Curve = RetentionCurve | RetentionFit | None
Found = tuple[Any, Curve, dict[str, FloatArray] | None]


def by_lifetime_value(
    programme: Programme, lift: Any, curve: Curve, horizon_months: int
) -> Found | NotRun:
    """Give the lift, the curve and their joint draws for a programme with ``value_by = "cltv"``.

    What a point adds to the lifetime value of a customer is the lift, month by month for as long as
    it lasts, among those whom the retention curve still holds: the flows of a programme. So a
    programme brings points x customers x that change, ramped up; it is never added to what the
    programme brings by revenue.

    Returns
    -------
    tuple of (lift, curve, draws) or NotRun
        `draws` hold ``lift`` and ``retention`` of the chain of `CltvModel`; None where the lift
        comes from elsewhere.
    """
    if isinstance(lift, NotRun):
        return NotRun(f"it needs the lifetime value: {lift.reason}")
    if not isinstance(lift, CltvResult):
        if curve is None:
            return NotRun(
                'value_by = "cltv" needs the retention curve: pass curve=, or what CltvModel found '
                "as lift="
            )
        return lift, curve, None
    baseline, lifts = lift.change.baseline, lift.change.lifts
    if baseline is None or lifts is None:
        total = lift.change_per_rating_point["total"]
        return NotRun(
            "it needs the change in lifetime value per rating point: "
            f"{total.reason if isinstance(total, NotRun) else 'it holds no draws'}"
        )
    if lift.horizon_months < horizon_months:
        raise ValueError(
            f"The lifetime value looks {lift.horizon_months} months ahead, the programme "
            f"{horizon_months}. Take CltvModel(horizon_months={horizon_months})."
        )
    term = TERM if programme.path is None else f"per_kpi_point.{programme.path}"
    drawn = lifts.revenue.get(term)
    if drawn is None or isinstance(drawn, NotRun):
        reason = "the lift that was given has none" if drawn is None else drawn.reason
        point = "rating point" if programme.path is None else f"KPI point ({programme.path})"
        return NotRun(f"it needs the lift per {point}: {reason}")
    held, held_draws = (
        baseline.horizon.from_window(each)
        for each in (baseline.retention, baseline.retention_draws)
    )
    return (
        drawn.estimate,
        _as_curve(held[0, : horizon_months + 1]),
        {"lift": drawn.draws, "retention": held_draws[:, 1 : horizon_months + 1]},
    )


def _as_curve(retention: FloatArray) -> RetentionCurve:
    return RetentionCurve(
        months=np.arange(len(retention), dtype=float),
        retention=retention,
        conf_low=retention,
        conf_high=retention,
        observed=np.zeros(len(retention), dtype=bool),
        draws=retention[None, :],
    )
