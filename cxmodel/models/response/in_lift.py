"""Weights for non-response as a lift uses them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cxmodel.errors import SchemaError
from cxmodel.models.estimation import Carried
from cxmodel.results import NotRun
from cxmodel.stats.intervals import kish_effective_n
from cxmodel.tables.response_weights import ResponseWeights

if TYPE_CHECKING:
    from cxmodel.tables.observation_table import Observations

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Below these the headline is not weighted (methods 2.2).
LEAST_SHARE, LEAST_EFFECTIVE = 0.3, 100.0
NO_CUSTOMER = "(customers without an answer, part {})"


@dataclass(frozen=True, eq=False)
class LiftWeights:
    """The weights of an observation table, and the model behind them.

    Parameters
    ----------
    weight : array (n_observations,), optional
        None where there are none.
    response : ResponseWeights, optional
        None where weights came with the table: then they are taken as known.
    reason : str
        Why there are none.
    """

    weight: Floats | None = None
    response: ResponseWeights | None = None
    reason: str = "no response weights"

    def effective(self, rows: Ints) -> tuple[float, float]:
        """Give the effective sample of some rows (Kish) and its share of them."""
        if self.weight is None:
            return float(len(rows)), 1.0
        n_effective = kish_effective_n(self.weight[rows])
        return n_effective, n_effective / len(rows)

    def decide(self, rows: Ints, *, is_wanted: bool) -> tuple[bool, tuple[str, ...]]:
        """Say whether the headline is weighted, and what the reader must know of it."""
        if self.weight is None:
            return False, ()
        said = () if self.response is None else self.response.caveats
        if not is_wanted:
            return False, (
                "The headline is not weighted for those who did not answer: weighted = false.",
            )
        n_effective, share = self.effective(rows)
        if share >= LEAST_SHARE and n_effective >= LEAST_EFFECTIVE:
            return True, said
        return False, (
            f"The headline is not weighted for those who did not answer: the weights leave an "
            f"effective sample of {n_effective:,.0f} of {len(rows):,} responses ({share:.0%}); "
            f"{LEAST_SHARE:.0%} and {LEAST_EFFECTIVE:.0f} are needed.",
        )

    def with_outside(self, customers: NDArray[Any]) -> NDArray[Any]:
        """Add a place for each row that stands for customers who did not answer.

        They are no customers of the table, but the probability of answering was learnt from them
        too, so they are part of its error.
        """
        if self.response is None:
            return customers
        parts = [NO_CUSTOMER.format(i + 1) for i in range(len(self.response.outside))]
        return np.concatenate([customers.astype(object), np.array(parts, dtype=object)])

    def of_rows(self, rows: Ints, n_customers: int) -> dict[str, Any]:
        """Give the weights of some rows, and their error, as `Sample.build` takes them."""
        if self.weight is None:
            return {}
        return {"weights": self.weight[rows], "carried": self._carried(rows, n_customers)}

    def _carried(self, rows: Ints, n_customers: int) -> Carried | None:
        if self.response is None:
            return None
        influence = np.vstack([self.response.influence, self.response.outside])
        if len(influence) != n_customers:
            raise ValueError(
                f"The weights are of {len(self.response.influence):,} customers, the observations "
                f"of {n_customers - len(self.response.outside):,}. Weigh the table that is fitted."
            )
        return Carried(self.response.slopes[rows], influence)


def lift_weights(obs: Observations) -> LiftWeights:
    """Read the weights of a table; none where all are 1.

    Raises
    ------
    SchemaError
        If a weight is missing, infinite, zero or negative.
    """
    response = obs.response
    reason = f"no response weights: {_why_none(obs)}"
    if "response_weight" not in obs.frame:
        return LiftWeights(reason=reason)
    weight = obs.frame["response_weight"].to_numpy(dtype=float, na_value=np.nan)
    wrong = np.flatnonzero(~(np.isfinite(weight) & (weight > 0)))
    if len(wrong):
        raise SchemaError(
            f"response_weight must be a number above 0; {len(wrong):,} of {len(weight):,} are not "
            f"(first: {weight[wrong[0]]:g}, row {wrong[0] + 1:,}). Leave these rows out, or set 1."
        )
    if (weight == 1).all():
        return LiftWeights(reason=reason)
    is_ours = isinstance(response, ResponseWeights) and len(response.weight) == len(weight)
    return LiftWeights(weight, response if is_ours else None)  # type: ignore[arg-type]


def _why_none(obs: Observations) -> str:
    if isinstance(obs.response, NotRun):
        return obs.response.reason
    if obs.is_joined:
        return "a table that came already joined does not hold those who did not answer"
    return "the observations were not weighted (population, and ResponseModel)"
