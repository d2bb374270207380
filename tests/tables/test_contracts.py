"""The contracts: one table that settings, checks and the page in docs all follow."""

from __future__ import annotations

import runpy
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from checking import check_sources

from cxmodel.config import SourcesConfig
from cxmodel.scales import NPS
from cxmodel.tables.contracts import CONTRACTS, TYPES
from cxmodel.tables.engines.engine import Session, connect
from cxmodel.tables.sources import open_sources
from cxmodel.tables.specs import AMOUNTS, TYPE_OF, RatingSpec, SourceSpec

ROOT = Path(__file__).parents[2]
LEDGER = pd.DataFrame(
    {
        "customer_id": ["a", "a", "b"],
        "booked_at": pd.to_datetime(["2024-01-01", "2024-02-01", "2024-03-01"]),
        "amount": [10.0, -2.5, 7.25],
    }
)
CONTACTS = pd.DataFrame(
    {
        "customer_id": ["a", "b"],
        "started_at": pd.to_datetime(["2024-01-02", "2024-01-03"]),
        "first_response_at": pd.to_datetime(["2024-01-02", "2024-01-02"]),
        "resolved_at": pd.to_datetime(["2024-01-01", "2024-01-02"]),
        "resolve_by": pd.to_datetime(["2024-01-04", None]),
        "handle_seconds": [30, -5],
    }
)
PEOPLE = pd.DataFrame(
    {
        "customer_id": ["a", "b", None],
        "started_at": pd.to_datetime(["2023-01-01", "2023-05-01", None]),
        "churned_at": pd.to_datetime(["2022-12-31", None, None]),
        "segment": ["x", "y", "x"],
    }
)


@pytest.fixture
def session() -> Iterator[Session]:
    with connect() as opened:
        yield opened


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The questions that the engine was asked."""
    questions: list[str] = []
    arrow = Session.arrow

    def listening(session: Session, expr):
        questions.append(str(expr.columns))
        return arrow(session, expr)

    monkeypatch.setattr(Session, "arrow", listening)
    return questions


# -- by hand ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "spec",
    [
        SourceSpec(kind="revenue", data=LEDGER),
        SourceSpec(kind="customers", data=PEOPLE, attributes=("segment",)),
        SourceSpec(kind="interactions", data=CONTACTS),
        SourceSpec(
            kind="surveys",
            data=pd.DataFrame(
                {"customer_id": ["a"], "responded_at": ["05/01/2024"], "q1": [9], "plan": ["x"]}
            ),
            ratings={"nps": RatingSpec("q1", NPS)},
            attributes=("plan",),
            date_format=("%d/%m/%Y",),
        ),
    ],
    ids=lambda spec: spec.kind,
)
def test_a_table_is_checked_in_one_query(session, asked, spec):
    open_sources([spec], session, currency="EUR")
    assert len(asked) == 1


def test_a_format_and_a_zone_are_settled_before_the_one_query(session, asked):
    text = LEDGER.assign(booked_at=LEDGER.booked_at.astype(str))
    spec = SourceSpec(kind="revenue", data=text, time_zone="Europe/Berlin")
    open_sources([spec], session)
    assert len(asked) == 3  # the first 1,000 texts; the range of the times; everything else


def test_what_is_worth_a_warning_is_counted(session):
    later = CONTACTS.assign(resolved_at=pd.to_datetime(["2150-01-01", "2024-01-05"]))
    specs = [
        SourceSpec(kind="customers", data=PEOPLE),
        SourceSpec(kind="interactions", data=CONTACTS),
        SourceSpec(kind="revenue", data=LEDGER.assign(amount=[1.0, None, 2.0])),
    ]
    assert check_sources(specs, session) == (
        [],
        [
            "sources.customers: 1 row(s) have no customer_id.",
            "sources.customers: 1 row(s) have churned_at before started_at.",
            "sources.interactions: 1 row(s) have first_response_at before started_at.",
            "sources.interactions: 2 row(s) have resolved_at before started_at.",
            "sources.interactions: 1 row(s) have handle_seconds below 0.",
            "sources.revenue: 1 row(s) have no amount.",
        ],
    )
    _, warnings = check_sources([SourceSpec(kind="interactions", data=later)], session)
    assert (
        "sources.interactions: 1 row(s) have resolved_at in the future (the latest: "
        "2150-01-01 00:00:00). Rows after study.as_of are left out; check that it is the right "
        "column." in warnings
    )


def test_a_survey_in_which_nobody_is_named_and_nothing_answered_is_worth_a_look(session):
    answers = pd.DataFrame(
        {"customer_id": [None, ""], "responded_at": ["2024-01-01", None], "q1": [None, None]}
    )
    spec = SourceSpec(kind="surveys", data=answers, ratings={"nps": RatingSpec("q1", NPS)})
    warnings = open_sources([spec], session).by_kind["surveys"].facts["warnings"]
    assert set(warnings) == {
        "sources.surveys: 2 row(s) have no customer_id.",
        "sources.surveys: 1 row(s) have no responded_at.",
        "No row of sources.surveys has an answer to 'nps' (column 'q1').",
    }


def test_what_may_lie_ahead_is_no_warning(session):
    ahead = pd.DataFrame(
        {
            "customer_id": ["a"],
            "started_at": pd.to_datetime(["2024-01-01"]),
            "ended_at": pd.to_datetime(["2150-01-01"]),
            "monthly_amount": [5.0],
        }
    )
    assert check_sources([SourceSpec(kind="subscriptions", data=ahead)], session) == ([], [])


# -- against a reference ---------------------------------------------------------------------------


def test_the_page_says_what_the_table_says():
    made = runpy.run_path(str(ROOT / "docs" / "make_contracts.py"))["page"]()
    page = (ROOT / "docs" / "contracts.md").read_text(encoding="utf-8")
    assert page == made, "Run: python docs/make_contracts.py"
    for contract in CONTRACTS.values():
        section = page.split(f"## `[sources.{contract.kind}]`")[1].split("\n## ")[0]
        for column in contract.columns:
            assert f"| `{column.name}` | {'yes' if column.is_required else ''} |" in section
        assert ("stands once" in section) == (contract.unique is not None)
    assert "before 1900 or after 2199" in page


@pytest.mark.parametrize("kind", CONTRACTS)
def test_the_settings_map_the_columns_of_the_contract(kind):
    section = SourcesConfig.model_fields[kind].annotation.__args__[0]
    assert set(section.column_names()) == set(CONTRACTS[kind].names)
    assert ("ratings" in section.model_fields) == CONTRACTS[kind].has_ratings
    assert ("attributes" in section.model_fields) == CONTRACTS[kind].has_attributes
    assert ("controls" in section.model_fields) == CONTRACTS[kind].has_controls


def test_a_column_of_one_name_is_read_in_one_way():
    for contract in CONTRACTS.values():
        for column in contract.columns:
            assert column.type == TYPE_OF[column.name]
            assert column.type in TYPES
        for pair in contract.order:
            assert {TYPE_OF[name] for name in pair} == {"time"}
            assert set(pair) <= set(contract.names)
    assert set(AMOUNTS) == {name for name, kind in TYPE_OF.items() if kind == "amount"}
