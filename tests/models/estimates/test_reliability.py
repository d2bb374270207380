"""The lift as if one answer held no noise: by hand, against a reference, errors, known truth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import cxmodel as cx
from cxmodel.errors import ConfigError
from cxmodel.models.estimates.answer_noise import answer_noise, from_repeats
from cxmodel.models.estimates.reliability import (
    WITHIN_TERM,
    rating_explained,
    reliability_corrected,
    reliability_corrected_within,
)
from cxmodel.models.estimation import Quantity, Sample
from cxmodel.models.joint import joint_covariance
from cxmodel.models.lift import LiftModel
from cxmodel.models.lift_fit import fit_lift
from cxmodel.models.lift_settings import LiftSettings
from cxmodel.results import NotRun
from cxmodel.scales import NPS, Scale
from cxmodel.tables.observation_table import Observations, Windows

WIDE = Scale(name="wide", low=-200, high=200, top_box=100, higher_is_better=True)


def noisy_observations(
    n_customers: int = 1_500,
    seed: int = 0,
    *,
    noise: float = 2.0,
    n_answers: int = 2,
    days_apart: float = 20.0,
    dollars: float = 10.0,
    segment_effect: float = 2.0,
    **changes: object,
) -> Observations:
    """Make customers with a true satisfaction of spread 2 within segments, answered with noise.

    An outcome follows what they feel (`dollars` a point), not what they answer. Answers are in
    whole points of a wide scale.
    """
    rng = np.random.default_rng(seed)
    segment = rng.integers(0, 2, n_customers)
    felt = 40 + segment_effect * segment + rng.normal(0, 2, n_customers)
    spent = 100 + dollars * felt + 30 * segment + rng.normal(0, 20, n_customers)
    who = np.repeat(np.arange(n_customers), n_answers)
    answered = 4 * (felt[who] + rng.normal(0, noise, len(who)))
    days = np.tile(np.arange(n_answers) * days_apart, n_customers)
    frame = pd.DataFrame(
        {
            "customer_id": [f"c{i:05d}" for i in who],
            "responded_at": pd.Timestamp("2025-03-01") + pd.to_timedelta(days, "D"),
            "rating": np.round(answered) / 4,
            "revenue_after": spent[who],
            "churned": (rng.random(n_customers) < 0.3)[who].astype(float),
            "outcome_complete": True,
            "segment": np.array(["small", "large"])[segment][who],
            "days_since_contact": np.nan,
            "_days_since_booking": np.nan,
        }
    )
    settings: dict[str, object] = {
        "frame": frame,
        "windows": Windows(),
        "rating": "felt",
        "scale": WIDE,
        "currency": "USD",
        "churn_rule": "churned_at",
        "attributes": ("segment",),
        "customer_attributes": ("segment",),
        "audit": {"match_rate": 1.0},
    }
    return Observations(**{**settings, **changes})  # type: ignore[arg-type]


def fitted(obs, reliability, outcome="revenue", **settings):
    return fit_lift(obs, outcome, LiftSettings(reliability=reliability, **settings))


# -- by hand ---------------------------------------------------------------------------------


def test_truth_10_seen_as_6_is_corrected_to_10():
    """methods 3: reliability .6 and nothing held equal; 6.0 / .6 = 10."""
    corrected = 6.0 / 0.6
    obs = noisy_observations(noise=2 * np.sqrt(0.4 / 0.6), n_answers=1, segment_effect=0, seed=5)
    lift = LiftModel(controls=[], reliability=0.6).fit(obs)
    naive, found = (
        lift.terms[f"{name}per_rating_point"] for name in ("unadjusted_", "reliability_corrected_")
    )
    assert found.estimate == pytest.approx(naive.estimate / 0.6)
    assert found.std_error == pytest.approx(naive.std_error / 0.6)
    assert naive.estimate == pytest.approx(6.0, abs=0.6)
    assert found.estimate == pytest.approx(corrected, abs=1.0)


def test_only_repeats_with_nothing_between_them_count():
    """Of 40 customers with two answers 4 had a contact, 3 a booking, 2 took too long, 1 moved."""
    obs = noisy_observations(40, n_answers=2, days_apart=20)
    second = np.arange(40) * 2 + 1
    frame = obs.frame.assign(touchpoint="web")
    frame.loc[second[:4], "days_since_contact"] = [1.0, 5.0, 19.5, 20.0]
    frame.loc[second[4:7], "_days_since_booking"] = [0.5, 3.0, 20.0]
    frame.loc[second[7:8], "days_since_contact"] = 21.0  # before the first answer: no harm
    frame.loc[second[8:10], "responded_at"] += pd.Timedelta("12D")
    frame.loc[second[10], "touchpoint"] = "phone"
    found = answer_noise(fitted(replace(obs, frame=frame), {"within_days": 30}, controls=()))
    assert found.n_repeats == 30
    assert found.said == (
        "from 30 pairs of answers of 30 customers within 30 days of each other with no contact or "
        "booking between them"
    )
    used = np.r_[7:8, 11:40]
    first, second = frame["rating"].to_numpy()[used * 2], frame["rating"].to_numpy()[used * 2 + 1]
    both = np.r_[first, second]
    expected = np.mean((first - both.mean()) * (second - both.mean())) / both.var()
    assert found.reliability.value == pytest.approx(expected)


def test_bookings_and_contacts_between_are_found_in_the_tables():
    """50 customers answer on days 0 and 10; 8 book on day 5, 6 call on day 9, 3 book on day 0."""
    ids = [f"c{i:02d}" for i in range(50)]
    first = pd.Timestamp("2025-03-01T12:00")
    rng = np.random.default_rng(0)
    answers = pd.DataFrame(
        {
            "customer_id": ids * 2,
            "responded_at": [first] * 50 + [first + pd.Timedelta("10D")] * 50,
            "q": rng.integers(0, 11, 100),
        }
    )
    later = {"booked_at": first + pd.Timedelta("30D"), "amount": rng.gamma(2, 50, 50)}
    booked = pd.concat(
        [
            pd.DataFrame({"customer_id": ids, **later}),
            pd.DataFrame({"customer_id": ids[:8], "booked_at": first + pd.Timedelta("5D")}),
            pd.DataFrame({"customer_id": ids[20:23], "booked_at": first.normalize()}),
        ]
    ).fillna({"amount": 1.0})
    calls = pd.DataFrame({"customer_id": ids[4:14], "started_at": first + pd.Timedelta("9D")})
    surveys = cx.read_surveys(answers, ratings={"nps": ("q", NPS)})
    for interactions, n_pairs, said in (
        (cx.read_interactions(calls), 36, "with no contact or booking between them"),
        (None, 42, "with no booking between them (contacts are not known)"),
    ):
        obs = cx.join_observations(
            surveys,
            revenue=cx.read_revenue(booked, currency="USD"),
            interactions=interactions,
            windows=Windows(lookback_days=30, outcome_days=60),
            as_of="2025-12-31",
        )
        found = answer_noise(fitted(obs, {"within_days": 30}, controls=()))
        assert found.n_repeats == n_pairs
        assert found.said.endswith(said)


def test_what_controls_explain_is_taken_off():
    fit = fitted(noisy_observations(800), {"mean": 0.7, "sd": 0.05})
    found, told = reliability_corrected(fit), rating_explained(fit.sample).value
    assert found.left.value == pytest.approx((0.7 - told) / (1 - told))
    slope = fit.headline.slope
    assert found.value == pytest.approx(slope.value / found.left.value)
    # the stated error alone, carried through lambda* to the ratio
    assert found.stated["lift.reliability"] == pytest.approx(
        -slope.value / found.left.value**2 * 0.05 / (1 - told)
    )


# -- against a reference ---------------------------------------------------------------------


def test_r2_is_that_of_numpy_with_the_same_weights():
    fit = fitted(noisy_observations(300, n_answers=3), 0.7)
    sample = fit.sample
    design = (
        np.column_stack([np.ones(sample.n_obs), sample.controls]) * np.sqrt(sample.share)[:, None]
    )
    left = np.linalg.lstsq(design, sample.rating * np.sqrt(sample.share), rcond=None)[1][0]
    total = sample.share @ (sample.rating - sample.share @ sample.rating) ** 2
    assert rating_explained(sample).value == pytest.approx(1 - left / total, rel=1e-10)


def test_a_shift_of_everyone_is_corrected_as_the_headline_with_the_error_of_both():
    """The factor is 1 / left; near zero the interval is Fieller's there as well."""
    frame = noisy_observations(800).frame
    ratings = np.clip(np.round(frame["rating"] / 4 - 3.5), 0, 10)
    obs = replace(noisy_observations(800), frame=frame.assign(rating=ratings), scale=NPS)
    for sd, is_far in ((0.02, True), (0.2, False)):
        lift = LiftModel(reliability={"mean": 0.7, "sd": sd}, flexible=False).fit(obs)
        seen, found = lift.per_kpi["uniform_shift"], lift.per_kpi_corrected["uniform_shift"]
        left = lift.to_section()["reliability"]["left"]
        assert found.estimate == pytest.approx(seen.estimate / left.estimate)
        assert found.unit == seen.unit
        stated = found.estimate * left.std_error / left.estimate
        parts = seen.std_error / left.estimate, stated
        assert found.std_error == pytest.approx(np.hypot(*parts), rel=0.05)
        above, below = found.conf_high - found.estimate, found.estimate - found.conf_low
        assert (above == pytest.approx(below)) is is_far
    assert isinstance(lift.per_kpi_corrected["detractor_to_passive"], NotRun)


