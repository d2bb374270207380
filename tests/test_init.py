"""Guessing a configuration: small tables by hand, every real data set, hostile names."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import duckdb
import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxmodel.config import StudyConfig, load_config
from cxmodel.errors import EngineError, OutputError, SourceError
from cxmodel.init_config import draft_config, init_config
from cxmodel.init_config.draft import hide_password
from cxmodel.init_config.toml_lines import toml_key, toml_text
from cxmodel.init_config.words import in_order, words

DECISIONS = {
    "currency": '"USD"',
    "gross_margin": "0.6",
    "annual_discount_rate": "0.1",
    "customer_id": '"person"',
}


def decided(text: str) -> str:
    """Decide everything: take what is offered, else a value of `DECISIONS`."""
    lines = []
    for line in text.splitlines():
        decision = re.fullmatch(r"# decide: (\S+) = (.*)", line)
        if decision is None:
            lines.append(line)
            continue
        key, rest = decision.groups()
        lines.append(f"{key} = {DECISIONS[key] if rest.startswith('...') else rest}")
    return "\n".join(lines) + "\n"


def guess(folder: Path, **tables: str) -> tuple[str, dict[str, Any]]:
    """Write CSV files and guess; give the text and what it says once all is decided."""
    files = []
    for name, text in tables.items():
        file = folder / f"{name}.csv"
        file.write_text(text)
        files.append(str(file))
    draft = draft_config(files, folder)
    return draft.text, tomllib.loads(decided(draft.text))


def load(folder: Path, text: str) -> StudyConfig:
    file = folder / "cxmodel.toml"
    file.write_text(decided(text))
    return load_config(file)


SURVEYS = "cust,answered_at,recommend,channel\n" + "".join(
    f"C{i},2026-01-{i % 28 + 1:02} 10:00:00,{i % 11},{('web', 'phone')[i % 2]}\n" for i in range(40)
)
CUSTOMERS = "id,signup,cancelled,segment\n" + "".join(
    f"C{i},2024-01-{i % 28 + 1:02},{'2026-03-01' if i % 7 == 0 else ''},{'ab'[i % 2]}\n"
    for i in range(50)
)
ORDERS = "cust,paid_at,amount\n" + "".join(
    f"C{i % 50},2026-02-{i % 28 + 1:02},{i}.50\n" for i in range(90)
)


# -- by hand ---------------------------------------------------------------------------------


def test_three_tables_are_recognised(tmp_path: Path) -> None:
    text, raw = guess(tmp_path, nps=SURVEYS, customers=CUSTOMERS, orders=ORDERS)
    sources = raw["sources"]
    assert sources["surveys"] == {
        "path": "nps.csv",
        "customer_id": "cust",
        "responded_at": "answered_at",
        "touchpoint": "channel",
        "ratings": {"recommend": {"column": "recommend", "scale": "nps"}},
    }
    assert sources["customers"] == {
        "path": "customers.csv",
        "customer_id": "id",
        "started_at": "signup",
        "churned_at": "cancelled",
        "attributes": ["segment"],
    }
    assert sources["revenue"] == {
        "path": "orders.csv",
        "customer_id": "cust",
        "booked_at": "paid_at",
        "amount": "amount",
    }
    assert load(tmp_path, text).rating == "recommend"


def dated(name: str, top: int) -> str:
    rows = (f"C{i % 50},2026-01-{i % 28 + 1:02},{i % (top + 1)},fine {i}" for i in range(120))
    return "\n".join([f"cust_id,date,{name},comment", *rows]) + "\n"


@pytest.mark.parametrize("name", ["how_likely", "q1", "answer", "wert"])
def test_a_survey_without_a_telling_name_is_not_dropped(tmp_path: Path, name: str) -> None:
    customers = CUSTOMERS.replace("id,", "cust_id,", 1)
    orders = ORDERS.replace("cust,", "cust_id,", 1)
    for table in ("survey", "export"):
        text, raw = guess(tmp_path, **{table: dated(name, 10)}, customers=customers, orders=orders)
        assert raw["sources"]["surveys"]["path"] == f"{table}.csv"
        assert raw["sources"]["surveys"]["ratings"][name] == {"column": name, "scale": "nps"}
        said = next(row for row in text.splitlines() if f"ratings.{name} =" in row)
        assert "a guess" in said or said.startswith("# decide: ")
        assert set(raw["sources"]) == {"surveys", "customers", "revenue"}


def test_a_file_that_is_not_used_is_named_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "nps.csv").write_text(SURVEYS)
    (tmp_path / "notes.csv").write_text("what,how\na,b\nc,d\n")
    draft = draft_config([str(tmp_path)], tmp_path)
    assert draft.summary[-1].startswith("not used: notes.csv (2 rows): it has no column of dates")


def test_every_guess_says_how_sure_it_is(tmp_path: Path) -> None:
    text, _ = guess(tmp_path, nps=SURVEYS, customers=CUSTOMERS, orders=ORDERS)
    mapped = [
        line for line in text.splitlines() if re.match(r"[a-z_.]+ = ", line) and "path" not in line
    ]
    assert len(mapped) == 11
    assert all(re.search(r"# (sure|likely|a guess)", line) for line in mapped)


def test_what_nobody_can_guess_waits_for_a_decision(tmp_path: Path) -> None:
    text, _ = guess(tmp_path, nps=SURVEYS, customers=CUSTOMERS, orders=ORDERS)
    for key in ("currency", "gross_margin", "annual_discount_rate"):
        assert re.search(rf"^# decide: {key} = \.\.\. ", text, re.M)
    assert tomllib.loads(text)["study"] == {}


@pytest.mark.parametrize(
    ("dates", "expected"),
    [
        (["25.12.2025", "01.02.2026"], '^date_format = "%d.%m.%Y" +# sure'),
        (["12/25/2025 9:30", "1/2/2026 10:00"], '^date_format = "%m/%d/%Y %H:%M" +# sure'),
        (
            ["03/04/2026", "05/06/2026"],
            r'^# decide: date_format = "%d/%m/%Y" +# day or month first\? or "%m/%d/%Y"',
        ),
        (["2026-01-31", "2026-02-01"], None),
        (["2026-01-31T10:00:00Z", "2026-02-01T10:00:00+01:00"], None),
    ],
)
def test_day_or_month_first(tmp_path: Path, dates: list[str], expected: str | None) -> None:
    rows = "".join(f"C{i},{dates[i % 2]},{i % 11}\n" for i in range(30))
    text, _ = guess(tmp_path, nps=f"cust,answered_at,nps\n{rows}")
    if expected is None:
        assert "date_format" not in text
    else:
        assert re.search(expected, text, re.M), text


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("nps", range(11), r'^ratings.nps = { column = "nps", scale = "nps" } +# sure'),
        ("csat", range(1, 6), r'^ratings.csat = .*scale = "csat5" } +# sure'),
        ("satisfaction", range(1, 8), r'^ratings.satisfaction = .*scale = "csat7" } +# likely'),
        (
            "satisfaction",
            range(6),
            r"^# decide: ratings.satisfaction = .*not_applicable = \[0\] } "
            r"# is 0 an answer.*if 0 is an answer: { column = \"satisfaction\", low = 0, high = 5",
        ),
        (
            "effort",
            range(1, 8),
            r'^# decide: ratings.effort = .*scale = "ces7" } # does a high answer mean easy.*'
            r"if high is hard: .*higher_is_better = false",
        ),
        ("ces", range(1, 6), r"^# decide: ratings.ces = .*low = 1, high = 5, top_box = 4"),
        (
            "nps",
            range(1, 12),
            r"^# decide: ratings.nps = .*low = 1, high = 11.*# the answers run 1-11",
        ),
        ("satisfaction", range(1, 11), r"^# decide: ratings.satisfaction = .*which scale is this"),
    ],
)
def test_scales(tmp_path: Path, name: str, values: range, expected: str) -> None:
    rows = "".join(f"C{i},2026-01-01,{values[i % len(values)]}\n" for i in range(60))
    text, raw = guess(tmp_path, answers=f"cust,answered_at,{name}\n{rows}")
    assert re.search(expected, text, re.M), text
    assert list(raw["sources"]["surveys"]["ratings"]) == [name]
    load(tmp_path, text)


def test_worded_answers_in_order(tmp_path: Path) -> None:
    levels = ("satisfied", "very dissatisfied", "neutral", "very satisfied", "dissatisfied")
    rows = "".join(f"C{i},2026-01-01,{levels[i % 5]}\n" for i in range(60))
    text, raw = guess(tmp_path, answers=f"cust,answered_at,satisfaction\n{rows}")
    assert raw["sources"]["surveys"]["ratings"]["satisfaction"]["levels"] == [
        "very dissatisfied",
        "dissatisfied",
        "neutral",
        "satisfied",
        "very satisfied",
    ]
    assert in_order(["red", "blue"]) is None
    load(tmp_path, text)


def test_subscriptions_churn_and_invitations(tmp_path: Path) -> None:
    rows = range(30)
    text, raw = guess(
        tmp_path,
        subscriptions="account_id,start_date,end_date,mrr\n"
        + "".join(f"A{i % 9},2025-01-0{i % 9 + 1},,{i}\n" for i in rows)
        + "A1,2025-01-01,2025-06-01,9\n",
        churn_events="account_id,churn_date\n" + "".join(f"A{i % 9},2025-07-01\n" for i in rows),
        invitations="account_id,sent_at\n" + "".join(f"A{i % 9},2025-05-01\n" for i in rows),
    )
    assert set(raw["sources"]) == {"subscriptions", "churn", "invitations"}
    assert raw["sources"]["subscriptions"]["monthly_amount"] == "mrr"
    load(tmp_path, text)


def test_a_ledger_without_key_or_date_is_joined(tmp_path: Path) -> None:
    text, raw = guess(
        tmp_path,
        orders="order_id,customer_id,ordered_at\n"
        + "".join(f"O{i},C{i % 9},2026-01-{i % 28 + 1:02}\n" for i in range(30)),
        payments="order_id,amount\n" + "".join(f"O{i % 30},{i}.5\n" for i in range(40)),
    )
    revenue = raw["sources"]["revenue"]
    assert revenue["customer_id"] == "customer_id"
    assert revenue["booked_at"] == "ordered_at"
    assert set(raw["tables"]) == {"orders", "payments"}
    rows = _run_sql(tmp_path, raw["tables"], revenue["sql"])
    assert len(rows) == 40
    load(tmp_path, text)


def _run_sql(folder: Path, tables: dict[str, str], sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect() as con:
        for name, path in tables.items():
            con.execute(f"CREATE VIEW \"{name}\" AS SELECT * FROM '{folder / path}'")
        return con.execute(sql).fetchall()


def test_price_times_quantity(tmp_path: Path) -> None:
    rows = "".join(f"C{i % 9},2026-01-01,{i}.5,{i % 3}\n" for i in range(30))
    text, raw = guess(tmp_path, retail=f"Customer ID,InvoiceDate,Price,Quantity\n{rows}")
    found = _run_sql(tmp_path, raw["tables"], raw["sources"]["revenue"]["sql"])
    assert sum(row[2] for row in found) == sum((i + 0.5) * (i % 3) for i in range(30))
    load(tmp_path, text)


def test_two_keys_are_left_to_the_owner(tmp_path: Path) -> None:
    text, raw = guess(
        tmp_path,
        customers="customer_id,customer_unique_id,state\n"
        + "".join(f"K{i},P{i // 2},{'ab'[i % 2]}\n" for i in range(40)),
        orders="order_id,customer_id,paid_at,amount\n"
        + "".join(f"O{i},K{i},2026-01-01,5\n" for i in range(40)),
    )
    assert (
        len(re.findall(r"^# decide: customer_id = \"customer_unique_id\" # which is", text, re.M))
        == 2
    )
    # undecided, nothing is called customer_id, so nothing is taken in silence
    for source in tomllib.loads(text)["sources"].values():
        assert not re.search(r'"customer_id",?$', source["sql"].split("FROM")[0], re.M)
    load(tmp_path, text)
    assert raw["sources"]["revenue"]["customer_id"] == "customer_unique_id"


def test_a_table_already_joined(tmp_path: Path) -> None:
    rows = "".join(
        f"{i},{('Yes', 'No')[i % 2]},{i % 60},{20 + i}.5,{i % 5 + 1},{i * 7},9{i:04}\n"
        for i in range(80)
    )
    header = (
        "Customer ID,Churn,Tenure in Months,Monthly Charge,Satisfaction Score,Total Charges,Zip"
    )
    text, raw = guess(tmp_path, telco=f"{header}\n{rows}")
    assert raw["sources"]["observations"] == {
        "path": "telco.csv",
        "customer_id": "Customer ID",
        "churned": "Churn",
        "duration_months": "Tenure in Months",
        "monthly_revenue": "Monthly Charge",
        "ignore": ["Total Charges", "Zip"],
        "ratings": {"satisfaction_score": {"column": "Satisfaction Score", "scale": "csat5"}},
    }
    load(tmp_path, text)


def test_a_battery_of_questions_is_touchpoints(tmp_path: Path) -> None:
    parts = ["wifi", "food", "seat", "Ease of booking"]
    rows = "".join(
        f"{i},{('happy', 'unhappy')[i % 2]}," + ",".join(str((i + k) % 6) for k in range(4)) + "\n"
        for i in range(60)
    )
    text, raw = guess(tmp_path, flight=f"id,satisfaction,{','.join(parts)}\n{rows}")
    flat = raw["sources"]["observations"]
    assert list(flat["ratings"]) == ["satisfaction", "wifi", "food", "seat", "ease_of_booking"]
    assert flat["touchpoints"] == ["wifi", "food", "seat", "ease_of_booking"]
    assert text.count("is 0 an answer") == 4
    load(tmp_path, text)


def test_excel_sheets(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    notes, sheet = book.active, book.create_sheet("My answers")
    assert notes is not None
    notes.append(["only a note"])
    sheet.append(["cust", "answered_at", "nps"])
    for i in range(30):
        sheet.append([f"C{i}", "2026-01-01", i % 11])
    book.save(tmp_path / "answers.xlsx")
    draft = draft_config([str(tmp_path / "answers.xlsx")], tmp_path)
    surveys = tomllib.loads(draft.text)["sources"]["surveys"]
    assert (surveys["path"], surveys["sheet"]) == ("answers.xlsx", "My answers")


def test_tables_of_an_engine(tmp_path: Path) -> None:
    database = tmp_path / "warehouse.duckdb"
    with duckdb.connect(str(database)) as con:
        con.execute(
            "CREATE TABLE answers AS SELECT 'C' || i AS cust, DATE '2026-01-01' AS answered_at, "
            "i % 11 AS nps FROM range(30) t(i)"
        )
    url = f"duckdb:///{database}"
    raw = tomllib.loads(draft_config([url], tmp_path).text)
    assert raw["engine"] == {"url": "duckdb:///warehouse.duckdb"}
    assert raw["sources"]["surveys"]["table"] == "answers"
    with pytest.raises(SourceError, match="Give one URL of an engine, or files"):
        draft_config([url, "x.csv"], tmp_path)


@pytest.fixture
def warehouse(tmp_path: Path) -> Path:
    """A DuckDB file with tables in two schemas, one with blanks in its name."""
    database = tmp_path / "warehouse.db"
    with duckdb.connect(str(database)) as con:
        con.execute("CREATE SCHEMA crm")
        con.execute(
            "CREATE TABLE \"My Answers\" AS SELECT 'C' || i AS customer_id, "
            "DATE '2026-01-01' AS answered_at, i % 11 AS nps FROM range(30) t(i)"
        )
        con.execute(
            "CREATE TABLE crm.orders AS SELECT i AS order_id, 'C' || i AS customer_id, "
            "DATE '2026-01-01' AS ordered_at FROM range(30) t(i)"
        )
        con.execute(
            "CREATE VIEW crm.payments AS "
            "SELECT i % 30 AS order_id, 5.5 AS amount FROM range(40) t(i)"
        )
    return database


def test_tables_of_every_schema_are_looked_at_and_joined(warehouse: Path) -> None:
    from cxmodel.study import Study

    folder = warehouse.parent
    draft = draft_config([f"duckdb:///{warehouse}"], folder)
    raw = tomllib.loads(draft.text)
    assert raw["engine"] == {"url": "duckdb:///warehouse.db"}
    assert raw["sources"]["surveys"]["table"] == "My Answers"
    assert 'LEFT JOIN "crm"."orders"' in raw["sources"]["revenue"]["sql"]
    (folder / "cxmodel.toml").write_text(decided(draft.text))
    found = Study.from_toml(folder / "cxmodel.toml").inspect()
    assert found.n_rows == {"sources.surveys": 30, "sources.revenue": 40}
    assert found.breaches == []


def test_the_url_of_a_file_is_relative_to_the_configuration(
    warehouse: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(warehouse.parent)
    (warehouse.parent / "below").mkdir()
    for folder, address in ((".", "warehouse.db"), ("below", str(warehouse))):
        draft = draft_config(["duckdb:///warehouse.db"], folder)
        assert tomllib.loads(draft.text)["engine"] == {"url": f"duckdb:///{address}"}


def test_a_database_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"There is no database none\.db"):
        draft_config([f"duckdb:///{tmp_path / 'none.db'}"], tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_simulated_company_is_recognised(tmp_path: Path) -> None:
    from cxmodel.datasets import simulate

    simulate(n_customers=200, seed=1).write(tmp_path)
    truth = tomllib.loads((tmp_path / "cxmodel.toml").read_text())["sources"]
    guessed = tomllib.loads(decided(draft_config([str(tmp_path)], tmp_path).text))["sources"]
    for kind, source in truth.items():
        columns = {
            rating["column"]: rating["scale"] for rating in source.pop("ratings", {}).values()
        }
        found = guessed[kind].pop("ratings", {}).values()
        assert {rating["column"]: rating["scale"] for rating in found} == columns
        assert guessed[kind] == source


def test_a_second_file_of_the_same_columns_is_more_of_the_same(tmp_path: Path) -> None:
    guess(tmp_path, orders_2025=ORDERS, orders_2026=ORDERS)
    draft = draft_config([str(tmp_path)], tmp_path)
    assert "it looks like more of sources.revenue" in draft.summary[-1]
    assert "UNION ALL" in draft.summary[-1]


def test_what_is_known_once_it_is_over_is_no_control(tmp_path: Path) -> None:
    rows = "".join(
        f"{i},{('Yes', 'No')[i % 2]},{('Price', '')[i % 2]},{('Churned', 'Stayed')[i % 2]},{i % 9},"
        f"{i % 5 + 1}\n"
        for i in range(80)
    )
    header = "Customer ID,Churn Label,Churn Reason,Customer Status,Visits,Satisfaction Score"
    _, raw = guess(tmp_path, telco=f"{header}\n{rows}")
    assert raw["sources"]["observations"]["ignore"] == ["Churn Reason", "Customer Status"]


def test_a_folder_is_its_files_and_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "nps.csv").write_text(SURVEYS)
    (tmp_path / "data" / "readme.txt").write_text("no table")
    out = tmp_path / "acme.toml"
    draft = init_config([str(tmp_path / "data")], out)
    assert out.read_text() == draft.text
    assert load_config(out).sources.surveys is not None
    assert tomllib.loads(draft.text)["sources"]["surveys"]["path"] == "data/nps.csv"


# -- real data -------------------------------------------------------------------------------

REAL = {
    "airline_satisfaction": {"observations"},
    "cdnow": set(),
    "ecommerce_5630": {"observations"},
    "ibm_telco": {"observations"},
    "iranian_telecom": {"observations"},
    "olist": {"surveys", "customers", "revenue", "interactions"},
    "online_retail": {"revenue"},
    "ravenstack": {"surveys", "customers", "churn", "subscriptions", "interactions"},
    "support_tickets": {"surveys"},
}


@pytest.mark.parametrize("name", REAL)
def test_real_data(name: str, data_dir: Path, tmp_path: Path) -> None:
    draft = draft_config([str(data_dir / name)], tmp_path)
    if not REAL[name]:
        assert "No table was recognised" in draft.summary[0]
        return
    config = load(tmp_path, draft.text)
    assert set(config.sources.given) == REAL[name]


def test_olist_leaves_the_person_to_be_decided(data_dir: Path, tmp_path: Path) -> None:
    text = draft_config([str(data_dir / "olist")], tmp_path).text
    assert text.count('# decide: customer_id = "customer_unique_id" # which is the person?') == 4
    assert text.count('date_format = "%m/%d/%Y %H:%M"') == 3
    config = load(tmp_path, text)
    assert config.sources.revenue is not None
    assert config.sources.revenue.amount == "payment_value"


def test_what_leaks_the_label_of_ibm_telco_is_ignored(data_dir: Path, tmp_path: Path) -> None:
    config = load(tmp_path, draft_config([str(data_dir / "ibm_telco")], tmp_path).text)
    assert config.sources.observations is not None
    leaks = {"Churn Score", "Churn Category", "Churn Reason", "Customer Status", "CLTV"}
    assert leaks | {"Total Revenue"} <= set(config.sources.observations.ignore)
    assert "Contract" not in config.sources.observations.ignore


def test_two_years_of_online_retail_are_one_ledger(data_dir: Path, tmp_path: Path) -> None:
    draft = draft_config([str(data_dir / "online_retail")], tmp_path)
    assert "it looks like more of sources.revenue" in draft.summary[-1]


def test_ravenstack_dates_are_day_first(data_dir: Path, tmp_path: Path) -> None:
    config = load(tmp_path, draft_config([str(data_dir / "ravenstack")], tmp_path).text)
    assert config.sources.churn is not None
    assert config.sources.churn.date_format == ("%d-%m-%Y",)
    assert config.sources.interactions is not None
    assert config.sources.interactions.first_response_minutes == "first_response_time_minutes"
    assert "churn_flag" not in config.sources.customers.attributes  # type: ignore[union-attr]


# -- properties ------------------------------------------------------------------------------

ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@given(ANY_TEXT, ANY_TEXT)
def test_any_text_survives_toml(key: str, value: str) -> None:
    text = f"{toml_key(key)} = {toml_text({'a b': [value]})}"
    assert tomllib.loads(text) == {key: {"a b": [value]}}


@given(ANY_TEXT)
def test_words_never_fail(name: str) -> None:
    assert all(word == word.lower() for word in words(name))


def test_hostile_names_are_quoted(tmp_path: Path) -> None:
    hostile = "nps \"x\"\n# decide: y = ''' \\ ]{}=;DROP TABLE t;--<script>"
    quoted = '"' + hostile.replace('"', '""') + '"'
    rows = "".join(f"C{i},2026-01-01,{i % 11}\n" for i in range(30))
    file = tmp_path / 'it\'s "[1]" #panic();.csv'
    file.write_text(f"cust,answered_at,{quoted}\n{rows}")
    text = draft_config([str(file)], tmp_path).text
    surveys = tomllib.loads(text)["sources"]["surveys"]
    assert surveys["path"] == file.name
    assert surveys["ratings"]["nps"]["column"] == hostile
    load(tmp_path, text)


# -- errors ----------------------------------------------------------------------------------


def test_an_existing_file_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "nps.csv").write_text(SURVEYS)
    out = tmp_path / "cxmodel.toml"
    out.write_text("mine")
    with pytest.raises(OutputError, match=r"cxmodel.toml exists and is not overwritten"):
        init_config([str(tmp_path / "nps.csv")], out)
    assert out.read_text() == "mine"


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    empty = tmp_path / "empty.csv"
    empty.touch()
    with pytest.raises(SourceError, match=r"empty.csv"):
        draft_config([str(empty)], tmp_path)
    with pytest.raises(SourceError, match=r"missing.csv"):
        draft_config([str(tmp_path / "missing.csv")], tmp_path)
    (tmp_path / "nps.csv").write_text(SURVEYS)
    draft = draft_config([str(empty), str(tmp_path / "nps.csv")], tmp_path)
    assert '# Not read: "empty.csv"' in draft.text
    (tmp_path / "none").mkdir()
    with pytest.raises(SourceError, match="a folder without CSV, Parquet or Excel files"):
        draft_config([str(tmp_path / "none")], tmp_path)


def test_a_password_is_not_written_down() -> None:
    assert "secret" not in hide_password("postgres://ann:secret@host/db")
