"""Weighted KPIs: by hand, and the truth about those who did not answer."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from silent_company import make_silent

from cxmodel.kpis.weighted import WeightedAnswers, tilted_kpis, weighted_kpi
from cxmodel.models.response.model import ResponseModel
from cxmodel.scales import CSAT5, NPS
from cxmodel.stats.intervals import adjusted_wald_nps, wilson


def answers_of(rating, weight=None, customer=None, scale=NPS, **columns):
    n = len(rating)
    return WeightedAnswers(
        frame=pd.DataFrame(columns, index=range(n)),
        rating=np.array(rating, dtype=float),
        weight=np.ones(n) if weight is None else np.array(weight, dtype=float),
        customer=np.arange(n) if customer is None else np.array(customer),
        scale=scale,
    )


def everything(answers):
    return np.isfinite(answers.rating)


# -- Worked by hand ------------------------------------------------------------------------------


def test_an_nps_of_weighted_shares():
    # promoters 2 of 8, passive 2, detractors 4: 100 x (2 - 4) / 8 = -25. Kish 8^2 / 20 = 3.2
    answers = answers_of([10, 9, 8, 0], [1, 1, 2, 4])
    figure, n_effective = weighted_kpi(answers, everything(answers), conf_level=0.95)
    assert figure.estimate == pytest.approx(-25)
    assert n_effective == pytest.approx(64 / 22)
    expected = adjusted_wald_nps(2, 2, 4, n_effective=64 / 22)
    assert figure == pytest.approx(expected)


def test_a_top_box_of_weighted_shares():
    # 4 and 5 are the top box: weights 1 + 3 of 6
    answers = answers_of([5, 4, 1], [1, 3, 2], scale=CSAT5)
    figure, n_effective = weighted_kpi(answers, everything(answers), conf_level=0.95)
    assert figure.estimate == pytest.approx(100 * 4 / 6)
    assert n_effective == pytest.approx(36 / 14)
    share = wilson(4, 6, n_effective=36 / 14)
    assert figure.conf_low == pytest.approx(100 * share.conf_low)


def test_repeats_of_a_customer_are_worth_less():
    # four customers who each gave the same answer twice are four answers
    rating, customer = [10, 10, 0, 0, 10, 10, 0, 0], [1, 1, 2, 2, 3, 3, 4, 4]
    alone = weighted_kpi(a := answers_of(rating), everything(a), conf_level=0.95)[1]
    repeated = weighted_kpi(
        b := answers_of(rating, customer=customer), everything(b), conf_level=0.95
    )[1]
    assert alone == pytest.approx(8.0)
    assert repeated < 4.5


def test_rows_of_a_group_and_of_a_period():
    answers = answers_of(
        [10, 9, np.nan, 3],
        segment=["a", None, "a", "a"],
        responded_at=pd.to_datetime(
            ["2026-03-31 22:30", "2026-03-31 00:00", "2026-01-01 00:00", "2026-04-01 00:00"]
        ),
    )
    assert answers.rows_of({"segment": "a"}, None, "quarter").tolist() == [True, False, False, True]
    assert answers.rows_of({"segment": "(missing)"}, None, "quarter").tolist() == [
        *(False, True, False, False)
    ]
    assert answers.rows_of({}, "2026-Q1", "quarter").tolist() == [True, True, False, False]
    assert answers.rows_of({}, "2026-W14", "week").tolist() == [True, True, False, True]


def test_periods_are_those_of_the_time_zone():
    # half past ten in the evening (UTC) of 31 March is April in Berlin
    answers = WeightedAnswers(
        frame=pd.DataFrame({"responded_at": pd.to_datetime(["2026-03-31 22:30"])}),
        rating=np.array([9.0]), weight=np.ones(1), customer=np.arange(1), scale=NPS,
        time_zone="Europe/Berlin",
    )  # fmt: skip
    assert answers.rows_of({}, "2026-04", "month").tolist() == [True]


def test_a_tilt_of_nothing_is_the_weighted_kpi_and_a_tilt_lowers_it():
    answers = answers_of([10, 9, 8, 0], [2, 2, 2, 2])
    rows = tilted_kpis(answers, np.full(4, 2.0), [-0.1, 0.0, 0.1], conf_level=0.95)
    assert rows[1]["estimate"] == pytest.approx(25.0)
    # if satisfied customers answer more often, the silent ones are less satisfied
    assert rows[0]["estimate"] > 25.0 > rows[2]["estimate"]


# -- Properties ----------------------------------------------------------------------------------


@given(
    st.lists(st.tuples(st.integers(0, 10), st.floats(0.1, 10)), min_size=2, max_size=40),
    st.floats(0.1, 10),
)
def test_only_the_ratios_of_weights_matter(rows, factor):
    rating, weight = np.array(rows).T
    one = answers_of(rating, weight)
    other = answers_of(rating, factor * weight)
    found = [weighted_kpi(a, everything(a), conf_level=0.9) for a in (one, other)]
    assert found[0][0] == pytest.approx(found[1][0], abs=1e-8)
    assert found[0][1] == pytest.approx(found[1][1])


# -- Recovery of the truth -----------------------------------------------------------------------


def test_the_weighted_nps_is_that_of_everybody():
    # satisfied customers spend more, and who spends more answers more often
    errors, covered, apart = [], [], []
    for seed in range(30):
        silent = make_silent(1_500, seed=seed)
        frame = ResponseModel().fit(silent.obs).weigh(silent.obs).frame
        answers = answers_of(frame["rating"], frame["response_weight"], frame["customer_id"])
        figure, _ = weighted_kpi(answers, everything(answers), conf_level=0.95)
        errors.append(figure.estimate - silent.nps)
        covered.append(figure.conf_low <= silent.nps <= figure.conf_high)
        apart.append(silent.answered_nps - silent.nps)
    assert np.mean(apart) > 20  # what those who answered say alone
    assert abs(np.mean(errors)) < 3 * np.std(errors) / np.sqrt(30)
    assert np.mean(covered) > 0.85


def test_the_closing_tilt_moves_the_nps_towards_that_of_everybody():
    # answering depends on the rating itself; the gap in revenue says how strongly
    from cxmodel.stats.weights import closing_tilt

    silent = make_silent(3_000, seed=4, by_rating=0.3, dollars=(8.0, 8.0))
    result = ResponseModel(trim=0.0).fit(silent.obs)
    frame = result.weigh(silent.obs).frame
    answers = answers_of(frame["rating"], frame["response_weight"], frame["customer_id"])
    weights, test = result.weights, result.tests["revenue"]
    tilt = closing_tilt(weights.inverse_prob, answers.rating, test.residuals)
    assert tilt == pytest.approx(0.3, abs=0.15)
    found = tilted_kpis(answers, weights.inverse_prob, [0.0, tilt], conf_level=0.95)
    left = [abs(row["estimate"] - silent.nps) for row in found]
    assert left[1] < 0.4 * left[0]
