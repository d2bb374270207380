"""Occasions to answer, worked by hand on a few customers, and against an obvious count."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import cxmodel as cx
from cxmodel.results import NotRun
from cxmodel.tables.engines.engine import default_session
from cxmodel.tables.join_settings import JoinSettings
from cxmodel.tables.joining.probes import is_sampled
from cxmodel.tables.observations import observe
from cxmodel.tables.occasions import OccasionSettings
from cxmodel.tables.one_engine import one_engine

WINDOWS = cx.Windows(lookback_days=30, outcome_days=30)


def occasions_of(tables, *, windows=WINDOWS, **settings):
    readers = {
        "surveys": lambda t: cx.read_surveys(t, ratings={"nps": ("score", cx.NPS)}),
        "customers": lambda t: cx.read_customers(t, attributes=["segment"]),
        "revenue": lambda t: cx.read_revenue(t, currency="USD"),
        "interactions": cx.read_interactions,
        "invitations": cx.read_invitations,
    }
    sources = one_engine({kind: readers[kind](table) for kind, table in tables.items()}, "USD")
    asked = JoinSettings(
        windows=windows,
        response=OccasionSettings(**settings),
        as_of=pd.Timestamp("2025-12-31").date(),
    )
    return observe(sources, asked)


def frame(names, rows):
    return pd.DataFrame(rows, columns=names.split())


SURVEYS = frame(
    "customer_id responded_at score",
    [("a", "2025-03-05 10:00", 9), ("a", "2025-05-01 00:00", 7), ("b", "2025-04-02", 3)],
)
CUSTOMERS = frame(
    "customer_id started_at churned_at segment",
    [
        ("a", "2024-01-01", None, "small"),
        ("b", "2024-06-01", "2025-04-20", "small"),
        ("c", "2025-04-10", None, "large"),  # comes after the first landmarks
        ("d", "2024-06-01", "2025-03-20", "large"),  # leaves after the first landmark
    ],
)
REVENUE = frame(
    "customer_id booked_at amount",
    [("a", "2025-02-10", 10.0), ("a", "2025-04-20", 20.0), ("c", "2025-05-20", 7.0)],
)
TABLES = {"surveys": SURVEYS, "customers": CUSTOMERS, "revenue": REVENUE}


@pytest.fixture(scope="module")
def basic():
    return occasions_of(TABLES)


def rows_of(occasions, *columns):
    found = occasions.obs.frame
    days = found["responded_at"].dt.strftime("%m-%d")
    return list(zip(found["customer_id"], days, *(found[c] for c in columns), strict=True))


# -- Landmarks, worked by hand -------------------------------------------------------------------


def test_every_customer_at_risk_has_an_occasion_every_28_days(basic):
    # the first landmark is the midnight before the first answer, 5 March; then 2 and 30 April
    occasions = basic.occasions
    assert occasions.population == "at_risk"
    assert occasions.words == "customers at risk"
    assert rows_of(occasions, "_answered") == [
        ("a", "03-05", True),
        ("a", "04-02", False),
        ("a", "04-30", True),  # 1 May lies in the period from 30 April
        ("b", "03-05", False),
        ("b", "04-02", True),  # answered at the very landmark: before the next one
        ("c", "04-30", False),  # started on 10 April
        ("d", "03-05", False),  # left on 20 March
    ]


def test_answers_find_their_occasions(basic):
    obs = basic
    own = obs.occasions.obs.frame.iloc[obs.occasions.of_response]
    assert own["customer_id"].tolist() == obs.frame["customer_id"].tolist() == ["a", "a", "b"]
    assert own["responded_at"].dt.strftime("%m-%d").tolist() == ["03-05", "04-30", "04-02"]


def test_what_was_known_is_known_of_the_landmark_and_not_of_the_answer(basic):
    occasions = basic.occasions
    known = {(who, day): amount for who, day, amount in rows_of(occasions, "revenue_before")}
    # 30 days before 5 March, 2 April and 30 April
    assert [known["a", day] for day in ("03-05", "04-02", "04-30")] == [10.0, 0.0, 20.0]


def test_outcomes_begin_when_the_occasion_is_over(basic):
    # 28 to 58 days after the landmark: 20 April is 46 days after 5 March, 18 after 2 April
    occasions = basic.occasions
    assert occasions.obs.windows.gap_days == 28
    after = {(who, day): amount for who, day, amount in rows_of(occasions, "revenue_after")}
    assert [after["a", day] for day in ("03-05", "04-02", "04-30")] == [20.0, 0.0, 0.0]
    here = {(who, day): gone for who, day, gone in rows_of(occasions, "_left_in_gap")}
    assert here["b", "04-02"]  # left on 20 April, before the outcome counts
    assert not here["b", "03-05"]


def test_without_a_start_an_occasion_begins_with_the_first_booking():
    tables = {"surveys": SURVEYS[:1].assign(responded_at="2025-03-05"), "revenue": REVENUE}
    occasions = occasions_of(tables).occasions
    assert rows_of(occasions, "_answered") == [("a", "03-05", True)]  # c books first in May


def test_landmarks_of_another_length():
    occasions = occasions_of(TABLES, landmark_days=14).occasions
    days = {day for _, day in rows_of(occasions)}
    assert days == {"03-05", "03-19", "04-02", "04-16", "04-30"}
    assert occasions.period_days == occasions.obs.windows.gap_days == 14


# -- Invitations, worked by hand -----------------------------------------------------------------

INVITATIONS = frame(
    "customer_id invited_at",
    [
        ("a", "2025-03-01"),
        ("a", "2025-03-20"),  # answered 42 days later: no answer within 30
        ("b", "2025-03-31"),
        ("c", "2025-04-15"),
        ("x", "2025-04-15"),  # nobody knows x
    ],
)


def test_every_invitation_of_a_known_customer_is_an_occasion():
    obs = occasions_of(TABLES | {"invitations": INVITATIONS})
    occasions = obs.occasions
    assert occasions.population == "invited"
    assert occasions.words == "the customers who were invited"
    assert rows_of(occasions, "_answered") == [
        ("a", "03-01", True),
        ("a", "03-20", False),
        ("b", "03-31", True),
        ("c", "04-15", False),
    ]
    assert occasions.of_response.tolist() == [0, -1, 2]
    assert occasions.obs.windows.gap_days == 30


def test_invitations_by_their_ids():
    invitations = INVITATIONS.assign(invitation_id=["i1", "i2", "i3", "i4", "i5"])
    surveys = SURVEYS.assign(invitation_id=["i1", "i4", "i3"])
    # the second answer belongs to the invitation of c, whatever the customer says
    obs = occasions_of(TABLES | {"surveys": surveys, "invitations": invitations})
    assert [row[2] for row in rows_of(obs.occasions, "_answered")] == [True, False, True, True]
    assert obs.occasions.of_response.tolist() == [0, 3, 2]


def test_landmarks_may_be_asked_for_beside_invitations():
    obs = occasions_of(TABLES | {"invitations": INVITATIONS}, population="at_risk")
    assert obs.occasions.population == "at_risk"
    assert len(obs.occasions.obs.frame) == 7


# -- Answers that follow an event ----------------------------------------------------------------


def test_answers_after_events_stand_for_customers_after_events():
    # two of three answers come within 2 days of a contact
    contacts = frame(
        "customer_id started_at", [("a", "2025-03-04"), ("b", "2025-04-02"), ("d", "2025-03-06")]
    )
    occasions = occasions_of(TABLES | {"interactions": contacts}).occasions
    assert occasions.share_near_events == pytest.approx(2 / 3)
    assert occasions.follows_events
    assert occasions.words == "customers after a booking or contact"
    # bookings are events too: that of a on 20 April lies in the period from 2 April, and that of c
    # on 20 May in the one from 30 April, in which a had neither
    assert rows_of(occasions, "_answered") == [
        ("a", "03-05", True),
        ("a", "04-02", False),
        ("b", "04-02", True),
        ("c", "04-30", False),
        ("d", "03-05", False),
    ]
    assert occasions.of_response.tolist() == [0, -1, 2]


def test_answers_away_from_events_stand_for_everybody(basic):
    occasions = basic.occasions
    assert occasions.share_near_events == 0.0
    assert not occasions.follows_events


# -- Against an obvious count, and samples -------------------------------------------------------


@pytest.fixture(scope="module")
def company():
    sim = cx.datasets.simulate(n_customers=200, seed=3, world="confounded")
    return {
        "surveys": sim.surveys.rename(columns={"nps": "score"})[
            ["customer_id", "responded_at", "score"]
        ],
        "customers": sim.customers,
        "revenue": sim.revenue,
    }


@pytest.fixture(scope="module")
def whole(company):
    return occasions_of(company, windows=cx.Windows())


def test_landmarks_against_a_loop(company, whole):
    found = whole.occasions.obs.frame
    answers = company["surveys"].dropna()
    answers = answers[answers["responded_at"] < "2026-01-01"]  # as_of
    first = answers["responded_at"].min().normalize()
    people = company["customers"].set_index("customer_id")
    n_rows = n_answered = 0
    for mark in pd.date_range(first, answers["responded_at"].max(), freq="28D"):
        end = mark + pd.Timedelta(days=28)
        inside = answers[answers["responded_at"].between(mark, end, inclusive="left")]
        there = (people["started_at"] <= mark) & ~(people["churned_at"] <= mark)
        back = company["revenue"].merge(people["churned_at"].rename("left"), on="customer_id")
        back = back[(back["booked_at"] > back["left"]) & (back["booked_at"] <= mark)]
        there |= people.index.isin(back["customer_id"])
        n_rows += int(there.sum())
        n_answered += int(people.index[there].isin(inside["customer_id"]).sum())
    assert len(found) == n_rows
    assert int(found["_answered"].sum()) == n_answered


@pytest.fixture(scope="module")
def some(company):
    return occasions_of(company, windows=cx.Windows(), most_occasions=1_300, seed=1)


def test_a_sample_of_customers_keeps_every_answer(whole, some):
    rate = some.occasions.sample_rate
    assert 0 < rate < 1
    assert some.occasions.of_response.tolist() != [-1] * some.n_obs
    assert (some.occasions.of_response >= 0).sum() == (whole.occasions.of_response >= 0).sum()
    sampled = some.occasions.obs.frame[some.occasions.sampled]
    full = whole.occasions.obs.frame
    n = full["customer_id"].nunique()
    assert sampled["customer_id"].nunique() == pytest.approx(rate * n, abs=2 * np.sqrt(n))
    # a customer is sampled with all occasions or with none
    theirs = full[full["customer_id"].isin(sampled["customer_id"])]
    assert len(theirs) == len(sampled)
    others = some.occasions.obs.frame[~some.occasions.sampled]
    assert others["_answered"].all()


def test_the_same_seed_gives_the_same_sample(company, some):
    again = occasions_of(company, windows=cx.Windows(), most_occasions=1_300, seed=1)
    pd.testing.assert_frame_equal(some.occasions.obs.frame, again.occasions.obs.frame)


def test_a_sample_takes_about_its_share_of_ids_and_another_seed_another():
    names = [f"c{i}" for i in range(20_000)]
    ids = default_session().register(pa.table({"customer_id": names}), "ids")
    chosen = []
    for seed in (7, 8):
        taken = ids.filter(is_sampled(ids.customer_id, 0.25, seed))
        chosen.append(set(default_session().arrow(taken)["customer_id"].to_pylist()))
    spread = np.sqrt(20_000 * 0.25 * 0.75)
    assert len(chosen[0]) == pytest.approx(5_000, abs=4 * spread)
    # two samples that know nothing of each other share a sixteenth of all
    assert len(chosen[0] & chosen[1]) == pytest.approx(1_250, abs=4 * np.sqrt(1_250))


def test_weights_reach_the_engine_in_the_order_of_rows(basic):
    obs = basic
    stored = obs.__dict__["_held"]
    values = np.arange(obs.n_obs, dtype=float) + 1
    made = stored.with_numbers("response_weight", values)
    assert made.frame["response_weight"].tolist() == values.tolist()
    there = made.session.arrow(made.table).to_pandas()
    there = there.set_index("row_number")["response_weight"]
    assert there.loc[made.row_numbers].tolist() == values.tolist()
    made.close()
    assert obs.frame["response_weight"].eq(1).all()


# -- What cannot be ------------------------------------------------------------------------------


def test_without_customers_or_ledger_nobody_is_silent():
    found = occasions_of({"surveys": SURVEYS}).occasions
    assert isinstance(found, NotRun)
    assert "nobody is known who did not answer: add sources.customers" in found.reason


def test_the_invited_need_invitations():
    found = occasions_of(TABLES, population="invited").occasions
    assert isinstance(found, NotRun)
    assert "there are no invitations: add sources.invitations" in found.reason


@pytest.mark.parametrize("setting", ["landmark_days", "within_days", "most_occasions"])
def test_settings_that_cannot_be(setting):
    with pytest.raises(ValueError, match=f"{setting} must be 1 or more, not 0"):
        OccasionSettings(**{setting: 0})
