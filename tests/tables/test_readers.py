"""Readers: the arguments are the keys of cxmodel.toml; any kind of table is taken."""

from __future__ import annotations

from pathlib import Path

import ibis
import pandas as pd
import pytest

from cxmodel.errors import ScaleError, SchemaError, SourceError
from cxmodel.scales import CSAT5, NPS, Scale
from cxmodel.tables.engines.engine import Engine
from cxmodel.tables.readers import (
    open_observations,
    read_churn,
    read_customers,
    read_interactions,
    read_invitations,
    read_revenue,
    read_subscriptions,
    read_surveys,
)
from cxmodel.tables.specs import OPTIONAL, REQUIRED

FRAME = pd.DataFrame({"who": ["a", "b"], "when": ["2026-01-05", "2026-01-06"], "q1": [9, 3]})
RATINGS = {"nps": ("q1", NPS)}


def surveys(data, **options):
    mapped = {"customer_id": "who", "responded_at": "when", "ratings": RATINGS}
    return read_surveys(data, **{**mapped, **options})


# -- by hand ---------------------------------------------------------------------------------------


def test_every_kind_of_table_gives_the_same_rows(tmp_path):
    import polars as pl
    import pyarrow as pa

    FRAME.to_csv(tmp_path / "f.csv", index=False)
    FRAME.to_parquet(tmp_path / "f.parquet")
    bound = ibis.duckdb.connect().create_table(
        "answers", ibis.memtable(pa.Table.from_pandas(FRAME))
    )
    tables = [
        FRAME,
        pl.from_pandas(FRAME),
        pl.from_pandas(FRAME).lazy(),
        pa.Table.from_pandas(FRAME),
        ibis.memtable(pa.Table.from_pandas(FRAME)),
        bound,
        str(tmp_path / "f.csv"),
        tmp_path / "f.parquet",
    ]
    assert len({surveys(table).fingerprint() for table in tables}) == 1


def test_an_engine_of_ones_own_is_shared_by_its_readers():
    engine = Engine(threads=1)
    assert surveys(FRAME, engine=engine).session is surveys(FRAME, engine=engine).session
    assert surveys(FRAME).session is not surveys(FRAME, engine=engine).session


def test_canonical_types():
    kinds = {name: str(kind) for name, kind in surveys(FRAME).table.schema().items()}
    assert kinds == {
        "row_number": "int64",
        "customer_id": "string",
        "rating_nps": "float64",
        "responded_at": "timestamp(6)",
    }
    ledger = read_revenue(FRAME, customer_id="who", booked_at="when", amount="q1", currency="EUR")
    assert str(ledger.table.amount_units.type()) == "int64"
    assert ledger.currency == "EUR"


def test_ids_of_numbers_are_written_without_a_point():
    for ids in ([1.0, None], pd.array([1, None], dtype="Int64")):
        found = surveys(FRAME.assign(who=ids)).to_frame().customer_id
        assert found.fillna("").tolist() == ["1", ""]
    source = surveys(FRAME.assign(who=[1.0, None]))
    assert source.facts["customer_id"]["n_missing"] == 1


def test_a_survey_may_have_no_customer():
    source = read_surveys(FRAME[["q1"]], ratings=RATINGS)
    assert source.columns == {"row_number", "rating_nps"}


@pytest.mark.parametrize(
    ("reader", "arguments"),
    [
        (read_customers, {"customer_id": "who", "started_at": "when", "attributes": "q1"}),
        (read_churn, {"customer_id": "who", "churned_at": "when"}),
        (read_subscriptions, {"customer_id": "who", "started_at": "when", "monthly_amount": "q1"}),
        (read_interactions, {"customer_id": "who", "started_at": "when", "handle_seconds": "q1"}),
        (read_invitations, {"customer_id": "who", "invited_at": "when"}),
        (open_observations, {"customer_id": "who", "responded_at": "when", "revenue_after": "q1"}),
    ],
)
def test_every_reader_reads(reader, arguments):
    source = reader(FRAME, **arguments)
    assert source.n_rows == 2
    assert source.to_frame().customer_id.tolist() == ["a", "b"]


def test_the_arguments_of_readers_are_the_columns_of_their_kind():
    import inspect

    readers = {
        "surveys": read_surveys,
        "invitations": read_invitations,
        "customers": read_customers,
        "churn": read_churn,
        "revenue": read_revenue,
        "subscriptions": read_subscriptions,
        "interactions": read_interactions,
        "observations": open_observations,
    }
    for kind, reader in readers.items():
        assert {*REQUIRED[kind], *OPTIONAL[kind]} <= set(inspect.signature(reader).parameters), kind


# -- errors ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ratings", "kind", "message"),
    [
        ({"nps": "q1"}, TypeError, r"must be \(column, scale\)"),
        ({"nps": ("q1", "npx")}, ValueError, r"no scale 'npx'\. Did you mean 'nps'"),
        ({"nps": ("q1", 10)}, TypeError, r"must be a cx\.Scale"),
        (
            {"csat": ("q1", CSAT5)},
            ScaleError,
            r"1 rating lies outside CSAT5 1-5 \(first: 9, row 1\)",
        ),
    ],
)
def test_ratings_are_checked(ratings, kind, message):
    with pytest.raises(kind, match=message):
        surveys(FRAME, ratings=ratings)


def test_a_named_scale_may_be_a_word():
    assert surveys(FRAME, ratings={"nps": ("q1", "nps")}).ratings == {"nps": NPS}


def test_the_truncated_file_is_named_with_its_line(data_dir: Path):
    path = data_dir / "airline_satisfaction" / "Invistico_Airline_truncated.csv"
    with pytest.raises(SourceError, match=r"line 37,958, has 7 columns where the header has 23"):
        read_surveys(path, ratings={"seat": ("Seat comfort", CSAT5)})


def test_excel_with_gaps(data_dir: Path):
    path = data_dir / "ecommerce_5630" / "E_Commerce_Dataset.xlsx"
    source = open_observations(
        path,
        sheet="E Comm",
        customer_id="CustomerID",
        churned="Churn",
        ratings={"csat": ("SatisfactionScore", CSAT5)},
    )
    assert source.n_rows == 5630
    missing = [n for n in source.controls if source.facts[n]["n"] < 5630]
    assert len(missing) == 7


def test_zeros_of_touchpoints_are_not_applicable(data_dir: Path):
    path = data_dir / "airline_satisfaction" / "danibuitrago_20000.csv"
    with pytest.raises(ScaleError, match=r"ratings lie outside CSAT5 1-5 \(first: 0, row 43\)"):
        read_surveys(path, ratings={"wifi": ("Inflight wifi service", CSAT5)})
    scale = Scale(name="wifi", low=1, high=5, top_box=4, not_applicable=(0,))
    source = read_surveys(path, ratings={"wifi": ("Inflight wifi service", scale)})
    assert source.facts["rating_wifi"]["n"] == source.n_rows - 603


def test_two_years_with_other_columns_are_not_one_ledger(data_dir: Path):
    with pytest.raises(SourceError, match=r"lacks 'CustomerID', 'InvoiceNo', 'UnitPrice'"):
        read_revenue(data_dir / "online_retail" / "*.parquet", customer_id="CustomerID")


def test_a_missing_reader_argument_names_the_column():
    with pytest.raises(
        SchemaError, match=r"revenue has no column 'booked_at'.*booked_at = \"when\""
    ):
        read_revenue(FRAME, customer_id="who", amount="q1")
