"""Weights for those who did not answer, from everybody who could have.

They are those of the package's own model of who answers.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxmodel.models.response.model import ResponseModel
from cxmodel.tables.observation_table import Observations, Windows
from cxmodel.tables.occasions import Occasions

ANSWERS = ("rating", "band")
"""What nobody knows of those who did not answer."""


def weigh(obs: Observations, everybody: pd.DataFrame, answered: NDArray[np.bool_]) -> Observations:
    """Weight the answers to stand for everybody who was asked.

    Parameters
    ----------
    obs : Observations
        Of those who answered.
    everybody : pandas.DataFrame
        The same columns for all, in the same order.
    answered : array of bool (len(everybody),)
        Who did.
    """
    asked = everybody.drop(columns=list(ANSWERS)).assign(_answered=answered, _is_sampled=True)
    around = replace(obs, frame=asked, rating=None, scale=None, windows=Windows())
    places = np.flatnonzero(answered).astype(np.int64)
    of_all = Occasions(population="invited", obs=around, of_response=places, period_days=30)
    weighed = replace(obs, occasions=of_all)
    return ResponseModel().fit(weighed).weigh(weighed)
