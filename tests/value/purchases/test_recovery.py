"""Customers simulated from a known truth: parameters and expectations."""

from __future__ import annotations

import numpy as np
import pytest
from purchase_ledgers import TRUE_PARAMETERS, simulate_histories, simulate_occasions

import cxmodel as cx

IN_TIME = ("bg_nbd", "mbg_nbd", "pareto_nbd")


@pytest.mark.parametrize("family", IN_TIME)
def test_parameters_are_recovered(family: str) -> None:
    rows = simulate_histories(family, TRUE_PARAMETERS[family], 5000, seed=11)
    frame = cx.PurchaseModel(family=family).fit(rows).to_frame()  # type: ignore[arg-type]
    errors = np.log(frame.estimate.to_numpy() / TRUE_PARAMETERS[family])
    widths = np.log(frame.conf_high / frame.conf_low) / 2 / 1.96
    assert (np.abs(errors) < 3 * widths).all()
    assert (widths < 0.6).all()


@pytest.mark.parametrize("family", IN_TIME)
def test_expected_purchases_are_those_of_the_truth(family: str) -> None:
    truth = simulate_histories(
        family, TRUE_PARAMETERS[family], 20_000, 12, months_of_starts=0, age=39.0
    )
    rows = simulate_histories(family, TRUE_PARAMETERS[family], 2000, 13)
    buys = cx.PurchaseModel(family=family).fit(rows)  # type: ignore[arg-type]
    exact = buys.at_parameters(TRUE_PARAMETERS[family]).expected_purchases(39)
    noise = truth.frequency.std() / np.sqrt(len(truth))
    assert truth.frequency.mean() == pytest.approx(exact, abs=3 * noise)


def test_donors_are_recovered() -> None:
    truth = [1.2, 0.8, 0.7, 2.8]
    rows = simulate_occasions(tuple(truth), 6000, 3, occasions=8)
    frame = cx.PurchaseModel(family="bg_bb").fit(rows).to_frame()
    inside = (frame.conf_low < truth) & (frame.conf_high > truth)
    assert inside.sum() >= 3
