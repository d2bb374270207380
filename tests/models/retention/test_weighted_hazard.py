"""Hazards and covariates of retention where answers weigh for those who did not answer."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from simulated_observations import joined_table, simulate_observations

from cxmodel.errors import SchemaError
from cxmodel.models.retention.compare import compare_groups
from cxmodel.models.retention.features import features_of
from cxmodel.models.retention.hazard import HazardModel
from cxmodel.models.retention.hazard_cells import cells_of_rows
from cxmodel.models.retention.model import RetentionModel
from cxmodel.models.retention.spell_weights import spell_weights
from cxmodel.models.retention.spells import SpellRows, read_spells
from cxmodel.scales import CSAT5
from cxmodel.stats.hazard import fit_hazard
from cxmodel.tables.observation_table import Observations, Windows

MONTH = 365.25 / 12


def _two_ratings(weights: np.ndarray) -> Observations:
    """100 customers who rate 1, of whom 30 leave in their month, and 100 who rate 2: 15 leave."""
    left = np.arange(200) % 100 < np.repeat([30, 15], 100)
    frame = pd.DataFrame(
        {
            "customer_id": [f"c{i:03d}" for i in range(200)],
            "rating": np.repeat([1.0, 2.0], 100),
            "response_weight": weights,
            "churned": left.astype(float),
            "_event": left,
            "_duration_months": np.where(left, 0.5, 1.0),
            "_status": "ok",
            "_at_risk": True,
        }
    )
    return Observations(
        frame=frame,
        windows=Windows(outcome_days=30, lookback_days=30),
        rating="csat",
        scale=CSAT5,
        window_words="observation window",
        churn_rule="observed",
        is_joined=True,
    )


def _with_weights(obs: Observations, seed: int = 0) -> Observations:
    rng = np.random.default_rng(seed)
    return replace(obs, frame=obs.frame.assign(response_weight=rng.integers(1, 4, obs.n_obs) * 1.0))


# -- worked by hand


def test_covariates_by_hand() -> None:
    # the first 20 of the 30 leavers who rate 1 count twice: 50 of 120 left; of the others 15%
    weights = np.ones(200)
    weights[:20] = 2.0
    fit = RetentionModel(family="geometric").fit_covariates(_two_ratings(weights), "rating")
    one, two = 50 / 120, 0.15
    expected = math.log(math.log(1 - two) / math.log(1 - one))
    assert fit.coefficients["rating"] == pytest.approx(expected, rel=1e-6)
    # p has variance sum of w^2 (y - p)^2 / (sum of w)^2; ln(-ln(1 - p)) bends it
    of_one = (20 * 4 + 10) * (1 - one) ** 2 + 70 * one**2
    of_two = 15 * (1 - two) ** 2 + 85 * two**2

    def bent(variance: float, p: float) -> float:
        return variance / ((1 - p) * math.log(1 - p)) ** 2

    variance = bent(of_one / 120**2, one) + bent(of_two / 100**2, two)
    error = math.sqrt(variance * 200 / 198)
    assert math.sqrt(fit.covariance[0, 0]) == pytest.approx(error, rel=1e-5)
    assert fit.statistic == pytest.approx((expected / error) ** 2, rel=1e-5)
    assert (fit.n_obs, fit.n_events) == (200, 45)


def test_the_hazard_by_hand() -> None:
    weights = np.ones(200)
    weights[:20] = 2.0
    obs = _two_ratings(weights)
    fit = HazardModel().fit(replace(obs, frame=obs.frame.assign(_duration_months=0.5)))
    expected = math.log(0.85) / math.log(1 - 50 / 120)
    assert fit.hazard_ratio_per_rating_point().estimate == pytest.approx(expected, rel=1e-6)
    assert fit.is_weighted
    assert fit.to_section()["weighted"] is True
    # counts are of customers, whatever they weigh
    assert (fit.n_spells, fit.n_person_periods, fit.n_events) == (200, 200, 45)
    assert fit.baseline["at_risk"].sum() == 200
    assert fit.baseline["events"].sum() == 45


# -- against a reference


def test_the_weighted_hazard_is_that_of_statsmodels() -> None:
    # customer-periods one by one; GLM with cloglog link and the weights as frequencies
    import statsmodels.api as sm

    obs = _with_weights(simulate_observations(400, repeats=0.5, seed=4))
    fit = HazardModel(baseline="linear").fit(obs)
    rows = read_spells(obs, period_days=MONTH)
    times = (rows.last - rows.first + 1).astype(int)
    who = np.repeat(np.arange(times.size), times)
    t = np.concatenate([np.arange(a, b + 1) for a, b in zip(rows.first, rows.last, strict=True)])
    event = (rows.events[who] & (t == rows.last[who])).astype(float)
    rating = rows.frame["rating"].to_numpy(dtype=float)[who]
    model = sm.GLM(
        event,
        np.column_stack([np.ones(who.size), t, rating]),
        family=sm.families.Binomial(sm.families.links.CLogLog()),
        freq_weights=rows.frame["response_weight"].to_numpy(dtype=float)[who],
    ).fit(tol=1e-12)
    assert fit.terms[0].log_ratio == pytest.approx(model.params[2], rel=1e-6)


def test_a_weight_of_two_is_a_spell_twice_in_one_customer() -> None:
    obs = _with_weights(simulate_observations(300, repeats=0.5, seed=6))
    rows = read_spells(obs, period_days=MONTH)
    weights, said = spell_weights(rows.frame)
    assert weights is not None
    assert not said
    copies = rows.frame["response_weight"].to_numpy().astype(int)
    again = np.repeat(np.arange(copies.size), copies)
    many = SpellRows(
        first=rows.first[again],
        last=rows.last[again],
        events=rows.events[again],
        customer=rows.customer[again],
        frame=rows.frame.iloc[again],
        clock=rows.clock,
        period=rows.period,
        not_used=(),
        caveats=(),
    )
    found = []
    for cells in (cells_of_rows(rows, ["rating"], weights), cells_of_rows(many, ["rating"])):
        fit = fit_hazard(cells.spells(features_of(cells.frame, ["rating"])), baseline="linear")
        covariance = fit.covariance(cells.n, cells.clusters, cells.kinds, cells.weights)
        found.append((fit.coefficients, covariance))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-7)
    assert found[0][1] == pytest.approx(found[1][1], rel=1e-6)


# -- properties


def test_equal_weights_change_nothing() -> None:
    obs = simulate_observations(400, seed=2)
    plain, alike = (
        HazardModel(controls="segment").fit(
            replace(obs, frame=obs.frame.assign(response_weight=weight))
        )
        for weight in (1.0, 2.5)
    )
    assert [one.log_ratio for one in plain.terms] == [one.log_ratio for one in alike.terms]
    assert [one.std_error for one in plain.terms] == [one.std_error for one in alike.terms]
    assert not alike.is_weighted
    first, second = (
        RetentionModel(family="geometric").fit_covariates(
            replace(obs, frame=obs.frame.assign(response_weight=weight)), "rating"
        )
        for weight in (1.0, 2.5)
    )
    assert first.coefficients == pytest.approx(second.coefficients, rel=1e-9)
    assert first.covariance == pytest.approx(second.covariance, rel=1e-9)
    assert first.statistic == pytest.approx(second.statistic, rel=1e-9)


def test_the_size_of_weights_does_not_matter() -> None:
    obs = _with_weights(simulate_observations(400, seed=2))
    larger = replace(obs, frame=obs.frame.assign(response_weight=10 * obs.frame.response_weight))
    one, ten = (HazardModel().fit(each) for each in (obs, larger))
    assert one.terms[0].log_ratio == pytest.approx(ten.terms[0].log_ratio, rel=1e-9)
    assert one.terms[0].std_error == pytest.approx(ten.terms[0].std_error, rel=1e-9)
    assert one.log_likelihood == pytest.approx(ten.log_likelihood, rel=1e-9)


def test_the_log_rank_test_says_that_it_is_not_weighted() -> None:
    obs = simulate_observations(600, seed=2)
    said = "the log-rank test counts every customer once"
    assert any(said in one for one in compare_groups(_with_weights(obs)).caveats)
    assert not any(said in one for one in compare_groups(obs).caveats)


# -- errors


def test_weights_that_leave_little_are_left_aside_and_said() -> None:
    obs = simulate_observations(400, repeats=0.0, seed=2)
    weights = np.ones(obs.n_obs)
    weights[:3] = 1_000.0
    fit = HazardModel().fit(replace(obs, frame=obs.frame.assign(response_weight=weights)))
    assert not fit.is_weighted
    # (3 x 1,000 + 397)^2 / (3 x 1,000^2 + 397) = 3.8
    assert any("weights leave 4 of" in said for said in fit.caveats)
    wrong = replace(obs, frame=obs.frame.assign(response_weight=np.append(-1.0, weights[1:])))
    with pytest.raises(SchemaError, match="response_weight must be a number above 0"):
        HazardModel().fit(wrong)
    # a joined table knows none
    assert not HazardModel().fit(joined_table(800)).is_weighted


# -- recovery of a known truth


def test_weights_bring_back_what_silence_took() -> None:
    # large customers answer 9 times in 10 and their rating moves nothing; of the small ones, whom
    # it moves by exp(-0.4) a point, 1 in 4 answers
    everyone = simulate_observations(8_000, seed=5, rating_effect=0.0, repeats=0.0)
    rng = np.random.default_rng(5)
    frame = everyone.frame
    is_large = (frame["segment"] == "large").to_numpy()
    effect = np.where(is_large, 0.0, -0.4) * (frame["rating"].to_numpy() - 7)
    life = rng.exponential(size=len(frame)) / (0.03 * np.exp(effect)) * MONTH
    end = pd.Timestamp(everyone.as_of) + pd.Timedelta(days=1)
    follow = ((end - frame["responded_at"]).dt.total_seconds() / 86_400).to_numpy()
    frame = frame.assign(duration_days=np.minimum(life, follow), _event=life <= follow)
    everyone = replace(everyone, frame=frame)
    chance = np.where(is_large, 0.9, 0.25)
    answered = rng.random(len(frame)) < chance
    some = replace(everyone, frame=frame[answered].reset_index(drop=True))
    weighed = replace(some, frame=some.frame.assign(response_weight=1 / chance[answered]))
    for fit in (
        lambda obs: HazardModel(baseline="linear").fit(obs).hazard_ratio_per_rating_point(),
        lambda obs: (
            RetentionModel(family="geometric").fit_covariates(obs, "rating").hazard_ratio("rating")
        ),
    ):
        truth, plain, found = (fit(obs) for obs in (everyone, some, weighed))
        assert found.std_error is not None
        assert abs(found.estimate - truth.estimate) < 3 * found.std_error
        assert abs(plain.estimate - truth.estimate) > 4 * found.std_error
