"""Feedback: against statsmodels, verdicts, reasons, how often it fires."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from cxmodel.models.checks.feedback import check_feedback, next_rating, with_next
from cxmodel.models.estimates.waves import Waves
from cxmodel.models.lift_fit import fit_lift
from tests.panel_observations import panel_observations


def _check(outcome="revenue", **world):
    return check_feedback(fit_lift(panel_observations(**world), outcome))


# -- by hand ---------------------------------------------------------------------------------


def test_the_wave_that_follows():
    """Customers with 3, 2 and 4 waves: the second has one wave that another follows, too few."""
    waves = Waves(
        rows=np.arange(9),
        customers=np.array([0, 0, 0, 1, 1, 2, 2, 2, 2]),
        number=np.array([0, 1, 2, 0, 1, 0, 1, 2, 3]),
        n_single=0,
        n_overlapping=0,
    )
    rows, following = with_next(waves, np.arange(9) * 10.0)
    assert rows.tolist() == [0, 1, 5, 6, 7]
    assert following.tolist() == [10.0, 20.0, 60.0, 70.0, 80.0]


# -- against a reference ---------------------------------------------------------------------


def test_next_rating_as_statsmodels_with_a_dummy_for_each_customer():
    fit = fit_lift(panel_observations(60, 4), "revenue")
    frame = fit.obs.frame
    frame = frame.assign(following=frame.groupby("customer_id")["rating"].shift(-1))
    frame = frame[frame["following"].notna()]
    codes = pd.factorize(frame["customer_id"])[0]
    months = pd.get_dummies(frame["_month"], drop_first=True, dtype=float)
    design = np.column_stack(
        [frame[["following", "rating", "contacts_before"]], months, np.eye(60)[codes]]
    )
    reference = sm.OLS(frame["revenue_after"].to_numpy(), design).fit(
        cov_type="cluster", cov_kwds={"groups": codes, "use_correction": False}
    )
    found = next_rating(fit)
    assert found.value == pytest.approx(reference.params[0], rel=1e-8)
    n, k = len(frame), 3 + months.shape[1]
    factor = np.sqrt(60 / 59 * (n - 1) / (n - k))
    assert found.std_error == pytest.approx(reference.bse[0] * factor, rel=1e-8)


# -- verdicts --------------------------------------------------------------------------------


def test_ratings_that_follow_the_outcome_fail():
    check = _check(n_customers=300, feedback=0.6)
    assert check.verdict == "fail"
    assert check.p_value < 0.001
    assert check.statistic > 4
    assert "ratings follow the outcome" in check.text


def test_ratings_that_do_not_pass():
    check = _check(n_customers=300, seed=3, trait=20.0)
    assert check.verdict == "pass"
    assert "does not go with the revenue before it" in check.text
    assert "900 answers" in check.text


# -- reasons ---------------------------------------------------------------------------------


def test_two_waves_are_too_few():
    check = _check(n_customers=100, n_waves=2)
    assert check.verdict == "not_run"
    assert check.text.startswith("No customer has three answers")
    assert check.text.endswith("would make it run.")


def test_who_left_has_no_next_rating():
    check = _check("retention", n_customers=300, leaves=True)
    assert check.verdict == "not_run"
    assert check.text.startswith("Everybody who gave a next rating had stayed")


def test_no_waves():
    assert "answered again" in _check(n_customers=100, n_waves=1).text


# -- how often it fires ----------------------------------------------------------------------


def test_it_fires_where_it_must_and_seldom_where_it_must_not():
    fires = [_check(n_customers=150, seed=seed, feedback=0.6).verdict for seed in range(10)]
    assert fires.count("fail") == 10
    quiet = [_check(n_customers=150, seed=seed, trait=10.0).verdict for seed in range(20)]
    # 5% of 20: six or more come up in 3 of 10,000
    assert quiet.count("fail") < 6


@pytest.mark.slow
def test_it_fires_in_five_of_a_hundred():
    verdicts = [_check(n_customers=150, seed=seed, trait=10.0).verdict for seed in range(600)]
    # 99% Monte Carlo interval of 5% in 600
    assert 0.027 < verdicts.count("fail") / 600 < 0.073