def test_a_stated_sd_is_shared_by_both_outcomes():
    obs = noisy_observations(800)
    stated = {"mean": 0.7, "sd": 0.1}
    lifts = [LiftModel(outcome=o, reliability=stated).fit(obs) for o in ("revenue", "retention")]
    term = "reliability_corrected_per_rating_point"
    _, _, covariance = joint_covariance(lifts, [term])
    psi = [lift.influence[term] for lift in lifts]
    shared = [lift.stated[term]["lift.reliability"] for lift in lifts]
    assert covariance[0, 1] == pytest.approx(psi[0] @ psi[1] + shared[0] * shared[1])
    for i, lift in enumerate(lifts):
        assert covariance[i, i] == pytest.approx(lift.terms[term].std_error ** 2)
    drawn = lifts[0].sample(20_000, 1, (term,))
    assert drawn.std() == pytest.approx(lifts[0].terms[term].std_error, rel=0.03)


def test_far_from_zero_the_interval_is_symmetric_and_near_it_fieller_s():
    obs = noisy_observations(800)
    for sd, is_far in ((0.02, True), (0.2, False)):
        found = reliability_corrected(fitted(obs, {"mean": 0.7, "sd": sd}))
        estimate = found.to_estimate("USD", conf_level=0.95)
        above, below = estimate.conf_high - estimate.estimate, estimate.estimate - estimate.conf_low
        assert (above == pytest.approx(below)) is is_far
        assert above >= below - 1e-9


