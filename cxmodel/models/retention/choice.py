"""Which lifetime family continues a retention curve, chosen by likelihood, with the table shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from cxmodel.errors import ConvergenceError, InsufficientDataError
from cxmodel.stats.lifetime_likelihood import LifetimeFamily, has_power
from cxmodel.stats.lifetimes import NAMES, PARAMETER_NAMES, LifetimeFit, PeriodCounts, fit_lifetime

FamilyChoice = Literal["geometric", "discrete_weibull", "sbg", "bdw", "auto"]
FAMILIES: tuple[LifetimeFamily, ...] = get_args(LifetimeFamily)
# What each mixture becomes where all customers are alike.
LIMITS: dict[LifetimeFamily, LifetimeFamily] = {"sbg": "geometric", "bdw": "discrete_weibull"}
# In log-likelihood: at the end of its range a mixture only comes near to its limit.
_NEAR_LIMIT = 0.05


@dataclass(frozen=True, kw_only=True)
class FamilyRow:
    """One family in the comparison.

    Parameters
    ----------
    family : {"geometric", "discrete_weibull", "sbg", "bdw"}
        Its short name.
    model : str
        Its name in words.
    n_parameters : int
        What it estimates.
    log_likelihood, aic : float or None
        At its maximum; AIC is twice the parameters minus twice the log-likelihood, so the smallest
        is best. None where it was not fitted.
    is_chosen : bool
        Whether it continues the curve.
    note : str
        Why it could not be chosen, where it could not.
    """

    family: LifetimeFamily
    model: str
    n_parameters: int
    log_likelihood: float | None
    aic: float | None
    is_chosen: bool
    note: str

    def to_dict(self) -> dict[str, Any]:
        """Give the row as plain values."""
        return asdict(self)


def choose_family(
    asked: FamilyChoice,
    counts: PeriodCounts,
    refused: Mapping[LifetimeFamily, str] | None = None,
) -> tuple[LifetimeFamily, LifetimeFit, tuple[FamilyRow, ...], str]:
    """Fit every family to the first weighting, and take the one asked for, or the best.

    Parameters
    ----------
    asked : {"geometric", "discrete_weibull", "sbg", "bdw", "auto"}
        The family, or the choice of it.
    counts : PeriodCounts
        What to fit to.
    refused : mapping, optional
        Families that may not be chosen, with the reason.

    Returns
    -------
    tuple
        The family, its fit, a row for each family, and the reason in a sentence.

    Raises
    ------
    InsufficientDataError
        If the family asked for has more parameters than there are periods with a loss.
    ConvergenceError
        If no family, or not the one asked for, reaches its maximum.
    """
    fits: dict[LifetimeFamily, LifetimeFit] = {}
    notes: dict[LifetimeFamily, str] = {}
    for family in FAMILIES:
        try:
            fits[family] = _fit(family, counts)
            refusal = (refused or {}).get(family, "")
            notes[family] = refusal or _note(family, fits, counts)
        except (ConvergenceError, InsufficientDataError) as error:
            if family == asked:
                raise
            notes[family] = str(error)
    aic = {family: _aic(family, fit, counts) for family, fit in fits.items()}
    free = [family for family in fits if not notes[family]] or list(fits)
    chosen = min(free, key=aic.__getitem__) if asked == "auto" else asked
    rows = tuple(
        FamilyRow(
            family=family,
            model=NAMES[family],
            n_parameters=len(PARAMETER_NAMES[family]) + counts.n_features,
            log_likelihood=float(fits[family].log_likelihood[0]) if family in fits else None,
            aic=aic.get(family),
            is_chosen=family == chosen,
            note=notes[family],
        )
        for family in FAMILIES
    )
    return chosen, fits[chosen], rows, _reason(asked, chosen, rows)


def _fit(family: LifetimeFamily, counts: PeriodCounts) -> LifetimeFit:
    needed, n_periods = len(PARAMETER_NAMES[family]), counts.n_loss_periods
    if has_power(family) and n_periods < needed:
        periods = "period" if n_periods == 1 else "periods"
        smaller = "sbg" if family == "bdw" else "geometric"
        raise InsufficientDataError(
            f"The {NAMES[family]} has {needed} parameters, and customers left in "
            f'{n_periods} {periods} alone. Bring more periods, or take family="{smaller}".'
        )
    return fit_lifetime(family, counts)


def _note(
    family: LifetimeFamily, fits: Mapping[LifetimeFamily, LifetimeFit], counts: PeriodCounts
) -> str:
    """Say why a family may not be chosen unasked; a family comes after its limit in `fits`."""
    if family == "geometric":
        return ""
    if fits[family].at_boundary[0]:
        limit = limit_reached(
            family, {name: float(fit.log_likelihood[0]) for name, fit in fits.items()}
        )
        if limit is not None:
            return f"ran to its limit, where customers are alike: that is the {NAMES[limit]}"
        return "ran to the end of its range"
    if has_power(family) and counts.n_loss_periods <= len(PARAMETER_NAMES[family]):
        return f"as many parameters as periods with a loss ({counts.n_loss_periods})"
    return ""


def limit_reached(
    family: LifetimeFamily, log_likelihoods: Mapping[LifetimeFamily, float | None]
) -> LifetimeFamily | None:
    """Say which family of customers who are alike fits as well as a mixture that has no maximum.

    Examples
    --------
    >>> limit_reached("bdw", {"discrete_weibull": -310.20, "bdw": -310.21})
    'discrete_weibull'
    >>> limit_reached("bdw", {"discrete_weibull": -315.0, "bdw": -310.21}) is None
    True
    """
    limit = LIMITS.get(family)
    if limit is None:
        return None
    own, alike = log_likelihoods.get(family), log_likelihoods.get(limit)
    return limit if own is not None and alike is not None and alike >= own - _NEAR_LIMIT else None


def _aic(family: LifetimeFamily, fit: LifetimeFit, counts: PeriodCounts) -> float:
    n_parameters = len(PARAMETER_NAMES[family]) + counts.n_features
    return 2 * n_parameters - 2 * float(fit.log_likelihood[0])


def _reason(asked: FamilyChoice, chosen: LifetimeFamily, rows: tuple[FamilyRow, ...]) -> str:
    seen = [row for row in rows if row.aic is not None]
    listed = ", ".join(f"{row.model} {row.aic:,.1f}" for row in seen)
    if asked != "auto":
        best = min(seen, key=lambda row: row.aic or 0.0)
        if best.family == chosen:
            return f"The {NAMES[chosen]} was asked for, and fits best by AIC ({listed})."
        return f"The {NAMES[chosen]} was asked for; by AIC the {best.model} fits best ({listed})."
    out = [f"the {row.model} was left aside: {row.note.rstrip('.')}" for row in rows if row.note]
    aside = f" Of these, {'; '.join(out)}." if out else ""
    return (
        f"The {NAMES[chosen]} has the lowest AIC of those that could be chosen ({listed}).{aside}"
    )
