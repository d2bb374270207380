"""Whether a cause that nobody measured could explain the lift away."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from cxmodel.models.checks.base import Check, Verdict
from cxmodel.models.controls import spoken
from cxmodel.models.estimation import Sample, SlopeFit, fit_slope
from cxmodel.models.lift_fit import LiftFit
from cxmodel.models.say import amount, interval
from cxmodel.results import critical_value
from cxmodel.stats.linear import LeastSquares
from cxmodel.stats.sensitivity import (
    Adjusted,
    Slope,
    adjusted,
    benchmark,
    bias,
    group_partial_r2,
    robustness_value,
)

CONF_LEVEL = 0.95
# Of the outcome's squares; what is less is rounding.
NOTHING_LEFT = 1e-20


@dataclass(frozen=True, kw_only=True)
class Yardstick:
    """A control, and the strength of a hidden cause that is as strong.

    Parameters
    ----------
    control : str
        Its column; a categorical control is one group.
    with_rating, with_outcome : float
        Partial R2 of the hidden cause, given the controls.
    bias : float
        How far it could move the lift.
    """

    control: str
    with_rating: float
    with_outcome: float
    bias: float


def check_unobserved_confounding(fit: LiftFit) -> Check:
    """Ask what a hidden cause as strong as the strongest control would leave of the lift.

    The statistic is the robustness value for q = 1 (Cinelli & Hazlett 2020) from the classical t
    and residual degrees of freedom of the headline's regression; for retention that of the linear
    probability model. Its 5% version and the bounds take the headline's own error, with clusters
    less one degrees of freedom where customers repeat.

    *pass*: with a hidden cause as strong as the strongest control the 95% interval stays on its
    side of zero, or it holds zero as it is; *warn*: then only the interval reaches zero; *fail*:
    the estimate changes sign (methods 5). The strongest control is the one whose equal could move
    the lift furthest.

    How strong the controls are is measured without products of rating and controls: a product of
    the rating with a control tells the rating because it is made of it, which is no strength of
    the control. Where slopes do not differ the two agree.
    """
    if fit.headline is None or fit.additive is None:
        return _not_run(fit, "No slope could be fitted, so there is none to explain away.")
    if fit.sample.outcome.min() == fit.sample.outcome.max():
        return _not_run(fit, "The outcome is the same after every response.")
    headline, additive = _linear_fits(fit, fit.headline, fit.additive)
    slope = classical_slope(fit.sample, headline)
    if slope is None:
        return _not_run(fit, "Rating and controls tell the outcome without error.")
    value = robustness_value(slope)
    sticks = yardsticks(fit, slope, additive)
    if not sticks:
        return _not_run(
            fit,
            "Nothing is held equal, so no control says how strong a hidden cause may be; the "
            f"robustness value is {value:.3f}. Controls, such as revenue before the response or "
            "an attribute, would make it run.",
        )
    return _judge(fit, slope, max(sticks, key=lambda stick: stick.bias), value)


def _linear_fits(
    fit: LiftFit, headline: SlopeFit, additive: SlopeFit
) -> tuple[SlopeFit, LeastSquares]:
    """Give headline and additive model by least squares: for retention anew."""
    if isinstance(additive.fit, LeastSquares):
        return headline, additive.fit
    straight = fit_slope(fit.sample)
    linear = fit_slope(fit.sample, interacted=True) if fit.is_interacted else straight
    return linear, _least_squares(straight)


def _least_squares(found: SlopeFit) -> LeastSquares:
    if not isinstance(found.fit, LeastSquares):
        raise TypeError("A classical t is that of least squares.")
    return found.fit


def classical_slope(sample: Sample, found: SlopeFit) -> Slope | None:
    """Take the average slope with the classical error of its regression; None without residuals.

    Controls are centred, so that the average slope is the rating's coefficient.
    """
    fit = _least_squares(found)
    left = float(np.sum(fit.weights * fit.residuals**2))
    whole = float(np.sum(fit.weights * (sample.outcome - sample.share @ sample.outcome) ** 2))
    if left <= NOTHING_LEFT * whole:
        return None
    degrees = fit.n_obs - fit.n_params
    rotated = np.linalg.solve(fit.triangle.T, fit.basis.back[1])
    return Slope(
        estimate=found.slope.value,
        classical_error=math.sqrt(left / degrees * float(rotated @ rotated)),
        deg_freedom=degrees,
        std_error=found.slope.std_error,
        error_deg_freedom=found.slope.deg_freedom,
    )


def yardsticks(fit: LiftFit, slope: Slope, additive: LeastSquares) -> list[Yardstick]:
    """Measure every control: how far a hidden cause as strong could move the lift."""
    found, start = [], 0
    of_rating = fit.sample.rating_on_controls
    for control in fit.plan.controls:
        columns = np.arange(start, start + len(control.column_names))
        start += len(columns)
        # the models hold a constant, and the outcome's the rating, before the controls
        with_rating, with_outcome = benchmark(
            group_partial_r2(of_rating, columns + 1), group_partial_r2(additive, columns + 2)
        )
        found.append(
            Yardstick(
                control=control.name,
                with_rating=with_rating,
                with_outcome=with_outcome,
                bias=bias(slope, with_rating, with_outcome),
            )
        )
    return found


def _judge(fit: LiftFit, slope: Slope, stick: Yardstick, value: float) -> Check:
    at_5_percent = robustness_value(slope, alpha=1 - CONF_LEVEL)
    half = critical_value(CONF_LEVEL, slope.own_deg_freedom) * slope.own_error
    holds_zero = abs(slope.estimate) <= half
    verdict: Verdict
    if holds_zero:
        verdict, said = "pass", _hidden(fit, slope, stick)
    elif stick.with_rating >= 1 or stick.bias > abs(slope.estimate):
        verdict, said = "fail", _turned(fit, stick)
    else:
        left = _adjusted(slope, stick)
        verdict = "pass" if left.conf_low * left.conf_high > 0 else "warn"
        said = _left(fit, stick, left, verdict)
    return Check(
        name="unobserved_confounding",
        outcome=fit.outcome,
        verdict=verdict,
        statistic=value,
        text=f"{said} {_strength(fit, value, at_5_percent)}",
    )


def _adjusted(slope: Slope, stick: Yardstick) -> Adjusted:
    return adjusted(slope, stick.with_rating, stick.with_outcome, conf_level=CONF_LEVEL)


def _hidden(fit: LiftFit, slope: Slope, stick: Yardstick) -> str:
    """Say, where no lift is shown, how large a one could be hidden."""
    lead = f"The {CONF_LEVEL:.0%} interval holds zero as it is. A hidden cause as strong as"
    if stick.with_rating >= 1:
        return (
            f"{lead} {spoken(stick.control)}, which tells over half of the rating that the other "
            "controls leave, could hide an effect of any size."
        )
    away = abs(slope.estimate) + stick.bias
    # away from zero the cause narrows the interval as it does towards zero
    left = _adjusted(slope, stick)
    most = away + (left.conf_high - left.conf_low) / 2
    return (
        f"{lead} {spoken(stick.control)}, the strongest of what is held equal, could hide an "
        f"effect of up to {amount(most, fit.outcome, fit.obs.currency)} per rating point."
    )


def _turned(fit: LiftFit, stick: Yardstick) -> str:
    if stick.with_rating >= 1:
        return (
            f"{_sentence_case(spoken(stick.control))} tells over half of the rating that the other "
            "controls leave: a hidden cause as strong could explain the whole lift away, and more."
        )
    return (
        f"A hidden cause as strong as {spoken(stick.control)}, the strongest of what is held "
        "equal, could turn the sign of the lift: it could move it by "
        f"{amount(stick.bias, fit.outcome, fit.obs.currency)} per rating point."
    )


def _left(fit: LiftFit, stick: Yardstick, left: Adjusted, verdict: Verdict) -> str:
    """Say what such a cause would leave of the lift, at its worst."""
    ends = interval(left.conf_low, left.conf_high, fit.outcome, fit.obs.currency)
    holds = "which still excludes zero" if verdict == "pass" else "which reaches zero"
    return (
        f"A hidden cause as strong as {spoken(stick.control)}, the strongest of what is held "
        f"equal, would leave {amount(left.estimate, fit.outcome, fit.obs.currency)} per rating "
        f"point ({ends}), {holds}."
    )


def _strength(fit: LiftFit, value: float, at_5_percent: float) -> str:
    said = (
        f"To explain the lift away it would have to tell {value:.1%} of what the controls leave "
        "of both rating and outcome"
    )
    if at_5_percent > 0:
        said += f", and {at_5_percent:.1%} for the interval to reach zero"
    if fit.outcome == "retention":
        said += " (linear probability model)"
    return f"{said}."


def _sentence_case(words: str) -> str:
    return words[:1].upper() + words[1:]


def _not_run(fit: LiftFit, text: str) -> Check:
    return Check.not_run("unobserved_confounding", fit.outcome, text)
