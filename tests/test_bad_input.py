"""Bad input: exit 2, one message that teaches, no traceback, old outputs untouched."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from company import Company

from cxmodel.cli import main

Change = Callable[[Company], None]


def setting(old: str, new: str) -> Change:
    return lambda company: company.replace(old, new)


def cell(table: str, row: int, column: str, value: object) -> Change:
    def change(company: Company) -> None:
        frame = company.tables[table].astype({column: object})
        frame.loc[row, column] = value
        company.tables[table] = frame

    return change


def column(table: str, name: str, make: Callable[[pd.DataFrame], object]) -> Change:
    def change(company: Company) -> None:
        company.tables[table] = company.tables[table].assign(**{name: make})

    return change


def empty_file(company: Company) -> None:
    company.tables.pop("transactions")
    (company.folder / "transactions.csv").write_text("")


def header_only(company: Company) -> None:
    company.tables["transactions"] = company.tables["transactions"].head(0)


def binary_file(company: Company) -> None:
    company.tables.pop("transactions")
    (company.folder / "transactions.csv").write_bytes(bytes(range(256)) * 20)


def fake_parquet(company: Company) -> None:
    company.replace("transactions.csv", "transactions.parquet")
    (company.folder / "transactions.parquet").write_bytes(b"PAR1 and then nothing")


def repeated_customers(company: Company) -> None:
    customers = company.tables["customers"]
    company.tables["customers"] = pd.concat([customers, customers.head(3)])


def attribute(name: str) -> Change:
    def change(company: Company) -> None:
        customers = company.tables["customers"]
        company.tables["customers"] = customers.rename(columns={"segment": name})
        company.replace('["segment"]', json.dumps([name]))

    return change


def engine(line: str) -> Change:
    return setting("[study]", f"[engine]\n{line}\n[study]")


def other_keys(change: Callable[[pd.Series], pd.Series]) -> Change:
    """Write ids as plain numbers, and those of the surveys as `change` spells them."""

    def apply(company: Company) -> None:
        for table, key in (("surveys", "cust"), ("customers", "id"), ("transactions", "cust")):
            frame = company.tables[table]
            numbers = frame[key].str[1:].astype(int).astype(str)
            written = change(numbers) if table == "surveys" else numbers
            company.tables[table] = frame.assign(**{key: written})

    return apply


def cut_off(company: Company) -> None:
    text = company.tables.pop("transactions").to_csv(index=False)
    (company.folder / "transactions.csv").write_text(text + '"C0001,2025-01-01,3\n')


def latin_1(company: Company) -> None:
    customers = company.tables.pop("customers").assign(segment="Müller")
    customers.to_csv(company.folder / "customers.csv", index=False, encoding="latin-1")


def twice_the_same_column(company: Company) -> None:
    text = company.tables.pop("surveys").assign(x=1).to_csv(index=False)
    (company.folder / "surveys.csv").write_text(text.replace(",x\n", ",recommend\n", 1))


CASES: dict[str, tuple[Change, str]] = {
    "huge amount": (cell("transactions", 3, "amount", "1e15"), r"1 amount.*beyond.*1e15, row 4"),
    "absurd amount": (cell("transactions", 3, "amount", "1e30"), r"beyond.*1e30"),
    "huge amounts": (column("transactions", "amount", lambda t: 9e13), r"amount.*beyond"),
    "thousands separator": (cell("transactions", 3, "amount", "1,234.56"), r"thousands"),
    "a decimal comma": (
        cell("transactions", 3, "amount", "1.234,56"),
        r"1 amount.*first: '1\.234,56', row 4.*it would be read as 1234\.56",
    ),
    "a currency sign": (
        cell("transactions", 3, "amount", "$12.50"),
        r"Leave out the currency sign.*it would be read as 12\.50",
    ),
    "epoch milliseconds": (
        column("transactions", "paid_at", lambda t: 1_756_512_000_000),
        r"paid_at.*milliseconds since 1970: 2025-08-30 00:00:00 UTC",
    ),
    "two formats of dates": (
        column("surveys", "answered_at", lambda t: ["2025-08-30", "30/08/2025"] * 250),
        r"two formats: 250 such as '2025-08-30' and 250 such as '30/08/2025'.*date_format = \[",
    ),
    "times with and without a zone": (
        column("surveys", "answered_at", lambda t: ["2025-08-30T10:00Z", "2025-08-30 10:00"] * 250),
        r"250 time\(s\) with a distance from UTC and 250 without.*time_zone = ",
    ),
    "a column of an attribute that is not there": (
        setting('["segment"]', '["segmant"]'),
        r"no column 'segmant'.*Did you mean 'segment'",
    ),
    "an attribute that is the key": (attribute("customer_id"), r"'customer_id'.*Rename it"),
    "an attribute that is the rating": (attribute("rating"), r"'rating'.*Rename it"),
    "an attribute in capitals": (attribute("Responded_At"), r"'Responded_At'.*Rename it"),
    "an attribute of ours": (attribute("_share"), r"'_share'.*Rename it"),
    "a hostile rating key": (
        setting("nps = {", '"a\\"; DROP TABLE x; --" = {'),
        r"DROP TABLE.*no key of a rating",
    ),
    "a horizon without end": (
        setting("gross_margin = 0.6", "gross_margin = 0.6\nhorizon_months = 100000"),
        r"horizon_months.*1200",
    ),
    "an outcome without end": (
        setting("[kpis]", "[windows]\noutcome_days = 999999999999\n[kpis]"),
        r"outcome_days.*36525",
    ),
    "no limit of memory": (engine('memory_limit = "lots"'), r"Memory.*memory_limit"),
    "no such engine": (engine('url = "foo://x"'), r"'foo'.*engine\.url"),
    "no such database": (engine('url = "duckdb:///none/none.db"'), r"none\.db"),
    "numbers against text": (other_keys(lambda key: key + ".0"), r"'0\.0' against '0'.*trailing"),
    "padded keys": (other_keys(lambda key: key.str.zfill(8)), r"leading zeros"),
    "keys with blanks": (other_keys(lambda key: key + " "), r"blanks"),
    "ratings with a fraction": (cell("surveys", 3, "recommend", "7.5"), r"no whole number.*7\.5"),
    "a day that does not exist": (cell("surveys", 3, "answered_at", "2025-02-30"), r"2025-02-30"),
    "an hour that does not exist": (
        lambda company: (
            company.replace("[study]", '[study]\ntime_zone = "Europe/Berlin"'),
            cell("surveys", 3, "answered_at", "2025-03-30 02:30:00")(company),
        )[1],
        r"do not exist in Europe/Berlin.*2025-03-30 02:30",
    ),
    "epoch seconds": (column("surveys", "answered_at", lambda t: 1_756_512_000), r"1756512000"),
    "no rating at all": (column("surveys", "recommend", lambda t: None), r"500 missing_rating"),
    "no date at all": (column("surveys", "answered_at", lambda t: None), r"500 missing_responded"),
    "a quotation mark left open": (cut_off, r"transactions\.csv.*line.*never closed"),
    "not UTF-8": (latin_1, r"customers\.csv is not UTF-8.*line 2"),
    "a column twice": (twice_the_same_column, r"'recommend' 2 times"),
    "a folder for a file": (setting('"surveys.csv"', '"."'), r"is a folder"),
    "a glob of nothing": (setting('"transactions.csv"', '"tr/*.csv"'), r"tr/\*\.csv"),
    "no environment variable": (
        setting('"transactions.csv"', '"${CXMODEL_NOPE}/x.csv"'),
        r"CXMODEL_NOPE is not set",
    ),
    "unknown key": (setting("as_of =", "asof ="), r"asof.*Did you mean 'as_of'"),
    "unknown table": (setting("[value]", "[valu]"), r"valu.*'value'"),
    "missing file": (setting("surveys.csv", "survey.csv"), r"survey\.csv"),
    "missing column": (
        setting('column = "recommend"', 'column = "recomend"'),
        r"no column 'recomend'.*Found: .*recommend",
    ),
    "missing rating": (setting("as_of =", 'rating = "csat"\nas_of ='), r"csat.*nps"),
    "missing scale": (setting('scale = "nps"', 'scale = "npss"'), r"npss.*nps"),
    "outside the scale": (
        cell("surveys", 7, "recommend", 11),
        r"1 rating.*outside.*0-10.*11.*row 8|1 rating.*outside.*0-10.*11",
    ),
    "text for a rating": (cell("surveys", 7, "recommend", "good"), r"'good'"),
    "as_of before the data": (
        setting("as_of = 2026-06-30", "as_of = 2001-01-01"),
        r"as_of.*2001-01-01",
    ),
    "text in an amount": (cell("transactions", 3, "amount", "12 dollars"), r"'12 dollars'"),
    "infinite amount": (cell("transactions", 3, "amount", "inf"), r"amount"),
    "empty file": (empty_file, r"transactions\.csv.*empty"),
    "only a header": (header_only, r"transactions\.csv.*(empty|no rows)"),
    "binary file": (binary_file, r"transactions\.csv"),
    "no parquet file": (fake_parquet, r"transactions\.parquet"),
    "repeated customers": (repeated_customers, r"3 .*(repeat|more than once)"),
    "no key in common": (
        column("surveys", "cust", lambda t: t.cust.str.lower()),
        r"'c0000'.*'C0000'|'C0000'.*'c0000'",
    ),
    "ambiguous dates": (
        column("surveys", "answered_at", lambda t: "03/04/2025"),
        r"03/04/2025.*date_format",
    ),
    "two kinds of date": (cell("surveys", 3, "answered_at", "yesterday"), r"'yesterday'"),
    "no lookback": (setting("[kpis]", "[windows]\nlookback_days = 0\n[kpis]"), r"lookback_days"),
    "no outcome window": (
        setting("[kpis]", "[windows]\noutcome_days = -5\n[kpis]"),
        r"outcome_days",
    ),
    "no inactivity": (setting("[kpis]", "[windows]\ninactive_days = 0\n[kpis]"), r"inactive_days"),
    "negative gap": (setting("[kpis]", "[windows]\ngap_days = -1\n[kpis]"), r"gap_days"),
    "margin of 1": (setting("gross_margin = 0.6", "gross_margin = 1.0"), r"gross_margin"),
    "negative discount": (
        setting("annual_discount_rate = 0.10", "annual_discount_rate = -0.1"),
        r"annual_discount_rate",
    ),
    "unknown currency": (setting('"USD"', '"USDD"'), r"USDD"),
    "no TOML": (setting("[study]", "[study"), r"cxmodel\.toml"),
    "two places for a source": (
        setting('path = "surveys.csv"', 'path = "surveys.csv"\nsql = "SELECT 1"'),
        r"sources\.surveys.*(exactly one|one of)",
    ),
    "a statement that writes": (
        setting('path = "surveys.csv"', 'sql = "DROP TABLE x"'),
        r"SELECT",
    ),
    "a query that reads a file": (
        setting('path = "surveys.csv"', "sql = \"SELECT * FROM read_csv('surveys.csv')\""),
        r"read_csv|\[tables\]",
    ),
    "group by nothing known": (setting('by = ["segment"]', 'by = ["segmnt"]'), r"segmnt.*segment"),
}


@pytest.mark.parametrize("name", CASES)
def test_bad_input_is_refused_in_words(
    name: str, company: Company, capsys: pytest.CaptureFixture[str]
) -> None:
    change, message = CASES[name]
    change(company)
    config = company.write()
    out = company.folder / "out"
    out.mkdir()
    (out / "results.json").write_text('{"schema_version": 1, "old": true}')
    code = main(["run", str(config), "--out", str(out), "--report", "none", "--quiet"])
    said = capsys.readouterr()
    assert code == 2, said.err
    assert re.search(message, said.err, flags=re.S), said.err
    assert "Traceback" not in said.err
    assert said.out == ""
    assert json.loads((out / "results.json").read_text()) == {"schema_version": 1, "old": True}
    assert sorted(path.name for path in out.iterdir()) == ["results.json"]


def test_a_truncated_file_is_named(
    data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "cxmodel.toml"
    file = data_dir / "airline_satisfaction" / "Invistico_Airline_truncated.csv"
    config.write_text(
        f'[sources.observations]\npath = "{file}"\n'
        'ratings.wifi = { column = "Inflight wifi service", low = 1, high = 5, top_box = 4, '
        "higher_is_better = true, not_applicable = [0] }\n"
        'touchpoints = ["wifi"]\n'
    )
    assert main(["run", str(config), "--out", str(tmp_path / "out"), "--quiet"]) == 2
    assert "Invistico_Airline_truncated.csv" in capsys.readouterr().err


def test_several_breaches_are_told_at_once(
    company: Company, capsys: pytest.CaptureFixture[str]
) -> None:
    cell("surveys", 7, "recommend", 11)(company)
    cell("transactions", 3, "amount", "twelve")(company)
    repeated_customers(company)
    assert main(["validate", str(company.write())]) == 2
    said = capsys.readouterr().err
    assert "ScaleError" in said
    assert "twelve" in said
    assert "C0000" in said


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (setting('by = ["segment"]', 'by = ["segmnt"]'), r"segmnt.*'segment'"),
        (attribute("band"), r"'band'.*Rename it"),
    ],
)
def test_validate_refuses_what_run_refuses(
    change: Change, message: str, company: Company, capsys: pytest.CaptureFixture[str]
) -> None:
    change(company)
    assert main(["validate", str(company.write())]) == 2
    assert re.search(message, capsys.readouterr().err)


def test_validate_refuses_a_joined_table_without_an_outcome(
    company: Company, capsys: pytest.CaptureFixture[str]
) -> None:
    company.toml = (
        '[sources.observations]\npath = "surveys.csv"\n'
        'ratings.nps = { column = "recommend", scale = "nps" }\n'
    )
    assert main(["validate", str(company.write())]) == 2
    assert "holds no outcome" in capsys.readouterr().err


def test_a_folder_that_is_not_ours_is_refused(
    company: Company, capsys: pytest.CaptureFixture[str]
) -> None:
    out = company.folder / "mine"
    out.mkdir()
    (out / "thesis.txt").write_text("years of work")
    assert main(["run", str(company.write()), "--out", str(out), "--report", "none"]) == 2
    assert "thesis.txt" in capsys.readouterr().err
    assert (out / "thesis.txt").read_text() == "years of work"


@pytest.mark.parametrize("stage", ["churn", "portfolio"])
def test_a_stage_that_was_named_must_run(
    stage: str, company: Company, capsys: pytest.CaptureFixture[str]
) -> None:
    company.tables = {name: table.head(20) for name, table in company.tables.items()}
    arguments = ["run", str(company.write()), "--out", str(company.folder / "out"), "--only", stage]
    assert main([*arguments, "--quiet", "--report", "none"]) == 2
    assert stage in capsys.readouterr().err
    assert not (company.folder / "out").exists()


def test_an_unknown_stage_is_refused(company: Company, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", str(company.write()), "--only", "lifts", "--quiet"]) == 2
    assert "'lift'" in capsys.readouterr().err


STRANGE = [
    "n",
    "total",
    "select",
    "months",
    "order",
    "Group By",
    'a"; DROP TABLE x; --',
    "a\nb",
    "d.o.t",
    "back`tick",
    "it's",
    "%d {x} $y",
    "Größe ж 名",
    "long " * 39 + "names",
]
HOSTILE = ["=1+1", "<script>alert(1)</script>", "'; DROP TABLE customers; --", "{{x}} ${HOME} %s"]


def test_attributes_with_strange_names_and_values_come_through_the_whole_study(
    company: Company,
) -> None:
    import csv

    customers = company.tables["customers"]
    for i, name in enumerate(STRANGE):
        levels = [HOSTILE[(i + k) % len(HOSTILE)] for k in range(2)]
        customers[name] = [levels[(j >> (i % 7)) % 2] for j in range(len(customers))]
    listed = json.dumps(STRANGE, ensure_ascii=False)
    company.replace('attributes = ["segment"]', f"attributes = {listed}")
    company.replace('by = ["segment"]', f"by = {listed}")
    out = company.folder / "out"
    arguments = ["run", str(company.write()), "--out", str(out), "--report", "none", "--quiet"]
    assert main([*arguments, "--keep-observations"]) == 0
    results = json.loads((out / "results.json").read_text())
    groups = [row["group"] for row in results["kpis"]["rows"]]
    for i, name in enumerate(STRANGE):
        for k in range(2):
            assert {name: HOSTILE[(i + k) % len(HOSTILE)]} in groups
    kept = pd.read_parquet(out / "observations.parquet")
    assert set(STRANGE) <= set(kept.columns)
    with (out / "tables" / "kpis.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    told = "\n".join(row["group"] for row in rows)
    for name in STRANGE:
        assert name.strip() in told
    assert not [cell for row in rows for cell in row.values() if cell[:1] in "=+@" and cell[:1]]


@pytest.mark.parametrize("name", ["My Orders", "select", "Größe", "a.b", "o'clock", 'say "so"'])
def test_a_table_may_have_a_strange_name(name: str, company: Company) -> None:
    key = json.dumps(name, ensure_ascii=False)
    quoted = '"' + name.replace('"', '""') + '"'
    sql = f"SELECT cust, paid_at, amount FROM {quoted}"
    company.replace(
        "[sources.surveys]\n", f'[tables]\n{key} = "transactions.csv"\n[sources.surveys]\n'
    )
    by_name = f"table = {key}"
    for place in (by_name, f"sql = '''{sql}'''"):
        toml = company.toml
        company.replace('path = "transactions.csv"', place)
        assert main(["validate", str(company.write()), "--quiet"]) == 0
        company.toml = toml


def test_validate_lists_the_rows_of_each_source(
    company: Company, capsys: pytest.CaptureFixture[str]
) -> None:
    config = company.write()
    assert main(["validate", str(config), "--quiet"]) == 0
    said = capsys.readouterr()
    n_bookings = len(company.tables["transactions"])
    assert said.out.splitlines() == [
        "sources.surveys: 500 rows",
        "sources.customers: 500 rows",
        f"sources.revenue: {n_bookings:,} rows",
        f"{config}: settings and data are as declared.",
    ]


def test_validate_counts_the_rows_of_a_source_that_is_refused(
    company: Company, capsys: pytest.CaptureFixture[str]
) -> None:
    cell("surveys", 7, "recommend", 11)(company)
    cell("transactions", 3, "paid_at", "2150-01-01")(company)
    company.replace("customers.csv", "people.csv")
    assert main(["validate", str(company.write())]) == 2
    said = capsys.readouterr()
    assert said.out.splitlines()[:2] == ["sources.surveys: 500 rows", "sources.customers: not read"]
    assert "ScaleError: 1 rating lies outside NPS 0-10 (first: 11, row 8)" in said.err
    assert "SourceError: people.csv does not exist." in said.err
    assert "Warning: sources.revenue: 1 row(s) have booked_at in the future" in said.err


def test_every_stage_shows_its_rows(company: Company, capsys: pytest.CaptureFixture[str]) -> None:
    out = company.folder / "out"
    assert main(["run", str(company.write()), "--out", str(out), "--report", "none"]) == 0
    lines = capsys.readouterr().err.splitlines()
    n_bookings = len(company.tables["transactions"])
    for begin in (
        "reading surveys: 500 rows, ",
        "reading customers: 500 rows, ",
        f"reading revenue: {n_bookings:,} rows, ",
        "observations: ",
        "KPIs: 500 rows, ",
        "lift of revenue: ",
        "programmes: 1 rows, ",
        "write: ",
    ):
        assert any(line.startswith(begin) for line in lines), begin
    assert all(" rows, " in line for line in lines if line.endswith(" s"))


def test_a_folder_below_a_file_is_refused_before_anything_runs(
    company: Company, capsys: pytest.CaptureFixture[str]
) -> None:
    (company.folder / "file").write_text("mine")
    out = company.folder / "file" / "out"
    assert main(["run", str(company.write()), "--out", str(out)]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "file is a file. Name a folder." in said


def test_ctrl_c_is_an_interrupt_whatever_a_library_makes_of_it(
    company: Company, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*_: object, **__: object) -> None:
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            raise RuntimeError("Query interrupted") from None

    monkeypatch.setattr("cxmodel.study.Study.run", run)
    before = signal.getsignal(signal.SIGINT)
    assert main(["run", str(company.write()), "--out", str(company.folder / "out")]) == 130
    assert capsys.readouterr().err.strip() == "Interrupted."
    assert signal.getsignal(signal.SIGINT) is before
    assert not (company.folder / "out").exists()
