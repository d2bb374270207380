"""What is carried with observations that are weighted for those who did not answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from cxmodel.results import NotRun

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False, kw_only=True)
class OutcomeTest:
    """Whether those who answered had other outcomes than those like them who did not.

    Parameters
    ----------
    gap, std_error, p_value : float
        Difference in the outcome that goes with having answered, given the controls.
    n_obs : int
        Occasions compared.
    gap_days : int
        Days after the occasion from which the outcome counts.
    residuals : array (n_observations,)
        Of each response: the outcome at its occasion less what those like it who did not answer
        had; NaN where it has none.
    """

    gap: float
    std_error: float
    p_value: float
    n_obs: int
    gap_days: int
    residuals: Floats

    def to_dict(self) -> dict[str, float | int]:
        """Give the form of ``audit.response.outcome_tests``."""
        return {
            "estimate": self.gap,
            "std_error": self.std_error,
            "p_value": self.p_value,
            "n_obs": self.n_obs,
            "gap_days": self.gap_days,
        }


@dataclass(frozen=True, eq=False, kw_only=True)
class ResponseWeights:
    """Weights for non-response with the error of the model behind them.

    Parameters
    ----------
    population : str
        Whom the weighted answers stand for, in words.
    weight : array (n_observations,)
        In the order of the observations; 1 where there is none.
    inverse_prob : array (n_observations,)
        One over the probability of answering, trimmed; NaN where there is no weight.
    slopes : array (n_observations, k)
        Derivative of the logarithm of each weight in the coefficients of the model; 0 for weights
        that were trimmed and for those that are 1.
    influence : array (n_customers, k)
        What each customer contributes to the error of the coefficients, in the order in which the
        customers first appear among the observations.
    outside : array (r, k)
        The same for all customers without an observation, as r rows whose outer products sum to
        theirs: an error needs no more of them.
    tests : mapping of str to OutcomeTest or NotRun
        By outcome.
    facts : mapping
        What stands in ``audit.response`` of the results.
    caveats : tuple of str
        What the reader must know.
    """

    population: str
    weight: Floats
    inverse_prob: Floats
    slopes: Floats
    influence: Floats
    outside: Floats
    tests: Mapping[str, OutcomeTest | NotRun] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    caveats: tuple[str, ...] = ()
