"""Robust and clustered errors, and effects of customers, are those of pyfixest on the rows."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import cxmodel as cx

REFERENCE = json.loads(Path(__file__).with_name("pyfixest.json").read_text(encoding="utf-8"))
COLUMNS = ["rating", "tenure", "segment"]


def closed_form_rows(n: int = 1_200) -> pd.DataFrame:
    """Make rows by whole-number formulas, the same with every library."""
    i = np.arange(n)
    customer = i * 7 % 311
    rating = (i * i + 3 * i) % 11
    tenure = (i * 37 % 1009) / 8.0
    spent = 40 + 3 * rating + (i * 53 % 97) * (1 + rating) / 16.0 + customer % 13 * 2.5
    return pd.DataFrame(
        {
            "customer": customer,
            "rating": rating,
            "segment": np.array(["a", "b", "c"])[(i // 5 + i % 7) % 3],
            "tenure": tenure,
            "spent": spent + tenure / 64,
            "amount": i * 29 % 83 + rating,
            "weight": (1 + i * 11 % 16) / 4.0,
        }
    )


SETTINGS = {
    "hc1": {},
    "hc3": {"errors": "HC3"},
    "crv1": {"customer": "customer"},
    "weighted_crv1": {"customer": "customer", "weight": "weight"},
    "customer_effects": {
        "customer": "customer",
        "customer_effects": True,
        "explained_by": ["rating", "tenure"],
    },
    "poisson_hc1": {"outcome": "amount", "family": "poisson"},
    "poisson_crv1": {"outcome": "amount", "family": "poisson", "customer": "customer"},
}


@pytest.mark.parametrize("name", list(SETTINGS))
def test_coefficients_and_errors_are_those_of_pyfixest(name):
    settings = {"outcome": "spent", "explained_by": COLUMNS} | SETTINGS[name]
    fit = cx.MomentsRegression(**settings).fit(closed_form_rows())
    expected = REFERENCE["fits"][name]
    assert fit.n_obs == expected["n_obs"]
    for column, value in expected["coefficients"].items():
        one = fit.estimate(column)
        assert one.estimate == pytest.approx(value, rel=1e-10), column
        assert one.std_error == pytest.approx(expected["std_errors"][column], rel=1e-10), column


def test_the_default_of_fixest_counts_one_parameter_more():
    """fixest counts effects nested in clusters as one parameter; here they are none."""
    settings = SETTINGS["customer_effects"]
    fit = cx.MomentsRegression(outcome="spent", **settings).fit(closed_form_rows())
    n, k = fit.n_obs, fit.n_params
    expected = REFERENCE["fits"]["customer_effects_as_fixest"]["std_errors"]
    factor = np.sqrt((n - k) / (n - k - 1))
    for column in ("rating", "tenure"):
        one = fit.estimate(column)
        assert one.std_error * factor == pytest.approx(expected[column], rel=1e-10)
