"""The Gamma-Gamma model: the published fit, its warning, covariates."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from purchase_ledgers import read_cdnow, simulate_spend
from scipy.optimize import brentq
from scipy.stats import invgamma, norm

import cxmodel as cx
from cxmodel.errors import CxModelWarning, InsufficientDataError


def test_cdnow_as_published(data_dir: Path) -> None:
    # Fader & Hardie (2013): p 6.249571, q 3.744225, v 15.443525 over 946 repeat buyers
    spend = cx.SpendModel().fit(read_cdnow(data_dir))
    expected = (6.249571, 3.744225, 15.443525)
    assert list(spend.parameters.values()) == pytest.approx(expected, rel=2e-6)
    assert spend.log_likelihood == pytest.approx(-4055.9177, abs=1e-4)
    assert spend.n_spenders == 946
    assert spend.mean_spend == pytest.approx(35.17, abs=5e-3)
    # small enough to go on: no warning
    assert spend.correlation == pytest.approx(0.114, abs=5e-4)
    assert spend.caveats == ()


def test_those_who_never_came_back_are_taken_to_spend_like_all() -> None:
    rows = pd.concat(
        [simulate_spend(300, 1), pd.DataFrame({"frequency": [0], "recency": 0, "T": 9.0})]
    )
    spend = cx.SpendModel().fit(rows)
    assert spend.expected_spend()[-1] == pytest.approx(spend.mean_spend)
    # between the customer's own mean and that of all
    own, found = rows.monetary_value.to_numpy()[:-1], spend.expected_spend()[:-1]
    low, high = np.minimum(own, spend.mean_spend), np.maximum(own, spend.mean_spend)
    assert ((low <= found) & (found <= high)).all()


def test_parameters_and_their_errors_are_recovered() -> None:
    spend = cx.SpendModel().fit(simulate_spend(4000, 2))
    frame = spend.to_frame().set_index("term")
    for name, truth in {"p": 6.0, "q": 4.0, "v": 15.0}.items():
        assert frame.conf_low[name] < truth < frame.conf_high[name], name
    assert spend.mean_spend == pytest.approx(6 * 15 / 3, rel=0.05)


def test_what_a_rating_does_to_spend_is_found() -> None:
    nps = np.random.default_rng(4).integers(0, 11, 3000).astype(float)
    rows = simulate_spend(3000, 5, shift=0.05 * nps).assign(nps=nps)
    frame = cx.SpendModel(covariates="nps").fit(rows).to_frame().set_index("term")
    assert frame.conf_low["spend_nps"] < 0.05 < frame.conf_high["spend_nps"]
    assert frame.std_error["spend_nps"] < 0.01


def test_spend_that_goes_with_frequency_is_warned_of_with_the_correlation() -> None:
    rows = simulate_spend(500, 6)
    rows["monetary_value"] *= 1 + 0.3 * rows.frequency
    with pytest.warns(CxModelWarning, match=r"their correlation is 0\.\d\d over 500 customers"):
        spend = cx.SpendModel().fit(rows)
    # as numpy has it
    assert spend.correlation == pytest.approx(
        np.corrcoef(rows.frequency, rows.monetary_value)[0, 1]
    )
    assert "those who buy more often spend more each time" in " ".join(spend.caveats)


def test_purchases_for_nothing_are_left_out_and_counted() -> None:
    rows = simulate_spend(400, 7)
    rows.loc[:4, "monetary_value"] = [0.0, -3.0, np.nan, 0.0, 0.0]
    spend = cx.SpendModel().fit(rows)
    assert spend.n_spenders == 395
    assert "5 customer(s) whose later purchases cost nothing" in spend.caveats[0]


def test_an_edge_is_named() -> None:
    rows = pd.DataFrame(
        {
            "frequency": [1, 2, 3, 1] * 10,
            "recency": 5,
            "T": 9,
            "monetary_value": [10.0, 30, 18, 25] * 10,
        }
    )
    with pytest.warns(CxModelWarning, match="do not differ in what they spend"):
        cx.SpendModel().fit(rows)


def test_intervals_at_the_edge_are_those_of_the_limit() -> None:
    # by chance, purchases of a customer here cost nearly the same: p without end, v near 0. What a
    # customer spends then follows an inverse gamma with shape q and scale p v.
    rows = simulate_spend(300, 1160)
    with pytest.warns(CxModelWarning, match="ran to the edge of its family"):
        spend = cx.SpendModel().fit(rows)
    mean = rows.monetary_value.to_numpy()

    def fallen(q: float) -> float:
        # the scale that fits best with shape q is n q / sum(1 / m)
        best = invgamma.logpdf(mean, q, scale=len(mean) * q / np.sum(1 / mean)).sum()
        return float(best) - spend.log_likelihood + norm.ppf(0.975) ** 2 / 2

    frame = spend.to_frame().set_index("term")
    assert frame.conf_low["q"] == pytest.approx(
        brentq(fallen, 1.0, spend.parameters["q"]), rel=1e-3
    )
    assert frame.conf_high["p"] == np.inf
    assert frame.conf_low["v"] == 0.0


def test_too_few_who_came_back() -> None:
    with pytest.raises(InsufficientDataError, match="Gamma-Gamma: 9 customers bought again"):
        cx.SpendModel().fit(simulate_spend(9, 8))
