"""What was put into simulated companies comes out of the whole chain: tables, joins, fits, checks.

Truth comes from the laws that made the data, under changed ratings (``cxmodel/datasets/truth.py``).
The short tests take one company a world; the slow ones ask whether 95% intervals cover.
"""

import numpy as np
import pytest

import cxmodel as cx


def observe(sim):
    """Join a simulated company's tables by way of the public readers."""
    surveys = cx.read_surveys(sim.surveys, ratings={"nps": ("nps", cx.NPS)})
    return cx.join_observations(
        surveys,
        customers=cx.read_customers(sim.customers, attributes=["segment", "plan", "region"]),
        revenue=cx.read_revenue(sim.revenue, currency="USD"),
        interactions=cx.read_interactions(sim.interactions),
        as_of=sim.settings["as_of"],
    )


def fit(world, *, n_customers, seed, outcome="revenue"):
    sim = cx.datasets.simulate(n_customers=n_customers, seed=seed, world=world)
    return sim.truth, cx.LiftModel(outcome=outcome).fit(observe(sim))


def verdicts(lift):
    return {check.name: check.verdict for check in lift.checks}


def holds(estimate, truth):
    return estimate.conf_low <= truth <= estimate.conf_high


@pytest.fixture(scope="module")
def demo():
    sim = cx.datasets.simulate(n_customers=5_000, seed=1)
    return sim, observe(sim)


@pytest.mark.parametrize("outcome", ["revenue", "retention"])
def test_the_adjusted_interval_holds_the_truth_and_the_unadjusted_does_not(demo, outcome):
    sim, obs = demo
    lift = cx.LiftModel(outcome=outcome).fit(obs)
    truth = sim.truth[f"lift.{outcome}.per_rating_point"]
    assert holds(lift.per_rating_point(), truth)
    assert lift.per_rating_point().conf_low > 0
    assert lift.terms["unadjusted_per_rating_point"].conf_low > truth


@pytest.mark.parametrize("outcome", ["revenue", "retention"])
def test_kpi_points_hold_the_truth(demo, outcome):
    sim, obs = demo
    lift = cx.LiftModel(outcome=outcome).fit(obs)
    for path in ("uniform_shift", "detractor_to_promoter"):
        truth = sim.truth[f"lift.{outcome}.per_kpi_point.{path}"]
        assert holds(lift.per_kpi_point(path=path), truth)


@pytest.mark.parametrize("outcome", ["revenue", "retention"])
def test_nothing_fires_in_the_demo(demo, outcome):
    _, obs = demo
    found = verdicts(cx.LiftModel(outcome=outcome).fit(obs))
    for name in ("placebo_before", "timing", "separation", "join", "linearity"):
        assert found[name] != "fail"


def test_the_audit_of_the_demo_adds_up(demo):
    sim, obs = demo
    dropped = {row["reason"]: row["n"] for row in obs.audit["dropped"]["rows"]}
    assert obs.n_obs + sum(dropped.values()) == len(sim.surveys)
    duplicates = sim.surveys[sim.surveys["nps"].notna()].duplicated().sum()
    assert dropped["duplicate_response"] == duplicates
    total = obs.audit["revenue_total"]
    assert total == pytest.approx(round(sim.revenue["amount"].sum(), 2), abs=0.005)
    assert obs.audit["revenue_reconciled"]["difference"] == 0


def test_a_raw_slope_is_right_where_nothing_confounds():
    truth, lift = fit("clean", n_customers=3_000, seed=21)
    assert holds(lift.terms["unadjusted_per_rating_point"], truth["lift.revenue.per_rating_point"])


def test_no_effect_is_found_where_there_is_none():
    _, lift = fit("no_effect", n_customers=3_000, seed=22)
    assert lift.terms["unadjusted_per_rating_point"].conf_low > 0
    assert holds(lift.per_rating_point(), 0.0)


def test_slopes_that_differ_are_averaged_over_customers():
    truth, lift = fit("heterogeneous", n_customers=4_000, seed=23)
    base = truth["lift.revenue.per_rating_point"]
    assert holds(lift.per_rating_point(), base)
    additive = lift.terms["additive_per_rating_point"]
    assert holds(additive, truth["lift.revenue.additive_per_rating_point"])
    assert additive.conf_high < base
    assert verdicts(lift)["weighting"] == "warn"


@pytest.mark.parametrize("outcome", ["revenue", "retention"])
def test_decisions_before_the_answer_make_timing_fail(outcome):
    _, lift = fit("decision_before_answer", n_customers=6_000, seed=24, outcome=outcome)
    assert verdicts(lift)["timing"] == "fail"
    assert lift.evidence.grade == "association"


def test_ratings_that_follow_older_revenue_make_the_placebo_fail():
    _, lift = fit("older_revenue", n_customers=3_000, seed=25)
    assert verdicts(lift)["placebo_before"] == "fail"
    assert lift.evidence.grade == "association"


@pytest.mark.slow
@pytest.mark.parametrize("world", ["demo", "no_effect", "heterogeneous"])
def test_intervals_cover_over_many_companies(world):
    """24 companies: fewer than 19 covers at 95%, or a bias of 0.8 errors, is no accident."""
    off: dict[str, list[float]] = {"revenue": [], "retention": []}
    for seed in range(100, 124):
        sim = cx.datasets.simulate(n_customers=5_000, seed=seed, world=world)
        obs = observe(sim)
        for outcome, z in off.items():
            estimate = cx.LiftModel(outcome=outcome).fit(obs).per_rating_point()
            truth = sim.truth[f"lift.{outcome}.per_rating_point"]
            z.append((estimate.estimate - truth) / estimate.std_error)
    for z in off.values():
        assert np.sum(np.abs(z) < 1.96) >= 19
        assert abs(np.mean(z)) < 0.8
