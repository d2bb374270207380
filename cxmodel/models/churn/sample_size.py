"""Whether there are customers enough for a churn model of so many parameters."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from cxmodel.stats.prediction_sample_size import (
    DEFAULT_SHARE_OF_MAX,
    SHRINKAGE,
    cox_snell,
    expected_shrinkage,
    max_cox_snell,
    required_sample,
)

FloatArray = npt.NDArray[np.float64]
# Below it predictions are expected to be so much too extreme that they should not be used as such.
FAIL_UNDER = 0.8
_EDGE = 1e-6


@dataclass(frozen=True, kw_only=True)
class SampleSize:
    """Customers at hand against those that a model of this size needs (Riley et al. 2019, 2020).

    Parameters
    ----------
    verdict : {"pass", "warn", "fail"}
        *warn*: fewer customers than are needed. *fail*: so few that predictions must be expected to
        be over a fifth too extreme.
    n_customers, n_events : int
        At hand: customers, and those with the rarer outcome.
    n_parameters : int
        Terms of the model, all that were offered.
    events_per_parameter, events_per_parameter_needed : float
        Those at hand, and those the criteria ask for.
    r_squared : float
        Cox-Snell R2 on held-out rows.
    r_squared_is_assumed : bool
        Whether 15% of the most that is possible stands for it, as where nothing was foretold.
    n_needed, by_shrinkage, by_optimism, by_prevalence : int
        Customers needed, in all and by each criterion.
    expected_shrinkage : float
        Factor by which log-odds learnt from these customers must be expected to be too extreme.
    text : str
        All of it in words.
    """

    verdict: Literal["pass", "warn", "fail"]
    n_customers: int
    n_events: int
    n_parameters: int
    events_per_parameter: float
    events_per_parameter_needed: float
    r_squared: float
    r_squared_is_assumed: bool
    n_needed: int
    by_shrinkage: int
    by_optimism: int
    by_prevalence: int
    expected_shrinkage: float
    text: str

    def to_dict(self) -> dict[str, Any]:
        """Give ``churn.sample_size``."""
        return asdict(self)


def check_sample_size(
    happened: FloatArray,
    prob: FloatArray,
    *,
    n_customers: int,
    n_left: int,
    n_parameters: int,
    method: str,
) -> SampleSize:
    """Compare the customers at hand with what the model needs.

    Parameters
    ----------
    happened, prob : numpy.ndarray, shape (n,)
        Held-out rows and their predictions, from which the explained variation is taken.
    n_customers, n_left : int
        Customers in the fit, and those of them who left; a customer counts once.
    n_parameters : int
        Terms of the model.
    method : str
        Trees need far more than the criteria, which are for a logistic regression.
    """
    rate = float(np.clip(n_left / n_customers, 1e-9, 1 - 1e-9))
    most = max_cox_snell(rate)
    r_squared = _held_out_r_squared(happened, prob)
    is_assumed = not 0 < r_squared < most
    r_squared = DEFAULT_SHARE_OF_MAX * most if is_assumed else r_squared
    needed = required_sample(n_parameters, rate, r_squared)
    shrinkage = expected_shrinkage(n_customers, n_parameters, r_squared)
    verdict: Literal["pass", "warn", "fail"] = "pass"
    if n_customers < needed.n_needed:
        verdict = "fail" if shrinkage < FAIL_UNDER else "warn"
    n_events = min(n_left, n_customers - n_left)
    rarer = min(rate, 1 - rate)
    return SampleSize(
        verdict=verdict,
        n_customers=n_customers,
        n_events=n_events,
        n_parameters=n_parameters,
        events_per_parameter=n_events / n_parameters,
        events_per_parameter_needed=needed.n_needed * rarer / n_parameters,
        r_squared=r_squared,
        r_squared_is_assumed=is_assumed,
        n_needed=needed.n_needed,
        by_shrinkage=needed.by_shrinkage,
        by_optimism=needed.by_optimism,
        by_prevalence=needed.by_prevalence,
        expected_shrinkage=shrinkage,
        text=_said(n_customers, n_events, n_parameters, needed.n_needed, shrinkage, method),
    )


def _held_out_r_squared(happened: FloatArray, prob: FloatArray) -> float:
    p = prob.clip(_EDGE, 1 - _EDGE)
    base = float(np.clip(happened.mean(), _EDGE, 1 - _EDGE))
    own = float((happened * np.log(p) + (1 - happened) * np.log1p(-p)).sum())
    null = float((happened * np.log(base) + (1 - happened) * np.log1p(-base)).sum())
    return cox_snell(own, null, len(happened))


def _said(
    n_customers: int, n_events: int, n_parameters: int, n_needed: int, shrinkage: float, method: str
) -> str:
    terms = "term" if n_parameters == 1 else "terms"
    said = (
        f"{n_customers:,} different customers, {n_events:,} of them with the rarer outcome, for "
        f"{n_parameters} {terms}: {n_events / n_parameters:,.0f} each. "
    )
    if n_customers >= n_needed:
        said += f"A model of this size needs {n_needed:,} customers, so there are enough."
    else:
        said += (
            f"A model of this size needs {n_needed:,} customers to be at most "
            f"{1 - SHRINKAGE:.0%} too extreme; with these it must be expected to be "
            f"{1 - shrinkage:.0%} too extreme. Name fewer columns (lift.controls), or bring a "
            "longer history."
        )
    if method == "gradient_boosting":
        said += (
            " That is for a logistic regression: trees need many times more to be as stable "
            "(van der Ploeg, Austin and Steyerberg 2014)."
        )
    return said
