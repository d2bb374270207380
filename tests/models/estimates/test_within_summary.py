"""What is said of the lift within customers: Mundlak's test, the counts, what stands first."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from cxmodel.models.estimates.within import find_within
from cxmodel.models.estimates.within_summary import mundlak, summarise_within
from cxmodel.models.lift import LiftModel
from cxmodel.models.lift_fit import fit_lift
from tests.panel_observations import panel_observations

TERM = "within_customer_per_rating_point"


def _dense(fit, rows):
    """Rating, outcome, customers and the calendar of some rows, as pandas makes them."""
    frame = fit.obs.frame.iloc[rows]
    months = pd.get_dummies(frame["_month"], drop_first=True, dtype=float)
    return frame, months.to_numpy()


# -- against a reference ---------------------------------------------------------------------


def test_mundlak_as_statsmodels():
    fit = fit_lift(panel_observations(150, 3, trait=5.0), "revenue")
    found = find_within(fit)
    frame, months = _dense(fit, found.waves.rows)
    usual = frame.groupby("customer_id")["rating"].transform("mean")
    design = np.column_stack(
        [
            np.ones(len(frame)),
            frame[["rating", "revenue_before", "tenure_days", "contacts_before"]],
            months,
            usual,
        ]
    )
    reference = sm.OLS(frame["revenue_after"].to_numpy(), design).fit(
        cov_type="cluster", cov_kwds={"groups": pd.factorize(frame["customer_id"])[0]}
    )
    statistic, _ = mundlak(fit, found)
    assert statistic == pytest.approx(reference.tvalues[-1], rel=1e-7)


# -- what is said ----------------------------------------------------------------------------


def test_result_counts_and_tells_which_stands_first():
    lift = LiftModel().fit(panel_observations(300, 3, trait=20.0))
    assert lift.within.stands_first == "within_customer"
    assert lift.within.mundlak_p_value < 0.001
    assert "900 answers of 300 customers, each given 180 days or more after" in lift.within.text
    assert lift.within.text in lift.caveats
    assert lift.within.text in lift.terms[TERM].caveats
    # the headline does not stand first here, and says so wherever it goes
    assert lift.within.text in lift.per_rating_point().caveats
    section = lift.to_section()["within_customer"]
    assert section["n_customers_changed"] == lift.within.n_changed
    assert section["mundlak"]["p_value"] == lift.within.mundlak_p_value
    # the headline stays the adjusted one, and keeps its name; the other is read before it
    assert lift.per_rating_point().estimate != lift.terms[TERM].estimate
    assert "The headline remains the adjusted lift" in lift.within.text
    frame = lift.estimates_frame()
    assert frame.loc[frame["is_headline"], "term"].tolist() == ["per_rating_point"]
    terms = frame["term"].tolist()
    assert terms.index(TERM) == terms.index("per_rating_point") - 1
    assert frame["label"][terms.index(TERM)] == "Within customers (read first)"


def test_without_a_hidden_trait_the_adjusted_stands_first():
    fit = fit_lift(panel_observations(300, 3, seed=2), "revenue")
    summary = summarise_within(fit, find_within(fit))
    assert summary.mundlak_p_value > 0.05
    assert summary.stands_first == "adjusted"
    assert "so the adjusted lift stands first" in summary.text


def test_a_headline_that_stands_first_goes_without_the_words_of_the_other():
    lift = LiftModel().fit(panel_observations(300, 3, seed=2))
    assert lift.within.text not in lift.per_rating_point().caveats
    assert lift.within.text in lift.terms[TERM].caveats
    assert lift.within.text in lift.caveats


def test_where_ratings_follow_the_outcome_neither_is_beyond_doubt():
    fit = fit_lift(panel_observations(300, 3, trait=20.0), "revenue")
    summary = summarise_within(fit, find_within(fit), feedback_failed=True)
    assert summary.stands_first == "adjusted"
    assert "neither the adjusted lift nor that within customers" in summary.text


def test_the_linear_probability_model_is_named():
    lift = LiftModel(outcome="retention").fit(panel_observations(600, 3, leaves=True))
    assert "linear probability model: who left is seldom asked again" in lift.within.text
    assert lift.terms[TERM].unit == "probability of staying per rating point per 180 days"


# -- the grade -------------------------------------------------------------------------------


def test_waves_that_carry_it_are_graded_within_customer():
    """Four waves, some 400 customers whose rating changed, rating, contacts and months."""
    lift = LiftModel().fit(panel_observations(400, 4, seed=3, trait=20.0))
    assert lift.within.n_changed >= 30 * lift.within.n_params
    assert lift.evidence.grade == "within_customer"
    assert "This is the grade of the lift within customers" in lift.evidence.text


def test_feedback_or_two_waves_are_not():
    follows = LiftModel().fit(panel_observations(400, 4, seed=3, feedback=0.6))
    assert follows.evidence.grade != "within_customer"
    assert follows.within.stands_first == "adjusted"
    two = LiftModel().fit(panel_observations(400, 2, seed=3))
    assert two.evidence.grade != "within_customer"


# -- how often the other stands first ---------------------------------------------------------


def _rejected(outcome, seeds, **world):
    found = []
    for seed in seeds:
        fit = fit_lift(panel_observations(seed=seed, **world), outcome)
        found.append(mundlak(fit, find_within(fit))[1] < 0.05)
    return sum(found)


def test_a_lasting_trait_is_seen_and_none_is_seldom():
    assert _rejected("revenue", range(10), n_customers=200, n_waves=3, trait=20.0) == 10
    # 5% of 20: six or more come up in 3 of 10,000
    assert _rejected("revenue", range(20), n_customers=200, n_waves=3) < 6
    assert _rejected("retention", range(20), n_customers=500, n_waves=3, leaves=True) < 6
