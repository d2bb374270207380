"""Weights for those who did not answer, from everybody who could have.

They are those of the package's own model of who answers; where it has none, of a logit in the same
controls, so that an estimator that reads weights finds some.
"""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxmodel.stats.glm import fit_logit
from cxmodel.tables.observation_table import Observations, Windows

KNOWN = ("revenue_before", "revenue_before_2", "contacts_before", "tenure_days")
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
    if find_spec("cxmodel.models.response") is None:
        return _by_logit(obs, everybody, answered)
    occasions = import_module("cxmodel.tables.occasions").Occasions
    model = import_module("cxmodel.models.response.model").ResponseModel
    asked = everybody.drop(columns=list(ANSWERS)).assign(_answered=answered, _is_sampled=True)
    around = replace(obs, frame=asked, rating=None, scale=None, windows=Windows())
    places = np.flatnonzero(answered).astype(np.int64)
    of_all = occasions(population="invited", obs=around, of_response=places, period_days=30)
    weighed = replace(obs, occasions=of_all)
    found: Observations = model().fit(weighed).weigh(weighed)
    return found


def _by_logit(
    obs: Observations, everybody: pd.DataFrame, answered: NDArray[np.bool_]
) -> Observations:
    words = pd.get_dummies(everybody["segment"], drop_first=True).to_numpy(dtype=float)
    design = np.column_stack([np.ones(len(everybody)), everybody[list(KNOWN)], words])
    prob = fit_logit(design, answered.astype(float)).fitted[answered]
    return replace(obs, frame=obs.frame.assign(response_weight=answered.mean() / prob))
