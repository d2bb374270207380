"""What the sign of a lift says, where it is none or not the one that everybody expects."""

from __future__ import annotations

from cxmodel.models.lift_fit import LiftFit

LESS = {"revenue": "less revenue", "retention": "fewer customers who stay"}


def direction(fit: LiftFit) -> tuple[str, ...]:
    """Say when the interval holds zero, and what may explain a lift that runs the wrong way.

    Parameters
    ----------
    fit : LiftFit
        With or without a slope.

    Returns
    -------
    tuple of str
        One sentence or more, or nothing where better ratings go with more.

    Examples
    --------
    >>> from cxmodel.models.example import small_observations
    >>> from cxmodel.models.lift_fit import fit_lift
    >>> direction(fit_lift(small_observations(), "revenue"))
    ()
    """
    if fit.headline is None or fit.obs.scale is None:
        return ()
    slope = fit.headline.slope.to_estimate("", conf_level=fit.obs.conf_level)
    if slope.conf_low is None or slope.conf_high is None:
        return ()
    if slope.conf_low <= 0 <= slope.conf_high:
        return (
            f"The interval of the lift of {fit.outcome} holds zero: these data show neither a gain "
            "nor a loss with better ratings.",
        )
    is_better_up = fit.obs.scale.higher_is_better
    if (slope.conf_low > 0) == is_better_up:
        return ()
    return (
        f"Better ratings go with {LESS[fit.outcome]} here, and it is reported as it is. What may "
        "explain it: a scale that runs the other way (higher_is_better), ratings given after a "
        "complaint was settled or when the decision to leave was taken, content customers who were "
        "not asked, or something unseen that makes customers both easier to please and quicker to "
        "leave.",
    )
