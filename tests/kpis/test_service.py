"""Service KPIs: kpis.md K8 to K11 and K13, then late, repeated, open and unanswered cases."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cxmodel.errors import ConfigError
from cxmodel.kpis.service import (
    average_handle_time,
    invitations_needed,
    percent_of,
    service_kpis,
    share_within,
)
from cxmodel.scales import NPS
from cxmodel.tables.readers import (
    read_customers,
    read_interactions,
    read_invitations,
    read_surveys,
)

AS_OF = {"as_of": "2026-06-30"}


def contacts_of(**columns: object):
    """Contacts of one customer each, all started on 1 June 2026 unless `columns` says else."""
    n = max(len(column) for column in columns.values() if isinstance(column, list))
    frame = pd.DataFrame({"customer_id": [f"c{i}" for i in range(n)]})
    return read_interactions(frame.assign(**{"started_at": "2026-06-01 09:00", **columns}))


# -- worked by hand ------------------------------------------------------------------------------


def test_handle_time_of_the_articles_kind():
    # K8: 100 calls, 300 + 60 + 40 minutes, 4.0 minutes; here 50 calls of 3 and 50 of 5 minutes
    assert average_handle_time(300, 60, 40, n_answered=100) == 4
    row = service_kpis(contacts_of(handle_seconds=[180.0, 300.0] * 50)).overall("handle_time")
    assert row["estimate"] == pytest.approx(4)
    assert row["std_error"] == pytest.approx(np.std([3, 5] * 50, ddof=1) / 10)
    assert row["median"] == 4
    assert row["unit"] == "minutes per answered contact"


def test_first_contact_resolution_is_over_first_contacts():
    # K9: 100 first calls, 30 call again within a week: 70 of 100, not of 130
    first = [(f"c{i}", "2026-06-01", "x") for i in range(100)]
    again = [(f"c{i}", "2026-06-04", "x") for i in range(30)]
    frame = pd.DataFrame(first + again, columns=["customer_id", "started_at", "issue"])
    row = service_kpis(read_interactions(frame), **AS_OF).overall("first_contact_resolution")
    assert (row["estimate"], row["n_obs"]) == (70, 100)


def test_a_repeat_within_exactly_a_week_counts():
    times = ["2026-06-01 00:00", "2026-06-08 00:00", "2026-06-15 00:01"]
    frame = pd.DataFrame({"customer_id": "a", "started_at": times, "issue": "x"})
    row = service_kpis(read_interactions(frame), **AS_OF).overall("first_contact_resolution")
    # the second is a repeat of the first; the third, a minute later than a week, is a first again
    assert (row["estimate"], row["n_obs"]) == (50, 2)


def test_another_issue_is_another_first_contact():
    frame = pd.DataFrame(
        {"customer_id": "a", "started_at": ["2026-06-01", "2026-06-02"], "issue": ["x", "y"]}
    )
    row = service_kpis(read_interactions(frame), **AS_OF).overall("first_contact_resolution")
    assert (row["estimate"], row["n_obs"]) == (100, 2)


def test_a_contact_whose_week_is_not_over_is_left_out():
    contacts = contacts_of(issue=["x", "x"], started_at=["2026-06-01", "2026-06-28"])
    result = service_kpis(contacts, **AS_OF)
    assert result.overall("first_contact_resolution")["n_obs"] == 1
    assert result.dropped["first_contact_resolution"] == {"not_usable": 1}


def test_a_flag_decides_where_there_is_one():
    contacts = contacts_of(first_contact_resolution=[True, True, False, None])
    row = service_kpis(contacts).overall("first_contact_resolution")
    assert row["estimate"] == pytest.approx(200 / 3)
    assert row["unit"] == "percent of contacts, 0-100"


def test_late_is_past_the_promise_or_open_past_it():
    contacts = contacts_of(
        # in time to the second, late, open and overdue, open and not yet due, without a promise
        resolved_at=["2026-06-05", "2026-06-06", None, None, "2026-06-09"],
        resolve_by=["2026-06-05", "2026-06-05", "2026-06-05", "2026-07-05", None],
    )
    row = service_kpis(contacts, **AS_OF).overall("late_rate")
    assert row["n_obs"] == 3
    assert row["estimate"] == pytest.approx(200 / 3)


def test_what_was_resolved_later_is_open_today():
    contacts = contacts_of(
        resolved_at=["2026-07-20", "2026-06-02 09:00"], resolve_by=["2026-06-05"] * 2
    )
    result = service_kpis(contacts, **AS_OF)
    assert result.overall("late_rate")["estimate"] == 50
    assert result.overall("time_to_resolution")["mean"] is None


def test_time_to_resolution_counts_open_cases():
    # K10: closed after 1, 2, 3 and 4 hours, mean 2.5; four more are open since 30 days: half are
    # closed after 4 hours
    closed = [f"2026-06-01 {9 + hour:02d}:00" for hour in (1, 2, 3, 4)]
    row = service_kpis(contacts_of(resolved_at=closed), **AS_OF).overall("time_to_resolution")
    assert (row["estimate"], row["mean"]) == (2.5, 2.5)
    with_open = service_kpis(contacts_of(resolved_at=[*closed, None, None, None]), **AS_OF)
    row = with_open.overall("time_to_resolution")
    assert (row["estimate"], row["mean"], row["n_obs"]) == (4, None, 7)
    assert row["unit"] == "hours, median"


def test_first_response_has_median_and_mean():
    row = service_kpis(contacts_of(first_response_minutes=[0.5, 1.0, 30.0])).overall(
        "first_response_time"
    )
    assert (row["estimate"], row["median"]) == (1, 1)
    assert row["mean"] == pytest.approx(10.5)


def test_share_within_a_promise():
    # K11: the share within 60 seconds; who has no answer yet is outside
    assert share_within([30, 60, 61, np.nan], 60).estimate == 50


def test_invitations_for_so_many_answers():
    assert invitations_needed(938, 0.05) == 18_760


# -- invitations ---------------------------------------------------------------------------------


def test_an_answer_belongs_to_the_latest_invitation_before_it():
    asked = pd.DataFrame(
        {"customer_id": ["a", "a", "b"], "invited_at": ["2026-01-01", "2026-02-01", "2026-01-01"]}
    )
    answers = pd.DataFrame(
        {
            "customer_id": ["a", "a", "b", "z"],
            # both of a's answers follow the second invitation, b's came before he was asked
            "responded_at": ["2026-02-01", "2026-02-03", "2025-12-31", "2026-03-01"],
            "nps": [9, 3, 9, 9],
        }
    )
    result = service_kpis(
        invitations=read_invitations(asked),
        surveys=read_surveys(answers, ratings={"nps": ("nps", NPS)}),
        period="month",
        min_group_size=1,
    )
    rates = {row["period"]: (row["estimate"], row["n_obs"]) for row in result.rows}
    assert rates == {
        None: (pytest.approx(100 / 3), 3),
        "2026-01": (0, 2),
        "2026-02": (100, 1),
    }


def test_an_id_that_both_have_decides():
    asked = pd.DataFrame(
        # the second invitation was sent twice
        {"customer_id": list("abb"), "invited_at": "2026-01-01", "invitation_id": ["i", "j", "j"]}
    )
    answers = pd.DataFrame(
        {
            "customer_id": ["a", "b"],
            "responded_at": "2025-01-01",
            "invitation_id": ["i", "j"],
            "nps": [9, None],
        }
    )
    surveys = read_surveys(answers, ratings={"nps": ("nps", NPS)}, invitation_id="invitation_id")
    invitations = read_invitations(asked, invitation_id="invitation_id")
    result = service_kpis(invitations=invitations, surveys=surveys)
    # j came back without a rating: that is no answer
    assert (result.overall()["estimate"], result.overall()["n_obs"]) == (50, 2)
    assert result.dropped["response_rate"] == {"not_usable": 1}


# -- groups and periods --------------------------------------------------------------------------


def test_groups_are_those_of_contacts_and_customers():
    customers = read_customers(
        pd.DataFrame({"customer_id": ["c0", "c1"], "plan": ["pro", "free"]}), attributes="plan"
    )
    contacts = contacts_of(handle_seconds=[60.0, 120.0], stage=["call", "mail"])
    result = service_kpis(
        contacts, by=["plan", "stage", "touchpoint"], customers=customers, min_group_size=1
    )
    groups = [row["group"] for row in result.rows]
    assert groups == [{}, {"plan": "free"}, {"plan": "pro"}, {"stage": "call"}, {"stage": "mail"}]


def test_a_contact_belongs_to_the_period_in_which_it_started():
    contacts = contacts_of(
        handle_seconds=[60.0, 120.0], started_at=["2026-03-31 23:30", "2026-04-02 00:00"]
    )
    result = service_kpis(contacts, period="quarter", time_zone="Europe/Berlin", min_group_size=1)
    # 23:30 UTC on 31 March is 1 April in Berlin
    assert [row["period"] for row in result.rows] == [None, "2026-Q2"]


# -- against a reference: plain pandas -----------------------------------------------------------


def test_figures_agree_with_pandas():
    rng = np.random.default_rng(6)
    n = 2_000
    frame = pd.DataFrame(
        {
            "customer_id": [f"c{i}" for i in rng.integers(0, 700, n)],
            "started_at": pd.Timestamp("2026-01-01")
            + pd.to_timedelta(rng.integers(0, 200_000, n), "min"),
            "stage": rng.choice(["call", "mail"], n),
            "handle_seconds": rng.gamma(2, 90, n).round(3),
            "first_response_minutes": rng.exponential(20, n).round(1),
        }
    )  # fmt: skip
    frame["resolved_at"] = frame.started_at + pd.to_timedelta(rng.integers(1, 5_000, n), "min")
    result = service_kpis(read_interactions(frame, stage="stage"), by="stage")
    for row in result.rows:
        rows = frame[frame.stage == row["group"]["stage"]] if row["group"] else frame
        hours = (rows.resolved_at - rows.started_at).dt.total_seconds() / 3_600
        values = {
            "handle_time": rows.handle_seconds.mean() / 60,
            "first_response_time": rows.first_response_minutes.median(),
            "time_to_resolution": hours.median(),
        }
        assert row["estimate"] == pytest.approx(values[row["kpi"]])
        assert row["conf_low"] < row["estimate"] < row["conf_high"]
        assert row["n_obs"] == len(rows)


# -- what is not there ---------------------------------------------------------------------------


def test_what_the_data_do_not_give_is_not_run_with_the_reason():
    result = service_kpis(contacts_of(handle_seconds=[60.0, None]))
    assert result.kpis == ("handle_time",)
    assert (
        result.not_run["late_rate"].reason == "interactions have no resolve_by and no resolved_at"
    )
    assert "no invitations" in result.not_run["response_rate"].reason
    assert "issue" in result.not_run["first_contact_resolution"].reason


def test_nothing_given():
    result = service_kpis()
    assert result.to_section()["status"] == "not_run"
    assert "no interactions" in result.to_section()["reason"]


# -- errors --------------------------------------------------------------------------------------


def test_unknown_zone():
    with pytest.raises(ConfigError, match="Europe/Berlin"):
        service_kpis(contacts_of(handle_seconds=[1.0]), time_zone="Europe/Berlln", **AS_OF)


def test_answers_need_to_be_read():
    with pytest.raises(TypeError, match="read_surveys"):
        service_kpis(surveys=pd.DataFrame({"nps": [1]}))


def test_shares_that_cannot_be():
    with pytest.raises(ValueError, match="not 3 of 2"):
        percent_of(3, 2, unit="percent")
    with pytest.raises(ValueError, match="n_answered"):
        average_handle_time(1, 1, 1, n_answered=0)
