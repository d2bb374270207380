"""The simulated tables."""

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cxmodel as cx

TABLES = ("surveys", "customers", "revenue", "interactions", "invitations")
DAY = pd.Timedelta(days=1)
END = pd.Timestamp("2026-07-01")


@pytest.fixture(scope="module")
def demo():
    return cx.datasets.simulate(n_customers=3_000, seed=2)


def known_answers(sim):
    found = sim.surveys.drop_duplicates().merge(sim.customers, on="customer_id")
    return found.sort_values(["customer_id", "responded_at"], ignore_index=True)


def test_sizes_are_those_of_a_real_study(demo):
    assert len(demo.customers) == 3_000
    assert 35 < len(demo.revenue) / 3_000 < 45
    assert 0.9 < len(demo.surveys) / 3_000 < 1.4
    assert 0.30 < len(demo.surveys) / len(demo.invitations) < 0.50


def test_columns(demo):
    assert list(demo.surveys) == ["customer_id", "responded_at", "nps", "ease", "touchpoint"]
    assert list(demo.revenue) == ["customer_id", "booked_at", "amount"]
    assert list(demo.invitations) == ["customer_id", "invited_at"]
    assert {"started_at", "churned_at", "segment", "plan", "region"} < set(demo.customers)
    assert {"started_at", "resolved_at", "resolve_by", "stage"} < set(demo.interactions)


def test_the_demo_has_the_flaws_of_real_data(demo):
    known = demo.surveys["customer_id"].isin(demo.customers["customer_id"])
    n_flaws = round(0.002 * len(known_answers(demo)))
    assert (~known).sum() == n_flaws
    assert demo.surveys.duplicated().sum() > 0
    assert 0.01 < demo.surveys["nps"].isna().mean() < 0.06
    assert (demo.revenue["amount"] < 0).any()
    assert not demo.revenue["customer_id"].isin(demo.customers["customer_id"]).all()


def test_other_worlds_have_none_of_them():
    clean = cx.datasets.simulate(n_customers=500, seed=2, world="clean")
    assert clean.surveys["customer_id"].isin(clean.customers["customer_id"]).all()
    assert not clean.surveys.duplicated().any()
    assert clean.surveys["nps"].notna().all()


def test_nobody_answers_before_starting_or_after_leaving(demo):
    answers = known_answers(demo)
    assert (answers["responded_at"] > answers["started_at"] + 59 * DAY).all()
    left = answers["churned_at"].fillna(END)
    assert (answers["responded_at"] < left).all()


def test_nothing_is_booked_after_leaving(demo):
    booked = demo.revenue.merge(demo.customers, on="customer_id")
    assert (booked["booked_at"] <= booked["churned_at"].fillna(END)).all()
    assert (booked["booked_at"] >= booked["started_at"]).all()


def test_who_has_answered_is_left_in_peace_for_as_long_as_the_answer_acts(demo):
    answers = known_answers(demo)
    gaps = answers.groupby("customer_id")["responded_at"].diff().dropna()
    assert len(gaps) > 100
    assert (gaps >= 270 * DAY).all()


def test_every_answer_follows_an_invitation(demo):
    answers = known_answers(demo)
    asked = demo.invitations.sort_values("invited_at")
    latest = pd.merge_asof(
        answers.sort_values("responded_at"),
        asked,
        left_on="responded_at",
        right_on="invited_at",
        by="customer_id",
    )
    wait = latest["responded_at"] - latest["invited_at"]
    assert wait.notna().all()
    assert (wait <= 13 * DAY).all()


def test_ratings_lie_on_their_scales(demo):
    assert set(demo.surveys["nps"].dropna().unique()) == set(range(11))
    assert demo.surveys["ease"].dropna().between(1, 7).all()


@pytest.mark.parametrize("world", list(cx.datasets.WORLDS))
def test_the_same_seed_gives_the_same_world(world):
    one = cx.datasets.simulate(n_customers=60, seed=4, world=world)
    two = cx.datasets.simulate(n_customers=60, seed=4, world=world)
    other = cx.datasets.simulate(n_customers=60, seed=5, world=world)
    for name in TABLES:
        pd.testing.assert_frame_equal(getattr(one, name), getattr(two, name))
    assert one.truth == two.truth
    assert not one.surveys.equals(other.surveys)


@settings(max_examples=15, deadline=None)
@given(st.integers(10, 80), st.integers(0, 10_000), st.sampled_from(sorted(cx.datasets.WORLDS)))
def test_any_size_and_seed_gives_whole_tables(n_customers, seed, world):
    sim = cx.datasets.simulate(n_customers=n_customers, seed=seed, world=world)
    assert len(sim.customers) == n_customers
    assert sim.customers["customer_id"].is_unique
    assert sim.revenue["amount"].notna().all()
    last = max(sim.revenue["booked_at"].max(), sim.surveys["responded_at"].max())
    assert last < END
    assert all(isinstance(value, float) for value in sim.truth.values())


def test_an_unknown_world_names_the_nearest():
    with pytest.raises(ValueError, match=r"There is no world 'demmo'\. Did you mean 'demo'"):
        cx.datasets.simulate(world="demmo")


def test_a_handful_of_customers_is_no_company():
    with pytest.raises(ValueError, match="needs 10 customers or more, not 3"):
        cx.datasets.simulate(n_customers=3)
