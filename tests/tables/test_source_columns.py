"""Columns of the sources beside observations: what was known by each response, and no more."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from cxmodel.models.source_leaks import find_all_leaks, source_column_names, why_not_examined
from cxmodel.tables.engines.engine import Session, connect
from cxmodel.tables.observation_table import Observations, Windows
from cxmodel.tables.source_columns import base_name, known_by_then, put_together
from cxmodel.tables.sources import Source, open_sources
from cxmodel.tables.specs import SourceSpec

LEDGER = pd.DataFrame(
    [
        ("a", "2026-01-01", 5.0, "open", 3.0),
        ("a", "2026-01-10", 5.0, None, 1.0),
        ("a", "2026-01-10", 5.0, "late", 2.0),
        ("a", "2026-02-01", 5.0, "closed", 9.0),
        ("b", "2026-03-01", 5.0, "closed", 9.0),
    ],
    columns=["customer_id", "booked_at", "amount", "state", "days"],
)


@pytest.fixture(scope="module")
def session():
    with connect() as opened:
        yield opened


def ledger(session: Session, frame: pd.DataFrame = LEDGER) -> Source:
    spec = SourceSpec(kind="revenue", data=frame, if_there=("state", "days"))
    source = open_sources([spec], session, currency="USD").get("revenue")
    assert source is not None
    return source


def answers(*rows: tuple[str, str]) -> Observations:
    frame = pd.DataFrame(list(rows), columns=["customer_id", "responded_at"])
    frame["responded_at"] = pd.to_datetime(frame["responded_at"])
    return Observations(frame=frame.assign(churned=0.0), windows=Windows())


# -- worked by hand


def test_what_was_known_at_each_answer_by_hand(session: Session) -> None:
    obs = answers(
        ("a", "2026-01-05"), ("a", "2026-01-10"), ("a", "2026-03-01"), ("b", "2026-02-28")
    )
    found = known_by_then(obs, ledger(session), ["state", "days"]).frame
    # of two rows of one day the higher; b had no row by then
    assert found["revenue.state"].fillna("none").tolist() == ["open", "late", "closed", "none"]
    assert found["revenue.days"].fillna(-1).tolist() == [3.0, 2.0, 9.0, -1.0]
    assert found["revenue.days (lowest)"].fillna(-1).tolist() == [3.0, 1.0, 1.0, -1.0]
    assert found["revenue.days (highest)"].fillna(-1).tolist() == [3.0, 3.0, 9.0, -1.0]
    assert base_name("revenue.days (highest)") == "revenue.days"


def test_customers_are_as_of_the_extract(session: Session) -> None:
    table = pd.DataFrame({"customer_id": ["a", "b"], "score": [1, 2]})
    spec = SourceSpec(kind="customers", data=table, if_there=("score",))
    source = open_sources([spec], session).get("customers")
    assert source is not None
    obs = answers(("b", "2026-01-05"), ("c", "2026-01-05"), ("a", "2026-01-05"))
    found = known_by_then(obs, source, ["score"]).frame
    assert list(found.columns) == ["customers.score"]
    assert found["customers.score"].fillna(-1).tolist() == [2.0, -1.0, 1.0]


CONTACTS = pd.DataFrame(
    [
        ("a", "2026-01-01", "2026-01-03 12:00", "2026-01-02", "i1"),
        ("a", "2026-01-10", "2026-02-01", "2026-01-12", None),
        ("b", "2026-01-01", None, "2026-06-01", "i2"),
    ],
    columns=["customer_id", "started_at", "resolved_at", "resolve_by", "issue"],
)


def contacts(session: Session, frame: pd.DataFrame = CONTACTS) -> Source:
    source = open_sources([SourceSpec(kind="interactions", data=frame)], session)
    found = source.get("interactions")
    assert found is not None
    return found


def test_a_time_is_known_from_that_time_on_by_hand(session: Session) -> None:
    obs = answers(("a", "2026-01-05"), ("a", "2026-01-20"), ("b", "2026-02-28"))
    found = known_by_then(obs, contacts(session), ["issue"], ["resolved_at", "resolve_by"])
    table = found.frame.astype(object).where(found.frame.notna(), None)
    # 3 January at noon to 5 January; on the 20th the last contact was open till 1 February
    assert table["interactions.resolved_at"].tolist() == [1.5, None, None]
    assert table["interactions.resolved_at (lowest)"].tolist() == [1.5, 16.5, None]
    assert table["interactions.resolved_at (highest)"].tolist() == [1.5, 16.5, None]
    assert table["interactions.resolve_by"].tolist() == [3.0, 8.0, None]
    assert table["interactions.issue"].tolist() == ["i1", None, "i2"]
    # the open contact of the 20th, and the promise of June
    assert found.n_later == {"interactions.resolved_at": 1, "interactions.resolve_by": 1}


# -- the alarm


def company(n: int = 400) -> tuple[Observations, pd.DataFrame]:
    """Customers of whom every tenth leaves, and an event of each before and after the answer."""
    left = np.arange(n) % 10 == 0
    frame = pd.DataFrame(
        {
            "customer_id": [f"c{i:03d}" for i in range(n)],
            "responded_at": pd.Timestamp("2026-02-01"),
            "churned": left.astype(float),
        }
    )
    early = pd.DataFrame(
        {
            "customer_id": frame["customer_id"],
            "booked_at": "2026-01-01",
            "amount": 1.0,
            # written over when the customer left: the row is old, and its state is not
            "state": np.where(left, "closed", "open"),
            "days": np.arange(n) % 7,
        }
    )
    return Observations(frame=frame, windows=Windows()), early


def beside(obs: Observations, session: Session, events: pd.DataFrame) -> Observations:
    part = known_by_then(obs, ledger(session, events), ["state", "days"])
    return replace(obs, source_columns=put_together(obs, [part], {"churn": "the outcome"}))


def test_a_column_that_was_written_over_is_a_leak(session: Session) -> None:
    obs, events = company()
    obs = beside(obs, session, events)
    chosen = np.ones(obs.n_obs, dtype=bool)
    outcome = obs.frame["churned"].to_numpy()
    report = find_all_leaks(obs, chosen, outcome, columns=[])
    assert [(leak.column, leak.auc) for leak in report.leaks] == [("revenue.state", 1.0)]
    assert report.left_out == ("revenue.state",)
    kept = find_all_leaks(obs, chosen, outcome, columns=[], keep=["revenue.state"])
    assert kept.leaks[0].is_kept
    assert source_column_names(obs) == {"revenue.state", "revenue.days"}
    assert why_not_examined(obs) == {"churn": "the outcome"}


def test_what_comes_after_the_answer_is_no_leak(session: Session) -> None:
    obs, events = company()
    later = events.assign(booked_at="2026-03-01")
    events = pd.concat([events.assign(state="open"), later], ignore_index=True)
    obs = beside(obs, session, events)
    chosen = np.ones(obs.n_obs, dtype=bool)
    report = find_all_leaks(obs, chosen, obs.frame["churned"].to_numpy(), columns=[])
    assert report.leaks == ()


def solved(obs: Observations, session: Session, at: list[str | None]) -> Observations:
    """Lay contacts of before the answer, solved at these times, beside observations."""
    frame = pd.DataFrame(
        {"customer_id": obs.frame["customer_id"], "started_at": "2026-01-01", "resolved_at": at}
    )
    part = known_by_then(obs, contacts(session, frame), [], ["resolved_at"])
    return replace(obs, source_columns=put_together(obs, [part], {}))


def test_what_is_dated_after_the_answer_is_not_known(session: Session) -> None:
    obs, _ = company()
    chosen, outcome = np.ones(obs.n_obs, dtype=bool), obs.frame["churned"].to_numpy()
    # solved when they left, and else a day earlier: on 1 February nobody knew either
    later = solved(obs, session, np.where(outcome == 1, "2026-02-20", "2026-02-19").tolist())
    assert find_all_leaks(later, chosen, outcome, columns=[]).leaks == ()
    # written back before the answer, the same difference tells
    early = solved(obs, session, np.where(outcome == 1, "2026-01-20", "2026-01-19").tolist())
    (leak,) = find_all_leaks(early, chosen, outcome, columns=[]).leaks
    assert (leak.column, leak.auc) == ("interactions.resolved_at", 1.0)


def test_text_of_many_values_is_examined_for_whether_it_is_filled(session: Session) -> None:
    obs, events = company()
    notes = [f"note {i}" if i % 10 == 0 else None for i in range(len(events))]
    obs = beside(obs, session, events.assign(state=notes))
    many = [f"note {i}" for i in range(len(events))]
    other = beside(obs, session, events.assign(state=many))
    chosen, outcome = np.ones(obs.n_obs, dtype=bool), obs.frame["churned"].to_numpy()
    # 40 notes are few levels; with one a customer the values are not examined, and it is said
    assert [leak.column for leak in find_all_leaks(obs, chosen, outcome, columns=[]).leaks] == [
        "revenue.state"
    ]
    report = find_all_leaks(other, chosen, outcome, columns=[])
    assert report.leaks == ()
    assert report.unexamined == ("revenue.state (but for whether it is filled)",)


def test_other_rows_are_not_taken_for_these(session: Session) -> None:
    obs, events = company()
    obs = beside(obs, session, events)
    fewer = replace(obs, frame=obs.frame.iloc[1:].reset_index(drop=True))
    chosen = np.ones(fewer.n_obs, dtype=bool)
    assert find_all_leaks(fewer, chosen, fewer.frame["churned"].to_numpy(), columns=[]).leaks == ()
    reasons = why_not_examined(fewer)
    assert reasons["revenue.state"].startswith("the observations are no longer the rows")
