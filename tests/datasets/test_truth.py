"""What is true of a simulated company."""

import numpy as np
import pytest
from scipy import stats

from cxmodel.datasets import company as company_module
from cxmodel.datasets.calendar import END, WINDOW
from cxmodel.datasets.company import NEVER, live
from cxmodel.datasets.truth import rating_probabilities, true_lift, true_values
from cxmodel.datasets.worlds import WORLDS


def everything(world, n_customers=2_000, seed=3):
    company = live(WORLDS[world], n_customers, seed)
    return true_values(company, np.ones(len(company.answers.at), dtype=bool))


def test_two_customers_by_hand():
    # money = level + slope x rating, slopes 2 and 4; the first customer weighs 3, the second 1
    def outcome(rating):
        return np.array([100.0, 50.0]) + np.array([2.0, 4.0]) * rating

    lift = true_lift(outcome, np.array([6, 10]), np.array([3.0, 1.0]), np.array([1.0, 3.0]))
    assert lift["per_rating_point"] == pytest.approx((3 * 2 + 1 * 4) / 4)
    assert lift["additive_per_rating_point"] == pytest.approx((3 * 2 + 3 * 4) / 6)
    assert lift["plus_one_below_top"] == pytest.approx(2)
    # three quarters sit at 6, none at 8: one point for all brings 75 NPS points
    assert lift["per_kpi_point.uniform_shift"] == pytest.approx(2.5 / 75)
    # detractors sit at 6, promoters at 10, means 2.5 x 4 apart; half a percent move two bands
    assert lift["per_kpi_point.detractor_to_promoter"] == pytest.approx(0.005 * 10)
    assert "per_kpi_point.detractor_to_passive" not in lift


def test_the_effect_that_was_put_in_comes_out():
    truth = everything("clean")
    for name in ("per_rating_point", "additive_per_rating_point", "plus_one_below_top"):
        # a few customers who hardly spend reach the floor of nothing at all
        assert truth[f"lift.revenue.{name}"] == pytest.approx(16.0, rel=0.002)


def test_without_an_effect_every_lift_is_zero():
    for world in ("no_effect", "decision_before_answer", "older_revenue"):
        lifts = {k: v for k, v in everything(world).items() if k.startswith("lift.")}
        assert lifts
        assert all(value == pytest.approx(0, abs=1e-9) for value in lifts.values())


def test_slopes_that_differ_average_over_customers_and_by_variance():
    truth = everything("heterogeneous")
    assert truth["lift.revenue.per_rating_point"] == pytest.approx(22, abs=1.5)
    assert truth["lift.revenue.additive_per_rating_point"] < 16


def test_ratings_follow_the_beta_binomial():
    ours = rating_probabilities(np.array([0.7]), np.array([5.0]))[0]
    theirs = stats.betabinom(10, 3.5, 1.5).pmf(np.arange(11))
    assert np.allclose(ours, theirs)


@pytest.mark.parametrize("world", ["demo", "clean"])
def test_living_again_with_one_point_more_gives_the_same_truth(monkeypatch, world):
    """The same draws, every rating one point higher: what it changes is the truth of +1."""
    before = live(WORLDS[world], 20_000, 5)
    draw = company_module._rate

    def one_higher(mean, spread, rng):
        rating, ease = draw(mean, spread, rng)
        return np.minimum(rating + 1, 10), ease

    monkeypatch.setattr(company_module, "_rate", one_higher)
    after = live(WORLDS[world], 20_000, 5)
    change, stayed, expected_money, expected_stay = _first_answers(before, after)
    for found, expected in ((change, expected_money), (stayed, expected_stay)):
        error = found.std() / np.sqrt(len(found))
        assert abs(found.mean() - expected) < 4 * error
        assert expected > 5 * error  # the test would see an effect half as large


def _first_answers(before, after):
    """Changes in revenue and in staying of first answers below 10, with what the law says."""
    answers = before.answers
    is_first = np.append(True, np.diff(answers.customer) > 0)
    chosen = is_first & (answers.at + WINDOW < END) & (answers.rating < 10)
    given = answers.rating.astype(float)
    money = (answers.law.revenue(np.minimum(given + 1, 10)) - answers.law.revenue(given))[chosen]
    stay = (answers.law.stay(np.minimum(given + 1, 10)) - answers.law.stay(given))[chosen]
    customer, at = answers.customer[chosen], answers.at[chosen]
    revenue = [_revenue_after(company, customer, at) for company in (before, after)]
    there = [
        (company.left[customer] > at + WINDOW) | (company.left[customer] == NEVER)
        for company in (before, after)
    ]
    change = revenue[1] - revenue[0]
    return change, there[1].astype(float) - there[0], money.mean(), stay.mean()


def _revenue_after(company, customer, at):
    bookings = company.bookings
    keys = bookings.customer * END + bookings.at
    total = np.append(0, np.cumsum(bookings.cents)) / 100
    first = np.searchsorted(keys, customer * END + at, side="right")
    last = np.searchsorted(keys, customer * END + at + WINDOW, side="right")
    return total[last] - total[first]


def test_what_happened_is_what_the_law_expects():
    """Realised revenue and staying agree with their expectations, at low and at high ratings."""
    company = live(WORLDS["demo"], 20_000, 9)
    answers = company.answers
    given = answers.rating.astype(float)
    for low, high in ((0, 4), (5, 8), (9, 10)):
        chosen = (answers.at + WINDOW < END) & (given >= low) & (given <= high)
        customer, at = answers.customer[chosen], answers.at[chosen]
        gap = _revenue_after(company, customer, at) - answers.law.revenue(given)[chosen]
        assert abs(gap.mean()) < 4 * gap.std() / np.sqrt(len(gap))
        there = company.left[customer] > at + WINDOW
        gap = there - answers.law.stay(given)[chosen]
        assert abs(gap.mean()) < 4 * gap.std() / np.sqrt(len(gap))


def test_the_curve_is_that_of_first_answers():
    """Kaplan-Meier over each customer's first answer, by hand, at 6 and 12 months."""
    company = live(WORLDS["demo"], 20_000, 4)
    answers = company.answers
    truth = true_values(company, np.ones(len(answers.at), dtype=bool))
    first = np.append(True, np.diff(answers.customer) > 0)
    customer, at = answers.customer[first], answers.at[first]
    until = np.minimum(company.left[customer], END) - at
    left = company.left[customer] < END
    for month in (6, 12):
        times = np.sort(until[left & (until <= month * 365.25 / 12 * 86_400)])
        at_risk = len(until) - np.searchsorted(np.sort(until), times)
        estimate = np.prod(1 - 1 / at_risk)
        expected = truth[f"retention.curve.rows[month={month}].retention"]
        assert estimate == pytest.approx(expected, abs=0.012)
