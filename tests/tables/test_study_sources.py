"""The tables of the three real studies, opened as their files say."""

from __future__ import annotations

from pathlib import Path

import pytest
from checking import check_sources

from cxmodel.config import load_config
from cxmodel.study_sources import source_specs, table_files
from cxmodel.tables.engines.engine import connect
from cxmodel.tables.opening.money import money
from cxmodel.tables.sources import open_sources

STUDIES = Path(__file__).parents[1] / "studies"


@pytest.fixture
def open_study(data_dir, monkeypatch):
    monkeypatch.setenv("CXMODEL_DATA", str(data_dir))
    opened = []

    def open_one(name: str):
        config = load_config(STUDIES / f"{name}.toml")
        session = connect()
        opened.append(session)
        options = {
            "tables": table_files(config),
            "base_dir": config.base_dir,
            "currency": config.study.currency,
        }
        sources = open_sources(source_specs(config), session, **options)
        found = check_sources(source_specs(config), session, as_of=config.study.as_of, **options)
        return sources.by_kind, found

    yield open_one
    for session in opened:
        session.close()


def test_olist(open_study):
    # 5,160 payments of R$789,498.77, 4,988 reviews, 4,991 customers, 5,000 orders.
    sources, (breaches, warnings) = open_study("olist")
    assert {kind: source.n_rows for kind, source in sources.items()} == {
        "surveys": 4988,
        "customers": 4991,
        "revenue": 5160,
        "interactions": 5000,
    }
    total = int(sources["revenue"].facts["amount_units"]["total_units"])
    assert money(total, "BRL") == 789_498.77
    assert breaches == []
    assert "the 30 days to 2018-09-20 hold 46 bookings where" in warnings[0]


def test_ravenstack(open_study):
    sources, (breaches, warnings) = open_study("ravenstack")
    assert {kind: source.n_rows for kind, source in sources.items()} == {
        "surveys": 1175,
        "invitations": 2000,
        "customers": 500,
        "churn": 600,
        "subscriptions": 5000,
        "interactions": 2000,
    }
    assert (breaches, warnings) == ([], [])
    assert sources["subscriptions"].facts["ended_at"]["n_missing"] == 4514
    assert sources["surveys"].facts["rating_csat"]["low"] == 3


def test_ibm_telco(open_study):
    sources, found = open_study("ibm_telco")
    table = sources["observations"]
    assert (table.n_rows, found) == (7043, ([], []))
    assert {"Churn Score", "Churn Category", "Churn Reason", "Customer Status"} <= set(
        table.controls
    )
    assert not {"City", "CLTV", "Total Revenue"} & set(table.controls)
    assert int(table.to_frame().churned.sum()) == 1869
