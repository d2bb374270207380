"""Whether some column knows the outcome, or may have been written down after it."""

from __future__ import annotations

from cxmodel.errors import SeparationError
from cxmodel.models.checks.base import Check
from cxmodel.models.leaks import Leak
from cxmodel.models.lift_fit import LiftFit
from cxmodel.models.say import amount, listed

MOST_NAMED = 20


def check_leakage(fit: LiftFit) -> Check:
    """Fail when the leak alarm has a suspect; warn when attributes are as of the extract.

    The statistic is the highest AUC of a suspect, or the number of undated attributes.
    """
    leaks, undated = fit.leaks.leaks, _undated(fit)
    if leaks:
        return Check(
            name="leakage",
            outcome=fit.outcome,
            verdict="fail",
            statistic=max(leak.auc for leak in leaks),
            text=_suspects(leaks) + _unexamined(fit),
        )
    if undated:
        return Check(
            name="leakage",
            outcome=fit.outcome,
            verdict="warn",
            statistic=float(len(undated)),
            text=f"No column tells the outcome by itself, but {listed(undated)} "
            f"{'are' if len(undated) > 1 else 'is'} as of the day of the extract, perhaps after "
            f"the outcome (no valid_from). {_with_and_without(fit, undated)}" + _unexamined(fit),
        )
    return Check(
        name="leakage",
        outcome=fit.outcome,
        verdict="pass",
        statistic=0.0,
        text="No column tells the outcome by itself." + _unexamined(fit),
    )


def _undated(fit: LiftFit) -> list[str]:
    """List the controls that nobody dated: attributes of customers without valid_from."""
    if not fit.obs.attributes_as_of_extract:
        return []
    of_extract = fit.obs.controls if fit.obs.is_joined else fit.obs.customer_attributes
    return [name for name in fit.plan.names if name in of_extract]


def _suspects(leaks: tuple[Leak, ...]) -> str:
    names = listed([leak.column for leak in leaks], MOST_NAMED)
    seen = listed(
        [f"{leak.column} (AUC {leak.auc:.3f}, {leak.pure_share:.0%})" for leak in leaks], MOST_NAMED
    )
    kept = [leak.column for leak in leaks if leak.is_kept]
    done = f"{'It is' if len(leaks) == 1 else 'They are'} left out of the controls"
    if len(kept) == len(leaks):
        done = "lift.keep vouches for that, so nothing is left out"
    elif kept:
        done += f", but for {listed(kept)}"
    return (
        f"{names} know{'s' if len(leaks) == 1 else ''} the outcome better than anything could "
        "beforehand. Alone, with the share of rows in levels where everybody has one outcome: "
        f"{seen}. {done[0].upper()}{done[1:]}; the table may hold what was known only afterwards."
    )


def _with_and_without(fit: LiftFit, undated: list[str]) -> str:
    if fit.headline is None:
        return "The lift was not run, with them or without."
    sample = fit.sample_of(fit.rows, fit.sample.outcome, fit.plan.without(undated))
    try:
        without = fit.refit(sample).slope
    except SeparationError:
        return "Without them the outcome is separated."
    said = [
        f"{amount(slope.value, fit.outcome, fit.obs.currency)} (standard error "
        f"{amount(slope.std_error, fit.outcome, fit.obs.currency)})"
        for slope in (fit.headline.slope, without)
    ]
    them = "them" if len(undated) > 1 else "it"
    return f"Per rating point the lift is {said[0]} with {them} and {said[1]} without."


def _unexamined(fit: LiftFit) -> str:
    if not fit.leaks.unexamined:
        return ""
    names = listed(fit.leaks.unexamined)
    return f" Not examined (text of many levels, or too few who left): {names}."
