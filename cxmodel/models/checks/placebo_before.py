"""Whether the rating goes with revenue from before it, and whether that moves the lift."""

from __future__ import annotations

import numpy as np

from cxmodel.models.checks.base import Check, Verdict, normal_p, p_words
from cxmodel.models.estimation import Quantity, Sample, combine, fit_slope, slope_design
from cxmodel.models.lift_fit import LiftFit
from cxmodel.models.say import amount, interval
from cxmodel.results import critical_value
from cxmodel.stats.linear import fit_least_squares

SIGNIFICANT = 0.05
MOVED_SHARE, MOVED_ERRORS = 0.1, 0.5
BLIND = (
    "It cannot see events or decisions near the response, nor weak differences between customers "
    "that last."
)


def check_placebo_before(fit: LiftFit) -> Check:
    """Regress revenue before the earliest control window on the rating (methods 5).

    The statistic is the z of that slope. The change in the headline when the window becomes a
    control is the slope times the window's own coefficient, exactly so for least squares
    (omitted-variable formula); for retention both are of the linear probability model.
    """
    placebo = fit.history.placebo
    if placebo is None:
        return Check.not_run("placebo_before", fit.outcome, _why_not(fit))
    if fit.headline is None:
        return Check.not_run(
            "placebo_before", fit.outcome, "No slope could be fitted, so there is none to doubt."
        )
    before = fit.frame[placebo].to_numpy(dtype=float)
    if n_unknown := int((~np.isfinite(before)).sum()):
        return Check.not_run(
            "placebo_before",
            fit.outcome,
            f"Revenue in the earlier window is not known for {n_unknown:,} responses.",
        )
    remembered = fit_slope(fit.sample.with_outcome(before), interacted=fit.is_interacted).slope
    headline = fit.headline.slope
    if fit.link != "linear":
        headline = fit_slope(fit.sample, interacted=fit.is_interacted).slope
    window = window_coefficient(fit.sample, before, interacted=fit.is_interacted)
    change = combine(
        remembered.value * window.value, [(window.value, remembered), (remembered.value, window)]
    )
    return _judge(fit, remembered, window, change, headline)


def window_coefficient(
    sample: Sample, before: np.ndarray[tuple[int], np.dtype[np.float64]], *, interacted: bool
) -> Quantity:
    """Give the coefficient of the earlier window when it joins the controls."""
    design = np.column_stack([slope_design(sample, interacted=interacted), before])
    fit = fit_least_squares(design, sample.outcome, sample.share * sample.n_obs)
    gradient = np.zeros(design.shape[1])
    gradient[-1] = 1.0
    return sample.quantity(fit.coefficients[-1], fit.influence(gradient), fit.n_params, exact=True)


def _z(quantity: Quantity) -> float:
    return quantity.value / quantity.std_error if quantity.std_error else 0.0


def _judge(
    fit: LiftFit, remembered: Quantity, window: Quantity, change: Quantity, headline: Quantity
) -> Check:
    p_slope, p_window = normal_p(_z(remembered)), normal_p(_z(window))
    is_moved = abs(change.value) > MOVED_SHARE * abs(headline.value) or (
        abs(change.value) > MOVED_ERRORS * headline.std_error
    )
    verdict: Verdict = "pass"
    if p_slope < SIGNIFICANT:
        verdict = "fail" if p_window < SIGNIFICANT and is_moved else "warn"
    return Check(
        name="placebo_before",
        outcome=fit.outcome,
        verdict=verdict,
        statistic=_z(remembered),
        p_value=p_slope,
        text=f"{_sentence(fit, verdict, remembered, change)} {BLIND}",
    )


def _sentence(fit: LiftFit, verdict: Verdict, remembered: Quantity, change: Quantity) -> str:
    half = critical_value(fit.obs.conf_level) * change.std_error
    ends = interval(-change.value - half, -change.value + half, fit.outcome, fit.obs.currency)
    moves = (
        "holding that window equal too changes the lift by "
        f"{amount(-change.value, fit.outcome, fit.obs.currency)} ({ends})"
    )
    slope = (
        f"{amount(remembered.value, 'revenue', fit.obs.currency)} per rating point, "
        f"{p_words(normal_p(_z(remembered)))}"
    )
    if verdict == "pass":
        return (
            f"The rating does not go with revenue before the windows held equal ({slope}); {moves}."
        )
    if verdict == "warn":
        return (
            f"The rating goes with older revenue ({slope}), but the estimate hardly moves: {moves}."
        )
    return (
        f"The rating goes with revenue from before it was given ({slope}), and {moves}: customers "
        "differed already."
    )


def _why_not(fit: LiftFit) -> str:
    days = fit.obs.windows.lookback_days
    if fit.obs.is_joined:
        return (
            "The table came already joined and has no second window of revenue before the "
            "response. A ledger of dated bookings would make it run."
        )
    if "revenue_before" not in fit.obs.frame:
        return "There is no revenue before the response. A ledger of bookings would make it run."
    return (
        f"The ledger does not reach back two windows of {days} days before 80% of the responses. "
        "An older ledger, or a shorter windows.lookback_days, would make it run."
    )
