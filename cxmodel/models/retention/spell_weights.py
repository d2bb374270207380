"""Response weights of spells: which answers count for more, and when they are left aside."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from cxmodel.models.requirements import require_weights
from cxmodel.models.response.in_lift import LEAST_EFFECTIVE, LEAST_SHARE
from cxmodel.stats.intervals import kish_effective_n
from cxmodel.tables.observation_table import Observations
from cxmodel.tables.response_weights import ResponseWeights

FloatArray = npt.NDArray[np.float64]
_NOT = "The hazard is not weighted for those who did not answer"
NOT_ON_ENGINE = f"{_NOT}: the rows stayed on their engine."
NOT_BY_LIFELINES = f"{_NOT}: lifelines is given every answer as one."


def spell_weights(frame: pd.DataFrame) -> tuple[FloatArray | None, tuple[str, ...]]:
    """Give the weight of the answer that holds in each spell, scaled to their effective number.

    As a lift does (methods 2), weights are left aside where they leave under 30% of the answers, or
    under 100.

    Parameters
    ----------
    frame : pandas.DataFrame
        A row per spell: the answer that holds in it.

    Returns
    -------
    tuple
        The weights, None where there are none or all are alike; and what a reader must know.

    Raises
    ------
    SchemaError
        If a weight is not a number above 0.
    """
    if "response_weight" not in frame:
        return None, ()
    weights = frame["response_weight"].fillna(1.0).to_numpy(dtype=float)
    require_weights(weights)
    if not weights.size or np.ptp(weights) == 0:
        return None, ()
    n_effective = kish_effective_n(weights)
    share = n_effective / weights.size
    if share < LEAST_SHARE or n_effective < LEAST_EFFECTIVE:
        return None, (
            f"{_NOT}: weights leave {n_effective:,.0f} of {weights.size:,} answers ({share:.0%}).",
        )
    return np.asarray(weights * (n_effective / weights.sum()), dtype=float), ()


def are_weighted(obs: Observations) -> bool:
    """Say whether observations were weighted for those who did not answer."""
    return isinstance(obs.response, ResponseWeights)