# -- errors ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reliability", "changes", "reason"),
    [
        (None, {}, "nobody said how noisy one answer is. 40 of the answers here repeat"),
        ({"within_days": 10}, {}, "0 customers answered again within 10 days"),
        ({"within_days": 120}, {}, "are looked for up to 90 days apart. State 90 or less"),
        ({"within_days": 30}, {"n_answers": 1}, "no customer answered more than once"),
        (0.15, {}, "what is left is under 0.1, too little to divide by"),
        ({"mean": 0.7, "sd": 0.5}, {}, "so the corrected lift has no bounds"),
    ],
)
def test_what_cannot_be_corrected_says_why(reliability, changes, reason):
    found = reliability_corrected(fitted(noisy_observations(40, **changes), reliability))
    assert isinstance(found, NotRun)
    assert reason in found.reason


def test_everybody_who_repeats_alike_tells_nothing():
    obs = noisy_observations(60, n_answers=2)
    ratings = np.where(np.arange(120) < 80, 40.0, obs.frame["rating"])
    frame = obs.frame.assign(rating=ratings)
    frame.loc[80:, "days_since_contact"] = 1.0
    found = from_repeats(fitted(replace(obs, frame=frame), None, controls=()), 30)
    assert found == NotRun("everybody who answered twice gave one and the same rating")


@pytest.mark.parametrize("value", [0.0, 1.2, "high", True])
def test_a_reliability_out_of_range_is_refused(value):
    with pytest.raises(ValueError, match="must lie above 0 and be at most 1"):
        LiftModel(reliability=value)


