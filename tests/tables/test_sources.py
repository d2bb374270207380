"""Sources: named tables and SQL, all breaches at once, warnings, fingerprints."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import ibis
import numpy as np
import pandas as pd
import pytest
from checking import check_sources

from cxmodel.errors import (
    ConfigError,
    JoinError,
    ScaleError,
    SchemaError,
    SourceError,
    ValidationError,
)
from cxmodel.scales import CSAT5, NPS
from cxmodel.tables.engines.engine import Engine, Session, connect
from cxmodel.tables.opening.fingerprints import fingerprint
from cxmodel.tables.sources import open_sources
from cxmodel.tables.specs import Query, RatingSpec, SourceSpec, TableFile, TableName

NPS_Q1 = {"nps": RatingSpec("q1", NPS)}
LEDGER = pd.DataFrame(
    {
        "customer_id": ["a", "a", "b"],
        "booked_at": ["2026-01-01", "2026-02-01", "2026-03-01"],
        "amount": [10.0, -2.5, 7.25],
    }
)


@pytest.fixture
def session() -> Iterator[Session]:
    with connect() as opened:
        yield opened


def surveys(data, **options) -> SourceSpec:
    return SourceSpec(kind="surveys", data=data, **{"ratings": NPS_Q1, **options})


def answers(**changed) -> pd.DataFrame:
    columns = {"customer_id": ["a", "b"], "responded_at": ["2026-01-05", "2026-01-06"]}
    return pd.DataFrame({**columns, "q1": [9, 3], **changed})


# -- by hand: [tables] and sql ---------------------------------------------------------------------


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "orders.csv").write_text(
        "order_id,person,zip,at,paid,gift\n"
        "1,007,01234,03/04/2026 10:00,19.99,TRUE\n"
        "2,008,99999,13/04/2026 11:00,-5,FALSE\n"
        "10,007,,14/04/2026 12:00,,\n"
    )
    return tmp_path


def test_sql_sees_numbers_as_numbers_and_codes_and_dates_as_text(session, shop):
    sql = "SELECT person, at, paid * 2 AS paid FROM orders WHERE order_id < 5 AND gift"
    spec = SourceSpec(
        kind="revenue",
        data=Query(sql),
        columns={"customer_id": "person", "booked_at": "at", "amount": "paid"},
        date_format=("%d/%m/%Y %H:%M",),
    )
    found = open_sources([spec], session, tables={"orders": "orders.csv"}, base_dir=shop)
    frame = found.by_kind["revenue"].to_frame()
    assert frame.customer_id.tolist() == ["007"]
    assert frame.amount_units.tolist() == [399_800]
    assert str(frame.booked_at[0]) == "2026-04-03 10:00:00"


def test_a_later_row_decides_over_the_type_of_a_column(session, tmp_path):
    lines = [f"{i},5" for i in range(30_000)]
    (tmp_path / "t.csv").write_text("id,q1\n" + "\n".join([*lines, "x1,7"]) + "\n")
    spec = surveys(Query("SELECT id AS customer_id, q1 FROM t"))
    found = open_sources([spec], session, tables={"t": TableFile("t.csv")}, base_dir=tmp_path)
    assert found.by_kind["surveys"].n_rows == 30_001


def test_a_named_table_may_serve_several_sources(session, shop):
    specs = [
        SourceSpec(
            kind=kind,
            data=TableName("orders"),
            columns={"customer_id": "person", at: "at"},
            date_format=("%d/%m/%Y %H:%M",),
        )
        for kind, at in (("invitations", "invited_at"), ("interactions", "started_at"))
    ]
    found = open_sources(specs, session, tables={"orders": "orders.csv"}, base_dir=shop)
    assert [source.n_rows for source in found.by_kind.values()] == [3, 3]
    assert found.by_kind["invitations"].to_frame().customer_id.tolist() == ["007", "008", "007"]


def test_tables_of_the_engine_are_found(tmp_path):
    ibis.duckdb.connect(tmp_path / "warehouse.db").disconnect()
    with connect(Engine(f"duckdb:///{tmp_path / 'warehouse.db'}")) as session:
        session.backend.raw_sql("CREATE SCHEMA crm")
        session.backend.raw_sql("CREATE TABLE crm.answers AS SELECT 'a' AS customer_id, 9 AS q1")
        session.backend.raw_sql("CREATE TABLE answers AS SELECT 'b' AS customer_id, 3 AS q1")
        for name, who in (("crm.answers", "a"), ("answers", "b")):
            for data in (TableName(name), Query(f"SELECT * FROM {name}")):
                source = open_sources([surveys(data)], session).by_kind["surveys"]
                assert source.to_frame().customer_id.tolist() == [who]


def test_rows_of_a_query_are_numbered_by_their_values(session, tmp_path):
    (tmp_path / "t.csv").write_text(
        "customer_id,q1\n" + "".join(f"c{i % 7},{i % 10}\n" for i in range(99))
    )
    spec = surveys(Query("SELECT * FROM t"))
    source = open_sources([spec], session, tables={"t": "t.csv"}, base_dir=tmp_path).by_kind[
        "surveys"
    ]
    frame = source.to_frame().sort_values("row_number")
    assert frame.row_number.tolist() == list(range(1, 100))
    assert frame.customer_id.is_monotonic_increasing


# -- by hand: columns ------------------------------------------------------------------------------


def test_durations_come_in_one_form(session):
    frame = pd.DataFrame(
        {
            "customer_id": ["a", "b", "c"],
            "started_at": pd.to_datetime(["2026-01-01 10:00"] * 3),
            "first_response_at": pd.to_datetime(["2026-01-01 10:30", "2026-01-01 09:00", None]),
            "talk_seconds": [100.0, np.nan, np.nan],
            "hold_seconds": [20.0, 5.0, np.nan],
            "first_contact_resolution": ["yes", "No", None],
        }
    )
    source = open_sources([SourceSpec(kind="interactions", data=frame)], session).by_kind[
        "interactions"
    ]
    found = source.to_frame()
    assert found.first_response_minutes.fillna(-1).tolist() == [30.0, -60.0, -1.0]
    assert found.handle_seconds.fillna(-1).tolist() == [120.0, 5.0, -1.0]
    assert found.first_contact_resolution.tolist() == [True, False, None]
    assert "talk_seconds" not in source.columns


def test_attributes_become_numbers_or_words(session):
    frame = pd.DataFrame(
        {
            "customer_id": ["a", "b", "c"],
            "seats": ["3", " ", "4.5"],
            "code": ["1", "x", ""],
            "paid": [True, False, None],
            "since": ["2024-01-01", "2024-02-01", None],
            "plan": pd.Categorical(["x", "y", "x"]),
        }
    )
    names = ("seats", "code", "paid", "since", "plan")
    spec = SourceSpec(kind="customers", data=frame, attributes=names)
    source = open_sources([spec], session).by_kind["customers"]
    found = source.to_frame()
    assert found.seats.fillna(-1).tolist() == [3.0, -1.0, 4.5]
    assert found.code.fillna("").tolist() == ["1", "x", ""]
    assert found.paid.fillna("").tolist() == ["true", "false", ""]
    assert source.facts["dated"] == ("since",)
    assert source.facts["plan"]["n_levels"] == 2


def test_every_other_column_of_a_joined_table_is_offered_as_control(session):
    frame = pd.DataFrame(
        {
            "Churned": ["Yes", "no"],
            "band": [1, 2],
            "a": [1, 2],
            "A": [3, 4],
            "zip": [1, 1],
            "b": [0, 1],
        }
    )
    spec = SourceSpec(
        kind="observations", data=frame, columns={"churned": "Churned"}, ignore=("zip",)
    )
    source = open_sources([spec], session).by_kind["observations"]
    assert source.controls == ("a", "b")
    assert source.facts["left_out"] == {
        "band": "its name is one that the observation table uses itself",
        "A": "its name differs from another column's only by capitals",
    }
    assert source.to_frame().churned.tolist() == [True, False]


def test_the_frame_of_the_user_is_not_changed(session):
    frame = answers()
    before = frame.copy(deep=True)
    open_sources([surveys(frame)], session)
    pd.testing.assert_frame_equal(frame, before)


# -- properties ------------------------------------------------------------------------------------


def test_the_fingerprint_knows_rows_but_not_their_order_or_their_file(session, tmp_path):
    def fingerprint(data) -> str:
        spec = SourceSpec(kind="revenue", data=data)
        return open_sources([spec], session, base_dir=tmp_path).by_kind["revenue"].fingerprint()

    LEDGER.to_csv(tmp_path / "l.csv", index=False)
    LEDGER.to_parquet(tmp_path / "l.parquet")
    first = fingerprint(LEDGER)
    assert len(first) == 16
    assert (
        first == fingerprint(LEDGER.iloc[::-1]) == fingerprint("l.csv") == fingerprint("l.parquet")
    )
    assert first != fingerprint(LEDGER.assign(amount=[10.0, -2.5, 7.26]))
    assert first != fingerprint(pd.concat([LEDGER, LEDGER]))


def test_the_fingerprint_of_a_row_is_half_its_md5_however_many_columns_it_has(session):
    # engines bound how deep an expression nests; 700 columns were too many one after another
    names = [f"a{i:03d}" for i in range(700)]
    rows = pd.DataFrame([[str(i) for i in range(700)]], columns=names)
    digest = hashlib.md5("\x1f".join(rows.iloc[0]).encode(), usedforsecurity=False).digest()
    # the last eight bytes, the last of them the weightiest
    expected = int.from_bytes(digest[8:], "little")
    assert fingerprint(session, session.register(rows)) == f"{expected:016x}"


# -- errors ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "kind", "message"),
    [
        ({"q1": [11, 3]}, ScaleError, r"^1 rating lies outside NPS 0-10 \(first: 11, row 1\) in "),
        (
            {"q1": [11, 11]},
            ScaleError,
            r"^2 ratings lie outside .*scale: { low = 1, high = 11, top_box = 10 }\.$",
        ),
        ({"q1": [5, -1]}, ScaleError, r"\(first: -1, row 2\).*write not_applicable = \[-1\]"),
        ({"q1": [9.5, 3]}, ScaleError, r"1 rating\(s\) are no whole number of NPS 0-10"),
        ({"q1": ["9", "n/a"]}, SchemaError, r"1 rating\(s\) that are text \(first: 'n/a', row 2\)"),
        ({"q1": [1, "x"]}, SchemaError, r"'q1' holds values .*1 int, 1 str"),
    ],
)
def test_ratings_are_held_to_their_scale(session, changed, kind, message):
    with pytest.raises(kind, match=message):
        open_sources([surveys(answers(**changed))], session)


def test_a_zero_that_means_not_applicable_is_missing_when_declared(session):
    from cxmodel.scales import Scale

    with pytest.raises(
        ScaleError, match=r'if 0 means "not applicable", write not_applicable = \[0\]'
    ):
        open_sources([surveys(answers(q1=[0, 3]), ratings={"c": RatingSpec("q1", CSAT5)})], session)
    scale = Scale(name="c", low=1, high=5, top_box=4, not_applicable=(0,))
    spec = surveys(answers(q1=[0, 3]), ratings={"c": RatingSpec("q1", scale)})
    found = open_sources([spec], session).by_kind["surveys"].to_frame().rating_c
    assert found.fillna(-1).tolist() == [-1.0, 3.0]


@pytest.mark.parametrize(
    ("given", "advice"),
    [
        ([6, 10], 'scale = "nps"'),
        ([0, 8], 'scale = "nps"'),
        ([1, 7], 'scale = "csat7"'),
        ([6, 11], "{ low = 1, high = 11, top_box = 10 }"),
        ([0, 12], "{ low = 0, high = 12, top_box = 11 }"),
    ],
)
def test_the_advice_looks_at_all_ratings_of_the_column(session, given, advice):
    spec = surveys(answers(q1=given), ratings={"c": RatingSpec("q1", CSAT5)})
    with pytest.raises(ScaleError, match=re.escape(f"or declare the scale: {advice}.")):
        open_sources([spec], session)


def test_words_are_ranked_worst_first(session):
    from cxmodel.scales import Scale

    scale = Scale(name="mood", low=1, high=2, top_box=2, levels=("bad", "good"))
    ratings = {"mood": RatingSpec("q1", scale)}
    found = open_sources([surveys(answers(q1=["good ", "bad"]), ratings=ratings)], session)
    assert found.by_kind["surveys"].to_frame().rating_mood.tolist() == [2.0, 1.0]
    with pytest.raises(ScaleError, match=r"1 rating\(s\) are none of the levels .*'meh', row 1\)"):
        open_sources([surveys(answers(q1=["meh", "bad"]), ratings=ratings)], session)


@pytest.mark.parametrize(
    ("frame", "options", "message"),
    [
        (
            pd.DataFrame({"customer_id": ["a"], "date": ["x"], "q1_score": [1]}),
            {"ratings": {"nps": RatingSpec("recommend", NPS)}},
            r"^sources\.surveys has no column 'recommend'\. Found: customer_id, date, q1_score\. "
            r'Map it: ratings\.nps\.column = "q1_score"\.$',
        ),
        (
            answers(),
            {"columns": {"customer_id": "client"}},
            r"no column 'client'.*Map it: customer_id = \"customer_id\"",
        ),
        (
            answers(segment=["x", "y"]),
            {"attributes": ("segments",)},
            r"no column 'segments'.*Did you mean 'segment'",
        ),
    ],
)
def test_a_missing_column_says_what_is_there(session, frame, options, message):
    with pytest.raises(SchemaError, match=message):
        open_sources([surveys(frame, **options)], session)


def test_a_repeated_customer_is_refused_unless_versions_are_dated(session):
    frame = pd.DataFrame({"customer_id": ["a", "a", "b", "b", "b"], "from": ["2024-01-01"] * 5})
    with pytest.raises(
        SchemaError,
        match=r"2 customer_id\(s\) stand more than once \(5 rows for 2 ids; 'b' 3 times\)",
    ):
        open_sources([SourceSpec(kind="customers", data=frame)], session)
    spec = SourceSpec(kind="customers", data=frame, columns={"valid_from": "from"})
    assert open_sources([spec], session).by_kind["customers"].n_rows == 5


def test_every_breach_of_every_source_is_said_at_once(session):
    specs = [
        surveys(answers(q1=[11, 3], responded_at=["2026-01-05", "soon"])),
        SourceSpec(kind="revenue", data=LEDGER.assign(amount=["1", "x", "y"])),
        SourceSpec(kind="churn", data="none.csv"),
    ]
    with pytest.raises(ValidationError) as caught:
        open_sources(specs, session)
    assert [type(breach) for breach in caught.value.breaches] == [
        ScaleError,
        SchemaError,
        SchemaError,
        SourceError,
    ]
    assert "ScaleError: 1 rating lies outside" in str(caught.value)
    assert "2 amount(s) that are text (first: 'x', row 2)" in str(caught.value)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (TableName("order"), r"sources\.surveys\.table: no table 'order'\. Did you mean 'orders'"),
        (TableName("nowhere.orders"), r"no table 'nowhere\.orders'"),
        (TableName("information_schema.tables"), r"no table 'information_schema"),
        (Query("SELECT * FROM duckdb_tables"), r"names the table 'duckdb_tables'"),
        (Query("SELECT nothing FROM orders"), r"sql: the engine says: .*nothing"),
        (Query("SELECT 1 AS q1 FROM orders WHERE 1 = 2"), r"has no rows"),
        (Query("SELECT 'a'::INT AS q1 FROM orders"), r"sql\)?: the engine says: Conversion Error"),
    ],
)
def test_tables_and_queries_that_fail_say_so(session, shop, data, message):
    with pytest.raises((SourceError, SchemaError), match=message):
        open_sources([surveys(data)], session, tables={"orders": "orders.csv"}, base_dir=shop)


def test_something_else_is_no_table(session):
    with pytest.raises(TypeError, match=r"sources\.surveys: a path, a pandas, .* not dict"):
        open_sources([surveys({"q1": [1]})], session)


# -- what validate says ----------------------------------------------------------------------------


def test_tables_without_a_common_key_are_a_breach(session):
    specs = [surveys(answers(customer_id=["A", "B"])), SourceSpec(kind="revenue", data=LEDGER)]
    breaches, _ = check_sources(specs, session)
    assert [type(breach) for breach in breaches] == [JoinError]
    assert "'A' against 'a'" in str(breaches[0])


@pytest.mark.parametrize(
    ("ours", "theirs", "first"),
    [
        (["A", "B"], ["A", "b"], "'B' against 'b'"),
        (["7", "8"], ["7", "008"], "'8' against '008'"),
        (["7", "8.0"], [7, 8], "'8.0' against '8'"),
        (["x", "y "], ["x", "y"], "'y ' against 'y'"),
    ],
)
def test_some_keys_in_another_spelling_are_a_warning(session, ours, theirs, first):
    specs = [
        surveys(answers(customer_id=ours)),
        SourceSpec(kind="customers", data=pd.DataFrame({"customer_id": theirs})),
    ]
    assert check_sources(specs, session) == (
        [],
        [
            "1 customer_id(s) of sources.surveys are in sources.customers only in another spelling "
            f"({first}): they count as other people. Make the two alike with sql."
        ],
    )


@pytest.mark.parametrize("theirs", [[1.0, 2.0], [1, 2], ["1", "2"], ["1", "3"]])
def test_whole_numbers_are_one_key_whatever_their_type(session, theirs):
    for ours in ([1, 2], [1.0, 2.0], ["1", "2"]):
        specs = [
            surveys(answers(customer_id=ours)),
            SourceSpec(kind="customers", data=pd.DataFrame({"customer_id": theirs})),
        ]
        assert check_sources(specs, session) == ([], [])


def test_an_as_of_before_all_data_is_a_breach(session):
    specs = [SourceSpec(kind="revenue", data=LEDGER)]
    breaches, _ = check_sources(specs, session, as_of=dt.date(2025, 1, 1))
    assert [type(breach) for breach in breaches] == [ConfigError]
    assert "begin on 2026-01-01" in str(breaches[0])


def test_a_ledger_that_fades_out_is_a_warning(session):
    at = pd.date_range("2026-01-01", "2026-06-30", freq="D")
    frame = pd.DataFrame({"customer_id": "a", "booked_at": at, "amount": 1.0})
    spec = SourceSpec(kind="revenue", data=frame)
    assert check_sources([spec], session) == ([], [])
    thin = SourceSpec(kind="revenue", data=frame[(at <= "2026-05-31") | (at >= "2026-06-28")])
    _, warnings = check_sources([thin], session, as_of=dt.date(2026, 6, 30))
    assert warnings[0].startswith(
        "sources.revenue: the 30 days to 2026-06-30 hold 3 bookings where 30 are usual."
    )


def test_an_nps_without_zeros_is_a_warning(session):
    frame = pd.DataFrame(
        {"customer_id": [f"c{i}" for i in range(100)], "q1": [1 + i % 10 for i in range(100)]}
    )
    _, warnings = check_sources([surveys(frame)], session)
    assert "No answer to 'nps' (sources.surveys) is 0 among 100" in warnings[0]


def test_times_in_the_wrong_order_are_a_warning(session):
    frame = pd.DataFrame(
        {"customer_id": ["a"], "started_at": ["2024-02-01"], "churned_at": ["2024-01-01"]}
    )
    _, warnings = check_sources([SourceSpec(kind="customers", data=frame)], session)
    assert warnings == ["sources.customers: 1 row(s) have churned_at before started_at."]
