"""The same models with priors, by pymc-marketing: the extra ``bayes``."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import numpy.typing as npt

from cxmodel.errors import ConfigError
from cxmodel.stats.purchases.family import Family
from cxmodel.stats.purchases.histories import Histories
from cxmodel.stats.purchases.layout import Layout
from cxmodel.stats.purchases.maximise import LOG_BOUND, observed_information
from cxmodel.value.purchases.fitting import Fitted

FloatArray = npt.NDArray[np.float64]

_CLASSES = {
    "bg_nbd": "BetaGeoModel",
    "mbg_nbd": "ModifiedBetaGeoModel",
    "pareto_nbd": "ParetoNBDModel",
    "bg_bb": "BetaGeoBetaBinomModel",
}


def library() -> Any:
    """Import pymc-marketing's models of customers.

    Raises
    ------
    ConfigError
        If it is not installed: what to install, or what to do without.
    """
    try:
        return importlib.import_module("pymc_marketing.clv")
    except ImportError as error:
        raise ConfigError(
            "method='map' and method='mcmc' need pymc-marketing, which could not be imported "
            f"({error}). Install it: pip install 'cxmodel[bayes]'; or use method='likelihood', "
            "which needs nothing more."
        ) from error


def fit_posterior(
    family: Family, layout: Layout, histories: Histories, *, method: str, seed: int
) -> Fitted:
    """Give the mode of the posterior, or the mean and covariance of draws from it.

    Both are of the logarithms of the parameters, under the priors that pymc-marketing sets. For the
    mode the covariance is the inverse of the information in the likelihood there.

    Parameters
    ----------
    family : Family
        Which model.
    layout : Layout
        Without covariates.
    histories : Histories
        What customers bought.
    method : {"map", "mcmc"}
        Mode, or draws.
    seed : int
        Of the draws.

    Raises
    ------
    ConfigError
        If pymc-marketing is not installed.
    """
    model = getattr(library(), _CLASSES[family.name])()
    options = {"random_seed": seed} if method == "mcmc" else {}
    model.fit(data=_rows(histories), method=method, progressbar=False, **options)
    posterior = model.idata.posterior
    draws = np.log([np.ravel(posterior[name].to_numpy()) for name in family.parameters])
    vector = np.asarray(draws.mean(axis=1))
    none = np.zeros((len(histories.frequency), 0))

    def objective(at: FloatArray) -> tuple[float, FloatArray]:
        parameters = layout.parameters_of(at, none)
        value, slopes = family.log_likelihood(parameters, histories)
        weights = histories.weights
        return float(weights @ value), layout.slopes(slopes, parameters, weights, none)

    if method == "mcmc":
        covariance = np.cov(draws)
    else:
        ends = (vector - LOG_BOUND, vector + LOG_BOUND)
        covariance = np.linalg.pinv(observed_information(objective, vector, ends))
    return Fitted(
        layout=layout,
        vector=vector,
        covariance=np.asarray(covariance),
        log_likelihood=objective(vector)[0],
    )


def _rows(histories: Histories) -> Any:
    """Give one row a customer, as pymc-marketing wants it."""
    import pandas as pd

    n = histories.weights.astype(int)
    return pd.DataFrame(
        {
            "customer_id": np.arange(int(n.sum())),
            "frequency": np.repeat(histories.frequency, n),
            "recency": np.repeat(histories.recency, n),
            "T": np.repeat(histories.age, n),
        }
    )