def test_an_unknown_form_and_an_unknown_item_are_refused():
    with pytest.raises(ValueError, match=r"lift.reliability is .*State lift.reliability: a number"):
        LiftModel(reliability={"days": 3})
    fit = fitted(noisy_observations(60), {"items": ["felt", "ease"]})
    with pytest.raises(ConfigError, match="there is no rating 'ease'"):
        reliability_corrected(fit)


def test_items_that_do_not_make_up_the_rating_say_nothing_of_it():
    obs = noisy_observations(200)
    rng = np.random.default_rng(1)
    frame = obs.frame.assign(rating_a=rng.normal(size=400), rating_b=rng.normal(size=400))
    obs = replace(obs, frame=frame, other_ratings=("rating_a", "rating_b"))
    found = answer_noise(fitted(obs, {"items": ["a", "b"]}))
    assert "the rating is neither one of a and b nor a sum of them" in found.reason


def test_result_says_what_the_correction_rests_on():
    lift = LiftModel(outcome="retention", reliability={"within_days": 30}).fit(
        noisy_observations(400)
    )
    said = " ".join(lift.caveats)
    assert "from 400 pairs of answers of 400 customers within 30 days" in said
    assert "right to first order for the logit" in said
    section = lift.to_section()["reliability"]
    assert section["n_repeats"] == 400
    assert section["left"].estimate < section["reliability"].estimate < 1
    bare = LiftModel().fit(noisy_observations(100))
    assert isinstance(bare.to_section()["reliability"], NotRun)


# -- recovery of a known truth ---------------------------------------------------------------


def test_repeats_recover_the_lift_and_their_error_is_carried():
    """Truth 10, reliability within segments .5: over 60 worlds the mean and the spread."""
    found = []
    for seed in range(60):
        corrected = reliability_corrected(
            fitted(noisy_observations(600, seed), {"within_days": 30})
        )
        found.append((corrected.value, corrected.std_error, corrected.slope.value))
    values, errors, naive = np.array(found).T
    # two noisy answers of one customer are not averaged: the naive slope is half the truth
    assert naive.mean() == pytest.approx(5.0, abs=0.1)
    assert values.mean() == pytest.approx(10.0, abs=4 * values.std() / np.sqrt(60))
    assert errors.mean() == pytest.approx(values.std(), rel=0.25)


@pytest.mark.parametrize("rating", ["q0", "mean"])
def test_items_recover_the_lift_for_one_item_and_for_their_mean(rating):
    """Truth 10; three questions with one common factor, and the rating is one, or their mean."""
    obs = noisy_observations(3_000, 3, n_answers=1)
    rng = np.random.default_rng(9)
    felt = rng.normal(40, 2, 3_000)
    items = np.round(felt[:, None] + rng.normal(0, [2.0, 1.5, 3.0], (3_000, 3)))
    frame = obs.frame.assign(revenue_after=10 * felt + rng.normal(0, 20, 3_000))
    frame["rating"] = items[:, 0] if rating == "q0" else items.mean(axis=1)
    others = [key for key in ("q0", "q1", "q2") if key != rating]
    frame = frame.assign(**{f"rating_{key}": items[:, int(key[1])] for key in others})
    obs = replace(
        obs, frame=frame, rating=rating, other_ratings=tuple(f"rating_{key}" for key in others)
    )
    found = reliability_corrected(fitted(obs, {"items": ["q0", "q1", "q2"]}))
    # noise of spread 2 in one answer; in the mean a third of (2, 1.5, 3): squares 4 and 15.25 / 9
    naive = 10 * 4 / (4 + (4 if rating == "q0" else 15.25 / 9))
    assert found.slope.value == pytest.approx(naive, rel=0.05)
    assert found.value == pytest.approx(10.0, abs=3 * found.std_error)
    assert found.std_error < 0.6


