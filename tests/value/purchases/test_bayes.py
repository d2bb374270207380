"""Purchase models with priors: what is said without pymc-marketing, and what it gives."""

from __future__ import annotations

import importlib.util
import sys

import numpy as np
import pandas as pd
import pytest

import cxmodel as cx
from cxmodel.errors import ConfigError

ROWS = pd.DataFrame(
    {
        "frequency": [0, 1, 1, 2, 5, 9],
        "recency": [0, 4, 20, 12, 30, 36],
        "T": [39, 38, 38, 37, 36, 39],
        "n_customers": [60, 8, 10, 8, 6, 3],
    }
)
needs_pymc = pytest.mark.skipif(
    importlib.util.find_spec("pymc_marketing") is None,
    reason="pymc-marketing is not installed: pip install 'cxmodel[bayes]'",
)


def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pymc_marketing.clv", None)
    with pytest.raises(ConfigError, match=r"pip install 'cxmodel\[bayes\]'; or use method='likel"):
        cx.PurchaseModel(method="map").fit(ROWS)


@needs_pymc
@pytest.mark.filterwarnings("ignore")  # of arviz and pytensor, about their own installation
@pytest.mark.parametrize("family", ["bg_nbd", "mbg_nbd", "pareto_nbd"])
def test_the_mode_lies_within_the_errors_of_the_likelihood(family: str) -> None:
    from purchase_ledgers import simulate_histories

    truth = (0.8, 8.0, 0.7, 12.0) if family == "pareto_nbd" else (0.8, 8.0, 0.9, 2.5)
    rows = simulate_histories(family, truth, 1500, 5)
    plain = cx.PurchaseModel(family=family).fit(rows)  # type: ignore[arg-type]
    mode = cx.PurchaseModel(family=family, method="map").fit(rows)  # type: ignore[arg-type]
    assert mode.log_likelihood < plain.log_likelihood
    frame = plain.to_frame()
    values = np.array(list(mode.parameters.values()))
    assert ((frame.conf_low < values) & (values < frame.conf_high)).all()
    assert mode.to_frame().std_error.notna().all()
    assert mode.prob_alive() == pytest.approx(plain.prob_alive(), abs=0.1)


@needs_pymc
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of arviz and pytensor, about their own installation
def test_draws_from_the_posterior_have_the_errors_of_the_likelihood() -> None:
    from purchase_ledgers import simulate_histories

    rows = simulate_histories("bg_nbd", (0.8, 8.0, 0.9, 2.5), 3000, 6)
    plain = cx.PurchaseModel().fit(rows).to_frame()
    drawn = cx.PurchaseModel(method="mcmc").fit(rows).to_frame()
    assert drawn.std_error[:2].to_numpy() == pytest.approx(plain.std_error[:2], rel=0.3)
    assert ((plain.conf_low < drawn.estimate) & (drawn.estimate < plain.conf_high)).all()