def test_within_customers_the_reliability_left_is_that_of_differences():
    """Felt wanders by 1 around a lasting spread of 2; noise 1: .5 of a difference is true."""
    rng = np.random.default_rng(2)
    n, waves = 3_000, 3
    who = np.repeat(np.arange(n), waves)
    lasting = rng.normal(0, 2, n)[who]
    felt = lasting + rng.normal(0, 1, n * waves)
    rating = felt + rng.normal(0, 1, n * waves)
    outcome = 10 * felt - 20 * lasting + rng.normal(0, 5, n * waves)
    sample = Sample.build(outcome, rating, np.zeros((n * waves, 0)), who, n)
    inner = rating - (np.bincount(who, rating) / waves)[who]
    slope = float(inner @ outcome / (inner @ inner))
    pulls = np.bincount(who, inner * (outcome - slope * inner)) / (inner @ inner)
    fit = replace(fitted(noisy_observations(100), 5 / 6), customers=np.arange(n))
    found = reliability_corrected_within(fit, Quantity(slope, pulls, n * waves), sample)
    # reliability 5/6, correlation between waves 4/6: (5/6 - 4/6) / (1 - 4/6) = .5
    assert found.left.value == pytest.approx(0.5, abs=0.05)
    assert slope == pytest.approx(5.0, abs=0.3)
    assert found.value == pytest.approx(10.0, abs=4 * found.std_error)


def noisy_waves(n_customers: int, seed: int, noise: float = 1.0) -> Observations:
    """Make three waves 200 days apart: felt wanders by 1 around a lasting spread of 2.

    An outcome follows what is felt, 10 dollars or .05 in probability a point; who spends less and
    leaves more rates higher for good, so that only a comparison within customers tells the truth.
    """
    rng = np.random.default_rng(seed)
    obs = noisy_observations(n_customers, seed, n_answers=3, days_apart=200, segment_effect=0)
    n = obs.n_obs
    lasting = np.repeat(rng.normal(0, 2, n_customers), 3)
    moves = rng.normal(0, 1, n)
    stays = rng.random(n) < np.clip(0.5 + 0.05 * moves - 0.02 * lasting, 0, 1)
    frame = obs.frame.assign(
        rating=np.round(4 * (40 + lasting + moves + rng.normal(0, noise, n))) / 4,
        revenue_after=500 + 10 * moves - 10 * lasting + rng.normal(0, 5, n),
        churned=1.0 - stays,
    )
    return replace(obs, frame=frame)


@pytest.mark.parametrize(("outcome", "truth"), [("revenue", 10.0), ("retention", 0.05)])
def test_a_lift_within_customers_with_noisy_answers_is_recovered(outcome, truth):
    """Reliability 5/6 stated, correlation between waves 4/6: half of a difference is noise."""
    model = LiftModel(outcome=outcome, controls=[], reliability=5 / 6, flexible=False)
    lift = model.fit(noisy_waves(4_000, 4))
    seen = lift.terms["within_customer_per_rating_point"]
    found = lift.terms[WITHIN_TERM]
    section = lift.to_section()["reliability_within_customer"]
    assert section["correlation_between_waves"].estimate == pytest.approx(4 / 6, abs=0.03)
    assert section["left"].estimate == pytest.approx(0.5, abs=0.05)
    assert found.estimate == pytest.approx(seen.estimate / section["left"].estimate)
    assert seen.estimate == pytest.approx(truth / 2, abs=4 * seen.std_error)
    assert found.estimate == pytest.approx(truth, abs=4 * found.std_error)
    # what is seen is far from the truth, so that the test can tell
    assert abs(seen.estimate - truth) > 2 * seen.std_error
    said = " ".join(lift.caveats)
    told = section["correlation_between_waves"].estimate
    assert f"the correlation is {told:.2f}: of how a customer's own answers differ" in said
    assert WITHIN_TERM in set(lift.estimates_frame()["term"])


@pytest.mark.parametrize(
    ("reliability", "n_answers", "reason"),
    [
        (0.9, 1, "it needs the lift within customers: none of 300 customers answered again"),
        (None, 3, "nobody said how noisy one answer is"),
        (0.7, 3, "and lasting differences between customers are 0.6"),
    ],
)
def test_a_lift_within_customers_that_cannot_be_corrected_says_why(reliability, n_answers, reason):
    obs = noisy_waves(300, 1)
    if n_answers == 1:
        obs = replace(obs, frame=obs.frame.iloc[::3].reset_index(drop=True))
    lift = LiftModel(controls=[], reliability=reliability, flexible=False).fit(obs)
    found = lift.terms[WITHIN_TERM]
    assert isinstance(found, NotRun)
    assert reason in found.reason
    assert isinstance(lift.to_section()["reliability_within_customer"], NotRun)
